//! The same call for systems whose rename always replaces: it is not offered.

use std::io;
use std::path::Path;

/// Returns `Unsupported`.
pub fn rename_no_replace(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

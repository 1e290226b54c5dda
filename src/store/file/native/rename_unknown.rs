//! Where std's rename is all there is, and it replaces: not offered.

use std::io;
use std::path::Path;

/// Always `Unsupported`.
pub fn without_replacing(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

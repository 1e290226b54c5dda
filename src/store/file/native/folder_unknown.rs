//! Where folders cannot be opened for syncing (Windows): the journal of NTFS orders names, so there is nothing to call.

use std::io;
use std::path::Path;

/// Looks whether the folder is there.
pub fn sync(folder: &Path) -> io::Result<()> {
    std::fs::metadata(folder).map(|_| ())
}

/// Nothing to do.
pub fn sync_above(_: &Path) -> io::Result<()> {
    Ok(())
}

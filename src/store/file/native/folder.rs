//! Making names in a folder survive the loss of power, and reading from the middle of a file, on Unix.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Syncs the names in a folder.
pub fn sync(folder: &Path) -> io::Result<()> {
    let opened = File::open(folder)?;
    if !opened.metadata()?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    opened.sync_all()
}

/// Syncs the folders on the way to `folder`: another process may have made them a moment ago and not synced them yet.
/// A folder that we may not open was made by somebody else, long before.
pub fn sync_above(folder: &Path) -> io::Result<()> {
    let folder = folder.canonicalize()?;
    for above in folder.ancestors().skip(1) {
        match sync(above) {
            Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {}
            // Some kernels refuse to sync the folders of special file systems; a store's own folder is never there.
            Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            done => done?,
        }
    }
    Ok(())
}

/// Fills `bytes` with what the file has from `offset` on.
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

//! Makes names in a folder durable, and reads at an offset of a file, on Unix.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Syncs the names in a folder.
///
/// Known as: durable directory entries (`fsync` of the parent folder).
pub fn sync(folder: &Path) -> io::Result<()> {
    let opened = File::open(folder)?;
    if !opened.metadata()?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    opened.sync_all()
}

/// Syncs the folders above `folder`: another process may have just created them without a sync yet. A folder that this
/// process may not open was created by another user, long before.
pub fn sync_ancestors(folder: &Path) -> io::Result<()> {
    let folder = folder.canonicalize()?;
    for above in folder.ancestors().skip(1) {
        match sync(above) {
            Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {}
            // Some kernels refuse to sync folders of special file systems; a store's own folder is never on one.
            Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            result => result?,
        }
    }
    Ok(())
}

/// Fills `bytes` from the file, starting at `offset`.
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

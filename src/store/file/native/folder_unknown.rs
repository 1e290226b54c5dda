//! Where folders cannot be opened for syncing (Windows): the journal of NTFS orders names, so there is nothing to call.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::windows::fs::FileExt;
use std::path::Path;

/// Looks whether the folder is there.
pub fn sync(folder: &Path) -> io::Result<()> {
    std::fs::metadata(folder).map(|_| ())
}

/// Nothing to do.
pub fn sync_above(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Fills `bytes` with what the file has from `offset` on.
pub fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_read(bytes, offset)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

//! The same calls for systems whose folders cannot be synced (Windows). The journal of NTFS orders names, so no call is
//! needed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::windows::fs::FileExt;
use std::path::Path;

/// Checks that the folder exists.
pub fn sync(folder: &Path) -> io::Result<()> {
    std::fs::metadata(folder).map(|_| ())
}

/// Does nothing.
pub fn sync_ancestors(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Fills `bytes` from the file, starting at `offset`.
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

//! Rename without replace: the way to create a file only once where hard links are missing (vfat, exFAT). Not in std; rustix
//! makes the call without `unsafe` of ours and is part of most programs anyway.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Renames `from` to `to`; fails where `to` exists, and with `Unsupported` or `InvalidInput` where the file system cannot.
pub fn without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|errno| match errno {
        Errno::NOSYS | Errno::NOTSUP => io::ErrorKind::Unsupported.into(),
        other => other.into(),
    })
}

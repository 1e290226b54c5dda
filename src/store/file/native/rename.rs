//! Rename without replacing (`renameat2` with `RENAME_NOREPLACE`): creates a name only once on file systems without
//! hard links (vfat, exFAT). `std` lacks the call; `rustix` makes it without `unsafe` here. Record:
//! `docs/decisions/0001`.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Renames `from` to `to`. Fails if `to` exists, and with `Unsupported` or `InvalidInput` if the file system lacks the
/// call.
pub fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|errno| match errno {
        Errno::NOSYS | Errno::NOTSUP => io::ErrorKind::Unsupported.into(),
        other => other.into(),
    })
}

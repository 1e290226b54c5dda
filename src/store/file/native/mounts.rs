//! Finds the kind of file system of a folder on Linux, in the kernel's mount table.

use std::path::Path;

use crate::store::file::fs::FsKind;
use crate::store::file::mounts::fs_kind_from_mounts;

/// Returns the kind of file system that `path` is on. `path` is absolute and has no symbolic links.
pub fn fs_kind(path: &Path) -> FsKind {
    std::fs::read_to_string("/proc/self/mountinfo").map_or(FsKind::Local, |table| fs_kind_from_mounts(&table, path))
}

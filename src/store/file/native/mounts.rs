//! The kind of file system a folder is on, as the kernel's table of mounts says.

use std::path::Path;

use crate::store::file::fs::Kind;
use crate::store::file::mounts::kind_in;

/// The kind of file system that `path`, absolute and without links in it, is on.
pub fn kind(path: &Path) -> Kind {
    std::fs::read_to_string("/proc/self/mountinfo").map_or(Kind::Local, |table| kind_in(&table, path))
}

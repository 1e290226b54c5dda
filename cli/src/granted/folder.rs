//! A granted folder, held open, and which paths lie in it.

use std::io;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// A granted folder. It stays the one that was granted, whatever its path names later.
#[derive(Clone, Debug)]
pub struct Granted(Arc<Open>);

#[derive(Debug)]
struct Open {
    dir: Dir,
    /// Its absolute path, as it was named and without links.
    names: [PathBuf; 2],
}

impl Granted {
    /// Opens a folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
        let names = [path::absolute(folder)?, folder.canonicalize()?];
        Ok(Self(Arc::new(Open { dir, names })))
    }

    /// The open folder, below which everything is looked for.
    pub(super) fn dir(&self) -> &Dir {
        &self.0.dir
    }

    /// How `path` is called below this folder, or `None` where it is absolute and of somewhere else.
    ///
    /// This only takes off what the folder itself is called. Whether the rest stays in it is for the system to find, at the moment of opening.
    pub(super) fn below<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        if !path.has_root() {
            return Some(path);
        }
        let rest = self.0.names.iter().find_map(|name| path.strip_prefix(name).ok())?;
        Some(if rest.as_os_str().is_empty() { Path::new(".") } else { rest })
    }
}

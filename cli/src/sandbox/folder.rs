//! A granted folder, held open, and the paths below it.

use std::io;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// A granted folder. The handle stays on this folder, even if its path names another one later.
#[derive(Clone, Debug)]
pub struct GrantedFolder(Arc<OpenFolder>);

#[derive(Debug)]
struct OpenFolder {
    dir: Dir,
    /// Its absolute path, as given and with links resolved.
    names: [PathBuf; 2],
}

impl GrantedFolder {
    /// Opens a folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
        let names = [path::absolute(folder)?, folder.canonicalize()?];
        Ok(Self(Arc::new(OpenFolder { dir, names })))
    }

    /// Returns the open folder. Every path is opened below it.
    pub(super) fn dir(&self) -> &Dir {
        &self.0.dir
    }

    /// Returns `path` relative to this folder, or `None` if it is absolute and elsewhere.
    ///
    /// This only strips the folder's own path. Whether the rest stays below it is checked by the system when it is opened.
    pub(super) fn relative_path<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        if !path.has_root() {
            return Some(path);
        }
        let rest = self.0.names.iter().find_map(|name| path.strip_prefix(name).ok())?;
        Some(if rest.as_os_str().is_empty() { Path::new(".") } else { rest })
    }
}

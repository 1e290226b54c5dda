//! What is written under another name first, and gets its own only when it is whole and on the disk.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{MANIFEST, io};
use crate::code::Code;
use crate::engine::Error;
use crate::id::hex;

/// What becomes of something that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the export is refused.
    Keep,
    /// It is replaced: a file, or a folder that is an export too.
    Replace,
}

/// A file or folder that is being written beside its place. Dropped before it is published, it leaves nothing.
#[derive(Debug)]
pub struct Staged {
    target: PathBuf,
    temp: PathBuf,
    existing: Existing,
    published: bool,
}

impl Staged {
    /// To become `target`. Refused at once where that is taken.
    pub fn new(target: &Path, existing: Existing, entropy: [u8; 10]) -> Result<Self, Error> {
        let Some(name) = target.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::new(Code::Usage, format!("{} is no name for an export", target.display())));
        };
        let temp = target.with_file_name(format!(".{name}.tmp-{}", hex(&entropy[..6])));
        let staged = Self { target: target.to_owned(), temp, existing, published: false };
        staged.judge()?;
        Ok(staged)
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.temp
    }

    /// Its name in the end.
    pub fn name(&self) -> String {
        self.target.display().to_string()
    }

    /// Whether the place may be taken.
    fn judge(&self) -> Result<(), Error> {
        let found = match fs::symlink_metadata(&self.target) {
            Ok(found) => found,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(io(&self.target, "written", &e)),
        };
        let refused = |why: &str| Err(Error::new(Code::AlreadyExists, format!("{} {why}", self.name())));
        if !found.is_dir() && !found.is_file() {
            // A device, a pipe or a link: replacing it would be a surprise.
            return refused("is no ordinary file; write to standard output (`-`) and send it there");
        }
        match (self.existing, found.is_dir()) {
            (_, true) if fs::read_dir(&self.target).is_ok_and(|mut entries| entries.next().is_none()) => Ok(()),
            (Existing::Keep, _) => Err(self.taken()),
            (Existing::Replace, true) if !self.target.join(MANIFEST).is_file() => {
                refused(&format!("is a folder without {MANIFEST}, so it is no export and is not replaced"))
            }
            (Existing::Replace, _) => Ok(()),
        }
    }

    fn taken(&self) -> Error {
        let message = format!("{} exists; choose another name, or replace it with --force", self.name());
        Error::new(Code::AlreadyExists, message)
    }

    /// Gives what was written its name. It must be closed and synced.
    pub fn publish(mut self) -> Result<(), Error> {
        let failed = |e: std::io::Error| io(&self.target, "written", &e);
        self.judge()?;
        let folder = fs::metadata(&self.temp).map_err(failed)?.is_dir();
        if folder {
            self.make_way().map_err(failed)?;
            fs::rename(&self.temp, &self.target).map_err(failed)?;
        } else if self.existing == Existing::Keep {
            match fs::hard_link(&self.temp, &self.target) {
                Ok(()) => fs::remove_file(&self.temp).map_err(failed)?,
                // Somebody took the name meanwhile.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(self.taken()),
                // No hard links here.
                Err(_) => fs::rename(&self.temp, &self.target).map_err(failed)?,
            }
        } else {
            fs::rename(&self.temp, &self.target).map_err(failed)?;
        }
        self.published = true;
        sync_folder(self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        Ok(())
    }

    /// A folder that is replaced goes aside first; only then is it removed.
    fn make_way(&self) -> std::io::Result<()> {
        if !self.target.exists() {
            return Ok(());
        }
        // Of the temp's own random name, so that what a killed export left is in nobody's way.
        let mut aside = self.temp.clone().into_os_string();
        aside.push(".old");
        let aside = PathBuf::from(aside);
        fs::rename(&self.target, &aside)?;
        fs::remove_dir_all(&aside)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed carries a name that says what it is.
            let _ = if self.temp.is_dir() { fs::remove_dir_all(&self.temp) } else { fs::remove_file(&self.temp) };
        }
    }
}

/// So that names survive the loss of power, where the system can do that.
pub(super) fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

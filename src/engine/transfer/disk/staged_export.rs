//! An export is written under a temporary name, and gets its own name only when it is complete and synced.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{MANIFEST, io};
use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::id::hex;

/// The action if the target exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverwritePolicy {
    /// Keep it, and refuse the export.
    Keep,
    /// Replace it: a file, or a folder that is an export too.
    Replace,
}

/// A file or folder that is being written next to its target. If it is dropped before it is published, it is removed.
#[derive(Debug)]
pub struct StagedExport {
    target: PathBuf,
    temp: PathBuf,
    existing: OverwritePolicy,
    published: bool,
}

impl StagedExport {
    /// Stages an export to `target`. Fails at once if the target must be kept.
    pub fn new(target: &Path, existing: OverwritePolicy, entropy: [u8; 10]) -> Result<Self, Error> {
        let Some(name) = target.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::new(
                ErrorCode::Usage,
                format!("{} is not a valid name for an export", target.display()),
            ));
        };
        let temp = target.with_file_name(format!(".{name}.tmp-{}", hex(&entropy[..6])));
        let staged = Self { target: target.to_owned(), temp, existing, published: false };
        staged.check_target()?;
        Ok(staged)
    }

    /// The temporary path.
    pub fn path(&self) -> &Path {
        &self.temp
    }

    /// Its final name.
    pub fn name(&self) -> String {
        self.target.display().to_string()
    }

    /// Checks that the target does not exist, or may be replaced.
    fn check_target(&self) -> Result<(), Error> {
        let found = match fs::symlink_metadata(&self.target) {
            Ok(found) => found,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(io(&self.target, "written", &e)),
        };
        let refused = |why: &str| Err(Error::new(ErrorCode::AlreadyExists, format!("{} {why}", self.name())));
        if !found.is_dir() && !found.is_file() {
            // A device, a pipe or a link: users would not expect it to be replaced.
            return refused("is not a regular file. Write to standard output (`-`) and redirect it there");
        }
        match (self.existing, found.is_dir()) {
            (_, true) if fs::read_dir(&self.target).is_ok_and(|mut entries| entries.next().is_none()) => Ok(()),
            (OverwritePolicy::Keep, _) => Err(self.exists_error()),
            (OverwritePolicy::Replace, true) if !self.target.join(MANIFEST).is_file() => {
                refused(&format!("is a folder without {MANIFEST}, so it is not an export and is not replaced"))
            }
            (OverwritePolicy::Replace, _) => Ok(()),
        }
    }

    fn exists_error(&self) -> Error {
        let message = format!("{} exists; choose another name, or replace it with --force", self.name());
        Error::new(ErrorCode::AlreadyExists, message)
    }

    /// Gives the export its final name. It must be closed and synced.
    pub fn publish(mut self) -> Result<(), Error> {
        let failed = |e: std::io::Error| io(&self.target, "written", &e);
        self.check_target()?;
        let folder = fs::metadata(&self.temp).map_err(failed)?.is_dir();
        if folder {
            self.remove_target().map_err(failed)?;
            fs::rename(&self.temp, &self.target).map_err(failed)?;
        } else if self.existing == OverwritePolicy::Keep {
            match fs::hard_link(&self.temp, &self.target) {
                Ok(()) => fs::remove_file(&self.temp).map_err(failed)?,
                // Another process took the name meanwhile.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(self.exists_error()),
                // This file system has no hard links.
                Err(_) => fs::rename(&self.temp, &self.target).map_err(failed)?,
            }
        } else {
            fs::rename(&self.temp, &self.target).map_err(failed)?;
        }
        self.published = true;
        sync_folder(self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        Ok(())
    }

    /// Moves a folder that is replaced aside, and only then removes it.
    fn remove_target(&self) -> std::io::Result<()> {
        if !self.target.exists() {
            return Ok(());
        }
        // Named after the random temporary name, so that leftovers of a killed export do not block others.
        let mut aside = self.temp.clone().into_os_string();
        aside.push(".old");
        let aside = PathBuf::from(aside);
        fs::rename(&self.target, &aside)?;
        fs::remove_dir_all(&aside)
    }
}

impl Drop for StagedExport {
    fn drop(&mut self) {
        if !self.published {
            // A file that cannot be removed has a name that shows what it is.
            let _ = if self.temp.is_dir() { fs::remove_dir_all(&self.temp) } else { fs::remove_file(&self.temp) };
        }
    }
}

/// Syncs a folder, where the system can do that, so that names survive a loss of power.
pub(super) fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

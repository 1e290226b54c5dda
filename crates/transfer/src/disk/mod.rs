//! Exports in the file system of this machine. An export is written under a temporary name, and gets its own name only
//! when it is complete and synced. So a file or a folder appears under its name completely, or not at all.

mod tree;

use std::fs;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use runstate_core::error_code::ErrorCode;
use runstate_core::id::hex;
use runstate_engine::Error;
use runstate_value::{Json, check_integers};

use super::LineWriter;
use super::lines::LINE_BYTES;
pub use tree::{MANIFEST, TreeReader, TreeWriter};

/// Files that systems and file managers leave in a folder.
pub const LITTER: &[&str] = &[".DS_Store", "Thumbs.db", "desktop.ini"];

/// A file of lines that is being written.
pub type FileWriter = LineWriter<BufWriter<File>>;

/// Writes lines into a staged file; [`StagedExport::publish`] gives it its name.
pub fn file_writer(staged: &StagedExport) -> Result<FileWriter, Error> {
    let file = File::options().read(true).write(true).create_new(true).open(staged.path());
    let file = file.map_err(|e| io(staged.path(), "written", &e))?;
    Ok(LineWriter::new(BufWriter::new(file), staged.name()).with_restart(|to| {
        to.flush()?;
        let file = to.get_mut();
        file.set_len(0)?;
        file.rewind()
    }))
}

/// Ends a file of lines, and syncs it to the disk.
pub fn finish(writer: FileWriter, staged: &StagedExport) -> Result<(), Error> {
    let written = writer.into_inner().into_inner().map_err(std::io::IntoInnerError::into_error);
    written.and_then(|file| file.sync_all()).map_err(|e| io(staged.path(), "written", &e))
}

/// The error of a file or folder; `operation` says what failed.
pub fn io(path: &Path, operation: &str, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::IO, format!("{} cannot be {operation}: {error}", path.display()))
}

/// Reads a JSON file, no larger than any file of an export.
pub fn read_json(path: &Path) -> Result<Json, Error> {
    let bytes = read_file(path, LINE_BYTES)?;
    let json = serde_json::from_slice(&bytes).map_err(|e| damaged(path, &format!("it is not valid JSON ({e})")))?;
    if let Ok(text) = std::str::from_utf8(&bytes) {
        check_integers(text).map_err(|e| damaged(path, &format!("a number is {e}")))?;
    }
    Ok(json)
}

/// The bytes of a file that has at most `limit` of them. Pipes and devices are rejected, because they may not end.
pub fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let failed = |e: std::io::Error| io(path, "read", &e);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(damaged(path, "it is not a file"));
    }
    let mut bytes = Vec::new();
    if metadata.len() <= limit as u64 {
        File::open(path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes)).map_err(failed)?;
    }
    if metadata.len().max(bytes.len() as u64) > limit as u64 {
        return Err(damaged(path, &format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(ErrorCode::CORRUPT, format!("{}: {why}", path.display()))
}

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
    overwrite: OverwritePolicy,
    published: bool,
}

impl StagedExport {
    /// Stages an export to `target`. Fails at once if the target must be kept.
    pub fn new(target: &Path, overwrite: OverwritePolicy, entropy: [u8; 10]) -> Result<Self, Error> {
        let Some(name) = target.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::new(
                ErrorCode::USAGE,
                format!("{} is not a valid name for an export. Name a file or a folder", target.display()),
            ));
        };
        let temp = target.with_file_name(format!(".{name}.tmp-{}", hex(&entropy[..6])));
        let staged = Self { target: target.to_owned(), temp, overwrite, published: false };
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
        let metadata = match fs::symlink_metadata(&self.target) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(io(&self.target, "written", &e)),
        };
        let refused = |why: &str| Err(Error::new(ErrorCode::ALREADY_EXISTS, format!("{} {why}", self.name())));
        if !metadata.is_dir() && !metadata.is_file() {
            // A device, a pipe or a link: users would not expect it to be replaced.
            return refused("is not a regular file. Write to standard output (`-`) and redirect it there");
        }
        match (self.overwrite, metadata.is_dir()) {
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
        Error::new(ErrorCode::ALREADY_EXISTS, message)
    }

    /// Gives the export its final name. It must be closed and synced.
    pub fn publish(mut self) -> Result<(), Error> {
        let failed = |e: std::io::Error| io(&self.target, "written", &e);
        self.check_target()?;
        let is_folder = fs::metadata(&self.temp).map_err(failed)?.is_dir();
        if is_folder {
            self.remove_target().map_err(failed)?;
            fs::rename(&self.temp, &self.target).map_err(failed)?;
        } else if self.overwrite == OverwritePolicy::Keep {
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
        let mut old_path = self.temp.clone().into_os_string();
        old_path.push(".old");
        let old_path = PathBuf::from(old_path);
        fs::rename(&self.target, &old_path)?;
        fs::remove_dir_all(&old_path)
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

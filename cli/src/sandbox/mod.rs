//! Files that a program may read and write: the folders that the command line and the environment grant, and the calls
//! `fs.readFile`, `fs.listFiles` and `fs.writeFile` below them. Nothing is granted by default.
//!
//! Every file access starts at the open handle of a granted folder and goes through `cap-std`, which follows links only
//! while they stay below it. No path is checked first and opened later by name, so a checked file cannot be replaced
//! before it is opened.

mod error;
mod folder;
#[cfg(test)]
mod tests;
mod write;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use runstate::limits::PLAIN_VALUE_BYTES;
use serde_json::Value as Json;

use crate::error::CliError;
use error::{AccessError, Action};
pub use error::{ErrorName, FileCallError};
pub use folder::GrantedFolder;
use folder::{list_names, read_text};
use write::write_text;

pub const FILE_CALL_KINDS: [&str; 3] = [READ_FILE, LIST_FILES, WRITE_FILE];

/// Returns the flag that grants a call of one of [`FILE_CALL_KINDS`].
pub fn required_flag(kind: &str) -> &'static str {
    if kind == WRITE_FILE { Action::Write.flag() } else { Action::Read.flag() }
}

const READ_FILE: &str = "fs.readFile";
const LIST_FILES: &str = "fs.listFiles";
const WRITE_FILE: &str = "fs.writeFile";

/// The most bytes of JSON that a file call takes or returns. It is less than an answer may have, by the size of the
/// other arguments of `fs.writeFile`, so that a program can read what it wrote.
const TEXT_BYTES: usize = PLAIN_VALUE_BYTES - 16;

/// The longest path, in bytes. Systems refuse longer ones with a worse message.
const PATH_BYTES: usize = 4096;

/// The folders that programs may use. A clone is cheap and shares them.
#[derive(Clone, Debug)]
pub struct Grants {
    /// Folders in which files may be read and listed, in the order of the search.
    read: Arc<[GrantedFolder]>,
    /// Folders in which files may be written.
    write: Arc<[GrantedFolder]>,
}

impl Grants {
    /// Performs an open call of one of [`FILE_CALL_KINDS`] without blocking the runtime.
    pub async fn perform(&self, kind: &str, args: &Json) -> Result<Json, FileCallError> {
        let (grants, name, args) = (self.clone(), kind.to_owned(), args.clone());
        let task = tokio::task::spawn_blocking(move || grants.perform_blocking(&name, &args));
        task.await.unwrap_or_else(|_| Err(FileCallError::error(format!("{kind} was interrupted"))))
    }

    /// Performs an open call of one of [`FILE_CALL_KINDS`]. Returns the text of a file, the sorted names in a folder,
    /// or null after a write.
    ///
    /// A call may be performed twice, if a crash lost its first result. Repeating it has no further effect: the same
    /// text is written.
    pub fn perform_blocking(&self, kind: &str, args: &Json) -> Result<Json, FileCallError> {
        match kind {
            READ_FILE => self.lookup(Action::Read, argument(kind, args, "path")?, read_text),
            LIST_FILES => self.lookup(Action::List, argument(kind, args, "path")?, list_names),
            WRITE_FILE => self.write(argument(kind, args, "path")?, argument(kind, args, "text")?),
            _ => Err(FileCallError::error(format!(
                "{kind:?} is not a file call; the file calls are {}",
                FILE_CALL_KINDS.join(", ")
            ))),
        }
    }

    /// Reads the text of a file.
    pub fn read_file(&self, path: &str) -> Result<String, FileCallError> {
        let text = self.lookup(Action::Read, path, read_text)?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Reads `path` in the first granted folder that has it.
    fn lookup(&self, action: Action, path: &str, read: PathReader) -> Result<Json, FileCallError> {
        let checked = check_path(action, path)?;
        let mut missing = None;
        for granted in self.read.iter() {
            let Some(below) = granted.relative_path(checked) else { continue };
            match read(granted.dir(), below) {
                Ok(value) => return Ok(value),
                Err(error) if error.may_be_elsewhere() => _ = missing.get_or_insert(error),
                Err(error) => return Err(error.into_call_error(action, path)),
            }
        }
        // No folder has it, or no folder may be searched for it.
        Err(missing.unwrap_or(AccessError::Outside).into_call_error(action, path))
    }

    /// Writes into the first granted folder that may hold `path`.
    fn write(&self, path: &str, text: &str) -> Result<Json, FileCallError> {
        let checked = check_path(Action::Write, path)?;
        let target = self.write.iter().find_map(|granted| Some((granted, granted.relative_path(checked)?)));
        let written = match target {
            Some((granted, below)) => write_text(granted.dir(), below, text),
            None => Err(AccessError::Outside),
        };
        written.map(|()| Json::Null).map_err(|error| error.into_call_error(Action::Write, path))
    }
}

/// A function that reads a path below an open folder.
type PathReader = fn(&Dir, &Path) -> Result<Json, AccessError>;

fn argument<'a>(kind: &str, args: &'a Json, name: &str) -> Result<&'a str, FileCallError> {
    let missing = || FileCallError::error(format!("{kind} needs a string as its {name}"));
    args.get(name).and_then(Json::as_str).ok_or_else(missing)
}

/// Checks the form of a path, not where it leads.
fn check_path(action: Action, path: &str) -> Result<&Path, FileCallError> {
    let invalid = |reason: &str| Err(AccessError::Invalid(reason.to_owned()).into_call_error(action, path));
    match path {
        "" => invalid("the path is empty; \".\" is the granted folder"),
        _ if path.contains('\0') => invalid("the path contains a NUL character"),
        _ if path.len() > PATH_BYTES => {
            invalid(&format!("the path has {} bytes; at most {PATH_BYTES} are allowed", path.len()))
        }
        // `Path` drops this ending, which means a folder.
        _ if action != Action::List && is_folder_path(path) => invalid("the path names a folder"),
        _ => Ok(Path::new(path)),
    }
}

/// Whether a path can only name a folder.
fn is_folder_path(path: &str) -> bool {
    matches!(path.rsplit(std::path::is_separator).next(), Some("" | "." | ".."))
}

/// The environment variable for folders to read and write, separated as in PATH.
const SANDBOX_PATHS: &str = "CVM_SANDBOX_PATHS";

/// The options of commands that run programs, for the files that programs may use.
#[derive(Debug, Default, clap::Args)]
pub struct SandboxArgs {
    /// Let programs read and list files below DIR (repeatable) [also: CVM_SANDBOX_PATHS, to read and write]
    #[arg(long, value_name = "DIR")]
    pub allow_read: Vec<PathBuf>,
    /// Let programs write files below DIR, but not read them (repeatable)
    #[arg(long, value_name = "DIR")]
    pub allow_write: Vec<PathBuf>,
}

impl SandboxArgs {
    /// Opens the folders that these options and the environment grant. Those of the options come first.
    pub fn open_grants(&self) -> Result<Grants, CliError> {
        self.open_grants_with(env::var_os(SANDBOX_PATHS).as_deref())
    }

    /// Like [`SandboxArgs::open_grants`], with `list` as the value of the environment variable.
    pub fn open_grants_with(&self, list: Option<&OsStr>) -> Result<Grants, CliError> {
        let both = open_folders(SANDBOX_PATHS, &split_folders(list.unwrap_or_default().to_owned()))?;
        let read = open_folders("--allow-read", &self.allow_read)?;
        let write = open_folders("--allow-write", &self.allow_write)?;
        let with_both = |folders: Vec<GrantedFolder>| folders.into_iter().chain(both.iter().cloned()).collect();
        Ok(Grants { read: with_both(read), write: with_both(write) })
    }
}

/// Splits a list of folders. An empty entry, as a surplus colon makes, is ignored. In PATH it would mean the current
/// folder.
fn split_folders(list: OsString) -> Vec<PathBuf> {
    env::split_paths(&list).filter(|folder| !folder.as_os_str().is_empty()).collect()
}

fn open_folders(source: &str, folders: &[PathBuf]) -> Result<Vec<GrantedFolder>, CliError> {
    let open = |folder: &PathBuf| GrantedFolder::open(folder).map_err(|error| unusable_folder(source, folder, &error));
    folders.iter().map(open).collect()
}

fn unusable_folder(source: &str, folder: &Path, error: &std::io::Error) -> CliError {
    crate::error::usage(format!("{source} names {}, which cannot be opened as a folder: {error}", folder.display()))
}

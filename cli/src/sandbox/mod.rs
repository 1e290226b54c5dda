//! Files that a program may read and write: the folders that were granted when the command started, and the calls `fs.readFile`,
//! `fs.listFiles` and `fs.writeFile` below them. Nothing is granted by default.
//!
//! Every file access starts at the open handle of a granted folder and goes through `cap-std`, which follows links only while they stay
//! below it. No path is checked first and opened later by name, so a checked file cannot be replaced before it is opened.

mod allow;
mod error;
mod folder;
mod list;
mod modes;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use runstate::limits::PLAIN_VALUE_BYTES;
use serde_json::Value as Json;

pub use allow::SandboxArgs;
#[cfg(test)]
use error::ErrorName;
pub use error::FileCallError;
use error::{AccessError, Action};
pub use folder::GrantedFolder;

/// The kinds of file calls.
pub const FILE_CALL_KINDS: [&str; 3] = [READ_FILE, LIST_FILES, WRITE_FILE];

/// Returns the flag that grants a call of one of [`FILE_CALL_KINDS`].
pub fn required_flag(kind: &str) -> &'static str {
    if kind == WRITE_FILE { Action::Write.flag() } else { Action::Read.flag() }
}

const READ_FILE: &str = "fs.readFile";
const LIST_FILES: &str = "fs.listFiles";
const WRITE_FILE: &str = "fs.writeFile";

/// The most bytes of JSON that a file call takes or returns. It is less than an answer may have, by the size of the other arguments of
/// `fs.writeFile`, so that a program can read what it wrote.
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
        let done = tokio::task::spawn_blocking(move || grants.perform_blocking(&name, &args));
        done.await.unwrap_or_else(|_| Err(FileCallError::error(format!("{kind} was interrupted"))))
    }

    /// Performs an open call of one of [`FILE_CALL_KINDS`]. Returns the text of a file, the sorted names in a folder, or null after a write.
    ///
    /// A call may be performed twice, if a crash hid its first result. That is harmless: the same text is written again.
    pub fn perform_blocking(&self, kind: &str, args: &Json) -> Result<Json, FileCallError> {
        match kind {
            READ_FILE => self.lookup(Action::Read, argument(kind, args, "path")?, read::read_text),
            LIST_FILES => self.lookup(Action::List, argument(kind, args, "path")?, list::list_names),
            WRITE_FILE => self.write(argument(kind, args, "path")?, argument(kind, args, "text")?),
            _ => Err(FileCallError::error(format!(
                "{kind:?} is not a file call; the file calls are {}",
                FILE_CALL_KINDS.join(", ")
            ))),
        }
    }

    /// Reads `path` in the first granted folder that has it.
    fn lookup(&self, action: Action, path: &str, look: PathReader) -> Result<Json, FileCallError> {
        let asked = check_path(action, path)?;
        let mut missing = None;
        for granted in self.read.iter() {
            let Some(below) = granted.relative_path(asked) else { continue };
            match look(granted.dir(), below) {
                Ok(found) => return Ok(found),
                Err(fault) if fault.may_be_elsewhere() => _ = missing.get_or_insert(fault),
                Err(fault) => return Err(fault.into_call_error(action, path)),
            }
        }
        // No folder has it, or no folder may be searched for it.
        Err(missing.unwrap_or(AccessError::Outside).into_call_error(action, path))
    }

    /// Writes into the first granted folder that may hold `path`.
    fn write(&self, path: &str, text: &str) -> Result<Json, FileCallError> {
        let asked = check_path(Action::Write, path)?;
        let place = self.write.iter().find_map(|granted| Some((granted, granted.relative_path(asked)?)));
        let written = match place {
            Some((granted, below)) => write::write_text(granted.dir(), below, text),
            None => Err(AccessError::Outside),
        };
        written.map(|()| Json::Null).map_err(|fault| fault.into_call_error(Action::Write, path))
    }
}

/// A function that reads a path below an open folder.
type PathReader = fn(&Dir, &Path) -> Result<Json, AccessError>;

/// Returns the string argument `name` of a call.
fn argument<'a>(kind: &str, args: &'a Json, name: &str) -> Result<&'a str, FileCallError> {
    let wrong = || FileCallError::error(format!("{kind} needs a string as its {name}"));
    args.get(name).and_then(Json::as_str).ok_or_else(wrong)
}

/// Checks the form of a path, not where it leads.
fn check_path(action: Action, path: &str) -> Result<&Path, FileCallError> {
    let invalid = |why: &str| Err(AccessError::Invalid(why.to_owned()).into_call_error(action, path));
    match path {
        "" => invalid("the path is empty; \".\" is the granted folder"),
        _ if path.contains('\0') => invalid("the path contains a NUL character"),
        _ if path.len() > PATH_BYTES => {
            invalid(&format!("the path has {} bytes; at most {PATH_BYTES} are allowed", path.len()))
        }
        // Rust's paths drop this ending, by which systems mean a folder.
        _ if action != Action::List && is_folder_path(path) => invalid("the path names a folder"),
        _ => Ok(Path::new(path)),
    }
}

/// Whether a path can only name a folder.
fn is_folder_path(path: &str) -> bool {
    matches!(path.rsplit(std::path::is_separator).next(), Some("" | "." | ".."))
}

//! Files that a program may read and write: which folders were granted when the command started, and what carries out the calls
//! `fs.readFile`, `fs.listFiles` and `fs.writeFile` below them. Nothing is granted by default.
//!
//! Every look at a file starts at the open handle of a granted folder and goes through `cap-std`, which follows links only while they stay
//! below it. No path is judged first and opened later by its name alone, so nobody can swap what was judged for something else.

mod allow;
mod folder;
mod list;
mod modes;
mod read;
mod refused;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use runstate::limits::PLAIN_VALUE_BYTES;
use serde_json::Value as Json;

pub use allow::Allow;
pub use folder::Granted;
#[cfg(test)]
use refused::ErrorName;
pub use refused::Refused;
use refused::{Action, Fault};

/// The kinds of calls that are carried out here.
pub const KINDS: [&str; 3] = [READ_FILE, LIST_FILES, WRITE_FILE];

const READ_FILE: &str = "fs.readFile";
const LIST_FILES: &str = "fs.listFiles";
const WRITE_FILE: &str = "fs.writeFile";

/// Most bytes of JSON that a call takes or gives here. Less than an answer may be by what the arguments of `fs.writeFile` need beside the text:
/// what a program could write it can read.
const TEXT_BYTES: usize = PLAIN_VALUE_BYTES - 16;

/// Longest path, in bytes: longer ones are refused by systems anyway, with less to read.
const PATH_BYTES: usize = 4096;

/// The folders that programs may use. A copy is cheap, and shares them.
#[derive(Clone, Debug)]
pub struct Grants {
    /// Where files may be read and listed, in the order in which they are looked for.
    read: Arc<[Granted]>,
    /// Where files may be written.
    write: Arc<[Granted]>,
}

impl Grants {
    /// Carries out an open call of one of [`KINDS`] without holding up the runtime.
    pub async fn perform(&self, kind: &str, args: &Json) -> Result<Json, Refused> {
        let (grants, name, args) = (self.clone(), kind.to_owned(), args.clone());
        let done = tokio::task::spawn_blocking(move || grants.perform_blocking(&name, &args));
        done.await.unwrap_or_else(|_| Err(Refused::error(format!("{kind} was interrupted"))))
    }

    /// Carries out an open call of one of [`KINDS`]: the text of a file, the sorted names in a folder, or null for what was written.
    ///
    /// A call that is carried out twice, since nobody saw that it was, does no harm: the same text is written again.
    pub fn perform_blocking(&self, kind: &str, args: &Json) -> Result<Json, Refused> {
        match kind {
            READ_FILE => self.look(Action::Read, argument(kind, args, "path")?, read::text),
            LIST_FILES => self.look(Action::List, argument(kind, args, "path")?, list::names),
            WRITE_FILE => self.write(argument(kind, args, "path")?, argument(kind, args, "text")?),
            _ => Err(Refused::error(format!("{kind:?} is no call on files; these are: {}", KINDS.join(", ")))),
        }
    }

    /// What is found at `path` in the first granted folder that has it.
    fn look(&self, action: Action, path: &str, look: Look) -> Result<Json, Refused> {
        let asked = checked(action, path)?;
        let mut missing = None;
        for granted in self.read.iter() {
            let Some(below) = granted.below(asked) else { continue };
            match look(granted.dir(), below) {
                Ok(found) => return Ok(found),
                Err(fault) if fault.is_absence() => _ = missing.get_or_insert(fault),
                Err(fault) => return Err(fault.refused(action, path)),
            }
        }
        // It is in none of the folders, or may be looked for in none.
        Err(missing.unwrap_or(Fault::Outside).refused(action, path))
    }

    /// Writes into the first granted folder that may hold `path`.
    fn write(&self, path: &str, text: &str) -> Result<Json, Refused> {
        let asked = checked(Action::Write, path)?;
        let place = self.write.iter().find_map(|granted| Some((granted, granted.below(asked)?)));
        let written = match place {
            Some((granted, below)) => write::text(granted.dir(), below, text),
            None => Err(Fault::Outside),
        };
        written.map(|()| Json::Null).map_err(|fault| fault.refused(Action::Write, path))
    }
}

/// What looks at a path below an open folder.
type Look = fn(&Dir, &Path) -> Result<Json, Fault>;

/// The text called `name` among the arguments of a call.
fn argument<'a>(kind: &str, args: &'a Json, name: &str) -> Result<&'a str, Refused> {
    let wrong = || Refused::error(format!("{kind} takes a text as its {name}"));
    args.get(name).and_then(Json::as_str).ok_or_else(wrong)
}

/// A path that can be one, wherever it leads.
fn checked(action: Action, path: &str) -> Result<&Path, Refused> {
    let unfit = |why: &str| Err(Fault::Unfit(why.to_owned()).refused(action, path));
    match path {
        "" => unfit("a path is not empty; \".\" is the granted folder"),
        _ if path.contains('\0') => unfit("a path holds no NUL"),
        _ if path.len() > PATH_BYTES => {
            unfit(&format!("the path has {} bytes; at most {PATH_BYTES} are allowed", path.len()))
        }
        // Paths of Rust lose this at their end, where systems take it for "and this is a folder".
        _ if action != Action::List && names_folder(path) => unfit("the path is that of a folder"),
        _ => Ok(Path::new(path)),
    }
}

/// Whether a path can only be that of a folder.
fn names_folder(path: &str) -> bool {
    matches!(path.rsplit(std::path::is_separator).next(), Some("" | "." | ".."))
}

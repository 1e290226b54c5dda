//! The errors of file calls, with messages for the program. A message contains the path that the program gave, and no
//! other path.

use std::io::{self, ErrorKind};

/// The error that the program gets instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCallError {
    pub name: ErrorName,
    pub message: String,
}

/// The names by which a program distinguishes errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorName {
    /// Access was not granted, or the operating system denies it.
    Permission,
    /// The file or folder does not exist.
    NotFound,
    /// Anything else.
    Error,
}

impl ErrorName {
    /// Returns the name that programs see.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorName::Permission => "PermissionError",
            ErrorName::NotFound => "NotFoundError",
            ErrorName::Error => "Error",
        }
    }
}

impl FileCallError {
    pub(super) fn error(message: String) -> Self {
        Self { name: ErrorName::Error, message }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    List,
    Write,
}

impl Action {
    fn verb(self) -> &'static str {
        match self {
            Action::Read => "reading",
            Action::List => "listing",
            Action::Write => "writing",
        }
    }

    pub(super) fn flag(self) -> &'static str {
        match self {
            Action::Read | Action::List => "--allow-read",
            Action::Write => "--allow-write",
        }
    }
}

/// Why a path below a granted folder cannot be used.
#[derive(Debug)]
pub(super) enum AccessError {
    /// The path is in no granted folder, or leads out of it.
    Outside,
    /// The path is of the wrong kind for the call.
    Invalid(String),
    /// The operating system reports an error.
    Io(io::Error),
}

impl From<io::Error> for AccessError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // `cap-std` refuses a path that leads out before it asks the system, so the error has no system code.
            ErrorKind::PermissionDenied if error.raw_os_error().is_none() => AccessError::Outside,
            _ => AccessError::Io(error),
        }
    }
}

impl AccessError {
    /// Whether the path may still exist in another granted folder. A link that leads out counts as missing.
    pub fn may_be_elsewhere(&self) -> bool {
        match self {
            AccessError::Outside => true,
            AccessError::Io(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
            AccessError::Invalid(_) => false,
        }
    }

    /// Converts to the error for the program.
    pub fn into_call_error(self, action: Action, path: &str) -> FileCallError {
        let doing = format!("{} {}", action.verb(), display_path(path));
        match self {
            AccessError::Outside => FileCallError {
                name: ErrorName::Permission,
                message: format!("{doing} is not granted; start with {} DIR", action.flag()),
            },
            AccessError::Invalid(why) => FileCallError::error(format!("{doing}: {why}")),
            AccessError::Io(error) => describe_io_error(&doing, path, &error),
        }
    }
}

/// Returns the error for something of `size`, which is more than `most`.
pub(super) fn too_large(size: &str, limit: usize) -> AccessError {
    AccessError::Invalid(format!("it has {size}; at most {limit} are allowed"))
}

fn describe_io_error(doing: &str, path: &str, error: &io::Error) -> FileCallError {
    let (name, why) = match error.kind() {
        ErrorKind::NotFound if std::path::Path::new(path).has_root() => {
            (ErrorName::NotFound, "it does not exist".into())
        }
        ErrorKind::NotFound => {
            (ErrorName::NotFound, "it does not exist; relative paths are resolved in the granted folders".into())
        }
        ErrorKind::PermissionDenied => (ErrorName::Permission, format!("the system does not allow it: {error}")),
        ErrorKind::WouldBlock => {
            (ErrorName::Error, "it is not a regular file: opening it would block; name another file".into())
        }
        _ => (ErrorName::Error, error.to_string()),
    };
    FileCallError { name, message: format!("{doing}: {why}") }
}

/// Formats a path for a message: quoted, and cut to a readable length.
fn display_path(path: &str) -> String {
    match path.char_indices().nth(200) {
        Some((end, _)) => format!("{:?}…", path.get(..end).unwrap_or_default()),
        None => format!("{path:?}"),
    }
}

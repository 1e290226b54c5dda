//! Why a call on files was refused, in words for the program. They name the path as the program did and no other.

use std::io::{self, ErrorKind};

/// What the program gets instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The name of the error.
    pub name: ErrorName,
    /// What it says.
    pub message: String,
}

/// The name of an error that a program can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorName {
    /// It was not granted, or the system does not let this process.
    Permission,
    /// It is not there.
    NotFound,
    /// Anything else.
    Error,
}

impl ErrorName {
    /// As programs see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorName::Permission => "PermissionError",
            ErrorName::NotFound => "NotFoundError",
            ErrorName::Error => "Error",
        }
    }
}

impl Refused {
    pub(super) fn error(message: String) -> Self {
        Self { name: ErrorName::Error, message }
    }
}

/// What a call does.
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

    fn flag(self) -> &'static str {
        match self {
            Action::Read | Action::List => "--allow-read",
            Action::Write => "--allow-write",
        }
    }
}

/// Why something below a granted folder could not be used.
#[derive(Debug)]
pub(super) enum Fault {
    /// It lies in no granted folder, or leads out of it.
    Outside,
    /// It cannot be what the call is about.
    Unfit(String),
    /// The system says why.
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What leads out is no error of the system, which is never asked for it.
            ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Fault::Outside,
            _ => Fault::Io(error),
        }
    }
}

impl Fault {
    /// Whether it may still be in another granted folder. A link that leads out is as good as not there.
    pub fn is_absence(&self) -> bool {
        match self {
            Fault::Outside => true,
            Fault::Io(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
            Fault::Unfit(_) => false,
        }
    }

    /// In words.
    pub fn refused(self, action: Action, path: &str) -> Refused {
        let doing = format!("{} {}", action.verb(), shown(path));
        match self {
            Fault::Outside => Refused {
                name: ErrorName::Permission,
                message: format!("{doing} is not granted; start with {} DIR", action.flag()),
            },
            Fault::Unfit(why) => Refused::error(format!("{doing}: {why}")),
            Fault::Io(error) => told(&doing, path, &error),
        }
    }
}

/// It has `size`, more than `most`.
pub(super) fn too_large(size: &str, most: usize) -> Fault {
    Fault::Unfit(format!("it has {size}; at most {most} are allowed"))
}

fn told(doing: &str, path: &str, error: &io::Error) -> Refused {
    let (name, why) = match error.kind() {
        ErrorKind::NotFound if std::path::Path::new(path).has_root() => (ErrorName::NotFound, "it is not there".into()),
        ErrorKind::NotFound => {
            (ErrorName::NotFound, "it is not there; relative paths are looked for below the granted folders".into())
        }
        ErrorKind::PermissionDenied => (ErrorName::Permission, format!("the system does not allow it: {error}")),
        ErrorKind::WouldBlock => (ErrorName::Error, "it would have to wait for what is not there yet".into()),
        _ => (ErrorName::Error, error.to_string()),
    };
    Refused { name, message: format!("{doing}: {why}") }
}

/// A path as it is shown: quoted, and no more of it than people read.
fn shown(path: &str) -> String {
    match path.char_indices().nth(200) {
        Some((end, _)) => format!("{:?}…", path.get(..end).unwrap_or_default()),
        None => format!("{path:?}"),
    }
}

//! Errors for people: what a failed call means to somebody who uses the store.

use super::fs::{FsError, Reason};
use crate::store::Error;

/// A failure that left everything as it was.
pub fn unavailable(e: &FsError, root: &str) -> Error {
    match e.reason {
        Reason::Full => Error::Full { what: root.to_owned() },
        Reason::Missing => Error::Unavailable {
            what: format!("the store at {root}"),
            why: format!("it is gone ({e}); put its folder back, or open the store again to begin a new one"),
        },
        Reason::NotFolder => Error::Unavailable {
            what: format!("the store at {root}"),
            why: format!("a store is a folder, and a file stands there ({e}); choose another place"),
        },
        Reason::Denied => Error::Unavailable {
            what: format!("the store at {root}"),
            why: format!("this user may not do that ({e}); ask for access to the folder and the files in it"),
        },
        Reason::Unsupported => Error::Unsupported {
            what: "creating a file only once (hard links, or rename without replace)".to_owned(),
            by: format!(
                "the file system of {root}; put the store on another disk, or, if one process alone uses it, add \
                 ?single_process to its URL"
            ),
        },
        Reason::Exists | Reason::ReadOnly | Reason::Other => {
            Error::Unavailable { what: format!("the store at {root}"), why: e.to_string() }
        }
    }
}

/// A failure to write that left everything as it was.
pub fn refused(e: &FsError, root: &str) -> Error {
    match e.reason {
        Reason::Denied | Reason::ReadOnly => Error::ReadOnly {
            why: format!(
                "its folder {root} cannot be written ({e}); ask for write access, or copy the store elsewhere"
            ),
        },
        Reason::Other => {
            Error::Unavailable { what: format!("the store at {root}"), why: format!("nothing was written ({e})") }
        }
        _ => unavailable(e, root),
    }
}

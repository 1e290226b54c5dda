//! Maps errors of file-system calls to store errors with a message for users.

use runstate_store::StoreError;

use super::fs::{FsError, Reason};

/// Maps a failure that changed nothing.
pub fn map_fs_error(e: &FsError, root: &str) -> StoreError {
    match e.reason {
        Reason::Full => StoreError::Full { what: root.to_owned() },
        Reason::Missing => StoreError::Unavailable {
            what: format!("the store at {root}"),
            why: format!("it no longer exists ({e}); restore its folder, or open the store again to create a new one"),
        },
        Reason::NotFolder => StoreError::Unavailable {
            what: format!("the store at {root}"),
            why: format!("a store is a folder, but a file is in its path ({e}); choose another path"),
        },
        Reason::Denied => StoreError::Unavailable {
            what: format!("the store at {root}"),
            why: format!("this user has no permission ({e}); ask for access to the folder and the files in it"),
        },
        Reason::Unsupported => StoreError::Unsupported {
            what: "exclusive file creation (hard links, or rename without replacing)".to_owned(),
            by: format!(
                "the file system of {root}. Put the store on another disk, or, if only one process uses it, add \
                 ?single_process to its URL"
            ),
        },
        Reason::Exists | Reason::ReadOnly | Reason::Other => StoreError::Unavailable {
            what: format!("the store at {root}"),
            why: format!("{e}; check the disk, then repeat"),
        },
    }
}

/// Maps a failed write that changed nothing.
pub fn map_write_error(e: &FsError, root: &str) -> StoreError {
    match e.reason {
        Reason::Denied | Reason::ReadOnly => StoreError::ReadOnly {
            why: format!(
                "its folder {root} cannot be written ({e}); ask for write access, or copy the store elsewhere"
            ),
        },
        Reason::Other => StoreError::Unavailable {
            what: format!("the store at {root}"),
            why: format!("nothing was written ({e}); check the disk, then repeat"),
        },
        _ => map_fs_error(e, root),
    }
}

//! Whose a file is and who may use it, carried over to the file that replaces it.

use std::io;

use cap_std::fs::{File, Metadata};

/// Lets `file` be used by those who could use the file that is known as `former`.
///
/// Owner and group are kept where the system lets us. What makes a program run as its owner is not: the text is the program's choice.
#[cfg(unix)]
pub(super) fn keep(file: &File, former: &Metadata) -> io::Result<()> {
    use cap_std::fs::{MetadataExt, Permissions, PermissionsExt};
    use std::os::unix::fs::fchown;

    let _ = fchown(file, Some(former.uid()), Some(former.gid())).or_else(|_| fchown(file, None, Some(former.gid())));
    file.set_permissions(Permissions::from_mode(former.mode() & 0o777))
}

/// Elsewhere a file has those rights of its folder.
#[cfg(not(unix))]
pub(super) fn keep(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// The handle by which the names in a folder can be made durable.
#[cfg(unix)]
pub(super) fn of_names(folder: &cap_std::fs::Dir) -> Option<File> {
    // A folder that may be written and not read cannot be synced; what was written there is written all the same.
    folder.open(".").ok()
}

/// Elsewhere folders cannot be opened as files.
#[cfg(not(unix))]
pub(super) fn of_names(_: &cap_std::fs::Dir) -> Option<File> {
    None
}

//! The owner and permissions of a file, copied to the file that replaces it.

use std::io;

use cap_std::fs::{File, Metadata};

/// Gives `file` the owner and permissions of `former`.
///
/// Owner and group are kept if the system allows it. The set-user-id and set-group-id bits are dropped: the text is the program's choice.
#[cfg(unix)]
pub(super) fn copy_permissions(file: &File, former: &Metadata) -> io::Result<()> {
    use cap_std::fs::{MetadataExt, Permissions, PermissionsExt};
    use std::os::unix::fs::fchown;

    let _ = fchown(file, Some(former.uid()), Some(former.gid())).or_else(|_| fchown(file, None, Some(former.gid())));
    file.set_permissions(Permissions::from_mode(former.mode() & 0o777))
}

/// On other systems a file inherits the permissions of its folder.
#[cfg(not(unix))]
pub(super) fn copy_permissions(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Returns a handle that syncs the names in a folder.
#[cfg(unix)]
pub(super) fn open_for_sync(folder: &cap_std::fs::Dir) -> Option<File> {
    // A folder that is writable but not readable cannot be synced. The file is written nevertheless.
    folder.open(".").ok()
}

/// On other systems folders cannot be opened as files.
#[cfg(not(unix))]
pub(super) fn open_for_sync(_: &cap_std::fs::Dir) -> Option<File> {
    None
}

//! Writes a file atomically, with the folders on its path. A file that replaces another gets its owner and
//! permissions. A folder is synced through a handle of its own.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{io, process};

use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use runstate::value::json_bytes;

use super::TEXT_BYTES;
use super::error::{AccessError, too_large};
use super::folder::{check_plain_file, open_plain_file};

/// The start and end of the name of a draft. They are short, because the longest names leave little room.
const DRAFT: (&str, &str) = (".runstate-", ".draft");

/// Writes `text` as the file at `path`. A reader gets the former text or this one, also after a loss of power.
pub(super) fn write_text(root: &Dir, path: &Path, text: &str) -> Result<(), AccessError> {
    let bytes = json_bytes(text);
    if bytes > TEXT_BYTES {
        return Err(too_large(&format!("{bytes} bytes as JSON"), TEXT_BYTES));
    }
    let existing = existing_metadata(root, path)?;
    // A link is followed to its target, because renaming would replace the link.
    let target = match &existing {
        Some(_) if root.symlink_metadata(path)?.is_symlink() => Some(root.canonicalize(path)?),
        _ => None,
    };
    let path = target.as_deref().unwrap_or(path);
    let name = path.file_name().ok_or_else(|| AccessError::Invalid("the path names a folder".to_owned()))?;
    let folder = open_or_create_folder(root, parent_folder(path))?;
    let mut draft = Draft::new(&folder)?;
    // The permissions are set before the file holds any text.
    if let Some(former) = &existing {
        copy_permissions(&draft.file, former)?;
    }
    draft.file.write_all(text.as_bytes())?;
    draft.file.sync_all()?;
    draft.publish(Path::new(name))?;
    Ok(sync(&folder)?)
}

/// Returns the metadata of the file to replace; `None` if there is no file yet.
fn existing_metadata(root: &Dir, path: &Path) -> Result<Option<Metadata>, AccessError> {
    match root.metadata(path) {
        Ok(metadata) => check_plain_file(&metadata)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let dangling = root.symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
            let dangling_link = || AccessError::Invalid("it is a dangling link".to_owned());
            return if dangling { Err(dangling_link()) } else { Ok(None) };
        }
        Err(error) => return Err(error.into()),
    };
    // Replacing needs permission only on the folder, so opening checks that the file itself may be written.
    let (_, metadata) = open_plain_file(root, path, OpenOptions::new().write(true))?;
    Ok(Some(metadata))
}

/// Opens the folder at `path`. Missing folders are created and synced.
fn open_or_create_folder(root: &Dir, path: &Path) -> io::Result<Dir> {
    let mut missing = Vec::new();
    let mut folder = path;
    loop {
        match root.open_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound && folder != Path::new(".") => missing.push(folder),
            Err(error) => return Err(error),
            Ok(dir) if missing.is_empty() => return Ok(dir),
            Ok(_) => break,
        }
        folder = parent_folder(folder);
    }
    // `new/..` exists as soon as `new` does.
    for path in missing.into_iter().rev().filter(|path| path.file_name().is_some()) {
        match root.create_dir(path) {
            Ok(()) => sync(&root.open_dir(parent_folder(path))?)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    root.open_dir(path)
}

fn parent_folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Syncs the names in a folder.
fn sync(folder: &Dir) -> io::Result<()> {
    match open_for_sync(folder).map(|handle| handle.sync_all()) {
        // Some file systems do not support this and report it; they offer nothing better.
        Some(Err(error)) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

/// Whether a name is that of a draft, of this or another process.
pub(super) fn is_draft(name: &str) -> bool {
    name.starts_with(DRAFT.0) && name.ends_with(DRAFT.1)
}

/// A file that is being written. It is removed unless it is published.
struct Draft<'f> {
    folder: &'f Dir,
    name: String,
    file: File,
    published: bool,
}

impl<'f> Draft<'f> {
    fn new(folder: &'f Dir) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let name = format!("{}{}-{}{}", DRAFT.0, process::id(), COUNT.fetch_add(1, Ordering::Relaxed), DRAFT.1);
            match folder.open_with(&name, OpenOptions::new().write(true).create_new(true)) {
                Ok(file) => return Ok(Self { folder, name, file, published: false }),
                // The draft of a process that died, or of another machine that shares the folder.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn publish(mut self, name: &Path) -> io::Result<()> {
        self.folder.rename(&self.name, self.folder, name)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.published {
            // Drafts are not listed, so one that cannot be removed does no harm.
            let _ = self.folder.remove_file(&self.name);
        }
    }
}

/// Gives `file` the owner and permissions of `replaced`.
///
/// Owner and group are kept if the system allows it. The set-user-id and set-group-id bits are dropped, because the
/// program chooses the text.
#[cfg(unix)]
pub(super) fn copy_permissions(file: &File, replaced: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::fchown;

    use cap_std::fs::{MetadataExt, Permissions, PermissionsExt};

    let _ =
        fchown(file, Some(replaced.uid()), Some(replaced.gid())).or_else(|_| fchown(file, None, Some(replaced.gid())));
    file.set_permissions(Permissions::from_mode(replaced.mode() & 0o777))
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

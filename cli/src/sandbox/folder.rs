//! A granted folder, held open: the paths below it, the names in it, and the texts of its files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{io, path};

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, File, Metadata, OpenOptions};
use runstate::value::json_bytes;
use serde_json::Value as Json;

use super::TEXT_BYTES;
use super::error::{AccessError, too_large};
use super::write::is_draft;
use crate::input;

/// A granted folder. Its handle stays on this folder, even if its path names another one later.
#[derive(Clone, Debug)]
pub struct GrantedFolder(Arc<OpenFolder>);

#[derive(Debug)]
struct OpenFolder {
    dir: Dir,
    /// Its absolute paths: as given, and with links resolved.
    paths: [PathBuf; 2],
}

impl GrantedFolder {
    pub fn open(folder: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
        let paths = [path::absolute(folder)?, folder.canonicalize()?];
        Ok(Self(Arc::new(OpenFolder { dir, paths })))
    }

    /// Returns the open folder. Every path is opened below it.
    pub(super) fn dir(&self) -> &Dir {
        &self.0.dir
    }

    /// Returns `path` relative to this folder, or `None` if it is absolute and elsewhere.
    ///
    /// It only strips the folder's own path. Opening the result checks that it stays below the folder.
    pub(super) fn relative_path<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        if !path.has_root() {
            return Some(path);
        }
        let relative = self.0.paths.iter().find_map(|prefix| path.strip_prefix(prefix).ok())?;
        Some(if relative.as_os_str().is_empty() { Path::new(".") } else { relative })
    }
}

pub(super) struct ListLimits {
    /// Entries of the folder, including those that are left out.
    pub entries: usize,
    /// Bytes of JSON.
    pub bytes: usize,
}

const LIST_LIMITS: ListLimits = ListLimits { entries: 10_000, bytes: TEXT_BYTES };

/// Returns the names of files and folders in the folder at `path`, folders with a `/` at the end, sorted as JavaScript
/// sorts.
///
/// It leaves out entries that a program cannot use: links that lead out or are dangling, pipes, sockets and devices,
/// names that are not Unicode, and drafts.
pub(super) fn list_names(root: &Dir, path: &Path) -> Result<Json, AccessError> {
    list_names_within(&LIST_LIMITS, root, path)
}

/// Like [`list_names`], within other limits.
pub(super) fn list_names_within(limits: &ListLimits, root: &Dir, path: &Path) -> Result<Json, AccessError> {
    let mut names = Vec::new();
    let entries = root.read_dir(path).map_err(|error| match error.kind() {
        // If a parent of the folder is not a folder, the error stays as it is: the path may exist in another grant.
        ErrorKind::NotADirectory if root.metadata(path).is_ok() => {
            AccessError::Invalid("it is not a folder".to_owned())
        }
        _ => error.into(),
    })?;
    for (count, entry) in entries.enumerate() {
        // All entries count: a folder of a million sockets takes as long as one of a million files.
        if count == limits.entries {
            return Err(too_large(&format!("more than {count} names"), count));
        }
        names.extend(listed_name(root, path, &entry?));
    }
    names.sort_by(|a: &String, b: &String| a.encode_utf16().cmp(b.encode_utf16()));
    let names = Json::from(names);
    match json_bytes(&names) {
        bytes if bytes > limits.bytes => Err(too_large(&format!("{bytes} bytes of names as JSON"), limits.bytes)),
        _ => Ok(names),
    }
}

/// Returns the listed name of an entry; `None` if it is left out.
fn listed_name(root: &Dir, path: &Path, entry: &DirEntry) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    if is_draft(&name) {
        return None;
    }
    // An entry may vanish while it is listed.
    let file_type = entry.file_type().ok()?;
    let (is_folder, is_file) = match (file_type.is_dir(), file_type.is_file()) {
        // A link is resolved from the granted folder, not from its own folder: it may leave that and stay in the grant.
        (false, false) => {
            let metadata = root.metadata(path.join(&name)).ok()?;
            (metadata.is_dir(), metadata.is_file())
        }
        kind => kind,
    };
    match (is_folder, is_file) {
        (true, _) => Some(name + "/"),
        (_, true) => Some(name),
        _ => None,
    }
}

pub(super) fn read_text(root: &Dir, path: &Path) -> Result<Json, AccessError> {
    // The kind is checked before the file is opened, because opening a device can have effects.
    let bytes = check_plain_file(&root.metadata(path)?)?.len();
    if bytes > TEXT_BYTES as u64 {
        return Err(too_large(&format!("{bytes} bytes"), TEXT_BYTES));
    }
    let (file, _) = open_plain_file(root, path, OpenOptions::new().read(true))?;
    // Generated files, as in procfs, report no size.
    let bytes = input::read_limited(file, TEXT_BYTES)?
        .ok_or_else(|| too_large(&format!("more than {TEXT_BYTES} bytes"), TEXT_BYTES))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let first = error.utf8_error().valid_up_to() + 1;
        AccessError::Invalid(format!("it is not valid UTF-8: byte {first} is the first invalid byte"))
    })?;
    let text = Json::String(text);
    match json_bytes(&text) {
        ..=TEXT_BYTES => Ok(text),
        bytes => Err(too_large(&format!("{bytes} bytes as JSON"), TEXT_BYTES)),
    }
}

/// Opens the file at `path` without waiting for the other end of a pipe. Checks the opened file, because it may have
/// replaced the file that was checked before.
pub(super) fn open_plain_file(
    root: &Dir,
    path: &Path,
    options: &mut OpenOptions,
) -> Result<(File, Metadata), AccessError> {
    let file = root.open_with(path, options.nonblock(true))?;
    let metadata = file.metadata()?;
    check_plain_file(&metadata)?;
    Ok((file, metadata))
}

/// Refuses everything but a regular file: pipes, sockets and devices.
pub(super) fn check_plain_file(metadata: &Metadata) -> Result<&Metadata, AccessError> {
    match metadata {
        _ if metadata.is_dir() => Err(AccessError::Invalid("it is a folder".to_owned())),
        _ if !metadata.is_file() => Err(AccessError::Invalid("it is not a regular file".to_owned())),
        _ => Ok(metadata),
    }
}

//! The names in a folder.

use std::io::ErrorKind;
use std::path::Path;

use cap_std::fs::{Dir, DirEntry};
use runstate::value::json_bytes;
use serde_json::Value as Json;

use super::TEXT_BYTES;
use super::error::{AccessError, too_large};
use super::write::is_draft;

/// The limits of a listing.
pub(super) struct ListLimits {
    /// Entries of the folder, including those that are left out.
    pub entries: usize,
    /// Bytes of JSON.
    pub bytes: usize,
}

const LIST_LIMITS: ListLimits = ListLimits { entries: 10_000, bytes: TEXT_BYTES };

/// Returns the names of files and folders in the folder at `path`, folders with a `/` at the end, sorted as JavaScript sorts.
///
/// It leaves out entries that a program cannot use: links that lead out or are dangling, pipes, sockets and devices, names that are not
/// Unicode, and drafts.
pub(super) fn list_names(root: &Dir, path: &Path) -> Result<Json, AccessError> {
    list_names_within(&LIST_LIMITS, root, path)
}

/// Like [`list_names`], within other limits.
pub(super) fn list_names_within(bounds: &ListLimits, root: &Dir, path: &Path) -> Result<Json, AccessError> {
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
        if count == bounds.entries {
            return Err(too_large(&format!("more than {count} names"), count));
        }
        names.extend(listed_name(root, path, &entry?));
    }
    names.sort_by(|a: &String, b: &String| a.encode_utf16().cmp(b.encode_utf16()));
    let names = Json::from(names);
    match json_bytes(&names) {
        bytes if bytes > bounds.bytes => Err(too_large(&format!("{bytes} bytes of names as JSON"), bounds.bytes)),
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
    let known = entry.file_type().ok()?;
    let (folder, file) = match (known.is_dir(), known.is_file()) {
        // A link is resolved from the granted folder, not from its own folder: it may leave that and stay in the grant.
        (false, false) => {
            let known = root.metadata(path.join(&name)).ok()?;
            (known.is_dir(), known.is_file())
        }
        known => known,
    };
    match (folder, file) {
        (true, _) => Some(name + "/"),
        (_, true) => Some(name),
        _ => None,
    }
}

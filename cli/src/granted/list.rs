//! The names in a folder.

use std::io::ErrorKind;
use std::path::Path;

use cap_std::fs::{Dir, DirEntry};
use runstate::value::json_bytes;
use serde_json::Value as Json;

use super::TEXT_BYTES;
use super::refused::{Fault, too_large};
use super::write::is_draft;

/// How much a listing may be.
pub(super) struct Bounds {
    /// Entries of the folder, those included that are left out.
    pub entries: usize,
    /// Bytes of JSON.
    pub bytes: usize,
}

const BOUNDS: Bounds = Bounds { entries: 10_000, bytes: TEXT_BYTES };

/// The names of files and folders in the folder at `path`, folders with a `/` behind, sorted as JavaScript sorts.
///
/// What a program could not use is left out: links that lead out or nowhere, pipes, sockets and devices, names that are not Unicode, and what
/// is only being written.
pub(super) fn names(root: &Dir, path: &Path) -> Result<Json, Fault> {
    names_within(&BOUNDS, root, path)
}

/// As [`names`], within other bounds.
pub(super) fn names_within(bounds: &Bounds, root: &Dir, path: &Path) -> Result<Json, Fault> {
    let mut names = Vec::new();
    let entries = root.read_dir(path).map_err(|error| match error.kind() {
        // Where it is the folder's own folder that is none, it stays what it is: perhaps it is in another grant.
        ErrorKind::NotADirectory if root.metadata(path).is_ok() => Fault::Unfit("it is not a folder".to_owned()),
        _ => error.into(),
    })?;
    for (count, entry) in entries.enumerate() {
        // All entries count: a folder of a million sockets takes as long as one of files.
        if count == bounds.entries {
            return Err(too_large(&format!("more than {count} names"), count));
        }
        names.extend(name(root, path, &entry?));
    }
    names.sort_by(|a: &String, b: &String| a.encode_utf16().cmp(b.encode_utf16()));
    let names = Json::from(names);
    match json_bytes(&names) {
        bytes if bytes > bounds.bytes => Err(too_large(&format!("{bytes} bytes of names as JSON"), bounds.bytes)),
        _ => Ok(names),
    }
}

/// How an entry is listed, where it is.
fn name(root: &Dir, path: &Path, entry: &DirEntry) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    if is_draft(&name) {
        return None;
    }
    // Entries vanish while they are listed.
    let known = entry.file_type().ok()?;
    let (folder, file) = match (known.is_dir(), known.is_file()) {
        // A link is resolved from the top, not from its folder, which it may leave as long as it stays in the grant.
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

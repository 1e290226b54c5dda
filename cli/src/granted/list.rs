//! The names in a folder.

use std::io::ErrorKind;
use std::path::Path;

use cap_std::fs::{Dir, DirEntry};
use runstate::value::json_bytes;
use serde_json::Value as Json;

use super::refused::Fault;
use super::write::is_draft;
use super::{TEXT_BYTES, read};

/// Most entries of a folder that is listed.
pub(super) const ENTRIES: usize = 10_000;

/// The names of files and folders in the folder at `path`, folders with a `/` behind, sorted as JavaScript sorts.
///
/// What a program could not use is left out: links that lead out or nowhere, pipes, sockets and devices, names that are not Unicode, and what
/// is only being written.
pub(super) fn names(root: &Dir, path: &Path) -> Result<Json, Fault> {
    let mut names = Vec::new();
    let entries = root.read_dir(path).map_err(|error| match error.kind() {
        // Where it is the folder's own folder that is none, it stays what it is: perhaps it is in another grant.
        ErrorKind::NotADirectory if root.metadata(path).is_ok() => Fault::Unfit("it is not a folder".to_owned()),
        _ => error.into(),
    })?;
    for (count, entry) in entries.enumerate() {
        // All entries count: a folder of a million sockets takes as long as one of files.
        if count == ENTRIES {
            return Err(Fault::Unfit(format!("the folder has more than {ENTRIES} names; at most those are listed")));
        }
        names.extend(name(root, path, &entry?));
    }
    names.sort_by(|a: &String, b: &String| a.encode_utf16().cmp(b.encode_utf16()));
    let names = Json::from(names);
    match json_bytes(&names) {
        ..=TEXT_BYTES => Ok(names),
        bytes => Err(read::too_large(&format!("{bytes} bytes of names as JSON"))),
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

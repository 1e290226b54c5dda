//! The text of a file.

use std::path::Path;

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use runstate::value::json_bytes;
use serde_json::Value as Json;

use super::TEXT_BYTES;
use super::error::{AccessError, too_large};
use crate::input;

/// Reads the text of the file at `path`.
pub(super) fn read_text(root: &Dir, path: &Path) -> Result<Json, AccessError> {
    // The kind is checked before the file is opened, because opening a device can have effects.
    let bytes = check_plain_file(&root.metadata(path)?)?.len();
    if bytes > TEXT_BYTES as u64 {
        return Err(too_large(&format!("{bytes} bytes"), TEXT_BYTES));
    }
    let (file, _) = open(root, path, OpenOptions::new().read(true))?;
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

/// Opens the file at `path` without waiting for the other end of a pipe, and checks the opened file: it may have replaced the one that was
/// checked before.
pub(super) fn open(root: &Dir, path: &Path, options: &mut OpenOptions) -> Result<(File, Metadata), AccessError> {
    let file = root.open_with(path, options.nonblock(true))?;
    let known = file.metadata()?;
    check_plain_file(&known)?;
    Ok((file, known))
}

/// Refuses everything but a regular file: pipes, sockets and devices.
pub(super) fn check_plain_file(known: &Metadata) -> Result<&Metadata, AccessError> {
    match known {
        _ if known.is_dir() => Err(AccessError::Invalid("it is a folder".to_owned())),
        _ if !known.is_file() => Err(AccessError::Invalid("it is not a regular file".to_owned())),
        _ => Ok(known),
    }
}

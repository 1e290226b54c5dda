//! The text of a file.

use std::path::Path;

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use runstate::value::json_bytes;
use serde_json::Value as Json;

use super::TEXT_BYTES;
use super::refused::{Fault, too_large};
use crate::bounded;

/// The text of the file at `path`.
pub(super) fn text(root: &Dir, path: &Path) -> Result<Json, Fault> {
    // Looked at before it is opened, since opening is already something that devices notice.
    let bytes = plain(&root.metadata(path)?)?.len();
    if bytes > TEXT_BYTES as u64 {
        return Err(too_large(&format!("{bytes} bytes"), TEXT_BYTES));
    }
    let (file, _) = open(root, path, OpenOptions::new().read(true))?;
    // Files that are made up as they are read have no size before.
    let bytes = bounded::read(file, TEXT_BYTES)?
        .ok_or_else(|| too_large(&format!("more than {TEXT_BYTES} bytes"), TEXT_BYTES))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let first = error.utf8_error().valid_up_to() + 1;
        Fault::Unfit(format!("it is not text in UTF-8: byte {first} is the first that is not"))
    })?;
    let text = Json::String(text);
    match json_bytes(&text) {
        ..=TEXT_BYTES => Ok(text),
        bytes => Err(too_large(&format!("{bytes} bytes as JSON"), TEXT_BYTES)),
    }
}

/// Opens the file at `path` without waiting for the other end of a pipe, and checks what it has opened: another file may have taken the place of
/// the one that was checked before.
pub(super) fn open(root: &Dir, path: &Path, options: &mut OpenOptions) -> Result<(File, Metadata), Fault> {
    let file = root.open_with(path, options.nonblock(true))?;
    let known = file.metadata()?;
    plain(&known)?;
    Ok((file, known))
}

/// What is known of a file, where it is one: pipes, sockets and devices are refused.
pub(super) fn plain(known: &Metadata) -> Result<&Metadata, Fault> {
    match known {
        _ if known.is_dir() => Err(Fault::Unfit("it is a folder".to_owned())),
        _ if !known.is_file() => Err(Fault::Unfit("it is not a plain file".to_owned())),
        _ => Ok(known),
    }
}

//! Replaces the store in IndexedDB where this build or host has none.

use super::{MissingStore, OpenedStore};
use crate::engine::Error;
use crate::error_code::ErrorCode;

/// No URL form.
pub(super) fn url_forms() -> &'static [&'static str] {
    &[]
}

pub(super) async fn open(name: &str, _missing: MissingStore) -> Result<OpenedStore, Error> {
    let message = format!(
        "cannot open `indexeddb:{name}`: this build of runstate has no store in IndexedDB (feature `indexeddb`, only in \
         WebAssembly). Elsewhere use `file:DIRECTORY`"
    );
    Err(Error::new(ErrorCode::Unsupported, message))
}

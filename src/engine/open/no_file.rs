//! Replaces the store on files where this build or host has none.

use super::{MissingStore, OpenedStore};
use crate::engine::Error;
use crate::error_code::ErrorCode;

/// No URL form.
pub(super) fn url_forms() -> &'static [&'static str] {
    &[]
}

pub(super) async fn open(directory: &str, _single_process: bool, _missing: MissingStore) -> Result<OpenedStore, Error> {
    let message = format!(
        "cannot open `{directory}`: this build of runstate has no store on files (feature `file`, not in a browser)"
    );
    Err(Error::new(ErrorCode::Unsupported, message))
}

//! Replaces the store on MongoDB where this build or host has none.

use super::{MissingStore, OpenedStore, redact_url};
use crate::engine::Error;
use crate::error_code::ErrorCode;

/// No URL form.
pub(super) fn url_forms() -> &'static [&'static str] {
    &[]
}

pub(super) async fn open(url: &str, _missing: MissingStore) -> Result<OpenedStore, Error> {
    let message = format!(
        "cannot open `{}`: this build of runstate has no store on MongoDB. Build one with `cargo install runstate-cli --features \
         mongodb`, or with the feature `mongodb` of the crate `runstate` (not in WebAssembly)",
        redact_url(url)
    );
    Err(Error::new(ErrorCode::Unsupported, message))
}

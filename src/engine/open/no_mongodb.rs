//! In place of the store on MongoDB, where this build or host has none.

use super::{Missing, Opened, aloud};
use crate::code::Code;
use crate::engine::Error;

/// None.
pub(super) fn offered() -> &'static [&'static str] {
    &[]
}

pub(super) async fn open(url: &str, _missing: Missing) -> Result<Opened, Error> {
    let message = format!(
        "cannot open `{}`: this build of runstate has no store on MongoDB; build one that has it with `cargo install runstate-cli --features \
         mongodb`, or with the feature `mongodb` of the crate `runstate` (not in WebAssembly)",
        aloud(url)
    );
    Err(Error::new(Code::Unsupported, message))
}

//! In place of the store on files, where this build or host has none.

use super::{Missing, Opened};
use crate::code::Code;
use crate::engine::Error;

/// None.
pub(super) fn offered() -> &'static [&'static str] {
    &[]
}

pub(super) async fn open(directory: &str, _single_process: bool, _missing: Missing) -> Result<Opened, Error> {
    let message = format!(
        "cannot open `{directory}`: this build of runstate has no store on files (feature `file`, not in a browser)"
    );
    Err(Error::new(Code::Unsupported, message))
}

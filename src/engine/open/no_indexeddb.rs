//! In place of the store in IndexedDB, where this build or host has none.

use super::{Missing, Opened};
use crate::code::Code;
use crate::engine::Error;

/// None.
pub(super) fn offered() -> &'static [&'static str] {
    &[]
}

pub(super) async fn open(name: &str, _missing: Missing) -> Result<Opened, Error> {
    let message = format!(
        "cannot open `indexeddb:{name}`: this build of runstate has no store in IndexedDB (feature `indexeddb`, in WebAssembly \
         alone); elsewhere a store is kept with `file:DIRECTORY`"
    );
    Err(Error::new(Code::Unsupported, message))
}

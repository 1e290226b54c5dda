//! Opening a store on files, where this build has it.

use std::sync::Arc;

use super::{Missing, Opened};
use crate::engine::Error;
use crate::store::file::{FileStore, Options};

/// The forms of its URLs.
pub(super) fn offered() -> &'static [&'static str] {
    &["file:DIRECTORY"]
}

pub(super) async fn open(directory: &str, single_process: bool, missing: Missing) -> Result<Opened, Error> {
    let options = Options { single_process, existing: missing == Missing::Refuse, ..Options::default() };
    let store = FileStore::open(directory, options).await?;
    let id = Some(store.id().to_owned());
    Ok(Opened { store: Arc::new(store), id })
}

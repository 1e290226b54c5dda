//! Opens a store on files.

use std::sync::Arc;

use super::{MissingStore, OpenedStore};
use crate::engine::Error;
use crate::store::file::{FileStore, FileStoreOptions};

/// The forms of its URLs.
pub(super) fn url_forms() -> &'static [&'static str] {
    &["file:DIRECTORY"]
}

pub(super) async fn open(directory: &str, single_process: bool, missing: MissingStore) -> Result<OpenedStore, Error> {
    let options =
        FileStoreOptions { single_process, must_exist: missing == MissingStore::Refuse, ..FileStoreOptions::default() };
    let store = FileStore::open(directory, options).await?;
    let id = Some(store.id().to_owned());
    Ok(OpenedStore { store: Arc::new(store), id })
}

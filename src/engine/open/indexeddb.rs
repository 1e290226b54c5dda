//! Opens a store in the browser's IndexedDB.

use std::sync::Arc;

use super::{MissingStore, OpenedStore};
use crate::engine::Error;
use crate::store::indexeddb::{IndexedDb, IndexedDbOptions};

/// The form of its URLs, if the host has IndexedDB.
pub(super) fn url_forms() -> &'static [&'static str] {
    if IndexedDb::is_supported() { &["indexeddb:NAME"] } else { &[] }
}

pub(super) async fn open(name: &str, missing: MissingStore) -> Result<OpenedStore, Error> {
    let options = IndexedDbOptions { must_exist: missing == MissingStore::Refuse, ..IndexedDbOptions::default() };
    let store = IndexedDb::open(name, options).await?;
    let id = store.id();
    #[allow(clippy::arc_with_non_send_sync, reason = "the engine shares stores by Arc; here they stay on one thread")]
    Ok(OpenedStore { store: Arc::new(store), id })
}

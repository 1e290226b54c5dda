//! Opening a store in the browser's IndexedDB.

use std::sync::Arc;

use super::{Missing, Opened};
use crate::engine::Error;
use crate::store::indexeddb::{IndexedDb, Options};

/// The form of its URLs, where the host has IndexedDB.
pub(super) fn offered() -> &'static [&'static str] {
    if IndexedDb::is_supported() { &["indexeddb:NAME"] } else { &[] }
}

pub(super) async fn open(name: &str, missing: Missing) -> Result<Opened, Error> {
    let options = Options { existing: missing == Missing::Refuse, ..Options::default() };
    let store = IndexedDb::open(name, options).await?;
    let id = store.id();
    #[allow(clippy::arc_with_non_send_sync, reason = "the engine shares stores by Arc; here they stay on one thread")]
    Ok(Opened { store: Arc::new(store), id })
}

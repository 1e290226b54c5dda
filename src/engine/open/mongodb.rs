//! Opens a store on a MongoDB replica set.

use std::sync::Arc;

use super::{MissingStore, OpenedStore};
use crate::engine::Error;
use crate::store::mongodb::{Mongo, MongoOptions};

/// The forms of its URLs.
pub(super) fn url_forms() -> &'static [&'static str] {
    &["mongodb://HOST/DATABASE", "mongodb+srv://HOST/DATABASE"]
}

pub(super) async fn open(url: &str, missing: MissingStore) -> Result<OpenedStore, Error> {
    let store =
        Mongo::open(url, MongoOptions { must_exist: missing == MissingStore::Refuse, ..MongoOptions::default() })
            .await?;
    let id = Some(store.id().to_owned());
    Ok(OpenedStore { store: Arc::new(store), id })
}

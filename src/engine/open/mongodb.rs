//! Opening a store on a MongoDB replica set.

use std::sync::Arc;

use super::{Missing, Opened};
use crate::engine::Error;
use crate::store::mongodb::{Mongo, Options};

/// The forms of its URLs.
pub(super) fn offered() -> &'static [&'static str] {
    &["mongodb://HOST/DATABASE", "mongodb+srv://HOST/DATABASE"]
}

pub(super) async fn open(url: &str, missing: Missing) -> Result<Opened, Error> {
    let store = Mongo::open(url, Options { existing: missing == Missing::Refuse, ..Options::default() }).await?;
    let id = Some(store.id().to_owned());
    Ok(Opened { store: Arc::new(store), id })
}

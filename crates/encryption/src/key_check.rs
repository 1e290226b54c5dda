//! Check values of keys. A store that is opened with another key under a known id is refused, before anything is
//! encrypted under it.

use std::sync::Arc;

use runstate_core::schema::{Catalog, Collection, Field, Key};
use runstate_store::{Expectation, Freshness, KEY_CHECKS, Store, StoreAdmin, StoreError, Write, WriteOp};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json};

use super::cipher::key_check;
use super::rotation::rotation_batch;
use super::{EncryptedStore, KeyProvider, SecretKey};

/// The check values by the id of the key. Only a store that was opened with keys has it.
static CHECKS: Collection = Collection::new(KEY_CHECKS, 1).fields(&[Field::text(CHECK)]);

/// The field with the check value.
const CHECK: &str = "check";

impl EncryptedStore {
    /// The catalog with the collection of check values, if this store has keys.
    pub(super) fn with_key_checks(&self, catalog: &Catalog) -> Result<Catalog, StoreError> {
        let own: &[&'static Collection] = if self.keys.is_some() { &[&CHECKS] } else { &[] };
        let with = catalog.with(own);
        with.map_err(|error| StoreError::InvalidQuery { collection: error.collection, reason: error.problem })
    }

    /// Compares each key with its check value, and stores those that are missing unless `read_only`.
    pub(super) async fn compare_keys(&self, now: Timestamp, read_only: bool) -> Result<(), StoreError> {
        let Some(keys) = self.keys.as_deref() else { return Ok(()) };
        let given = given_keys(keys);
        let places: Vec<Key> = given.iter().map(|(place, ..)| Key::new(&CHECKS, place)).collect();
        loop {
            let found = Store::get(&*self.at_rest, &places, Freshness::Linearizable).await?;
            let mut writes = Vec::new();
            for ((_, name, key), (place, found)) in given.iter().zip(places.iter().zip(found)) {
                let check = Json::from(key_check(key)?);
                match found.map(|stored| stored.document.get(CHECK) == Some(&check)) {
                    Some(true) => {}
                    Some(false) => return Err(another_key(place, name)),
                    None => {
                        let document = Arc::new(Document::from_iter([(CHECK.to_owned(), check)]));
                        let op = WriteOp::Put { version: CHECKS.version, document };
                        writes.push(Write { key: place.clone(), expect: Expectation::Absent, op });
                    }
                }
            }
            if writes.is_empty() || read_only || StoreAdmin::read_only_reason(&*self.at_rest).is_some() {
                return Ok(());
            }
            match Store::commit(&*self.at_rest, rotation_batch(writes, now)?).await {
                // Another process has stored one: it may be of another key.
                Err(StoreError::Conflict { .. } | StoreError::UnknownOutcome { .. }) => {}
                committed => return committed.map(drop),
            }
        }
    }
}

/// The keys that are given: where the check value is, what errors call the key, and the key. The key of hashes may be
/// replaced together with the current key.
fn given_keys(keys: &dyn KeyProvider) -> Vec<(String, String, SecretKey)> {
    let of_id = |id: String| Some((format!("key.{id}"), format!("key `{id}`"), keys.key(&id)?));
    let hash = keys.hash_key().map(|key| (format!("hash.{}", keys.current()), "key of hashes".to_owned(), key));
    keys.ids().into_iter().filter_map(of_id).chain(hash).collect()
}

fn another_key(place: &Key, name: &str) -> StoreError {
    let why = format!(
        "the {name} that was given is not the one that this store was opened with before; nothing was changed. Give that key, \
         or give a new key an id of its own"
    );
    StoreError::KeyMissing { at: place.to_string(), why }
}

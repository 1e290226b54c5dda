//! Check values of keys. A store that is opened with another key under a known id is refused, before anything is
//! encrypted under it.

use std::sync::Arc;

use runstate_core::limits::DECIDE_ATTEMPTS;
use runstate_core::schema::sealed::HASH;
use runstate_core::schema::{Catalog, Collection, Field, Key};
use runstate_store::{Expectation, Freshness, KEY_CHECKS, Store, StoreAdmin, StoreError, Write, WriteOp};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json, get};

use super::cipher::{Cipher, key_check};
use super::query::under_key;
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

    /// Compares each key with its check value, and stores those that are missing unless `read_only`. Where a value is
    /// encrypted under the key's id, that value decides: an import may bring values under a key that was not given.
    pub(super) async fn compare_keys(&self, now: Timestamp, read_only: bool) -> Result<(), StoreError> {
        let Some(keys) = self.keys.as_deref() else { return Ok(()) };
        let (given, cipher) = (given_keys(keys), Cipher::new(keys));
        let places: Vec<Key> = given.iter().map(|one| Key::new(&CHECKS, &one.place)).collect();
        let mut attempt = 0;
        loop {
            let found = Store::get(&*self.at_rest, &places, Freshness::Linearizable).await?;
            let mut writes = Vec::new();
            for (one, (place, found)) in given.iter().zip(places.iter().zip(found)) {
                let check = Json::from(key_check(&one.key)?);
                if found.as_ref().is_some_and(|stored| stored.document.get(CHECK) == Some(&check)) {
                    continue;
                }
                let opens = self.opens_a_value(&cipher, one).await?;
                if !opens.unwrap_or(found.is_none()) {
                    return Err(another_key(place, &one.name));
                }
                let document = Arc::new(Document::from_iter([(CHECK.to_owned(), check)]));
                let op = WriteOp::Put { version: CHECKS.version, document };
                let expect = found.map_or(Expectation::Absent, |stored| Expectation::Revision(stored.revision));
                writes.push(Write { key: place.clone(), expect, op });
            }
            if writes.is_empty() || read_only || StoreAdmin::read_only_reason(&*self.at_rest).is_some() {
                return Ok(());
            }
            attempt += 1;
            match Store::commit(&*self.at_rest, rotation_batch(writes, now)?).await {
                // Another process has stored one: it may be of another key.
                Err(StoreError::Conflict { .. } | StoreError::UnknownOutcome { .. }) if attempt < DECIDE_ATTEMPTS => {}
                // A store that takes no writes can still be read and emptied. A later opening stores them.
                Err(StoreError::Full { .. } | StoreError::ReadOnly { .. }) => return Ok(()),
                committed => return committed.map(drop),
            }
        }
    }

    /// Whether the key opens a value that is encrypted under its id; `None`: there is none.
    async fn opens_a_value(&self, cipher: &Cipher<'_>, given: &GivenKey) -> Result<Option<bool>, StoreError> {
        for (collection, field) in self.secret_fields() {
            if given.is_of_hashes && !field.searchable {
                continue;
            }
            let query = under_key(collection, field, Some(&given.id)).limit(1);
            let page = Store::query(&*self.at_rest, &query, Freshness::Linearizable).await?;
            let Some(row) = page.items.first() else { continue };
            let Some(sealed) = get(&row.stored.document, field.name) else { continue };
            let value = match cipher.open(&Key::new(collection, &row.id), field, sealed) {
                Ok(value) => value,
                Err(StoreError::Corrupt { .. } | StoreError::KeyMissing { .. }) => return Ok(Some(false)),
                Err(error) => return Err(error),
            };
            let hash = || cipher.hash(collection.name, field, &value).map(Json::from);
            return Ok(Some(!given.is_of_hashes || sealed.get(HASH) == Some(&hash()?)));
        }
        Ok(None)
    }
}

struct GivenKey {
    /// The id of its check value.
    place: String,
    /// What errors call it.
    name: String,
    /// The id under which its values are; of the key of hashes, that of the current key.
    id: String,
    is_of_hashes: bool,
    key: SecretKey,
}

/// The keys that are given: where the check value is, what errors call the key, and the key. The key of hashes may be
/// replaced together with the current key.
fn given_keys(keys: &dyn KeyProvider) -> Vec<GivenKey> {
    let of_id = |id: String| {
        let (place, name, key) = (format!("key.{id}"), format!("key `{id}`"), keys.key(&id)?);
        Some(GivenKey { place, name, id, is_of_hashes: false, key })
    };
    let of_hashes = |key| {
        let (id, name) = (keys.current(), "key of hashes".to_owned());
        GivenKey { place: format!("hash.{id}"), name, id, is_of_hashes: true, key }
    };
    keys.ids().into_iter().filter_map(of_id).chain(keys.hash_key().map(of_hashes)).collect()
}

fn another_key(place: &Key, name: &str) -> StoreError {
    let why = format!(
        "the {name} that was given is not the one that this store was opened with before; nothing was changed. Give that key, \
         or give a new key an id of its own"
    );
    StoreError::KeyMissing { at: place.to_string(), why }
}

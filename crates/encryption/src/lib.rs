//! Encryption of secret fields: a store that encrypts their values before a batch reaches the store below, and decrypts
//! what it reads.
//!
//! | file | contents |
//! |---|---|
//! | `keys.rs` | keys, and the trait that provides them |
//! | `cipher.rs` | one value: AES-256-GCM bound to its place, and keyed hashes |
//! | `sealed_collection.rs` | the collections as the store below has them |
//! | `batch.rs` | the batch that the store below commits |
//! | `key_check.rs` | refuses another key under a known id |
//! | `query.rs` | queries and aggregates as the store below evaluates them |
//! | `rotation.rs` | encrypts again what is not under the current key |
//! | `entropy.rs` | random bytes for nonces |
//!
//! The form of values at rest is in `schema/sealed.rs`. [`docs/encryption.md`](https://docs.rs/runstate) describes what
//! this protects.

mod batch;
mod cipher;
mod entropy;
mod key_check;
mod keys;
mod query;
mod rotation;
mod sealed_collection;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use runstate_core::marker::BoxFuture;
use runstate_core::schema::sealed::{key_id, secrets, undecryptable};
use runstate_core::schema::{Aggregate, Catalog, Collection, Field, Key, Query};
use runstate_store::RotationReport;
use runstate_store::layer::StoreLayer;
use runstate_store::{
    Batch, Encryption, Freshness, Outcome, Page, Receipt, Row, Store, StoreAdmin, StoreError, StoreProperty,
    StoredDocument, VerifyReport,
};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json, get};

use cipher::Cipher;
pub use keys::{InvalidKeys, KeyProvider, Keys, SecretKey};
use sealed_collection::sealed_catalog;
use sealed_collection::sealed_collection;

/// A store that keeps the values of secret fields encrypted in the store below.
///
/// Without keys it cannot read encrypted values ([`StoreError::KeyMissing`]), and writes no secret into a collection
/// that has some. Collections without secret fields pass through it unchanged.
///
/// ```
/// use std::sync::Arc;
/// use runstate::{encryption::{EncryptedStore, Keys, SecretKey}, store::{Memory, Store}};
/// let store = EncryptedStore::new(Arc::new(Memory::new()), Some(Arc::new(Keys::new("k1", SecretKey::new([7; 32])))));
/// assert_eq!(store.capabilities().name, "memory");
/// ```
pub struct EncryptedStore {
    at_rest: Arc<SealedStore>,
    keys: Option<Arc<dyn KeyProvider>>,
    /// Whether the last run of the rotation has left documents for the next one.
    is_rotating: AtomicBool,
}

/// The store below, prepared for sealed values. Documents pass through it as they are, so exports and imports use it.
pub struct SealedStore {
    inner: Arc<dyn Store>,
    /// The declarations with secret fields, whichever of both forms of the store got them.
    catalog: RwLock<Arc<Catalog>>,
}

impl SealedStore {
    fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the declarations, and returns them as the store below has them.
    fn set_catalog(&self, catalog: &Catalog) -> Result<Catalog, StoreError> {
        let sealed = sealed_catalog(catalog)?;
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog.clone());
        Ok(sealed)
    }
}

impl StoreLayer for SealedStore {
    type Inner = dyn Store;

    fn inner(&self) -> &(dyn Store + 'static) {
        &*self.inner
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { StoreAdmin::migrate(&*self.inner, &self.set_catalog(catalog)?).await })
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { StoreAdmin::declare(&*self.inner, &self.set_catalog(catalog)?).await })
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        Box::pin(async move { StoreAdmin::inspect(&*self.inner, &sealed_catalog(catalog)?).await })
    }
}

impl EncryptedStore {
    /// Encrypts the secrets of `inner` with `keys`.
    pub fn new(inner: Arc<dyn Store>, keys: Option<Arc<dyn KeyProvider>>) -> Self {
        Self {
            at_rest: Arc::new(SealedStore { inner, catalog: RwLock::default() }),
            keys,
            is_rotating: AtomicBool::new(false),
        }
    }

    fn cipher(&self) -> Option<Cipher<'_>> {
        self.keys.as_deref().map(Cipher::new)
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.at_rest.catalog()
    }

    fn secret_fields(&self) -> Vec<(&'static Collection, &'static Field)> {
        let catalog = self.catalog();
        let of_collection = |collection| secrets(collection).map(move |field| (collection, field));
        catalog.iter().flat_map(of_collection).collect()
    }

    /// The collection of that name, if it has secret fields.
    fn secret_collection(&self, name: &str) -> Option<&'static Collection> {
        self.catalog().get(name).filter(|collection| secrets(collection).next().is_some())
    }

    /// Reads documents, and decrypts their secrets.
    async fn get_opened(
        &self,
        keys: &[Key],
        freshness: Freshness,
        unreadable: Unreadable,
    ) -> Result<Vec<Option<StoredDocument>>, StoreError> {
        let mut found = Store::get(&*self.at_rest, keys, freshness).await?;
        for (key, stored) in keys.iter().zip(&mut found) {
            if let Some(stored) = stored {
                self.open(key, stored, unreadable)?;
            }
        }
        Ok(found)
    }

    /// Decrypts the secrets of a document.
    fn open(&self, key: &Key, stored: &mut StoredDocument, unreadable: Unreadable) -> Result<(), StoreError> {
        let Some(collection) = self.secret_collection(&key.collection) else { return Ok(()) };
        for field in secrets(collection) {
            let sealed = get(&stored.document, field.name);
            let Some((sealed, id)) = sealed.and_then(|value| Some((value, key_id(value)?))) else { continue };
            let opened = match self.cipher() {
                Some(cipher) => cipher.open(key, field, sealed),
                None => Err(cipher::missing_key(key, field, id)),
            };
            let value = match (opened, unreadable) {
                (Ok(value), _) => value,
                (Err(StoreError::KeyMissing { .. }), Unreadable::KeepSealed | Unreadable::KeepAll) => continue,
                (Err(StoreError::Corrupt { .. }), Unreadable::KeepAll) => undecryptable(id),
                (Err(error), _) => return Err(error),
            };
            set(Arc::make_mut(&mut stored.document), field.name, value);
        }
        Ok(())
    }
}

/// The treatment of values that cannot be decrypted.
#[derive(Clone, Copy)]
enum Unreadable {
    Fail,
    /// One whose key is missing stays sealed, so that other documents can be read.
    KeepSealed,
    /// As `KeepSealed`, and one that is damaged becomes [`undecryptable`].
    KeepAll,
}

/// Replaces a value that the document has.
fn set(document: &mut Document, path: &str, value: Json) {
    let found = match path.split_once('.') {
        None => document.get_mut(path),
        Some((first, rest)) => match document.get_mut(first) {
            Some(Json::Object(inner)) => return set(inner, rest, value),
            _ => None,
        },
    };
    if let Some(found) = found {
        *found = value;
    }
}

impl StoreLayer for EncryptedStore {
    type Inner = SealedStore;

    fn inner(&self) -> &SealedStore {
        &self.at_rest
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { StoreAdmin::migrate(&*self.at_rest, &self.with_key_checks(catalog)?).await })
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { StoreAdmin::declare(&*self.at_rest, &self.with_key_checks(catalog)?).await })
    }

    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(self.get_opened(keys, freshness, Unreadable::Fail))
    }

    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page<Row>, StoreError>> {
        Box::pin(async move {
            let sealed = match self.secret_collection(&query.collection) {
                Some(collection) => Cow::Owned(query::sealed_query(collection, query, self.cipher().as_ref())?),
                None => Cow::Borrowed(query),
            };
            let mut page = Store::query(&*self.at_rest, &sealed, freshness).await?;
            for mut row in std::mem::take(&mut page.items) {
                let key = Key { collection: query.collection.clone().into(), id: row.id.clone() };
                match self.open(&key, &mut row.stored, Unreadable::KeepSealed) {
                    Err(damage) if query.unreadable => page.add_damaged(damage.into_damaged(&query.collection)),
                    opened => opened.map(|()| page.items.push(row))?,
                }
            }
            Ok(page)
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async move {
            let sealed = match self.secret_collection(&aggregate.collection) {
                Some(collection) => Cow::Owned(query::sealed_aggregate(collection, aggregate, self.cipher().as_ref())?),
                None => Cow::Borrowed(aggregate),
            };
            Store::aggregate(&*self.at_rest, &sealed).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        if !batch.writes.iter().any(|write| self.secret_collection(&write.key.collection).is_some()) {
            return Store::commit(&*self.at_rest, batch);
        }
        Box::pin(async move {
            match self.sealed_batch(&batch).await {
                Ok(sealed) => Store::commit(&*self.at_rest, sealed).await,
                // The ledger comes first: a repeat returns the first result, even if its batch cannot be committed now.
                Err(error) => match Store::outcome(&*self.at_rest, &batch.command).await? {
                    Outcome::Absent => Err(error),
                    Outcome::Committed { .. } => {
                        let repeat = Batch { writes: Vec::new(), checks: Vec::new(), ..batch };
                        Store::commit(&*self.at_rest, repeat).await
                    }
                },
            }
        })
    }

    fn properties(&self) -> BoxFuture<'_, Result<Vec<StoreProperty>, StoreError>> {
        Box::pin(async move {
            let mut properties = StoreAdmin::properties(&*self.at_rest).await?;
            properties.extend(self.encryption_properties().await?);
            Ok(properties)
        })
    }

    fn encryption(&self) -> Option<&dyn Encryption> {
        Some(self)
    }
}

impl Encryption for EncryptedStore {
    fn at_rest(&self) -> Arc<dyn Store> {
        self.at_rest.clone()
    }

    fn get_readable<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(self.get_opened(keys, freshness, Unreadable::KeepAll))
    }

    fn collection_at_rest(&self, collection: &'static Collection) -> &'static Collection {
        sealed_collection(collection)
    }

    fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    fn check_keys(&self, now: Timestamp, read_only: bool) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.compare_keys(now, read_only))
    }

    fn fingerprint(&self, fingerprint: String) -> String {
        match &self.keys {
            Some(keys) => cipher::fingerprint(&**keys, fingerprint),
            None => fingerprint,
        }
    }

    fn is_rotating(&self) -> bool {
        self.is_rotating.load(Ordering::Relaxed)
    }

    fn rotate(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<RotationReport, StoreError>> {
        Box::pin(async move {
            let mut report = RotationReport::default();
            let rotated = self.rotate_all(now, limit, &mut report).await;
            self.is_rotating.store(report.more, Ordering::Relaxed);
            rotated.map(|()| report)
        })
    }
}

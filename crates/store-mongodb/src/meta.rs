//! The store's metadata: the version of each collection and the indexes that the store created. The document of the
//! read fence holds a fingerprint of all versions. By it a running process notices a newer program, and stops writing
//! (docs/decisions/0013).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document as Spec, doc};
use mongodb::options::{ReadConcern, WriteConcern};
use runstate_core::id::{hex, sha256};
use runstate_core::marker::BoxFuture;
use runstate_core::schema::Catalog;
use runstate_store::StoreError;

use super::read_fence::READ_FENCE;
use super::retry::AttemptError;
use super::{Declarations, META, Mongo, error_mapping, open};
use crate::{read_fence, retry};

/// How often a process that only commits checks the schema fingerprint.
const SCHEMA_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a commit waits for that check.
const SCHEMA_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The metadata of a collection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CollectionMeta {
    pub(super) version: i64,
    /// The indexes that this store created.
    pub(super) indexes: Vec<Spec>,
    /// The indexes that it began to create. If this process stops halfway, the next one recognizes them as the store's.
    pub(super) pending_indexes: Vec<Spec>,
}

/// The metadata of all collections.
#[derive(Default)]
pub(super) struct StoreMeta {
    pub(super) collections: BTreeMap<String, CollectionMeta>,
    /// The fingerprint of their versions that was published last.
    published_fingerprint: String,
}

/// When the schema fingerprint was checked last.
#[derive(Default)]
pub(super) struct SchemaCheckTimer(Mutex<Option<Instant>>);

impl CollectionMeta {
    /// Whether this store created that index.
    pub(super) fn has_index(&self, found: &Spec) -> bool {
        self.indexes.iter().chain(&self.pending_indexes).any(|own| same_name(own, found))
    }
}

impl StoreMeta {
    /// The fingerprint of the versions.
    fn fingerprint(&self) -> String {
        // A collection with only pending indexes has no version yet.
        let declared = self.collections.iter().filter(|(_, meta)| meta.version > 0);
        let versions: String = declared.map(|(name, meta)| format!("{name} {}\n", meta.version)).collect();
        hex(&sha256(&[versions.as_bytes()])[..8])
    }

    /// Whether the published fingerprint is that of these versions.
    pub(super) fn is_published(&self) -> bool {
        self.published_fingerprint == self.fingerprint()
    }

    /// The error for the first collection that a newer program declared.
    pub(super) fn newer_version_error(&self, catalog: &Catalog) -> Option<StoreError> {
        catalog.iter().find_map(|collection| {
            let found = self.collections.get(collection.name)?.version;
            (found > i64::from(collection.version)).then(|| newer_version(collection.name, found, collection.version))
        })
    }

    /// The fingerprint that was published last.
    pub(super) fn published_fingerprint(&self) -> String {
        self.published_fingerprint.clone()
    }
}

impl SchemaCheckTimer {
    pub(super) fn restart(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a check is due. The caller must then check: the timer starts again.
    fn restart_if_due(&self) -> bool {
        let mut last_check = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last_check.is_none_or(|time| time.elapsed() >= SCHEMA_CHECK_INTERVAL);
        if is_due {
            *last_check = Some(Instant::now());
        }
        is_due
    }
}

/// The declarations for a write. Checks at intervals whether a newer program has published others.
pub(super) async fn declarations_for_writing(mongo: &Mongo) -> Result<Arc<Declarations>, StoreError> {
    if mongo.schema_check.restart_if_due() {
        // If no server answers, the write itself fails and reports it.
        drop(
            tokio::time::timeout(mongo.call_timeout.min(SCHEMA_CHECK_TIMEOUT), read_fence::pass_read_fence(mongo))
                .await,
        );
    }
    mongo.check_writable()?;
    Ok(mongo.declarations())
}

/// Compares the published fingerprint with the known one. If it differs, a newer program may have migrated the store.
pub(super) async fn observe_fingerprint(mongo: &Mongo, fingerprint: &str) -> Result<(), AttemptError> {
    mongo.schema_check.restart();
    let before = mongo.declarations();
    if before.schema_fingerprint == fingerprint {
        return Ok(());
    }
    let read_only_reason = read_meta_once(mongo).await?.newer_version_error(&before.catalog);
    let updated =
        Declarations { schema_fingerprint: fingerprint.to_owned(), read_only_reason, ..Declarations::clone(&before) };
    let mut declarations = mongo.declarations.write().unwrap_or_else(PoisonError::into_inner);
    // A concurrent declaration is newer than what was read here.
    if Arc::ptr_eq(&declarations, &before) {
        *declarations = Arc::new(updated);
    }
    Ok(())
}

/// Reads the metadata of all collections.
pub(super) async fn read_meta(mongo: &Mongo) -> Result<StoreMeta, StoreError> {
    retry::retry(mongo, "reading the store's metadata", || Box::pin(read_meta_once(mongo))).await
}

async fn read_meta_once(mongo: &Mongo) -> Result<StoreMeta, AttemptError> {
    let mut cursor = meta(mongo).find(doc! {}).read_concern(ReadConcern::majority()).await?;
    let mut store_meta = StoreMeta::default();
    while cursor.advance().await? {
        let entry = cursor.deserialize_current()?;
        let Ok(name) = entry.get_str("_id") else { continue };
        if name == READ_FENCE {
            store_meta.published_fingerprint = fingerprint_in(Some(&entry)).to_owned();
        }
        if let Some(version) = entry.get("version").and_then(open::to_integer) {
            let list = |field: &str| {
                let indexes = entry.get_array(field).map(Vec::as_slice).unwrap_or_default();
                indexes.iter().filter_map(Bson::as_document).cloned().collect()
            };
            let collection_meta = CollectionMeta { version, indexes: list("indexes"), pending_indexes: list("making") };
            store_meta.collections.insert(name.to_owned(), collection_meta);
        }
    }
    Ok(store_meta)
}

/// The collections of the store that have documents, in ascending order. Collections of others in the same database
/// have no metadata.
pub(super) async fn collections(mongo: &Mongo) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for name in read_meta(mongo).await?.collections.into_keys() {
        let namespace = mongo.layout.namespace(&name);
        let doing = format!("reading {name}");
        let has_documents = || -> BoxFuture<'_, Result<bool, AttemptError>> {
            let collection = mongo.client.database(&namespace.database).collection::<Spec>(&namespace.collection);
            Box::pin(async move {
                let first = collection.find_one(doc! {}).projection(doc! {"_id": 1});
                Ok(first.read_concern(ReadConcern::majority()).await?.is_some())
            })
        };
        if retry::retry(mongo, &doing, has_documents).await? {
            found.push(name);
        }
    }
    Ok(found)
}

/// Records the indexes that are about to be created. If the process stops halfway, the next one knows that they belong
/// to the store.
pub(super) async fn record_pending_indexes(mongo: &Mongo, name: &str, pending: &[Spec]) -> Result<(), StoreError> {
    let update = doc! {"$set": {"making": pending}, "$setOnInsert": {"version": 0i64, "indexes": []}};
    let doing = format!("recording the indexes of {name}");
    let record = || -> BoxFuture<'_, Result<(), AttemptError>> {
        let (meta, update) = (meta(mongo), update.clone());
        Box::pin(async move {
            let request = meta.update_one(doc! {"_id": name}, update).upsert(true);
            match request.write_concern(WriteConcern::majority()).await {
                // Another process recorded the same indexes at the same time.
                Err(error) if error_mapping::error_code(&error) == Some(error_mapping::DUPLICATE_KEY) => Ok(()),
                result => Ok(result.map(drop)?),
            }
        })
    };
    retry::retry(mongo, &doing, record).await
}

/// Records the metadata of a collection, unless a newer program has migrated it meanwhile.
pub(super) async fn record_collection(
    mongo: &Mongo,
    name: &'static str,
    version: u32,
    collection_meta: &CollectionMeta,
) -> Result<(), StoreError> {
    let doing = format!("recording the declaration of {name}");
    let is_done =
        retry::retry(mongo, &doing, || Box::pin(record_collection_once(mongo, name, collection_meta))).await?;
    if is_done {
        return Ok(());
    }
    let found = read_meta(mongo).await?.collections.get(name).map_or(0, |collection_meta| collection_meta.version);
    // Otherwise another process recorded the same version at the same time.
    if found > collection_meta.version { Err(newer_version(name, found, version)) } else { Ok(()) }
}

async fn record_collection_once(
    mongo: &Mongo,
    name: &str,
    collection_meta: &CollectionMeta,
) -> Result<bool, AttemptError> {
    let selector = doc! {"_id": name, "version": {"$lte": collection_meta.version}};
    let set = doc! {"version": collection_meta.version, "indexes": collection_meta.indexes.clone()};
    let update = doc! {"$set": set, "$unset": {"making": ""}};
    let meta = meta(mongo);
    let request = meta.update_one(selector, update).upsert(true).write_concern(WriteConcern::majority());
    match request.await {
        Ok(_) => Ok(true),
        Err(error) if error_mapping::error_code(&error) == Some(error_mapping::DUPLICATE_KEY) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Publishes the fingerprint of the declared versions, and returns it.
pub(super) async fn publish_fingerprint(mongo: &Mongo, catalog: &Catalog) -> Result<String, StoreError> {
    retry::retry(mongo, "publishing the schema fingerprint", || Box::pin(publish_fingerprint_once(mongo, catalog)))
        .await
}

async fn publish_fingerprint_once(mongo: &Mongo, catalog: &Catalog) -> Result<String, AttemptError> {
    let store_meta = read_meta_once(mongo).await?;
    if let Some(newer) = store_meta.newer_version_error(catalog) {
        return Err(newer.into());
    }
    let fingerprint = store_meta.fingerprint();
    if store_meta.published_fingerprint == fingerprint {
        return Ok(fingerprint);
    }
    // A fingerprint that another process published meanwhile may rest on newer metadata than was read here.
    let expected = if store_meta.published_fingerprint.is_empty() {
        doc! {"$exists": false}
    } else {
        doc! {"$eq": &store_meta.published_fingerprint}
    };
    let update = doc! {"$set": {"declared": &fingerprint}};
    let meta = meta(mongo);
    let request = meta.update_one(doc! {"_id": READ_FENCE, "declared": expected}, update);
    match request.upsert(true).write_concern(WriteConcern::majority()).await {
        Ok(_) => Ok(fingerprint),
        Err(error) if error_mapping::error_code(&error) == Some(error_mapping::DUPLICATE_KEY) => {
            Err(AttemptError::Transient(mongo.map_error(&error, "publishing the schema fingerprint")))
        }
        Err(error) => Err(error.into()),
    }
}

fn meta(mongo: &Mongo) -> mongodb::Collection<Spec> {
    let namespace = mongo.layout.namespace(META);
    mongo.client.database(&namespace.database).collection(&namespace.collection)
}

/// The published schema fingerprint, in the document of the read fence.
pub(super) fn fingerprint_in(fence_document: Option<&Spec>) -> &str {
    fence_document.and_then(|fence_document| fence_document.get_str("declared").ok()).unwrap_or_default()
}

fn newer_version(name: &str, found: i64, supported: u32) -> StoreError {
    StoreError::newer_version_of(name, found.unsigned_abs(), supported)
}

fn same_name(one: &Spec, other: &Spec) -> bool {
    matches!((one.get_str("name"), other.get_str("name")), (Ok(one), Ok(other)) if one == other)
}

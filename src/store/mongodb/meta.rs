//! The store's metadata: the version of each collection and the indexes that the store created. The document of the read fence holds a
//! fingerprint of all versions. By it a running process notices a newer program, and stops writing (docs/decisions/0013).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document as Spec, doc};
use mongodb::options::{ReadConcern, WriteConcern};

use super::namespace::META;
use super::read_fence::READ_FENCE;
use super::retry::AttemptError;
use super::{Declarations, Mongo, error_mapping, open};
use crate::id::{hex, sha256};
use crate::marker::BoxFuture;
use crate::schema::Catalog;
use crate::store::StoreError;

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
    /// The indexes that it began to create. The next process knows them if this one stops halfway.
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
        self.indexes.iter().chain(&self.pending_indexes).any(|made| same_name(made, found))
    }
}

impl StoreMeta {
    /// The fingerprint of the versions.
    fn fingerprint(&self) -> String {
        // A collection whose indexes were only begun has no version yet.
        let declared = self.collections.iter().filter(|(_, kept)| kept.version > 0);
        let versions: String = declared.map(|(name, kept)| format!("{name} {}\n", kept.version)).collect();
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
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked.is_none_or(|asked| asked.elapsed() >= SCHEMA_CHECK_INTERVAL);
        if is_due {
            *asked = Some(Instant::now());
        }
        is_due
    }
}

impl Mongo {
    /// The declarations for a write. From time to time this checks whether a newer program has published others.
    pub(super) async fn declarations_for_writing(&self) -> Result<Arc<Declarations>, StoreError> {
        if self.schema_check.restart_if_due() {
            // If no server answers, the write itself fails and reports it.
            drop(tokio::time::timeout(self.call_timeout.min(SCHEMA_CHECK_TIMEOUT), self.pass_read_fence()).await);
        }
        self.check_writable()?;
        Ok(self.declarations())
    }

    /// Compares the published fingerprint with the known one. If it differs, a newer program may have migrated the store.
    pub(super) async fn observe_fingerprint(&self, fingerprint: &str) -> Result<(), AttemptError> {
        self.schema_check.restart();
        let before = self.declarations();
        if before.schema_fingerprint == fingerprint {
            return Ok(());
        }
        let read_only_reason = self.read_meta_once().await?.newer_version_error(&before.catalog);
        let now = Declarations {
            schema_fingerprint: fingerprint.to_owned(),
            read_only_reason,
            ..Declarations::clone(&before)
        };
        let mut declared = self.declarations.write().unwrap_or_else(PoisonError::into_inner);
        // A concurrent declaration is newer than what was read here.
        if Arc::ptr_eq(&declared, &before) {
            *declared = Arc::new(now);
        }
        Ok(())
    }

    /// Reads the metadata of all collections.
    pub(super) async fn read_meta(&self) -> Result<StoreMeta, StoreError> {
        self.retry("reading the store's metadata", || Box::pin(self.read_meta_once())).await
    }

    async fn read_meta_once(&self) -> Result<StoreMeta, AttemptError> {
        let mut cursor = self.meta().find(doc! {}).read_concern(ReadConcern::majority()).await?;
        let mut found = StoreMeta::default();
        while cursor.advance().await? {
            let entry = cursor.deserialize_current()?;
            let Ok(name) = entry.get_str("_id") else { continue };
            if name == READ_FENCE {
                found.published_fingerprint = fingerprint_in(Some(&entry)).to_owned();
            }
            if let Some(version) = entry.get("version").and_then(open::to_integer) {
                let list = |field: &str| {
                    let indexes = entry.get_array(field).map(Vec::as_slice).unwrap_or_default();
                    indexes.iter().filter_map(Bson::as_document).cloned().collect()
                };
                let kept = CollectionMeta { version, indexes: list("indexes"), pending_indexes: list("making") };
                found.collections.insert(name.to_owned(), kept);
            }
        }
        Ok(found)
    }

    /// Records the indexes that are about to be created. If the process stops halfway, the next one knows that they belong to the store.
    pub(super) async fn record_pending_indexes(&self, name: &str, making: &[Spec]) -> Result<(), StoreError> {
        let update = doc! {"$set": {"making": making}, "$setOnInsert": {"version": 0i64, "indexes": []}};
        let doing = format!("recording the indexes of {name}");
        let announce = || -> BoxFuture<'_, Result<(), AttemptError>> {
            let (meta, update) = (self.meta(), update.clone());
            Box::pin(async move {
                let asked = meta.update_one(doc! {"_id": name}, update).upsert(true);
                match asked.write_concern(WriteConcern::majority()).await {
                    // Another process recorded the same indexes at the same time.
                    Err(error) if error_mapping::error_code(&error) == Some(error_mapping::DUPLICATE_KEY) => Ok(()),
                    done => Ok(done.map(drop)?),
                }
            })
        };
        self.retry(&doing, announce).await
    }

    /// Records the metadata of a collection, unless a newer program has migrated it meanwhile.
    pub(super) async fn record_collection(
        &self,
        name: &'static str,
        version: u32,
        kept: &CollectionMeta,
    ) -> Result<(), StoreError> {
        let doing = format!("recording the declaration of {name}");
        let is_done = self.retry(&doing, || Box::pin(self.record_collection_once(name, kept))).await?;
        if is_done {
            return Ok(());
        }
        let found = self.read_meta().await?.collections.get(name).map_or(0, |kept| kept.version);
        // Otherwise another process recorded the same version at the same time.
        if found > kept.version { Err(newer_version(name, found, version)) } else { Ok(()) }
    }

    async fn record_collection_once(&self, name: &str, kept: &CollectionMeta) -> Result<bool, AttemptError> {
        let selector = doc! {"_id": name, "version": {"$lte": kept.version}};
        let set = doc! {"version": kept.version, "indexes": kept.indexes.clone()};
        let update = doc! {"$set": set, "$unset": {"making": ""}};
        let meta = self.meta();
        let asked = meta.update_one(selector, update).upsert(true).write_concern(WriteConcern::majority());
        match asked.await {
            Ok(_) => Ok(true),
            Err(fault) if error_mapping::error_code(&fault) == Some(error_mapping::DUPLICATE_KEY) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Publishes the fingerprint of the declared versions, and returns it.
    pub(super) async fn publish_fingerprint(&self, catalog: &Catalog) -> Result<String, StoreError> {
        self.retry("publishing the schema fingerprint", || Box::pin(self.publish_fingerprint_once(catalog))).await
    }

    async fn publish_fingerprint_once(&self, catalog: &Catalog) -> Result<String, AttemptError> {
        let remembered = self.read_meta_once().await?;
        if let Some(newer) = remembered.newer_version_error(catalog) {
            return Err(newer.into());
        }
        let sign = remembered.fingerprint();
        if remembered.published_fingerprint == sign {
            return Ok(sign);
        }
        // A fingerprint that another process published meanwhile may rest on newer metadata than was read here.
        let expected = if remembered.published_fingerprint.is_empty() {
            doc! {"$exists": false}
        } else {
            doc! {"$eq": &remembered.published_fingerprint}
        };
        let update = doc! {"$set": {"declared": &sign}};
        let meta = self.meta();
        let asked = meta.update_one(doc! {"_id": READ_FENCE, "declared": expected}, update);
        match asked.upsert(true).write_concern(WriteConcern::majority()).await {
            Ok(_) => Ok(sign),
            Err(fault) if error_mapping::error_code(&fault) == Some(error_mapping::DUPLICATE_KEY) => {
                Err(AttemptError::Transient(self.map_error(&fault, "publishing the schema fingerprint")))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    fn meta(&self) -> mongodb::Collection<Spec> {
        let namespace = self.layout.namespace(META);
        self.client.database(&namespace.database).collection(&namespace.collection)
    }
}

/// The published schema fingerprint, in the document of the read fence.
pub(super) fn fingerprint_in(barrier: Option<&Spec>) -> &str {
    barrier.and_then(|barrier| barrier.get_str("declared").ok()).unwrap_or_default()
}

fn newer_version(name: &str, found: i64, supported: u32) -> StoreError {
    let what = format!("collection {name}");
    StoreError::NewerVersion { what, found: found.unsigned_abs(), supported: supported.into() }
}

fn same_name(one: &Spec, other: &Spec) -> bool {
    matches!((one.get_str("name"), other.get_str("name")), (Ok(one), Ok(other)) if one == other)
}

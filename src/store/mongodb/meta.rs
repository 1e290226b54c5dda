//! What the store says of itself: of each collection its version and the indexes that were made, and, where everybody who reads comes by, which
//! versions these are together. So who runs learns that a newer program was here, and stops writing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document as Spec, doc};
use mongodb::options::{ReadConcern, WriteConcern};

use super::again::Stop;
use super::barrier::BARRIER;
use super::names::META;
use super::{Declarations, Mongo, faults, open};
use crate::id::{hex, sha256};
use crate::marker::BoxFuture;
use crate::schema::Catalog;
use crate::store::Error;

/// Who only commits asks so often what is declared.
const ASKED_EACH: Duration = Duration::from_secs(5);
/// How long a commit waits for that answer.
const A_MOMENT: Duration = Duration::from_secs(1);

/// What is kept of a collection in the meta collection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kept {
    pub(super) version: i64,
    /// The indexes that were made by this store.
    pub(super) indexes: Vec<Spec>,
    /// Those that it has begun to make: whoever stops meanwhile has not made them for nobody.
    pub(super) making: Vec<Spec>,
}

/// What is kept of all collections.
#[derive(Default)]
pub(super) struct Remembered {
    pub(super) collections: BTreeMap<String, Kept>,
    /// The sign of their versions, as it was told last.
    told: String,
}

/// When it was asked last what is declared.
#[derive(Default)]
pub(super) struct Asked(Mutex<Option<Instant>>);

impl Kept {
    /// Whether this store made that index.
    pub(super) fn has(&self, found: &Spec) -> bool {
        self.indexes.iter().chain(&self.making).any(|made| same_name(made, found))
    }
}

impl Remembered {
    /// Another one for other versions.
    fn sign(&self) -> String {
        // What was only begun has no version yet.
        let declared = self.collections.iter().filter(|(_, kept)| kept.version > 0);
        let versions: String = declared.map(|(name, kept)| format!("{name} {}\n", kept.version)).collect();
        hex(&sha256(&[versions.as_bytes()])[..8])
    }

    /// Whether everybody who comes by is told of these versions.
    pub(super) fn is_told(&self) -> bool {
        self.told == self.sign()
    }

    /// The first collection that a newer program declared.
    pub(super) fn newer_than(&self, catalog: &Catalog) -> Option<Error> {
        catalog.iter().find_map(|collection| {
            let found = self.collections.get(collection.name)?.version;
            (found > i64::from(collection.version)).then(|| newer(collection.name, found, collection.version))
        })
    }

    /// The sign, as it was told.
    pub(super) fn told(&self) -> String {
        self.told.clone()
    }
}

impl Asked {
    pub(super) fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it is time to ask again; who is told so asks.
    fn is_due(&self) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked.is_none_or(|asked| asked.elapsed() >= ASKED_EACH);
        if is_due {
            *asked = Some(Instant::now());
        }
        is_due
    }
}

impl Mongo {
    /// What is declared, for who writes; from time to time it is asked whether that still holds.
    pub(super) async fn declared_for_writing(&self) -> Result<Arc<Declarations>, Error> {
        if self.asked.is_due() {
            // Where nobody answers the writing itself finds out, and says so.
            drop(tokio::time::timeout(self.patience.min(A_MOMENT), self.now()).await);
        }
        self.writable()?;
        Ok(self.declarations())
    }

    /// Takes note of the sign that stands where everybody comes by. Where it is another one than before, a program that is newer may have been
    /// here.
    pub(super) async fn heed(&self, sign: &str) -> Result<(), Stop> {
        self.asked.now();
        let before = self.declarations();
        if before.sign == sign {
            return Ok(());
        }
        let illness = self.remembered_once().await?.newer_than(&before.catalog);
        let now = Declarations { sign: sign.to_owned(), illness, ..Declarations::clone(&before) };
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        // Who declared meanwhile knows more.
        if Arc::ptr_eq(&declared, &before) {
            *declared = Arc::new(now);
        }
        Ok(())
    }

    /// What the meta collection says of all collections.
    pub(super) async fn remembered(&self) -> Result<Remembered, Error> {
        self.again("reading what the store says of itself", || Box::pin(self.remembered_once())).await
    }

    async fn remembered_once(&self) -> Result<Remembered, Stop> {
        let mut cursor = self.meta().find(doc! {}).read_concern(ReadConcern::majority()).await?;
        let mut found = Remembered::default();
        while cursor.advance().await? {
            let entry = cursor.deserialize_current()?;
            let Ok(name) = entry.get_str("_id") else { continue };
            if name == BARRIER {
                found.told = sign_in(Some(&entry)).to_owned();
            }
            if let Some(version) = entry.get("version").and_then(open::whole) {
                let list = |field: &str| {
                    let indexes = entry.get_array(field).map(Vec::as_slice).unwrap_or_default();
                    indexes.iter().filter_map(Bson::as_document).cloned().collect()
                };
                let kept = Kept { version, indexes: list("indexes"), making: list("making") };
                found.collections.insert(name.to_owned(), kept);
            }
        }
        Ok(found)
    }

    /// Remembers that such indexes are about to be made: who comes after one that stopped halfway knows whose they are.
    pub(super) async fn announce(&self, name: &str, making: &[Spec]) -> Result<(), Error> {
        let update = doc! {"$set": {"making": making}, "$setOnInsert": {"version": 0i64, "indexes": []}};
        let doing = format!("remembering the indexes of {name}");
        let announce = || -> BoxFuture<'_, Result<(), Stop>> {
            let (meta, update) = (self.meta(), update.clone());
            Box::pin(async move {
                let asked = meta.update_one(doc! {"_id": name}, update).upsert(true);
                match asked.write_concern(WriteConcern::majority()).await {
                    // Another began with the same at the same time.
                    Err(fault) if faults::number(&fault) == Some(faults::DUPLICATE_KEY) => Ok(()),
                    done => Ok(done.map(drop)?),
                }
            })
        };
        self.again(&doing, announce).await
    }

    /// Remembers what was made, unless a newer program was here meanwhile.
    pub(super) async fn keep(&self, name: &'static str, version: u32, kept: &Kept) -> Result<(), Error> {
        let doing = format!("remembering the declaration of {name}");
        let is_done = self.again(&doing, || Box::pin(self.keep_once(name, kept))).await?;
        if is_done {
            return Ok(());
        }
        let found = self.remembered().await?.collections.get(name).map_or(0, |kept| kept.version);
        // Else another declared the same at the same time.
        if found > kept.version { Err(newer(name, found, version)) } else { Ok(()) }
    }

    async fn keep_once(&self, name: &str, kept: &Kept) -> Result<bool, Stop> {
        let selector = doc! {"_id": name, "version": {"$lte": kept.version}};
        let set = doc! {"version": kept.version, "indexes": kept.indexes.clone()};
        let update = doc! {"$set": set, "$unset": {"making": ""}};
        let meta = self.meta();
        let asked = meta.update_one(selector, update).upsert(true).write_concern(WriteConcern::majority());
        match asked.await {
            Ok(_) => Ok(true),
            Err(fault) if faults::number(&fault) == Some(faults::DUPLICATE_KEY) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Tells everybody who comes by which versions are declared now; the sign of them.
    pub(super) async fn tell_versions(&self, catalog: &Catalog) -> Result<String, Error> {
        self.again("telling others what is declared", || Box::pin(self.tell_versions_once(catalog))).await
    }

    async fn tell_versions_once(&self, catalog: &Catalog) -> Result<String, Stop> {
        let remembered = self.remembered_once().await?;
        if let Some(newer) = remembered.newer_than(catalog) {
            return Err(newer.into());
        }
        let sign = remembered.sign();
        if remembered.told == sign {
            return Ok(sign);
        }
        // What another told meanwhile may rest on more than was read here.
        let told = if remembered.told.is_empty() {
            doc! {"$exists": false}
        } else {
            doc! {"$eq": &remembered.told}
        };
        let update = doc! {"$set": {"declared": &sign}};
        let meta = self.meta();
        let asked = meta.update_one(doc! {"_id": BARRIER, "declared": told}, update);
        match asked.upsert(true).write_concern(WriteConcern::majority()).await {
            Ok(_) => Ok(sign),
            Err(fault) if faults::number(&fault) == Some(faults::DUPLICATE_KEY) => {
                Err(Stop::Again(self.error(&fault, "telling others what is declared")))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    fn meta(&self) -> mongodb::Collection<Spec> {
        let place = self.layout.place(META);
        self.client.database(&place.database).collection(&place.collection)
    }
}

/// The sign of all versions, where everybody comes by.
pub(super) fn sign_in(barrier: Option<&Spec>) -> &str {
    barrier.and_then(|barrier| barrier.get_str("declared").ok()).unwrap_or_default()
}

fn newer(name: &str, found: i64, supported: u32) -> Error {
    let what = format!("collection {name}");
    Error::NewerVersion { what, found: found.unsigned_abs(), supported: supported.into() }
}

fn same_name(one: &Spec, other: &Spec) -> bool {
    matches!((one.get_str("name"), other.get_str("name")), (Ok(one), Ok(other)) if one == other)
}

//! Making collections and indexes as a catalog declares them. What is there already is only looked at, so that a user without the
//! right to make indexes can start on a database that was prepared.

use std::collections::BTreeMap;

use mongodb::bson::{Bson, Document as Spec, doc};
use mongodb::error::Error as Fault;
use mongodb::options::{ReadConcern, WriteConcern};

use super::again::Stop;
use super::codec::Declared;
use super::indexes::{Wanted, wanted};
use super::names::META;
use super::{Declarations, Mongo, faults, open};
use crate::marker::BoxFuture;
use crate::schema::{Catalog, Key};
use crate::store::Error;

/// There is no such collection.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// Another made it meanwhile.
const NAMESPACE_EXISTS: i32 = 48;
/// There is no such index: another dropped it meanwhile.
const INDEX_NOT_FOUND: i32 = 27;
/// An index of that name, or on those fields, is another one.
const INDEX_CONFLICTS: [i32; 2] = [85, 86];

/// What is kept of a collection in the meta collection.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    version: i64,
    /// The indexes that were made by this store.
    indexes: Vec<Spec>,
}

/// What has to be done to one collection.
struct Turnover {
    declared: std::sync::Arc<Declared>,
    /// It is not there at all.
    missing: bool,
    /// Indexes to be made.
    made: Vec<Wanted>,
    /// Indexes of the same names that stand in their way: ours, by an older declaration.
    replaced: Vec<Spec>,
    /// Indexes of ours that nothing declares any more.
    dropped: Vec<String>,
    /// What is kept of it then, where that is anything new.
    kept: Option<Kept>,
}

impl Mongo {
    /// Takes a catalog. Indexes are built as long as it takes; everything else within the time of one call.
    pub(super) async fn do_migrate(&self, catalog: &Catalog) -> Result<(), Error> {
        let mut declarations = Declarations::of(catalog);
        let kept = self.kept().await?;
        if let Some(newer) = newer(catalog, &kept) {
            declarations.illness = Some(newer.clone());
            self.declare(declarations);
            return Err(newer);
        }
        let mut turnovers = Vec::new();
        for declared in declarations.collections.values() {
            turnovers.push(self.turnover(declared.clone(), kept.get(declared.collection.name)).await?);
        }
        self.make(&turnovers).await?;
        for turnover in &turnovers {
            self.drop_indexes(turnover.declared.collection.name, &turnover.dropped).await?;
            if let Some(kept) = &turnover.kept {
                self.keep(turnover.declared.collection.name, turnover.declared.collection.version, kept).await?;
            }
        }
        self.declare(declarations);
        Ok(())
    }

    /// What the meta collection says of all collections.
    async fn kept(&self) -> Result<BTreeMap<String, Kept>, Error> {
        self.again("reading what the store says of itself", || Box::pin(self.kept_once())).await
    }

    async fn kept_once(&self) -> Result<BTreeMap<String, Kept>, Stop> {
        let place = self.layout.place(META);
        let meta = self.client.database(&place.database).collection::<Spec>(&place.collection);
        let mut cursor = meta.find(doc! {}).read_concern(ReadConcern::majority()).await?;
        let mut found = BTreeMap::new();
        while cursor.advance().await? {
            let entry = cursor.deserialize_current()?;
            if let (Ok(name), Some(version)) = (entry.get_str("_id"), entry.get("version").and_then(open::whole)) {
                let indexes = entry.get_array("indexes").map(Vec::as_slice).unwrap_or_default();
                let indexes = indexes.iter().filter_map(Bson::as_document).cloned().collect();
                found.insert(name.to_owned(), Kept { version, indexes });
            }
        }
        Ok(found)
    }

    async fn turnover(&self, declared: std::sync::Arc<Declared>, kept: Option<&Kept>) -> Result<Turnover, Error> {
        let wanted = wanted(&declared)?;
        let name = declared.collection.name;
        let there = self.indexes(name).await?;
        let missing = there.is_none();
        let there = there.unwrap_or_default();
        let ours = |found: &Spec| kept.is_some_and(|kept| kept.indexes.iter().any(|made| same_name(made, found)));
        let mut turnover =
            Turnover { declared, missing, made: Vec::new(), replaced: Vec::new(), dropped: Vec::new(), kept: None };
        let mut records = Vec::new();
        for index in &wanted {
            match there.iter().find(|found| index.is(found)) {
                // One that an operator made serves as well, and stays the operator's.
                Some(found) => records.extend(ours(found).then(|| index.record())),
                None => {
                    let in_the_way = there
                        .iter()
                        .filter(|found| found.get_str("name").is_ok_and(|name| name == index.name) && ours(found));
                    turnover.replaced.extend(in_the_way.cloned());
                    turnover.made.push(index.clone());
                    records.push(index.record());
                }
            }
        }
        let unwanted = there.iter().filter(|found| ours(found) && !wanted.iter().any(|index| index.is(found)));
        let unwanted = unwanted.filter(|found| !turnover.replaced.contains(found));
        turnover.dropped = unwanted.filter_map(|found| found.get_str("name").ok()).map(str::to_owned).collect();
        let now = Kept { version: i64::from(turnover.declared.collection.version), indexes: records };
        turnover.kept = (kept != Some(&now)).then_some(now);
        Ok(turnover)
    }

    /// The indexes of a collection; `None`: there is no such collection.
    pub(super) async fn indexes(&self, name: &str) -> Result<Option<Vec<Spec>>, Error> {
        let list = || -> BoxFuture<'_, Result<Option<Vec<Spec>>, Stop>> {
            Box::pin(async {
                let place = self.layout.place(name);
                let list = doc! {"listIndexes": place.collection, "cursor": {"batchSize": 10_000}};
                match self.client.database(&place.database).run_command(list).await {
                    Ok(reply) => Ok(Some(first_batch(&reply))),
                    Err(fault) if faults::number(&fault) == Some(NAMESPACE_NOT_FOUND) => Ok(None),
                    Err(fault) => Err(fault.into()),
                }
            })
        };
        self.again(&format!("listing the indexes of {name}"), list).await
    }

    /// Makes what is missing, everywhere or nowhere.
    async fn make(&self, turnovers: &[Turnover]) -> Result<(), Error> {
        for (done, turnover) in turnovers.iter().enumerate() {
            if let Err(error) = self.make_in(turnover).await {
                for made in turnovers.iter().take(done) {
                    self.unmake(made).await;
                }
                // Of the failed ones the server made none.
                self.put_back(turnover).await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn make_in(&self, turnover: &Turnover) -> Result<(), Error> {
        let name = turnover.declared.collection.name;
        if turnover.missing {
            self.create_collection(name).await?;
        }
        let in_the_way = turnover.replaced.iter().filter_map(|index| index.get_str("name").ok().map(str::to_owned));
        self.drop_indexes(name, &in_the_way.collect::<Vec<_>>()).await?;
        let specs: Vec<Spec> = turnover.made.iter().map(Wanted::spec).collect();
        self.create_indexes(name, specs).await
    }

    async fn create_collection(&self, name: &str) -> Result<(), Error> {
        let place = self.layout.place(name);
        let create = doc! {"create": place.collection, "writeConcern": {"w": "majority"}};
        match self.client.database(&place.database).run_command(create).await {
            Err(fault) if faults::number(&fault) != Some(NAMESPACE_EXISTS) => {
                Err(self.error(&fault, &format!("making the collection {name}")))
            }
            _ => Ok(()),
        }
    }

    async fn create_indexes(&self, name: &str, specs: Vec<Spec>) -> Result<(), Error> {
        if specs.is_empty() {
            return Ok(());
        }
        let place = self.layout.place(name);
        let create = doc! {"createIndexes": place.collection, "indexes": specs, "writeConcern": {"w": "majority"}};
        match self.client.database(&place.database).run_command(create).await {
            Ok(_) => Ok(()),
            Err(fault) => Err(self.not_made(name, &fault).await),
        }
    }

    async fn not_made(&self, name: &str, fault: &Fault) -> Error {
        if faults::number(fault) == Some(faults::DUPLICATE_KEY) {
            return self.twin(name, fault).await;
        }
        let doing = format!("making the indexes of {name}");
        if faults::number(fault).is_some_and(|number| INDEX_CONFLICTS.contains(&number)) {
            let why = format!("another index is in the way; drop that one, or make it as it is declared ({fault})");
            return Error::Unavailable { what: self.what(&doing), why };
        }
        self.error(fault, &doing)
    }

    /// Two documents share an entry of a unique index: one of them.
    async fn twin(&self, name: &str, fault: &Fault) -> Error {
        let said = fault.server_response().and_then(|reply| Spec::try_from(&**reply).ok()).unwrap_or_default();
        let index = said.get_document("keyPattern").map(faults::index_name).unwrap_or_default();
        let sharing = said.get_document("keyValue").cloned().unwrap_or_default();
        let found = self.collection(name).find(sharing).projection(doc! {"_id": 1}).limit(2).await;
        let mut id = "?".to_owned();
        if let Ok(mut cursor) = found {
            while let Ok(true) = cursor.advance().await {
                id = cursor.current().get_str("_id").unwrap_or("?").to_owned();
            }
        }
        Error::UniqueViolation { key: Key { collection: name.to_owned().into(), id: id.into() }, index }
    }

    async fn drop_indexes(&self, name: &str, names: &[String]) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let place = self.layout.place(name);
        let drop = doc! {"dropIndexes": place.collection, "index": names, "writeConcern": {"w": "majority"}};
        match self.client.database(&place.database).run_command(drop).await {
            Err(fault) if faults::number(&fault) != Some(INDEX_NOT_FOUND) => {
                Err(self.error(&fault, &format!("dropping indexes of {name}")))
            }
            _ => Ok(()),
        }
    }

    /// Undoes what was made, as far as it can be: an index too many harms less than to tell of that in place of the first error.
    async fn unmake(&self, turnover: &Turnover) {
        let names: Vec<String> = turnover.made.iter().map(|index| index.name.clone()).collect();
        if self.drop_indexes(turnover.declared.collection.name, &names).await.is_ok() {
            self.put_back(turnover).await;
        }
    }

    /// Makes again what was in the way. Where that fails the next opening finds it missing.
    async fn put_back(&self, turnover: &Turnover) {
        drop(self.create_indexes(turnover.declared.collection.name, turnover.replaced.clone()).await);
    }

    /// Remembers what was made, unless a newer program was here meanwhile.
    async fn keep(&self, name: &'static str, version: u32, kept: &Kept) -> Result<(), Error> {
        let place = self.layout.place(META);
        let meta = self.client.database(&place.database).collection::<Spec>(&place.collection);
        let selector = doc! {"_id": name, "version": {"$lte": kept.version}};
        let update = doc! {"$set": {"version": kept.version, "indexes": kept.indexes.clone()}};
        match meta.update_one(selector, update).upsert(true).write_concern(WriteConcern::majority()).await {
            Ok(_) => Ok(()),
            Err(fault) if faults::number(&fault) == Some(faults::DUPLICATE_KEY) => {
                let found = self.kept().await?.get(name).map_or(0, |kept| kept.version);
                if found <= kept.version {
                    // Another declared the same at the same time.
                    return Ok(());
                }
                Err(newer_than(name, found, version))
            }
            Err(fault) => Err(self.error(&fault, &format!("remembering the declaration of {name}"))),
        }
    }
}

/// The first collection that a newer program declared.
fn newer(catalog: &Catalog, kept: &BTreeMap<String, Kept>) -> Option<Error> {
    catalog.iter().find_map(|collection| {
        let found = kept.get(collection.name)?.version;
        (found > i64::from(collection.version)).then(|| newer_than(collection.name, found, collection.version))
    })
}

fn newer_than(name: &str, found: i64, supported: u32) -> Error {
    let what = format!("collection {name}");
    Error::NewerVersion { what, found: found.unsigned_abs(), supported: supported.into() }
}

fn same_name(one: &Spec, other: &Spec) -> bool {
    matches!((one.get_str("name"), other.get_str("name")), (Ok(one), Ok(other)) if one == other)
}

fn first_batch(reply: &Spec) -> Vec<Spec> {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    batch.map(|batch| batch.iter().filter_map(Bson::as_document).cloned().collect()).unwrap_or_default()
}

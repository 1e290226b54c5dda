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
    /// Those that it has begun to make: whoever stops meanwhile has not made them for nobody.
    making: Vec<Spec>,
}

impl Kept {
    /// Whether this store made that index.
    fn has(&self, found: &Spec) -> bool {
        self.indexes.iter().chain(&self.making).any(|made| same_name(made, found))
    }
}

/// The indexes of a collection.
#[derive(Default)]
pub(super) struct Listed {
    /// Those that hold.
    pub(super) ready: Vec<Spec>,
    /// Names of those that the server is building, and that say nothing yet.
    pub(super) unfinished: Vec<String>,
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

/// Why indexes were not made.
enum Stopped {
    /// The server has none of them, and will not.
    Refused(Error),
    /// The server may be at it, and go on.
    Begun(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Refused(error)
    }
}

impl Mongo {
    /// Takes a catalog. An index that is built longer than a call may take is told as [`Error::Unavailable`]: the server goes on by itself, and who
    /// comes again waits for the same one.
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
        self.announce(&turnovers).await?;
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
                let list = |field: &str| {
                    let indexes = entry.get_array(field).map(Vec::as_slice).unwrap_or_default();
                    indexes.iter().filter_map(Bson::as_document).cloned().collect()
                };
                found.insert(name.to_owned(), Kept { version, indexes: list("indexes"), making: list("making") });
            }
        }
        Ok(found)
    }

    async fn turnover(&self, declared: std::sync::Arc<Declared>, kept: Option<&Kept>) -> Result<Turnover, Error> {
        let wanted = wanted(&declared)?;
        let name = declared.collection.name;
        let there = self.indexes(name).await?;
        let missing = there.is_none();
        // One that is being built is asked for again, and so waited for.
        let there = there.unwrap_or_default().ready;
        let ours = |found: &Spec| kept.is_some_and(|kept| kept.has(found));
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
        let version = i64::from(turnover.declared.collection.version);
        let now = Kept { version, indexes: records, making: Vec::new() };
        // What was begun and is there by now is no news.
        let known = kept.is_some_and(|kept| (kept.version, &kept.indexes) == (now.version, &now.indexes));
        turnover.kept = (!known).then_some(now);
        Ok(turnover)
    }

    /// The indexes of a collection; `None`: there is no such collection.
    pub(super) async fn indexes(&self, name: &str) -> Result<Option<Listed>, Error> {
        let list = || -> BoxFuture<'_, Result<Option<Listed>, Stop>> {
            Box::pin(async {
                let place = self.layout.place(name);
                let batch = doc! {"batchSize": 10_000};
                let list = doc! {"listIndexes": place.collection, "cursor": batch, "includeBuildUUIDs": true};
                match self.client.database(&place.database).run_command(list).await {
                    Ok(reply) => {
                        self.time.saw(&reply);
                        Ok(Some(listed(&reply)))
                    }
                    Err(fault) if faults::number(&fault) == Some(NAMESPACE_NOT_FOUND) => Ok(None),
                    Err(fault) => Err(fault.into()),
                }
            })
        };
        self.again(&format!("listing the indexes of {name}"), list).await
    }

    /// Remembers what is about to be made: who comes after one that stopped halfway knows whose it is.
    async fn announce(&self, turnovers: &[Turnover]) -> Result<(), Error> {
        let place = self.layout.place(META);
        let meta = self.client.database(&place.database).collection::<Spec>(&place.collection);
        for turnover in turnovers.iter().filter(|turnover| !turnover.made.is_empty()) {
            let (name, making) = (turnover.declared.collection.name, turnover.made.iter().map(Wanted::record));
            let update =
                doc! {"$set": {"making": making.collect::<Vec<_>>()}, "$setOnInsert": {"version": 0i64, "indexes": []}};
            let asked =
                meta.update_one(doc! {"_id": name}, update).upsert(true).write_concern(WriteConcern::majority());
            let doing = format!("remembering the indexes of {name}");
            let done = async {
                match asked.await {
                    // Another began with the same at the same time.
                    Err(fault) if faults::number(&fault) == Some(faults::DUPLICATE_KEY) => Ok(()),
                    done => done.map(drop).map_err(|fault| self.error(&fault, &doing)),
                }
            };
            self.within(&doing, done).await?;
        }
        Ok(())
    }

    /// Makes what is missing, everywhere or nowhere; but what takes the server longer stays begun.
    async fn make(&self, turnovers: &[Turnover]) -> Result<(), Error> {
        for (done, turnover) in turnovers.iter().enumerate() {
            if let Err(error) = self.make_in(turnover).await {
                let error = match error {
                    Stopped::Refused(error) => error,
                    Stopped::Begun(error) => return Err(error),
                };
                for made in turnovers.iter().take(done) {
                    self.unmake(made).await;
                }
                // Of the failed ones the server made none.
                self.put_back(turnover).await;
                self.forget(turnovers).await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn make_in(&self, turnover: &Turnover) -> Result<(), Stopped> {
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
        self.done(&place.database, create, &format!("making the collection {name}"), NAMESPACE_EXISTS).await
    }

    async fn create_indexes(&self, name: &str, specs: Vec<Spec>) -> Result<(), Stopped> {
        if specs.is_empty() {
            return Ok(());
        }
        let place = self.layout.place(name);
        let create = doc! {"createIndexes": place.collection, "indexes": specs, "writeConcern": {"w": "majority"}};
        let database = self.client.database(&place.database);
        let run = async { database.run_command(create).await };
        match tokio::time::timeout(self.patience, run).await {
            Ok(Ok(reply)) => {
                self.time.saw(&reply);
                Ok(())
            }
            Ok(Err(fault)) if faults::lost(&fault) => Err(Stopped::Begun(self.not_made(name, &fault).await)),
            Ok(Err(fault)) => Err(Stopped::Refused(self.not_made(name, &fault).await)),
            Err(_) => Err(Stopped::Begun(self.unfinished(name).await)),
        }
    }

    /// Why indexes are not there yet. Where the server does not even list them, it does not answer at all.
    async fn unfinished(&self, name: &str) -> Error {
        let what = self.what(&format!("making the indexes of {name}"));
        let building = match self.indexes(name).await {
            Ok(listed) => listed.unwrap_or_default().unfinished.join(", "),
            Err(error) => return error,
        };
        let seconds = self.patience.as_secs();
        let why = format!(
            "the server is still building them after {seconds} seconds ({building}), and goes on by itself; start again \
             later, or let a call take longer with `timeoutMS`"
        );
        Error::Unavailable { what, why }
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
        self.done(&place.database, drop, &format!("dropping indexes of {name}"), INDEX_NOT_FOUND).await
    }

    /// Runs a command within the time of one call; an error of the number `fine` says that it was done before.
    async fn done(&self, database: &str, command: Spec, doing: &str, fine: i32) -> Result<(), Error> {
        let database = self.client.database(database);
        let run = async {
            match database.run_command(command).await {
                Err(fault) if faults::number(&fault) != Some(fine) => Err(self.error(&fault, doing)),
                _ => Ok(()),
            }
        };
        self.within(doing, run).await
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

    /// Forgets what is not made after all. Where that fails too, what somebody else makes under such a name later is taken for ours.
    async fn forget(&self, turnovers: &[Turnover]) {
        let place = self.layout.place(META);
        let names: Vec<&str> = turnovers.iter().map(|turnover| turnover.declared.collection.name).collect();
        let update = doc! {"q": {"_id": {"$in": names}}, "u": {"$unset": {"making": ""}}, "multi": true};
        let command = doc! {"update": place.collection, "updates": [update], "writeConcern": {"w": "majority"}};
        drop(self.done(&place.database, command, "forgetting what was not made", NAMESPACE_NOT_FOUND).await);
    }

    /// Remembers what was made, unless a newer program was here meanwhile.
    async fn keep(&self, name: &'static str, version: u32, kept: &Kept) -> Result<(), Error> {
        let place = self.layout.place(META);
        let meta = self.client.database(&place.database).collection::<Spec>(&place.collection);
        let selector = doc! {"_id": name, "version": {"$lte": kept.version}};
        let set = doc! {"version": kept.version, "indexes": kept.indexes.clone()};
        let update = doc! {"$set": set, "$unset": {"making": ""}};
        let asked = meta.update_one(selector, update).upsert(true).write_concern(WriteConcern::majority());
        let doing = format!("remembering the declaration of {name}");
        let asked = tokio::time::timeout(self.patience, async { asked.await }).await;
        match asked.map_err(|_| self.timeout(&doing))? {
            Ok(_) => Ok(()),
            Err(fault) if faults::number(&fault) == Some(faults::DUPLICATE_KEY) => {
                let found = self.kept().await?.get(name).map_or(0, |kept| kept.version);
                if found <= kept.version {
                    // Another declared the same at the same time.
                    return Ok(());
                }
                Err(newer_than(name, found, version))
            }
            Err(fault) => Err(self.error(&fault, &doing)),
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

/// What a server lists. One that it is building is told with the id of its building, where that is asked for.
fn listed(reply: &Spec) -> Listed {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let mut listed = Listed::default();
    for found in batch.map(Vec::as_slice).unwrap_or_default().iter().filter_map(Bson::as_document) {
        match found.get_document("spec") {
            Ok(spec) => listed.unfinished.extend(spec.get_str("name").map(str::to_owned)),
            Err(_) => listed.ready.push(found.clone()),
        }
    }
    listed
}

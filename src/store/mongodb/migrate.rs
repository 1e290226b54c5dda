//! Making collections and indexes as a catalog declares them. What is there already is only looked at, so that a user without the
//! right to make indexes can start on a database that was prepared.

use mongodb::bson::{Bson, Document as Spec, doc};
use mongodb::error::Error as Fault;

use super::again::Stop;
use super::codec::Declared;
use super::indexes::{Wanted, wanted};
use super::meta::{Kept, Remembered};
use super::names::{HOLDS, META};
use super::{Declarations, Mongo, faults};
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
    /// Indexes that cannot stand beside them: ours, by an older declaration.
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
        let remembered = self.remembered().await?;
        let mut declarations = self.declarations_for(catalog, &remembered)?;
        let mut turnovers = Vec::new();
        for declared in declarations.collections.values() {
            turnovers
                .push(self.turnover(declared.clone(), remembered.collections.get(declared.collection.name)).await?);
        }
        self.announce_all(&turnovers).await?;
        self.make(&turnovers).await?;
        for turnover in &turnovers {
            self.drop_indexes(turnover.declared.collection.name, &turnover.dropped).await?;
            if let Some(kept) = &turnover.kept {
                self.keep(turnover.declared.collection.name, turnover.declared.collection.version, kept).await?;
            }
        }
        let is_new = turnovers.iter().any(|turnover| turnover.kept.is_some());
        if is_new || !remembered.is_told() {
            match self.tell_versions(catalog).await {
                Ok(sign) => declarations.sign = sign,
                // It is of another who stopped before; whoever may write tells it.
                Err(Error::NotAuthorized { .. }) if !is_new => {}
                Err(error) => return Err(error),
            }
        }
        self.declare(declarations);
        self.asked.now();
        Ok(())
    }

    /// Takes a catalog without making anything.
    pub(super) async fn do_declare(&self, catalog: &Catalog) -> Result<(), Error> {
        let remembered = self.remembered().await?;
        let declarations = self.declarations_for(catalog, &remembered)?;
        self.declare(declarations);
        Ok(())
    }

    /// The declarations of a catalog. Where a newer program has written they are taken for reading, and that is the error.
    fn declarations_for(&self, catalog: &Catalog, remembered: &Remembered) -> Result<Declarations, Error> {
        let declarations = Declarations { sign: remembered.told(), ..Declarations::of(catalog) };
        match remembered.newer_than(catalog) {
            None => Ok(declarations),
            Some(newer) => {
                self.declare(Declarations { illness: Some(newer.clone()), ..declarations });
                Err(newer)
            }
        }
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
                Some(found) => {
                    let name = found.get_str("name").unwrap_or(&index.name);
                    records.extend(ours(found).then(|| index.named(name).record()));
                }
                None => {
                    turnover.replaced.extend(there.iter().filter(|found| ours(found) && index.clashes(found)).cloned());
                    // Another one that we made of the same name stays until this one is there: what is unique is so all the while.
                    let stays = |found: &&Spec| ours(found) && !turnover.replaced.contains(found);
                    let index = index.beside(|name| there.iter().filter(stays).any(|found| is_named(found, name)));
                    records.push(index.record());
                    turnover.made.push(index);
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

    async fn announce_all(&self, turnovers: &[Turnover]) -> Result<(), Error> {
        for turnover in turnovers.iter().filter(|turnover| !turnover.made.is_empty()) {
            let making: Vec<Spec> = turnover.made.iter().map(Wanted::record).collect();
            self.announce(turnover.declared.collection.name, &making).await?;
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
            if turnover.declared.collection.much_checked {
                self.create_collection(HOLDS).await?;
            }
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
                let doing = format!("making the indexes of {name}");
                self.confirmed(&reply, &doing).map_err(|stop| Stopped::Begun(self.stopped(stop, &doing)))
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
        let named = self.again("looking for what shares an entry", || Box::pin(self.last_of(name, &sharing))).await;
        let id = named.ok().flatten().unwrap_or_else(|| "?".to_owned());
        Error::UniqueViolation { key: Key { collection: name.to_owned().into(), id: id.into() }, index }
    }

    /// The second of the documents that such values stand in.
    async fn last_of(&self, name: &str, values: &Spec) -> Result<Option<String>, Stop> {
        let mut cursor = self.collection(name).find(values.clone()).projection(doc! {"_id": 1}).limit(2).await?;
        let mut id = None;
        while cursor.advance().await? {
            id = cursor.current().get_str("_id").ok().map(str::to_owned);
        }
        Ok(id)
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
        let run = || -> BoxFuture<'_, Result<(), Stop>> {
            let run = database.run_command(command.clone());
            Box::pin(async {
                match run.await {
                    Ok(reply) => self.confirmed(&reply, doing),
                    Err(fault) if faults::number(&fault) == Some(fine) => Ok(()),
                    Err(fault) => Err(fault.into()),
                }
            })
        };
        self.again(doing, run).await
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
}

fn is_named(index: &Spec, name: &str) -> bool {
    index.get_str("name").is_ok_and(|own| own == name)
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

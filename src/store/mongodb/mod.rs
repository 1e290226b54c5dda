//! The store on a MongoDB replica set. Any number of processes may use one database at once; there is no lock of ours and nobody in
//! charge.
//!
//! ```text
//! runstate.meta       { _id: "store", format, store: id }; { _id: "d.c", version, indexes: [{ name, key, options }],
//!                       making: those that were begun }
//! runstate.commands   the ledger: one row for each commit, for seven days of the server's time (`_kept`)
//! runstate.holds      { _id: "d.c/id#n", of: revision, by: command }: by what documents are checked that many check
//! d.c                 one for each collection: { _id: key, _rev, _v, …fields }
//! ```
//!
//! # What holds, and why
//!
//! - **A commit is one transaction that begins with the row of the ledger.** Of many repeats at once one inserts it; the others find it and
//!   answer from it. Nothing is read first: an update under `_rev` matches one document or is a conflict. All writes of one collection
//!   are one command, so a step is one round trip for the ledger, one for each collection, one for the end.
//! - **A check writes.** A snapshot does not see who changes what was only read, so what a commit rests on is touched (`_touch`); what very many
//!   rest on is checked by one of several holds, so that they are not in each other's way (`holds`). Checks come first in a transaction, and
//!   who checks or claims the same in one process waits for his turn there (`turns`).
//! - **Whether a commit happened is asked, not guessed.** Where the end of a transaction has no answer it is sent again; where the server
//!   no longer knows it the ledger is asked. Only where that cannot be done within the time the outcome is unknown.
//! - **Replies are of one moment, and not of a former primary.** A small write with the majority (`runstate.meta`, `barrier`) shows who is the primary
//!   and at what time; at that time all documents are read from one snapshot. Who may only read asks linearizably instead.
//! - **Documents are what people expect to see**: dates are dates, decimals decimals, objects objects; indexes bear the server's own names.
//!   What was changed by hand into nonsense is damage that names the document.
//! - **Everything ends.** Each call has a time; its error says what was tried, on which servers, and never with which password.
//!
//! By file: `barrier` and `clock`, `options` (the URL), `names` (where collections stand), `open`, `migrate`, `indexes` and `meta`, `codec` and `decimal`
//! (documents), `faults` (errors of the server), `again`, `transaction`, `commit`, `turns`, `holds`, `statements` and `changed`, `read`, `port`; `place`,
//! `condition`, `filter`, `sort` and `expression` (what is asked, in the server's language), `asking`, `query` and `gather`, `aggregate` and `pushed`,
//! `sweep` and `lifetime`, `position`, `stream` and `changes`.

mod again;
mod aggregate;
mod asking;
mod barrier;
mod changed;
mod changes;
mod clock;
mod codec;
mod commit;
mod condition;
mod decimal;
mod expression;
mod facts;
mod faults;
mod filter;
mod foreign;
mod gather;
mod holds;
mod indexes;
mod lifetime;
mod meta;
mod migrate;
mod names;
mod open;
mod options;
mod place;
mod port;
mod position;
mod pushed;
mod query;
mod read;
mod sort;
mod statements;
mod stream;
mod sweep;
mod transaction;
mod turns;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use mongodb::{Client, Database};

use self::codec::Declared;
use self::names::Layout;
use crate::schema::{Catalog, Collection};
use crate::store::{COMMANDS, Error};

pub use foreign::{Foreign, ForeignRow, ForeignRows};
pub use options::{OnCommand, Options};

/// A store on a MongoDB replica set.
#[derive(Clone)]
pub struct Mongo {
    client: Client,
    layout: Layout,
    /// The servers, as errors name them.
    hosts: String,
    /// How long one call may take.
    patience: Duration,
    /// The store's id: another one in every store.
    id: String,
    declared: Arc<RwLock<Arc<Declarations>>>,
    closed: Arc<AtomicBool>,
    /// Commits hold it to read; who closes waits for them.
    under_way: Arc<async_lock::RwLock<()>>,
    /// What proves the time of the set.
    barriers: Arc<barrier::Barriers>,
    /// How far the set is known to be.
    clock: Arc<clock::Clock>,
    /// Whether what is declared still holds is asked from time to time.
    asked: Arc<meta::Asked>,
    /// By which rows of the ledger live.
    time: Arc<lifetime::ServerTime>,
    /// Who waits for whom, where several write the same.
    turns: Arc<turns::Turns>,
    /// By what documents are checked on which many rest.
    holds: Arc<holds::Holds>,
    /// Change streams that stay open between two calls.
    streams: Arc<changes::Streams>,
}

/// The catalog, as this store keeps it.
#[derive(Clone, Default)]
struct Declarations {
    catalog: Catalog,
    collections: BTreeMap<&'static str, Arc<Declared>>,
    /// Why the store can only be read.
    illness: Option<Error>,
    /// Stands for the versions that the store had when that was judged.
    sign: String,
}

impl Declarations {
    fn of(catalog: &Catalog) -> Self {
        let declared = catalog.iter().chain([&COMMANDS]);
        let collections = declared.map(|collection| (collection.name, Arc::new(Declared::of(collection)))).collect();
        Self { catalog: catalog.clone(), collections, illness: None, sign: String::new() }
    }

    /// What is known of the collection of that name, also where nothing is declared of it.
    fn of_name(&self, name: &str) -> Arc<Declared> {
        const UNDECLARED: Collection = Collection::new("an.undeclared_collection", 1);
        self.collections.get(name).cloned().unwrap_or_else(|| Arc::new(Declared::of(&UNDECLARED)))
    }
}

impl Mongo {
    /// The store's id: the same in every process, another one in every store.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is declared now.
    fn declarations(&self) -> Arc<Declarations> {
        self.declared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn declare(&self, declarations: Declarations) {
        *self.declared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(declarations);
    }

    /// What is declared of the collection of that name.
    fn declared(&self, name: &str) -> Option<Arc<Declared>> {
        self.declarations().collections.get(name).cloned()
    }

    /// The collection of that name on the server.
    fn collection(&self, name: &str) -> mongodb::Collection<RawDocumentBuf> {
        let place = self.layout.place(name);
        self.client.database(&place.database).collection(&place.collection)
    }

    /// The database in which the collection of that name stands.
    fn database(&self, name: &str) -> Database {
        self.client.database(&self.layout.place(name).database)
    }

    /// Unless it was closed.
    fn usable(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Unless it was closed, or can only be read.
    fn writable(&self) -> Result<(), Error> {
        self.usable()?;
        match &self.declarations().illness {
            None => Ok(()),
            Some(illness) => Err(Error::ReadOnly { why: illness.to_string() }),
        }
    }

    /// An error of the driver, as callers are told; `doing` says what was tried: `reading conform.items`.
    fn error(&self, fault: &mongodb::error::Error, doing: &str) -> Error {
        faults::error(fault, &self.what(doing))
    }

    fn what(&self, doing: &str) -> String {
        format!("{doing}, on MongoDB at {}", self.hosts)
    }

    /// What `future` comes to within the time of one call. For what changes nothing where it is given up.
    async fn within<T>(&self, doing: &str, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match tokio::time::timeout(self.patience, future).await {
            Ok(done) => done,
            Err(_) => Err(self.timeout(doing)),
        }
    }

    fn timeout(&self, doing: &str) -> Error {
        Error::Timeout { what: self.what(doing), seconds: self.patience.as_secs() }
    }
}

//! What a store is and holds, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Engine, Error, Summary};
use crate::domain::cvm::{EXECUTIONS, Status};
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Accumulator, Aggregate, Collection, Direction, Filter, Group, Query};
use crate::store::{COMMANDS, Capabilities, Error as StoreError, Fact};
use crate::value::{Json, tree};

/// What a store is and holds.
#[derive(Clone, Debug)]
pub struct Info {
    /// What the store can do.
    pub capabilities: Capabilities,
    /// Why it can only be read, where it is so.
    pub health: Option<StoreError>,
    /// Every declared collection, by name; the ledger of commands last.
    pub collections: Vec<CollectionInfo>,
    /// How many executions have each status. Those that are being deleted are counted by what they were.
    pub executions: BTreeMap<String, u64>,
    /// The execution that was started first.
    pub oldest: Option<Summary>,
    /// The execution that was started last.
    pub newest: Option<Summary>,
    /// Of those that wait for an answer, the one that was started first.
    pub oldest_waiting: Option<Summary>,
    /// What else the store tells of itself.
    pub facts: Vec<Fact>,
}

/// A collection in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CollectionInfo {
    /// Its name.
    pub name: &'static str,
    /// The schema version that this program declares.
    pub version: u32,
    /// How many documents it has; `None`: the store does not count.
    pub documents: Option<u64>,
}

impl Engine {
    /// Why the store cannot be worked with now: it is closed, cannot be reached (`unavailable`, `timeout`), or can only be read (`corrupt`,
    /// `newer_version`, `read_only`); `None`: it answers, and can be written. One read of one row, whatever the store holds.
    pub async fn health(&self) -> Option<Error> {
        if let Some(why) = self.store().health() {
            return Some(why.into());
        }
        // Whether a command was committed is what every store can be asked.
        self.store().outcome(&self.new_command_id()).await.err().map(Error::from)
    }

    /// Looks at the store: its numbers are of moments close to each other, not of one.
    pub async fn info(&self) -> Result<Info, Error> {
        let mut collections = Vec::new();
        for collection in self.shared.catalog.iter().chain([&COMMANDS as &'static Collection]) {
            let documents = self.count(collection).await?;
            collections.push(CollectionInfo { name: collection.name, version: collection.version, documents });
        }
        let waiting = Filter::Eq("state.status".to_owned(), Status::WaitingCc.as_str().into());
        Ok(Info {
            capabilities: self.store().capabilities(),
            health: self.store().health(),
            collections,
            executions: self.statuses().await?,
            oldest: self.first_execution(Filter::All, Ascending).await?,
            newest: self.first_execution(Filter::All, Descending).await?,
            oldest_waiting: self.first_execution(waiting, Ascending).await?,
            facts: self.store().facts().await?,
        })
    }

    async fn statuses(&self) -> Result<BTreeMap<String, u64>, Error> {
        if !self.store().capabilities().aggregate {
            return Ok(BTreeMap::new());
        }
        let status = "state.status";
        let aggregate = Aggregate {
            collection: EXECUTIONS.name.to_owned(),
            filter: Filter::All,
            group_by: vec![Group::Field(status.to_owned())],
            accumulators: vec![("n".to_owned(), Accumulator::Count)],
        };
        let rows = self.store().aggregate(&aggregate).await?;
        let count = |row: crate::value::Document| {
            Some((row.get(status)?.as_str()?.to_owned(), row.get("n").and_then(Json::as_u64)?))
        };
        Ok(tree(rows.into_iter().filter_map(count)))
    }

    async fn first_execution(&self, filter: Filter, direction: Direction) -> Result<Option<Summary>, Error> {
        let query = Query::of(&EXECUTIONS).filter(filter).sort("started", direction).limit(1);
        let page = self.store().query(&query).await?;
        Ok(page.rows.first().map(|row| Summary::of(&row.id, &row.stored.document)))
    }
}

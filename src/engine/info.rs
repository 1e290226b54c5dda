//! Information about a store: its capabilities, its health and its document counts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Engine, Error, ExecutionSummary};
use crate::domain::cvm::{EXECUTIONS, Status};
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Accumulator, Aggregate, Collection, Direction, Filter, Group, Query};
use crate::store::{COMMANDS, Capabilities, StoreError, StoreProperty};
use crate::value::{Json, collect_btree_map};

/// Information about a store.
#[derive(Clone, Debug)]
pub struct Info {
    /// The capabilities of the store.
    pub capabilities: Capabilities,
    /// The reason why the store is read-only, if it is.
    pub health: Option<StoreError>,
    /// The declared collections by name, then the command ledger.
    pub collections: Vec<CollectionInfo>,
    /// Number of executions per status. An execution that is being deleted counts under its last status. Empty if the store cannot
    /// aggregate.
    pub executions: BTreeMap<String, u64>,
    /// The execution that was started first.
    pub oldest: Option<ExecutionSummary>,
    /// The execution that was started last.
    pub newest: Option<ExecutionSummary>,
    /// Of the executions that wait for an answer, the one that was started first.
    pub oldest_waiting: Option<ExecutionSummary>,
    /// Further properties that the store reports.
    pub properties: Vec<StoreProperty>,
}

/// A collection in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CollectionInfo {
    /// Its name.
    pub name: &'static str,
    /// The schema version that this program declares.
    pub version: u32,
    /// The number of its documents; `None`: the store does not count.
    pub documents: Option<u64>,
}

impl Engine {
    /// The reason why the store cannot be used now: it is closed, unreachable (`unavailable`, `timeout`) or read-only (`corrupt`,
    /// `newer_version`, `read_only`). `None`: it answers, and can be written. Reads one row, whatever the store holds.
    pub async fn health(&self) -> Option<Error> {
        if let Some(why) = self.store().read_only_reason() {
            return Some(why.into());
        }
        // Every store can look up a command id in its ledger.
        self.store().outcome(&self.new_command_id()).await.err().map(Error::from)
    }

    /// Reads the information. The numbers are read one after another, not in one snapshot.
    pub async fn info(&self) -> Result<Info, Error> {
        let mut collections = Vec::new();
        for collection in self.shared.catalog.iter().chain([&COMMANDS as &'static Collection]) {
            let documents = self.count(collection).await?;
            collections.push(CollectionInfo { name: collection.name, version: collection.version, documents });
        }
        let waiting = Filter::Eq("state.status".to_owned(), Status::WaitingCc.as_str().into());
        Ok(Info {
            capabilities: self.store().capabilities(),
            health: self.store().read_only_reason(),
            collections,
            executions: self.statuses().await?,
            oldest: self.first_execution(Filter::All, Ascending).await?,
            newest: self.first_execution(Filter::All, Descending).await?,
            oldest_waiting: self.first_execution(waiting, Ascending).await?,
            properties: self.store().properties().await?,
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
        Ok(collect_btree_map(rows.into_iter().filter_map(count)))
    }

    async fn first_execution(&self, filter: Filter, direction: Direction) -> Result<Option<ExecutionSummary>, Error> {
        let query = Query::of(&EXECUTIONS).filter(filter).sort("started", direction).limit(1);
        let page = self.store().query(&query).await?;
        Ok(page.items.first().map(|row| ExecutionSummary::from_document(&row.id, &row.stored.document)))
    }
}

//! What is asked of the store as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::{CollectionInfo, Engine, Error, Summary};
use crate::id::CommandId;
use crate::store::{Capabilities, Position, Report};
use crate::time::Millis;

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Nothing {}

/// What a store is and holds.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StoreInfo {
    /// What the store can do.
    pub capabilities: Capabilities,
    /// Why it can only be read, where it is so.
    pub health: Option<Error>,
    /// Every declared collection, by name; the ledger of commands last.
    pub collections: Vec<CollectionInfo>,
    /// How many executions have each status.
    pub executions: BTreeMap<String, u64>,
    /// The execution that was started first.
    pub oldest: Option<Summary>,
    /// The execution that was started last.
    pub newest: Option<Summary>,
}

pub(super) async fn info(engine: &Engine, _: Nothing) -> Result<StoreInfo, Error> {
    let info = engine.info().await?;
    Ok(StoreInfo {
        capabilities: info.capabilities,
        health: info.health.map(Error::from),
        collections: info.collections,
        executions: info.executions,
        oldest: info.oldest,
        newest: info.newest,
    })
}

pub(super) async fn health(engine: &Engine, _: Nothing) -> Result<Option<Error>, Error> {
    Ok(engine.health().await)
}

pub(super) async fn verify(engine: &Engine, _: Nothing) -> Result<Report, Error> {
    engine.verify(|_| {}).await
}

pub(super) async fn capabilities(engine: &Engine, _: Nothing) -> Result<Capabilities, Error> {
    Ok(engine.store().capabilities())
}

/// Which committed changes are asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ChangesParams {
    /// Only those after this position; missing: from now on.
    pub from: Option<Position>,
    /// Only those of this collection.
    pub collection: Option<String>,
    /// At most so many; 256 where it is not said.
    pub limit: Option<u32>,
    /// How long to wait for one, where there are none.
    pub wait_ms: Millis,
}

/// Committed changes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StoreChanges {
    /// In the order of commits.
    pub events: Vec<StoreChange>,
    /// Where to go on.
    pub next: Position,
}

/// A committed change.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StoreChange {
    /// The collection of the document.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// Its new revision; null: it was deleted.
    pub revision: Option<String>,
    /// The command that changed it.
    pub command: CommandId,
    /// The position of the commit.
    pub position: Position,
}

pub(super) async fn changes(engine: &Engine, params: ChangesParams) -> Result<StoreChanges, Error> {
    let ChangesParams { from, collection, limit, wait_ms } = params;
    let changes = engine.changes(from, collection.as_deref(), limit, wait_ms).await?;
    let told = changes.events.into_iter().map(|event| StoreChange {
        collection: event.key.collection.into_owned(),
        id: event.key.id.to_string(),
        revision: event.revision.map(|revision| revision.to_string()),
        command: event.command,
        position: event.position,
    });
    Ok(StoreChanges { events: told.collect(), next: changes.next })
}

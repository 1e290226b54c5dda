//! Methods of the store as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::{CollectionInfo, Engine, Error, ExecutionSummary};
use crate::id::CommandId;
use crate::store::{Capabilities, Position, VerifyReport};
use crate::time::Millis;

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct NoParams {}

/// Capabilities, health and contents of a store.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StoreInfo {
    /// The capabilities of the store.
    pub capabilities: Capabilities,
    /// Why the store is read-only, if it is.
    pub health: Option<Error>,
    /// Every declared collection, by name. The command ledger is last.
    pub collections: Vec<CollectionInfo>,
    /// Number of executions per status.
    pub executions: BTreeMap<String, u64>,
    /// The execution that was started first.
    pub oldest: Option<ExecutionSummary>,
    /// The execution that was started last.
    pub newest: Option<ExecutionSummary>,
}

pub(super) async fn info(engine: &Engine, _: NoParams) -> Result<StoreInfo, Error> {
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

pub(super) async fn health(engine: &Engine, _: NoParams) -> Result<Option<Error>, Error> {
    Ok(engine.health().await)
}

pub(super) async fn verify(engine: &Engine, _: NoParams) -> Result<VerifyReport, Error> {
    engine.verify(|_| {}).await
}

pub(super) async fn capabilities(engine: &Engine, _: NoParams) -> Result<Capabilities, Error> {
    Ok(engine.store().capabilities())
}

/// Polls the committed changes of a store.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ChangesParams {
    /// Only changes after this position; missing: changes from now on.
    pub from: Option<Position>,
    /// Only changes of this collection.
    pub collection: Option<String>,
    /// Maximum number of changes; missing: 256.
    pub limit: Option<u32>,
    /// How long to wait for a change if there is none.
    pub wait_ms: Millis,
}

/// Committed changes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StoreChanges {
    /// In commit order.
    pub events: Vec<StoreChange>,
    /// The position at which to continue.
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
    /// Its new revision; null: the document was deleted.
    pub revision: Option<String>,
    /// The command that changed it.
    pub command: CommandId,
    /// The position of the commit.
    pub position: Position,
}

pub(super) async fn changes(engine: &Engine, params: ChangesParams) -> Result<StoreChanges, Error> {
    let ChangesParams { from, collection, limit, wait_ms } = params;
    let changes = engine.changes(from, collection.as_deref(), limit, wait_ms).await?;
    let events = changes.events.into_iter().map(|event| StoreChange {
        collection: event.key.collection.into_owned(),
        id: event.key.id.to_string(),
        revision: event.revision.map(|revision| revision.to_string()),
        command: event.command,
        position: event.position,
    });
    Ok(StoreChanges { events: events.collect(), next: changes.next })
}

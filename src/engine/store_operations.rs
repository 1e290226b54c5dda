//! Operations of the engine on a whole store: information, health, the change feed, removal of expired and abandoned rows, export,
//! import and verification.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Engine, Error, ExecutionSummary};
use crate::domain::cvm::{EXECUTIONS, Status};
use crate::engine::cvm::{self, Cvm};
use crate::engine::staging::cleanup;
use crate::engine::transfer::{
    CheckedSource, ExportSink, ExportSummary, ImportReport, ImportSource, Progress, Selection, export, import,
};
use crate::engine::verify;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Accumulator, Aggregate, Collection, Direction, Filter, Group, Query, Ttl};
use crate::store::{COMMANDS, Capabilities, Changes, Position, StoreError, StoreProperty, VerifyReport};
use crate::time::{Millis, Timestamp};
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
        if let Some(reason) = self.store().read_only_reason() {
            return Some(reason.into());
        }
        // Every store can look up a command id in its ledger.
        self.store().outcome(&self.new_command_id()).await.err().map(Error::from)
    }

    /// Reads the information. The numbers are read one after another, not in one snapshot.
    pub async fn info(&self) -> Result<Info, Error> {
        let mut collections = Vec::new();
        for collection in self.shared.catalog.iter().chain([&COMMANDS as &'static Collection]) {
            let documents = export::count(self, collection).await?;
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

    /// Programs and executions.
    pub fn cvm(&self) -> Cvm {
        cvm::cvm(self)
    }

    /// Removes the rows of up to `limit` abandoned large commits. Returns the number of these commits. A process that crashed before the
    /// deciding batch leaves staged rows, which readers do not see; one that crashed after it leaves replaced rows.
    ///
    /// A commit counts as abandoned when its marker ([`STAGED`](crate::engine::staging::STAGED)) is [`ABANDONED_AFTER`](crate::engine::staging::ABANDONED_AFTER) old at `now`; the oldest come first. A commit that
    /// is only slow loses nothing: its command is decided again. Each batch is bounded, and the removal may stop at any time.
    ///
    /// A commit whose rows cannot be removed does not block others, and does not count. Its error is returned when all others have been
    /// tried ([`ErrorCode::Corrupt`](crate::error_code::ErrorCode::Corrupt): a marker or a record cannot be read).
    pub async fn remove_abandoned(&self, now: Timestamp, limit: u32) -> Result<u32, Error> {
        cleanup::remove_abandoned(self, now, limit).await
    }

    /// Writes all documents of the store to `sink`; see [`Engine::export_selection`].
    pub async fn export<S: ExportSink>(
        &self,
        sink: &mut S,
        progress: impl FnMut(Progress),
    ) -> Result<ExportSummary, Error> {
        export::export(self, sink, progress).await
    }

    /// Writes the selected documents to `sink`, as of one moment. If they are written to meanwhile, the export begins again, a few times.
    /// An import accepts the export of any selection.
    ///
    /// The undamaged part of a damaged store is exported; [`Store::read_only_reason`](crate::store::Store::read_only_reason) reports the
    /// damage. A store that a newer version wrote is rejected: data that this version does not know would be missing.
    pub async fn export_selection<S: ExportSink>(
        &self,
        selection: &Selection,
        sink: &mut S,
        progress: impl FnMut(Progress),
    ) -> Result<ExportSummary, Error> {
        export::export_selection(self, selection, sink, progress).await
    }

    /// Writes the documents of `source` into the store. `checked` is the result of [`check`](crate::engine::transfer::check) on it.
    ///
    /// A document that the store has already is skipped, so a repeat continues an interrupted import. If the store has a different one, the
    /// error is [`ErrorCode::AlreadyExists`](crate::error_code::ErrorCode::AlreadyExists), before anything is written. A document that is too large for the store is also rejected then. If
    /// the store rejects a document only when it is written, the documents written before are removed. At the end all documents are read
    /// again from the store, and their hash is compared.
    pub async fn import<S: ImportSource>(
        &self,
        source: &mut S,
        checked: &CheckedSource,
        progress: impl FnMut(Progress),
    ) -> Result<ImportReport, Error> {
        import::import(self, source, checked, progress).await
    }

    /// Checks all that the store holds: its backend, then documents, indexes, references, executions and the ledger.
    ///
    /// The documents of a damaged backend are not checked: each reference to a lost document would be a finding too.
    pub async fn verify(&self, progress: impl FnMut(Progress)) -> Result<VerifyReport, Error> {
        verify::verify(self, progress).await
    }

    /// Checks all documents, and adds the findings to `report`.
    ///
    /// [`ErrorCode::NewerVersion`](crate::error_code::ErrorCode::NewerVersion): a newer version wrote the store, and its declarations are
    /// unknown.
    pub async fn verify_documents(
        &self,
        report: VerifyReport,
        progress: impl FnMut(Progress),
    ) -> Result<VerifyReport, Error> {
        verify::verify_documents(self, report, progress).await
    }

    /// Committed changes after `from` (`None`: from now on), in commit order, each at least once; of one collection, or of all. If there
    /// are none it waits for one, at most for `wait`.
    ///
    /// An empty result does not mean that no change follows: a call examines 10,000 changes, then it returns the position at which to
    /// continue.
    ///
    /// Errors: `position_expired` if the store no longer keeps the changes after `from`, or if `from` is of another store. Read the
    /// documents then, and continue from `None`. `invalid` if `from` is not a position.
    pub async fn changes(
        &self,
        from: Option<Position>,
        collection: Option<&str>,
        limit: Option<u32>,
        wait: Millis,
    ) -> Result<Changes, Error> {
        let started = self.now();
        let limit = (limit.unwrap_or(DEFAULT_LIMIT) as usize).min(MAX_SCANNED);
        let (mut from, mut scanned) = (from, 0);
        loop {
            // A clock that is set back must not extend the wait.
            let remaining = (wait.0.saturating_sub(self.now().since(started).0)).clamp(0, wait.0.max(0));
            let mut changes = self.store().changes(from, limit, Millis(remaining)).await?;
            let found = changes.events.len();
            scanned += found;
            changes.events.retain(|event| collection.is_none_or(|collection| event.key.collection == collection));
            if !changes.events.is_empty() || found == 0 || scanned >= MAX_SCANNED {
                return Ok(changes);
            }
            from = Some(changes.next);
        }
    }

    /// Removes up to `limit` expired rows of each collection. Returns the number of removed rows.
    pub async fn sweep(&self, now: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut swept = 0;
        for (collection, _) in self.expiring_collections() {
            swept += self.shared.store.sweep(collection.name, now, limit).await? as u64;
        }
        Ok(swept)
    }

    /// The number of rows that [`Engine::sweep`] would remove at `now` without a limit, for each collection with any. The time alone
    /// decides: a row that does not meet the [`Ttl`]'s other condition is counted, although the sweep keeps it.
    pub async fn count_expired(&self, now: Timestamp) -> Result<Vec<(&'static str, u64)>, Error> {
        let mut expired = Vec::new();
        for (collection, ttl) in self.expiring_collections() {
            let latest = (now - ttl.after).as_millis();
            let count = self.count_where(collection.name, Filter::Lte(ttl.field.to_owned(), latest.into())).await?;
            if count > 0 {
                expired.push((collection.name, count));
            }
        }
        Ok(expired)
    }

    /// Collections whose rows expire. No catalog contains the command ledger, because every store has it.
    fn expiring_collections(&self) -> impl Iterator<Item = (&'static Collection, &'static Ttl)> {
        let collections = self.shared.catalog.iter().chain([&COMMANDS as &'static Collection]);
        collections.filter_map(|collection| Some((collection, collection.ttl.as_ref()?)))
    }

    /// Number of documents that match.
    pub(super) async fn count_where(&self, collection: &str, filter: Filter) -> Result<u64, Error> {
        let count = Aggregate {
            collection: collection.to_owned(),
            filter,
            group_by: Vec::new(),
            accumulators: vec![("count".to_owned(), Accumulator::Count)],
        };
        let rows = self.shared.store.aggregate(&count).await?;
        Ok(rows.first().and_then(|row| row.get("count")).and_then(Json::as_u64).unwrap_or_default())
    }
}

/// Maximum number of changes per call, if the caller names none.
const DEFAULT_LIMIT: u32 = 256;

/// Maximum number of changes that one call examines, whether it returns them or not. It bounds a call while other processes keep writing.
const MAX_SCANNED: usize = 10_000;

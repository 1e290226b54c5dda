//! The cache of a connection: the documents that its newest commits wrote and read. They are current while no other tab commits. If
//! all documents of a commit are cached, it is planned on them and written blind, in one wave. The row at the feed end detects
//! other commits (`fence`): the browser aborts the transaction, and the commit is retried with reads. The reasons are in
//! `docs/decisions/0011`.

use std::sync::Arc;

use super::commit::TransactionFailure;
use super::connection::Connection;
use super::error_mapping::IndexedDbError;
use super::feed;
use super::feed::position;
use super::transaction::{Mode, Tx};
use super::write::PutMode;
use crate::store::tables::deferred::{DeferredBase, Evaluation, FetchedRows};
use crate::store::tables::{BatchPlan, PlannedCommit};
use crate::store::{Batch, COMMANDS, Expectation, Receipt};

/// Largest number of cached documents. Beyond it, only those of the newest commit remain.
const MAX_DOCUMENTS: usize = 2_048;

/// Largest size of the cached documents, in written bytes. Beyond it, only those of the newest commit remain.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The documents in the state after the change with the number `last`.
pub(super) struct ConnectionCache {
    last: u64,
    fetched: FetchedRows,
    bytes: usize,
}

impl ConnectionCache {
    /// Adds commits that wrote `bytes` bytes.
    fn apply(&mut self, commits: &[PlannedCommit], bytes: usize, window: &DeferredBase) {
        self.bytes += bytes;
        if self.fetched.document_count() > MAX_DOCUMENTS || self.bytes > MAX_BYTES {
            (self.fetched, self.bytes) = (FetchedRows::default(), 0);
        }
        commits.iter().for_each(|commit| self.apply_one(commit, window));
    }

    fn apply_one(&mut self, commit: &PlannedCommit, window: &DeferredBase) {
        for change in &commit.changes {
            let Some(part) = window.part_number(&change.key.collection, None) else { continue };
            if change.key.collection == COMMANDS.name {
                // Adding a ledger row detects an existing one, so ledger rows are not cached.
                self.fetched.forget(part, &change.key.id);
            } else {
                self.fetched.insert_document(part, &change.key.id, change.after.clone());
            }
        }
        self.last += commit.feed_changes().count() as u64;
    }
}

impl Connection {
    /// Caches the documents that a commit with reads fetched and wrote.
    pub(super) fn update_cache(&self, fetched: FetchedRows, begun: u64, commits: &[PlannedCommit], bytes: usize) {
        let before = self.cache.take().filter(|before| before.last == begun);
        let mut known =
            before.unwrap_or_else(|| ConnectionCache { last: begun, fetched: FetchedRows::default(), bytes: 0 });
        known.fetched.merge(fetched);
        known.apply(commits, bytes, &self.deferred_base);
        self.cache.replace(Some(known));
    }

    /// Commits without reading, if all needed documents are cached. `None`: the commit needs reads.
    pub(super) async fn commit_blind(&self, batch: &Batch) -> Result<Option<Receipt>, TransactionFailure> {
        let Some(mut known) = self.cache.take() else { return Ok(None) };
        let Some(commit) = self.plan_blind(&mut known, batch) else {
            self.cache.replace(Some(known));
            return Ok(None);
        };
        let commits = std::slice::from_ref(&commit);
        let bytes = match self.write_blind(known.last, batch, commits).await {
            Ok(bytes) => bytes,
            // A cached document is outdated.
            Err(failed) if failed.error.is_constraint_violation() => return Ok(None),
            Err(failed) => return Err(failed),
        };
        known.apply(commits, bytes, &self.deferred_base);
        let position = position(&self.handle.layout, known.last);
        self.cache.replace(Some(known));
        Ok(Some(Receipt { position, result: commit.result, replayed: false }))
    }

    fn plan_blind(&self, known: &mut ConnectionCache, batch: &Batch) -> Option<PlannedCommit> {
        if batch.writes.iter().any(|write| write.expect == Expectation::Any) {
            // The caller of such a write has not read the document, so it is rarely cached.
            return None;
        }
        let assumed = self.assume_absent(&mut known.fetched, batch);
        let judged = self.deferred_base.evaluate(&mut known.fetched, || self.tables.plan(batch));
        assumed.into_iter().for_each(|(part, id)| known.fetched.forget(part, &id));
        match judged {
            Evaluation::Answer(Ok(BatchPlan::PlannedCommit(commit))) => Some(commit),
            // A rejection may rest on outdated documents, so the commit is decided with reads.
            Evaluation::Answer(_) | Evaluation::Deferred(_) => None,
        }
    }

    /// Assumes that documents that the batch expects to be absent, and that are not cached, are absent. Adding them detects an
    /// existing one.
    fn assume_absent(&self, fetched: &mut FetchedRows, batch: &Batch) -> Vec<(usize, Arc<str>)> {
        let (row, _) = batch.ledger_row();
        let absent = batch.writes.iter().filter(|write| write.expect == Expectation::Absent).map(|write| &write.key);
        let mut assumed = Vec::new();
        for key in absent.chain([&row]) {
            let part = self
                .deferred_base
                .part_number(&key.collection, None)
                .filter(|part| !fetched.is_fetched(*part, &key.id));
            if let Some(part) = part {
                fetched.insert_document(part, &key.id, None);
                assumed.push((part, key.id.clone()));
            }
        }
        assumed
    }

    /// Issues the only wave. The feed end comes first: if it is not where it is expected, nothing is written.
    async fn write_blind(
        &self,
        begun: u64,
        batch: &Batch,
        commits: &[PlannedCommit],
    ) -> Result<usize, TransactionFailure> {
        let stores = self.object_stores([batch].into_iter());
        let tx = Tx::begin(&self.handle.guard.database, stores.keys().copied(), Mode::Write)
            .map_err(IndexedDbError::from)?;
        let end = tx.completion();
        let issued = self.issue_blind(&tx, begun, commits);
        if issued.is_err() {
            tx.abort();
        }
        let bytes = issued?;
        tx.commit();
        end.await.map_err(|error| TransactionFailure { error: error.into(), wrote: true })?;
        Ok(bytes)
    }

    fn issue_blind(&self, tx: &Tx, begun: u64, commits: &[PlannedCommit]) -> Result<usize, IndexedDbError> {
        let changed: usize = commits.iter().map(|commit| commit.feed_changes().count()).sum();
        feed::compare_and_set_feed_end(tx, begun, begun + changed as u64)?;
        let bytes = self.issue_writes(tx, commits, PutMode::Insert)?;
        feed::append(tx, begun, commits)?;
        Ok(bytes)
    }
}

//! Commits. Commits that arrive during a transaction form a group and go into the next one (group commit). Each is
//! planned on the state after those before it, and succeeds or fails on its own.
//!
//! A transaction has two waves: all reads of the batches are requested at once, then the commits are planned and all
//! writes are issued at once. Only the end of the transaction is awaited. A commit whose connection was lost is
//! retried. Its ledger row is read first, so it is applied once.
//!
//! A large batch is checked against the storage quota that the browser reports (Storage Standard,
//! `navigator.storage.estimate()`).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use event_listener::Event;
use js_sys::Reflect;
use runstate_store::tables::deferred::FetchedRows;
use runstate_store::tables::{BatchPlan, DocumentChange, PendingCommits, PlannedCommit, Tables};
use runstate_store::{Batch, COMMANDS, Outcome, Receipt, StoreError};
use runstate_value::time::Timestamp;
use runstate_value::{SortedSet, number_text, sort_by};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::binding::{Estimate, StorageManager, global_object};
use super::connection::Connection;
use super::error_mapping::{IndexedDbError, describe_storage};
use super::feed::{FeedEnd, position};
use super::layout::{EncodedRecord, FEED, encode_key};
use super::read::BatchSizer;
use super::transaction::{Mode, Tx, to_js};
use super::{IndexedDbState, feed};

/// Largest number of commits in one transaction.
const GROUP_COMMITS: usize = 1_024;

/// Size in bytes at which a group takes no further batches.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Largest number of attempts of a commit whose connection is lost.
const MAX_ATTEMPTS: usize = 4;

/// A batch whose caller waits for the receipt.
struct QueuedCommit {
    batch: Batch,
    answer: RefCell<Option<Result<Receipt, StoreError>>>,
    answered: Event,
}

/// Queued commits, in order of arrival.
#[derive(Default)]
pub(super) struct CommitQueue {
    waiting: RefCell<VecDeque<Rc<QueuedCommit>>>,
    /// A task drains the queue.
    busy: Cell<bool>,
    idle: Event,
}

impl QueuedCommit {
    fn complete(&self, answer: Result<Receipt, StoreError>) {
        *self.answer.borrow_mut() = Some(answer);
        self.answered.notify(usize::MAX);
    }

    async fn wait(&self) -> Result<Receipt, StoreError> {
        loop {
            let listener = self.answered.listen();
            if let Some(answer) = self.answer.borrow_mut().take() {
                return answer;
            }
            listener.await;
        }
    }
}

impl CommitQueue {
    /// Takes the commits of the next transaction from the queue.
    fn take_group(&self) -> Vec<Rc<QueuedCommit>> {
        let mut waiting = self.waiting.borrow_mut();
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(request) = waiting.pop_front() {
            bytes += request.batch.bytes();
            group.push(request);
            if group.len() >= GROUP_COMMITS || bytes >= GROUP_BYTES {
                break;
            }
        }
        group
    }

    /// Returns whether the queue is empty and no commit is in flight.
    pub(super) fn is_idle(&self) -> bool {
        !self.busy.get()
    }

    /// Waits until the queue is empty and no commit is in flight.
    pub(super) async fn wait_until_idle(&self) {
        loop {
            let listener = self.idle.listen();
            if self.is_idle() {
                return;
            }
            listener.await;
        }
    }
}

/// A failed transaction. If it had begun to write, its outcome is unknown.
struct TransactionFailure {
    error: IndexedDbError,
    wrote: bool,
}

impl From<IndexedDbError> for TransactionFailure {
    fn from(error: IndexedDbError) -> Self {
        Self { error, wrote: false }
    }
}

impl IndexedDbState {
    pub(super) async fn commit(self: &Rc<Self>, batch: Batch) -> Result<Receipt, StoreError> {
        self.check_open()?;
        if let Err(full) = check_space(batch.bytes(), &self.name).await {
            // A repeated command writes nothing, so it needs no space.
            let outcome = self.outcome(&batch.command).await.map_err(|error| error.into_error(&self.name))?;
            if outcome == Outcome::Absent {
                return Err(full);
            }
        }
        let request = Rc::new(QueuedCommit { batch, answer: RefCell::default(), answered: Event::new() });
        self.queue.waiting.borrow_mut().push_back(request.clone());
        if !self.queue.busy.replace(true) {
            // A separate task drains the queue: if one caller drops its future, the other commits still proceed.
            spawn_local(self.clone().drain_queue());
        }
        request.wait().await
    }

    async fn drain_queue(self: Rc<Self>) {
        loop {
            let group = self.queue.take_group();
            if group.is_empty() {
                break;
            }
            self.commit_group(&group, false).await;
        }
        self.queue.busy.set(false);
        self.queue.idle.notify(usize::MAX);
    }

    /// `wrote`: an earlier attempt wrote on a connection that was lost, so the commits may have happened.
    async fn commit_group(&self, group: &[Rc<QueuedCommit>], wrote: bool) {
        match self.commit_with_retry(group, wrote).await {
            Ok(answers) => group.iter().zip(answers).for_each(|(request, answer)| request.complete(answer)),
            Err(TransactionFailure { error, wrote }) => match group {
                [request] => request.complete(Err(self.commit_error(request, error, wrote))),
                // One batch may be too large for the transaction, so each is retried alone.
                _ => {
                    for request in group {
                        Box::pin(self.commit_group(std::slice::from_ref(request), wrote)).await;
                    }
                }
            },
        }
    }

    /// Commits a group. Returns the result of each commit, or the failure of the whole transaction.
    async fn commit_with_retry(
        &self,
        group: &[Rc<QueuedCommit>],
        mut wrote: bool,
    ) -> Result<Vec<Result<Receipt, StoreError>>, TransactionFailure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.ensure_connected().await {
                Ok(connection) => match connection.commit(group).await {
                    Ok(answers) => {
                        self.out_of_space.set(false);
                        if answers.iter().flatten().any(|receipt| !receipt.replayed) {
                            self.notifier.notify();
                        }
                        return Ok(answers);
                    }
                    Err(failure) => {
                        if failure.error.is_connection_lost() {
                            connection.handle.guard.close();
                        }
                        failure
                    }
                },
                Err(error) => TransactionFailure { error, wrote: false },
            };
            // An aborted transaction leaves nothing. After a lost connection, the extent of the writes is unknown.
            self.out_of_space.set(self.out_of_space.get() || failure.error.is_out_of_space());
            let lost = failure.error.is_connection_lost();
            wrote |= failure.wrote && lost;
            if !lost || tries >= MAX_ATTEMPTS {
                return Err(TransactionFailure { error: failure.error, wrote });
            }
        }
    }

    fn commit_error(&self, request: &QueuedCommit, error: IndexedDbError, wrote: bool) -> StoreError {
        let error = error.into_error(&self.name);
        if !wrote {
            return error;
        }
        StoreError::UnknownOutcome { command: request.batch.command.clone(), why: error.to_string() }
    }

    /// Deletes expired documents, and returns their number.
    pub(super) async fn sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Result<usize, IndexedDbError> {
        self.retry(async |connection| connection.sweep(collection, now, limit).await).await.inspect(|swept| {
            if *swept > 0 {
                self.notifier.notify();
            }
        })
    }

    /// Runs `work` on an open connection. If the connection is lost, it runs again on a new one.
    pub(super) async fn retry<T>(
        &self,
        work: impl AsyncFn(&Connection) -> Result<T, IndexedDbError>,
    ) -> Result<T, IndexedDbError> {
        let mut tries = 1;
        loop {
            self.check_open()?;
            let connection = self.ensure_connected().await?;
            match work(&connection).await {
                Err(error) if error.is_connection_lost() && tries < MAX_ATTEMPTS => connection.handle.guard.close(),
                other => return other,
            }
            tries += 1;
        }
    }
}

impl Connection {
    fn check_writable(&self) -> Result<(), StoreError> {
        self.read_only_reason.as_ref().map_or(Ok(()), |reason| Err(StoreError::ReadOnly { why: reason.to_string() }))
    }

    async fn commit(&self, group: &[Rc<QueuedCommit>]) -> Result<Vec<Result<Receipt, StoreError>>, TransactionFailure> {
        if let Err(error) = self.check_writable() {
            return Ok(group.iter().map(|_| Err(error.clone())).collect());
        }
        let stores = self.object_stores(group.iter().map(|request| &request.batch));
        let tx = Tx::begin(&self.handle.guard.database, stores.keys().copied(), Mode::Write)
            .map_err(IndexedDbError::from)?;
        let result = self.commit_in(&tx, group).await;
        if result.is_err() {
            tx.abort();
        }
        result
    }

    /// Returns the object stores that the batches use.
    fn object_stores<'a>(&'a self, batches: impl Iterator<Item = &'a Batch> + Clone) -> SortedSet<&'a str> {
        let batches = || batches.clone();
        let written = batches().flat_map(|batch| &batch.writes).map(|write| &*write.key.collection);
        let checked = batches().flat_map(|batch| &batch.checks).map(|check| &*check.key.collection);
        let collections = written.chain(checked).filter(|collection| self.has_collection(collection));
        SortedSet::of(collections.chain([FEED, COMMANDS.name]))
    }

    async fn commit_in(
        &self,
        tx: &Tx,
        group: &[Rc<QueuedCommit>],
    ) -> Result<Vec<Result<Receipt, StoreError>>, TransactionFailure> {
        let (mut fetched, mut sizer) = (FetchedRows::default(), BatchSizer::new(Some(0)));
        let feed_end = FeedEnd::request(tx)?;
        // Batches of one group often read the same documents.
        let mut reads: Vec<_> = group.iter().flat_map(|request| self.tables.prefetch_reads(&request.batch)).collect();
        sort_by(&mut reads, Ord::cmp);
        reads.dedup();
        self.fetch(tx, &mut fetched, &mut sizer, reads).await?;
        let begun = feed_end.last_number();
        let mut end = begun;

        let (mut planned, mut answers) = (PendingCommits::default(), Vec::with_capacity(group.len()));
        for QueuedCommit { batch, .. } in group.iter().map(|request| &**request) {
            let plan = self
                .evaluate_until_fetched(tx, &mut fetched, &mut sizer, |tables| tables.plan_after(&planned, batch))
                .await;
            answers.push(match plan {
                Ok(BatchPlan::Replay(result)) => Ok((end, result, true)),
                Ok(BatchPlan::PlannedCommit(commit)) => {
                    end += commit.feed_changes().count() as u64;
                    let result = commit.result.clone();
                    planned.push(commit);
                    Ok((end, result, false))
                }
                Err(IndexedDbError::Store(error)) => Err(error),
                Err(error) => return Err(error.into()),
            });
        }
        let commits = planned.into_commits();
        if !commits.is_empty() {
            self.write(tx, begun, &commits).await?;
        }
        let receipt =
            |(end, result, replayed)| Receipt { position: position(&self.handle.layout, end), result, replayed };
        Ok(answers.into_iter().map(|answer| answer.map(receipt)).collect())
    }

    /// Issues the second wave and awaits the end of the transaction.
    async fn write(&self, tx: &Tx, begun: u64, commits: &[PlannedCommit]) -> Result<(), TransactionFailure> {
        let end = tx.completion();
        self.issue_writes(tx, commits)?;
        feed::append(tx, begun, commits)?;
        tx.commit();
        end.await.map_err(|error| TransactionFailure { error: error.into(), wrote: true })
    }

    /// Issues all document writes of the commits.
    fn issue_writes(&self, tx: &Tx, commits: &[PlannedCommit]) -> Result<(), IndexedDbError> {
        // Of several writes to one key only the last counts. They are ordered by key, as the browser stores them.
        let mut changes: Vec<&DocumentChange> = commits.iter().flat_map(|commit| &commit.changes).collect();
        sort_by(&mut changes, |one, other| one.key.cmp(&other.key));
        let mut changes = changes.into_iter().peekable();
        while let Some(DocumentChange { key, after, .. }) = changes.next() {
            if changes.peek().is_some_and(|next| next.key == *key) {
                continue;
            }
            let (store, name) = (tx.store(&key.collection)?, encode_key(key.id.as_bytes()).into());
            let Some(stored) = after else {
                store.delete(&name)?;
                continue;
            };
            let unwritable =
                |error: serde_json::Error| StoreError::Invalid { key: key.clone(), reason: error.to_string() };
            let record = EncodedRecord::new(&key.collection, &key.id, stored, self.indexes(&key.collection));
            store.put(&to_js(&record.map_err(unwritable)?)?, &name)?;
        }
        Ok(())
    }

    async fn sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Result<usize, IndexedDbError> {
        self.check_writable()?;
        if !self.has_collection(collection) {
            return Ok(0);
        }
        let tx = Tx::begin(&self.handle.guard.database, [collection, FEED], Mode::Write)?;
        let swept = self.sweep_in(&tx, collection, now, limit).await;
        if swept.is_err() {
            tx.abort();
        }
        swept
    }

    async fn sweep_in(&self, tx: &Tx, collection: &str, now: Timestamp, limit: usize) -> Result<usize, IndexedDbError> {
        let feed_end = FeedEnd::request(tx)?;
        feed_end.wait().await?;
        let (mut fetched, mut sizer) = (FetchedRows::default(), BatchSizer::new(Some(limit)));
        let plan = |tables: &Tables| tables.plan_sweep(collection, now, limit);
        let commit = self.evaluate_until_fetched(tx, &mut fetched, &mut sizer, plan).await?;
        let swept = commit.changes.len();
        if swept > 0 {
            self.write(tx, feed_end.last_number(), &[commit]).await.map_err(|failure| failure.error)?;
        }
        Ok(swept)
    }
}

/// Size in bytes from which the quota is checked. A check takes about a millisecond. Writing a batch without space
/// takes many milliseconds, and uses up more of the remaining space.
const CHECKED_FROM_BYTES: usize = 1024 * 1024;

/// Rejects a large batch that exceeds the remaining space. Without an estimate of the browser there is no check.
pub(super) async fn check_space(bytes: usize, database: &str) -> Result<(), StoreError> {
    if bytes < CHECKED_FROM_BYTES {
        return Ok(());
    }
    match remaining_bytes().await {
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^53 bytes")]
        Some(remaining) if remaining < bytes as f64 => {
            let remaining = number_text(remaining.max(0.0));
            Err(StoreError::Full {
                what: format!("{} ({bytes} bytes to write, {remaining} bytes left)", describe_storage(database)),
            })
        }
        _ => Ok(()),
    }
}

/// Returns the remaining bytes of the quota.
async fn remaining_bytes() -> Option<f64> {
    let navigator = Reflect::get(&global_object(), &"navigator".into()).ok()?;
    let storage: StorageManager = Reflect::get(&navigator, &"storage".into()).ok()?.unchecked_into();
    let estimate: Estimate = JsFuture::from(storage.estimate().ok()?).await.ok()?.unchecked_into();
    Some(estimate.quota()? - estimate.usage()?)
}

//! Committing. What several want to commit while a transaction is under way goes out together in the next one, planned one on top of the
//! other; each is judged by itself.
//!
//! A commit of which all is known that it rests on is written blind (`known`). Else a transaction has two waves: everything that the batches
//! rest on is asked for at once; then they are judged, and everything that they write is issued at once; only the end of the
//! transaction is waited for. A commit whose connection was lost is made again: its row in the ledger is asked first, so it is made once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use event_listener::Event;
use wasm_bindgen_futures::spawn_local;

use super::Inner;
use super::connection::Connection;
use super::faults::Stop;
use super::feed::{self, Ending, position};
use super::fence::{self, FENCE};
use super::layout::FEED;
use super::quota;
use super::read::Pace;
use super::transaction::{Mode, Tx};
use super::write::Put;
use crate::store::tables::window::Fetched;
use crate::store::tables::{Commit, Pending, Planned, Tables};
use crate::store::{Batch, COMMANDS, Error, Receipt};
use crate::time::Timestamp;
use crate::value::FewOf;

/// Most commits in one transaction.
const GROUP_COMMITS: usize = 1_024;

/// Bytes of batches after which no more are added to a transaction.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// How often a commit is made again after its connection was lost.
const TRIES: usize = 4;

/// Somebody who waits for the end of their commit.
struct Request {
    batch: Batch,
    answer: RefCell<Option<Result<Receipt, Error>>>,
    answered: Event,
}

/// Those who wait, in the order in which they came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: RefCell<VecDeque<Rc<Request>>>,
    /// Somebody takes care of those who wait.
    busy: Cell<bool>,
    idle: Event,
}

impl Request {
    fn answer(&self, answer: Result<Receipt, Error>) {
        *self.answer.borrow_mut() = Some(answer);
        self.answered.notify(usize::MAX);
    }

    async fn answered(&self) -> Result<Receipt, Error> {
        loop {
            let listener = self.answered.listen();
            if let Some(answer) = self.answer.borrow_mut().take() {
                return answer;
            }
            listener.await;
        }
    }
}

impl Queue {
    /// Those who go out together next.
    fn group(&self) -> Vec<Rc<Request>> {
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

    /// Whether nobody waits for a commit.
    pub(super) fn is_idle(&self) -> bool {
        !self.busy.get()
    }

    /// Waits until nobody waits for a commit any more.
    pub(super) async fn idle(&self) {
        loop {
            let listener = self.idle.listen();
            if self.is_idle() {
                return;
            }
            listener.await;
        }
    }
}

/// A transaction that failed; whether it had begun to write, so that perhaps it was kept.
pub(super) struct Failed {
    pub(super) stop: Stop,
    pub(super) wrote: bool,
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Self { stop, wrote: false }
    }
}

impl Inner {
    pub(super) async fn commit(self: &Rc<Self>, batch: Batch) -> Result<Receipt, Error> {
        self.usable()?;
        quota::check(batch.bytes(), &self.name).await?;
        let request = Rc::new(Request { batch, answer: RefCell::default(), answered: Event::new() });
        self.queue.waiting.borrow_mut().push_back(request.clone());
        if !self.queue.busy.replace(true) {
            // A task of its own: who waits for one commit may go away, and the others are served.
            spawn_local(self.clone().serve());
        }
        request.answered().await
    }

    async fn serve(self: Rc<Self>) {
        loop {
            let group = self.queue.group();
            if group.is_empty() {
                break;
            }
            self.commit_group(&group, false).await;
        }
        self.queue.busy.set(false);
        self.queue.idle.notify(usize::MAX);
    }

    /// `wrote`: it was written before on a connection that was lost, so perhaps it was kept.
    async fn commit_group(&self, group: &[Rc<Request>], wrote: bool) {
        match self.commit_together(group, wrote).await {
            Ok(answers) => group.iter().zip(answers).for_each(|(request, answer)| request.answer(answer)),
            Err(Failed { stop, wrote }) => match group {
                [request] => request.answer(Err(self.refusal(request, stop, wrote))),
                // One of them may have been too much for it: each by itself.
                _ => {
                    for request in group {
                        Box::pin(self.commit_group(std::slice::from_ref(request), wrote)).await;
                    }
                }
            },
        }
    }

    /// Commits a group; its answers, or why the whole transaction failed.
    async fn commit_together(
        &self,
        group: &[Rc<Request>],
        mut wrote: bool,
    ) -> Result<Vec<Result<Receipt, Error>>, Failed> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.connected().await {
                Ok(connection) => match self.commit_on(&connection, group).await {
                    Ok(answers) => {
                        self.full.set(false);
                        if answers.iter().flatten().any(|receipt| !receipt.replayed) {
                            self.hints.tell();
                        }
                        return Ok(answers);
                    }
                    Err(failed) => {
                        if failed.stop.lost() {
                            connection.handle.link.end();
                        }
                        failed
                    }
                },
                Err(stop) => Failed { stop, wrote: false },
            };
            // What an aborted transaction wrote is gone, but of a connection that was lost it is not known how far it came.
            self.full.set(self.full.get() || failed.stop.full());
            let lost = failed.stop.lost();
            wrote |= failed.wrote && lost;
            if !lost || tries >= TRIES {
                return Err(Failed { stop: failed.stop, wrote });
            }
        }
    }

    async fn commit_on(
        &self,
        connection: &Connection,
        group: &[Rc<Request>],
    ) -> Result<Vec<Result<Receipt, Error>>, Failed> {
        if self.hints.heard() {
            // To find out at the fence would cost a transaction more.
            connection.known.take();
        }
        connection.commit(group).await
    }

    fn refusal(&self, request: &Request, stop: Stop, wrote: bool) -> Error {
        let error = stop.into_error(&self.name);
        if !wrote {
            return error;
        }
        Error::Unknown { command: request.batch.command.clone(), why: error.to_string() }
    }

    /// Deletes what is expired; how many.
    pub(super) async fn sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Result<usize, Stop> {
        self.again(async |connection| connection.sweep(collection, now, limit).await).await.inspect(|swept| {
            if *swept > 0 {
                self.hints.tell();
            }
        })
    }

    /// Does something on a connection that is alive, and once more on another one where it was lost.
    pub(super) async fn again<T>(&self, work: impl AsyncFn(&Connection) -> Result<T, Stop>) -> Result<T, Stop> {
        let mut tries = 1;
        loop {
            self.usable()?;
            let connection = self.connected().await?;
            match work(&connection).await {
                Err(stop) if stop.lost() && tries < TRIES => connection.handle.link.end(),
                other => return other,
            }
            tries += 1;
        }
    }
}

impl Connection {
    fn writable(&self) -> Result<(), Error> {
        self.illness.as_ref().map_or(Ok(()), |illness| Err(Error::ReadOnly { why: illness.to_string() }))
    }

    async fn commit(&self, group: &[Rc<Request>]) -> Result<Vec<Result<Receipt, Error>>, Failed> {
        if let Err(error) = self.writable() {
            return Ok(group.iter().map(|_| Err(error.clone())).collect());
        }
        if let [request] = group
            && let Some(receipt) = self.commit_blind(&request.batch).await?
        {
            return Ok(vec![Ok(receipt)]);
        }
        let stores = self.stores_of(group.iter().map(|request| &request.batch));
        let tx = Tx::begin(&self.handle.link.database, stores.keys().copied(), Mode::Write).map_err(Stop::from)?;
        let ended = self.commit_in(&tx, group).await;
        if ended.is_err() {
            tx.abort();
        }
        ended
    }

    /// The object stores that these touch.
    pub(super) fn stores_of<'a>(&'a self, batches: impl Iterator<Item = &'a Batch> + Clone) -> FewOf<&'a str> {
        let batches = || batches.clone();
        let written = batches().flat_map(|batch| &batch.writes).map(|write| &*write.key.collection);
        let checked = batches().flat_map(|batch| &batch.checks).map(|check| &*check.key.collection);
        let collections = written.chain(checked).filter(|collection| self.has(collection));
        FewOf::of(collections.chain([FEED, FENCE, COMMANDS.name]))
    }

    async fn commit_in(&self, tx: &Tx, group: &[Rc<Request>]) -> Result<Vec<Result<Receipt, Error>>, Failed> {
        let (mut fetched, mut pace) = (Fetched::default(), Pace::of(Some(0)));
        let ending = Ending::ask(tx)?;
        // Batches of one group often touch the same.
        let mut wishes = BTreeSet::new();
        wishes.extend(group.iter().flat_map(|request| self.tables.ahead(&request.batch)));
        self.fetch(tx, &mut fetched, &mut pace, wishes).await?;
        let begun = ending.last();
        let mut end = begun;

        let (mut planned, mut answers) = (Pending::default(), Vec::with_capacity(group.len()));
        for Request { batch, .. } in group.iter().map(|request| &**request) {
            let judged = self.ask(tx, &mut fetched, &mut pace, |tables| tables.plan_after(&planned, batch)).await;
            answers.push(match judged {
                Ok(Planned::Replay(result)) => Ok((end, result, true)),
                Ok(Planned::Commit(commit)) => {
                    end += commit.told().count() as u64;
                    let result = commit.result.clone();
                    planned.push(commit);
                    Ok((end, result, false))
                }
                Err(Stop::Error(refusal)) => Err(refusal),
                Err(stop) => return Err(stop.into()),
            });
        }
        let commits = planned.into_commits();
        if !commits.is_empty() {
            let bytes = self.write(tx, begun, &commits).await?;
            self.learn(fetched, begun, &commits, bytes);
        }
        let receipt =
            |(end, result, replayed)| Receipt { position: position(&self.handle.layout, end), result, replayed };
        Ok(answers.into_iter().map(|answer| answer.map(receipt)).collect())
    }

    /// The second wave, and the end; how many bytes of documents that were.
    async fn write(&self, tx: &Tx, begun: u64, commits: &[Commit]) -> Result<usize, Failed> {
        let end = tx.end();
        let bytes = self.issue(tx, commits, Put::Over)?;
        fence::set(tx, feed::write(tx, begun, commits)?)?;
        tx.finish();
        end.await.map_err(|fault| Failed { stop: fault.into(), wrote: true })?;
        Ok(bytes)
    }

    async fn sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Result<usize, Stop> {
        self.writable()?;
        if !self.has(collection) {
            return Ok(0);
        }
        let tx = Tx::begin(&self.handle.link.database, [collection, FEED, FENCE], Mode::Write)?;
        let swept = self.sweep_in(&tx, collection, now, limit).await;
        if swept.is_err() {
            tx.abort();
        }
        swept
    }

    async fn sweep_in(&self, tx: &Tx, collection: &str, now: Timestamp, limit: usize) -> Result<usize, Stop> {
        let ending = Ending::ask(tx)?;
        ending.answered().await?;
        let (mut fetched, mut pace) = (Fetched::default(), Pace::of(Some(limit)));
        let plan = |tables: &Tables| tables.plan_sweep(collection, now, limit);
        let commit = self.ask(tx, &mut fetched, &mut pace, plan).await?;
        let swept = commit.changes.len();
        // What was known is from before it.
        self.known.take();
        if swept > 0 {
            self.write(tx, ending.last(), &[commit]).await.map_err(|failed| failed.stop)?;
        }
        Ok(swept)
    }
}

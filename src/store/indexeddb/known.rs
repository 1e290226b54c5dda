//! What this connection knows of the database without looking: the documents of its newest commits and what they read, as they stand as long as
//! nobody else commits. Whether somebody did is found out by the fence, so a commit whose documents are all known is one wave: judged here,
//! written blind, and aborted by the browser where what was known is not so any more. Then it is made again with reading.

use std::sync::Arc;

use super::commit::Failed;
use super::connection::Connection;
use super::faults::Stop;
use super::feed::position;
use super::transaction::{Mode, Tx};
use super::write::Put;
use super::{feed, fence};
use crate::store::tables::window::{Fetched, Looked, Window};
use crate::store::tables::{Commit, Planned};
use crate::store::{Batch, COMMANDS, Expect, Receipt};

/// Most documents that are remembered; with one more all are forgotten but those of the newest commit.
const DOCUMENTS: usize = 2_048;

/// The same for the bytes of what was written.
const BYTES: usize = 8 * 1024 * 1024;

/// Documents as they stand where the feed ends at `last`.
pub(super) struct Known {
    last: u64,
    fetched: Fetched,
    bytes: usize,
}

impl Known {
    /// Takes in commits that were written with so many bytes.
    fn apply(&mut self, commits: &[Commit], bytes: usize, window: &Window) {
        self.bytes += bytes;
        if self.fetched.documents() > DOCUMENTS || self.bytes > BYTES {
            (self.fetched, self.bytes) = (Fetched::default(), 0);
        }
        commits.iter().for_each(|commit| self.apply_one(commit, window));
    }

    fn apply_one(&mut self, commit: &Commit, window: &Window) {
        for change in &commit.changes {
            let Some(part) = window.part(&change.key.collection, None) else { continue };
            if change.key.collection == COMMANDS.name {
                // Adding it finds out whether it is there; so none is remembered.
                self.fetched.forget(part, &change.key.id);
            } else {
                self.fetched.document(part, &change.key.id, change.after.clone());
            }
        }
        self.last += commit.told().count() as u64;
    }
}

impl Connection {
    /// Takes note of what a commit that read has found and made.
    pub(super) fn learn(&self, fetched: Fetched, begun: u64, commits: &[Commit], bytes: usize) {
        let before = self.known.take().filter(|before| before.last == begun);
        let mut known = before.unwrap_or_else(|| Known { last: begun, fetched: Fetched::default(), bytes: 0 });
        known.fetched.absorb(fetched);
        known.apply(commits, bytes, &self.window);
        self.known.replace(Some(known));
    }

    /// Commits without reading, where all that it rests on is known. None: it must be made with reading.
    pub(super) async fn commit_blind(&self, batch: &Batch) -> Result<Option<Receipt>, Failed> {
        let Some(mut known) = self.known.take() else { return Ok(None) };
        let Some(commit) = self.judge_blind(&mut known, batch) else {
            self.known.replace(Some(known));
            return Ok(None);
        };
        let commits = std::slice::from_ref(&commit);
        let bytes = match self.write_blind(known.last, batch, commits).await {
            Ok(bytes) => bytes,
            // Of what was known something is not so any more.
            Err(failed) if failed.stop.clashed() => return Ok(None),
            Err(failed) => return Err(failed),
        };
        known.apply(commits, bytes, &self.window);
        let position = position(&self.handle.layout, known.last);
        self.known.replace(Some(known));
        Ok(Some(Receipt { position, result: commit.result, replayed: false }))
    }

    fn judge_blind(&self, known: &mut Known, batch: &Batch) -> Option<Commit> {
        if batch.writes.iter().any(|write| write.expect == Expect::Any) {
            // Who does not say what it is written over has not seen it lately.
            return None;
        }
        let assumed = self.assume(&mut known.fetched, batch);
        let judged = self.window.look(&mut known.fetched, || self.tables.plan(batch));
        assumed.into_iter().for_each(|(part, id)| known.fetched.forget(part, &id));
        match judged {
            Looked::Answer(Ok(Planned::Commit(commit))) => Some(commit),
            // What it is refused for may not be so any more.
            Looked::Answer(_) | Looked::Wish(_) => None,
        }
    }

    /// Takes for not there what the batch expects not to be there and nothing is known of: adding it finds out.
    fn assume(&self, fetched: &mut Fetched, batch: &Batch) -> Vec<(usize, Arc<str>)> {
        let (row, _) = batch.ledger_row();
        let absent = batch.writes.iter().filter(|write| write.expect == Expect::Absent).map(|write| &write.key);
        let mut assumed = Vec::new();
        for key in absent.chain([&row]) {
            let part = self.window.part(&key.collection, None).filter(|part| !fetched.knows(*part, &key.id));
            if let Some(part) = part {
                fetched.document(part, &key.id, None);
                assumed.push((part, key.id.clone()));
            }
        }
        assumed
    }

    /// The only wave. The fence comes first: behind it everything is written on what it was judged by, or nothing.
    async fn write_blind(&self, begun: u64, batch: &Batch, commits: &[Commit]) -> Result<usize, Failed> {
        let stores = self.stores_of([batch].into_iter());
        let tx = Tx::begin(&self.handle.link.database, stores.keys().copied(), Mode::Write).map_err(Stop::from)?;
        let end = tx.end();
        let issued = self.issue_blind(&tx, begun, commits);
        if issued.is_err() {
            tx.abort();
        }
        let bytes = issued?;
        tx.finish();
        end.await.map_err(|fault| Failed { stop: fault.into(), wrote: true })?;
        Ok(bytes)
    }

    fn issue_blind(&self, tx: &Tx, begun: u64, commits: &[Commit]) -> Result<usize, Stop> {
        let told: usize = commits.iter().map(|commit| commit.told().count()).sum();
        fence::pass(tx, begun, begun + told as u64)?;
        let bytes = self.issue(tx, commits, Put::New)?;
        feed::write(tx, begun, commits)?;
        Ok(bytes)
    }
}

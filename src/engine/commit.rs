//! From a decision to one commit: the writes that make its changes, the commit, and what is remembered of it. What is too large for one
//! batch goes through `staging/`.

use std::collections::HashMap;
use std::sync::Arc;

use super::any::AnyCommand;
use super::{Came, Engine, Origin};
use crate::decision::{CachedValue, Change, Decision, Loaded, View};
use crate::id::{CommandId, Revision};
use crate::limits::LEDGER_RESULT_BYTES;
use crate::schema::Key;
use crate::store::{self, Batch, Check, Expect, Op, Write};
use crate::time::Timestamp;
use crate::value::{Document, Json, difference, json_bytes};

/// A command in the course of being decided.
pub(super) struct Deciding<'a> {
    pub(super) id: &'a CommandId,
    pub(super) fingerprint: &'a str,
    /// Its `now`.
    pub(super) now: Timestamp,
    /// How often it was decided before.
    pub(super) attempt: u32,
    pub(super) origin: Origin,
}

impl Deciding<'_> {
    /// Whether somebody may have begun with it before: a process that died, or we ourselves.
    fn may_come_again(&self) -> bool {
        self.attempt > 0 || self.origin != Origin::Own
    }
}

/// What a decision writes.
pub(super) struct Writes {
    /// What must be one commit.
    pub(super) deciding: Vec<Write>,
    /// Rows that may be written before.
    pub(super) staged: Vec<Write>,
    /// Rows that may go afterwards.
    pub(super) retired: Vec<Key>,
    /// The documents as they will stand.
    after: Vec<(Key, Option<Loaded>)>,
}

/// What committing came to.
pub(super) enum Committed {
    /// It was written now.
    Now,
    /// It had been before; this is what it came to then.
    Before(Json),
}

impl Engine {
    pub(super) async fn commit(
        &self,
        asked: &mut dyn AnyCommand,
        decision: Decision<()>,
        view: &View,
        command: &Deciding<'_>,
    ) -> Result<Came, store::Error> {
        let id = command.id;
        let result = asked.result().map_err(|why| wrong_result(id, &why))?;
        if json_bytes(&result) > LEDGER_RESULT_BYTES {
            return Err(wrong_result(id, "it is larger than 4 KiB"));
        }
        let checks = decision.checks.into_iter().map(|(key, revision)| Check { key, revision }).collect();
        let Writes { deciding, staged, retired, after } = self.writes(decision.changes, id);
        let fingerprint = command.fingerprint.to_owned();
        let batch = Batch { command: id.clone(), fingerprint, at: command.now, result, writes: deciding, checks };
        let committed = self.commit_with(batch, staged, retired, command).await;
        match committed.map_err(|error| told_of(id, error))? {
            Committed::Now => {
                self.remember(after, decision.warm, view);
                Ok(Came { replayed: false, hints: decision.hints })
            }
            Committed::Before(result) => {
                asked.recall(result).map_err(|why| wrong_result(id, &why))?;
                Ok(Came::quietly(true))
            }
        }
    }

    /// Commits `batch` with the rows that may be staged: in one batch where they fit.
    async fn commit_with(
        &self,
        batch: Batch,
        staged: Vec<Write>,
        retired: Vec<Key>,
        command: &Deciding<'_>,
    ) -> Result<Committed, store::Error> {
        if staged.is_empty() && retired.is_empty() {
            return self.send(batch).await;
        }
        if !self.fits(&batch, &staged, &retired) {
            return self.commit_staged(batch, staged, retired, command).await;
        }
        // An earlier attempt at this command may have been too large for one batch. Its rows are named like these: they stand in the way, or,
        // where they are gone, its records would name what is in force from here on.
        if !staged.is_empty()
            && command.may_come_again()
            && self.staged_under(command.id).await?.is_some()
            && let Some(before) = self.make_way(command).await?
        {
            return Ok(before);
        }
        let mut batch = batch;
        batch.writes.extend(staged);
        batch.writes.extend(retired.into_iter().map(delete));
        self.send(batch).await
    }

    pub(super) async fn send(&self, batch: Batch) -> Result<Committed, store::Error> {
        let receipt = self.shared.store.commit(batch).await?;
        Ok(if receipt.replayed { Committed::Before(receipt.result) } else { Committed::Now })
    }

    /// The writes that make the changes.
    fn writes(&self, changes: Vec<Change>, id: &CommandId) -> Writes {
        let (mut after, mut staged, mut retired) = (Vec::new(), Vec::new(), Vec::new());
        let mut deciding = Vec::with_capacity(changes.len());
        for change in changes {
            deciding.push(match change {
                Change::Insert { key, document } => {
                    let document = Arc::new(document);
                    let revision = Revision::first(id, &key.collection, &key.id);
                    after.push((key.clone(), Some(Loaded { revision, document: document.clone() })));
                    self.insert(key, document)
                }
                // Rows of insert-only collections are many and rarely read again: they are not remembered.
                Change::Append { key, document } => self.insert(key, Arc::new(document)),
                Change::Update { key, before, after: new } => {
                    let (write, loaded) = update(key.clone(), &before, Arc::new(new));
                    after.push((key, Some(loaded)));
                    write
                }
                Change::Delete { key, revision } => {
                    after.push((key.clone(), None));
                    Write { key, expect: revision.map_or(Expect::Any, Expect::Revision), op: Op::Delete }
                }
                Change::Stage { key, document } => {
                    staged.push(self.insert(key, Arc::new(document)));
                    continue;
                }
                Change::Retire { key } => {
                    after.push((key.clone(), None));
                    retired.push(key);
                    continue;
                }
            });
        }
        Writes { deciding, staged, retired, after }
    }

    /// A document where nothing stands.
    pub(super) fn insert(&self, key: Key, document: Arc<Document>) -> Write {
        let version = self.shared.catalog.get(&key.collection).map_or(1, |c| c.version);
        Write { key, expect: Expect::Absent, op: Op::Put { version, document } }
    }

    fn remember(&self, after: Vec<(Key, Option<Loaded>)>, warm: Vec<(Key, CachedValue)>, view: &View) {
        let mut warm: HashMap<Key, _> = warm.into_iter().collect();
        for (key, loaded) in after {
            let warm = warm.remove(&key);
            match loaded {
                Some(loaded) => self.shared.cache.put(key, loaded, warm),
                None => self.shared.cache.forget([key]),
            }
        }
        // Live forms of what was only read: decoded programs.
        for (key, value) in warm {
            if let Some(read) = view.get(&key) {
                self.shared.cache.put(key, read.clone(), Some(value));
            }
        }
    }
}

/// The write that gives a document new fields, and the document as it then stands.
pub(super) fn update(key: Key, before: &Loaded, document: Arc<Document>) -> (Write, Loaded) {
    let op = Op::Change { difference: Arc::new(difference(&before.document, &document)), after: document.clone() };
    let write = Write { key, expect: Expect::Revision(before.revision.clone()), op };
    (write, Loaded { revision: before.revision.next(), document })
}

/// The write that removes whatever stands there.
pub(super) fn delete(key: Key) -> Write {
    Write { key, expect: Expect::Any, op: Op::Delete }
}

/// What the caller may repeat is the command, not a batch that was staged for it.
fn told_of(id: &CommandId, error: store::Error) -> store::Error {
    match error {
        store::Error::Unknown { why, .. } => store::Error::Unknown { command: id.clone(), why },
        error => error,
    }
}

fn wrong_result(id: &CommandId, why: &str) -> store::Error {
    let key = Key { collection: store::COMMANDS.name.into(), id: id.as_str().into() };
    store::Error::Invalid { key, reason: format!("the result cannot be kept in the ledger: {why}") }
}

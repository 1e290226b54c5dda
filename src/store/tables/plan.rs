//! Judging batches: what a batch would do, found out without doing it. Costs what the batch changes, not what the tables hold.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Change, Tables};
use crate::id::{self, CommandId};
use crate::limits::DOCUMENT_BYTES;
use crate::schema::{Collection, Key, check};
use crate::store::{Batch, COMMANDS, Error, Expect, Op, Outcome, Stored, Write};
use crate::time::Timestamp;
use crate::value::{Document, Json, Segment, json_bytes};

/// What one batch may hold; the figures of [`crate::store::Capabilities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest document, in bytes of its JSON.
    pub document_bytes: usize,
    /// Largest batch, as [`Batch::bytes`] counts.
    pub batch_bytes: usize,
    /// Most writes and checks in one batch.
    pub batch_writes: usize,
}

impl Default for Limits {
    /// What memory and files take: nothing but time bounds a batch there, so a turn that changed a whole heap at its limit is one
    /// batch, in whatever way its text is escaped.
    fn default() -> Self {
        Self { document_bytes: DOCUMENT_BYTES, batch_bytes: 64 * DOCUMENT_BYTES, batch_writes: 100_000 }
    }
}

/// What a batch comes to.
#[derive(Clone, Debug)]
pub enum Planned {
    /// The command was committed before; this is its result.
    Replay(Json),
    /// It may be committed so.
    Commit(Commit),
}

/// A commit that was judged and waits to be applied.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The command.
    pub command: CommandId,
    /// What it is answered with.
    pub result: Json,
    /// What it does, key by key, in the order of the writes; its row in the ledger last.
    pub changes: Vec<Change>,
}

impl Commit {
    /// The changes that others are told of: all but the ledger's own rows.
    pub fn told(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.key.collection != COMMANDS.name)
    }
}

/// Commits that were planned one on top of the other and none of which is applied yet: a group that becomes durable together.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    commits: Vec<Commit>,
    states: BTreeMap<Key, Option<Stored>>,
    owners: Owners,
}

/// Who has an entry of a unique index now, where that differs from the tables. None: nobody any more.
type Owners = BTreeMap<(Cow<'static, str>, usize, Vec<u8>), Option<Arc<str>>>;

impl Pending {
    /// Adds a commit that was planned after all that are here.
    pub fn push(&mut self, commit: Commit) {
        for change in &commit.changes {
            self.states.insert(change.key.clone(), change.after.clone());
        }
        commit.changes.iter().for_each(|change| release(change, &mut self.owners));
        commit.changes.iter().for_each(|change| {
            for (slot, id) in taken(change) {
                self.owners.insert(slot, Some(id));
            }
        });
        self.commits.push(commit);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// The commits, in order.
    pub fn into_commits(self) -> Vec<Commit> {
        self.commits
    }
}

/// A commit as a log keeps it: decided and valid, whoever made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// The command.
    pub command: CommandId,
    /// Its row in the ledger; none for what is no command, as a sweep.
    pub entry: Option<LoggedEntry>,
    /// What was done, in order.
    pub ops: Vec<(Key, Op)>,
}

/// What the ledger keeps of a command besides its id.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEntry {
    /// The command's `now`.
    pub at: Timestamp,
    /// Tells a repeat from another command under the same id.
    pub fingerprint: String,
    /// What it was answered with.
    pub result: Json,
}

impl LoggedEntry {
    fn op(&self, command: &CommandId) -> (Key, Op) {
        let document: Document = [
            ("id", command.as_str().into()),
            ("at", self.at.as_millis().into()),
            ("fingerprint", self.fingerprint.as_str().into()),
            ("result", self.result.clone()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let op = Op::Put { version: COMMANDS.version, document: Arc::new(document) };
        (Key::new(&COMMANDS, command.as_str()), op)
    }
}

impl Tables {
    /// Judges `batch` on the present state and changes nothing.
    ///
    /// In this order: the ledger; whether the batch contradicts itself; expectations and checks; the declarations of the
    /// resulting documents; sizes; unique indexes, on the state after the whole batch.
    pub fn plan(&self, batch: &Batch) -> Result<Planned, Error> {
        self.plan_after(&Pending::default(), batch)
    }

    /// Judges `batch` as [`Tables::plan`] does, on the state that will be when all of `pending` is applied.
    pub fn plan_after(&self, pending: &Pending, batch: &Batch) -> Result<Planned, Error> {
        let current = |key: &Key| pending.states.get(key).map_or_else(|| self.get(key), Option::as_ref);

        let entry = LoggedEntry { at: batch.at, fingerprint: batch.fingerprint.clone(), result: batch.result.clone() };
        let (key, op) = entry.op(&batch.command);
        if let Some(row) = current(&key)
            && let Outcome::Committed { fingerprint, result } = committed(&row.document)
        {
            return if fingerprint == batch.fingerprint {
                Ok(Planned::Replay(result))
            } else {
                Err(Error::CommandIdReused { command: batch.command.clone() })
            };
        }
        self.check_shape(batch)?;

        let row = Write { key, expect: Expect::Absent, op };
        let writes = || batch.writes.iter().chain([&row]);
        let mut states = Vec::with_capacity(batch.writes.len() + 1);
        for write in writes() {
            states.push(write.over(current(&write.key), &batch.command)?);
        }
        for check in &batch.checks {
            check.holds(current(&check.key))?;
        }
        for (write, after) in writes().zip(&states) {
            self.check_document(&write.key, current(&write.key), after.as_ref())?;
        }
        self.check_sizes(batch, &states)?;

        let mut changes = Vec::with_capacity(states.len());
        for (write, after) in writes().zip(states) {
            let before = current(&write.key);
            if before.is_some() || after.is_some() {
                changes.push(self.change(write.key.clone(), before, after, touched(&write.op).as_ref()));
            }
        }
        self.check_unique(&changes, &pending.owners)?;
        Ok(Planned::Commit(Commit { command: batch.command.clone(), result: batch.result.clone(), changes }))
    }

    /// What a sweep of `collection` does: deletes up to `limit` of what is expired at `now`. It has no row in the ledger.
    pub fn plan_sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Commit {
        let keys = self.sweep_candidates(collection, now, limit).into_iter();
        let changes = keys.map(|key| {
            let before = self.get(&key);
            self.change(key, before, None, None)
        });
        Commit { command: CommandId::sweep(), result: Json::Null, changes: changes.collect() }
    }

    /// Applies a commit that is decided: its expectations held when it was made. Returns what it did.
    ///
    /// [`Error::Corrupt`]: an operation does not fit what stands here, so the log has a gap or is damaged; the operations
    /// before it were applied.
    pub fn apply_logged(&mut self, logged: &Logged) -> Result<Commit, Error> {
        let row = logged.entry.as_ref().map(|entry| entry.op(&logged.command));
        let mut changes = Vec::with_capacity(logged.ops.len() + 1);
        for (key, op) in logged.ops.iter().chain(&row) {
            let write = Write { key: key.clone(), expect: Expect::Any, op: op.clone() };
            let before = self.get(key);
            let after = write.over(before, &logged.command).map_err(|_| Error::Corrupt {
                at: key.to_string(),
                why: format!("the change of command `{}` does not fit what stands there", logged.command),
            })?;
            if before.is_some() || after.is_some() {
                let change = self.change(key.clone(), before, after, touched(op).as_ref());
                changes.push(change.clone());
                self.apply_change(change);
            }
        }
        let result = logged.entry.as_ref().map_or(Json::Null, |entry| entry.result.clone());
        Ok(Commit { command: logged.command.clone(), result, changes })
    }

    fn declared(&self, key: &Key) -> Option<&'static Collection> {
        self.tables.get(&key.collection).and_then(|t| t.declared)
    }

    /// What can be said of a batch without looking at any document.
    fn check_shape(&self, batch: &Batch) -> Result<(), Error> {
        let invalid = |key: &Key, reason: String| Err(Error::Invalid { key: key.clone(), reason });
        let mut written = BTreeSet::new();
        for Write { key, .. } in &batch.writes {
            if key.collection == COMMANDS.name {
                return invalid(key, "the ledger is written by commits only".to_owned());
            }
            if self.declared(key).is_none() {
                return invalid(key, format!("collection `{}` is not declared", key.collection));
            }
            if let Err(why) = id::check(&key.id) {
                return invalid(key, why.to_string());
            }
            if !written.insert(key) {
                return invalid(key, "is written twice in one batch".to_owned());
            }
        }
        match batch.checks.iter().find(|check| written.contains(&check.key)) {
            Some(check) => invalid(&check.key, "is written and checked in one batch; expect its revision".to_owned()),
            None => Ok(()),
        }
    }

    fn check_document(&self, key: &Key, before: Option<&Stored>, after: Option<&Stored>) -> Result<(), Error> {
        let (Some(collection), Some(after)) = (self.declared(key), after) else { return Ok(()) };
        let invalid = |reason: String| Err(Error::Invalid { key: key.clone(), reason });
        if collection.insert_only && before.is_some() {
            return invalid(format!("documents of {} are inserted and deleted, never changed", collection.name));
        }
        check(collection, &after.document).or_else(|violation| invalid(violation.to_string()))
    }

    fn check_sizes(&self, batch: &Batch, states: &[Option<Stored>]) -> Result<(), Error> {
        let Limits { document_bytes, batch_bytes, batch_writes } = self.limits;
        let of_batch = || format!("the batch of command `{}`", batch.command);
        let count = batch.writes.len() + batch.checks.len();
        if count > batch_writes {
            let size = format!("{count} writes and checks");
            return Err(Error::TooLarge { what: of_batch(), size, limit: batch_writes });
        }
        // The same sum as `Batch::bytes`, without measuring whole documents twice.
        let mut bytes = batch.checks.iter().map(|check| check.key.bytes()).sum::<usize>();
        for (write, state) in batch.writes.iter().zip(states) {
            let of_document = state.as_ref().map_or(0, |s| json_bytes(&*s.document));
            if of_document > document_bytes {
                let what = write.key.to_string();
                return Err(Error::TooLarge { what, size: format!("{of_document} bytes"), limit: document_bytes });
            }
            let of_op = if matches!(write.op, Op::Put { .. }) { of_document } else { write.op.bytes() };
            bytes += write.key.bytes() + of_op;
        }
        if bytes > batch_bytes {
            return Err(Error::TooLarge { what: of_batch(), size: format!("{bytes} bytes"), limit: batch_bytes });
        }
        Ok(())
    }

    /// Entries that the batch gives up are free for its other writes, so two documents may swap a unique value.
    fn check_unique(&self, changes: &[Change], pending: &Owners) -> Result<(), Error> {
        let mut owners = Owners::new();
        changes.iter().for_each(|change| release(change, &mut owners));
        for change in changes {
            let Some(table) = self.tables.get(&change.key.collection) else { continue };
            for (slot, id) in taken(change) {
                let (_, index, entry) = &slot;
                let Some(index) = table.indexes.get(*index) else { continue };
                let owner = match owners.get(&slot).or_else(|| pending.get(&slot)) {
                    Some(owner) => owner.as_ref(),
                    None => index.owner(entry),
                };
                if owner.is_some_and(|owner| *owner != id) {
                    let index = index.declared.name();
                    return Err(Error::UniqueViolation { key: change.key.clone(), index });
                }
                owners.insert(slot, Some(id));
            }
        }
        Ok(())
    }
}

type Slot = (Cow<'static, str>, usize, Vec<u8>);

fn release(change: &Change, owners: &mut Owners) {
    for entries in change.entries.iter().filter(|e| e.unique) {
        for entry in &entries.removed {
            owners.insert((change.key.collection.clone(), entries.index, entry.clone()), None);
        }
    }
}

fn taken(change: &Change) -> impl Iterator<Item = (Slot, Arc<str>)> {
    change.entries.iter().filter(|e| e.unique).flat_map(move |entries| {
        let slot = move |entry: &Vec<u8>| (change.key.collection.clone(), entries.index, entry.clone());
        entries.added.iter().map(move |entry| (slot(entry), change.key.id.clone()))
    })
}

/// The top-level fields that an operation can change; none: any.
fn touched(op: &Op) -> Option<BTreeSet<&str>> {
    let Op::Change(difference) = op else { return None };
    let paths = difference.unset.iter().chain(difference.set.iter().map(|(path, _)| path));
    let tops = paths.filter_map(|path| match path.0.first() {
        Some(Segment::Key(key)) => Some(key.as_str()),
        _ => None,
    });
    Some(tops.collect())
}

/// A row of the ledger as the outcome it stands for.
pub(super) fn committed(row: &Document) -> Outcome {
    let fingerprint = row.get("fingerprint").and_then(Json::as_str).unwrap_or_default().to_owned();
    Outcome::Committed { fingerprint, result: row.get("result").cloned().unwrap_or_default() }
}

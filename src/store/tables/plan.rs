//! Judging batches: what a batch would do, found out without doing it. Costs what the batch changes, not what the tables hold.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Change, Tables};
use crate::id::CommandId;
use crate::schema::Key;
use crate::store::batch::{ledger_row, next_revision};
use crate::store::{Batch, COMMANDS, Error, Expect, Op, Outcome, Stored, Write};
use crate::time::Timestamp;
use crate::value::{Difference, Document, FewOf, Json, Segment};

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
    pub ops: Vec<(Key, LoggedOp)>,
}

/// An operation as a log keeps it: of a change only the difference, since what it led to follows from what is before it.
#[derive(Clone, Debug, PartialEq)]
pub enum LoggedOp {
    /// The document was written whole, under this schema version.
    Put {
        /// Schema version (`_v`).
        version: u32,
        /// All fields.
        document: Arc<Document>,
    },
    /// Fields were set and unset.
    Change(Arc<Difference>),
    /// It was removed.
    Delete,
}

impl From<&Op> for LoggedOp {
    fn from(op: &Op) -> Self {
        match op {
            Op::Put { version, document } => LoggedOp::Put { version: *version, document: document.clone() },
            Op::Change { difference, .. } => LoggedOp::Change(difference.clone()),
            Op::Delete => LoggedOp::Delete,
        }
    }
}

impl LoggedOp {
    /// What stands under `key` after it, given what stood there before; the inner `None`: nothing. `None`: it does not fit.
    pub fn over(&self, key: &Key, before: Option<&Stored>, command: &CommandId) -> Option<Option<Stored>> {
        let revision = next_revision(key, before, command);
        Some(match self {
            LoggedOp::Put { version, document } => {
                Some(Stored { revision, version: *version, document: document.clone() })
            }
            LoggedOp::Change(difference) => {
                let before = before?;
                let mut document = Document::clone(&before.document);
                if !difference.apply(&mut document) {
                    return None;
                }
                Some(Stored { revision, version: before.version, document: Arc::new(document) })
            }
            LoggedOp::Delete => None,
        })
    }

    /// The top-level fields that it can change; none: any.
    fn touched(&self) -> Option<FewOf<&str>> {
        if let LoggedOp::Change(difference) = self { Some(touched(difference)) } else { None }
    }
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

impl Tables {
    /// Judges `batch` on the present state and changes nothing.
    ///
    /// In this order: the ledger; what can be said without reading ([`Batch::check`]); expectations and checks; unique indexes,
    /// on the state after the whole batch.
    pub fn plan(&self, batch: &Batch) -> Result<Planned, Error> {
        self.plan_after(&Pending::default(), batch)
    }

    /// [`Batch::check`] under these tables' catalog and limits.
    pub fn check(&self, batch: &Batch) -> Result<usize, Error> {
        batch.check(&self.catalog, self.limits)
    }

    /// Judges `batch` as [`Tables::plan`] does, on the state that will be when all of `pending` is applied.
    pub fn plan_after(&self, pending: &Pending, batch: &Batch) -> Result<Planned, Error> {
        self.plan_checked(pending, batch, || self.check(batch).map(drop))
    }

    /// As [`Tables::plan_after`]; `check` gives what [`Tables::check`] says of the batch.
    pub fn plan_checked(
        &self,
        pending: &Pending,
        batch: &Batch,
        check: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Planned, Error> {
        let current = |key: &Key| pending.states.get(key).map_or_else(|| self.get(key), |state| Ok(state.clone()));

        let (key, row) = batch.ledger_row();
        if let Some(row) = current(&key)?
            && let Outcome::Committed { fingerprint, result } = committed(&row.document)
        {
            return if fingerprint == batch.fingerprint {
                Ok(Planned::Replay(result))
            } else {
                Err(Error::CommandIdReused { command: batch.command.clone() })
            };
        }
        check()?;

        let op = Op::Put { version: COMMANDS.version, document: Arc::new(row) };
        let row = Write { key, expect: Expect::Absent, op };
        let writes = || batch.writes.iter().chain([&row]);
        let mut states = Vec::with_capacity(batch.writes.len() + 1);
        for write in writes() {
            let before = current(&write.key)?;
            let after = write.over(before.as_ref(), &batch.command)?;
            states.push((before, after));
        }
        for check in &batch.checks {
            check.holds(current(&check.key)?.as_ref())?;
        }

        let mut changes = Vec::with_capacity(states.len());
        for (write, (before, after)) in writes().zip(states) {
            if before.is_some() || after.is_some() {
                let touched =
                    if let Op::Change { difference, .. } = &write.op { Some(touched(difference)) } else { None };
                changes.push(self.change(write.key.clone(), before.as_ref(), after, touched.as_ref()));
            }
        }
        self.check_unique(&changes, &pending.owners)?;
        Ok(Planned::Commit(Commit { command: batch.command.clone(), result: batch.result.clone(), changes }))
    }

    /// What a sweep of `collection` does: deletes up to `limit` of what is expired at `now`. It has no row in the ledger.
    pub fn plan_sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Result<Commit, Error> {
        let keys = self.sweep_candidates(collection, now, limit)?.into_iter();
        let changes = keys.map(|key| {
            let before = self.get(&key)?.ok_or_else(|| Error::Corrupt {
                at: key.to_string(),
                why: "its deadline is kept, and it is not there".to_owned(),
            })?;
            Ok(self.change(key, Some(&before), None, None))
        });
        let changes = changes.collect::<Result<_, Error>>()?;
        Ok(Commit { command: CommandId::sweep(), result: Json::Null, changes })
    }

    /// Applies a commit that is decided: its expectations held when it was made. Returns what it did.
    ///
    /// [`Error::Corrupt`]: an operation does not fit what stands here, so the log has a gap or is damaged; the operations
    /// before it were applied.
    pub fn apply_logged(&mut self, logged: &Logged) -> Result<Commit, Error> {
        let row = logged.entry.as_ref().map(|LoggedEntry { at, fingerprint, result }| {
            let (key, row) = ledger_row(&logged.command, *at, fingerprint, result);
            (key, LoggedOp::Put { version: COMMANDS.version, document: Arc::new(row) })
        });
        let mut changes = Vec::with_capacity(logged.ops.len() + 1);
        for (key, op) in logged.ops.iter().chain(&row) {
            let before = self.get(key)?;
            let after = op.over(key, before.as_ref(), &logged.command).ok_or_else(|| Error::Corrupt {
                at: key.to_string(),
                why: format!("the change of command `{}` does not fit what stands there", logged.command),
            })?;
            if before.is_some() || after.is_some() {
                let change = self.change(key.clone(), before.as_ref(), after, op.touched().as_ref());
                changes.push(change.clone());
                self.apply_change(change);
            }
        }
        let result = logged.entry.as_ref().map_or(Json::Null, |entry| entry.result.clone());
        Ok(Commit { command: logged.command.clone(), result, changes })
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
                    Some(owner) => owner.clone(),
                    None => index.owner(entry)?,
                };
                if owner.is_some_and(|owner| owner != id) {
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

/// The top-level fields that a difference can change.
pub(super) fn touched(difference: &Difference) -> FewOf<&str> {
    let paths = difference.unset.iter().chain(difference.set.iter().map(|(path, _)| path));
    let tops = paths.filter_map(|path| match path.0.first() {
        Some(Segment::Key(key)) => Some(key.as_str()),
        _ => None,
    });
    FewOf::of(tops)
}

/// A row of the ledger as the outcome it stands for.
pub(super) fn committed(row: &Document) -> Outcome {
    let fingerprint = row.get("fingerprint").and_then(Json::as_str).unwrap_or_default().to_owned();
    Outcome::Committed { fingerprint, result: row.get("result").cloned().unwrap_or_default() }
}

//! Planning: computes the effect of a batch without applying it. The cost depends on the batch, not on the size of the
//! tables. Prefetch collects the rows that planning will read, as far as they are known before reading, so that an
//! asynchronous store fetches them in one wave.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::schema::{Key, keys};
use runstate_value::time::Timestamp;
use runstate_value::{Difference, Document, Json, Segment, SortedSet};

use super::deferred::DeferredRead;
use super::index::prefix_end;
use super::overlay::ScanDirection;
use super::{CollectionTable, DocumentChange, Tables, index_paths, top_level_field};
use crate::batch::{ledger_row, next_revision};
use crate::{Batch, COMMANDS, Expectation, Outcome, StoreError, StoredDocument, Write, WriteOp};

/// The plan of a batch.
#[derive(Clone, Debug)]
pub enum BatchPlan {
    /// The command had been committed before, with this result.
    Replay(Json),
    /// The batch can be committed.
    PlannedCommit(PlannedCommit),
}

/// A planned commit that is not applied yet.
#[derive(Clone, Debug)]
pub struct PlannedCommit {
    /// The command.
    pub command: CommandId,
    /// The result of the command.
    pub result: Json,
    /// The changes by key, in the order of the writes. The ledger row is last.
    pub changes: Vec<DocumentChange>,
}

impl PlannedCommit {
    /// Returns the changes that the change feed reports: all except ledger rows.
    pub fn feed_changes(&self) -> impl Iterator<Item = &DocumentChange> {
        self.changes.iter().filter(|change| change.key.collection != COMMANDS.name)
    }
}

/// Planned commits that are not applied yet, each planned on the state after those before it. They become durable as
/// one group.
#[derive(Clone, Debug, Default)]
pub struct PendingCommits {
    commits: Vec<PlannedCommit>,
    states: BTreeMap<Key, Option<StoredDocument>>,
    owners: Owners,
}

/// The owners of entries in unique indexes, where they differ from the tables. None: the entry is free.
type Owners = BTreeMap<(Cow<'static, str>, usize, Vec<u8>), Option<Arc<str>>>;

impl PendingCommits {
    /// Adds a commit that was planned after all commits here.
    pub fn push(&mut self, commit: PlannedCommit) {
        for change in &commit.changes {
            self.states.insert(change.key.clone(), change.after.clone());
        }
        commit.changes.iter().for_each(|change| remove_owners(change, &mut self.owners));
        commit.changes.iter().for_each(|change| {
            for (slot, id) in new_owners(change) {
                self.owners.insert(slot, Some(id));
            }
        });
        self.commits.push(commit);
    }

    /// Returns whether there are no commits.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Returns the commits, in order.
    pub fn into_commits(self) -> Vec<PlannedCommit> {
        self.commits
    }
}

/// A commit in a log. It is already decided and valid.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedCommit {
    /// The command.
    pub command: CommandId,
    /// The ledger row; none if the commit belongs to no command, as a sweep does.
    pub entry: Option<LedgerEntry>,
    /// The operations, in order.
    pub ops: Vec<(Key, LoggedOp)>,
}

/// An operation in a log. Of a change only the difference is stored, because the result follows from the document
/// before it.
#[derive(Clone, Debug, PartialEq)]
pub enum LoggedOp {
    /// The whole document was written under this schema version.
    Put {
        /// The schema version (`_v`).
        version: u32,
        /// All fields.
        document: Arc<Document>,
    },
    /// Fields were set and unset.
    Change(Arc<Difference>),
    /// The document was deleted.
    Delete,
}

impl From<&WriteOp> for LoggedOp {
    fn from(op: &WriteOp) -> Self {
        match op {
            WriteOp::Put { version, document } => LoggedOp::Put { version: *version, document: document.clone() },
            WriteOp::Change { difference, .. } => LoggedOp::Change(difference.clone()),
            WriteOp::Delete => LoggedOp::Delete,
        }
    }
}

impl LoggedOp {
    /// Returns the document under `key` after the operation; the inner `None`: it does not exist. The outer `None`: the
    /// operation does not apply.
    pub fn apply_to(
        &self,
        key: &Key,
        before: Option<&StoredDocument>,
        command: &CommandId,
    ) -> Option<Option<StoredDocument>> {
        let revision = next_revision(key, before, command);
        Some(match self {
            LoggedOp::Put { version, document } => {
                Some(StoredDocument { revision, version: *version, document: document.clone() })
            }
            LoggedOp::Change(difference) => {
                let before = before?;
                let mut document = Document::clone(&before.document);
                if !difference.apply(&mut document) {
                    return None;
                }
                Some(StoredDocument { revision, version: before.version, document: Arc::new(document) })
            }
            LoggedOp::Delete => None,
        })
    }

    /// Returns the top-level fields that the operation can change; none: all fields.
    fn changed_fields(&self) -> Option<SortedSet<&str>> {
        if let LoggedOp::Change(difference) = self { Some(changed_fields(difference)) } else { None }
    }
}

/// The data of a ledger row besides the command id.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// The time at which the command was decided.
    pub at: Timestamp,
    /// Distinguishes a repeat of the command from a different command with the same id.
    pub fingerprint: String,
    /// The result of the command.
    pub result: Json,
}

impl Tables {
    /// Plans `batch` on the current state and changes nothing.
    ///
    /// The checks are made in this order: the ledger; the rules without reading ([`Batch::validate`]); expectations and
    /// checks; unique indexes against the state after the whole batch.
    pub fn plan(&self, batch: &Batch) -> Result<BatchPlan, StoreError> {
        self.plan_after(&PendingCommits::default(), batch)
    }

    /// Calls [`Batch::validate`] with the catalog and limits of these tables.
    pub fn validate(&self, batch: &Batch) -> Result<usize, StoreError> {
        batch.validate(&self.catalog, self.limits)
    }

    /// Plans `batch` as [`Tables::plan`] does, on the state after all `pending` commits.
    pub fn plan_after(&self, pending: &PendingCommits, batch: &Batch) -> Result<BatchPlan, StoreError> {
        self.plan_with_validation(pending, batch, || self.validate(batch).map(drop))
    }

    /// As [`Tables::plan_after`]; `check` returns the result of [`Tables::validate`] for the batch.
    pub fn plan_with_validation(
        &self,
        pending: &PendingCommits,
        batch: &Batch,
        check: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<BatchPlan, StoreError> {
        let current = |key: &Key| self.state_after(pending, key);

        let (key, row) = batch.ledger_row();
        if let Some(row) = current(&key)?
            && let Outcome::Committed { fingerprint, result } = outcome_of_row(&row.document)
        {
            return if fingerprint == batch.fingerprint {
                Ok(BatchPlan::Replay(result))
            } else {
                Err(StoreError::CommandIdReused { command: batch.command.clone() })
            };
        }
        check()?;

        let op = WriteOp::Put { version: COMMANDS.version, document: Arc::new(row) };
        let row = Write { key, expect: Expectation::Absent, op };
        let writes = || batch.writes.iter().chain([&row]);
        let mut states = Vec::with_capacity(batch.writes.len() + 1);
        for write in writes() {
            let before = current(&write.key)?;
            let after = write.apply_to(before.as_ref(), &batch.command)?;
            states.push((before, after));
        }
        for check in &batch.checks {
            check.verify(current(&check.key)?.as_ref())?;
        }

        let mut changes = Vec::with_capacity(states.len());
        for (write, (before, after)) in writes().zip(states) {
            if before.is_some() || after.is_some() {
                let touched = if let WriteOp::Change { difference, .. } = &write.op {
                    Some(changed_fields(difference))
                } else {
                    None
                };
                changes.push(self.change(write.key.clone(), before.as_ref(), after, touched.as_ref()));
            }
        }
        self.check_unique(&changes, &pending.owners)?;
        Ok(BatchPlan::PlannedCommit(PlannedCommit {
            command: batch.command.clone(),
            result: batch.result.clone(),
            changes,
        }))
    }

    /// Applies a decided commit as [`Tables::plan_logged`] plans it, and returns it. After an error nothing was
    /// applied.
    pub fn apply_logged(&mut self, logged: &LoggedCommit) -> Result<PlannedCommit, StoreError> {
        let commit = self.plan_logged(&mut PendingCommits::default(), logged)?;
        self.apply(commit.clone());
        Ok(commit)
    }

    /// Checks that the changes of `batch` give the documents that were decided.
    ///
    /// [`StoreError::Conflict`]: a document has other contents than the decision read.
    pub fn check_changes(&self, pending: &PendingCommits, batch: &Batch) -> Result<(), StoreError> {
        for Write { key, op, .. } in &batch.writes {
            if let WriteOp::Change { difference, after } = op
                && let Some(current) = self.state_after(pending, key)?
                && !difference.transforms(&current.document, after)
            {
                return Err(StoreError::Conflict { key: key.clone() });
            }
        }
        Ok(())
    }

    fn state_after(&self, pending: &PendingCommits, key: &Key) -> Result<Option<StoredDocument>, StoreError> {
        pending.states.get(key).map_or_else(|| self.get(key), |state| Ok(state.clone()))
    }

    /// Plans a sweep of `collection`: the deletion of up to `limit` documents that are expired at `now`. It has no
    /// ledger row.
    pub fn plan_sweep(&self, collection: &str, now: Timestamp, limit: usize) -> Result<PlannedCommit, StoreError> {
        let keys = self.sweep_candidates(collection, now, limit)?.into_iter();
        let changes = keys.map(|key| {
            let before = self.get(&key)?.ok_or_else(|| StoreError::Corrupt {
                at: key.to_string(),
                why: "the expiry index has its deadline, but the document does not exist".to_owned(),
            })?;
            Ok(self.change(key, Some(&before), None, None))
        });
        let changes = changes.collect::<Result<_, StoreError>>()?;
        Ok(PlannedCommit { command: CommandId::sweep(), result: Json::Null, changes })
    }

    /// Plans a decided commit, whose expectations held when it was made, on the state after all `pending` commits.
    ///
    /// [`StoreError::Corrupt`]: an operation does not apply to the document before it, so the log has a gap or is damaged.
    pub fn plan_logged(
        &self,
        pending: &mut PendingCommits,
        logged: &LoggedCommit,
    ) -> Result<PlannedCommit, StoreError> {
        let row = logged.entry.as_ref().map(|LedgerEntry { at, fingerprint, result }| {
            let (key, row) = ledger_row(&logged.command, *at, fingerprint, result);
            (key, LoggedOp::Put { version: COMMANDS.version, document: Arc::new(row) })
        });
        let mut changes = Vec::with_capacity(logged.ops.len() + 1);
        for (key, op) in logged.ops.iter().chain(&row) {
            let before = self.state_after(pending, key)?;
            let after = op.apply_to(key, before.as_ref(), &logged.command).ok_or_else(|| StoreError::Corrupt {
                at: key.to_string(),
                why: format!("the change of command `{}` does not apply to the stored document", logged.command),
            })?;
            if before.is_some() || after.is_some() {
                pending.states.insert(key.clone(), after.clone());
                changes.push(self.change(key.clone(), before.as_ref(), after, op.changed_fields().as_ref()));
            }
        }
        let result = logged.entry.as_ref().map_or(Json::Null, |entry| entry.result.clone());
        Ok(PlannedCommit { command: logged.command.clone(), result, changes })
    }

    /// Checks unique indexes. Entries that the batch removes are free for its other writes, so two documents may swap a
    /// unique value.
    fn check_unique(&self, changes: &[DocumentChange], pending: &Owners) -> Result<(), StoreError> {
        let mut owners = Owners::new();
        changes.iter().for_each(|change| remove_owners(change, &mut owners));
        for change in changes {
            let Some(table) = self.tables.get(&change.key.collection) else { continue };
            for (slot, id) in new_owners(change) {
                let (_, index, entry) = &slot;
                let Some(index) = table.indexes.get(*index) else { continue };
                let owner = match owners.get(&slot).or_else(|| pending.get(&slot)) {
                    Some(owner) => owner.clone(),
                    None => index.owner(entry)?,
                };
                if owner.is_some_and(|owner| owner != id) {
                    let index = index.declared.name();
                    return Err(StoreError::UniqueViolation { key: change.key.clone(), index });
                }
                owners.insert(slot, Some(id));
            }
        }
        Ok(())
    }

    /// Returns the base rows that [`Tables::plan`] will need: the ledger row, the written and checked documents, and
    /// the owners of the unique entries that the batch writes. Some owners may not be needed in the end.
    pub fn prefetch_reads(&self, batch: &Batch) -> Vec<DeferredRead> {
        let (row, _) = batch.ledger_row();
        let keys = batch.writes.iter().map(|write| &write.key).chain(batch.checks.iter().map(|check| &check.key));
        let mut reads: Vec<DeferredRead> =
            [&row].into_iter().chain(keys).filter_map(|key| self.document_read(key)).collect();
        for write in &batch.writes {
            let Some(after) = write.op.document_after() else { continue };
            let touched = if let WriteOp::Change { difference, .. } = &write.op {
                Some(changed_fields(difference))
            } else {
                None
            };
            if let Some(table) = self.tables.get(&write.key.collection) {
                reads.extend(table.unique_entry_reads(after, touched.as_ref()));
            }
        }
        reads
    }

    /// Returns the read of a document; none if its collection is unknown.
    pub fn document_read(&self, key: &Key) -> Option<DeferredRead> {
        let part = self.tables.get(&key.collection)?.documents.part()?;
        Some(DeferredRead::Document { part: part.number, id: key.id.clone() })
    }
}

type UniqueEntry = (Cow<'static, str>, usize, Vec<u8>);

fn remove_owners(change: &DocumentChange, owners: &mut Owners) {
    for entries in change.entries.iter().filter(|e| e.unique) {
        for entry in &entries.removed {
            owners.insert((change.key.collection.clone(), entries.index, entry.clone()), None);
        }
    }
}

fn new_owners(change: &DocumentChange) -> impl Iterator<Item = (UniqueEntry, Arc<str>)> {
    change.entries.iter().filter(|e| e.unique).flat_map(move |entries| {
        let slot = move |entry: &Vec<u8>| (change.key.collection.clone(), entries.index, entry.clone());
        entries.added.iter().map(move |entry| (slot(entry), change.key.id.clone()))
    })
}

/// Returns the top-level fields that a difference can change.
pub(super) fn changed_fields(difference: &Difference) -> SortedSet<&str> {
    let paths = difference.unset.iter().chain(difference.set.iter().map(|(path, _)| path));
    let tops = paths.filter_map(|path| match path.0.first() {
        Some(Segment::Key(key)) => Some(key.as_str()),
        _ => None,
    });
    SortedSet::of(tops)
}

/// Returns the outcome that a ledger row records.
pub(super) fn outcome_of_row(row: &Document) -> Outcome {
    let fingerprint = row.get("fingerprint").and_then(Json::as_str).unwrap_or_default().to_owned();
    Outcome::Committed { fingerprint, result: row.get("result").cloned().unwrap_or_default() }
}

impl CollectionTable {
    fn unique_entry_reads(&self, document: &Document, touched: Option<&SortedSet<&str>>) -> Vec<DeferredRead> {
        let Some(declared) = self.declared else { return Vec::new() };
        let affected = self.indexes.iter().filter(|index| index.declared.unique).filter(|index| {
            // The same filter selects the entries of a change.
            touched.is_none_or(|touched| index_paths(index).any(|path| touched.contains_key(top_level_field(path))))
        });
        let entries = affected.filter_map(|index| Some((index.keys.part()?, index))).flat_map(|(part, index)| {
            let entries = keys::entries(declared, index.declared, document).into_iter();
            entries.map(move |entry| (part.number, entry))
        });
        entries
            .map(|(part, entry)| DeferredRead::Rows {
                part,
                to: prefix_end(&entry),
                from: entry,
                direction: ScanDirection::Forward,
            })
            .collect()
    }
}

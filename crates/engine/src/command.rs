//! From a decision to one commit: the writes that make its changes, the commit, and the update of the cache. A decision
//! that is too large for one batch goes through `staging/`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use runstate_core::decision::{AnyCommand, CachedValue, Change, Ctx, Decision, LoadedDocument, Rejection, View};
use runstate_core::id::{CommandId, Revision, hex, sha256};
use runstate_core::limits::LEDGER_RESULT_BYTES;
use runstate_core::operation::{AuditedCommand, ChangedDocument};
use runstate_core::schema::{Collection, Key};
use runstate_store as store;
use runstate_store::{Batch, Check, Expectation, Write, WriteOp};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json, Segment, canonical_json, json_bytes, structured_difference};

use super::staging::marker;
use super::{CommandOutcome, Engine, Error, Origin, staging};

/// One attempt to decide and commit a command.
pub(super) struct CommandAttempt<'a> {
    pub(super) id: &'a CommandId,
    pub(super) fingerprint: &'a str,
    /// `now` of its context.
    pub(super) now: Timestamp,
    /// The number of attempts before this one.
    pub(super) attempt: u32,
    pub(super) origin: Origin,
}

impl CommandAttempt<'_> {
    /// Whether an earlier attempt may have staged rows: one of this process, or of a process that crashed.
    fn may_have_staged_before(&self) -> bool {
        self.attempt > 0 || self.origin != Origin::Engine
    }
}

pub(super) struct DecisionWrites {
    /// Writes that must be in one commit.
    pub(super) atomic: Vec<Write>,
    /// Rows that may be written before that commit.
    pub(super) staged: Vec<Write>,
    /// Rows that may be removed after that commit.
    pub(super) retired: Vec<Key>,
    /// The documents as they are after the commit.
    documents_after: Vec<(Key, Option<LoadedDocument>)>,
}

pub(super) enum CommitOutcome {
    /// The batch was committed now, with this result.
    Committed(Json),
    /// The command had been committed before, with this result.
    Replayed(Json),
}

impl Engine {
    pub(super) async fn commit(
        &self,
        command: &mut dyn AnyCommand,
        decision: Decision<()>,
        view: &View,
        attempt: &CommandAttempt<'_>,
    ) -> Result<CommandOutcome, store::StoreError> {
        let id = attempt.id;
        let result = command.result().map_err(|why| invalid_result(id, &why))?;
        let bytes = json_bytes(&result);
        if bytes > LEDGER_RESULT_BYTES {
            let what = format!("the result of command `{id}` ({}), which the command ledger keeps,", command.name());
            return Err(store::StoreError::TooLarge {
                what,
                size: format!("{bytes} bytes"),
                limit: LEDGER_RESULT_BYTES,
            });
        }
        let checks = decision.checks.into_iter().map(|(key, revision)| Check { key, revision }).collect();
        let DecisionWrites { atomic, staged, retired, documents_after } = self.writes(decision.changes, id);
        let fingerprint = attempt.fingerprint.to_owned();
        let (command_id, at, frees_space) = (id.clone(), attempt.now, command.frees_space());
        let batch = Batch { command: command_id, fingerprint, at, result, writes: atomic, checks, frees_space };
        let outcome = self.commit_batch(batch, staged, retired, attempt).await;
        match outcome.map_err(|error| with_command_id(id, error))? {
            CommitOutcome::Committed(result) => {
                self.update_cache(documents_after, decision.cached, view);
                Ok(CommandOutcome { hints: decision.hints, result: Some(result), ..CommandOutcome::default() })
            }
            CommitOutcome::Replayed(result) => {
                command.replay_result(result).map_err(|why| invalid_result(id, &why))?;
                Ok(CommandOutcome::without_commit(true))
            }
        }
    }

    /// Whether a collection is a time series.
    pub(super) fn is_detached(&self, collection: &str) -> bool {
        self.catalog().get(collection).is_some_and(|collection| collection.detached.is_some())
    }

    /// Adds the changes of triggers, those of triggers on these in turn, and the row of the audit log. A later part of
    /// some work has none, nor have rows of a time series: they are committed without other documents.
    pub(super) fn run_triggers(
        &self,
        command: &dyn AnyCommand,
        mut decision: Decision<()>,
        view: &View,
        ctx: &Ctx,
    ) -> Result<Decision<()>, Rejection> {
        let mut index = 0;
        while let Some(change) = decision.changes.get(index) {
            let collection = change.key().collection.clone();
            for trigger in self.registry().triggers(&collection) {
                if let Some(change) = decision.changes.get(index)
                    && (trigger.concerns)(change.key())
                    && let (key, Some(document)) = (change.key().clone(), change.document().cloned())
                {
                    let before = change.before().cloned();
                    let before = before.as_ref().map(|before| &*before.document);
                    (trigger.run)(ChangedDocument { key: &key, before, after: &document, view, ctx }, &mut decision)?;
                }
            }
            index += 1;
        }
        if let Some(audit) = self.registry().audit(command.name())
            && let Some(target) =
                command.subject().or_else(|| decision.changes.first().map(|change| change.key().clone()))
            && !decision.changes.is_empty()
            && !decision.continues
            && !decision.changes.iter().any(|change| self.is_detached(&change.key().collection))
        {
            let item = decision.item.as_ref();
            decision.changes.push(audit(AuditedCommand { name: command.name(), target: &target, item, ctx })?);
        }
        Ok(decision)
    }

    /// Commits `batch` with the rows that may be staged, in one batch if they fit.
    async fn commit_batch(
        &self,
        batch: Batch,
        staged: Vec<Write>,
        retired: Vec<Key>,
        attempt: &CommandAttempt<'_>,
    ) -> Result<CommitOutcome, store::StoreError> {
        if staged.is_empty() && retired.is_empty() {
            return self.send(batch).await;
        }
        if !staging::fits(self, &batch, &staged, &retired) {
            return staging::commit_staged(self, batch, staged, retired, attempt).await;
        }
        // An earlier attempt at this command may have been too large for one batch. Its staged rows have the same keys
        // as these, so inserting would fail. If they are gone, its staging records would still name rows that are in
        // use from this commit on.
        if !staged.is_empty()
            && attempt.may_have_staged_before()
            && marker::find_marker(self, attempt.id).await?.is_some()
            && let Some(outcome) = staging::clear_earlier_attempts(self, attempt).await?
        {
            return Ok(outcome);
        }
        let mut batch = batch;
        batch.writes.extend(staged);
        batch.writes.extend(retired.into_iter().map(delete));
        self.send(batch).await
    }

    pub(super) async fn send(&self, batch: Batch) -> Result<CommitOutcome, store::StoreError> {
        let receipt = self.shared.store.commit(batch).await?;
        let outcome = if receipt.replayed { CommitOutcome::Replayed } else { CommitOutcome::Committed };
        Ok(outcome(receipt.result))
    }

    fn writes(&self, changes: Vec<Change>, id: &CommandId) -> DecisionWrites {
        let (mut documents_after, mut staged, mut retired) = (Vec::new(), Vec::new(), Vec::new());
        let mut atomic = Vec::with_capacity(changes.len());
        for change in changes {
            atomic.push(match change {
                Change::Insert { key, document } => {
                    let document = Arc::new(document);
                    let revision = Revision::first(id, &key.collection, &key.id);
                    documents_after.push((key.clone(), Some(LoadedDocument { revision, document: document.clone() })));
                    self.insert(key, document)
                }
                // Rows of insert-only collections are many and rarely read again, so they are not cached.
                Change::Append { key, document } => self.insert(key, Arc::new(document)),
                Change::Update { key, before, after: new } => {
                    let (write, loaded) =
                        update(self.catalog().get(&key.collection), key.clone(), &before, Arc::new(new));
                    documents_after.push((key, Some(loaded)));
                    write
                }
                Change::Delete { key, revision } => {
                    documents_after.push((key.clone(), None));
                    Write { key, expect: revision.map_or(Expectation::Any, Expectation::Revision), op: WriteOp::Delete }
                }
                Change::Stage { key, document } => {
                    staged.push(self.insert(key, Arc::new(document)));
                    continue;
                }
                Change::Retire { key } => {
                    documents_after.push((key.clone(), None));
                    retired.push(key);
                    continue;
                }
            });
        }
        DecisionWrites { atomic, staged, retired, documents_after }
    }

    /// The write that inserts a document under an unused key.
    pub(super) fn insert(&self, key: Key, document: Arc<Document>) -> Write {
        let version = self.catalog().get(&key.collection).map_or(1, |c| c.version);
        Write { key, expect: Expectation::Absent, op: WriteOp::Put { version, document } }
    }

    fn update_cache(
        &self,
        documents: Vec<(Key, Option<LoadedDocument>)>,
        cached: Vec<(Key, CachedValue)>,
        view: &View,
    ) {
        let mut cached: HashMap<Key, _> = cached.into_iter().collect();
        for (key, loaded) in documents {
            let cached = cached.remove(&key);
            match loaded {
                Some(loaded) => self.shared.cache.put(key, loaded, cached, self.now()),
                None => self.shared.cache.forget([key]),
            }
        }
        // Decoded forms of documents that were only read: programs.
        for (key, value) in cached {
            if let Some(read) = view.get(&key) {
                self.shared.cache.put(key, read.clone(), Some(value), self.now());
            }
        }
    }
}

/// The write that replaces the fields of a document, and the document after it.
pub(super) fn update(
    collection: Option<&Collection>,
    key: Key,
    before: &LoadedDocument,
    document: Arc<Document>,
) -> (Write, LoadedDocument) {
    let difference = structured_difference(&before.document, &document, &|path| is_structure(collection, path));
    let op = WriteOp::Change { difference: Arc::new(difference), after: document.clone() };
    let write = Write { key, expect: Expectation::Revision(before.revision.clone()), op };
    (write, LoadedDocument { revision: before.revision.next(), document })
}

/// Whether the order of the keys of the object at this path has no meaning.
fn is_structure(collection: Option<&Collection>, path: &[Segment]) -> bool {
    let names = path.iter().map(|segment| match segment {
        Segment::Key(name) => name.as_str(),
        // Objects in lists are not declared.
        Segment::Index(_) => "",
    });
    collection.is_some_and(|collection| collection.is_structure(names))
}

/// The write that removes the document under `key`, if there is one, at any revision.
pub(super) fn delete(key: Key) -> Write {
    Write { key, expect: Expectation::Any, op: WriteOp::Delete }
}

/// Names the command in an unknown outcome: the caller may repeat the command, not a batch that was staged for it.
fn with_command_id(id: &CommandId, error: store::StoreError) -> store::StoreError {
    match error {
        store::StoreError::UnknownOutcome { why, .. } => store::StoreError::UnknownOutcome { command: id.clone(), why },
        error => error,
    }
}

fn invalid_result(id: &CommandId, why: &str) -> store::StoreError {
    let key = Key { collection: store::COMMANDS.name.into(), id: id.as_str().into() };
    store::StoreError::Invalid { key, reason: format!("cannot record the result in the command ledger: {why}") }
}

/// Adds the cost of a command to its decision ([`Command::cost`](runstate_core::decision::Command::cost)).
pub(super) fn charge(
    command: &dyn AnyCommand,
    mut decision: Decision<()>,
    view: &View,
    ctx: &mut Ctx,
) -> Result<Decision<()>, Rejection> {
    if let Some(cost) = command.cost(view)
        && !decision.changes.is_empty()
    {
        let after = view.clone().after(&decision.changes, ctx);
        let charged = (view.budgets()?.charge)(&after, ctx, &cost)?;
        decision.follow(charged)?;
    }
    Ok(decision)
}

/// Whether a commit of this decision fails if the documents in its view are stale, as far as it depends on them. A
/// decision without changes is not committed, and the absence of a document is checked only if the decision writes it.
pub(super) fn is_checked_by_commit(decision: &Decision<()>, view: &View) -> bool {
    let checked: HashSet<&Key> = decision.changes.iter().filter_map(Change::checked_key).collect();
    !decision.needs_newest && !decision.changes.is_empty() && view.absent_keys().all(|key| checked.contains(key))
}

/// Whether a fact on which the decision depends has changed, so that the command must be decided again.
pub(super) fn is_conflict(error: &store::StoreError) -> bool {
    matches!(error, store::StoreError::Conflict { .. } | store::StoreError::UniqueViolation { .. })
}

/// The fingerprint of a command. It distinguishes a repeat from a different command under the same id.
pub(super) fn fingerprint(command: &dyn AnyCommand) -> Result<String, Error> {
    let json = command
        .to_json()
        .map_err(|why| Error::internal(format!("cannot serialize command {}: {why}", command.name())))?;
    Ok(hex(&sha256(&[command.name().as_bytes(), canonical_json(&json).as_bytes()])[..16]))
}

//! Commits: one transaction for a batch. All statements are sent at once, and `COMMIT` after their replies: two round trips. A batch that
//! overwrites documents at any revision first locks them, which is a third one, and so is a `BEGIN` through a pooler.
//!
//! The ledger row is inserted first. A repeat of the command waits there for the transaction that inserted it, so the outcome of a commit without
//! an answer is decided by sending the batch again. Checks lock rows (`FOR SHARE`), updates name the revision, and rows are locked in the order of
//! their keys. At `READ COMMITTED` a statement that waited for a lock reads the new revision, and changes no row: a conflict.

use std::collections::BTreeMap;
use std::time::Duration;

use runstate_core::schema::Key;
use runstate_store::next_revision;
use runstate_store::{Batch, COMMANDS, Expectation, Outcome, Receipt, StoreError};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Error as DriverError;

use super::changes::CommitTransaction;
use super::codec;
use super::commit_steps::{LockedRow, StatementOrder, any_key, commit_steps, statements_that_lock_first, write_texts};
use super::connection::{FailedStatement, PooledConnection, StatementReply};
use super::epoch::EPOCH_ID;
use super::error_mapping::{FailureKind, classify, is_canceled, violated_constraint, violated_index};
use super::fingerprint::FINGERPRINT;
use super::retry::{MAX_RECONNECT_BACKOFF, back_off};
use super::statement::SqlStatement;
use super::{DeclaredLayouts, Postgres, changes, read};

/// How often a transaction is tried again that the server sacrificed for another.
const MAX_CONTENTIONS: u32 = 3;
/// Statements in one round trip. Their replies wait in the sockets until all are sent.
const PIPELINE: usize = 200;

/// Why an attempt did not commit.
enum CommitRefusal {
    /// An error to return.
    Store(StoreError),
    /// The command is in the ledger.
    Recorded,
    /// A unique index refused a write. It may be an intermediate state.
    UniqueViolation(StoreError),
    /// Another transaction was preferred.
    Contended(Key),
    /// The declarations changed meanwhile.
    Outdated,
    /// The connection was lost.
    Disconnected(StoreError),
    DeadlineExceeded,
}

impl From<StoreError> for CommitRefusal {
    fn from(error: StoreError) -> Self {
        CommitRefusal::Store(error)
    }
}

/// Commits a batch.
pub(super) async fn do_commit(store: &Postgres, batch: &Batch) -> Result<Receipt, StoreError> {
    let deadline = Instant::now() + store.call_timeout();
    let order = StatementOrder::ByKey;
    let mut attempts =
        CommitAttempts { store, batch, deadline, in_doubt: false, first_sent: None, awaits_ledger: false, order };
    let is_valid = || batch.validate(&store.declarations().catalog, super::CAPABILITIES.limits());
    match store.check_writable().and_then(|()| is_valid()) {
        Ok(_) => attempts.run().await,
        Err(error) => attempts.replay_or(error).await,
    }
}

/// The attempts to commit one batch.
struct CommitAttempts<'a> {
    store: &'a Postgres,
    batch: &'a Batch,
    deadline: Instant,
    /// An attempt may have been committed, or another transaction with this command.
    in_doubt: bool,
    /// The first one of the transactions of this call that may have been committed.
    first_sent: Option<CommitTransaction>,
    /// The ledger row was sent, and its reply has not arrived: another transaction with this command may have it.
    awaits_ledger: bool,
    order: StatementOrder,
}

impl CommitAttempts<'_> {
    async fn run(&mut self) -> Result<Receipt, StoreError> {
        let (mut contentions, mut failures, mut outdated) = (0, 0, 0);
        let mut last_error = None;
        loop {
            self.awaits_ledger = false;
            let refusal = match timeout_at(self.deadline, self.attempt()).await {
                Ok(Ok(receipt)) => return Ok(receipt),
                Ok(Err(refusal)) => refusal,
                Err(_) => CommitRefusal::DeadlineExceeded,
            };
            self.in_doubt |= self.awaits_ledger;
            match refusal {
                CommitRefusal::Recorded => match self.replay().await? {
                    Some(receipt) => return Ok(receipt),
                    // The row expired just now.
                    None => back_off(3, MAX_RECONNECT_BACKOFF).await,
                },
                CommitRefusal::Store(error) => return Err(self.error_or_unknown(error)),
                CommitRefusal::UniqueViolation(error) => {
                    if self.order == StatementOrder::DeletionsFirst || !self.may_depend_on_order(&error) {
                        return Err(error);
                    }
                    self.order = StatementOrder::DeletionsFirst;
                }
                CommitRefusal::Contended(key) if contentions >= MAX_CONTENTIONS => {
                    return Err(match self.in_doubt {
                        // The other transaction may be an earlier attempt of this command.
                        true => self.unknown_outcome("another transaction writes the same documents".to_owned()),
                        false => StoreError::Conflict { key },
                    });
                }
                CommitRefusal::Contended(_) => {
                    contentions += 1;
                    back_off(contentions, Duration::from_millis(20)).await;
                }
                CommitRefusal::Outdated if outdated < 3 => {
                    outdated += 1;
                    if let Err(error) = self.store.refresh_declarations().await {
                        return self.replay_or(StoreError::ReadOnly { why: error.to_string() }).await;
                    }
                }
                CommitRefusal::Outdated => {
                    let why = "the tables were altered during the commit; open the store again".to_owned();
                    return Err(self.error_or_unknown(StoreError::Unavailable { what: self.describe(), why }));
                }
                CommitRefusal::Disconnected(error) => {
                    self.store.pool.discard_idle();
                    failures += 1;
                    last_error = Some(error);
                    if timeout_at(self.deadline, back_off(failures + 2, MAX_RECONNECT_BACKOFF)).await.is_err() {
                        return Err(self.deadline_error(last_error));
                    }
                }
                CommitRefusal::DeadlineExceeded => return Err(self.deadline_error(last_error)),
            }
        }
    }

    /// Runs one transaction.
    async fn attempt(&mut self) -> Result<Receipt, CommitRefusal> {
        let declarations = self.store.declarations();
        let acquired = self.store.pool.acquire().await;
        let mut connection = acquired.map_err(|error| self.refusal_of(&error, None))?;
        match self.write(&mut connection, &declarations).await {
            Ok(transaction) => {
                self.send_commit(connection, &transaction).await?;
                self.store.announce_change();
                let position = changes::position_at(self.store, &transaction);
                Ok(Receipt { position, result: self.batch.result.clone(), replayed: false })
            }
            Err(refusal) => {
                // A connection with outdated statements is closed, too.
                let is_usable = !matches!(refusal, CommitRefusal::Disconnected(_) | CommitRefusal::Outdated);
                if is_usable && connection.run_script("ROLLBACK").await.is_ok() {
                    connection.release();
                }
                Err(refusal)
            }
        }
    }

    /// Writes everything in a transaction.
    async fn write(
        &mut self,
        connection: &mut PooledConnection,
        declarations: &DeclaredLayouts,
    ) -> Result<CommitTransaction, CommitRefusal> {
        let begun = connection.begin().await;
        let mut statements = begun.map_err(|failed| self.opening_refusal(&failed))?;
        statements.push(Postgres::writer_lock_statement());
        statements.push(self.ledger_statement(declarations)?);
        let ledger = statements.len() - 1;
        let locks = statements_that_lock_first(self.batch, self.order, declarations);
        let mut locked = BTreeMap::new();
        self.awaits_ledger = true;
        let mut transaction = None;
        if !locks.is_empty() {
            statements.extend(locks);
            let (replies, failed) = split_replies(connection.run_all(&statements).await);
            transaction = Some(self.check_opening(&replies, ledger, declarations, failed.as_ref())?);
            if let Some(failed) = failed {
                return Err(self.refusal_of(&failed.error, None));
            }
            for row in replies[ledger + 1..].iter().flat_map(|reply| &reply.rows) {
                let (collection, id): (String, String) = (row.get(0), row.get(1));
                let version = u32::try_from(row.get::<_, i32>(3)).unwrap_or_default();
                locked.insert((collection, id), LockedRow { revision: row.get(2), version });
            }
            statements.clear();
        }
        let leading = statements.len();
        let steps = commit_steps(self.batch, self.order, declarations, &locked)?;
        let (keys, steps): (Vec<Key>, Vec<SqlStatement>) =
            steps.into_iter().map(|step| (step.key, step.statement)).unzip();
        statements.extend(steps);
        for (number, chunk) in statements.chunks(PIPELINE).enumerate() {
            let key_at = |at: usize| (number * PIPELINE + at).checked_sub(leading).and_then(|at| keys.get(at));
            let (replies, failed) = split_replies(connection.run_all(chunk).await);
            if transaction.is_none() {
                transaction = Some(self.check_opening(&replies, ledger, declarations, failed.as_ref())?);
            }
            let unchanged = replies.iter().enumerate().filter(|(_, reply)| reply.count == 0);
            if let Some(key) = unchanged.filter_map(|(at, _)| key_at(at)).next() {
                return Err(StoreError::Conflict { key: key.clone() }.into());
            }
            if let Some(failed) = failed {
                return Err(self.refusal_of(&failed.error, key_at(failed.position).map(|key| (key, declarations))));
            }
        }
        let missing =
            || StoreError::Unavailable { what: self.describe(), why: "the server sent no transaction id".to_owned() };
        Ok(transaction.ok_or_else(missing)?)
    }

    async fn send_commit(
        &mut self,
        mut connection: PooledConnection,
        transaction: &CommitTransaction,
    ) -> Result<(), CommitRefusal> {
        let before = (self.in_doubt, self.first_sent.clone());
        self.in_doubt = true;
        if before.1.as_ref().is_none_or(|first| transaction.id < first.id) {
            self.first_sent = Some(transaction.clone());
        }
        match connection.run(&SqlStatement::commit()).await {
            Ok(_) => {
                connection.release();
                Ok(())
            }
            Err(error) => {
                let refusal = self.refusal_of(&error, None);
                if !matches!(refusal, CommitRefusal::Disconnected(_)) {
                    // The server answered, and rolled back.
                    (self.in_doubt, self.first_sent) = before;
                }
                Err(refusal)
            }
        }
    }

    /// The statement that inserts the ledger row, and returns the fingerprint of the schema, the id of the transaction and the epoch.
    fn ledger_statement(&self, declarations: &DeclaredLayouts) -> Result<SqlStatement, StoreError> {
        let (key, row) = self.batch.ledger_row();
        let layout = declarations.layouts.get(COMMANDS.name);
        let layout = layout
            .ok_or_else(|| StoreError::Invalid { key: key.clone(), reason: "no catalog was declared".to_owned() })?;
        let revision = next_revision(&key, None, &self.batch.command);
        let insert = &write_texts(layout).insert;
        let text = format!("{insert} RETURNING ({FINGERPRINT}), pg_current_xact_id()::text::bigint, ({EPOCH_ID})");
        Ok(SqlStatement::new(text, codec::encode(layout, &key, &revision, COMMANDS.version, &row)))
    }

    /// Checks the replies to the first statements, of which that of the ledger is the last.
    fn check_opening(
        &mut self,
        replies: &[StatementReply],
        ledger: usize,
        declarations: &DeclaredLayouts,
        failed: Option<&FailedStatement>,
    ) -> Result<CommitTransaction, CommitRefusal> {
        if let (None, Some(failed)) = (replies.get(ledger), failed) {
            self.awaits_ledger = failed.sent && may_wait_for_another(failed, ledger);
            return Err(self.opening_refusal(failed));
        }
        self.awaits_ledger = false;
        let reply = replies.get(ledger);
        let row = reply.and_then(|reply| reply.rows.first()).ok_or(CommitRefusal::Recorded)?;
        if !declarations.are_current(reply) {
            return Err(CommitRefusal::Outdated);
        }
        let failed = |error| self.refusal_of(&error, None);
        Ok(CommitTransaction { id: row.try_get(1).map_err(failed)?, epoch: row.try_get(2).map_err(failed)? })
    }

    /// Why a statement up to that of the ledger failed. A server that is promoted at this moment, as any standby, refuses to begin (`0A000`).
    fn opening_refusal(&self, failed: &FailedStatement) -> CommitRefusal {
        match self.refusal_of(&failed.error, None) {
            CommitRefusal::Outdated if failed.begins => {
                CommitRefusal::Disconnected(self.store.map_error(&failed.error, &self.describe()))
            }
            other => other,
        }
    }

    /// Why an error ends the attempt. `key` is the document whose statement failed.
    fn refusal_of(&self, error: &DriverError, key: Option<(&Key, &DeclaredLayouts)>) -> CommitRefusal {
        let mapped = || self.store.map_error(error, &self.describe());
        match classify(error) {
            FailureKind::Disconnected => CommitRefusal::Disconnected(mapped()),
            FailureKind::Contended => {
                CommitRefusal::Contended(key.map_or_else(|| any_key(self.batch), |(key, _)| key.clone()))
            }
            FailureKind::Outdated => CommitRefusal::Outdated,
            FailureKind::UniqueViolation => match (key, violated_index(error)) {
                (Some((key, declarations)), Some(name)) => match declarations.index_name(&key.collection, name) {
                    Some(index) => {
                        CommitRefusal::UniqueViolation(StoreError::UniqueViolation { key: key.clone(), index })
                    }
                    // The primary key: another transaction inserted the document.
                    None => CommitRefusal::Store(StoreError::Conflict { key: key.clone() }),
                },
                _ => CommitRefusal::Contended(any_key(self.batch)),
            },
            FailureKind::Refused if let (Some((key, _)), Some(reason)) = (key, violated_constraint(error)) => {
                CommitRefusal::Store(StoreError::Invalid { key: key.clone(), reason })
            }
            FailureKind::Refused => CommitRefusal::Store(match mapped() {
                StoreError::TooLarge { what, size, limit } => match key {
                    Some((key, _)) => StoreError::TooLarge { what: format!("an indexed value of {key}"), size, limit },
                    None => StoreError::TooLarge { what, size, limit },
                },
                other => other,
            }),
        }
    }

    /// The receipt of the commit that the ledger records. None: the ledger does not have the command any more.
    async fn replay(&mut self) -> Result<Option<Receipt>, StoreError> {
        self.in_doubt = true;
        let outcome = self.within_deadline(read::confirm_outcome(self.store, &self.batch.command)).await;
        match outcome.map_err(|error| self.error_or_unknown(error))? {
            Outcome::Absent => Ok(None),
            Outcome::Committed { fingerprint, result } if fingerprint == self.batch.fingerprint => {
                let (position, replayed) = match &self.first_sent {
                    // One of the attempts of this call.
                    Some(first) => (changes::position_at(self.store, first), false),
                    None => {
                        let position = self.within_deadline(changes::current_position(self.store)).await;
                        (position.map_err(|error| self.error_or_unknown(error))?, true)
                    }
                };
                Ok(Some(Receipt { position, result, replayed }))
            }
            Outcome::Committed { .. } => Err(StoreError::CommandIdReused { command: self.batch.command.clone() }),
        }
    }

    /// The receipt of the commit that the ledger records, or the error of a batch that cannot be committed: a repeat of a command returns its
    /// first result, whatever its batch and the store are now.
    async fn replay_or(&mut self, error: StoreError) -> Result<Receipt, StoreError> {
        let recorded = read::is_recorded(self.store, &self.batch.command).await;
        let receipt = match recorded.map_err(|error| self.error_or_unknown(error))? {
            true => self.replay().await?,
            false => None,
        };
        receipt.ok_or_else(|| self.error_or_unknown(error))
    }

    /// Whether the index may have refused an intermediate state: the batch also overwrites or deletes other documents of that collection.
    fn may_depend_on_order(&self, error: &StoreError) -> bool {
        let StoreError::UniqueViolation { key, .. } = error else { return false };
        let others =
            self.batch.writes.iter().filter(|write| write.key != *key && write.key.collection == key.collection);
        others.into_iter().any(|write| write.expect != Expectation::Absent)
    }

    async fn within_deadline<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let done = timeout_at(self.deadline, work).await;
        done.unwrap_or_else(|_| Err(self.store.timeout_error(&self.describe())))
    }

    fn deadline_error(&self, last_error: Option<StoreError>) -> StoreError {
        let error = last_error.unwrap_or_else(|| self.store.timeout_error(&self.describe()));
        if self.in_doubt { self.unknown_outcome(error.to_string()) } else { error }
    }

    /// The error to return. While the commit is in doubt it is [`StoreError::UnknownOutcome`], unless the error itself is conclusive: a
    /// transaction that had inserted the ledger row shows that the command was not committed before.
    fn error_or_unknown(&self, error: StoreError) -> StoreError {
        let is_conclusive = matches!(
            error,
            StoreError::Conflict { .. } | StoreError::UniqueViolation { .. } | StoreError::CommandIdReused { .. }
        );
        if self.in_doubt && !is_conclusive { self.unknown_outcome(error.to_string()) } else { error }
    }

    fn unknown_outcome(&self, why: String) -> StoreError {
        StoreError::UnknownOutcome { command: self.batch.command.clone(), why }
    }

    fn describe(&self) -> String {
        format!("committing command `{}`", self.batch.command)
    }
}

/// Whether a statement up to that of the ledger may have failed while it waited for another transaction with the command. The server answers a
/// statement that follows a failed one at once.
fn may_wait_for_another(failed: &FailedStatement, ledger: usize) -> bool {
    match classify(&failed.error) {
        _ if failed.error.code().is_none() => true,
        FailureKind::Disconnected | FailureKind::Contended => failed.position == ledger,
        _ => failed.position == ledger && is_canceled(&failed.error),
    }
}

/// The replies before the first failure, and that failure.
fn split_replies(
    result: Result<Vec<StatementReply>, FailedStatement>,
) -> (Vec<StatementReply>, Option<FailedStatement>) {
    match result {
        Ok(replies) => (replies, None),
        Err(mut failed) => (std::mem::take(&mut failed.replies), Some(failed)),
    }
}

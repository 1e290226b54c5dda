//! Commits: one transaction for a batch. All statements are sent at once, and `COMMIT` after their replies: two round
//! trips. A batch that overwrites documents at any revision first locks them, which is a third one, and so is a `BEGIN`
//! through a pooler.
//!
//! The ledger row is inserted first. A repeat of the command waits there for the transaction that inserted it, so the
//! outcome of a commit without an answer is decided by sending the batch again. Checks lock rows (`FOR SHARE`), updates
//! name the revision, and rows are locked in the order of their keys. At `READ COMMITTED` a statement that waited for a
//! lock reads the new revision, and changes no row: a conflict.

use std::collections::BTreeMap;

use runstate_core::schema::Key;
use runstate_store::next_revision;
use runstate_store::{Batch, COMMANDS, Outcome, Receipt, StoreError};
use runstate_store_server::{CommitRefusal, Progress, ServerCommit, any_key, commit, describe, replay_or};
use tokio_postgres::Error as DriverError;

use super::changes::CommitTransaction;
use super::codec;
use super::commit_steps::{LockedRow, check_ids, commit_steps, statements_that_lock_first, write_texts};
use super::connection::{FailedStatement, PooledConnection, StatementReply};
use super::epoch::EPOCH_ID;
use super::error_mapping::{FailureKind, classify, is_canceled, violated_constraint, violated_index};
use super::fingerprint::FINGERPRINT;
use super::statement::SqlStatement;
use super::{DeclaredLayouts, Postgres, changes, read};

/// How often a transaction is tried again that the server sacrificed for another.
const MAX_CONTENTIONS: u32 = 3;
/// Statements in one round trip. Their replies wait in the sockets until all are sent.
const PIPELINE: usize = 200;

pub(super) async fn do_commit(store: &Postgres, batch: &Batch) -> Result<Receipt, StoreError> {
    let mut server = PostgresCommit { store, batch, first_sent: None };
    let is_valid = || batch.validate(&store.declarations().catalog, super::CAPABILITIES.limits());
    match store.check_writable().and_then(|()| is_valid()) {
        Ok(_) => commit(&mut server, batch, store.call_timeout()).await,
        Err(error) => replay_or(&mut server, batch, store.call_timeout(), error).await,
    }
}

/// The commit of one batch.
struct PostgresCommit<'a> {
    store: &'a Postgres,
    batch: &'a Batch,
    /// The first one of the transactions of this call that may have been committed.
    first_sent: Option<CommitTransaction>,
}

impl ServerCommit for PostgresCommit<'_> {
    const LEDGER_FIRST: bool = true;

    async fn attempt(&mut self, progress: &mut Progress) -> Result<Receipt, CommitRefusal> {
        let declarations = self.store.declarations();
        let acquired = self.store.pool.acquire().await;
        let mut connection = acquired.map_err(|error| self.refusal_of(&error, None))?;
        match self.write(progress, &mut connection, &declarations).await {
            Ok(transaction) => {
                self.send_commit(progress, connection, &transaction).await?;
                self.store.announce_change();
                let position = changes::position_at(self.store, &transaction);
                Ok(Receipt { position, result: self.batch.result.clone(), replayed: false })
            }
            Err(refusal) => {
                // A connection with outdated statements is closed, too.
                let is_usable = !matches!(refusal, CommitRefusal::Transient(_) | CommitRefusal::Outdated);
                if is_usable && connection.run_script("ROLLBACK").await.is_ok() {
                    connection.release();
                }
                Err(refusal)
            }
        }
    }

    async fn replay(&mut self, progress: &mut Progress) -> Result<Option<Receipt>, StoreError> {
        let command = &self.batch.command;
        // A user who may only read does not confirm the absence of a command.
        if !progress.in_doubt && !read::is_recorded(self.store, command).await? {
            return Ok(None);
        }
        progress.in_doubt = true;
        match read::confirm_outcome(self.store, command).await? {
            Outcome::Absent => Ok(None),
            Outcome::Committed { fingerprint, result } if fingerprint == self.batch.fingerprint => {
                let (position, replayed) = match &self.first_sent {
                    // One of the attempts of this call.
                    Some(first) => (changes::position_at(self.store, first), false),
                    None => (changes::current_position(self.store).await?, true),
                };
                Ok(Some(Receipt { position, result, replayed }))
            }
            Outcome::Committed { .. } => Err(StoreError::CommandIdReused { command: command.clone() }),
        }
    }

    async fn refresh_declarations(&self) -> Result<(), StoreError> {
        self.store.refresh_declarations().await
    }

    fn timeout_error(&self, doing: &str) -> StoreError {
        self.store.timeout_error(doing)
    }
}

impl PostgresCommit<'_> {
    /// Writes everything in a transaction.
    async fn write(
        &self,
        progress: &mut Progress,
        connection: &mut PooledConnection,
        declarations: &DeclaredLayouts,
    ) -> Result<CommitTransaction, CommitRefusal> {
        check_ids(self.batch, declarations)?;
        let begun = connection.begin().await;
        let mut statements = begun.map_err(|failed| self.opening_refusal(&failed))?;
        statements.push(Postgres::writer_lock_statement());
        statements.push(self.ledger_statement(declarations)?);
        let ledger = statements.len() - 1;
        let locks = statements_that_lock_first(self.batch, progress.order, declarations);
        let mut locked = BTreeMap::new();
        // Until the ledger row is inserted, another transaction with this command may have it.
        let was_in_doubt = std::mem::replace(&mut progress.in_doubt, true);
        let mut check = |replies: &[StatementReply], failed: Option<&FailedStatement>| {
            let opened = self.check_opening(replies, ledger, declarations, failed);
            let awaits = failed
                .is_some_and(|failed| replies.len() <= ledger && failed.sent && may_wait_for_another(failed, ledger));
            progress.in_doubt = was_in_doubt || awaits || matches!(opened, Err(CommitRefusal::Recorded));
            opened
        };
        let mut transaction = None;
        if !locks.is_empty() {
            statements.extend(locks);
            let (replies, failed) = split_replies(connection.run_all(&statements).await);
            transaction = Some(check(&replies, failed.as_ref())?);
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
        let steps = commit_steps(self.batch, progress.order, declarations, &locked)?;
        let (keys, steps): (Vec<Key>, Vec<SqlStatement>) =
            steps.into_iter().map(|step| (step.key, step.statement)).unzip();
        statements.extend(steps);
        for (number, chunk) in statements.chunks(PIPELINE).enumerate() {
            let key_at = |at: usize| (number * PIPELINE + at).checked_sub(leading).and_then(|at| keys.get(at));
            let (replies, failed) = split_replies(connection.run_all(chunk).await);
            if transaction.is_none() {
                transaction = Some(check(&replies, failed.as_ref())?);
            }
            let is_retyped = |key: &Key, reply: &StatementReply| {
                let layout = declarations.layouts.get(key.collection.as_ref());
                let row = reply.rows.first();
                layout.zip(row).is_some_and(|(layout, row)| layout.is_retyped(row.columns()))
            };
            let mut written = replies.iter().enumerate().filter_map(|(at, reply)| Some((key_at(at)?, reply)));
            if written.any(|(key, reply)| is_retyped(key, reply)) {
                return Err(CommitRefusal::Outdated);
            }
            let unchanged = replies.iter().enumerate().filter(|(_, reply)| reply.count == 0);
            if let Some(key) = unchanged.filter_map(|(at, _)| key_at(at)).next() {
                return Err(StoreError::Conflict { key: key.clone() }.into());
            }
            if let Some(failed) = failed {
                return Err(self.refusal_of(&failed.error, key_at(failed.position).map(|key| (key, declarations))));
            }
        }
        let missing = || StoreError::Unavailable {
            what: describe(self.batch),
            why: "the server sent no transaction id".to_owned(),
        };
        Ok(transaction.ok_or_else(missing)?)
    }

    async fn send_commit(
        &mut self,
        progress: &mut Progress,
        mut connection: PooledConnection,
        transaction: &CommitTransaction,
    ) -> Result<(), CommitRefusal> {
        let before = (progress.in_doubt, self.first_sent.clone());
        progress.in_doubt = true;
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
                if !matches!(refusal, CommitRefusal::Transient(_)) {
                    // The server answered, and rolled back.
                    (progress.in_doubt, self.first_sent) = before;
                }
                Err(refusal)
            }
        }
    }

    /// The statement that inserts the ledger row, and returns the fingerprint of the schema, the id of the transaction
    /// and the epoch.
    fn ledger_statement(&self, declarations: &DeclaredLayouts) -> Result<SqlStatement, StoreError> {
        let (key, row) = self.batch.ledger_row();
        let layout = declarations.layouts.get(COMMANDS.name);
        let layout = layout
            .ok_or_else(|| StoreError::Invalid { key: key.clone(), reason: "no catalog was declared".to_owned() })?;
        let revision = next_revision(&key, None, &self.batch.command);
        let insert = &write_texts(layout).insert;
        let returned = format!(" RETURNING ({FINGERPRINT}), pg_current_xact_id()::text::bigint, ({EPOCH_ID}), ");
        let text = insert.replacen(" RETURNING ", &returned, 1);
        Ok(SqlStatement::new(text, codec::encode(layout, &key, &revision, COMMANDS.version, &row)))
    }

    /// Checks the replies to the first statements, of which that of the ledger is the last.
    fn check_opening(
        &self,
        replies: &[StatementReply],
        ledger: usize,
        declarations: &DeclaredLayouts,
        failed: Option<&FailedStatement>,
    ) -> Result<CommitTransaction, CommitRefusal> {
        if let (None, Some(failed)) = (replies.get(ledger), failed) {
            return Err(self.opening_refusal(failed));
        }
        let reply = replies.get(ledger);
        let row = reply.and_then(|reply| reply.rows.first()).ok_or(CommitRefusal::Recorded)?;
        let layout = declarations.layouts.get(COMMANDS.name);
        if !declarations.are_current(reply) || layout.is_some_and(|layout| layout.is_retyped(&row.columns()[3..])) {
            return Err(CommitRefusal::Outdated);
        }
        let failed = |error| self.refusal_of(&error, None);
        Ok(CommitTransaction { id: row.try_get(1).map_err(failed)?, epoch: row.try_get(2).map_err(failed)? })
    }

    /// Why a statement up to that of the ledger failed. A server that is promoted at this moment, as any standby,
    /// refuses to begin (`0A000`).
    fn opening_refusal(&self, failed: &FailedStatement) -> CommitRefusal {
        match self.refusal_of(&failed.error, None) {
            CommitRefusal::Outdated if failed.begins => {
                self.store.pool.discard_idle();
                CommitRefusal::Transient(self.store.map_error(&failed.error, &describe(self.batch)))
            }
            other => other,
        }
    }

    /// Why an error ends the attempt. `key` is the document whose statement failed.
    fn refusal_of(&self, error: &DriverError, key: Option<(&Key, &DeclaredLayouts)>) -> CommitRefusal {
        let mapped = || self.store.map_error(error, &describe(self.batch));
        // Without a key it is the statement of the ledger row.
        let collection = key.map_or(COMMANDS.name, |(key, _)| key.collection.as_ref());
        let declared = || {
            let (key, declarations) = key?;
            let index = declarations.index_name(&key.collection, violated_index(error)?)?;
            Some(StoreError::UniqueViolation { key: key.clone(), index })
        };
        let contended = |key| CommitRefusal::Contended { key, retries: MAX_CONTENTIONS };
        match classify(error) {
            FailureKind::Disconnected => {
                self.store.pool.discard_idle();
                CommitRefusal::Transient(mapped())
            }
            FailureKind::Contended => contended(key.map_or_else(|| any_key(self.batch), |(key, _)| key.clone())),
            FailureKind::Outdated => CommitRefusal::Outdated,
            FailureKind::UniqueViolation if let Some(violated) = declared() => CommitRefusal::UniqueViolation(violated),
            // The primary key: another transaction inserted the document.
            FailureKind::UniqueViolation if violated_index(error).is_none_or(|name| name.ends_with("_pkey")) => {
                match key {
                    Some((key, _)) => CommitRefusal::Store(StoreError::Conflict { key: key.clone() }),
                    None => contended(any_key(self.batch)),
                }
            }
            FailureKind::UniqueViolation | FailureKind::Refused
                if let Some(reason) = violated_constraint(error, collection) =>
            {
                let key = key.map_or_else(|| any_key(self.batch), |(key, _)| key.clone());
                CommitRefusal::Store(StoreError::Invalid { key, reason })
            }
            FailureKind::UniqueViolation | FailureKind::Refused => CommitRefusal::Store(match mapped() {
                StoreError::TooLarge { what, size, limit } => match key {
                    Some((key, _)) => StoreError::TooLarge { what: format!("an indexed value of {key}"), size, limit },
                    None => StoreError::TooLarge { what, size, limit },
                },
                other => other,
            }),
        }
    }
}

/// Whether a statement up to that of the ledger may have failed while it waited for another transaction with the
/// command. The server answers a statement that follows a failed one at once.
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

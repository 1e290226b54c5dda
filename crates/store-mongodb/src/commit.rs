//! Commits. Each commit is one transaction, which is retried if the server aborts it. A row in the command ledger makes
//! it idempotent. If `commitTransaction` has no answer, it is sent again, and then the ledger decides whether the
//! command was committed (docs/decisions/0012).

use std::collections::BTreeMap;

use mongodb::bson::RawDocumentBuf;
use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::error::Error as DriverError;
use runstate_store::{Batch, COMMANDS, Receipt, StoreError};
use runstate_store::{is_row, next_revision};
use runstate_store_server::{
    CommitRefusal, MAX_BACKOFF, Progress, ServerCommit, WriteOrder, any_key, back_off, commit, describe, replay_or,
};

use super::error_mapping::{self, CommitAnswer, Refusal};
use super::retry::{AttemptError, map_attempt_error};
use super::transaction::MongoTransaction;
use super::write_command::{CurrentRevisions, WriteCommand, check_commands, keys_to_read, write_commands};
use super::{CAPABILITIES, Declarations, Mongo, sweep};
use crate::{changes, meta, read, time_series, transaction};

/// How often a transaction is retried after a write conflict that may leave the documents unchanged: the other
/// transaction only checks them, or is an earlier attempt of this command.
const MAX_CONTENTIONS: u32 = 16;
/// The same if the other transaction most likely changes the documents that the decision rests on.
const MAX_UPDATE_CONTENTIONS: u32 = 2;
/// The same for an insert: until the other transaction ends, neither the document nor its unique entries exist. About
/// one second in all.
const MAX_INSERT_CONTENTIONS: u32 = 64;
/// How often `commitTransaction` is sent again after an error that does not say whether the transaction was committed.
const MAX_COMMIT_RESENDS: u32 = 4;
/// The commit of one batch.
struct MongoCommit<'a> {
    store: &'a Mongo,
    batch: &'a Batch,
    declarations: &'a Declarations,
}

pub(super) async fn do_commit(mongo: &Mongo, batch: &Batch) -> Result<Receipt, StoreError> {
    let declarations = meta::declarations_for_writing(mongo).await?;
    if let Err(error) = batch.validate(&declarations.catalog, CAPABILITIES.limits()) {
        let mut server = MongoCommit { store: mongo, batch, declarations: &declarations };
        return replay_or(&mut server, batch, mongo.call_timeout, error).await;
    }
    // A valid batch with a row of a time series has nothing else.
    if batch.writes.iter().any(|write| is_row(&declarations.catalog, write)) {
        return time_series::commit_rows(mongo, batch, &declarations).await;
    }
    commit_in_transaction(mongo, batch, &declarations).await
}

/// Commits a valid batch in one transaction.
pub(super) async fn commit_in_transaction(
    mongo: &Mongo,
    batch: &Batch,
    declarations: &Declarations,
) -> Result<Receipt, StoreError> {
    commit(&mut MongoCommit { store: mongo, batch, declarations }, batch, mongo.call_timeout).await
}

/// The receipt of the command's first commit. `None` if it was not committed.
pub(super) async fn replay(mongo: &Mongo, batch: &Batch, replayed: bool) -> Result<Option<Receipt>, StoreError> {
    let Some(row) = read::read_ledger_row(mongo, &batch.command).await? else { return Ok(None) };
    if row.fingerprint != batch.fingerprint {
        return Err(StoreError::CommandIdReused { command: batch.command.clone() });
    }
    Ok(Some(Receipt { position: row.position, result: row.result, replayed }))
}

impl ServerCommit for MongoCommit<'_> {
    const LEDGER_FIRST: bool = false;

    async fn attempt(&mut self, progress: &mut Progress) -> Result<Receipt, CommitRefusal> {
        let begun = transaction::begin(self.store, progress.deadline).await;
        let mut transaction = begun.map_err(|error| self.refusal_of(&error))?;
        // At the deadline the transaction is dropped, which aborts it.
        if let Err(refusal) = self.write(&mut transaction, progress.order).await {
            transaction.abort().await;
            return Err(refusal);
        }
        self.send_commit(&mut transaction, progress).await?;
        Ok(Receipt {
            position: changes::position_at(self.store, transaction.start_time()),
            result: self.batch.result.clone(),
            replayed: false,
        })
    }

    async fn replay(&mut self, progress: &mut Progress) -> Result<Option<Receipt>, StoreError> {
        replay(self.store, self.batch, !progress.in_doubt).await
    }

    fn timeout_error(&self, doing: &str) -> StoreError {
        self.store.timeout_error(doing)
    }
}

impl MongoCommit<'_> {
    /// Writes everything in the transaction: checks in collections that the batch does not write, the ledger row, and
    /// the batch. Those checks come first, since they most likely fail.
    async fn write(&self, transaction: &mut MongoTransaction, order: WriteOrder) -> Result<(), CommitRefusal> {
        for command in check_commands(self.batch) {
            let checked = self.run_command(transaction, &command, MAX_CONTENTIONS).await;
            checked.map_err(|failure| match failure {
                CommitRefusal::Store(error @ StoreError::Conflict { .. }) => CommitRefusal::Unrecorded(error),
                failure => failure,
            })?;
        }
        self.write_ledger(transaction).await?;
        let revisions = self.read_current_revisions(transaction, order).await?;
        for command in write_commands(self.batch, self.declarations, &revisions, order)? {
            let limit = if command.is_insert() { MAX_INSERT_CONTENTIONS } else { MAX_UPDATE_CONTENTIONS };
            self.run_command(transaction, &command, limit).await?;
        }
        Ok(())
    }

    async fn write_ledger(&self, transaction: &mut MongoTransaction) -> Result<(), CommitRefusal> {
        let (key, row) = self.batch.ledger_row();
        let codec = self.declarations.collections.get(COMMANDS.name);
        let codec = codec
            .ok_or_else(|| StoreError::Invalid { key: key.clone(), reason: "no catalog was declared".to_owned() })?;
        let revision = next_revision(&key, None, &self.batch.command);
        let mut row = codec.encode_document(&key, &revision, COMMANDS.version, &row)?;
        let row_time = self.store.server_time.estimate_or(self.batch.at);
        row.append(cstr!("_kept"), row_time);
        let mut rows = RawArrayBuf::new();
        rows.push(row);
        let mut insert = RawDocumentBuf::new();
        insert.append(cstr!("insert"), self.store.layout.namespace(COMMANDS.name).collection);
        insert.append(cstr!("documents"), rows);
        let refusal = match transaction.run(&self.store.database(COMMANDS.name), insert).await {
            Ok(reply) => error_mapping::reply_refusal(&reply),
            Err(error) if error_mapping::error_code(&error) == Some(error_mapping::WRITE_CONFLICT) => {
                Some(Refusal::Contended)
            }
            Err(error) => Some(error_mapping::error_refusal(&error).ok_or_else(|| self.refusal_of(&error))?),
        };
        match refusal {
            None => match transaction.start_time() {
                Some(now) if !sweep::is_current(row_time, now) => {
                    self.store.server_time.set(now);
                    Err(CommitRefusal::Recorded)
                }
                _ => Ok(()),
            },
            Some(Refusal::Contended) => Err(CommitRefusal::SameCommandRunning),
            Some(Refusal::Other(code, why)) => Err(error_mapping::code_to_store_error(
                Some(code),
                why,
                self.store.describe_operation(&describe(self.batch)),
            )
            .into()),
            Some(_) => Err(CommitRefusal::Recorded),
        }
    }

    /// Reads the revisions that must be known before writing.
    async fn read_current_revisions(
        &self,
        transaction: &mut MongoTransaction,
        order: WriteOrder,
    ) -> Result<CurrentRevisions, CommitRefusal> {
        let mut ids_by_collection: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for key in keys_to_read(self.batch, order) {
            ids_by_collection.entry(&key.collection).or_default().push(&key.id);
        }
        let mut revisions = CurrentRevisions::new();
        for (collection, ids) in ids_by_collection {
            read::find_revisions(self.store, transaction, self.declarations, collection, &ids, &mut revisions)
                .await
                .map_err(|failure| match failure {
                    AttemptError::Driver(error) => self.refusal_of(&error),
                    failure => map_attempt_error(self.store, failure, &describe(self.batch)).into(),
                })?;
        }
        Ok(revisions)
    }

    /// Runs one command of the transaction. `contentions` is the retry limit after a write conflict.
    async fn run_command(
        &self,
        transaction: &mut MongoTransaction,
        command: &WriteCommand<'_>,
        contentions: u32,
    ) -> Result<(), CommitRefusal> {
        let namespace = self.store.layout.namespace(command.collection);
        let database = self.store.client.database(&namespace.database);
        let refusal = match transaction.run(&database, command.body(&namespace.collection)).await {
            Ok(reply) => command.check_reply(&reply).err(),
            Err(error) if error_mapping::error_code(&error) == Some(error_mapping::WRITE_CONFLICT) => {
                Some(Refusal::Contended)
            }
            Err(error) => Some(error_mapping::error_refusal(&error).ok_or_else(|| self.refusal_of(&error))?),
        };
        let Some(refusal) = refusal else { return Ok(()) };
        let key = |statement| command.key(statement).cloned().unwrap_or_else(|| any_key(self.batch));
        Err(match refusal {
            Refusal::NoMatch => CommitRefusal::Store(StoreError::Conflict { key: key(0) }),
            Refusal::Present { statement } => CommitRefusal::Store(StoreError::Conflict { key: key(statement) }),
            Refusal::UniqueViolation { statement, index } => {
                CommitRefusal::UniqueViolation(StoreError::UniqueViolation { key: key(statement), index })
            }
            Refusal::Contended => CommitRefusal::Contended { key: any_key(self.batch), retries: contentions },
            Refusal::Other(error_mapping::PARALLEL_LISTS, reason) => StoreError::Invalid { key: key(0), reason }.into(),
            Refusal::Other(code, why) => {
                let what = self.store.describe_operation(&format!("writing {} for {}", key(0), describe(self.batch)));
                error_mapping::code_to_store_error(Some(code), why, what).into()
            }
        })
    }

    /// Sends `commitTransaction` until it is answered.
    async fn send_commit(
        &self,
        transaction: &mut MongoTransaction,
        progress: &mut Progress,
    ) -> Result<(), CommitRefusal> {
        let mut failures = 0;
        loop {
            // From here on, an attempt that is given up may have been committed.
            let was_in_doubt = std::mem::replace(&mut progress.in_doubt, true);
            let error = match transaction.commit().await {
                Ok(confirmed) => {
                    confirmed.into_iter().for_each(|time| self.store.confirmed_time.advance(time));
                    return Ok(());
                }
                Err(error) => error,
            };
            let answer = error_mapping::classify_commit_error(&error);
            if answer == CommitAnswer::Aborted {
                progress.in_doubt = was_in_doubt || failures > 0;
                return Err(self.refusal_of(&error));
            }
            progress.last_error = Some(self.store.map_error(&error, &describe(self.batch)));
            if answer == CommitAnswer::Ambiguous && failures >= MAX_COMMIT_RESENDS {
                return Err(CommitRefusal::Recorded);
            }
            failures += 1;
            back_off(failures + 2, MAX_BACKOFF).await;
        }
    }

    /// Why an error of the driver ends the attempt.
    fn refusal_of(&self, error: &DriverError) -> CommitRefusal {
        if error_mapping::error_code(error) == Some(error_mapping::WRITE_CONFLICT) {
            return CommitRefusal::Contended { key: any_key(self.batch), retries: MAX_CONTENTIONS };
        }
        let mapped = self.store.map_error(error, &describe(self.batch));
        if error_mapping::is_transient(error) { CommitRefusal::Transient(mapped) } else { mapped.into() }
    }
}

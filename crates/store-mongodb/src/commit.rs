//! Commits. Each commit is one transaction, which is retried if the server aborts it. A row in the command ledger makes it idempotent. If
//! `commitTransaction` has no answer, it is sent again, and then the ledger decides whether the command was committed (docs/decisions/0012).

use std::collections::BTreeMap;
use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::error::Error as DriverError;
use runstate_core::schema::Key;
use runstate_store::{Batch, COMMANDS, Receipt, StoreError, WriteOp};
use runstate_store::{is_row, next_revision};
use tokio::time::{Instant, timeout_at};

use super::error_mapping::{self, CommitAnswer, Refusal};
use super::retry::{self, MAX_FAILOVER_BACKOFF, back_off};
use super::transaction::MongoTransaction;
use super::write_command::{CurrentRevisions, WriteCommand, WriteOrder, check_commands, keys_to_read, write_commands};
use super::{CAPABILITIES, Declarations, Mongo, sweep};
use crate::{changes, meta, read, time_series, transaction};

/// How often a transaction is retried after a write conflict that may leave the documents unchanged: the other transaction only checks them, or
/// is an earlier attempt of this command.
const MAX_CONTENTIONS: u32 = 16;
/// The same if the other transaction most likely changes the documents that the decision rests on.
const MAX_UPDATE_CONTENTIONS: u32 = 2;
/// The same for an insert: until the other transaction ends, neither the document nor its unique entries exist. About one second in all.
const MAX_INSERT_CONTENTIONS: u32 = 64;
/// How often `commitTransaction` is sent again after an error that does not say whether the transaction was committed.
const MAX_COMMIT_RESENDS: u32 = 4;
/// The longest backoff after a write conflict.
const MAX_CONTENTION_BACKOFF: Duration = Duration::from_millis(30);

/// Why an attempt did not commit.
enum CommitFailure {
    /// The batch cannot be committed.
    Store(StoreError),
    /// A unique index refused a write, possibly only because other writes of the batch were not applied yet.
    UniqueViolation(StoreError),
    /// A checked document is missing or has another revision. The ledger was not consulted, so this may be a repeat of a committed command.
    CheckFailed(StoreError),
    /// The ledger has the command, or may have it.
    MaybeCommitted,
    /// The server aborted the transaction, or a request failed.
    Driver(DriverError),
    /// A write conflict with another transaction, and the retry limit for it.
    Contended(u32),
    /// Another transaction writes the same ledger row. It belongs to this command and may be committed.
    SameCommandRunning,
    /// The deadline has passed.
    DeadlineExceeded,
}

impl From<StoreError> for CommitFailure {
    fn from(error: StoreError) -> Self {
        CommitFailure::Store(error)
    }
}

impl From<DriverError> for CommitFailure {
    fn from(error: DriverError) -> Self {
        if error_mapping::error_code(&error) == Some(error_mapping::WRITE_CONFLICT) {
            CommitFailure::Contended(MAX_CONTENTIONS)
        } else {
            CommitFailure::Driver(error)
        }
    }
}

impl From<retry::AttemptError> for CommitFailure {
    fn from(failure: retry::AttemptError) -> Self {
        match failure {
            retry::AttemptError::Store(error) | retry::AttemptError::Transient(error) => CommitFailure::Store(error),
            retry::AttemptError::Driver(error) => error.into(),
        }
    }
}

/// One commit, over all its attempts.
struct Commit<'a> {
    store: &'a Mongo,
    batch: &'a Batch,
    declarations: &'a Declarations,
    deadline: Instant,
    order: WriteOrder,
    /// A `commitTransaction` was sent and not answered: the transaction may have been committed.
    in_doubt: bool,
    /// The last attempt conflicted with another transaction of the same command.
    same_command_running: bool,
    /// The last error of a request.
    last_error: Option<DriverError>,
}

pub(super) async fn do_commit(mongo: &Mongo, batch: &Batch) -> Result<Receipt, StoreError> {
    let declarations = meta::declarations_for_writing(mongo).await?;
    if let Err(error) = batch.validate(&declarations.catalog, CAPABILITIES.limits()) {
        // A repeat returns the first result, even if its batch is not valid.
        let receipt = replay(mongo, batch, true).await?;
        return receipt.ok_or(error);
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
    let mut commit = Commit {
        store: mongo,
        batch,
        declarations,
        deadline: Instant::now() + mongo.call_timeout,
        order: WriteOrder::InPlace,
        in_doubt: false,
        same_command_running: false,
        last_error: None,
    };
    commit.run().await
}

/// The receipt of the command's first commit. `None` if it was not committed.
pub(super) async fn replay(mongo: &Mongo, batch: &Batch, replayed: bool) -> Result<Option<Receipt>, StoreError> {
    let Some(row) = read::read_ledger_row(mongo, &batch.command).await? else { return Ok(None) };
    if row.fingerprint != batch.fingerprint {
        return Err(StoreError::CommandIdReused { command: batch.command.clone() });
    }
    Ok(Some(Receipt { position: row.position, result: row.result, replayed }))
}

impl Commit<'_> {
    async fn run(&mut self) -> Result<Receipt, StoreError> {
        let (mut contentions, mut failures) = (0, 0);
        loop {
            match self.attempt().await {
                Ok(receipt) => return Ok(receipt),
                Err(CommitFailure::MaybeCommitted) => match self.replay_before_deadline().await? {
                    Some(receipt) => return Ok(receipt),
                    // The ledger row expired just now, or the commit is in doubt and did not happen so far.
                    None => {
                        failures += 1;
                        back_off(failures, MAX_FAILOVER_BACKOFF).await;
                    }
                },
                Err(CommitFailure::UniqueViolation(error))
                    if self.order == WriteOrder::DeleteFirst || !self.may_depend_on_write_order(&error) =>
                {
                    return Err(self.error_or_unknown(error));
                }
                Err(CommitFailure::UniqueViolation(_)) => self.order = WriteOrder::DeleteFirst,
                Err(CommitFailure::Store(error)) => return Err(self.error_or_unknown(error)),
                Err(CommitFailure::CheckFailed(error)) => return self.resolve_failed_check(error).await,
                Err(CommitFailure::Contended(limit)) if contentions >= limit => return self.resolve_contention().await,
                Err(CommitFailure::Contended(_)) => {
                    contentions += 1;
                    back_off(contentions, MAX_CONTENTION_BACKOFF).await;
                }
                Err(CommitFailure::SameCommandRunning) => {
                    failures += 1;
                    self.same_command_running = true;
                    back_off(failures, MAX_FAILOVER_BACKOFF).await;
                }
                Err(CommitFailure::Driver(error)) if error_mapping::is_transient(&error) => {
                    failures += 1;
                    self.last_error = Some(error);
                    back_off(failures + 2, MAX_FAILOVER_BACKOFF).await;
                }
                Err(CommitFailure::Driver(error)) => {
                    return Err(self.error_or_unknown(self.store.map_error(&error, &self.describe())));
                }
                Err(CommitFailure::DeadlineExceeded) => return Err(self.deadline_error()),
            }
        }
    }

    /// Runs one transaction from begin to commit.
    async fn attempt(&mut self) -> Result<Receipt, CommitFailure> {
        if Instant::now() >= self.deadline {
            return Err(CommitFailure::DeadlineExceeded);
        }
        self.same_command_running = false;
        let deadline = self.deadline;
        let mut transaction = timeout_at(deadline, transaction::begin(self.store, deadline))
            .await
            .map_err(|_| CommitFailure::DeadlineExceeded)??;
        // At the deadline the transaction is dropped, which aborts it.
        let written =
            timeout_at(deadline, self.write(&mut transaction)).await.map_err(|_| CommitFailure::DeadlineExceeded)?;
        if let Err(failure) = written {
            if timeout_at(deadline, transaction.abort()).await.is_err() {
                return Err(CommitFailure::DeadlineExceeded);
            }
            return Err(failure);
        }
        self.send_commit(&mut transaction).await?;
        Ok(Receipt {
            position: changes::position_at(self.store, transaction.start_time()),
            result: self.batch.result.clone(),
            replayed: false,
        })
    }

    /// Writes everything in the transaction: checks in collections that the batch does not write, the ledger row, and the batch. Those checks
    /// come first, since they most likely fail.
    async fn write(&self, transaction: &mut MongoTransaction) -> Result<(), CommitFailure> {
        for command in check_commands(self.batch) {
            let checked = self.run_command(transaction, &command, MAX_CONTENTIONS).await;
            checked.map_err(|failure| match failure {
                CommitFailure::Store(error @ StoreError::Conflict { .. }) => CommitFailure::CheckFailed(error),
                failure => failure,
            })?;
        }
        self.write_ledger(transaction).await?;
        let revisions = self.read_current_revisions(transaction).await?;
        for command in write_commands(self.batch, self.declarations, &revisions, self.order)? {
            let limit = if command.is_insert() { MAX_INSERT_CONTENTIONS } else { MAX_UPDATE_CONTENTIONS };
            self.run_command(transaction, &command, limit).await?;
        }
        Ok(())
    }

    async fn write_ledger(&self, transaction: &mut MongoTransaction) -> Result<(), CommitFailure> {
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
            Err(error) => Some(error_mapping::error_refusal(&error).ok_or(error)?),
        };
        match refusal {
            None => match transaction.start_time() {
                Some(now) if !sweep::is_current(row_time, now) => {
                    self.store.server_time.set(now);
                    Err(CommitFailure::MaybeCommitted)
                }
                _ => Ok(()),
            },
            Some(Refusal::Contended) => Err(CommitFailure::SameCommandRunning),
            Some(Refusal::Other(code, why)) => Err(error_mapping::code_to_store_error(
                Some(code),
                why,
                self.store.describe_operation(&self.describe()),
            )
            .into()),
            Some(_) => Err(CommitFailure::MaybeCommitted),
        }
    }

    /// Reads the revisions that must be known before writing.
    async fn read_current_revisions(
        &self,
        transaction: &mut MongoTransaction,
    ) -> Result<CurrentRevisions, CommitFailure> {
        let mut ids_by_collection: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for key in keys_to_read(self.batch, self.order) {
            ids_by_collection.entry(&key.collection).or_default().push(&key.id);
        }
        let mut revisions = CurrentRevisions::new();
        for (collection, ids) in ids_by_collection {
            read::find_revisions(self.store, transaction, self.declarations, collection, &ids, &mut revisions).await?;
        }
        Ok(revisions)
    }

    /// Runs one command of the transaction. `contentions` is the retry limit after a write conflict.
    async fn run_command(
        &self,
        transaction: &mut MongoTransaction,
        command: &WriteCommand<'_>,
        contentions: u32,
    ) -> Result<(), CommitFailure> {
        let namespace = self.store.layout.namespace(command.collection);
        let database = self.store.client.database(&namespace.database);
        let refusal = match transaction.run(&database, command.body(&namespace.collection)).await {
            Ok(reply) => command.check_reply(&reply).err(),
            Err(error) if error_mapping::error_code(&error) == Some(error_mapping::WRITE_CONFLICT) => {
                Some(Refusal::Contended)
            }
            Err(error) => Some(error_mapping::error_refusal(&error).ok_or(error)?),
        };
        let Some(refusal) = refusal else { return Ok(()) };
        let key = |statement| command.key(statement).cloned().unwrap_or_else(|| self.any_key());
        Err(match refusal {
            Refusal::NoMatch => CommitFailure::Store(StoreError::Conflict { key: key(0) }),
            Refusal::Present { statement } => CommitFailure::Store(StoreError::Conflict { key: key(statement) }),
            Refusal::UniqueViolation { statement, index } => {
                CommitFailure::UniqueViolation(StoreError::UniqueViolation { key: key(statement), index })
            }
            Refusal::Contended => CommitFailure::Contended(contentions),
            Refusal::Other(error_mapping::PARALLEL_LISTS, reason) => StoreError::Invalid { key: key(0), reason }.into(),
            Refusal::Other(code, why) => {
                let what = self.store.describe_operation(&format!("writing {} for {}", key(0), self.describe()));
                error_mapping::code_to_store_error(Some(code), why, what).into()
            }
        })
    }

    /// Sends `commitTransaction` until it is answered.
    async fn send_commit(&mut self, transaction: &mut MongoTransaction) -> Result<(), CommitFailure> {
        let mut failures = 0;
        loop {
            // From here on, an attempt that is given up may have been committed.
            let was_in_doubt = std::mem::replace(&mut self.in_doubt, true);
            match timeout_at(self.deadline, transaction.commit()).await {
                Err(_) => return Err(CommitFailure::DeadlineExceeded),
                Ok(Ok(confirmed)) => {
                    confirmed.into_iter().for_each(|time| self.store.confirmed_time.advance(time));
                    return Ok(());
                }
                Ok(Err(error)) => match error_mapping::classify_commit_error(&error) {
                    CommitAnswer::Ambiguous if failures >= MAX_COMMIT_RESENDS => {
                        self.last_error = Some(error);
                        return Err(CommitFailure::MaybeCommitted);
                    }
                    CommitAnswer::Unanswered | CommitAnswer::Ambiguous => {
                        failures += 1;
                        self.last_error = Some(error);
                        let waited = timeout_at(self.deadline, back_off(failures + 2, MAX_FAILOVER_BACKOFF)).await;
                        waited.map_err(|_| CommitFailure::DeadlineExceeded)?;
                    }
                    CommitAnswer::Aborted => {
                        self.in_doubt = was_in_doubt || failures > 0;
                        return Err(error.into());
                    }
                },
            }
        }
    }

    async fn replay_before_deadline(&self) -> Result<Option<Receipt>, StoreError> {
        let receipt = timeout_at(self.deadline, replay(self.store, self.batch, !self.in_doubt)).await;
        receipt.unwrap_or_else(|_| Err(self.deadline_error())).map_err(|error| self.error_or_unknown(error))
    }

    /// Resolves a failed check: returns the receipt if the command was committed before, otherwise the error.
    async fn resolve_failed_check(&self, error: StoreError) -> Result<Receipt, StoreError> {
        let receipt = self.replay_before_deadline().await?;
        receipt.ok_or_else(|| if self.in_doubt { self.unknown_outcome(error.to_string()) } else { error })
    }

    /// Resolves a write conflict at the retry limit: returns the receipt if the command was committed before.
    async fn resolve_contention(&self) -> Result<Receipt, StoreError> {
        let receipt = self.replay_before_deadline().await?;
        receipt.ok_or_else(|| match self.in_doubt {
            // The other transaction may be an earlier attempt of this command whose outcome is not known.
            true => self.unknown_outcome("another transaction writes the same documents and has not ended".to_owned()),
            false => StoreError::Conflict { key: self.any_key() },
        })
    }

    /// The error to return. While the commit is in doubt it is [`StoreError::UnknownOutcome`], unless the error itself is conclusive.
    fn error_or_unknown(&self, error: StoreError) -> StoreError {
        let conclusive = matches!(error, StoreError::UnknownOutcome { .. } | StoreError::CommandIdReused { .. });
        // The error comes from a transaction that had written the ledger row, so the command was not committed before.
        let decided = matches!(error, StoreError::Conflict { .. } | StoreError::UniqueViolation { .. });
        if self.in_doubt && !conclusive && !decided { self.unknown_outcome(error.to_string()) } else { error }
    }

    fn deadline_error(&self) -> StoreError {
        let what = || self.store.describe_operation(&self.describe());
        if self.same_command_running {
            let doing = self.store.describe_operation("waiting for another transaction of the same command");
            return self.unknown_outcome(format!(
                "{doing}: it did not end within {} seconds",
                self.store.call_timeout.as_secs()
            ));
        }
        match (&self.last_error, self.in_doubt) {
            (None, true) => {
                let doing = self.store.describe_operation("committing its transaction");
                self.unknown_outcome(format!(
                    "{doing}: there was no reply within {} seconds",
                    self.store.call_timeout.as_secs()
                ))
            }
            (Some(error), true) => {
                self.unknown_outcome(self.store.map_error(error, "committing its transaction").to_string())
            }
            (Some(error), false) => error_mapping::to_store_error(error, &what()),
            (None, false) => StoreError::Timeout { what: what(), seconds: self.store.call_timeout.as_secs() },
        }
    }

    fn unknown_outcome(&self, why: String) -> StoreError {
        StoreError::UnknownOutcome { command: self.batch.command.clone(), why }
    }

    /// Whether the index may have refused an intermediate state: the batch also overwrites other documents of that collection.
    fn may_depend_on_write_order(&self, error: &StoreError) -> bool {
        let StoreError::UniqueViolation { key, .. } = error else { return false };
        let writes_document = |op: &WriteOp| !matches!(op, WriteOp::Delete);
        let others = self.batch.writes.iter().filter(|write| write.key != *key);
        others
            .filter(|write| write.key.collection == key.collection)
            .any(|write| writes_document(&write.op) && write.expect != runstate_store::Expectation::Absent)
    }

    /// A document of the batch, for errors in which the server does not name one.
    fn any_key(&self) -> Key {
        let written = self.batch.writes.iter().map(|write| &write.key);
        let first = written.chain(self.batch.checks.iter().map(|check| &check.key)).next();
        first.cloned().unwrap_or_else(|| Key::new(&COMMANDS, self.batch.command.as_str()))
    }

    fn describe(&self) -> String {
        format!("committing command `{}`", self.batch.command)
    }
}

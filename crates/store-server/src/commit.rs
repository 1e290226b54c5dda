//! The attempts of one commit. Each is a transaction, which has the row of the command ledger and so is idempotent. An
//! attempt whose outcome is not known is repeated: the ledger decides. The outcome is unknown only if the ledger does
//! not answer in time.

use std::fmt::Display;
use std::time::Duration;

use runstate_core::id::CommandId;
use runstate_core::schema::Key;
use runstate_store::{Batch, COMMANDS, Expectation, Receipt, StoreError};
use tokio::time::{Instant, timeout_at};

use crate::{MAX_BACKOFF, back_off};

/// How often declarations are read again during one commit.
const MAX_REFRESHES: u32 = 3;
/// The longest backoff after contention.
const MAX_CONTENTION_BACKOFF: Duration = Duration::from_millis(30);

/// Why an attempt did not commit.
pub enum CommitRefusal {
    /// An error to return.
    Store(StoreError),
    /// The ledger has the command, or may have it.
    Recorded,
    /// A unique index refused a write, possibly only because other writes of the batch were not applied yet.
    UniqueViolation(StoreError),
    /// An error of a transaction that did not consult the ledger, so this may be a repeat of a committed command.
    Unrecorded(StoreError),
    /// Another transaction writes the same documents.
    Contended {
        /// The document for which the commit waits.
        key: Key,
        /// How often a commit is tried again after such a refusal.
        retries: u32,
    },
    /// Another transaction writes the same ledger row. It belongs to this command and may be committed.
    SameCommandRunning,
    /// The declarations changed meanwhile.
    Outdated,
    /// A request failed, or the server aborted the transaction. Another attempt may succeed.
    Transient(StoreError),
}

impl From<StoreError> for CommitRefusal {
    fn from(error: StoreError) -> Self {
        CommitRefusal::Store(error)
    }
}

/// The order in which documents are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOrder {
    /// Each in place. Unique indexes are checked after each document.
    InPlace,
    /// Documents that are overwritten are deleted before any is written, so that unique indexes are checked against the
    /// state after the batch: documents can exchange unique values.
    DeletionsFirst,
}

/// What the attempts of one commit have shown so far.
pub struct Progress {
    /// The order of writes in the next attempt.
    pub order: WriteOrder,
    /// An attempt may have been committed.
    pub in_doubt: bool,
    /// The last error of a request.
    pub last_error: Option<StoreError>,
    /// No caller waits after this time.
    pub deadline: Instant,
}

/// The part of a commit that depends on the server. Futures may be dropped at the deadline.
pub trait ServerCommit: Send {
    /// Whether a transaction that contends had inserted its ledger row before.
    const LEDGER_FIRST: bool;

    /// Runs one transaction from begin to commit.
    fn attempt(&mut self, progress: &mut Progress) -> impl Future<Output = Result<Receipt, CommitRefusal>> + Send;

    /// The receipt of the command's first commit. `None`: the ledger does not have the command.
    fn replay(&mut self, progress: &mut Progress) -> impl Future<Output = Result<Option<Receipt>, StoreError>> + Send;

    /// Reads the declarations again.
    fn refresh_declarations(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        async { Ok(()) }
    }

    /// The error of an operation that did not end in time.
    fn timeout_error(&self, doing: &str) -> StoreError;
}

/// Commits a valid batch.
pub async fn commit(
    server: &mut impl ServerCommit,
    batch: &Batch,
    time_limit: Duration,
) -> Result<Receipt, StoreError> {
    Commit::new(server, batch, time_limit).run().await
}

/// The receipt of the commit that the ledger records, or the error of a batch that cannot be committed: a repeat of a
/// command returns its first result, whatever its batch and the store are now.
pub async fn replay_or(
    server: &mut impl ServerCommit,
    batch: &Batch,
    time_limit: Duration,
    error: StoreError,
) -> Result<Receipt, StoreError> {
    Commit::new(server, batch, time_limit).replay_or(error).await
}

/// Runs a commit in a task of its own: if the caller drops the future, the transaction still ends. Otherwise it would
/// block others until the server aborts it.
pub async fn finish(
    command: CommandId,
    committing: impl Future<Output = Result<Receipt, StoreError>> + Send + 'static,
) -> Result<Receipt, StoreError> {
    let committed = tokio::spawn(committing).await;
    committed.unwrap_or_else(|error| Err(StoreError::UnknownOutcome { command, why: error.to_string() }))
}

/// A document of the batch, for errors in which the server does not name one.
pub fn any_key(batch: &Batch) -> Key {
    let written = batch.writes.iter().map(|write| &write.key);
    let first = written.chain(batch.checks.iter().map(|check| &check.key)).next();
    first.cloned().unwrap_or_else(|| Key::new(&COMMANDS, batch.command.as_str()))
}

/// What a commit does, for errors.
pub fn describe(batch: &Batch) -> String {
    format!("committing command `{}`", batch.command)
}

struct Commit<'a, S> {
    server: &'a mut S,
    batch: &'a Batch,
    progress: Progress,
}

impl<'a, S: ServerCommit> Commit<'a, S> {
    fn new(server: &'a mut S, batch: &'a Batch, time_limit: Duration) -> Self {
        let deadline = Instant::now() + time_limit;
        let progress = Progress { order: WriteOrder::InPlace, in_doubt: false, last_error: None, deadline };
        Self { server, batch, progress }
    }

    async fn run(&mut self) -> Result<Receipt, StoreError> {
        let (mut contentions, mut failures, mut refreshes) = (0, 0, 0);
        let mut same_command_running = false;
        loop {
            if Instant::now() >= self.progress.deadline {
                return Err(self.deadline_error(same_command_running));
            }
            same_command_running = false;
            let attempt = timeout_at(self.progress.deadline, self.server.attempt(&mut self.progress)).await;
            let Ok(result) = attempt else { return Err(self.deadline_error(false)) };
            let refusal = match result {
                Ok(receipt) => return Ok(receipt),
                Err(refusal) => refusal,
            };
            match refusal {
                CommitRefusal::Store(error) => return Err(self.error_or_unknown(error)),
                CommitRefusal::Unrecorded(error) => return self.replay_or(error).await,
                CommitRefusal::Recorded => match self.replay().await? {
                    Some(receipt) => return Ok(receipt),
                    // The row expired just now, or the commit is in doubt and did not happen so far.
                    None => {
                        failures += 1;
                        back_off(failures, MAX_BACKOFF).await;
                    }
                },
                CommitRefusal::UniqueViolation(error)
                    if self.progress.order == WriteOrder::DeletionsFirst || !self.may_depend_on_order(&error) =>
                {
                    return Err(error);
                }
                CommitRefusal::UniqueViolation(_) => self.progress.order = WriteOrder::DeletionsFirst,
                CommitRefusal::Contended { key, retries } if contentions >= retries => {
                    if !S::LEDGER_FIRST
                        && let Some(receipt) = self.replay().await?
                    {
                        return Ok(receipt);
                    }
                    // The other transaction may be an earlier attempt of this command whose outcome is not known.
                    return Err(match self.progress.in_doubt {
                        true => self.unknown_outcome("another transaction writes the same documents and has not ended"),
                        false => StoreError::Conflict { key },
                    });
                }
                CommitRefusal::Contended { .. } => {
                    contentions += 1;
                    back_off(contentions, MAX_CONTENTION_BACKOFF).await;
                }
                CommitRefusal::SameCommandRunning => {
                    failures += 1;
                    same_command_running = true;
                    back_off(failures, MAX_BACKOFF).await;
                }
                CommitRefusal::Outdated if refreshes < MAX_REFRESHES => {
                    refreshes += 1;
                    if let Err(error) = self.server.refresh_declarations().await {
                        let error = match error {
                            StoreError::UnsuitableCollection { .. } => error,
                            error => StoreError::ReadOnly { why: error.to_string() },
                        };
                        return self.replay_or(error).await;
                    }
                }
                CommitRefusal::Outdated => {
                    let why = "the tables were altered during the commit; open the store again".to_owned();
                    let error = StoreError::Unavailable { what: describe(self.batch), why };
                    return Err(self.error_or_unknown(error));
                }
                CommitRefusal::Transient(error) => {
                    failures += 1;
                    self.progress.last_error = Some(error);
                    back_off(failures + 2, MAX_BACKOFF).await;
                }
            }
        }
    }

    async fn replay(&mut self) -> Result<Option<Receipt>, StoreError> {
        let replayed = timeout_at(self.progress.deadline, self.server.replay(&mut self.progress)).await;
        match replayed {
            Ok(result) => result.map_err(|error| self.error_or_unknown(error)),
            Err(_) => Err(self.deadline_error(false)),
        }
    }

    /// The receipt of the commit that the ledger records, otherwise the error. It is not conclusive: the ledger may not
    /// have an attempt so far whose outcome is not known.
    async fn replay_or(&mut self, error: StoreError) -> Result<Receipt, StoreError> {
        match self.replay().await? {
            Some(receipt) => Ok(receipt),
            None if self.progress.in_doubt => Err(self.unknown_outcome(error)),
            None => Err(error),
        }
    }

    /// Whether the index may have refused an intermediate state: the batch also overwrites or deletes other documents
    /// of that collection.
    fn may_depend_on_order(&self, error: &StoreError) -> bool {
        let StoreError::UniqueViolation { key, .. } = error else { return false };
        let mut others = self.batch.writes.iter().filter(|write| write.key != *key);
        others.any(|write| write.key.collection == key.collection && write.expect != Expectation::Absent)
    }

    /// The error to return. While the commit is in doubt it is [`StoreError::UnknownOutcome`], unless the error itself
    /// is conclusive: a transaction that had inserted the ledger row shows that the command was not committed before.
    fn error_or_unknown(&self, error: StoreError) -> StoreError {
        let is_conclusive = matches!(
            error,
            StoreError::UnknownOutcome { .. }
                | StoreError::CommandIdReused { .. }
                | StoreError::Conflict { .. }
                | StoreError::UniqueViolation { .. }
        );
        if self.progress.in_doubt && !is_conclusive { self.unknown_outcome(error) } else { error }
    }

    fn deadline_error(&self, same_command_running: bool) -> StoreError {
        if same_command_running {
            let doing = "waiting for another transaction of the same command";
            return self.unknown_outcome(self.server.timeout_error(doing));
        }
        let last_error = self.progress.last_error.clone();
        self.error_or_unknown(last_error.unwrap_or_else(|| self.server.timeout_error(&describe(self.batch))))
    }

    fn unknown_outcome(&self, why: impl Display) -> StoreError {
        StoreError::UnknownOutcome { command: self.batch.command.clone(), why: why.to_string() }
    }
}

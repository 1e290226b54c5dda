//! A handle on one execution.

use runstate_core::id::CommandId;
use runstate_domain_cvm::{Cancel, Execution, ExecutionProgress, ExecutionStatus, Status};
use runstate_engine::Error;

use super::{Answer, Cvm};

/// An execution, with its status after the last command through this handle.
#[derive(Clone)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Its status when this handle last commanded it.
    pub status: Status,
    /// After a start: what the compiler warned of when the program was loaded.
    pub warnings: Vec<String>,
    cvm: Cvm,
}

impl Run {
    pub(super) fn new(cvm: &Cvm, ExecutionStatus { id, status, warnings }: ExecutionStatus) -> Self {
        // Only the command that made the handle runs under its id.
        Self { id, status, warnings, cvm: cvm.with_id(None) }
    }

    /// A handle whose commands run under this id; see [`Cvm::with_id`].
    pub fn with_id<'a>(&self, id: impl Into<Option<&'a CommandId>>) -> Self {
        Self { cvm: self.cvm.with_id(id), ..self.clone() }
    }

    /// Answers a call and runs the execution to its next stop.
    pub async fn answer(&mut self, answer: impl Into<Answer>) -> Result<Status, Error> {
        let reached = self.cvm.answer(&self.id, answer).await?;
        Ok(self.update(reached))
    }

    /// Continues the execution if it was interrupted, and runs it to its next stop.
    pub async fn resume(&mut self) -> Result<Status, Error> {
        let reached = self.cvm.resume(&self.id).await?;
        Ok(self.update(reached))
    }

    /// Pauses the execution.
    pub async fn pause(&mut self) -> Result<Status, Error> {
        let reached = self.cvm.pause(&self.id).await?;
        Ok(self.update(reached))
    }

    /// Unpauses the execution and runs it to its next stop.
    pub async fn unpause(&mut self) -> Result<Status, Error> {
        let reached = self.cvm.unpause(&self.id).await?;
        Ok(self.update(reached))
    }

    /// Cancels the execution at once.
    pub async fn cancel(&mut self) -> Result<Status, Error> {
        let reached = self.cvm.cancel(&self.id).await?;
        Ok(self.update(reached))
    }

    /// Cancels the execution, and lets its program clean up for a minute. Returns the status at its next stop.
    pub async fn cancel_gracefully(&mut self) -> Result<Status, Error> {
        let reached = self.cvm.cancel_with(&Cancel::graceful(&self.id)).await?;
        Ok(self.update(reached))
    }

    /// Resumes the execution at the instruction that failed, and runs it to its next stop.
    pub async fn retry(&mut self) -> Result<Status, Error> {
        let reached = self.cvm.retry(&self.id).await?;
        Ok(self.update(reached))
    }

    /// Deletes the execution, which has ended, with all its rows.
    pub async fn delete(self) -> Result<(), Error> {
        self.cvm.delete(&self.id).await
    }

    /// See [`Cvm::show`].
    pub async fn show(&self) -> Result<Execution, Error> {
        self.cvm.show(&self.id).await
    }

    /// All lines that the execution has printed.
    pub async fn output(&self) -> Result<Vec<String>, Error> {
        self.cvm.output(&self.id).await
    }

    /// See [`Cvm::progress`].
    pub async fn progress(&self, from: u64) -> Result<ExecutionProgress, Error> {
        self.cvm.progress(&self.id, from).await
    }

    fn update(&mut self, reached: ExecutionStatus) -> Status {
        self.status = reached.status;
        self.status
    }
}

impl From<Run> for ExecutionStatus {
    fn from(Run { id, status, warnings, .. }: Run) -> Self {
        Self { id, status, warnings }
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, self.status) == (&other.id, other.status)
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("id", &self.id).field("status", &self.status).finish()
    }
}

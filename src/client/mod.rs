//! Handles for Rust callers: an engine in one line, programs, executions and answers.

mod answer;
mod builder;
mod changes;
mod claims;
mod queries;
mod run;
#[cfg(feature = "compiler")]
mod source;
#[cfg(all(feature = "apps", feature = "webhook", not(target_family = "wasm")))]
mod webhooks;

use std::sync::OnceLock;

use runstate_core::decision::Command;
use runstate_core::id::CommandId;
pub use runstate_domain_cvm::ProgramFile;
use runstate_domain_cvm::{
    AnswerCall, Approve, Cancel, Delete, Execution, ExecutionProgress, ExecutionStatus, ExecutionStatusDetails, Load,
    LoadedProgram, Pause, PollExecution, RETENTION, Reject, RemoveProgram, Retry, RunDue, RunSlice, Show, ShowOutput,
    ShowStatus, Start, Unpause, Variables,
};
use runstate_engine::{DueReport, Engine, Error, RunLimit};
use runstate_value::time::Timestamp;
use runstate_vm::FrameView;

pub use answer::Answer;
pub use builder::{Builder, open};
pub use changes::RunChanges;
pub use claims::CallWorker;
pub use run::Run;
#[cfg(feature = "compiler")]
pub use source::{compile, compile_program};
#[cfg(all(feature = "apps", feature = "webhook", not(target_family = "wasm")))]
pub use webhooks::webhook_worker;

/// Programs and executions of an engine. Cheap to clone.
///
/// A command runs under a generated id, unless the caller names one ([`Cvm::with_id`]).
#[derive(Clone)]
pub struct Cvm {
    engine: Engine,
    id: Option<CommandId>,
}

impl Cvm {
    /// The programs and executions of an engine.
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone(), id: None }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A handle whose commands run under this id. A repeat of an id, from any process, has no further effect and
    /// returns the first result, but continues to run what the first command started. So one handle is for one command.
    ///
    /// ```
    /// # #[cfg(not(feature = "compiler"))] fn main() {}
    /// # #[cfg(feature = "compiler")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
    /// use runstate::id::CommandId;
    ///
    /// let cvm = runstate::Cvm::new(&runstate::open("memory:").await?);
    /// cvm.load_source("hello", "console.log('hello')").await?;
    /// let id = CommandId::new("order-17")?;
    /// let run = cvm.with_id(&id).start("hello").await?;
    /// assert_eq!(cvm.with_id(&id).start("hello").await?, run);
    /// # Ok(()) }
    /// ```
    pub fn with_id<'a>(&self, id: impl Into<Option<&'a CommandId>>) -> Self {
        Self { engine: self.engine.clone(), id: id.into().cloned() }
    }

    /// Loads a program under its name; see [`Load`].
    pub async fn load(&self, load: &Load) -> Result<LoadedProgram, Error> {
        self.execute(load).await
    }

    /// Removes a program with its versions. [`ErrorCode::IN_USE`](runstate_core::error_code::ErrorCode::IN_USE): it has
    /// executions; delete them first.
    pub async fn remove_program(&self, name: &str) -> Result<(), Error> {
        self.execute(&RemoveProgram { name: name.to_owned() }).await.map(drop)
    }

    /// Starts the program of this name, or as [`Start`] says, and runs it to its first stop.
    pub async fn start(&self, start: impl Into<Start>) -> Result<Run, Error> {
        Ok(Run::new(self, self.execute(&start.into()).await?))
    }

    /// A handle on an execution that exists.
    pub async fn run(&self, execution: &str) -> Result<Run, Error> {
        Ok(Run::new(self, self.status(execution).await?.execution))
    }

    /// Continues an interrupted execution to its next stop.
    pub async fn resume(&self, execution: &str) -> Result<ExecutionStatus, Error> {
        self.execute(&RunSlice { id: execution.to_owned(), continues: None, warnings: Vec::new() }).await
    }

    /// Answers a call and runs the execution to its next stop.
    pub async fn answer(&self, execution: &str, answer: impl Into<Answer>) -> Result<ExecutionStatus, Error> {
        let Answer { call, key, occurrence, value: answer, by, cost } = answer.into();
        let id = execution.to_owned();
        let seen = OnceLock::new();
        self.execute(&AnswerCall { id, answer, call, key, occurrence, by, cost, seen }).await
    }

    /// Approves a call that awaits it, so that workers may claim it.
    pub async fn approve(&self, approve: &Approve) -> Result<ExecutionStatus, Error> {
        self.execute(approve).await
    }

    /// Rejects a call that awaits an approval, and runs the execution to its next stop.
    pub async fn reject(&self, reject: &Reject) -> Result<ExecutionStatus, Error> {
        self.execute(reject).await
    }

    /// Pauses an execution.
    pub async fn pause(&self, execution: &str) -> Result<ExecutionStatus, Error> {
        self.execute(&Pause { id: execution.to_owned() }).await
    }

    /// Unpauses an execution and runs it to its next stop.
    pub async fn unpause(&self, execution: &str) -> Result<ExecutionStatus, Error> {
        self.execute(&Unpause { id: execution.to_owned() }).await
    }

    /// Cancels an execution at once.
    pub async fn cancel(&self, execution: &str) -> Result<ExecutionStatus, Error> {
        self.cancel_with(&Cancel::new(execution)).await
    }

    /// Cancels an execution. With [`Cancel::graceful`] its program may clean up, and runs to its next stop.
    pub async fn cancel_with(&self, cancel: &Cancel) -> Result<ExecutionStatus, Error> {
        self.execute(cancel).await
    }

    /// Resumes a failed execution at the failing instruction, and runs it to its next stop.
    pub async fn retry(&self, execution: &str) -> Result<ExecutionStatus, Error> {
        self.retry_with(&Retry::new(execution)).await
    }

    /// As [`Cvm::retry`], with higher limits.
    pub async fn retry_with(&self, retry: &Retry) -> Result<ExecutionStatus, Error> {
        self.execute(retry).await
    }

    /// Deletes a finished execution with all its rows.
    pub async fn delete(&self, execution: &str) -> Result<(), Error> {
        self.execute(&Delete::new(execution)).await.map(drop)
    }

    /// The whole execution in one snapshot. That includes its state hash, the position of its machine, and the values
    /// of its variables, as much as a person reads. [`Show::all`] has everything.
    pub async fn show(&self, execution: &str) -> Result<Execution, Error> {
        self.engine.query(&Show::all(execution, false)).await
    }

    /// As [`Cvm::show`], without the state hash and the machine: it reads nothing of the heap, whatever its size.
    pub async fn show_head(&self, execution: &str) -> Result<Execution, Error> {
        self.engine.query(&Show::head(execution)).await
    }

    /// The variables of an execution, also of one that has ended or failed: its frames with their variables, the
    /// innermost first. `name` selects variables by name. `full` returns all that they hold, otherwise as much as a
    /// person reads.
    pub async fn variables(&self, execution: &str, name: Option<&str>, full: bool) -> Result<Vec<FrameView>, Error> {
        self.engine.query(&Variables { id: execution.to_owned(), name: name.map(str::to_owned), full }).await
    }

    /// The lines that an execution has printed since the poll that returned `from`, and its open calls.
    pub async fn progress(&self, execution: &str, from: u64) -> Result<ExecutionProgress, Error> {
        self.engine.query(&PollExecution { id: execution.to_owned(), from }).await
    }

    /// All lines that an execution has printed.
    pub async fn output(&self, execution: &str) -> Result<Vec<String>, Error> {
        self.engine.query(&ShowOutput { id: execution.to_owned() }).await
    }

    /// The status of an execution, read without its heap.
    pub async fn status(&self, execution: &str) -> Result<ExecutionStatusDetails, Error> {
        self.engine.query(&ShowStatus { id: execution.to_owned() }).await
    }

    /// Deletes up to `limit` executions that ended at or before `before`.
    pub async fn delete_finished(&self, before: Timestamp, limit: u32, report: &mut DueReport) -> Result<(), Error> {
        self.engine.run_rule(&RETENTION, before, limit, RunLimit::Stop, report).await
    }

    /// Runs the due work of one execution: applies deadlines that have passed, and drives the execution to its next
    /// stop. Does nothing if nothing is due.
    pub async fn run_due_execution(&self, execution: &str) -> Result<(), Error> {
        self.engine.execute(&RunDue { id: execution.to_owned(), hand_back: false }).await.map(drop)
    }

    async fn execute<C: Command>(&self, command: &C) -> Result<C::Output, Error> {
        Ok(self.engine.execute_as(command, self.id.as_ref()).await?.output)
    }
}

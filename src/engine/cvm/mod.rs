//! The `cvm` domain as callers use it: commands that run a program slice after slice, until it stops.

mod claims;
mod due;
mod queries;

pub use claims::Work;
pub use due::{DueFailure, DueReport, RunLimit};
pub use queries::*;

use super::{CommandResult, Engine, Error, Origin};
use crate::decision::Command;
use crate::domain::cvm::{
    Answer, AnswerTarget, Cancel, Delete, DeleteRows, Execution, ExecutionProgress, ExecutionStatus,
    ExecutionStatusDetails, Load, LoadedProgram, Pause, PollExecution, RemoveProgram, Retry, RunSlice, Show,
    ShowOutput, ShowStatus, Start, Status, Unpause, Variables,
};
use crate::error_code::ErrorCode;
use crate::id::CommandId;
use crate::value::{Json, check_plain};
use crate::vm::{FrameView, InspectBounds};

/// Executions of programs, over one engine.
///
/// Every method that changes a document takes the id of its command, or generates one for `None`. A repeat of an id has no further effect,
/// but continues to run what the first command started.
#[derive(Clone)]
pub struct Cvm {
    engine: Engine,
}

pub(in crate::engine) fn cvm(engine: &Engine) -> Cvm {
    Cvm { engine: engine.clone() }
}

impl Cvm {
    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Loads a program under its name; see [`Load`].
    pub async fn load(&self, load: &Load, id: Option<&CommandId>) -> Result<LoadedProgram, Error> {
        Ok(self.execute(load, id).await?.output)
    }

    /// Removes a program with its versions. [`ErrorCode::InUse`]: it has executions; delete them first.
    pub async fn remove_program(&self, name: &str, id: Option<&CommandId>) -> Result<(), Error> {
        let remove = RemoveProgram { name: name.to_owned() };
        let CommandResult { mut output, command, .. } = self.execute(&remove, id).await?;
        for part in 1.. {
            if let Some(execution) = output.used_by {
                let message = format!(
                    "program `{name}` was not removed: its execution `{execution}` was started meanwhile. Delete the execution, then remove the program again"
                );
                return Err(Error::new(ErrorCode::InUse, message));
            }
            if output.done {
                break;
            }
            output = match self.engine.execute_part(&remove, &command.part(part), Origin::for_parts(id)).await {
                Ok(executed) => executed.output,
                // Another process removed the rest.
                Err(error) if error.code == ErrorCode::NotFound => break,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Starts a program and runs it to its first stop.
    pub async fn start(&self, start: &Start, id: Option<&CommandId>) -> Result<ExecutionStatus, Error> {
        if let Some(input) = &start.input {
            check_plain(input).map_err(|excess| {
                Error::new(
                    ErrorCode::Invalid,
                    format!("the input of program `{}` is {excess}; nothing was started", start.program),
                )
            })?;
        }
        let CommandResult { output, command, .. } = self.execute(start, id).await?;
        self.drive(output, &command, Origin::for_parts(id)).await
    }

    /// Resumes an execution that was left running, to its next stop. For any other execution it returns the status.
    pub async fn resume(&self, execution: &str, id: Option<&CommandId>) -> Result<ExecutionStatus, Error> {
        let CommandResult { output, command, .. } = self.execute(&RunSlice { id: execution.to_owned() }, id).await?;
        self.drive(output, &command, Origin::for_parts(id)).await
    }

    /// Answers a call and runs the execution to its next stop. `call` is the id of the call; `None`: the only open call, as this process
    /// last read or wrote the execution. [`ErrorCode::AlreadyAnswered`]: another process has answered that call meanwhile. A later call is
    /// not answered in its place.
    pub async fn answer(
        &self,
        execution: &str,
        call: Option<&str>,
        answer: Json,
        by: Option<String>,
        id: Option<&CommandId>,
    ) -> Result<ExecutionStatus, Error> {
        let call = match call {
            Some(call) => AnswerTarget::Call(call.to_owned()),
            None => self.target_open_call(execution).await?,
        };
        self.submit_answer(Answer { execution: execution.to_owned(), call, answer, by }, id).await
    }

    /// The open call as this process last read or wrote the execution: an answer is meant for the call that its caller has seen. Reads
    /// the store if the execution is not cached, or if the cached execution does not have exactly one open call.
    async fn target_open_call(&self, execution: &str) -> Result<AnswerTarget, Error> {
        let query = ShowStatus { id: execution.to_owned() };
        let status = match self.engine.query_cached(&query).await {
            Ok(status) if status.open_calls == 1 => Ok(status),
            _ => self.engine.query(&query).await,
        };
        match status {
            Ok(ExecutionStatusDetails { call, open_calls, .. }) => {
                Ok(AnswerTarget::Open { expected_call: call, open_calls })
            }
            // The ledger may contain this very answer although the execution has been deleted, so the command decides.
            Err(error) if error.code == ErrorCode::NotFound => {
                Ok(AnswerTarget::Open { expected_call: None, open_calls: 0 })
            }
            Err(error) => Err(error),
        }
    }

    /// Answers the call under a key (`CC(prompt, { key })`), also before the program makes it: an early answer is stored, and used when the
    /// call is made. `occurrence`: the number of the call among those of the execution under that key, from 1.
    pub async fn answer_key(
        &self,
        execution: &str,
        key: &str,
        occurrence: u64,
        answer: Json,
        by: Option<String>,
        id: Option<&CommandId>,
    ) -> Result<ExecutionStatus, Error> {
        let call = AnswerTarget::Key { key: key.to_owned(), occurrence };
        self.submit_answer(Answer { execution: execution.to_owned(), call, answer, by }, id).await
    }

    async fn submit_answer(&self, answer: Answer, id: Option<&CommandId>) -> Result<ExecutionStatus, Error> {
        // Checked first, because a value built in memory may be nested deeper than recursive code can handle.
        check_plain(&answer.answer).map_err(|excess| {
            Error::new(ErrorCode::InvalidAnswer, format!("the answer is {excess}; nothing was changed"))
        })?;
        let CommandResult { output, command, .. } = self.execute(&answer, id).await?;
        self.drive(output, &command, Origin::for_parts(id)).await
    }

    /// Pauses an execution.
    pub async fn pause(&self, execution: &str, id: Option<&CommandId>) -> Result<ExecutionStatus, Error> {
        Ok(self.execute(&Pause { id: execution.to_owned() }, id).await?.output)
    }

    /// Unpauses an execution and runs it to its next stop.
    pub async fn unpause(&self, execution: &str, id: Option<&CommandId>) -> Result<ExecutionStatus, Error> {
        let CommandResult { output, command, .. } = self.execute(&Unpause { id: execution.to_owned() }, id).await?;
        self.drive(output, &command, Origin::for_parts(id)).await
    }

    /// Cancels an execution.
    pub async fn cancel(&self, execution: &str, id: Option<&CommandId>) -> Result<ExecutionStatus, Error> {
        Ok(self.execute(&Cancel { id: execution.to_owned() }, id).await?.output)
    }

    /// Resumes a failed execution at the failing instruction, and runs it to its next stop.
    pub async fn retry(&self, execution: &str, id: Option<&CommandId>) -> Result<ExecutionStatus, Error> {
        let CommandResult { output, command, .. } = self.execute(&Retry { id: execution.to_owned() }, id).await?;
        self.drive(output, &command, Origin::for_parts(id)).await
    }

    /// Deletes a finished execution with all its rows.
    pub async fn delete(&self, execution: &str, id: Option<&CommandId>) -> Result<(), Error> {
        self.try_delete(&Delete::new(execution), id, RunLimit::Stop).await.map(|_| ())
    }

    /// As [`Cvm::delete`]. Returns `false` if the execution did not end by [`Delete::ended_by`].
    async fn try_delete(&self, delete: &Delete, id: Option<&CommandId>, run_limit: RunLimit) -> Result<bool, Error> {
        let CommandResult { output: deletion, command, .. } = self.execute(delete, id).await?;
        if deletion.done {
            return Ok(false);
        }
        let rows = DeleteRows::new(&deletion.id, deletion.incarnation);
        self.delete_rows(&rows, &command, Origin::for_parts(id), run_limit).await?;
        Ok(true)
    }

    /// Deletes rows in batches until none is left, or one batch.
    async fn delete_rows(
        &self,
        rows: &DeleteRows,
        command: &CommandId,
        origin: Origin,
        run_limit: RunLimit,
    ) -> Result<(), Error> {
        let mut rows = rows.clone();
        for part in 1.. {
            let deleted = self.engine.execute_part(&rows, &command.part(part), origin).await?.output;
            if deleted.done || run_limit == RunLimit::Slice {
                break;
            }
            rows.from = deleted.from;
        }
        Ok(())
    }

    /// The whole execution in one snapshot. That includes its state hash, the position of its machine, and the values of its variables, as
    /// much as a person reads ([`InspectBounds::default`](crate::vm::InspectBounds::default)). [`Show::all`] with
    /// [`InspectBounds::full`](crate::vm::InspectBounds::full) has everything.
    pub async fn show(&self, execution: &str) -> Result<Execution, Error> {
        self.engine.query(&Show::all(execution, InspectBounds::default())).await
    }

    /// As [`Cvm::show`], without the state hash and the machine: it reads nothing of the heap, whatever its size.
    pub async fn show_head(&self, execution: &str) -> Result<Execution, Error> {
        self.engine.query(&Show::head(execution)).await
    }

    /// The variables of an execution, also of one that has ended or failed: its frames with their variables, the innermost first. `name`
    /// selects variables by name. `full` returns all that they hold, otherwise as much as a person reads.
    pub async fn variables(&self, execution: &str, name: Option<&str>, full: bool) -> Result<Vec<FrameView>, Error> {
        let bounds = if full { InspectBounds::full() } else { InspectBounds::default() };
        self.engine.query(&Variables { id: execution.to_owned(), name: name.map(str::to_owned), bounds }).await
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

    /// Runs slices, one per commit, until the program stops. The future may be dropped at any time without loss: [`Cvm::resume`] continues
    /// after the last commit.
    async fn drive(
        &self,
        mut reached: ExecutionStatus,
        id: &CommandId,
        origin: Origin,
    ) -> Result<ExecutionStatus, Error> {
        for part in 1.. {
            if reached.status != Status::Running {
                break;
            }
            let run = RunSlice { id: reached.id.clone() };
            reached = match self.engine.execute_part(&run, &id.part(part), origin).await {
                Ok(executed) => executed.output,
                // Another process paused, ended or deleted the execution meanwhile. The command of this caller is committed all the same.
                Err(error) if matches!(error.code, ErrorCode::IllegalTransition | ErrorCode::NotFound) => {
                    return match self.status(&reached.id).await {
                        Ok(details) => Ok(details.reached),
                        Err(error) if error.code == ErrorCode::NotFound => Ok(reached),
                        Err(error) => Err(error),
                    };
                }
                Err(error) => return Err(error),
            };
        }
        Ok(reached)
    }

    async fn execute<C: Command>(
        &self,
        command: &C,
        id: Option<&CommandId>,
    ) -> Result<CommandResult<C::Output>, Error> {
        let (id, origin) = match id {
            Some(id) => (id.clone(), Origin::Caller),
            None => (self.engine.new_command_id(), Origin::Engine),
        };
        self.engine.execute_part(command, &id, origin).await
    }
}

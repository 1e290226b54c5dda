//! The `cvm` domain as callers use it: commands that run on, slice after slice, until the program stops.

mod due;
mod queries;
mod work;

use super::{Engine, Error, Executed, Origin};
use crate::code::Code;
use crate::decision::Command;
use crate::domain::cvm::{
    Answer, Cancel, Choice, Delete, DeleteRows, ExecutionView, Glance, Lines, Load, LoadedProgram, Pause, Reached,
    RemoveProgram, Retry, Run, Seen, Show, Standing, Stands, Start, Status, Unpause, Variables,
};
use crate::id::CommandId;
use crate::value::{Json, check_plain};
use crate::vm::{Bounds, FrameView};

pub use due::{Due, Pace, StillDue};
pub use queries::*;
pub use work::Work;

/// Executions of programs, over one engine.
///
/// Every method that changes something takes the id of its command, or makes one where it is `None`. The same id again does nothing
/// again, and drives on what the first one began.
#[derive(Clone)]
pub struct Cvm {
    engine: Engine,
}

impl Engine {
    /// Programs and executions.
    pub fn cvm(&self) -> Cvm {
        Cvm { engine: self.clone() }
    }
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

    /// Removes a program with its versions. [`Code::InUse`]: executions of it are there; delete them first.
    pub async fn remove_program(&self, name: &str, id: Option<&CommandId>) -> Result<(), Error> {
        let remove = RemoveProgram { name: name.to_owned() };
        let Executed { mut output, command, .. } = self.execute(&remove, id).await?;
        for part in 1.. {
            if let Some(execution) = output.used_by {
                let message =
                    format!("an execution of program `{name}` was started meanwhile, `{execution}`; it stays");
                return Err(Error::new(Code::InUse, message));
            }
            if output.done {
                break;
            }
            output = match self.engine.execute_part(&remove, &command.part(part), Origin::of_parts(id)).await {
                Ok(executed) => executed.output,
                // Somebody else removed the rest.
                Err(error) if error.code == Code::NotFound => break,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Starts a program and runs it to its first stop.
    pub async fn start(&self, start: &Start, id: Option<&CommandId>) -> Result<Reached, Error> {
        if let Some(input) = &start.input {
            check_plain(input).map_err(|excess| Error::new(Code::Invalid, format!("input: {excess}")))?;
        }
        let Executed { output, command, .. } = self.execute(start, id).await?;
        self.drive(output, &command, Origin::of_parts(id)).await
    }

    /// Runs an execution that was left running on to its next stop; tells how any other one stands.
    pub async fn next(&self, execution: &str, id: Option<&CommandId>) -> Result<Reached, Error> {
        let Executed { output, command, .. } = self.execute(&Run { id: execution.to_owned() }, id).await?;
        self.drive(output, &command, Origin::of_parts(id)).await
    }

    /// Answers a call and runs on to the next stop. `call`: its id; `None`: the one open call, as this process last read or wrote the
    /// execution. [`Code::AlreadyAnswered`]: another process answered that one meanwhile; the question behind it is not answered in its place.
    pub async fn answer(
        &self,
        execution: &str,
        call: Option<&str>,
        answer: Json,
        by: Option<String>,
        id: Option<&CommandId>,
    ) -> Result<Reached, Error> {
        let call = match call {
            Some(call) => Choice::Call(call.to_owned()),
            None => self.open_call(execution).await?,
        };
        self.give(Answer { execution: execution.to_owned(), call, answer, by }, id).await
    }

    /// The open call as this process last saw the execution: an answer is meant for the question that its caller knows. The store is read
    /// where nothing is cached, or where what is cached has not exactly one open call.
    async fn open_call(&self, execution: &str) -> Result<Choice, Error> {
        let stands = Stands { id: execution.to_owned() };
        let standing = match self.engine.ask_cached(&stands).await {
            Ok(standing) if standing.open_calls == 1 => Ok(standing),
            _ => self.engine.ask(&stands).await,
        };
        match standing {
            Ok(Standing { call: seen, open_calls: open, .. }) => Ok(Choice::Open { seen, open }),
            // An execution that is gone may still be in the ledger with this very answer: the command decides what to say.
            Err(error) if error.code == Code::NotFound => Ok(Choice::Open { seen: None, open: 0 }),
            Err(error) => Err(error),
        }
    }

    /// Answers the call under a key (`CC(prompt, { key })`), whether the program has asked it already or not: an answer that comes first is
    /// kept, and taken when the program asks. `occurrence`: the how-manyth call of the execution under that key, from 1.
    pub async fn answer_key(
        &self,
        execution: &str,
        key: &str,
        occurrence: u64,
        answer: Json,
        by: Option<String>,
        id: Option<&CommandId>,
    ) -> Result<Reached, Error> {
        let call = Choice::Key { key: key.to_owned(), occurrence };
        self.give(Answer { execution: execution.to_owned(), call, answer, by }, id).await
    }

    async fn give(&self, answer: Answer, id: Option<&CommandId>) -> Result<Reached, Error> {
        // Before anything walks through it: a value built in memory can be deeper than any parser lets it be.
        check_plain(&answer.answer).map_err(|excess| {
            Error::new(Code::InvalidAnswer, format!("the answer is {excess}; nothing was changed"))
        })?;
        let Executed { output, command, .. } = self.execute(&answer, id).await?;
        self.drive(output, &command, Origin::of_parts(id)).await
    }

    /// Lets an execution rest.
    pub async fn pause(&self, execution: &str, id: Option<&CommandId>) -> Result<Reached, Error> {
        Ok(self.execute(&Pause { id: execution.to_owned() }, id).await?.output)
    }

    /// Lets a resting execution go on to its next stop.
    pub async fn unpause(&self, execution: &str, id: Option<&CommandId>) -> Result<Reached, Error> {
        let Executed { output, command, .. } = self.execute(&Unpause { id: execution.to_owned() }, id).await?;
        self.drive(output, &command, Origin::of_parts(id)).await
    }

    /// Ends an execution for good.
    pub async fn cancel(&self, execution: &str, id: Option<&CommandId>) -> Result<Reached, Error> {
        Ok(self.execute(&Cancel { id: execution.to_owned() }, id).await?.output)
    }

    /// Lets a failed execution go on at the failing instruction, to its next stop.
    pub async fn retry(&self, execution: &str, id: Option<&CommandId>) -> Result<Reached, Error> {
        let Executed { output, command, .. } = self.execute(&Retry { id: execution.to_owned() }, id).await?;
        self.drive(output, &command, Origin::of_parts(id)).await
    }

    /// Removes a finished execution with all its rows.
    pub async fn delete(&self, execution: &str, id: Option<&CommandId>) -> Result<(), Error> {
        self.remove(&Delete::of(execution), id, Pace::Stop).await.map(|_| ())
    }

    /// As [`Cvm::delete`]; whether it was done.
    async fn remove(&self, delete: &Delete, id: Option<&CommandId>, pace: Pace) -> Result<bool, Error> {
        let Executed { output: begun, command, .. } = self.execute(delete, id).await?;
        if begun.done {
            return Ok(false);
        }
        let rows = DeleteRows::of(&begun.id, begun.incarnation);
        self.delete_rows(&rows, &command, Origin::of_parts(id), pace).await?;
        Ok(true)
    }

    /// Removes rows batch after batch until nothing is left, or one batch.
    async fn delete_rows(
        &self,
        rows: &DeleteRows,
        command: &CommandId,
        origin: Origin,
        pace: Pace,
    ) -> Result<(), Error> {
        let mut rows = rows.clone();
        for part in 1.. {
            let deleted = self.engine.execute_part(&rows, &command.part(part), origin).await?.output;
            if deleted.done || pace == Pace::Slice {
                break;
            }
            rows.from = deleted.from;
        }
        Ok(())
    }

    /// All of an execution, as of one moment, its state hash included, and where its machine is with the values of its variables, as much as
    /// a person reads ([`Bounds::default`]); [`Show::all`] with [`Bounds::full`] has everything.
    pub async fn show(&self, execution: &str) -> Result<ExecutionView, Error> {
        self.engine.ask(&Show::all(execution, Bounds::default())).await
    }

    /// As [`Cvm::show`], without the state hash and the machine: nothing of the heap is read or walked, however large it is.
    pub async fn show_unhashed(&self, execution: &str) -> Result<ExecutionView, Error> {
        self.engine.ask(&Show::head(execution)).await
    }

    /// The variables of an execution, also of one that has ended or failed: the calls that have begun, the innermost first, with their
    /// variables. `name`: only variables of that name. `full`: everything they hold, else as much as a person reads.
    pub async fn variables(&self, execution: &str, name: Option<&str>, full: bool) -> Result<Vec<FrameView>, Error> {
        let bounds = if full { Bounds::full() } else { Bounds::default() };
        self.engine.ask(&Variables { id: execution.to_owned(), name: name.map(str::to_owned), bounds }).await
    }

    /// What an execution has printed since the look that said `from`, and what it asks.
    pub async fn glance(&self, execution: &str, from: u64) -> Result<Seen, Error> {
        self.engine.ask(&Glance { id: execution.to_owned(), from }).await
    }

    /// All lines an execution has printed.
    pub async fn output(&self, execution: &str) -> Result<Vec<String>, Error> {
        self.engine.ask(&Lines { id: execution.to_owned() }).await
    }

    /// How an execution stands, without loading its heap.
    pub async fn stands(&self, execution: &str) -> Result<Standing, Error> {
        self.engine.ask(&Stands { id: execution.to_owned() }).await
    }

    /// Runs on, a slice a commit, until the program stops. To stop driving at any moment loses nothing: what was saved goes on with
    /// [`Cvm::next`].
    async fn drive(&self, mut reached: Reached, id: &CommandId, origin: Origin) -> Result<Reached, Error> {
        for part in 1.. {
            if reached.status != Status::Running {
                break;
            }
            let run = Run { id: reached.id.clone() };
            reached = match self.engine.execute_part(&run, &id.part(part), origin).await {
                Ok(executed) => executed.output,
                // Somebody paused or ended it meanwhile, or even removed it. What this command was asked for is done all the same.
                Err(error) if matches!(error.code, Code::IllegalTransition | Code::NotFound) => {
                    return match self.stands(&reached.id).await {
                        Ok(standing) => Ok(standing.reached),
                        Err(error) if error.code == Code::NotFound => Ok(reached),
                        Err(error) => Err(error),
                    };
                }
                Err(error) => return Err(error),
            };
        }
        Ok(reached)
    }

    async fn execute<C: Command>(&self, command: &C, id: Option<&CommandId>) -> Result<Executed<C::Output>, Error> {
        let (id, origin) = match id {
            Some(id) => (id.clone(), Origin::Named),
            None => (self.engine.new_command_id(), Origin::Own),
        };
        self.engine.execute_part(command, &id, origin).await
    }
}

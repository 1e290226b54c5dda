//! The rows of one execution, written in batches before their execution.

use super::carry::Taking;
use super::{Ask, Beside, read};
use crate::domain::cvm::{CarriedCall, CarriedLog, CarryRows};
use crate::engine::Error;
use crate::value::json_bytes;

/// Rows that one command writes.
const ROWS: usize = 200;

/// Bytes of JSON that one command writes, near enough.
const BYTES: usize = 2 * 1024 * 1024;

/// What an execution waits for, by which its open call is known among its rows.
pub(super) struct Open<'a> {
    pub(super) pc: u32,
    pub(super) prompt: &'a str,
}

/// What came of the calls of an execution.
pub(super) struct Calls {
    /// How many are closed.
    pub(super) closed: u64,
    /// The id of the open one, where it has a row.
    pub(super) open: Option<String>,
}

/// Rows that are gathered until they are a batch.
pub(super) struct Batch {
    rows: CarryRows,
    bytes: usize,
}

impl Batch {
    pub(super) fn of(execution: &str, program_name: &str) -> Self {
        let (execution, program_name) = (execution.to_owned(), program_name.to_owned());
        Self { rows: CarryRows { execution, program_name, calls: Vec::new(), logs: Vec::new() }, bytes: 0 }
    }

    fn is_full(&self) -> bool {
        self.rows.calls.len() + self.rows.logs.len() >= ROWS || self.bytes >= BYTES
    }

    pub(super) async fn write(&mut self, taking: &Taking<'_>) -> Result<(), Error> {
        if !self.rows.calls.is_empty() || !self.rows.logs.is_empty() {
            taking.engine.carry_once(&self.rows).await?;
            self.rows.calls.clear();
            self.rows.logs.clear();
            self.bytes = 0;
        }
        Ok(())
    }

    pub(super) async fn call(&mut self, call: CarriedCall, taking: &Taking<'_>) -> Result<(), Error> {
        self.bytes += json_bytes(&call);
        self.rows.calls.push(call);
        if self.is_full() { self.write(taking).await } else { Ok(()) }
    }

    pub(super) async fn log(&mut self, log: CarriedLog, taking: &Taking<'_>) -> Result<(), Error> {
        self.bytes += json_bytes(&log);
        self.rows.logs.push(log);
        if self.is_full() { self.write(taking).await } else { Ok(()) }
    }
}

impl Taking<'_> {
    /// Takes over the calls of an execution, but for the one that is open.
    pub(super) async fn calls(
        &mut self,
        execution: &str,
        program: &str,
        open: Option<Open<'_>>,
    ) -> Result<Calls, Error> {
        let mut batch = Batch::of(execution, program);
        let mut waiting: Option<CarriedCall> = None;
        let mut closed = 0;
        let mut rows = self.from.ask(Ask::Calls(execution)).await?;
        while let Some(found) = rows.next().await? {
            let mut call = match read::call(&found) {
                Ok(call) => call,
                Err(why) => {
                    self.leave("call", &found.id, why);
                    continue;
                }
            };
            let is_open = open
                .as_ref()
                .is_some_and(|open| call.answer.is_none() && call.instruction == open.pc && call.prompt == open.prompt);
            if is_open {
                // The newest is the open one: an older one of the same words was never answered.
                match waiting.replace(call) {
                    Some(older) => call = older,
                    None => continue,
                }
            }
            closed += 1;
            call.step = closed;
            batch.call(call, self).await?;
        }
        batch.write(self).await?;
        Ok(Calls { closed, open: waiting.map(|call| call.id) })
    }

    /// Takes over the log of an execution.
    pub(super) async fn logs(&mut self, execution: &str, program: &str) -> Result<(), Error> {
        let mut batch = Batch::of(execution, program);
        let mut rows = self.from.ask(Ask::Logs(execution)).await?;
        while let Some(found) = rows.next().await? {
            match read::log(&found) {
                Ok(log) => batch.log(log, self).await?,
                Err(why) => self.leave("log row", &found.id, why),
            }
        }
        batch.write(self).await
    }

    /// The lines of an execution that are kept beside it.
    pub(super) async fn output(&mut self, execution: &str) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        let mut rows = self.from.beside(Beside::Output(execution)).await?;
        while let Some(found) = rows.next().await? {
            match read::lines(&found) {
                Ok(more) => lines.extend(more),
                Err(why) => self.leave("output", execution, why),
            }
        }
        Ok(lines)
    }

    /// Tells of rows whose execution is not there.
    pub(super) async fn strays(&mut self) -> Result<(), Error> {
        let beside = [(Beside::OutputOwners, "output"), (Beside::HistoryOwners, "history")];
        let mut kinds = Vec::new();
        for (ask, what) in [(Ask::CallOwners, "calls"), (Ask::LogOwners, "log rows")] {
            kinds.push((self.from.ask(ask).await?, what));
        }
        for (ask, what) in beside {
            kinds.push((self.from.beside(ask).await?, what));
        }
        for (mut owners, what) in kinds {
            while let Some(owner) = owners.next().await? {
                if !self.seen.contains(&owner.id) {
                    let count = owner.document.map_or_else(|_| "some".to_owned(), |count| count.to_string());
                    self.leave(what, &owner.id, format!("{count} of an execution that is not there"));
                }
            }
        }
        Ok(())
    }
}

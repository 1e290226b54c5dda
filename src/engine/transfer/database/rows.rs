//! The rows of one execution, written in batches before their execution.

use super::carry::Taking;
use super::{Ask, Found, RowKind, read};
use crate::domain::cvm::{CarriedCall, CarriedLog, CarriedStep, CarryRows, EXECUTION_LOGS};
use crate::engine::Error;
use crate::time::Millis;
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
        Self {
            rows: CarryRows { execution, program_name, calls: Vec::new(), logs: Vec::new(), history: Vec::new() },
            bytes: 0,
        }
    }

    fn len(&self) -> usize {
        self.rows.calls.len() + self.rows.logs.len() + self.rows.history.len()
    }

    pub(super) async fn write(&mut self, taking: &Taking<'_>) -> Result<(), Error> {
        if self.len() > 0 {
            taking.engine.carry_once(&self.rows).await?;
            self.rows.calls.clear();
            self.rows.logs.clear();
            self.rows.history.clear();
            self.bytes = 0;
        }
        Ok(())
    }

    /// Writes the batch where one more row of that size made it full.
    async fn grow(&mut self, bytes: usize, taking: &Taking<'_>) -> Result<(), Error> {
        self.bytes += bytes;
        if self.len() >= ROWS || self.bytes >= BYTES { self.write(taking).await } else { Ok(()) }
    }

    pub(super) async fn call(&mut self, call: CarriedCall, taking: &Taking<'_>) -> Result<(), Error> {
        let bytes = json_bytes(&call);
        self.rows.calls.push(call);
        self.grow(bytes, taking).await
    }

    pub(super) async fn log(&mut self, log: CarriedLog, taking: &Taking<'_>) -> Result<(), Error> {
        let bytes = json_bytes(&log);
        self.rows.logs.push(log);
        self.grow(bytes, taking).await
    }

    pub(super) async fn step(&mut self, step: CarriedStep, taking: &Taking<'_>) -> Result<(), Error> {
        let bytes = json_bytes(&step);
        self.rows.history.push(step);
        self.grow(bytes, taking).await
    }
}

/// The fields of a row that are read, or say nothing that others do not: at its top, and in its objects.
const fn known_fields(kind: RowKind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        RowKind::Calls => &[
            ("", &["_id", "id", "executionId", "programName", "request", "response", "context"]),
            ("request", &["prompt", "instructionId", "timestamp"]),
            ("response", &["result", "timestamp", "latencyMs"]),
            ("context", &["pc", "variables"]),
        ],
        RowKind::Logs => &[("", &["_id", "id", "executionId", "timestamp", "event", "details"])],
        RowKind::Output => &[("", &["_id", "id", "executionId", "lines"])],
        RowKind::History => {
            &[("", &["_id", "id", "executionId", "timestamp", "step", "pc", "instruction", "stack", "variables"])]
        }
    }
}

impl Taking<'_> {
    /// Notes the fields of a row that are not known here.
    pub(super) fn note_unknown(&mut self, kind: RowKind, found: &Found) {
        let Ok(document) = &found.document else { return };
        for (object, names) in known_fields(kind) {
            let (part, path) = match *object {
                "" => (Some(document), format!("{}.", kind.collection())),
                object => (document.get(object), format!("{}.{object}.", kind.collection())),
            };
            self.unknown.extend(part.into_iter().flat_map(|part| read::unknown(part, names, &path)));
        }
    }

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
        let mut rows = self.from.ask(Ask::Rows(RowKind::Calls, execution)).await?;
        while let Some(found) = rows.next().await? {
            self.note_unknown(RowKind::Calls, &found);
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

    /// Takes over the log of an execution. It counts the rows that have expired here.
    pub(super) async fn logs(&mut self, execution: &str, program: &str) -> Result<(), Error> {
        let mut batch = Batch::of(execution, program);
        let kept = EXECUTION_LOGS.ttl.map_or(Millis(0), |ttl| ttl.after);
        let since = self.engine.now() - kept;
        let (mut count, mut expired) = (0_u64, 0_u64);
        let mut rows = self.from.ask(Ask::Rows(RowKind::Logs, execution)).await?;
        while let Some(found) = rows.next().await? {
            self.note_unknown(RowKind::Logs, &found);
            match read::log(&found) {
                Ok(log) => {
                    count += 1;
                    expired += u64::from(log.at <= since);
                    batch.log(log, self).await?;
                }
                Err(why) => self.leave("log row", &found.id, why),
            }
        }
        if expired > 0 {
            let days = kept.0 / Millis::days(1).0;
            let why = format!("{expired} of {count} are older than {days} days, so the next sweep removes them");
            self.leave("log rows", execution, why);
        }
        batch.write(self).await
    }

    /// The lines of an execution that are kept beside it.
    pub(super) async fn output(&mut self, execution: &str) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        let mut rows = self.from.ask(Ask::Rows(RowKind::Output, execution)).await?;
        while let Some(found) = rows.next().await? {
            self.note_unknown(RowKind::Output, &found);
            match read::lines(&found) {
                Ok(more) => lines.extend(more),
                Err(why) => self.leave("output", execution, why),
            }
        }
        Ok(lines)
    }

    /// Names the rows whose execution is not there.
    pub(super) async fn orphans(&mut self) -> Result<(), Error> {
        for kind in RowKind::ALL {
            let what = match kind {
                RowKind::Calls => "calls",
                RowKind::Logs => "log rows",
                RowKind::Output => "output",
                RowKind::History => "history",
            };
            let mut owners = self.from.ask(Ask::Owners(kind)).await?;
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

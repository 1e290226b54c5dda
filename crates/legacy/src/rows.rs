//! Imports the rows of one execution in batches, before the execution. Its history is imported entry by entry: the
//! instruction of each step, with its operands and variables. A prompt and its answer also become a call.

use runstate_core::id::{hex, sha256};
use runstate_core::schema::Entity;
use runstate_domain_cvm::{Call, Context, EXECUTION_LOGS, HistoryRow, ImportRows, ImportedRow};
use runstate_engine::{Engine, Error};
use runstate_value::time::Millis;
use runstate_value::{Json, check_plain};
use runstate_vm as vm;

use super::importer::LegacyImporter;
use super::{FieldResult, LegacyDocument, LegacyQuery, LegacyRowKind, documents, import_once};

/// Maximum number of rows that one command writes.
const ROWS_PER_COMMAND: usize = 200;

/// Maximum bytes of JSON that one command writes, approximately.
const BYTES_PER_COMMAND: usize = 2 * 1024 * 1024;

/// The call that an execution waits for, which identifies its row.
pub(super) struct OpenCallMatcher<'a> {
    pub(super) pc: u32,
    pub(super) prompt: &'a str,
}

pub(super) struct ImportedCalls {
    pub(super) closed: u64,
    /// The id of the open call, if it has a row.
    pub(super) open: Option<String>,
}

/// Rows that are collected until they fill a batch.
struct RowBatch {
    engine: Engine,
    rows: ImportRows,
    bytes: usize,
}

impl RowBatch {
    async fn add(&mut self, row: &impl Entity) -> Result<(), Error> {
        let row = ImportedRow::new(row).map_err(|violation| Error::internal(violation.to_string()))?;
        self.bytes += row.bytes();
        self.rows.rows.push(row);
        let is_full = self.rows.rows.len() >= ROWS_PER_COMMAND || self.bytes >= BYTES_PER_COMMAND;
        if is_full { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        if !self.rows.rows.is_empty() {
            import_once(&self.engine, &self.rows).await?;
            self.rows.rows.clear();
            self.bytes = 0;
        }
        Ok(())
    }
}

impl LegacyImporter<'_> {
    /// Passes each row of an execution that can be read to `read`, in order. `what` names one that cannot be read.
    async fn next_row<T>(
        &mut self,
        rows: &mut (dyn super::LegacyRows + '_),
        kind: LegacyRowKind,
        what: &'static str,
        read: impl Fn(&LegacyDocument) -> FieldResult<T>,
    ) -> Result<Option<T>, Error> {
        while let Some(row) = rows.next().await? {
            self.unknown_fields.extend(documents::unknown_row_fields(kind, &row));
            match read(&row) {
                Ok(row) => return Ok(Some(row)),
                Err(why) => self.skip(what, &row.id, why),
            }
        }
        Ok(None)
    }

    /// Imports the calls, the log and the history of an execution. `program` has its original bytecode, if that runs
    /// here.
    pub(super) async fn import_rows(
        &mut self,
        execution: &str,
        program_name: &str,
        program: Option<&vm::VerifiedProgram>,
        open: Option<OpenCallMatcher<'_>>,
    ) -> Result<ImportedCalls, Error> {
        let rows = ImportRows { execution: execution.to_owned(), rows: Vec::new() };
        let mut batch = RowBatch { engine: self.engine.clone(), rows, bytes: 0 };
        let mut calls = self.import_calls(execution, program_name, open.as_ref(), &mut batch).await?;
        self.import_logs(execution, &mut batch).await?;
        let history = LegacyHistory { execution, program_name, program, entries: 0, open_call: None };
        calls.closed = self.import_history(history, open.map(|open| open.pc), calls.closed, &mut batch).await?;
        batch.flush().await?;
        Ok(calls)
    }

    /// Imports the calls of an execution, except the open one.
    async fn import_calls(
        &mut self,
        execution: &str,
        program_name: &str,
        open: Option<&OpenCallMatcher<'_>>,
        batch: &mut RowBatch,
    ) -> Result<ImportedCalls, Error> {
        let (mut waiting, mut closed): (Option<Call>, u64) = (None, 0);
        let kind = LegacyRowKind::Calls;
        let mut rows = self.database.query(LegacyQuery::Rows(kind, execution)).await?;
        let read = |row: &LegacyDocument| documents::read_call(row, execution, program_name);
        while let Some(mut call) = self.next_row(&mut *rows, kind, "call", read).await? {
            let is_open = open.is_some_and(|open| {
                let Call { request, response, .. } = &call;
                response.is_none() && request.instruction_id == open.pc && request.prompt == open.prompt
            });
            if is_open {
                // The latest is the open one: an earlier one with the same prompt was never answered.
                match waiting.replace(call) {
                    Some(older) => call = older,
                    None => continue,
                }
            }
            closed += 1;
            batch.add(&Call { step: closed, ..call }).await?;
        }
        Ok(ImportedCalls { closed, open: waiting.map(|call| call.id) })
    }

    /// Imports the log of an execution. Reports the number of rows that have expired here.
    async fn import_logs(&mut self, execution: &str, batch: &mut RowBatch) -> Result<(), Error> {
        let retention = EXECUTION_LOGS.ttl.map_or(Millis(0), |ttl| ttl.after);
        let since = self.engine.now() - retention;
        let (mut count, mut expired) = (0_u64, 0_u64);
        let kind = LegacyRowKind::Logs;
        let mut rows = self.database.query(LegacyQuery::Rows(kind, execution)).await?;
        let read = |row: &LegacyDocument| documents::read_log(row, execution);
        while let Some(log) = self.next_row(&mut *rows, kind, "log row", read).await? {
            count += 1;
            expired += u64::from(log.timestamp <= since);
            batch.add(&log).await?;
        }
        if expired > 0 {
            let days = retention.0 / Millis::days(1).0;
            let why = format!("{expired} of {count} are older than {days} days, so the next sweep removes them");
            self.skip("log rows", execution, why);
        }
        Ok(())
    }

    /// Imports the history of an execution that has `closed` calls already. `waits_at` is the instruction of its open
    /// call, which is imported with the execution. Returns the number of closed calls afterwards.
    async fn import_history(
        &mut self,
        mut history: LegacyHistory<'_>,
        waits_at: Option<u32>,
        mut closed: u64,
        batch: &mut RowBatch,
    ) -> Result<u64, Error> {
        // Calls with rows of their own are not imported twice.
        let calls_are_rows = closed > 0;
        let (kind, execution) = (LegacyRowKind::History, history.execution);
        let mut rows = self.database.query(LegacyQuery::Rows(kind, execution)).await?;
        let read = |row: &LegacyDocument| documents::read_history(row, execution);
        while let Some(mut entry) = self.next_row(&mut *rows, kind, "history entry", read).await? {
            history.add(&mut entry);
            if !calls_are_rows {
                if let Some(call) = history.close_call(&entry) {
                    closed += 1;
                    batch.add(&Call { step: closed, ..call }).await?;
                }
                if history.is_call(&entry) {
                    history.open_call = Some(history.to_call(&entry, &entry.stack));
                }
            }
            batch.add(&entry).await?;
        }
        if let Some(call) = history.open_call.take().filter(|call| Some(call.context.pc) != waits_at) {
            closed += 1;
            batch.add(&Call { step: closed, ..call }).await?;
        }
        Ok(closed)
    }

    /// The output of an execution that is stored separately.
    pub(super) async fn read_output(&mut self, execution: &str) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        let kind = LegacyRowKind::Output;
        let mut rows = self.database.query(LegacyQuery::Rows(kind, execution)).await?;
        while let Some(row) = rows.next().await? {
            self.unknown_fields.extend(documents::unknown_row_fields(kind, &row));
            match documents::output_lines(&row) {
                Ok(new_lines) => lines.extend(new_lines),
                Err(why) => self.skip("output", execution, why),
            }
        }
        Ok(lines)
    }

    /// Reports rows whose execution does not exist.
    pub(super) async fn report_orphans(&mut self) -> Result<(), Error> {
        for kind in LegacyRowKind::ALL {
            let name = match kind {
                LegacyRowKind::Calls => "calls",
                LegacyRowKind::Logs => "log rows",
                LegacyRowKind::Output => "output",
                LegacyRowKind::History => "history",
            };
            let mut owners = self.database.query(LegacyQuery::Owners(kind)).await?;
            while let Some(owner) = owners.next().await? {
                if !self.execution_ids.contains(&owner.id) {
                    let count = owner.document.map_or_else(|_| "some".to_owned(), |count| count.to_string());
                    self.skip(name, &owner.id, format!("{count} rows belong to an execution that does not exist"));
                }
            }
        }
        Ok(())
    }
}

/// The instruction of an entry that only records an answer.
const ANSWER_INSTRUCTION: &str = "CC_RESULT";

/// The state while the entries of one execution are read.
struct LegacyHistory<'a> {
    execution: &'a str,
    program_name: &'a str,
    /// The program with its original bytecode, if that runs here.
    program: Option<&'a vm::VerifiedProgram>,
    entries: u64,
    /// A call without an answer so far.
    open_call: Option<Call>,
}

impl LegacyHistory<'_> {
    /// Counts an entry and sets its id, which preserves the order of entries of the same time.
    fn add(&mut self, entry: &mut HistoryRow) {
        self.entries += 1;
        entry.id = format!("{:08}-{}", self.entries, self.derive_id("history"));
    }

    fn derive_id(&self, kind: &str) -> String {
        hex(&sha256(&[kind.as_bytes(), self.execution.as_bytes()])[..16])
    }

    /// Whether the entry makes a call. If the entry does not contain its instruction, the program does.
    fn is_call(&self, entry: &HistoryRow) -> bool {
        match entry.instruction.get("op").unwrap_or(&entry.instruction) {
            Json::String(name) => name == "CC",
            Json::Number(op) if entry.instruction.is_object() => op.as_u64() == Some(u64::from(vm::op::Op::Cc.code())),
            _ => self.program.is_some_and(|program| program.is_cognitive_call(entry.pc)),
        }
    }

    /// The call that an entry closes: the open one before it, which is answered now or never was.
    fn close_call(&mut self, entry: &HistoryRow) -> Option<Call> {
        let is_answer = entry.instruction == ANSWER_INSTRUCTION;
        let follows = |call: &Call| call.context.pc.checked_add(1) == Some(entry.pc);
        let answered = is_answer || self.open_call.as_ref().is_some_and(follows);
        let result = entry.stack.last().filter(|result| answered && check_plain(result).is_ok());
        let operands = entry.stack.split_last().map_or(&[][..], |(_, operands)| operands);
        let mut call = match self.open_call.take() {
            Some(call) => call,
            None if is_answer && result.is_some() => self.to_call(entry, operands),
            None => return None,
        };
        if let Some(result) = result {
            documents::close_call(&mut call, result.clone(), entry.timestamp, None);
        }
        Some(call)
    }

    /// The call that an entry makes, with these operands.
    fn to_call(&self, entry: &HistoryRow, operands: &[Json]) -> Call {
        let prompt = self.program.and_then(|program| program.prompt_at(entry.pc, operands)).unwrap_or_default();
        let id = format!("{}-{:08}", self.derive_id("call"), self.entries);
        let context = Context::new(entry.pc, 0, Json::Object(entry.variables.clone()));
        Call::imported(id, self.execution, self.program_name, prompt, entry.timestamp, context)
    }
}

//! Imports the rows of one execution in batches, before the execution. Its history is imported entry by entry: the
//! instruction of each step, with its operands and variables. A prompt and its answer also become a call.

use super::documents::FieldResult;
use super::importer::LegacyImporter;
use super::values::LegacyFields;
use super::{LegacyDocument, LegacyQuery, LegacyRowKind, documents, import_once};
use crate::domain::cvm::{
    EXECUTION_LOGS, ImportLegacyRows, LegacyAnswer, LegacyCall, LegacyHistoryEntry, LegacyLogRow,
};
use crate::engine::Error;
use crate::id::{hex, sha256};
use crate::time::{Millis, Timestamp};
use crate::value::{Json, check_plain, json_bytes};
use crate::vm;

/// Maximum number of rows that one command writes.
const ROWS_PER_COMMAND: usize = 200;

/// Maximum bytes of JSON that one command writes, approximately.
const BYTES_PER_COMMAND: usize = 2 * 1024 * 1024;

/// The call that an execution waits for, which identifies its row.
pub(super) struct OpenCallMatcher<'a> {
    pub(super) pc: u32,
    pub(super) prompt: &'a str,
}

/// The imported calls of an execution.
pub(super) struct ImportedCalls {
    /// Number of closed calls.
    pub(super) closed: u64,
    /// The id of the open call, if it has a row.
    pub(super) open: Option<String>,
}

/// Rows that are collected until they fill a batch.
pub(super) struct RowBatch {
    rows: ImportLegacyRows,
    bytes: usize,
}

impl RowBatch {
    pub(super) fn new(execution: &str, program_name: &str) -> Self {
        let (execution, program_name) = (execution.to_owned(), program_name.to_owned());
        Self {
            rows: ImportLegacyRows {
                execution,
                program_name,
                calls: Vec::new(),
                logs: Vec::new(),
                history: Vec::new(),
            },
            bytes: 0,
        }
    }

    fn len(&self) -> usize {
        self.rows.calls.len() + self.rows.logs.len() + self.rows.history.len()
    }

    pub(super) async fn flush(&mut self, importer: &LegacyImporter<'_>) -> Result<(), Error> {
        if self.len() > 0 {
            import_once(importer.engine, &self.rows).await?;
            self.rows.calls.clear();
            self.rows.logs.clear();
            self.rows.history.clear();
            self.bytes = 0;
        }
        Ok(())
    }

    /// Writes the batch if a row of this size filled it.
    async fn flush_if_full(&mut self, bytes: usize, importer: &LegacyImporter<'_>) -> Result<(), Error> {
        self.bytes += bytes;
        if self.len() >= ROWS_PER_COMMAND || self.bytes >= BYTES_PER_COMMAND {
            self.flush(importer).await
        } else {
            Ok(())
        }
    }

    pub(super) async fn add_call(&mut self, call: LegacyCall, importer: &LegacyImporter<'_>) -> Result<(), Error> {
        let bytes = json_bytes(&call);
        self.rows.calls.push(call);
        self.flush_if_full(bytes, importer).await
    }

    pub(super) async fn add_log(&mut self, log: LegacyLogRow, importer: &LegacyImporter<'_>) -> Result<(), Error> {
        let bytes = json_bytes(&log);
        self.rows.logs.push(log);
        self.flush_if_full(bytes, importer).await
    }

    pub(super) async fn add_history_entry(
        &mut self,
        entry: LegacyHistoryEntry,
        importer: &LegacyImporter<'_>,
    ) -> Result<(), Error> {
        let bytes = json_bytes(&entry);
        self.rows.history.push(entry);
        self.flush_if_full(bytes, importer).await
    }
}

/// The fields of a row that are read, or that repeat others: at the top level, and in its objects.
const fn known_fields(kind: LegacyRowKind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        LegacyRowKind::Calls => &[
            ("", &["_id", "id", "executionId", "programName", "request", "response", "context"]),
            ("request", &["prompt", "instructionId", "timestamp"]),
            ("response", &["result", "timestamp", "latencyMs"]),
            ("context", &["pc", "variables"]),
        ],
        LegacyRowKind::Logs => &[("", &["_id", "id", "executionId", "timestamp", "event", "details"])],
        LegacyRowKind::Output => &[("", &["_id", "id", "executionId", "lines"])],
        LegacyRowKind::History => {
            &[("", &["_id", "id", "executionId", "timestamp", "step", "pc", "instruction", "stack", "variables"])]
        }
    }
}

impl LegacyImporter<'_> {
    /// Collects the unknown fields of a row.
    pub(super) fn note_unknown_fields(&mut self, kind: LegacyRowKind, row: &LegacyDocument) {
        let Ok(document) = &row.document else { return };
        for (object, names) in known_fields(kind) {
            let (part, path) = match *object {
                "" => (Some(document), format!("{}.", kind.collection())),
                object => (document.get(object), format!("{}.{object}.", kind.collection())),
            };
            self.unknown_fields.extend(part.into_iter().flat_map(|part| documents::unknown_fields(part, names, &path)));
        }
    }

    /// Imports the calls of an execution, except the open one.
    pub(super) async fn import_calls(
        &mut self,
        execution: &str,
        program: &str,
        open: Option<OpenCallMatcher<'_>>,
    ) -> Result<ImportedCalls, Error> {
        let mut batch = RowBatch::new(execution, program);
        let mut waiting: Option<LegacyCall> = None;
        let mut closed = 0;
        let mut rows = self.database.query(LegacyQuery::Rows(LegacyRowKind::Calls, execution)).await?;
        while let Some(row) = rows.next().await? {
            self.note_unknown_fields(LegacyRowKind::Calls, &row);
            let mut call = match documents::read_call(&row) {
                Ok(call) => call,
                Err(why) => {
                    self.skip("call", &row.id, why);
                    continue;
                }
            };
            let is_open = open
                .as_ref()
                .is_some_and(|open| call.answer.is_none() && call.instruction == open.pc && call.prompt == open.prompt);
            if is_open {
                // The latest is the open one: an earlier one with the same prompt was never answered.
                match waiting.replace(call) {
                    Some(older) => call = older,
                    None => continue,
                }
            }
            closed += 1;
            call.step = closed;
            batch.add_call(call, self).await?;
        }
        batch.flush(self).await?;
        Ok(ImportedCalls { closed, open: waiting.map(|call| call.id) })
    }

    /// Imports the log of an execution. Reports the number of rows that have expired here.
    pub(super) async fn import_logs(&mut self, execution: &str, program: &str) -> Result<(), Error> {
        let mut batch = RowBatch::new(execution, program);
        let retention = EXECUTION_LOGS.ttl.map_or(Millis(0), |ttl| ttl.after);
        let since = self.engine.now() - retention;
        let (mut count, mut expired) = (0_u64, 0_u64);
        let mut rows = self.database.query(LegacyQuery::Rows(LegacyRowKind::Logs, execution)).await?;
        while let Some(row) = rows.next().await? {
            self.note_unknown_fields(LegacyRowKind::Logs, &row);
            match documents::read_log(&row) {
                Ok(log) => {
                    count += 1;
                    expired += u64::from(log.at <= since);
                    batch.add_log(log, self).await?;
                }
                Err(why) => self.skip("log row", &row.id, why),
            }
        }
        if expired > 0 {
            let days = retention.0 / Millis::days(1).0;
            let why = format!("{expired} of {count} are older than {days} days, so the next sweep removes them");
            self.skip("log rows", execution, why);
        }
        batch.flush(self).await
    }

    /// The output of an execution that is stored separately.
    pub(super) async fn read_output(&mut self, execution: &str) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        let mut rows = self.database.query(LegacyQuery::Rows(LegacyRowKind::Output, execution)).await?;
        while let Some(row) = rows.next().await? {
            self.note_unknown_fields(LegacyRowKind::Output, &row);
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

    /// Imports the history of an execution that has `closed` calls already. `waits_at` is the instruction of its open call, which is
    /// imported with the execution. Returns the number of closed calls afterwards.
    pub(super) async fn import_history(
        &mut self,
        execution: &str,
        program_name: &str,
        program: Option<&vm::VerifiedProgram>,
        waits_at: Option<u32>,
        mut closed: u64,
    ) -> Result<u64, Error> {
        let mut history = LegacyHistory { execution, program, entries: 0, open_call: None };
        let mut batch = RowBatch::new(execution, program_name);
        // Calls with rows of their own are not imported twice.
        let calls_are_rows = closed > 0;
        let mut rows = self.database.query(LegacyQuery::Rows(LegacyRowKind::History, execution)).await?;
        while let Some(row) = rows.next().await? {
            self.note_unknown_fields(LegacyRowKind::History, &row);
            let mut entry = match LegacyHistoryEntry::read(&row) {
                Ok(entry) => entry,
                Err(why) => {
                    self.skip("history entry", &row.id, why);
                    continue;
                }
            };
            history.add(&mut entry);
            if !calls_are_rows {
                if let Some(mut call) = history.close_call(&entry) {
                    closed += 1;
                    call.step = closed;
                    batch.add_call(call, self).await?;
                }
                if entry.is_call(program) {
                    history.open_call = Some(history.to_call(&entry, &entry.stack));
                }
            }
            batch.add_history_entry(entry, self).await?;
        }
        if let Some(mut call) = history.open_call.take().filter(|call| Some(call.pc) != waits_at) {
            closed += 1;
            call.step = closed;
            batch.add_call(call, self).await?;
        }
        batch.flush(self).await?;
        Ok(closed)
    }
}

/// The instruction of an entry that only records an answer.
const ANSWER_INSTRUCTION: &str = "CC_RESULT";

/// The state while the entries of one execution are read.
struct LegacyHistory<'a> {
    execution: &'a str,
    /// The program with its original bytecode, if that runs here.
    program: Option<&'a vm::VerifiedProgram>,
    entries: u64,
    /// A call without an answer so far.
    open_call: Option<LegacyCall>,
}

impl LegacyHistoryEntry {
    /// Reads an entry without its id, which [`LegacyHistory::add`] sets.
    fn read(source: &LegacyDocument) -> FieldResult<Self> {
        let fields: LegacyFields<'_> = documents::row_fields(source)?;
        Ok(Self {
            id: String::new(),
            step: fields.optional("step", "a whole number", Json::as_i64)?.unwrap_or(0),
            pc: fields.optional_index("pc")?.unwrap_or(0),
            instruction: fields.json("instruction").cloned().unwrap_or_default(),
            stack: fields.list("stack")?.to_vec(),
            variables: fields.document("variables")?,
            at: fields.time("timestamp")?,
        })
    }

    /// Whether the entry makes a call. If the entry does not contain its instruction, the program does.
    fn is_call(&self, program: Option<&vm::VerifiedProgram>) -> bool {
        let op = self.instruction.get("op").unwrap_or(&self.instruction);
        match op {
            Json::String(name) => name == "CC",
            Json::Number(op) if self.instruction.is_object() => op.as_u64() == Some(u64::from(vm::op::Op::Cc.code())),
            _ => program.is_some_and(|program| program.is_cognitive_call(self.pc)),
        }
    }

    fn is_answer(&self) -> bool {
        self.instruction == ANSWER_INSTRUCTION
    }
}

impl LegacyHistory<'_> {
    /// Counts an entry and sets its id, which preserves the order of entries of the same time.
    fn add(&mut self, entry: &mut LegacyHistoryEntry) {
        self.entries += 1;
        entry.id = format!("{:08}-{}", self.entries, self.derive_id("history"));
    }

    fn derive_id(&self, kind: &str) -> String {
        hex(&sha256(&[kind.as_bytes(), self.execution.as_bytes()])[..16])
    }

    /// The call that an entry closes: the open one before it, which is answered now or never was.
    fn close_call(&mut self, entry: &LegacyHistoryEntry) -> Option<LegacyCall> {
        let answered =
            entry.is_answer() || self.open_call.as_ref().is_some_and(|call| call.pc.checked_add(1) == Some(entry.pc));
        let result = entry.stack.last().filter(|result| answered && check_plain(result).is_ok());
        let open_call = self.open_call.take();
        match (open_call, result) {
            (None, Some(result)) if entry.is_answer() => {
                let operands = entry.stack.split_last().map_or(&[][..], |(_, operands)| operands);
                Some(LegacyCall { answer: Some(answer(result, entry.at, entry.at)), ..self.to_call(entry, operands) })
            }
            (Some(call), result) => {
                let answer = result.map(|result| answer(result, entry.at, call.asked));
                Some(LegacyCall { answer, ..call })
            }
            (None, _) => None,
        }
    }

    /// The call that an entry makes, with these operands.
    fn to_call(&self, entry: &LegacyHistoryEntry, operands: &[Json]) -> LegacyCall {
        let prompt = self.program.and_then(|program| program.prompt_at(entry.pc, operands));
        LegacyCall {
            id: format!("{}-{:08}", self.derive_id("call"), self.entries),
            step: 0,
            prompt: prompt.unwrap_or_default(),
            instruction: entry.pc,
            asked: entry.at,
            answer: None,
            pc: entry.pc,
            variables: entry.variables.clone(),
        }
    }
}

fn answer(result: &Json, at: Timestamp, asked: Timestamp) -> LegacyAnswer {
    LegacyAnswer { result: result.clone(), at, latency: Millis(at.since(asked).0.max(0)) }
}

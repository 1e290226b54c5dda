//! Imports the rows of one execution in batches, before the execution.

use super::importer::LegacyImporter;
use super::{LegacyDocument, LegacyQuery, LegacyRowKind, documents};
use crate::domain::cvm::{EXECUTION_LOGS, ImportLegacyRows, LegacyCall, LegacyHistoryEntry, LegacyLogRow};
use crate::engine::Error;
use crate::time::Millis;
use crate::value::json_bytes;

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

    pub(super) async fn flush(&mut self, taking: &LegacyImporter<'_>) -> Result<(), Error> {
        if self.len() > 0 {
            taking.engine.import_once(&self.rows).await?;
            self.rows.calls.clear();
            self.rows.logs.clear();
            self.rows.history.clear();
            self.bytes = 0;
        }
        Ok(())
    }

    /// Writes the batch if a row of this size filled it.
    async fn flush_if_full(&mut self, bytes: usize, taking: &LegacyImporter<'_>) -> Result<(), Error> {
        self.bytes += bytes;
        if self.len() >= ROWS_PER_COMMAND || self.bytes >= BYTES_PER_COMMAND {
            self.flush(taking).await
        } else {
            Ok(())
        }
    }

    pub(super) async fn add_call(&mut self, call: LegacyCall, taking: &LegacyImporter<'_>) -> Result<(), Error> {
        let bytes = json_bytes(&call);
        self.rows.calls.push(call);
        self.flush_if_full(bytes, taking).await
    }

    pub(super) async fn add_log(&mut self, log: LegacyLogRow, taking: &LegacyImporter<'_>) -> Result<(), Error> {
        let bytes = json_bytes(&log);
        self.rows.logs.push(log);
        self.flush_if_full(bytes, taking).await
    }

    pub(super) async fn add_history_entry(
        &mut self,
        step: LegacyHistoryEntry,
        taking: &LegacyImporter<'_>,
    ) -> Result<(), Error> {
        let bytes = json_bytes(&step);
        self.rows.history.push(step);
        self.flush_if_full(bytes, taking).await
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
    pub(super) fn note_unknown_fields(&mut self, kind: LegacyRowKind, found: &LegacyDocument) {
        let Ok(document) = &found.document else { return };
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
        while let Some(found) = rows.next().await? {
            self.note_unknown_fields(LegacyRowKind::Calls, &found);
            let mut call = match documents::read_call(&found) {
                Ok(call) => call,
                Err(why) => {
                    self.skip("call", &found.id, why);
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
        let kept = EXECUTION_LOGS.ttl.map_or(Millis(0), |ttl| ttl.after);
        let since = self.engine.now() - kept;
        let (mut count, mut expired) = (0_u64, 0_u64);
        let mut rows = self.database.query(LegacyQuery::Rows(LegacyRowKind::Logs, execution)).await?;
        while let Some(found) = rows.next().await? {
            self.note_unknown_fields(LegacyRowKind::Logs, &found);
            match documents::read_log(&found) {
                Ok(log) => {
                    count += 1;
                    expired += u64::from(log.at <= since);
                    batch.add_log(log, self).await?;
                }
                Err(why) => self.skip("log row", &found.id, why),
            }
        }
        if expired > 0 {
            let days = kept.0 / Millis::days(1).0;
            let why = format!("{expired} of {count} are older than {days} days, so the next sweep removes them");
            self.skip("log rows", execution, why);
        }
        batch.flush(self).await
    }

    /// The output of an execution that is stored separately.
    pub(super) async fn read_output(&mut self, execution: &str) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        let mut rows = self.database.query(LegacyQuery::Rows(LegacyRowKind::Output, execution)).await?;
        while let Some(found) = rows.next().await? {
            self.note_unknown_fields(LegacyRowKind::Output, &found);
            match documents::output_lines(&found) {
                Ok(more) => lines.extend(more),
                Err(why) => self.skip("output", execution, why),
            }
        }
        Ok(lines)
    }

    /// Reports rows whose execution does not exist.
    pub(super) async fn report_orphans(&mut self) -> Result<(), Error> {
        for kind in LegacyRowKind::ALL {
            let what = match kind {
                LegacyRowKind::Calls => "calls",
                LegacyRowKind::Logs => "log rows",
                LegacyRowKind::Output => "output",
                LegacyRowKind::History => "history",
            };
            let mut owners = self.database.query(LegacyQuery::Owners(kind)).await?;
            while let Some(owner) = owners.next().await? {
                if !self.execution_ids.contains(&owner.id) {
                    let count = owner.document.map_or_else(|_| "some".to_owned(), |count| count.to_string());
                    self.skip(what, &owner.id, format!("{count} of an execution that does not exist"));
                }
            }
        }
        Ok(())
    }
}

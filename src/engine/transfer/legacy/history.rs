//! Imports the history of an execution entry by entry: the instruction of each step, with its operands and variables. A prompt and its
//! answer also become a call.

use super::LegacyDocument;
use super::documents::{self, FieldResult};
use super::importer::LegacyImporter;
use super::rows::RowBatch;
use super::{LegacyQuery, LegacyRowKind, fields::LegacyFields};
use crate::domain::cvm::{LegacyAnswer, LegacyCall, LegacyHistoryEntry};
use crate::engine::Error;
use crate::id::{hex, sha256};
use crate::time::{Millis, Timestamp};
use crate::value::{Json, check_plain};
use crate::vm;

/// The instruction of an entry that only records an answer.
const ANSWER_INSTRUCTION: &str = "CC_RESULT";

/// The state while the entries of one execution are read.
struct LegacyHistory<'a> {
    execution: &'a str,
    /// The program with the bytecode that it came with, if that runs here.
    program: Option<&'a vm::VerifiedProgram>,
    entries: u64,
    /// A call without an answer so far.
    open_call: Option<LegacyCall>,
}

impl LegacyHistoryEntry {
    /// Reads an entry without its id, which [`LegacyHistory::add`] sets.
    fn read(found: &LegacyDocument) -> FieldResult<Self> {
        let fields: LegacyFields<'_> = documents::row_fields(found)?;
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

    fn derive_id(&self, what: &str) -> String {
        hex(&sha256(&[what.as_bytes(), self.execution.as_bytes()])[..16])
    }

    /// The call that an entry closes: the open one before it, which is answered now or never was.
    fn close_call(&mut self, entry: &LegacyHistoryEntry) -> Option<LegacyCall> {
        let answered =
            entry.is_answer() || self.open_call.as_ref().is_some_and(|call| call.pc.checked_add(1) == Some(entry.pc));
        let result = entry.stack.last().filter(|result| answered && check_plain(result).is_ok());
        let asked = self.open_call.take();
        match (asked, result) {
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

impl LegacyImporter<'_> {
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
        while let Some(found) = rows.next().await? {
            self.note_unknown_fields(LegacyRowKind::History, &found);
            let mut entry = match LegacyHistoryEntry::read(&found) {
                Ok(entry) => entry,
                Err(why) => {
                    self.skip("history entry", &found.id, why);
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

//! The history of an execution, entry by entry: what the machine did at a step, with its operands and variables. Each entry becomes a row of
//! the log. What was asked and answered becomes a call too, which is kept as long as its execution.

use serde_json::json;

use super::Found;
use super::carry::Taking;
use super::read::{self, Read};
use super::rows::Batch;
use super::{Beside, fields::Fields};
use crate::domain::cvm::{CarriedAnswer, CarriedCall, CarriedLog, EXECUTION_LOGS};
use crate::engine::Error;
use crate::id::{hex, sha256};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json, check_plain};
use crate::vm;

/// The instruction of an entry that only says what was answered.
const ANSWERED: &str = "CC_RESULT";

/// An entry.
struct Entry {
    step: Json,
    pc: u32,
    instruction: Json,
    stack: Vec<Json>,
    variables: Document,
    at: Timestamp,
}

/// The entries of one execution, as far as they were read.
struct History<'a> {
    execution: &'a str,
    /// Its program in the bytecode that it came with, where that runs here.
    program: Option<&'a vm::Program>,
    entries: u64,
    expired: u64,
    /// Asked, and not answered so far.
    asked: Option<CarriedCall>,
}

impl Entry {
    fn read(found: &Found) -> Read<Self> {
        let fields: Fields<'_> = read::row(found)?;
        Ok(Self {
            step: fields.json("step").cloned().unwrap_or_default(),
            pc: fields.optional_place("pc")?.unwrap_or(0),
            instruction: fields.json("instruction").cloned().unwrap_or_default(),
            stack: fields.list("stack")?.to_vec(),
            variables: fields.document("variables")?,
            at: fields.time("timestamp")?,
        })
    }

    /// Whether it asks; where the entry does not say which instruction it is of, its program does.
    fn asks(&self, program: Option<&vm::Program>) -> bool {
        let op = self.instruction.get("op").unwrap_or(&self.instruction);
        match op {
            Json::String(name) => name == "CC",
            Json::Number(op) if self.instruction.is_object() => op.as_u64() == Some(u64::from(vm::op::Op::Cc.code())),
            _ => program.is_some_and(|program| program.asks(self.pc)),
        }
    }

    fn is_answer(&self) -> bool {
        self.instruction == ANSWERED
    }
}

impl History<'_> {
    /// The row of the log for an entry. Its id keeps the order of entries of one moment.
    fn log(&mut self, entry: &Entry, kept_since: Timestamp) -> CarriedLog {
        self.entries += 1;
        self.expired += u64::from(entry.at < kept_since);
        let Entry { step, pc, instruction, stack, variables, at } = entry;
        let details =
            json!({"step": step, "pc": pc, "instruction": instruction, "stack": stack, "variables": variables});
        CarriedLog {
            id: format!("{:08}-{}", self.entries, self.row("history")),
            at: *at,
            event: "instruction".to_owned(),
            details: details.as_object().cloned().unwrap_or_default(),
        }
    }

    fn row(&self, what: &str) -> String {
        hex(&sha256(&[what.as_bytes(), self.execution.as_bytes()])[..16])
    }

    /// The call that an entry ends: the one before it that was asked and is answered now, or never was.
    fn ended(&mut self, entry: &Entry) -> Option<CarriedCall> {
        let answered =
            entry.is_answer() || self.asked.as_ref().is_some_and(|call| call.pc.checked_add(1) == Some(entry.pc));
        let result = entry.stack.last().filter(|result| answered && check_plain(result).is_ok());
        let asked = self.asked.take();
        match (asked, result) {
            (None, Some(result)) if entry.is_answer() => {
                let operands = entry.stack.split_last().map_or(&[][..], |(_, operands)| operands);
                Some(CarriedCall { answer: Some(answer(result, entry.at, entry.at)), ..self.call(entry, operands) })
            }
            (Some(call), result) => {
                let answer = result.map(|result| answer(result, entry.at, call.asked));
                Some(CarriedCall { answer, ..call })
            }
            (None, _) => None,
        }
    }

    /// The call that an entry is of, asked with these operands.
    fn call(&self, entry: &Entry, operands: &[Json]) -> CarriedCall {
        let prompt = self.program.and_then(|program| program.question(entry.pc, operands));
        CarriedCall {
            id: format!("{}-{:08}", self.row("call"), self.entries),
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

fn answer(result: &Json, at: Timestamp, asked: Timestamp) -> CarriedAnswer {
    CarriedAnswer { result: result.clone(), at, latency: Millis(at.since(asked).0.max(0)) }
}

impl Taking<'_> {
    /// Imports the history of an execution that has asked `closed` calls already. `waits_at`: the instruction whose call is open and is
    /// left to its execution. How many calls are closed afterwards.
    pub(super) async fn history(
        &mut self,
        execution: &str,
        program_name: &str,
        program: Option<&vm::Program>,
        waits_at: Option<u32>,
        mut closed: u64,
    ) -> Result<u64, Error> {
        let kept = EXECUTION_LOGS.ttl.map_or(Millis(0), |ttl| ttl.after);
        let kept_since = self.engine.now() - kept;
        let mut history = History { execution, program, entries: 0, expired: 0, asked: None };
        let mut batch = Batch::of(execution, program_name);
        // Calls with rows of their own are not told twice.
        let calls_are_rows = closed > 0;
        let mut rows = self.from.beside(Beside::History(execution)).await?;
        while let Some(found) = rows.next().await? {
            let entry = match Entry::read(&found) {
                Ok(entry) => entry,
                Err(why) => {
                    self.leave("history entry", &found.id, why);
                    continue;
                }
            };
            let log = history.log(&entry, kept_since);
            batch.log(log, self).await?;
            if calls_are_rows {
                continue;
            }
            if let Some(mut call) = history.ended(&entry) {
                closed += 1;
                call.step = closed;
                batch.call(call, self).await?;
            }
            if entry.asks(program) {
                history.asked = Some(history.call(&entry, &entry.stack));
            }
        }
        if let Some(mut call) = history.asked.take().filter(|call| Some(call.pc) != waits_at) {
            closed += 1;
            call.step = closed;
            batch.call(call, self).await?;
        }
        batch.write(self).await?;
        if history.expired > 0 {
            let why = format!(
                "{} of {} entries are in the log now and leave it with the next sweep: they are older than the {} days that a log is kept",
                history.expired,
                history.entries,
                kept.0 / Millis::days(1).0
            );
            self.leave("history", execution, why);
        }
        Ok(closed)
    }
}

//! The history of an execution, entry by entry: what the machine did at a step, with its operands and variables. What was asked and answered
//! becomes a call too.

use super::Found;
use super::carry::Taking;
use super::read::{self, Read};
use super::rows::Batch;
use super::{Ask, RowKind, fields::Fields};
use crate::domain::cvm::{CarriedAnswer, CarriedCall, CarriedStep};
use crate::engine::Error;
use crate::id::{hex, sha256};
use crate::time::{Millis, Timestamp};
use crate::value::{Json, check_plain};
use crate::vm;

/// The instruction of an entry that only says what was answered.
const ANSWERED: &str = "CC_RESULT";

/// The entries of one execution, as far as they were read.
struct History<'a> {
    execution: &'a str,
    /// Its program in the bytecode that it came with, where that runs here.
    program: Option<&'a vm::Program>,
    entries: u64,
    /// Asked, and not answered so far.
    asked: Option<CarriedCall>,
}

impl CarriedStep {
    /// Its id is given later.
    fn read(found: &Found) -> Read<Self> {
        let fields: Fields<'_> = read::row(found)?;
        Ok(Self {
            id: String::new(),
            step: fields.optional("step", "a whole number", Json::as_i64)?.unwrap_or(0),
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
    /// Counts an entry and gives it an id, which keeps the order of entries of one moment.
    fn add(&mut self, entry: &mut CarriedStep) {
        self.entries += 1;
        entry.id = format!("{:08}-{}", self.entries, self.row("history"));
    }

    fn row(&self, what: &str) -> String {
        hex(&sha256(&[what.as_bytes(), self.execution.as_bytes()])[..16])
    }

    /// The call that an entry ends: the one before it that was asked and is answered now, or never was.
    fn ended(&mut self, entry: &CarriedStep) -> Option<CarriedCall> {
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
    fn call(&self, entry: &CarriedStep, operands: &[Json]) -> CarriedCall {
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
        let mut history = History { execution, program, entries: 0, asked: None };
        let mut batch = Batch::of(execution, program_name);
        // Calls with rows of their own are not told twice.
        let calls_are_rows = closed > 0;
        let mut rows = self.from.ask(Ask::Rows(RowKind::History, execution)).await?;
        while let Some(found) = rows.next().await? {
            self.note_unknown(RowKind::History, &found);
            let mut entry = match CarriedStep::read(&found) {
                Ok(entry) => entry,
                Err(why) => {
                    self.leave("history entry", &found.id, why);
                    continue;
                }
            };
            history.add(&mut entry);
            if !calls_are_rows {
                if let Some(mut call) = history.ended(&entry) {
                    closed += 1;
                    call.step = closed;
                    batch.call(call, self).await?;
                }
                if entry.asks(program) {
                    history.asked = Some(history.call(&entry, &entry.stack));
                }
            }
            batch.step(entry, self).await?;
        }
        if let Some(mut call) = history.asked.take().filter(|call| Some(call.pc) != waits_at) {
            closed += 1;
            call.step = closed;
            batch.call(call, self).await?;
        }
        batch.write(self).await?;
        Ok(closed)
    }
}

//! An execution that had ended, with all that the older CVM kept of it: output, result or error, variables, operands, times.
//!
//! Its machine is put where it ended, so a failed execution is retried at the instruction that failed. Where no machine of its program can
//! be there, its state is kept for reading and `retry` is refused with the reason.

use serde::Serialize;

use super::super::execution::{EXECUTIONS, Execution, ImportedFailure, Metrics, ProgramError, Reached, State};
use super::super::live::{self, Live};
use super::super::program::Decoded;
use super::super::turn::Written;
use super::{begin, insert, place_of};
use crate::decision::{Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Document, Json, check_plain, check_storable};
use crate::vm;

/// Levels of nesting that an instruction's argument may have.
const INSTRUCTION_LEVELS: usize = 64;

/// Imports an execution that had ended, on version 1 of its program.
#[derive(Clone, Debug, Serialize)]
pub struct CarryEnded {
    /// Its id.
    pub id: String,
    /// Its program, which is here.
    pub program_id: String,
    /// How it ended.
    pub end: CarriedEnd,
    /// Why no machine of its program can be where it ended, where that is known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unable: Option<String>,
    /// The instruction at which it ended.
    pub pc: u32,
    /// Its operands, the top last.
    pub stack: Vec<Json>,
    /// Its globals by name.
    pub variables: Document,
    /// All it had printed.
    pub output: Vec<String>,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub completed: Timestamp,
    /// Its counters.
    pub metrics: Metrics,
}

/// How an execution of the older CVM had ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CarriedEnd {
    /// With this value.
    Complete(Json),
    /// With this error.
    Failed(ImportedFailure),
}

impl Command for CarryEnded {
    const NAME: &'static str = "cvm.carry_ended";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        place_of(view, &self.id, &self.program_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (begun, decoded) = begin(view, &self.id, &self.program_id, self.started, ctx)?;
        let state = self.state(&decoded.program)?;
        let live = self.live(&decoded, ctx);
        let live = live.map_err(|e| Rejection::Invalid { field: "state".to_owned(), reason: e.message })?;
        let (pc, metrics, last_modified) = (self.pc, self.metrics, self.completed);
        let execution = Execution { state, pc, metrics, last_modified, ..begun };
        insert(execution, live, &self.output, Written::default(), ctx)
    }
}

impl CarryEnded {
    fn state(&self, program: &vm::Program) -> Result<State, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        let at = self.completed;
        Ok(match &self.end {
            CarriedEnd::Complete(result) => {
                check_plain(result).map_err(|excess| invalid("result", excess.to_string()))?;
                State::Complete { at, result: result.clone() }
            }
            CarriedEnd::Failed(failure) => {
                check_storable(&failure.instruction, INSTRUCTION_LEVELS)
                    .map_err(|excess| invalid("error.instruction", excess.to_string()))?;
                let mut error = ProgramError::imported(failure, self.pc, at);
                if error.instruction.is_null() && self.unable.is_none() {
                    error.instruction = program.instruction(self.pc);
                }
                State::Failed { at, error: error.bounded() }
            }
        })
    }

    /// The machine where the execution ended; else one that only holds its variables and operands.
    fn live(&self, decoded: &Decoded, ctx: &Ctx) -> Result<Live, vm::RestoreError> {
        let standing = vm::Standing {
            pc: self.pc,
            stack: &self.stack,
            variables: &self.variables,
            prompt: None,
            instructions: self.metrics.instructions_executed,
            calls: self.metrics.cc_calls_count,
        };
        let Decoded { program, hash } = decoded;
        let seed = ctx.seed("random");
        let machine = match &self.unable {
            Some(why) => Err(why.clone()),
            None => {
                vm::Machine::standing(program.clone(), seed, live::limits(None, ctx), &standing).map_err(|e| e.message)
            }
        };
        match machine {
            Ok(machine) => Ok(Live::new(machine, hash.clone())),
            Err(why) => Live::kept(hash.clone(), seed, live::limits(None, ctx), &standing, &why),
        }
    }
}

//! An execution that had ended, with everything that the older CVM kept of it: output, result or error, variables, operands, times.
//!
//! Its machine is restored where the execution ended, so a failed execution is retried at the instruction that failed. If no machine of its
//! program can be restored there, its state is kept for reading, and `retry` is rejected with the reason.

use serde::Serialize;

use super::super::execution::{
    EXECUTIONS, ExecutionHead, ExecutionState, ExecutionStatus, ImportedFailure, Metrics, ProgramError,
};
use super::super::loaded_machine::{self, LoadedMachine};
use super::super::program::DecodedProgram;
use super::super::slice::SliceWrites;
use super::{execution_reads, insert_execution, new_execution};
use crate::decision::{Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Document, Json, check_plain, check_storable};
use crate::vm;

/// Deepest nesting of an instruction's argument.
const INSTRUCTION_LEVELS: usize = 64;

/// Imports an execution that had ended, on version 1 of its program.
#[derive(Clone, Debug, Serialize)]
pub struct ImportEndedExecution {
    /// Its id.
    pub id: String,
    /// Its program, which is imported already.
    pub program_id: String,
    /// Its outcome.
    pub end: LegacyOutcome,
    /// The reason why no machine of its program can be restored where it ended, if that is known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unable: Option<String>,
    /// The instruction at which it ended.
    pub pc: u32,
    /// Its operands, the top last.
    pub stack: Vec<Json>,
    /// Its globals by name.
    pub variables: Document,
    /// Its output.
    pub output: Vec<String>,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub completed: Timestamp,
    /// Its counters.
    pub metrics: Metrics,
}

/// The outcome of an execution of the older CVM.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LegacyOutcome {
    /// With this value.
    Complete(Json),
    /// With this error.
    Failed(ImportedFailure),
}

impl Command for ImportEndedExecution {
    const NAME: &'static str = "cvm.carry_ended";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        execution_reads(view, &self.id, &self.program_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let (begun, decoded) = new_execution(view, &self.id, &self.program_id, self.started, ctx)?;
        let state = self.state(&decoded.program)?;
        let loaded = self.load_machine(&decoded, ctx);
        let loaded = loaded.map_err(|e| Rejection::Invalid { field: "state".to_owned(), reason: e.message })?;
        let (pc, metrics, last_modified) = (self.pc, self.metrics, self.completed);
        let execution = ExecutionHead { state, pc, metrics, last_modified, ..begun };
        insert_execution(execution, loaded, &self.output, SliceWrites::default(), ctx)
    }
}

impl ImportEndedExecution {
    fn state(&self, program: &vm::VerifiedProgram) -> Result<ExecutionState, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        let at = self.completed;
        Ok(match &self.end {
            LegacyOutcome::Complete(result) => {
                check_plain(result).map_err(|excess| invalid("result", excess.to_string()))?;
                ExecutionState::Complete { at, result: result.clone() }
            }
            LegacyOutcome::Failed(failure) => {
                check_storable(&failure.instruction, INSTRUCTION_LEVELS)
                    .map_err(|excess| invalid("error.instruction", excess.to_string()))?;
                let mut error = ProgramError::imported(failure, self.pc, at);
                if error.instruction.is_null() && self.unable.is_none() {
                    error.instruction = program.instruction_json(self.pc);
                }
                ExecutionState::Failed { at, error: error.bounded() }
            }
        })
    }

    /// Restores the machine where the execution ended, or else one that only holds its variables and operands.
    fn load_machine(&self, decoded: &DecodedProgram, ctx: &Ctx) -> Result<LoadedMachine, vm::RestoreError> {
        let legacy_state = vm::LegacyMachineState {
            pc: self.pc,
            stack: &self.stack,
            variables: &self.variables,
            prompt: None,
            instructions: self.metrics.instructions_executed,
            calls: self.metrics.cc_calls_count,
        };
        let DecodedProgram { program, hash } = decoded;
        let seed = ctx.seed("random");
        let machine = match &self.unable {
            Some(why) => Err(why.clone()),
            None => {
                vm::Machine::from_legacy_state(program.clone(), seed, loaded_machine::limits(None, ctx), &legacy_state)
                    .map_err(|e| e.message)
            }
        };
        match machine {
            Ok(machine) => Ok(LoadedMachine::new(machine, hash.clone())),
            Err(why) => {
                LoadedMachine::unrunnable(hash.clone(), seed, loaded_machine::limits(None, ctx), &legacy_state, &why)
            }
        }
    }
}

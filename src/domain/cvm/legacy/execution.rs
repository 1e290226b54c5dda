//! Imports one execution of the older CVM. An execution that had not ended is imported at its position: it waits for
//! its answer, or runs on, in the bytecode that it began with. An execution that had ended keeps its output, result or
//! error, variables, operands and times.
//!
//! The machine of an ended execution is restored where it ended, so a failed execution is retried at the instruction
//! that failed. If no machine of its program can be restored there, its state is kept for reading, and `retry` is
//! rejected with the reason.

use serde::Serialize;

use super::{execution_reads, insert_execution, new_execution};
use crate::decision::{Command, Ctx, Decision, Hint, ReadSet, Rejection, View};
use crate::domain::cvm::call::{COGNITIVE, Call, Context, Request};
use crate::domain::cvm::execution::{
    EXECUTIONS, ExecutionHead, ExecutionState, ExecutionStatus, ImportedFailure, Metrics, ProgramError,
};
use crate::domain::cvm::loaded_machine::LoadedMachine;
use crate::domain::cvm::program::DecodedProgram;
use crate::domain::cvm::slice::SliceWrites;
use crate::domain::cvm::{call_closing, loaded_machine, slice};
use crate::error_code::ErrorCode;
use crate::schema::{Key, entity};
use crate::time::Timestamp;
use crate::value::{Document, Json, check_plain, check_storable};
use crate::vm::Instruction;
use crate::{id, vm};

/// Imports an execution that waits or runs, on version 1 of its program.
#[derive(Clone, Debug, Serialize)]
pub struct ImportActiveExecution {
    /// Its id.
    pub id: String,
    /// Its program, which is imported already.
    pub program_id: String,
    /// SHA-256 of the canonical bytecode that it began with. Version 1 must have this bytecode; otherwise the execution is rejected.
    pub bytecode: String,
    /// Its program counter.
    pub pc: u32,
    /// Its operands.
    pub stack: Vec<Json>,
    /// Its globals by name.
    pub variables: Document,
    /// The call that it waits for; `None`: it runs.
    pub question: Option<LegacyOpenCall>,
    /// Its output.
    pub output: Vec<String>,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
    /// Its counters. The open call is the last of its calls.
    pub metrics: Metrics,
}

/// Imports an execution that has not begun. It begins with version 1 of its program, and is due at once.
#[derive(Clone, Debug, Serialize)]
pub struct ImportReadyExecution {
    /// Its id.
    pub id: String,
    /// Its program, which is imported already.
    pub program_id: String,
    /// The output under its id.
    pub output: Vec<String>,
    /// When it was created.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
}

impl Command for ImportReadyExecution {
    const NAME: &'static str = "cvm.carry_ready";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        execution_reads(view, &self.id, &self.program_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let (initial, decoded) = new_execution(view, &self.id, &self.program_id, self.started, ctx)?;
        let loaded = LoadedMachine::start(&decoded, &Json::Null, None, ctx)?;
        let execution = ExecutionHead { last_modified: self.last_modified, ..initial };
        let mut decision = insert_execution(view, execution, loaded, &self.output, SliceWrites::default(), ctx)?;
        decision.hints.push(Hint::Due);
        Ok(decision)
    }
}

/// A question without an answer.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyOpenCall {
    /// Id of its row; `None`: a new id.
    pub call: Option<String>,
    /// The prompt.
    pub prompt: String,
    /// When it was made.
    pub asked: Timestamp,
}

impl ImportActiveExecution {
    /// Checks whether a machine of `bytecode` can be at this position; the error gives the reason. To be called before the rows of the
    /// execution are written.
    pub fn check(&self, bytecode: &[Instruction]) -> Result<(), String> {
        let program = vm::VerifiedProgram::decode(bytecode).map_err(|error| error.to_string())?;
        let limits = vm::Limits::default();
        let machine = vm::Machine::from_legacy_state(program.into(), [0; 32], limits, &self.legacy_machine_state());
        machine.map(|_| ()).map_err(|error| error.message)
    }

    fn legacy_machine_state(&self) -> vm::LegacyMachineState<'_> {
        vm::LegacyMachineState {
            pc: self.pc,
            stack: &self.stack,
            variables: &self.variables,
            prompt: self.question.as_ref().map(|question| question.prompt.as_str()),
            instructions: self.metrics.instructions_executed,
            calls: self.metrics.cc_calls_count,
        }
    }

    fn to_call(
        &self,
        question: &LegacyOpenCall,
        execution: &ExecutionHead,
        loaded: &LoadedMachine,
        ctx: &mut Ctx,
    ) -> Call {
        Call {
            id: question.call.clone().unwrap_or_else(|| ctx.new_id()),
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            step: execution.metrics.cc_calls_count,
            kind: COGNITIVE.to_owned(),
            key: None,
            available_at: Some(question.asked),
            request: Request {
                prompt: question.prompt.clone(),
                args: Json::Null,
                instruction_id: self.pc,
                timestamp: question.asked,
                choices: None,
                schema: None,
                deadline: None,
                default: None,
            },
            response: None,
            outcome: None,
            error: None,
            context: Context {
                pc: self.pc,
                line: loaded.machine.line(),
                variables: loaded.machine.variables(slice::CONTEXT_BYTES),
            },
            claim: None,
        }
    }
}

impl Command for ImportActiveExecution {
    const NAME: &'static str = "cvm.carry_standing";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        execution_reads(view, &self.id, &self.program_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        let (initial, decoded) = new_execution(view, &self.id, &self.program_id, self.started, ctx)?;
        if *decoded.hash != *self.bytecode {
            let reason = "version 1 of its program does not have the bytecode that the execution began with".to_owned();
            return Err(invalid("bytecode", reason));
        }
        let legacy_state = self.legacy_machine_state();
        let machine = vm::Machine::from_legacy_state(
            decoded.program,
            ctx.seed("random"),
            loaded_machine::limits(None, ctx),
            &legacy_state,
        );
        let machine = machine.map_err(|error| invalid("state", error.message))?;
        let loaded = LoadedMachine::new(machine, decoded.hash);
        let mut execution = ExecutionHead { metrics: self.metrics, last_modified: self.last_modified, ..initial };
        let mut writes = SliceWrites::default();
        let mut hint = Hint::Due;
        if let Some(question) = &self.question {
            let call = self.to_call(question, &execution, &loaded, ctx);
            id::check(&call.id).map_err(|e| invalid("call", e.to_string()))?;
            writes.changes.push(call.insert()?);
            execution.state = call_closing::waiting_for(&[call]).map_or(execution.state, ExecutionState::Waiting);
            hint = super::super::call::open_hint(COGNITIVE);
        }
        let mut decision = insert_execution(view, execution, loaded, &self.output, writes, ctx)?;
        decision.hints.push(hint);
        Ok(decision)
    }
}

/// The hash by which [`ImportActiveExecution`] identifies bytecode.
pub fn bytecode_hash(bytecode: &[Instruction]) -> Result<String, Rejection> {
    let bytecode = entity::serialize(&bytecode).map_err(|e| Rejection::domain(ErrorCode::INTERNAL, e.reason()))?;
    Ok(id::hex(&id::sha256(&[crate::value::canonical_json(&bytecode).as_bytes()])))
}

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
        let (initial, decoded) = new_execution(view, &self.id, &self.program_id, self.started, ctx)?;
        let state = self.state(&decoded.program)?;
        let loaded = self.load_machine(&decoded, ctx);
        let loaded = loaded.map_err(|e| Rejection::Invalid { field: "state".to_owned(), reason: e.message })?;
        let (pc, metrics, last_modified) = (self.pc, self.metrics, self.completed);
        let execution = ExecutionHead { state, pc, metrics, last_modified, ..initial };
        insert_execution(view, execution, loaded, &self.output, SliceWrites::default(), ctx)
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

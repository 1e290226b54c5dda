//! Import of executions that an older machine with the same instructions began. The machine is restored from a program
//! counter, operands and variables as plain values, in a program without ENTER, whose globals have names.
//!
//! No part of that state is omitted. Variables that no instruction names become globals too. Operands below those that
//! the instruction reaches remain: the older machine left some behind in loops.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::limits::{Limits, TurnCount};
use super::machine::{CallRequest, Machine};
use super::program::{BytecodeConstant, DecodedInstruction, VerifiedProgram};
use super::snapshot::RestoreError;
use super::value::Value;
use super::{abrupt_completion, json, open_call};

/// The state of a machine of the older version.
#[derive(Debug, Clone, Copy)]
pub struct LegacyMachineState<'a> {
    /// The next instruction; while it waits, the instruction that made the call.
    pub pc: u32,
    /// Operands, with the top last. The prompt may still be on top.
    pub stack: &'a [Json],
    /// Globals by name.
    pub variables: &'a Map<String, Json>,
    /// The prompt of the open call, if it waits.
    pub prompt: Option<&'a str>,
    /// Instructions executed so far.
    pub instructions: u64,
    /// Calls made so far, including the open one.
    pub calls: u64,
}

impl VerifiedProgram {
    /// Whether this instruction is a cognitive call.
    #[must_use]
    pub fn is_cognitive_call(&self, pc: u32) -> bool {
        matches!(self.code.get(pc as usize), Some(DecodedInstruction::Cc { .. }))
    }

    /// Fewest operands of a machine at this instruction, or `None` if it is not reachable.
    #[must_use]
    pub fn stack_depth(&self, pc: u32) -> Option<usize> {
        self.stack_depths.get(pc as usize).copied().flatten().map(|depth| depth as usize)
    }

    /// The prompt of a machine at this instruction with these operands. It is on top of them, or the instruction before
    /// pushed it and it is already popped. `None` if the instruction is not a call or its prompt is unknown.
    #[must_use]
    pub fn prompt_at(&self, pc: u32, stack: &[Json]) -> Option<String> {
        let Some(DecodedInstruction::Cc { options: false }) = self.code.get(pc as usize) else { return None };
        if stack.len() >= self.stack_depth(pc)? {
            return stack.last()?.as_str().map(str::to_owned);
        }
        let Some(DecodedInstruction::Push(constant)) = self.code.get(pc.checked_sub(1)? as usize) else { return None };
        match self.constants.get(*constant as usize)? {
            BytecodeConstant::Text(units) => String::from_utf16(units).ok(),
            _ => None,
        }
    }
}

impl Machine {
    /// A machine with this state.
    ///
    /// # Errors
    /// The program has ENTER, the state does not fit its instructions, or a value exceeds the limits.
    pub fn from_legacy_state(
        program: Arc<VerifiedProgram>,
        seed: [u8; 32],
        limits: Limits,
        state: &LegacyMachineState<'_>,
    ) -> Result<Machine, RestoreError> {
        let restore_error = |message: String| RestoreError { message };
        if !program.named_globals {
            return Err(restore_error(
                "its program begins with ENTER, so its variables have slots and no names".to_owned(),
            ));
        }
        let input = state.variables.get("input").unwrap_or(&Json::Null);
        let machine = Machine::start(program, input, seed, limits);
        let mut machine = machine.map_err(|failure| restore_error(failure.message))?;
        add_named_globals(&mut machine, state.variables).map_err(restore_error)?;
        let slots = machine.program.functions.first().map_or(0, |global| global.slots.len());
        machine.stack.resize(slots, Value::Uninitialized);
        apply_legacy_state(&mut machine, state).map_err(restore_error)?;
        Ok(machine)
    }
}

/// Adds a slot for each of `variables` that the program without ENTER does not name.
pub(super) fn add_named_globals(machine: &mut Machine, variables: &Map<String, Json>) -> Result<(), String> {
    let Some(global) = machine.program.functions.first().filter(|_| machine.program.named_globals) else {
        return Ok(());
    };
    let named = global.slots.len();
    let added: Vec<String> = {
        let names: HashSet<&str> = global.slots.iter().map(String::as_str).collect();
        variables.keys().filter(|name| !names.contains(name.as_str())).cloned().collect()
    };
    if added.is_empty() {
        return Ok(());
    }
    if named + added.len() > usize::from(u16::MAX) {
        return Err(format!("it has {} variables; at most {} are possible", named + added.len(), u16::MAX));
    }
    if let Some(name) = added.iter().find(|name| name.contains('\0')) {
        return Err(format!("it has a variable named {name:?}; a name cannot contain NUL"));
    }
    let mut program = VerifiedProgram::clone(&machine.program);
    if let Some(global) = program.functions.first_mut() {
        global.slots.extend(added);
    }
    machine.program = Arc::new(program);
    Ok(())
}

fn apply_legacy_state(machine: &mut Machine, state: &LegacyMachineState<'_>) -> Result<(), String> {
    let program = Arc::clone(&machine.program);
    let slots = program.functions.first().map_or(&[][..], |global| global.slots.as_slice());
    // The input is set already.
    for (slot, name) in slots.iter().enumerate().skip(1) {
        let Some(json) = state.variables.get(name) else { continue };
        let value = import_value(machine, json)?;
        if let Some(variable) = machine.stack.get_mut(slot) {
            *variable = value;
        }
    }
    for json in operands_without_prompt(machine, state) {
        let value = import_value(machine, json)?;
        machine.stack.push(value);
    }
    machine.pc = state.pc;
    machine.instructions = TurnCount { total: state.instructions, before_turn: state.instructions };
    machine.calls = state.calls;
    if let Some(prompt) = state.prompt {
        let request = legacy_call(machine, prompt)?;
        open_call::suspend(machine, vec![request], vec![Value::text(prompt)], false);
    }
    machine.check_frames()?;
    machine.heap.seal();
    Ok(())
}

/// The operands without the prompt, if there is one operand more than the instruction needs and the prompt is on top.
fn operands_without_prompt<'a>(machine: &Machine, state: &LegacyMachineState<'a>) -> &'a [Json] {
    let depth = machine.program.stack_depth(state.pc).unwrap_or_default();
    match (state.stack, state.prompt) {
        ([rest @ .., Json::String(top)], Some(prompt)) if top == prompt && rest.len() + 1 >= depth => rest,
        (stack, _) => stack,
    }
}

fn import_value(machine: &mut Machine, json: &Json) -> Result<Value, String> {
    json::value_from_json(machine, json)
        .map_err(|completion| abrupt_completion::to_failure(machine, &completion).message)
}

/// The open call of the current instruction.
fn legacy_call(machine: &Machine, prompt: &str) -> Result<CallRequest, String> {
    match machine.program.code.get(machine.pc as usize) {
        Some(DecodedInstruction::Cc { options: false }) => {}
        Some(DecodedInstruction::Cc { options: true }) => {
            return Err(format!("instruction {} makes a call with options, which were not saved", machine.pc));
        }
        _ => return Err(format!("it waits at instruction {}, which makes no cognitive call", machine.pc)),
    }
    Ok(CallRequest {
        kind: "cc".to_owned(),
        prompt: prompt.to_owned(),
        args: Json::Null,
        key: None,
        options: Json::Null,
        instruction: machine.pc,
        line: machine.line(),
    })
}

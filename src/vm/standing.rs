//! A machine put where another one stood: in a program written by hand, whose globals have names, with its operands and variables as
//! plain values. So executions that another machine of the same instructions began are gone on with.
//!
//! Nothing of that state is left out. Variables that no instruction names become globals too. Operands below those that the instruction
//! reaches stay where they are: the older machine left some behind in loops.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::limits::Limits;
use super::machine::{Asked, CallRequest, Machine, OpenCall};
use super::program::{Constant, Instruction, Program};
use super::snapshot::RestoreError;
use super::value::Value;

/// Where a machine stood.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The next instruction; where it waits, the one that asked.
    pub pc: u32,
    /// Operands, the top last. The question may still be on top.
    pub stack: &'a [Json],
    /// Globals by name.
    pub variables: &'a Map<String, Json>,
    /// What it asked, and waits for.
    pub prompt: Option<&'a str>,
    /// Instructions run so far.
    pub instructions: u64,
    /// Calls made so far, the open one included.
    pub calls: u64,
}

impl Program {
    /// Whether this instruction asks a question in words.
    #[must_use]
    pub fn asks(&self, pc: u32) -> bool {
        matches!(self.code.get(pc as usize), Some(Instruction::Cc { .. }))
    }

    /// Operands that a machine at this instruction has at least; `None`: no machine comes there.
    #[must_use]
    pub fn depth(&self, pc: u32) -> Option<usize> {
        self.depths.get(pc as usize).copied().flatten().map(|depth| depth as usize)
    }

    /// The question of a machine that stands at this instruction with these operands: it is on top of them, or was pushed by the instruction
    /// before and is popped already. `None`: the instruction asks nothing, or its question is not known.
    #[must_use]
    pub fn question(&self, pc: u32, stack: &[Json]) -> Option<String> {
        let Some(Instruction::Cc { options: false }) = self.code.get(pc as usize) else { return None };
        if stack.len() >= self.depth(pc)? {
            return stack.last()?.as_str().map(str::to_owned);
        }
        let Some(Instruction::Push(constant)) = self.code.get(pc.checked_sub(1)? as usize) else { return None };
        match self.constants.get(*constant as usize)? {
            Constant::Text(units) => String::from_utf16(units).ok(),
            _ => None,
        }
    }
}

impl Machine {
    /// A machine that stands there.
    ///
    /// # Errors
    /// The program is not of that kind, cannot stand there with these operands, or its values are larger than the limits.
    pub fn standing(
        program: Arc<Program>,
        seed: [u8; 32],
        limits: Limits,
        standing: &Standing<'_>,
    ) -> Result<Machine, RestoreError> {
        let wrong = |message: String| RestoreError { message };
        if !program.named_globals {
            return Err(wrong("its program begins with ENTER, so its variables have slots and no names".to_owned()));
        }
        let input = standing.variables.get("input").unwrap_or(&Json::Null);
        let started = Machine::start(program, input, seed, limits);
        let mut machine = started.map_err(|failure| wrong(failure.message))?;
        machine.name_globals(standing.variables).map_err(wrong)?;
        let slots = machine.program.functions.first().map_or(0, |global| global.slots.len());
        machine.stack.resize(slots, Value::Uninitialised);
        machine.stand(standing).map_err(wrong)?;
        Ok(machine)
    }

    /// Gives those of `variables` that a program written by hand does not name a slot behind the others.
    pub(super) fn name_globals(&mut self, variables: &Map<String, Json>) -> Result<(), String> {
        let Some(global) = self.program.functions.first().filter(|_| self.program.named_globals) else { return Ok(()) };
        let named = global.slots.len();
        let more: Vec<String> = {
            let known: HashSet<&str> = global.slots.iter().map(String::as_str).collect();
            variables.keys().filter(|name| !known.contains(name.as_str())).cloned().collect()
        };
        if more.is_empty() {
            return Ok(());
        }
        if named + more.len() > usize::from(u16::MAX) {
            return Err(format!("it has {} variables; at most {} are possible", named + more.len(), u16::MAX));
        }
        if let Some(name) = more.iter().find(|name| name.contains('\0')) {
            return Err(format!("it has a variable named {name:?}; a name cannot hold NUL"));
        }
        let mut program = Program::clone(&self.program);
        if let Some(global) = program.functions.first_mut() {
            global.slots.extend(more);
        }
        self.program = Arc::new(program);
        Ok(())
    }

    fn stand(&mut self, standing: &Standing<'_>) -> Result<(), String> {
        let program = Arc::clone(&self.program);
        let slots = program.functions.first().map_or(&[][..], |global| global.slots.as_slice());
        // The input is there already.
        for (place, name) in slots.iter().enumerate().skip(1) {
            let Some(json) = standing.variables.get(name) else { continue };
            let value = self.taken(json)?;
            if let Some(variable) = self.stack.get_mut(place) {
                *variable = value;
            }
        }
        for json in self.operands_left(standing) {
            let value = self.taken(json)?;
            self.stack.push(value);
        }
        self.pc = standing.pc;
        self.instructions = standing.instructions;
        self.calls = standing.calls;
        if let Some(prompt) = standing.prompt {
            self.open = Some(self.asked(prompt)?);
        }
        self.check_frames()?;
        self.heap.seal();
        Ok(())
    }

    /// The operands without the question, where the instruction that asks would find more than it reaches and the question is on top.
    fn operands_left<'a>(&self, standing: &Standing<'a>) -> &'a [Json] {
        let depth = self.program.depth(standing.pc).unwrap_or_default();
        match (standing.stack, standing.prompt) {
            ([rest @ .., Json::String(top)], Some(prompt)) if top == prompt && rest.len() + 1 >= depth => rest,
            (stack, _) => stack,
        }
    }

    fn taken(&mut self, json: &Json) -> Result<Value, String> {
        self.plain_in(json).map_err(|raise| self.failure_of(&raise).message)
    }

    /// The question that the instruction here asked.
    fn asked(&self, prompt: &str) -> Result<OpenCall, String> {
        match self.program.code.get(self.pc as usize) {
            Some(Instruction::Cc { options: false }) => {}
            Some(Instruction::Cc { options: true }) => {
                return Err(format!("instruction {} asks with options, which were not saved", self.pc));
            }
            _ => return Err(format!("it waits at instruction {}, which asks nothing", self.pc)),
        }
        let request = CallRequest {
            kind: "cc".to_owned(),
            prompt: prompt.to_owned(),
            args: Json::Null,
            key: None,
            options: Json::Null,
            instruction: self.pc,
            line: self.line(),
        };
        Ok(OpenCall { asked: Asked::One(Box::new(request)), operands: vec![Value::text(prompt)] })
    }
}

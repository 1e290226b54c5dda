//! A machine put where another one stood: in a program written by hand, whose globals have names, with its operands and variables as
//! plain values. So executions that another machine of the same instructions began are gone on with.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::limits::Limits;
use super::machine::{Asked, CallRequest, Machine, OpenCall};
use super::program::{Instruction, Program};
use super::snapshot::RestoreError;
use super::value::Value;

/// Where a machine stood.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The next instruction; where it waits, the one that asked.
    pub pc: u32,
    /// Operands, the top last; those of the question are popped.
    pub stack: &'a [Json],
    /// Globals by name. What the program does not name nothing can read: it is left out.
    pub variables: &'a Map<String, Json>,
    /// What it asked, and waits for.
    pub prompt: Option<&'a str>,
    /// Instructions run so far.
    pub instructions: u64,
    /// Calls made so far, the open one included.
    pub calls: u64,
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
        machine.stand(standing).map_err(wrong)?;
        Ok(machine)
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
        for json in standing.stack {
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

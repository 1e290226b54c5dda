//! The loop over instructions. What is simple and frequent stands here; everything else is a call into `step.rs`.
//!
//! An instruction that fails leaves its operands where they were: a failed execution can be retried at it.

use std::sync::Arc;

use super::array::{Array, Elements};
use super::entry::Entry;
use super::frame::{Entered, Frame};
use super::limits::Exceeded;
use super::machine::{Machine, Stop};
use super::number;
use super::program::{Instruction, Program};
use super::raise::Raise;
use super::value::Value;

/// What a slow instruction did.
pub(super) enum Next {
    /// The next instruction follows.
    Follow,
    /// `pc` and frames are set.
    Moved,
    /// The program stops here.
    Stop(Box<Stop>),
}

impl Machine {
    pub(super) fn interpret(&mut self, fuel: u64) -> Stop {
        let program = Arc::clone(&self.program);
        let left = self.limits.instructions.saturating_sub(self.instructions);
        let mut budget = fuel.min(left);
        if let Some(error) = self.pending.take()
            && let Err(stop) = self.raise(Raise::Throw(error))
        {
            return *stop;
        }
        loop {
            let before = budget;
            let result = self.stretch(&program, &mut budget);
            self.instructions += before - budget;
            match result {
                Ok(Next::Stop(stop)) => return *stop,
                Ok(_) => {
                    // Out of fuel.
                    if self.instructions >= self.limits.instructions {
                        return self.raise(Raise::Limit(Exceeded::Instructions)).err().map_or(Stop::Fuel, |stop| *stop);
                    }
                    return Stop::Fuel;
                }
                Err(raise) => {
                    if let Err(stop) = self.raise(raise) {
                        return *stop;
                    }
                }
            }
        }
    }

    /// Runs until something is thrown, the program stops, or the budget is used up.
    fn stretch(&mut self, program: &Program, budget: &mut u64) -> Result<Next, Raise> {
        let linked = Arc::clone(&self.linked);
        let code = program.code.as_slice();
        let mut pc = self.pc as usize;
        let mut base = self.base;
        let mut left = *budget;

        macro_rules! leave {
            ($result:expr) => {{
                self.pc = pc as u32;
                *budget = left;
                return $result;
            }};
        }
        // Runs an instruction that needs more than the loop's own state.
        macro_rules! slow {
            ($call:expr) => {{
                self.pc = pc as u32;
                match $call {
                    Ok(Next::Follow) => pc += 1,
                    Ok(Next::Moved) => {
                        pc = self.pc as usize;
                        base = self.base;
                    }
                    Ok(stop) => leave!(Ok(stop)),
                    Err(raise) => leave!(Err(raise)),
                }
                if self.heap.wants_collection() {
                    self.pc = pc as u32;
                    if let Err(limit) = self.collect() {
                        leave!(Err(Raise::Limit(limit)));
                    }
                }
            }};
        }
        macro_rules! numbers {
            ($instruction:expr, |$a:ident, $b:ident| $result:expr) => {{
                if let [.., Value::Number($a), Value::Number($b)] = self.stack.as_mut_slice() {
                    *$a = $result;
                    self.stack.pop();
                    pc += 1;
                } else {
                    slow!(self.binary($instruction));
                }
            }};
        }
        macro_rules! compare {
            ($instruction:expr, |$a:ident, $b:ident| $result:expr) => {{
                if let [.., first @ Value::Number(_), Value::Number($b)] = self.stack.as_mut_slice() {
                    if let Value::Number($a) = &*first {
                        *first = Value::Bool($result);
                    }
                    self.stack.pop();
                    pc += 1;
                } else {
                    slow!(self.binary($instruction));
                }
            }};
        }

        while left > 0 {
            let Some(instruction) = code.get(pc).copied() else {
                leave!(Err(Raise::Internal("past the end of the code")))
            };
            left -= 1;
            match instruction {
                Instruction::Push(constant) => {
                    let value = linked.constants.get(constant as usize).cloned().unwrap_or(Value::Undefined);
                    self.stack.push(value);
                    pc += 1;
                }
                Instruction::Pop => {
                    self.stack.pop();
                    pc += 1;
                }
                Instruction::Load(slot) => match self.stack.get(base + usize::from(slot)) {
                    Some(Value::Uninitialised) => slow!(self.uninitialised_slot(slot)),
                    Some(value) => {
                        let value = value.clone();
                        self.stack.push(value);
                        pc += 1;
                    }
                    None => leave!(Err(Raise::Internal("a slot outside the stack"))),
                },
                Instruction::Store(slot) => {
                    let value = self.stack.pop().unwrap_or(Value::Undefined);
                    if let Some(place) = self.stack.get_mut(base + usize::from(slot)) {
                        *place = value;
                    }
                    pc += 1;
                }
                Instruction::LoadGlobal(slot) => match self.stack.get(usize::from(slot)) {
                    Some(Value::Uninitialised) => slow!(self.uninitialised_global(slot)),
                    Some(value) => {
                        let value = value.clone();
                        self.stack.push(value);
                        pc += 1;
                    }
                    None => leave!(Err(Raise::Internal("a global outside the stack"))),
                },
                Instruction::Dup => {
                    let value = self.stack.last().cloned().unwrap_or(Value::Undefined);
                    self.stack.push(value);
                    pc += 1;
                }
                Instruction::Jump(target) => {
                    pc = target as usize;
                }
                Instruction::JumpIf(target) => {
                    let value = self.stack.pop().unwrap_or(Value::Undefined);
                    pc = if value.truthy() { target as usize } else { pc + 1 };
                }
                Instruction::JumpIfN(target) => {
                    let value = self.stack.pop().unwrap_or(Value::Undefined);
                    pc = if value.truthy() { pc + 1 } else { target as usize };
                }
                Instruction::Add => numbers!(instruction, |a, b| *a + *b),
                Instruction::Sub => numbers!(instruction, |a, b| *a - *b),
                Instruction::Mul => numbers!(instruction, |a, b| *a * *b),
                Instruction::Div => numbers!(instruction, |a, b| *a / *b),
                Instruction::Mod => numbers!(instruction, |a, b| remainder(*a, *b)),
                Instruction::BitAnd => {
                    numbers!(instruction, |a, b| f64::from(number::to_int32(*a) & number::to_int32(*b)));
                }
                Instruction::BitOr => {
                    numbers!(instruction, |a, b| f64::from(number::to_int32(*a) | number::to_int32(*b)));
                }
                Instruction::Lt => compare!(instruction, |a, b| *a < *b),
                Instruction::Gt => compare!(instruction, |a, b| *a > *b),
                Instruction::Le => compare!(instruction, |a, b| *a <= *b),
                Instruction::Ge => compare!(instruction, |a, b| *a >= *b),
                Instruction::Eq => {
                    if let [.., a, b] = self.stack.as_mut_slice() {
                        *a = Value::Bool(a.strict_equals(b));
                    }
                    self.stack.pop();
                    pc += 1;
                }
                Instruction::Neq => {
                    if let [.., a, b] = self.stack.as_mut_slice() {
                        *a = Value::Bool(!a.strict_equals(b));
                    }
                    self.stack.pop();
                    pc += 1;
                }
                Instruction::Inc => {
                    if let Some(Value::Number(n)) = self.stack.last_mut() {
                        *n += 1.0;
                        pc += 1;
                    } else {
                        slow!(self.unary(instruction));
                    }
                }
                Instruction::Dec => {
                    if let Some(Value::Number(n)) = self.stack.last_mut() {
                        *n -= 1.0;
                        pc += 1;
                    } else {
                        slow!(self.unary(instruction));
                    }
                }
                Instruction::ToNumber => {
                    if let Some(Value::Number(_)) = self.stack.last() {
                        pc += 1;
                    } else {
                        slow!(self.unary(instruction));
                    }
                }
                Instruction::Not => {
                    if let Some(value) = self.stack.last_mut() {
                        *value = Value::Bool(!value.truthy());
                    }
                    pc += 1;
                }
                Instruction::LoadCell(slot) => {
                    let cell = match self.stack.get(base + usize::from(slot)) {
                        Some(Value::Ref(at)) => self.heap.get(*at),
                        _ => &Entry::Free,
                    };
                    match cell {
                        Entry::Cell(Value::Uninitialised) => slow!(self.uninitialised_slot(slot)),
                        Entry::Cell(value) => {
                            let value = value.clone();
                            self.stack.push(value);
                            pc += 1;
                        }
                        _ => leave!(Err(Raise::Internal("a slot without its cell"))),
                    }
                }
                Instruction::LoadCapture(index) => match self.captured(index).map(|at| self.heap.get(at)) {
                    Some(Entry::Cell(Value::Uninitialised)) => slow!(self.uninitialised_capture(index)),
                    Some(Entry::Cell(value)) => {
                        let value = value.clone();
                        self.stack.push(value);
                        pc += 1;
                    }
                    _ => leave!(Err(Raise::Internal("a capture without its cell"))),
                },
                Instruction::StoreCapture(index) => match self.captured(index).and_then(|at| self.heap.get_mut(at)) {
                    Some(Entry::Cell(Value::Uninitialised)) => slow!(self.uninitialised_capture(index)),
                    Some(Entry::Cell(place)) => {
                        *place = self.stack.pop().unwrap_or(Value::Undefined);
                        pc += 1;
                    }
                    _ => leave!(Err(Raise::Internal("a capture without its cell"))),
                },
                Instruction::GetProp(name) => {
                    let found = match (self.stack.last(), linked.names.get(name as usize)) {
                        (Some(Value::Ref(at)), Some(name)) => match self.heap.get(*at) {
                            Entry::Object(object) => self.heap.table_get(&object.table, &name.key),
                            _ => None,
                        },
                        _ => None,
                    };
                    match (found, self.stack.last_mut()) {
                        (Some(found), Some(place)) => {
                            *place = found;
                            pc += 1;
                        }
                        _ => slow!(self.get_prop(&linked, name)),
                    }
                }
                Instruction::GetIndex => {
                    let found = match self.stack.as_slice() {
                        [.., Value::Ref(at), Value::Number(n)] => match self.heap.get(*at) {
                            Entry::Array(Array { elements: Elements::Small(values), .. }) => {
                                let index = *n as usize;
                                // A value that is no index comes back as another number.
                                if index as f64 == *n { values.get(index).cloned() } else { None }
                            }
                            _ => None,
                        },
                        _ => None,
                    };
                    match found {
                        Some(found) if !matches!(found, Value::Hole) => {
                            self.stack.pop();
                            if let Some(place) = self.stack.last_mut() {
                                *place = found;
                            }
                            pc += 1;
                        }
                        _ => slow!(self.get_index()),
                    }
                }
                Instruction::Call { argc } => slow!(self.call(usize::from(argc))),
                Instruction::CallMethod { argc, name } => slow!(self.call_method(&linked, usize::from(argc), name)),
                Instruction::Return => slow!(self.return_()),
                other => slow!(self.step(&linked, other)),
            }
        }
        leave!(Ok(Next::Follow))
    }

    /// The cell behind a capture of the running closure.
    #[inline]
    pub(super) fn captured(&self, index: u16) -> Option<super::value::HeapRef> {
        let Some(Frame::Code(frame)) = self.frames.last() else { return None };
        match self.heap.get(frame.closure) {
            Entry::Closure(closure) => closure.captures.get(usize::from(index)).copied(),
            _ => None,
        }
    }

    /// Ends the running function with the value on top of the stack.
    fn return_(&mut self) -> Result<Next, Raise> {
        let depth = self.frames.len();
        if depth <= 1 {
            return self.complete();
        }
        let Some(Frame::Code(frame)) = self.frames.last() else {
            return Err(Raise::Internal("a return without a frame"));
        };
        if frame.entry != Entered::Plain {
            return self.return_from_constructor();
        }
        let (bottom, return_pc) = (frame.bottom as usize, frame.return_pc);
        if let Some(Frame::Code(caller)) = self.frames.get(depth - 2) {
            self.base = caller.base as usize;
            self.pc = return_pc;
            let result = self.stack.pop().unwrap_or(Value::Undefined);
            self.stack.truncate(bottom);
            self.stack.push(result);
            self.frames.pop();
            return Ok(Next::Moved);
        }
        self.return_to_native(bottom)?;
        Ok(Next::Moved)
    }

    /// Completes the program with the value on top of the stack, which stays there.
    fn complete(&mut self) -> Result<Next, Raise> {
        let result = self.plain_out(&self.operand(0))?;
        Ok(Next::Stop(Box::new(Stop::Complete(result))))
    }
}

/// `a % b`, whose sign is that of `a`.
#[inline]
pub(super) fn remainder(a: f64, b: f64) -> f64 {
    if a >= 0.0 && b > 0.0 && a < 9_007_199_254_740_992.0 && b < 9_007_199_254_740_992.0 {
        let (whole_a, whole_b) = (a as u64, b as u64);
        if whole_a as f64 == a && whole_b as f64 == b {
            return if a == 0.0 { a } else { (whole_a % whole_b) as f64 };
        }
    }
    a % b
}

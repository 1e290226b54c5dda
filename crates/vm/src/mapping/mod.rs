//! The state of a machine under another version of its program.
//!
//! Everything in the state that refers to the program is mapped: the instruction and the function of each frame and of
//! each suspended function, the slots of frames, the functions and captures of closures, the instructions of open
//! calls, and the targets of jumps that built-in functions keep. Values, promises and jobs refer to no instruction, and
//! remain.
//!
//! `outline.rs` describes the code of one version. `alignment.rs` finds the functions and instructions that correspond,
//! `position.rs` the instruction at which a frame continues, `variables.rs` the values of its variables.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use alignment::ProgramMap;
use outline::Outline;
use position::{InstructionState, Position};
use variables::{MappedVariable, VariableSource};

use super::abrupt_completion;
use super::callback::{CallbackMethod, NativeFrame};
use super::coroutine::Coroutine;
use super::entry::Entry;
use super::frame::{CallKind, CodeFrame, Frame};
use super::generator::{Generator, GeneratorState};
use super::heap::{self, ENTRIES_PER_PAGE};
use super::job;
use super::machine::Machine;
use super::machine_tasks::ProgramTask;
use super::object::Closure;
use super::program::{Capture, DecodedInstruction, FunctionKind, VerifiedProgram};
use super::promise::{self, PromiseState};
use super::value::{HeapRef, Value};

mod alignment;
mod outline;
mod position;
mod variables;

/// Most instructions that are visited to find the variables of all frames.
const MAX_VISITS: u64 = 20_000_000;

/// The reason why an execution cannot continue in another version of its program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the execution cannot continue in this version: {reason}")]
pub struct MappingError {
    /// The difference of the versions.
    pub reason: String,
    /// Its line in the version of the execution; 0 if there is none.
    pub line: u32,
    /// Its line in the new version; 0 if there is none.
    pub new_line: u32,
}

impl Machine {
    /// The same execution under another version of its program. This machine remains as it is. All values, answers
    /// and open calls are kept.
    ///
    /// - Functions correspond by the names of the functions around them, of their class and of themselves; those
    ///   without a name by the statement that creates them. A function that does not run may change freely, if existing
    ///   closures have the variables that it captures.
    /// - A function that runs or is suspended continues in the same statement: what the statement has computed so far
    ///   must have been computed by the same instructions; the rest may change. If the statement at which the program
    ///   failed has had no effect yet, it continues after the statement before it: changed and added ones run.
    /// - A variable that the rest of the function reads must have been set by the same statement. A new one must be a
    ///   function, a constant, or set later. So must a variable from which the statement has computed its operands.
    /// - `catch`, `finally` and loops around the position must still be around it. New ones may be added.
    ///
    /// # Errors
    /// The first difference that is not allowed. Where two mappings are possible, neither is chosen.
    pub fn map_to(&self, program: Arc<VerifiedProgram>) -> Result<Machine, MappingError> {
        let refuse = |reason: &str| Err(MappingError { reason: reason.to_owned(), line: 0, new_line: 0 });
        if self.heap_discarded {
            return refuse("its state was larger than the limit of the heap, and was discarded");
        }
        if self.program.named_globals || program.named_globals {
            return refuse("its program, or the new version, was compiled by another compiler");
        }
        let mut machine = self.clone();
        // Closures that nothing refers to need no counterpart. The limit of the heap is enforced by the next run.
        let _ = heap::collect_garbage(&mut machine);
        let mut places = function_places(&machine);
        let blank = Machine::blank(Arc::clone(&program), self.limits.clone());
        (machine.program, machine.linked) = (blank.program, blank.linked);
        let mut state = StateMap {
            map: ProgramMap::new(&self.program, &program),
            source: self,
            machine: &mut machine,
            budget: MAX_VISITS,
            frames: HashMap::new(),
            captures: HashMap::new(),
        };
        state.map_frames()?;
        // Functions that only variables without a counterpart had need none either.
        let _ = heap::collect_garbage(state.machine);
        places.retain(|at| !matches!(state.machine.heap.get(*at), Entry::Free));
        places.iter().try_for_each(|at| state.map_entry(*at))?;
        state.map_open_calls();
        machine.heap.seal();
        if !places.iter().all(|at| fits_instruction(&machine, *at)) {
            return refuse("it has a suspended function that does not fit its instruction");
        }
        match machine.check_frames() {
            Ok(()) => Ok(machine),
            Err(message) => refuse(&format!("its state does not fit: {message}")),
        }
    }

    /// Checks that the error at which this machine failed comes from the statement at its position. Another version can
    /// mend only that one.
    ///
    /// # Errors
    /// The error was thrown before, by a statement that has ended: a rejected promise, a `finally` or a loop would
    /// throw it again.
    pub fn check_failed_statement(&self) -> Result<(), MappingError> {
        if !self.throws_earlier_error() {
            return Ok(());
        }
        let reason = "the error was thrown before, by a statement that has ended, and would be thrown again";
        Err(MappingError { reason: reason.to_owned(), line: self.line(), new_line: 0 })
    }

    fn throws_earlier_error(&self) -> bool {
        if self.is_idle() {
            return !self.tasks.has_jobs() && job::find_unhandled_rejection(self, false).is_some();
        }
        let (Some(Frame::Code(frame)), None) = (self.frames.last(), &self.suspended_call) else { return false };
        let code = |at: u32| self.program.code.get(at as usize).copied();
        match (code(self.pc), self.stack.last()) {
            (Some(DecodedInstruction::Await), Some(Value::Ref(promise))) => {
                matches!(promise::promise_state(self, *promise), Ok((PromiseState::Rejected, _)))
            }
            (Some(DecodedInstruction::Throw), _) => match code(self.pc.wrapping_sub(1)) {
                // The iterator of a loop or pattern is closed: only there POP precedes THROW.
                Some(DecodedInstruction::Pop) => true,
                // The end of `finally`.
                Some(DecodedInstruction::Load(slot)) => {
                    let function = self.program.functions.get(frame.function as usize);
                    let name = function.and_then(|function| function.slots.get(usize::from(slot)));
                    name.is_some_and(|name| outline::base_name(name) == "$")
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// A frame that continues in the new version.
type MappedFrame = (Position, Option<Rc<[MappedVariable]>>);

/// A state that is mapped.
struct StateMap<'s> {
    map: ProgramMap<'s>,
    source: &'s Machine,
    /// The new state.
    machine: &'s mut Machine,
    budget: u64,
    /// By function, instruction and state of the instruction.
    frames: HashMap<(u32, u32, InstructionState), MappedFrame>,
    /// By function, the old index of each capture.
    captures: HashMap<u32, Rc<Vec<usize>>>,
}

impl StateMap<'_> {
    fn map_frames(&mut self) -> Result<(), MappingError> {
        let source = self.source;
        let mut pcs: Vec<u32> = abrupt_completion::frames_with_pc(source).map(|(_, pc)| pc).collect();
        pcs.reverse();
        let last = source.frames.len().saturating_sub(1);
        let (mut stack, mut frames): (Vec<Value>, Vec<Frame>) = (Vec::new(), Vec::new());
        // The end of the part of the old stack that is mapped, and the instructions of the function below.
        let (mut end, mut caller) = (0, (0, 0));
        let mut base = 0;
        let mut is_restart = false;
        for (index, (frame, at)) in source.frames.iter().zip(pcs).enumerate() {
            // A place among the operands of the function below.
            let moved = |place: u32| match (place as usize).checked_sub(end) {
                Some(above) => Ok((stack.len() + above) as u32),
                None => Err(unexpected("a place that is not among the operands of its function")),
            };
            // A frame returns to the instruction of its caller, or after it.
            let return_pc = match frame.return_pc().wrapping_sub(caller.0) {
                _ if index == 0 => frame.return_pc(),
                offset @ 0..=1 => caller.1 + offset,
                _ => return Err(unexpected("a frame that returns to another instruction")),
            };
            match frame {
                Frame::Code(frame) => {
                    let state = self.instruction_state(index, last, frame, at);
                    let (position, variables) = self.map_frame(frame.function, at, state, index)?;
                    let (bottom, new_base) = (moved(frame.bottom)?, moved(frame.base)?);
                    stack.extend_from_slice(source.stack.get(end..frame.base as usize).unwrap_or_default());
                    let count = self.map.old.function(frame.function).map_or(0, |function| function.slots.len());
                    end = frame.base as usize + count;
                    let slots = source.stack.get(frame.base as usize..end).unwrap_or_default();
                    stack.extend(self.map_slots(slots, variables.as_deref())?);
                    frames.push(Frame::Code(CodeFrame {
                        function: self.counterpart(frame.function)?,
                        return_pc,
                        bottom,
                        base: new_base,
                        ..*frame
                    }));
                    (base, caller, is_restart) = (new_base, (at, position.pc), position.is_restart);
                }
                Frame::Native(frame) => {
                    let mut mapped = NativeFrame {
                        bottom: moved(frame.bottom)?,
                        top: moved(frame.top)?,
                        return_pc,
                        len: self.native_length(frame, caller),
                        ..(**frame).clone()
                    };
                    if let Some(operand) = frame.operand_index() {
                        mapped.set_operand_index(moved(operand)?);
                    }
                    frames.push(Frame::Native(Box::new(mapped)));
                }
            }
        }
        if !is_restart {
            stack.extend_from_slice(source.stack.get(end..).unwrap_or_default());
        }
        let machine = &mut *self.machine;
        (machine.stack, machine.frames, machine.pc, machine.base) = (stack, frames, caller.1, base as usize);
        Ok(())
    }

    /// Whether the current instruction of a frame has begun.
    fn instruction_state(&self, index: usize, last: usize, frame: &CodeFrame, at: u32) -> InstructionState {
        let source = self.source;
        let is_idle = index == 0 && source.tasks.program != ProgramTask::Running;
        // A generator that continues ends its YIELD as its state says.
        let is_resumed = matches!(frame.call_kind, CallKind::Generator(_) | CallKind::AsyncGenerator(_))
            && matches!(
                self.map.old.instruction(at),
                DecodedInstruction::Yield { .. } | DecodedInstruction::Delegate | DecodedInstruction::Await
            );
        let has_begun =
            index < last || is_idle || is_resumed || source.suspended_call.is_some() || source.pending.is_some();
        if has_begun { InstructionState::Begun } else { InstructionState::Next }
    }

    /// The number of steps of a built-in function, which for the next value of an iterator is the target of a jump.
    fn native_length(&self, frame: &NativeFrame, (old, new): (u32, u32)) -> u32 {
        match (self.map.old.instruction(old), self.map.new.instruction(new)) {
            (DecodedInstruction::IterNext { target, .. }, DecodedInstruction::IterNext { target: counterpart, .. })
                if frame.kind == CallbackMethod::Next && frame.len == target =>
            {
                counterpart
            }
            _ => frame.len,
        }
    }

    /// The position and the variables of a function that runs or is suspended.
    fn map_frame(
        &mut self,
        function: u32,
        at: u32,
        state: InstructionState,
        index: usize,
    ) -> Result<MappedFrame, MappingError> {
        let key = (function, at, state);
        if let Some(mapped) = self.frames.get(&key) {
            return Ok(mapped.clone());
        }
        let counterpart = self.counterpart(function)?;
        let forms = |outline: &Outline<'_>, number: u32| {
            outline
                .function(number)
                .map(|function| (function.kind, function.returns_promise, function.is_async, function.is_generator))
        };
        if forms(&self.map.old, function) != forms(&self.map.new, counterpart) {
            let name = self.map.function_name(&self.map.old, function);
            let reason = format!(
                "{name} runs, and in the new version it is another kind of function, or returns a promise only in one \
                 version"
            );
            return Err(self.map.error(at, None, reason));
        }
        let has_ended = index == 0 && matches!(self.source.tasks.program, ProgramTask::Ended(_));
        let position = match (self.map.position(function, at, state), has_ended) {
            (Err(_), true) if self.end_of_program().is_some() => {
                Position { pc: self.end_of_program().unwrap_or_default(), is_restart: false }
            }
            (position, _) => position?,
        };
        let variables = self.map.variables(function, at, position.pc, &mut self.budget)?.map(Rc::from);
        self.frames.insert(key, (position, variables.clone()));
        Ok((position, variables))
    }

    /// The last instruction of the new program at which it ends.
    fn end_of_program(&self) -> Option<u32> {
        let ends = |at: &&u32| {
            let instruction = self.map.new.instruction(**at);
            matches!(instruction, DecodedInstruction::Return | DecodedInstruction::Halt)
                && self.map.new.depth(**at) == Some(instruction.stack_effect().0)
        };
        self.map.new.code.first()?.iter().rfind(ends).copied()
    }

    /// The slots of a frame in the new version.
    fn map_slots(&mut self, old: &[Value], variables: Option<&[MappedVariable]>) -> Result<Vec<Value>, MappingError> {
        let Some(variables) = variables else { return Ok(old.to_vec()) };
        let machine = &mut *self.machine;
        let mut slots = Vec::with_capacity(variables.len());
        for variable in variables {
            let value = match variable.source {
                VariableSource::Old(slot) => match cell_of(machine, old, slot) {
                    Some(cell) if variable.is_cell => {
                        slots.push(Value::Ref(cell));
                        continue;
                    }
                    Some(cell) => match machine.heap.get(cell) {
                        Entry::Cell(value) => value.clone(),
                        _ => Value::Undefined,
                    },
                    None => old.get(usize::from(slot)).cloned().unwrap_or(Value::Undefined),
                },
                VariableSource::Undefined | VariableSource::Closure(_) => Value::Undefined,
                VariableSource::Uninitialized => Value::Uninitialized,
                VariableSource::Constant(constant) => {
                    machine.linked.constants.get(constant as usize).cloned().unwrap_or(Value::Undefined)
                }
            };
            slots.push(match variable.is_cell {
                true => Value::Ref(machine.heap.allocate(Entry::Cell(value))),
                false => value,
            });
        }
        for (slot, variable) in variables.iter().enumerate() {
            let VariableSource::Closure(function) = variable.source else { continue };
            let mut captures = Vec::new();
            for capture in machine.program.functions.get(function as usize).into_iter().flat_map(|one| &one.captures) {
                match capture {
                    Capture::Slot(slot) if variables.get(usize::from(*slot)).is_some_and(|one| one.is_cell) => {
                        captures.extend(slots.get(usize::from(*slot)).and_then(|cell| match cell {
                            Value::Ref(cell) => Some(*cell),
                            _ => None,
                        }));
                    }
                    _ => return Err(unexpected("a function whose variables have no cells")),
                }
            }
            let is_arrow =
                machine.program.functions.get(function as usize).is_some_and(|one| one.kind == FunctionKind::Arrow);
            let closure =
                Closure { function, captures, this: is_arrow.then_some(Value::Undefined), ..Closure::default() };
            let closure = Value::Ref(machine.heap.allocate(Entry::Closure(Box::new(closure))));
            match slots.get_mut(slot) {
                Some(Value::Ref(cell)) if variable.is_cell => set_cell(machine, *cell, closure),
                Some(place) => *place = closure,
                None => {}
            }
        }
        Ok(slots)
    }

    fn map_entry(&mut self, at: HeapRef) -> Result<(), MappingError> {
        let source = self.source;
        let mapped = match source.heap.get(at) {
            Entry::Closure(closure) => self.map_closure(closure)?,
            Entry::Coroutine(coroutine) => Entry::Coroutine(Box::new(self.map_suspended(coroutine)?)),
            Entry::Generator(generator) => {
                let coroutine = match is_suspended(generator) {
                    true => self.map_suspended(&generator.coroutine)?,
                    // The frame of one that runs has its position.
                    false => {
                        let function = self.counterpart(generator.coroutine.function)?;
                        let pc = self.map.new.function(function).map_or(0, |function| function.entry);
                        Coroutine { function, pc, ..generator.coroutine.clone() }
                    }
                };
                Entry::Generator(Box::new(Generator { coroutine, ..(**generator).clone() }))
            }
            _ => return Ok(()),
        };
        if let Some(entry) = self.machine.heap.get_mut(at) {
            *entry = mapped;
        }
        Ok(())
    }

    fn map_closure(&mut self, closure: &Closure) -> Result<Entry, MappingError> {
        let function = self.counterpart(closure.function)?;
        let kind = |outline: &Outline<'_>, number: u32| outline.function(number).map(|function| function.kind);
        if kind(&self.map.old, closure.function) != kind(&self.map.new, function) {
            let name = self.map.function_name(&self.map.old, closure.function);
            let reason = format!("{name} exists already, and is another kind of function in the new version");
            let entry = self.map.old.function(closure.function).map_or(0, |function| function.entry);
            return Err(self.map.error(entry, None, reason));
        }
        let order = match self.captures.get(&closure.function) {
            Some(order) => Rc::clone(order),
            None => {
                let order = Rc::new(self.map.captures(closure.function)?);
                self.captures.insert(closure.function, Rc::clone(&order));
                order
            }
        };
        let captures = order.iter().filter_map(|index| closure.captures.get(*index).copied()).collect();
        Ok(Entry::Closure(Box::new(Closure { function, captures, ..closure.clone() })))
    }

    fn map_suspended(&mut self, coroutine: &Coroutine) -> Result<Coroutine, MappingError> {
        let Coroutine { function, pc, .. } = *coroutine;
        let (position, variables) = self.map_frame(function, pc, InstructionState::Begun, 1)?;
        let count = self.map.old.function(function).map_or(0, |function| function.slots.len());
        let (this, rest) = coroutine.values.split_at(1.min(coroutine.values.len()));
        let (slots, operands) = rest.split_at(count.min(rest.len()));
        let mut values = this.to_vec();
        values.extend(self.map_slots(slots, variables.as_deref())?);
        values.extend_from_slice(operands);
        Ok(Coroutine { function: self.counterpart(function)?, pc: position.pc, values, ..coroutine.clone() })
    }

    /// The instructions of open calls, which name a line in errors.
    fn map_open_calls(&mut self) {
        let machine = &mut self.machine;
        machine.tasks.open_calls.change_all(&mut machine.heap, |call| {
            let at = call.request.instruction;
            let owner = self.map.old.owner(at);
            let counterpart = owner
                .and_then(|owner| self.map.alignment(owner))
                .and_then(|alignment| alignment.forward.get(&at).copied());
            let request = Arc::make_mut(&mut call.request);
            // Instruction 0 has no line.
            request.instruction = counterpart.unwrap_or(0);
            request.line = counterpart.map_or(request.line, |at| self.map.new.program.location(at).line);
        });
    }

    fn counterpart(&self, function: u32) -> Result<u32, MappingError> {
        self.map.function(function).ok_or_else(|| {
            let entry = self.map.old.function(function).map_or(0, |function| function.entry);
            if self.map.old.is_built_in(function) {
                let reason = "it has values of a built-in that the new version does not use, such as `URL` or `Intl`";
                return self.map.error(entry, None, reason.to_owned());
            }
            let name = self.map.function_name(&self.map.old, function);
            let line = self.map.old.program.location(entry).line;
            let reason = format!("{name} (line {line}) exists, and the new version has no function that corresponds");
            self.map.error(entry, None, reason)
        })
    }
}

/// The functions, suspended functions and generators of the heap.
fn function_places(machine: &Machine) -> Vec<HeapRef> {
    let mut places = Vec::new();
    for page in 0..machine.heap.page_count() {
        for (slot, entry) in (0u32..).zip(machine.heap.page(page)) {
            if let Entry::Closure(_) | Entry::Coroutine(_) | Entry::Generator(_) = entry {
                places.push(HeapRef(page * ENTRIES_PER_PAGE + slot));
            }
        }
    }
    places
}

fn is_suspended(generator: &Generator) -> bool {
    matches!(generator.state, GeneratorState::Start | GeneratorState::Yielded | GeneratorState::Awaiting)
}

/// Whether a suspended function has the values that its instruction leaves.
fn fits_instruction(machine: &Machine, at: HeapRef) -> bool {
    match machine.heap.get(at) {
        Entry::Coroutine(coroutine) => coroutine.fits_instruction(machine),
        Entry::Generator(generator) if is_suspended(generator) => generator.coroutine.fits_instruction(machine),
        _ => true,
    }
}

fn cell_of(machine: &Machine, slots: &[Value], slot: u16) -> Option<HeapRef> {
    match slots.get(usize::from(slot)) {
        Some(Value::Ref(at)) if matches!(machine.heap.get(*at), Entry::Cell(_)) => Some(*at),
        _ => None,
    }
}

fn unexpected(what: &str) -> MappingError {
    MappingError { reason: format!("its state has {what}"), line: 0, new_line: 0 }
}

fn set_cell(machine: &mut Machine, cell: HeapRef, value: Value) {
    if let Some(Entry::Cell(place)) = machine.heap.get_mut(cell) {
        *place = value;
    }
}

impl ProgramMap<'_> {
    fn error(&self, old: u32, new: Option<u32>, reason: String) -> MappingError {
        let line = |outline: &Outline<'_>, at: u32| outline.program.location(at).line;
        let (line, new_line) = (line(&self.old, old), new.map_or(0, |at| line(&self.new, at)));
        let reason = match new_line {
            0 => reason,
            there => format!("{reason} (line {there} there)"),
        };
        MappingError { reason, line, new_line }
    }

    /// `line 12 of function 'review'`.
    fn place(&self, function: u32, at: u32) -> String {
        let line = self.old.program.location(at).line;
        let file = self.old.program.file(at).map_or(String::new(), |file| format!(" of {file}"));
        format!("line {line}{file} of {}", self.function_name(&self.old, function))
    }

    fn function_name(&self, outline: &Outline<'_>, function: u32) -> String {
        match outline.function(function).map_or("", |function| function.name.as_str()) {
            _ if function == 0 => "the program".to_owned(),
            _ if outline.is_built_in(function) => "a built-in function".to_owned(),
            "" => "a function without a name".to_owned(),
            name => format!("function '{name}'"),
        }
    }
}

//! Where a machine is: its calls, the innermost first, each with its variables, and the operands of its stack.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::super::entry::Entry;
use super::super::frame::{CodeFrame, Frame};
use super::super::machine::Machine;
use super::super::program::Instruction;
use super::super::step::written_name;
use super::super::value::{HeapRef, Value};
use super::{Bounds, Copier, ValueView};

/// Where a machine is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MachineView {
    /// The next instruction; while a call is open, the one that asked; after a failure, the one that failed.
    pub pc: u32,
    /// Its line in the source, from 1; 0 where it is not known.
    pub line: u32,
    /// Its column in the source, from 1; 0 where it is not known.
    pub column: u32,
    /// The operands of all calls that have begun, the top of the stack last. Those of an open call are not among them.
    pub stack: Vec<ValueView>,
    /// The calls that have begun, the innermost first; the program itself is the last one.
    pub frames: Vec<FrameView>,
    /// Something was left out.
    pub cut: bool,
}

/// A call that has begun and not returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct FrameView {
    /// The name of the function; `<program>` for the program itself, `<anonymous>` where it has none.
    pub function: String,
    /// The instruction it is at.
    pub pc: u32,
    /// Its line in the source, from 1; 0 where it is not known.
    pub line: u32,
    /// Its column in the source, from 1; 0 where it is not known.
    pub column: u32,
    /// Its variables: `this`, parameters and locals in the order in which they are declared, then those of functions that have returned.
    pub variables: Vec<VariableView>,
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct VariableView {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(flatten)]
    pub value: ValueView,
}

impl Machine {
    /// Where the machine is, with the values of all variables, as far as the bounds go.
    #[must_use]
    pub fn view(&self, bounds: Bounds) -> MachineView {
        let mut copier = Copier::new(self, bounds);
        let frames = self.frame_views(&mut copier, None);
        let stack = self.operand_values().iter().map(|value| copier.view(value)).collect();
        let place = self.program.place(self.pc);
        MachineView { pc: self.pc, line: place.line, column: place.column, stack, frames, cut: copier.cut }
    }

    /// The calls that have variables of this name, with these alone.
    #[must_use]
    pub fn variables_named(&self, name: &str, bounds: Bounds) -> Vec<FrameView> {
        let mut frames = self.frame_views(&mut Copier::new(self, bounds.named()), Some(name));
        frames.retain(|frame| !frame.variables.is_empty());
        frames
    }

    fn frame_views(&self, copier: &mut Copier<'_>, name: Option<&str>) -> Vec<FrameView> {
        let (own, assigned) = (self.own_cells(), self.first_assignments());
        let mut frames = Vec::new();
        for (index, pc) in self.running() {
            if frames.len() >= copier.bounds.frames {
                copier.cut = true;
                break;
            }
            let (function, variables) = match self.frames.get(index) {
                Some(Frame::Code(frame)) => {
                    (self.shown_name(frame.function), self.frame_variables(frame, pc, &own, &assigned))
                }
                Some(Frame::Native(waiting)) => (waiting.kind.name().to_owned(), Vec::new()),
                None => continue,
            };
            let mut shown = Vec::new();
            for (variable, value) in variables {
                let wanted = match name {
                    Some(name) => variable == name,
                    None => copier.bounds.functions || !self.is_callable(&value),
                };
                if wanted {
                    shown.push(VariableView { name: variable, value: copier.view(&value) });
                }
            }
            let place = self.program.place(pc);
            frames.push(FrameView { function, pc, line: place.line, column: place.column, variables: shown });
        }
        frames
    }

    /// The name of a function as stack traces show it.
    fn shown_name(&self, function: u32) -> String {
        match self.function_name(function) {
            "" if function == 0 => "<program>".to_owned(),
            "" => "<anonymous>".to_owned(),
            name => name.to_owned(),
        }
    }

    /// The variables of a frame that have names, with their values. A slot is undefined before its first assignment: at `pc` that lies
    /// ahead of those whose variables are not assigned yet.
    fn frame_variables(
        &self,
        frame: &CodeFrame,
        pc: u32,
        own: &HashSet<HeapRef>,
        assigned: &HashMap<(u32, usize), u32>,
    ) -> Vec<(String, Value)> {
        let Some(function) = self.program.functions.get(frame.function as usize) else { return Vec::new() };
        let base = frame.base as usize;
        let mut found = Vec::new();
        let this = base.checked_sub(1).and_then(|place| self.stack.get(place));
        if let Some(this @ Value::Ref(_)) = this.filter(|_| frame.function > 0) {
            found.push(("this".to_owned(), this.clone()));
        }
        let slots = self.stack.get(base..).unwrap_or(&[]);
        let parameters = usize::from(function.params) + usize::from(function.rest);
        found.extend(function.slots.iter().zip(slots).enumerate().map(|(slot, (name, value))| {
            let first = assigned.get(&(frame.function, slot)).filter(|_| slot >= parameters);
            let value = match value {
                Value::Undefined if first.is_some_and(|first| *first > pc) => Value::Uninitialised,
                value => self.held(value),
            };
            (written_name(name), value)
        }));
        if let Entry::Closure(closure) = self.heap.get(frame.closure) {
            let captured = function.capture_names.iter().zip(&closure.captures).filter(|(_, cell)| !own.contains(cell));
            found.extend(captured.map(|(name, cell)| (written_name(name), self.held(&Value::Ref(*cell)))));
        }
        found.retain(|(name, _)| !name.is_empty());
        found
    }

    /// The first instruction that assigns each slot of each function, as the program is written.
    fn first_assignments(&self) -> HashMap<(u32, usize), u32> {
        let mut first = HashMap::new();
        for (at, (instruction, owner)) in (0..).zip(self.program.code.iter().zip(&self.program.owners)) {
            if let Instruction::Store(slot) | Instruction::StoreChecked(slot) = instruction {
                first.entry((*owner, usize::from(*slot))).or_insert(at);
            }
        }
        first
    }

    /// The value of a slot: a variable that closures share is in a cell.
    fn held(&self, value: &Value) -> Value {
        match value {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Cell(value) => value.clone(),
                _ => value.clone(),
            },
            value => value.clone(),
        }
    }

    /// The cells in the slots of frames: what they hold is shown there.
    fn own_cells(&self) -> HashSet<HeapRef> {
        let cells = self.stack.iter().filter_map(|value| match value {
            Value::Ref(at) if matches!(self.heap.get(*at), Entry::Cell(_)) => Some(*at),
            _ => None,
        });
        cells.collect()
    }

    /// The values of the stack that are no variables, the top last.
    fn operand_values(&self) -> Vec<Value> {
        let (mut operands, mut at) = (Vec::new(), 0);
        for frame in &self.frames {
            if let Frame::Code(frame) = frame {
                let slots = self.program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
                let base = frame.base as usize;
                // Below the slots of a function is its `this`.
                let end = base - usize::from(frame.function > 0).min(base);
                operands.extend_from_slice(self.stack.get(at..end).unwrap_or(&[]));
                at = base + slots;
            }
        }
        operands.extend_from_slice(self.stack.get(at..).unwrap_or(&[]));
        operands
    }
}

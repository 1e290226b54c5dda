//! The position of a machine: its calls, innermost first, each with its variables, and the operands of its stack.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::super::entry::Entry;
use super::super::frame::{CodeFrame, Frame};
use super::super::machine::Machine;
use super::super::program::DecodedInstruction;
use super::super::slow_path::source_name;
use super::super::value::{HeapRef, Value};
use super::{Copier, InspectBounds, ValueView};

/// The position of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MachineView {
    /// The next instruction; while a call is open, the one that made it; after a failure, the one that failed.
    pub pc: u32,
    /// Its line in the source, from 1; 0 if unknown.
    pub line: u32,
    /// Its column in the source, from 1; 0 if unknown.
    pub column: u32,
    /// The operands of all calls that have not returned, with the top of the stack last. Those of an open call are not included.
    pub stack: Vec<ValueView>,
    /// The calls that have not returned, innermost first; the program itself is the last one.
    pub frames: Vec<FrameView>,
    /// Whether parts are omitted.
    pub cut: bool,
}

/// A call that has not returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct FrameView {
    /// The name of the function; `<program>` for the program itself, `<anonymous>` if it has none.
    pub function: String,
    /// Its current instruction.
    pub pc: u32,
    /// Its line in the source, from 1; 0 if unknown.
    pub line: u32,
    /// Its column in the source, from 1; 0 if unknown.
    pub column: u32,
    /// Its variables: `this`, parameters and locals in the order of declaration, then those of functions that have returned.
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
    /// The position of the machine with the values of all variables, within the bounds.
    #[must_use]
    pub fn view(&self, bounds: InspectBounds) -> MachineView {
        let mut copier = Copier::new(self, bounds);
        let frames = self.frame_views(&mut copier, None);
        let stack = self.operand_values().iter().map(|value| copier.view(value)).collect();
        let place = self.program.location(self.pc);
        MachineView { pc: self.pc, line: place.line, column: place.column, stack, frames, cut: copier.cut }
    }

    /// The calls that have variables of this name, with only these.
    #[must_use]
    pub fn variables_named(&self, name: &str, bounds: InspectBounds) -> Vec<FrameView> {
        let mut frames = self.frame_views(&mut Copier::new(self, bounds.for_variable()), Some(name));
        frames.retain(|frame| !frame.variables.is_empty());
        frames
    }

    fn frame_views(&self, copier: &mut Copier<'_>, name: Option<&str>) -> Vec<FrameView> {
        let (own, assigned) = (self.own_cells(), self.first_assignments());
        let mut frames = Vec::new();
        for (index, pc) in self.frames_with_pc() {
            if frames.len() >= copier.bounds.frames {
                copier.cut = true;
                break;
            }
            let (function, variables) = match self.frames.get(index) {
                Some(Frame::Code(frame)) => {
                    (self.frame_name(frame.function), self.frame_variables(frame, pc, &own, &assigned))
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
            let place = self.program.location(pc);
            frames.push(FrameView { function, pc, line: place.line, column: place.column, variables: shown });
        }
        frames
    }

    /// The name of a function in stack traces.
    fn frame_name(&self, function: u32) -> String {
        match self.function_name(function) {
            "" if function == 0 => "<program>".to_owned(),
            "" => "<anonymous>".to_owned(),
            name => name.to_owned(),
        }
    }

    /// The variables of a frame that have names, with their values. A slot is undefined before its first assignment: variables whose
    /// first assignment comes after `pc` are uninitialised.
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
                value => self.slot_value(value),
            };
            (source_name(name), value)
        }));
        if let Entry::Closure(closure) = self.heap.get(frame.closure) {
            let captured = function.capture_names.iter().zip(&closure.captures).filter(|(_, cell)| !own.contains(cell));
            found.extend(captured.map(|(name, cell)| (source_name(name), self.slot_value(&Value::Ref(*cell)))));
        }
        found.retain(|(name, _)| !name.is_empty());
        found
    }

    /// The first instruction that assigns each slot of each function, in order of the code.
    fn first_assignments(&self) -> HashMap<(u32, usize), u32> {
        let mut first = HashMap::new();
        for (at, (instruction, owner)) in (0..).zip(self.program.code.iter().zip(&self.program.owners)) {
            if let DecodedInstruction::Store(slot) | DecodedInstruction::StoreChecked(slot) = instruction {
                first.entry((*owner, usize::from(*slot))).or_insert(at);
            }
        }
        first
    }

    /// The value of a slot. A variable that closures share is in a cell.
    fn slot_value(&self, value: &Value) -> Value {
        match value {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Cell(value) => value.clone(),
                _ => value.clone(),
            },
            value => value.clone(),
        }
    }

    /// The cells in the slots of frames, whose values are shown there.
    fn own_cells(&self) -> HashSet<HeapRef> {
        let cells = self.stack.iter().filter_map(|value| match value {
            Value::Ref(at) if matches!(self.heap.get(*at), Entry::Cell(_)) => Some(*at),
            _ => None,
        });
        cells.collect()
    }

    /// The values of the stack that are not variables, with the top last.
    fn operand_values(&self) -> Vec<Value> {
        let (mut operands, mut at) = (Vec::new(), 0);
        for frame in &self.frames {
            if let Frame::Code(frame) = frame {
                let slots = self.program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
                let base = frame.base as usize;
                // `this` is below the slots of a function.
                let end = base - usize::from(frame.function > 0).min(base);
                operands.extend_from_slice(self.stack.get(at..end).unwrap_or(&[]));
                at = base + slots;
            }
        }
        operands.extend_from_slice(self.stack.get(at..).unwrap_or(&[]));
        operands
    }
}

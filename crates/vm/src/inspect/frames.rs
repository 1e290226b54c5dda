//! The position of a machine: its calls, innermost first, each with its variables, and the operands of its stack. Also
//! the variables in scope at an instruction, for people and models that answer a call there.

use std::collections::{HashMap, HashSet};

use runstate_value::json_bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::super::coroutine::Coroutine;
use super::super::entry::Entry;
use super::super::frame::{CodeFrame, Frame};
use super::super::machine::Machine;
use super::super::program::DecodedInstruction;
use super::super::promise::ReactionKind;
use super::super::slow_path::source_name;
use super::super::value::{HeapRef, Value};
use super::{Copier, InspectBounds, ValueView};
use crate::json::{display_text, value_to_json};
use crate::limits::ExceededLimit;
use crate::{abrupt_completion, conversion, property};

/// The position of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MachineView {
    /// The next instruction; while a call is open, the one that made it; after a failure, the one that failed.
    pub pc: u32,
    /// Its file, in a program of several files.
    pub file: Option<String>,
    /// Its line in the source, from 1; 0 if unknown.
    pub line: u32,
    /// Its column in the source, from 1; 0 if unknown.
    pub column: u32,
    /// The operands of all calls that have not returned, with the top of the stack last. Those of an open call are not
    /// included.
    pub stack: Vec<ValueView>,
    /// The calls that have not returned, innermost first; the program itself is the last one.
    pub frames: Vec<FrameView>,
    /// Whether parts are omitted.
    pub cut: bool,
}

/// A call that has not returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrameView {
    /// The name of the function; `<program>` for the program itself, `<anonymous>` if it has none.
    pub function: String,
    /// Its current instruction.
    pub pc: u32,
    /// Its file, in a program of several files.
    pub file: Option<String>,
    /// Its line in the source, from 1; 0 if unknown.
    pub line: u32,
    /// Its column in the source, from 1; 0 if unknown.
    pub column: u32,
    /// Its variables: `this`, parameters and locals in the order of declaration, then those of functions that have
    /// returned.
    pub variables: Vec<VariableView>,
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
        let frames = frame_views(self, &mut copier, None);
        let stack = operand_values(self).iter().map(|value| copier.view(value)).collect();
        let location = self.program.location(self.pc);
        let file = self.program.file(self.pc).map(str::to_owned);
        MachineView { pc: self.pc, file, line: location.line, column: location.column, stack, frames, cut: copier.cut }
    }

    /// The calls that have variables of this name, with only these.
    #[must_use]
    pub fn variables_named(&self, name: &str, bounds: InspectBounds) -> Vec<FrameView> {
        let mut frames = frame_views(self, &mut Copier::new(self, bounds.for_variable()), Some(name));
        frames.retain(|frame| !frame.variables.is_empty());
        frames
    }

    /// The variables in scope at the current instruction by name, innermost first, as plain values. Parts that do not
    /// fit into `max_bytes` are omitted and marked with `…`. Functions are omitted.
    #[must_use]
    pub fn variables(&self, max_bytes: usize) -> Json {
        let innermost = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Code(frame) => Some(frame_scope(self, frame)),
            Frame::Native(_) => None,
        });
        variables_json(self, innermost.as_ref(), max_bytes)
    }

    /// As [`Machine::variables`], at the function that awaits this open call. A blocking call is made by the running
    /// function.
    #[must_use]
    pub fn call_variables(&self, number: u64, max_bytes: usize) -> Json {
        let Some(coroutine) = awaiting_coroutine(self, number) else { return self.variables(max_bytes) };
        let (function, closure) = (coroutine.function, coroutine.closure);
        let scope = FunctionScope { function, closure, this: None, slots: coroutine.values.get(1..).unwrap_or(&[]) };
        variables_json(self, Some(&scope), max_bytes)
    }

    /// The suspended function that awaits this open call, with its variables. `None` if the program itself or no
    /// function awaits it.
    #[must_use]
    pub fn awaiting_function(&self, number: u64, bounds: InspectBounds) -> Option<FrameView> {
        let coroutine = awaiting_coroutine(self, number)?;
        let (own_cells, assigned) = (own_cells(self), first_assignments(self));
        let (this, slots) = coroutine.values.split_first()?;
        let scope = FunctionScope { function: coroutine.function, closure: coroutine.closure, this: Some(this), slots };
        let variables = scope_variables(self, &scope, coroutine.pc, &own_cells, &assigned);
        let function = frame_name(self, coroutine.function);
        Some(frame_view(self, &mut Copier::new(self, bounds), function, coroutine.pc, variables, None))
    }

    /// The operands of the running function with the top of the stack last, in the form of [`Machine::variables`]. The
    /// operands of an open call are not included. Operands that do not fit into `max_bytes` are omitted from the bottom
    /// and marked with `…`.
    #[must_use]
    pub fn operands(&self, max_bytes: usize) -> Json {
        let from = match self.frames.last() {
            Some(Frame::Code(frame)) => {
                let slots = self.program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
                frame.base as usize + slots
            }
            _ => self.stack.len(),
        };
        let mut operands = Vec::new();
        let mut left = max_bytes.saturating_sub(2);
        for value in self.stack.get(from..).unwrap_or(&[]).iter().rev() {
            // Space for the mark is reserved in addition to the value.
            let Some(mut budget) = left.checked_sub(CUT_MARK.len() + 3).filter(|budget| *budget > 0) else {
                operands.push(json!(CUT_MARK));
                break;
            };
            let json = outline(self, value, &mut budget, 0);
            let size = json_bytes(&json) + 1;
            if size + CUT_MARK.len() + 3 > left {
                operands.push(json!(CUT_MARK));
                break;
            }
            left -= size;
            operands.push(json);
        }
        operands.reverse();
        Json::Array(operands)
    }
}

fn frame_views(machine: &Machine, copier: &mut Copier<'_>, name: Option<&str>) -> Vec<FrameView> {
    let (own_cells, assigned) = (own_cells(machine), first_assignments(machine));
    let mut frames = Vec::new();
    for (index, pc) in abrupt_completion::frames_with_pc(machine) {
        if frames.len() >= copier.bounds.frames {
            copier.cut = true;
            break;
        }
        let (function, variables) = match machine.frames.get(index) {
            Some(Frame::Code(frame)) => {
                let scope = frame_scope(machine, frame);
                (frame_name(machine, frame.function), scope_variables(machine, &scope, pc, &own_cells, &assigned))
            }
            Some(Frame::Native(frame)) => (frame.kind.name().to_owned(), Vec::new()),
            None => continue,
        };
        frames.push(frame_view(machine, copier, function, pc, variables, name));
    }
    frames
}

fn frame_view(
    machine: &Machine,
    copier: &mut Copier<'_>,
    function: String,
    pc: u32,
    variables: Vec<(String, Value)>,
    name: Option<&str>,
) -> FrameView {
    let mut views = Vec::new();
    for (variable, value) in variables {
        let is_selected = match name {
            Some(name) => variable == name,
            None => copier.bounds.functions || !conversion::is_callable(machine, &value),
        };
        if is_selected {
            views.push(VariableView { name: variable, value: copier.view(&value) });
        }
    }
    let location = machine.program.location(pc);
    let file = machine.program.file(pc).map(str::to_owned);
    FrameView { function, pc, file, line: location.line, column: location.column, variables: views }
}

/// The suspended function that awaits an open call.
fn awaiting_coroutine(machine: &Machine, number: u64) -> Option<&Coroutine> {
    let call = machine.tasks.open_calls.find(number)?;
    let Entry::Promise(promise) = machine.heap.get(call.promise) else { return None };
    let Entry::Reaction(reaction) = machine.heap.get(promise.first) else { return None };
    match machine.heap.get(reaction.derived) {
        Entry::Coroutine(coroutine) if reaction.kind == ReactionKind::Await => Some(coroutine),
        Entry::Generator(generator) if reaction.kind == ReactionKind::Await => Some(&generator.coroutine),
        _ => None,
    }
}

/// The values of a function that runs or is suspended.
struct FunctionScope<'a> {
    function: u32,
    closure: HeapRef,
    this: Option<&'a Value>,
    slots: &'a [Value],
}

/// The name of a function in stack traces.
fn frame_name(machine: &Machine, function: u32) -> String {
    match property::function_name(machine, function) {
        "" if function == 0 => "<program>".to_owned(),
        "" => "<anonymous>".to_owned(),
        name => name.to_owned(),
    }
}

fn frame_scope<'a>(machine: &'a Machine, frame: &CodeFrame) -> FunctionScope<'a> {
    let base = frame.base as usize;
    let this = base.checked_sub(1).and_then(|at| machine.stack.get(at));
    FunctionScope {
        function: frame.function,
        closure: frame.closure,
        this: this.filter(|_| frame.function > 0),
        slots: machine.stack.get(base..).unwrap_or(&[]),
    }
}

/// The variables of a function that have names, with their values. A slot is undefined before its first assignment:
/// variables whose first assignment comes after `pc` are uninitialized.
fn scope_variables(
    machine: &Machine,
    scope: &FunctionScope<'_>,
    pc: u32,
    own_cells: &HashSet<HeapRef>,
    assigned: &HashMap<(u32, usize), u32>,
) -> Vec<(String, Value)> {
    let Some(function) = machine.program.functions.get(scope.function as usize) else { return Vec::new() };
    let mut variables = Vec::new();
    if let Some(this @ Value::Ref(_)) = scope.this {
        variables.push(("this".to_owned(), this.clone()));
    }
    let parameters = usize::from(function.params) + usize::from(function.rest);
    variables.extend(function.slots.iter().zip(scope.slots).enumerate().map(|(slot, (name, value))| {
        let first = assigned.get(&(scope.function, slot)).filter(|_| slot >= parameters);
        let value = match value {
            Value::Undefined if first.is_some_and(|first| *first > pc) => Value::Uninitialized,
            value => slot_value(machine, value),
        };
        (source_name(name), value)
    }));
    if let Entry::Closure(closure) = machine.heap.get(scope.closure) {
        let captured =
            function.capture_names.iter().zip(&closure.captures).filter(|(_, cell)| !own_cells.contains(cell));
        variables.extend(captured.map(|(name, cell)| (source_name(name), slot_value(machine, &Value::Ref(*cell)))));
    }
    variables.retain(|(name, _)| !name.is_empty());
    variables
}

/// The first instruction that assigns each slot of each function, in order of the code.
fn first_assignments(machine: &Machine) -> HashMap<(u32, usize), u32> {
    let mut first = HashMap::new();
    for (at, (instruction, owner)) in (0..).zip(machine.program.code.iter().zip(&machine.program.owners)) {
        if let DecodedInstruction::Store(slot) | DecodedInstruction::StoreChecked(slot) = instruction {
            first.entry((*owner, usize::from(*slot))).or_insert(at);
        }
    }
    first
}

/// The value of a slot. A variable that closures share is in a cell.
fn slot_value(machine: &Machine, value: &Value) -> Value {
    match value {
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Cell(value) => value.clone(),
            _ => value.clone(),
        },
        value => value.clone(),
    }
}

/// The cells in the slots of frames, whose values are shown there.
fn own_cells(machine: &Machine) -> HashSet<HeapRef> {
    let cells = machine.stack.iter().filter_map(|value| match value {
        Value::Ref(at) if matches!(machine.heap.get(*at), Entry::Cell(_)) => Some(*at),
        _ => None,
    });
    cells.collect()
}

/// The values of the stack that are not variables, with the top last.
fn operand_values(machine: &Machine) -> Vec<Value> {
    let (mut operands, mut at) = (Vec::new(), 0);
    for frame in &machine.frames {
        if let Frame::Code(frame) = frame {
            let slots = machine.program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
            let base = frame.base as usize;
            // `this` is below the slots of a function.
            let end = base - usize::from(frame.function > 0).min(base);
            operands.extend_from_slice(machine.stack.get(at..end).unwrap_or(&[]));
            at = base + slots;
        }
    }
    operands.extend_from_slice(machine.stack.get(at..).unwrap_or(&[]));
    operands
}

/// Marks an omitted part.
const CUT_MARK: &str = "…";

/// Deepest level of a value that is included.
const DEPTH: usize = 6;

fn variables_json(machine: &Machine, innermost: Option<&FunctionScope<'_>>, max_bytes: usize) -> Json {
    let mut variables = Map::new();
    let mut left = max_bytes.saturating_sub(2);
    let mut cut = false;
    for (name, value) in visible_variables(machine, innermost) {
        if name.is_empty() || variables.contains_key(&name) || conversion::is_callable(machine, &value) {
            continue;
        }
        let overhead = name.len() + 4;
        let Some(budget) = left.checked_sub(overhead).filter(|budget| *budget > 8) else {
            cut = true;
            continue;
        };
        let mut budget = budget;
        let json = outline(machine, &value, &mut budget, 0);
        let size = json_bytes(&json) + overhead;
        if size > left {
            cut = true;
            continue;
        }
        left -= size;
        variables.insert(name, json);
    }
    if cut && left >= CUT_MARK.len() + 9 {
        variables.insert(CUT_MARK.to_owned(), Json::Bool(true));
    }
    Json::Object(variables)
}

/// Names and values from the innermost scope outwards.
fn visible_variables(machine: &Machine, innermost: Option<&FunctionScope<'_>>) -> Vec<(String, Value)> {
    let mut variables = Vec::new();
    let mut scope = |names: &[String], values: &[Value]| {
        for (name, value) in names.iter().zip(values) {
            let value = slot_value(machine, value);
            if !matches!(value, Value::Uninitialized) {
                variables.push((source_name(name), value));
            }
        }
    };
    let functions = &machine.program.functions;
    if let Some(innermost) = innermost
        && let Some(function) = functions.get(innermost.function as usize)
    {
        scope(&function.slots, innermost.slots);
        if let Entry::Closure(closure) = machine.heap.get(innermost.closure) {
            let cells: Vec<Value> = closure.captures.iter().map(|at| Value::Ref(*at)).collect();
            scope(&function.capture_names, &cells);
        }
    }
    if let Some(global) = functions.first() {
        scope(&global.slots, &machine.stack);
    }
    variables
}

fn outline(machine: &Machine, value: &Value, left: &mut usize, depth: usize) -> Json {
    let take = |left: &mut usize, size: usize| *left = left.saturating_sub(size);
    match value {
        Value::Text(text) => {
            let utf8 = text.to_utf8();
            // Escapes may double the size of a string, so it may use half of the space.
            let max_bytes = *left / 2;
            take(left, utf8.len().min(max_bytes) + 2);
            if utf8.len() <= max_bytes {
                return Json::String(utf8);
            }
            let mut end = max_bytes;
            while !utf8.is_char_boundary(end) {
                end -= 1;
            }
            Json::String(format!("{}{CUT_MARK}", &utf8[..end]))
        }
        Value::Ref(at) => {
            let keyed = match machine.heap.get(*at) {
                Entry::Array(_) => false,
                Entry::View(_) if machine.heap.typed_array(*at).is_some() => false,
                Entry::Object(_) | Entry::Error(_) => true,
                _ => return Json::String(display_text(machine, value)),
            };
            if depth >= DEPTH {
                return json!(CUT_MARK);
            }
            if keyed { outline_object(machine, value, left, depth) } else { outline_array(machine, *at, left, depth) }
        }
        value => {
            take(left, 8);
            match value_to_json(machine, value, 1 << 10, ExceededLimit::HeapBytes) {
                Ok(json) => json,
                Err(_) => Json::String(display_text(machine, value)),
            }
        }
    }
}

fn outline_array(machine: &Machine, at: HeapRef, left: &mut usize, depth: usize) -> Json {
    let mut items = Vec::new();
    for index in 0..machine.heap.sequence_len(at) {
        if *left < 16 {
            items.push(json!(CUT_MARK));
            break;
        }
        items.push(outline(machine, &machine.heap.sequence_element(at, index), left, depth + 1));
        *left = left.saturating_sub(2);
    }
    Json::Array(items)
}

fn outline_object(machine: &Machine, value: &Value, left: &mut usize, depth: usize) -> Json {
    if let Value::Ref(at) = value
        && let Entry::Error(_) = machine.heap.get(*at)
    {
        return Json::String(display_text(machine, value));
    }
    let mut members = Map::new();
    for (key, member) in property::own_entries(&machine.heap, value) {
        if conversion::is_callable(machine, &member) {
            continue;
        }
        // Some stores refuse NUL in a key.
        let key =
            conversion::to_text(machine, &key).map(|key| key.to_utf8().replace('\0', "\u{2400}")).unwrap_or_default();
        if *left < key.len() + 16 {
            members.insert(CUT_MARK.to_owned(), Json::Bool(true));
            break;
        }
        *left = left.saturating_sub(key.len() + 4);
        let member = outline(machine, &member, left, depth + 1);
        members.insert(key, member);
    }
    Json::Object(members)
}

//! Abrupt completions and exception handling. The handler is looked up before any state is discarded: an uncaught error leaves the
//! machine intact at the failing instruction.

use super::callback::NativeFrame;
use super::entry::Entry;
use super::frame::Frame;
use super::limits::ExceededLimit;
use super::machine::{Machine, MachineFailure, StopReason};
use super::object::{ErrorKind, ErrorObject, Object};
use super::program::ExceptionHandler;
use super::table::{Table, TableKind};
use super::value::Value;
use super::{conversion, json, property};

/// Most calls in a stack trace.
const MAX_TRACE_FRAMES: usize = 10;

/// Continues at the handler of an abrupt completion, or returns the failure of the execution.
/// ECMA-262 §14.15 The try Statement, §14.14 The throw Statement.
pub(super) fn handle_abrupt_completion(
    machine: &mut Machine,
    completion: AbruptCompletion,
) -> Result<(), Box<StopReason>> {
    let thrown = match completion {
        AbruptCompletion::Throw(value) => value,
        AbruptCompletion::Error(kind, message) => new_error(machine, kind, &message),
        AbruptCompletion::ToPrimitive(at, hint) => {
            return match NativeFrame::push_conversion(machine, at, hint) {
                Ok(()) => Ok(()),
                Err(completion) => handle_abrupt_completion(machine, completion),
            };
        }
        completion
        @ (AbruptCompletion::Limit(_) | AbruptCompletion::Unsupported(_) | AbruptCompletion::Internal(_)) => {
            return Err(Box::new(StopReason::Failed(to_failure(machine, &completion))));
        }
    };
    match find_handler(machine) {
        Some((frame, handler)) => {
            machine.frames.truncate(frame + 1);
            let Some(Frame::Code(frame)) = machine.frames.last() else { return Ok(()) };
            let slots = machine.program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
            machine.base = frame.base as usize;
            machine.stack.truncate(machine.base + slots + handler.depth as usize);
            machine.stack.push(thrown);
            machine.pc = handler.target;
            Ok(())
        }
        None => {
            let failure = to_failure(machine, &AbruptCompletion::Throw(thrown));
            Err(Box::new(StopReason::Failed(failure)))
        }
    }
}

/// The innermost handler that covers a running instruction.
fn find_handler(machine: &Machine) -> Option<(usize, ExceptionHandler)> {
    for (index, pc) in frames_with_pc(machine) {
        let Some(Frame::Code(frame)) = machine.frames.get(index) else { continue };
        let Some(function) = machine.program.functions.get(frame.function as usize) else { continue };
        let handler = function.handlers.iter().find(|handler| handler.start <= pc && pc < handler.end);
        if let Some(handler) = handler {
            return Some((index, *handler));
        }
    }
    None
}

/// The frames from the innermost outwards, each with its current instruction.
pub(super) fn frames_with_pc(machine: &Machine) -> impl Iterator<Item = (usize, u32)> + '_ {
    let mut pc = machine.pc;
    (0..machine.frames.len()).rev().map(move |index| {
        let at = pc;
        pc = machine.frames.get(index).map_or(0, Frame::call_pc);
        (index, at)
    })
}

/// The current calls, innermost first.
fn stack_trace(machine: &Machine) -> Vec<String> {
    let code = frames_with_pc(machine).filter_map(|(index, pc)| match machine.frames.get(index) {
        Some(Frame::Code(frame)) => Some((frame.function, pc)),
        _ => None,
    });
    let lines = code.take(MAX_TRACE_FRAMES).map(|(function, pc)| {
        let location = machine.program.location(pc);
        let name = match property::function_name(machine, function) {
            "" if function == 0 => "<program>",
            "" => "<anonymous>",
            name => name,
        };
        format!("at {name} ({}:{})", location.line, location.column)
    });
    lines.collect()
}

/// A new error object with a stack trace. ECMA-262 §20.5.1.1 Error. The property `stack` is that of V8.
pub(super) fn new_error(machine: &mut Machine, kind: ErrorKind, message: &str) -> Value {
    let head = if message.is_empty() { kind.name().to_owned() } else { format!("{}: {message}", kind.name()) };
    let stack = std::iter::once(head).chain(stack_trace(machine).into_iter().map(|line| format!("    {line}")));
    let stack = stack.collect::<Vec<_>>().join("\n");
    let pairs = vec![(Value::text("stack"), Value::text(&stack)), (Value::text("message"), Value::text(message))];
    let error = ErrorObject { kind, hidden: Table::from_pairs(pairs), object: Object::default() };
    Value::Ref(machine.heap.allocate(Entry::Error(Box::new(error))))
}

/// Sets a property of an error that is not enumerable. ECMA-262 §7.3.7 CreateNonEnumerableDataPropertyOrThrow.
pub(super) fn set_hidden(machine: &mut Machine, error: &Value, name: &str, value: Value) {
    if let Value::Ref(at) = error {
        machine.heap.table_set(*at, TableKind::Hidden, Value::text(name), value);
    }
}

/// The failure for an abrupt completion that no handler catches.
pub(super) fn to_failure(machine: &Machine, completion: &AbruptCompletion) -> MachineFailure {
    let location = machine.program.location(machine.pc);
    let (name, message, limit) = match completion {
        AbruptCompletion::Limit(limit) => ("LimitError".to_owned(), limit.message(&machine.limits), true),
        AbruptCompletion::Unsupported(message) => ("UnsupportedError".to_owned(), message.clone(), false),
        AbruptCompletion::Internal(detail) => {
            ("InternalError".to_owned(), format!("the machine's state is inconsistent: {detail}"), false)
        }
        AbruptCompletion::Error(kind, message) => (kind.name().to_owned(), message.clone(), false),
        AbruptCompletion::ToPrimitive(..) => {
            ("InternalError".to_owned(), "a conversion without its method".to_owned(), false)
        }
        AbruptCompletion::Throw(value) => {
            let (name, message) = describe_thrown(machine, value);
            (name, message, false)
        }
    };
    let (line, column) = (location.line, location.column);
    MachineFailure { name, message, line, column, instruction: machine.pc, stack: stack_trace(machine), limit }
}

fn describe_thrown(machine: &Machine, value: &Value) -> (String, String) {
    if let Value::Ref(at) = value
        && let Entry::Error(_) = machine.heap.get(*at)
    {
        let text_property = |name: &str| {
            let value = property::property(machine, value, &Value::text(name)).unwrap_or(Value::Undefined);
            conversion::to_text(machine, &value).map(|text| text.to_utf8()).unwrap_or_default()
        };
        return (text_property("name"), text_property("message"));
    }
    ("Uncaught".to_owned(), json::display_text(machine, value))
}

impl Frame {
    /// The instruction of the frame below that made this call.
    pub fn call_pc(&self) -> u32 {
        match self {
            Frame::Native(frame) if frame.reruns_instruction() => frame.return_pc,
            frame => frame.return_pc().wrapping_sub(1),
        }
    }
}

/// The reason that interrupts an instruction. ECMA-262 §6.2.4 The Completion Record Specification Type, of type throw;
/// the other variants belong to this machine.
#[derive(Debug)]
pub enum AbruptCompletion {
    /// A thrown value. Handlers of the program may catch it.
    Throw(Value),
    /// An error that the machine throws. It becomes an object only when the heap is available, so creating it is free.
    Error(ErrorKind, String),
    /// An exceeded limit. No handler catches it.
    Limit(ExceededLimit),
    /// An operation that Node has and this machine lacks. No handler catches it: a handler would run code that Node does not run.
    Unsupported(String),
    /// The operand at this index of the stack must become a primitive through a method of the program. The instruction then
    /// runs again.
    ToPrimitive(usize, PreferredType),
    /// The machine's state contradicts itself. No handler catches it.
    Internal(&'static str),
}

/// The primitive that a conversion of an object prefers. ECMA-262 §7.1.1 ToPrimitive, _preferredType_.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreferredType {
    /// `toString` first.
    Text,
    /// `valueOf` first.
    Number,
}

impl From<ExceededLimit> for AbruptCompletion {
    fn from(limit: ExceededLimit) -> AbruptCompletion {
        AbruptCompletion::Limit(limit)
    }
}

/// Ends the execution, because the program uses an operation that only Node has.
pub fn unsupported<T>(message: impl Into<String>) -> Result<T, AbruptCompletion> {
    Err(AbruptCompletion::Unsupported(message.into()))
}

/// A TypeError.
pub fn type_error<T>(message: impl Into<String>) -> Result<T, AbruptCompletion> {
    Err(AbruptCompletion::Error(ErrorKind::Type, message.into()))
}

/// A RangeError.
pub fn range_error<T>(message: impl Into<String>) -> Result<T, AbruptCompletion> {
    Err(AbruptCompletion::Error(ErrorKind::Range, message.into()))
}

/// A ReferenceError.
pub fn reference_error<T>(message: impl Into<String>) -> Result<T, AbruptCompletion> {
    Err(AbruptCompletion::Error(ErrorKind::Reference, message.into()))
}

//! Exception handling. The handler is looked up before any state is discarded: an uncaught error leaves the machine intact
//! at the failing instruction.

use super::callback::NativeFrame;
use super::entry::Entry;
use super::frame::Frame;
use super::limits::ExceededLimit;
use super::machine::{Machine, MachineFailure, StopReason};
use super::object::{ErrorKind, ErrorObject, Object};
use super::program::ExceptionHandler;
use super::table::{Table, TableKind};
use super::value::Value;

/// Most calls in a stack trace.
const MAX_TRACE_FRAMES: usize = 10;

impl Machine {
    /// Continues at the handler of an abrupt completion, or returns the failure of the execution.
    /// ECMA-262 §14.15 The try Statement, §14.14 The throw Statement.
    pub(super) fn handle_abrupt_completion(&mut self, raise: AbruptCompletion) -> Result<(), Box<StopReason>> {
        let thrown = match raise {
            AbruptCompletion::Throw(value) => value,
            AbruptCompletion::Error(kind, message) => self.new_error(kind, &message),
            AbruptCompletion::ToPrimitive(at, hint) => {
                return match NativeFrame::push_conversion(self, at, hint) {
                    Ok(()) => Ok(()),
                    Err(raise) => self.handle_abrupt_completion(raise),
                };
            }
            raise @ (AbruptCompletion::Limit(_) | AbruptCompletion::Unsupported(_) | AbruptCompletion::Internal(_)) => {
                return Err(Box::new(StopReason::Failed(self.to_failure(&raise))));
            }
        };
        match self.find_handler() {
            Some((frame, handler)) => {
                self.frames.truncate(frame + 1);
                let Some(Frame::Code(frame)) = self.frames.last() else { return Ok(()) };
                let slots = self.program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
                self.base = frame.base as usize;
                self.stack.truncate(self.base + slots + handler.depth as usize);
                self.stack.push(thrown);
                self.pc = handler.target;
                Ok(())
            }
            None => {
                let failure = self.to_failure(&AbruptCompletion::Throw(thrown));
                Err(Box::new(StopReason::Failed(failure)))
            }
        }
    }

    /// The innermost handler that covers a running instruction.
    fn find_handler(&self) -> Option<(usize, ExceptionHandler)> {
        for (index, pc) in self.frames_with_pc() {
            let Some(Frame::Code(frame)) = self.frames.get(index) else { continue };
            let Some(function) = self.program.functions.get(frame.function as usize) else { continue };
            let handler = function.handlers.iter().find(|handler| handler.start <= pc && pc < handler.end);
            if let Some(handler) = handler {
                return Some((index, *handler));
            }
        }
        None
    }

    /// The frames from the innermost outwards, each with its current instruction.
    pub(super) fn frames_with_pc(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let mut pc = self.pc;
        (0..self.frames.len()).rev().map(move |index| {
            let at = pc;
            pc = self.frames.get(index).map_or(0, Frame::call_pc);
            (index, at)
        })
    }

    /// The current calls, innermost first.
    fn stack_trace(&self) -> Vec<String> {
        let code = self.frames_with_pc().filter_map(|(index, pc)| match self.frames.get(index) {
            Some(Frame::Code(frame)) => Some((frame.function, pc)),
            _ => None,
        });
        let lines = code.take(MAX_TRACE_FRAMES).map(|(function, pc)| {
            let place = self.program.location(pc);
            let name = match self.function_name(function) {
                "" if function == 0 => "<program>",
                "" => "<anonymous>",
                name => name,
            };
            format!("at {name} ({}:{})", place.line, place.column)
        });
        lines.collect()
    }

    /// A new error object with a stack trace. ECMA-262 §20.5.1.1 Error. The property `stack` is that of V8.
    pub(super) fn new_error(&mut self, kind: ErrorKind, message: &str) -> Value {
        let head = if message.is_empty() { kind.name().to_owned() } else { format!("{}: {message}", kind.name()) };
        let stack = std::iter::once(head).chain(self.stack_trace().into_iter().map(|line| format!("    {line}")));
        let stack = stack.collect::<Vec<_>>().join("\n");
        let pairs = vec![(Value::text("stack"), Value::text(&stack)), (Value::text("message"), Value::text(message))];
        let error = ErrorObject { kind, hidden: Table::from_pairs(pairs), object: Object::default() };
        Value::Ref(self.heap.allocate(Entry::Error(Box::new(error))))
    }

    /// Sets a property of an error that is not enumerable. ECMA-262 §7.3.7 CreateNonEnumerableDataPropertyOrThrow.
    pub(super) fn set_hidden(&mut self, error: &Value, name: &str, value: Value) {
        if let Value::Ref(at) = error {
            self.heap.table_set(*at, TableKind::Hidden, Value::text(name), value);
        }
    }

    /// The failure for an abrupt completion that no handler catches.
    pub(super) fn to_failure(&self, raise: &AbruptCompletion) -> MachineFailure {
        let place = self.program.location(self.pc);
        let (name, message, limit) = match raise {
            AbruptCompletion::Limit(limit) => ("LimitError".to_owned(), limit.message(&self.limits), true),
            AbruptCompletion::Unsupported(message) => ("UnsupportedError".to_owned(), message.clone(), false),
            AbruptCompletion::Internal(what) => {
                ("InternalError".to_owned(), format!("the machine's state is inconsistent: {what}"), false)
            }
            AbruptCompletion::Error(kind, message) => (kind.name().to_owned(), message.clone(), false),
            AbruptCompletion::ToPrimitive(..) => {
                ("InternalError".to_owned(), "a conversion without its method".to_owned(), false)
            }
            AbruptCompletion::Throw(value) => {
                let (name, message) = self.describe_thrown(value);
                (name, message, false)
            }
        };
        let (line, column) = (place.line, place.column);
        MachineFailure { name, message, line, column, instruction: self.pc, stack: self.stack_trace(), limit }
    }

    fn describe_thrown(&self, value: &Value) -> (String, String) {
        if let Value::Ref(at) = value
            && let Entry::Error(_) = self.heap.get(*at)
        {
            let word = |name: &str| {
                let value = self.property(value, &Value::text(name)).unwrap_or(Value::Undefined);
                self.to_text(&value).map(|text| text.to_utf8()).unwrap_or_default()
            };
            return (word("name"), word("message"));
        }
        ("Uncaught".to_owned(), self.display_text(value))
    }
}

impl Frame {
    /// The instruction of the frame below that made this call.
    pub fn call_pc(&self) -> u32 {
        match self {
            Frame::Native(waiting) if waiting.reruns_instruction() => waiting.return_pc,
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

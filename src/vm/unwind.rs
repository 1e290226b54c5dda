//! What happens when something is thrown: a handler is looked for before anything is given up, so that an error that
//! nothing catches leaves the machine at the failing instruction, whole.

use super::callback::Waiting;
use super::entry::Entry;
use super::frame::Frame;
use super::machine::{Failure, Machine, Stop};
use super::object::{ErrorKind, ErrorObject, Object};
use super::program::Handler;
use super::raise::Raise;
use super::table::{Table, Which};
use super::value::Value;

/// Calls that a stack trace names.
const TRACE: usize = 10;

impl Machine {
    /// Goes to the handler of what was raised, or says how the execution failed.
    pub(super) fn raise(&mut self, raise: Raise) -> Result<(), Box<Stop>> {
        let thrown = match raise {
            Raise::Throw(value) => value,
            Raise::Error(kind, message) => self.new_error(kind, &message),
            Raise::Primitive(at, hint) => {
                return match Waiting::primitive(self, at, hint) {
                    Ok(()) => Ok(()),
                    Err(raise) => self.raise(raise),
                };
            }
            raise @ (Raise::Limit(_) | Raise::Unsupported(_) | Raise::Internal(_)) => {
                return Err(Box::new(Stop::Failed(self.failure_of(&raise))));
            }
        };
        match self.handler() {
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
                let failure = self.failure_of(&Raise::Throw(thrown));
                Err(Box::new(Stop::Failed(failure)))
            }
        }
    }

    /// The innermost handler that covers what is running.
    fn handler(&self) -> Option<(usize, Handler)> {
        for (index, pc) in self.running() {
            let Some(Frame::Code(frame)) = self.frames.get(index) else { continue };
            let Some(function) = self.program.functions.get(frame.function as usize) else { continue };
            let handler = function.handlers.iter().find(|handler| handler.start <= pc && pc < handler.end);
            if let Some(handler) = handler {
                return Some((index, *handler));
            }
        }
        None
    }

    /// The frames from the innermost outwards, each with the instruction it is at.
    pub(super) fn running(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let mut pc = self.pc;
        (0..self.frames.len()).rev().map(move |index| {
            let at = pc;
            pc = self.frames.get(index).map_or(0, Frame::call_pc);
            (index, at)
        })
    }

    /// Where the program is, innermost call first.
    fn trace(&self) -> Vec<String> {
        let code = self.running().filter_map(|(index, pc)| match self.frames.get(index) {
            Some(Frame::Code(frame)) => Some((frame.function, pc)),
            _ => None,
        });
        let lines = code.take(TRACE).map(|(function, pc)| {
            let place = self.program.place(pc);
            let name = match self.function_name(function) {
                "" if function == 0 => "<program>",
                "" => "<anonymous>",
                name => name,
            };
            format!("at {name} ({}:{})", place.line, place.column)
        });
        lines.collect()
    }

    /// A new error object, with its trace.
    pub(super) fn new_error(&mut self, kind: ErrorKind, message: &str) -> Value {
        let head = if message.is_empty() { kind.name().to_owned() } else { format!("{}: {message}", kind.name()) };
        let stack = std::iter::once(head).chain(self.trace().into_iter().map(|line| format!("    {line}")));
        let stack = stack.collect::<Vec<_>>().join("\n");
        let pairs = vec![(Value::text("stack"), Value::text(&stack)), (Value::text("message"), Value::text(message))];
        let error = ErrorObject { kind, hidden: Table::of(pairs), object: Object::default() };
        Value::Ref(self.heap.allocate(Entry::Error(Box::new(error))))
    }

    /// Gives an error a property that is not enumerable.
    pub(super) fn set_hidden(&mut self, error: &Value, name: &str, value: Value) {
        if let Value::Ref(at) = error {
            self.heap.table_set(*at, Which::Hidden, Value::text(name), value);
        }
    }

    /// The failure that an uncaught raise is.
    pub(super) fn failure_of(&self, raise: &Raise) -> Failure {
        let place = self.program.place(self.pc);
        let (name, message, limit) = match raise {
            Raise::Limit(limit) => ("LimitError".to_owned(), limit.message(&self.limits), true),
            Raise::Unsupported(message) => ("UnsupportedError".to_owned(), message.clone(), false),
            Raise::Internal(what) => ("InternalError".to_owned(), format!("the machine met {what}"), false),
            Raise::Error(kind, message) => (kind.name().to_owned(), message.clone(), false),
            Raise::Primitive(..) => ("InternalError".to_owned(), "a conversion without its method".to_owned(), false),
            Raise::Throw(value) => {
                let (name, message) = self.thrown_words(value);
                (name, message, false)
            }
        };
        let (line, column) = (place.line, place.column);
        Failure { name, message, line, column, instruction: self.pc, stack: self.trace(), limit }
    }

    fn thrown_words(&self, value: &Value) -> (String, String) {
        if let Value::Ref(at) = value
            && let Entry::Error(_) = self.heap.get(*at)
        {
            let word = |name: &str| {
                let value = self.property(value, &Value::text(name)).unwrap_or(Value::Undefined);
                self.text_of(&value).map(|text| text.to_utf8()).unwrap_or_default()
            };
            return (word("name"), word("message"));
        }
        ("Uncaught".to_owned(), self.shown(value))
    }
}

impl Frame {
    /// The instruction of the frame below that made this call.
    pub fn call_pc(&self) -> u32 {
        match self {
            Frame::Native(waiting) if waiting.again() => waiting.return_pc,
            frame => frame.return_pc().wrapping_sub(1),
        }
    }
}

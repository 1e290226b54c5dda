//! The machine as others see it: started with a program and an input, run for so many instructions, answered, saved.
//! The instructions are in `interpreter.rs` and `step.rs`, what is saved in `snapshot.rs`.

use std::sync::Arc;

use serde_json::Value as Json;

use super::builtin::{Builtin, Methods, Registry, methods_named};
use super::frame::{CodeFrame, Frame};
use super::fuse::{self, Fast};
use super::heap::Heap;
use super::limits::{Exceeded, Limits};
use super::object::ErrorKind;
use super::program::{Constant, Instruction, Program};
use super::raise::Raise;
use super::random::Random;
use super::text::Str;
use super::value::{HeapRef, Value};

/// Units of text that a built-in function walks over for the price of one instruction.
const UNITS: u64 = 64;

/// Bytes of a line of output above which it counts as work.
const LONG_LINE: usize = 256;

/// Work that a refused question counts for: schemas and their patterns were read to find out, and a program may ask so for ever.
const REFUSED: u64 = 1_000 * UNITS;

/// What a turn may know of the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Milliseconds since 1970: what `Date.now()` says within the turn.
    pub now_ms: i64,
}

/// Why [`Machine::run`] came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// The fuel is used up; run again.
    Fuel,
    /// The program asks and waits for [`Machine::answer`].
    Call(CallRequest),
    /// The program asks several questions at once (`CC.all`), and waits for [`Machine::reply`] with what became of each.
    Calls(Vec<CallRequest>),
    /// The program ended with this plain value.
    Complete(Json),
    /// An error that nothing caught, or a limit.
    Failed(Failure),
}

/// What the program asks.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRequest {
    /// Who is asked: `cc`, the name of a tool, `timer`, `fs.readFile`, `fs.listFiles` or `fs.writeFile`.
    pub kind: String,
    /// The question; empty for tools and timers.
    pub prompt: String,
    /// What a tool is given; null where nothing is.
    pub args: Json,
    /// The key of its options, and the how-manyth call of this execution under that key it is.
    pub key: Option<Keyed>,
    /// Options as given, or null.
    pub options: Json,
    /// The asking instruction.
    pub instruction: u32,
    /// Its line.
    pub line: u32,
}

/// The name that a program gives a call, so that it can be answered before it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The name.
    pub key: String,
    /// From 1.
    pub occurrence: u64,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Its value.
    Value(Json),
    /// It is done and says nothing: `undefined`.
    Nothing,
    /// It throws an error of this name; the program may catch it.
    Error {
        /// `TimeoutError`, `CallError`.
        name: String,
        /// In words.
        message: String,
    },
}

/// An error that nothing caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error's name.
    pub name: String,
    /// What it says.
    pub message: String,
    /// Line of the failing instruction.
    pub line: u32,
    /// Column of the failing instruction; 0 where it is not known.
    pub column: u32,
    /// The failing instruction.
    pub instruction: u32,
    /// Calls that led there, innermost first: `at f (line:column)`.
    pub stack: Vec<String>,
    /// Whether a limit was reached.
    pub limit: bool,
}

/// An open question.
#[derive(Clone, Debug)]
pub(super) struct OpenCall {
    pub(super) asked: Asked,
    /// The operands as they were: put back when the call fails and nothing catches it, so that it can be asked again.
    pub(super) operands: Vec<Value>,
}

/// What is open.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// One question, whose answer is the value itself.
    One(Box<CallRequest>),
    /// So many at once, which the operands tell; the value is the list of their answers.
    Together(usize),
}

impl OpenCall {
    pub(super) fn count(&self) -> usize {
        match self.asked {
            Asked::One(_) => 1,
            Asked::Together(count) => count,
        }
    }
}

/// A name of the program with what can be known of it beforehand.
pub(super) struct Name {
    pub(super) key: Value,
    pub(super) methods: Methods,
    pub(super) builtin: Option<Builtin>,
    pub(super) constructor: Option<Builtin>,
    pub(super) is_length: bool,
}

/// The tables of a program in the form that the interpreter uses.
pub(super) struct Linked {
    pub(super) constants: Vec<Value>,
    pub(super) names: Vec<Name>,
    pub(super) plain: Vec<Fast>,
    pub(super) fused: Vec<Fast>,
}

impl Linked {
    fn of(program: &Program) -> Linked {
        let constants = program.constants.iter().map(|constant| match constant {
            Constant::Undefined => Value::Undefined,
            Constant::Null => Value::Null,
            Constant::Bool(b) => Value::Bool(*b),
            Constant::Number(n) => Value::Number(*n),
            Constant::Text(units) => Value::Text(Str::from_units(units)),
        });
        let registry = Registry::get();
        let names = program.names.iter().map(|name| Name {
            key: Value::text(name),
            methods: methods_named(name),
            builtin: registry.find(name),
            constructor: registry.find(&format!("new {name}")),
            is_length: &**name == "length",
        });
        Linked {
            constants: constants.collect(),
            names: names.collect(),
            plain: fuse::plain(&program.code),
            fused: fuse::fused(&program.code),
        }
    }

    /// The names as texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = Str> {
        self.names.iter().filter_map(|name| match &name.key {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }
}

/// A machine: a program, and where it stands in it.
///
/// A copy costs little: pages of the heap are shared until one of the copies writes to them.
#[derive(Clone)]
pub struct Machine {
    pub(super) program: Arc<Program>,
    pub(super) linked: Arc<Linked>,
    pub(super) registry: &'static Registry,
    pub(super) limits: Limits,
    pub(super) stack: Vec<Value>,
    pub(super) frames: Vec<Frame>,
    /// The next instruction.
    pub(super) pc: u32,
    /// Where the slots of the current frame begin.
    pub(super) base: usize,
    pub(super) heap: Heap,
    pub(super) random: Random,
    pub(super) instructions: u64,
    pub(super) calls: u64,
    pub(super) output: Vec<String>,
    pub(super) output_bytes: u64,
    pub(super) open: Option<OpenCall>,
    /// A Map in the heap: how often was asked under each key. None before the first.
    pub(super) keys: HeapRef,
    /// Thrown when the machine runs again.
    pub(super) pending: Option<Value>,
    /// Units of work that built-in functions did and no instruction was counted for yet.
    pub(super) owed: u64,
    /// Its texts and its heap were given up: it was too large to be saved.
    pub(super) spent: bool,
    pub(super) now_ms: i64,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("pc", &self.pc)
            .field("stack", &self.stack.len())
            .field("frames", &self.frames.len())
            .field("instructions", &self.instructions)
            .finish_non_exhaustive()
    }
}

impl Machine {
    pub(super) fn blank(program: Arc<Program>, limits: Limits) -> Machine {
        let linked = Arc::new(Linked::of(&program));
        Machine {
            program,
            linked,
            registry: Registry::get(),
            limits,
            stack: Vec::new(),
            frames: Vec::new(),
            pc: 0,
            base: 0,
            heap: Heap::default(),
            random: Random::seeded([0; 32]),
            instructions: 0,
            calls: 0,
            output: Vec::new(),
            output_bytes: 0,
            open: None,
            keys: HeapRef::NONE,
            pending: None,
            owed: 0,
            spent: false,
            now_ms: 0,
        }
    }

    /// A machine at the first instruction of a program, whose global frame receives `input`.
    ///
    /// # Errors
    /// An input that is nested too deep or too large for the limits.
    pub fn start(program: Arc<Program>, input: &Json, seed: [u8; 32], limits: Limits) -> Result<Machine, Failure> {
        let mut machine = Machine::blank(program, limits);
        machine.random = Random::seeded(seed);
        let program = Arc::clone(&machine.program);
        let Some(global) = program.functions.first() else {
            return Err(machine.failure_of(&Raise::Internal("a program without a global frame")));
        };
        machine.heap.limit = machine.limits.heap_bytes;
        let input = match machine.plain_in(input) {
            Ok(input) => input,
            Err(raise) => return Err(machine.failure_of(&raise)),
        };
        let missing = if program.named_globals { Value::Uninitialised } else { Value::Undefined };
        machine.stack.resize(global.slots.len(), missing);
        // A program written by hand finds its input under that name.
        let slot = if program.named_globals { global.slots.iter().position(|s| s == "input") } else { Some(0) };
        if let Some(place) = slot.and_then(|s| machine.stack.get_mut(s)) {
            *place = input;
        }
        machine.frames.push(Frame::Code(CodeFrame {
            function: 0,
            return_pc: 0,
            bottom: 0,
            base: 0,
            closure: HeapRef::NONE,
            entry: super::frame::Entered::Plain,
        }));
        machine.pc = if program.named_globals { 0 } else { global.entry };
        Ok(machine)
    }

    /// Runs at most `fuel` instructions.
    ///
    /// A program whose state grew beyond all bounds cannot be retried: running it again answers the same failure.
    pub fn run(&mut self, fuel: u64, turn: &Turn) -> Stop {
        self.now_ms = turn.now_ms;
        if self.spent {
            return Stop::Failed(self.failure_of(&Raise::Limit(Exceeded::HeapBytes)));
        }
        let stop = match &self.open {
            Some(open) => self.asked_again(open),
            None => self.interpret(fuel),
        };
        self.settle(stop)
    }

    /// Answers the open call: its result is pushed, and [`Machine::run`] goes on behind it.
    ///
    /// # Errors
    /// As [`Machine::reply`].
    pub fn answer(&mut self, result: &Json) -> Result<(), Failure> {
        self.reply(&[Reply::Value(result.clone())])
    }

    /// Tells what became of the open calls, in their order; [`Machine::run`] goes on behind them: with the value, with the list of
    /// values, or with the first error thrown. After a timer and `fs.writeFile` the value is `undefined` whatever is told.
    ///
    /// # Errors
    /// Values that are nested too deep or too large for the limits, or another number of calls than are open; then nothing changed.
    pub fn reply(&mut self, replies: &[Reply]) -> Result<(), Failure> {
        let together = match &self.open {
            Some(open) if open.count() == replies.len() => matches!(open.asked, Asked::Together(_)),
            _ => return Err(self.failure_of(&Raise::Internal("answers to other calls than are open"))),
        };
        let error = replies.iter().find_map(|reply| match reply {
            Reply::Error { name, message } => Some((name, message)),
            Reply::Value(_) | Reply::Nothing => None,
        });
        if let Some((name, message)) = error {
            self.throw(name, message);
            return Ok(());
        }
        let values = replies.iter().map(|reply| match reply {
            Reply::Value(value) => self.plain_in(value),
            Reply::Nothing | Reply::Error { .. } => Ok(Value::Undefined),
        });
        let mut values: Vec<Value> = match values.collect() {
            Ok(values) => values,
            Err(raise) => return Err(self.failure_of(&raise)),
        };
        let value = match self.program.code.get(self.pc as usize) {
            Some(Instruction::Ask { what, .. }) if what.says_nothing() => Value::Undefined,
            _ if together => Value::Ref(self.heap.new_array(values)),
            _ => values.pop().unwrap_or(Value::Undefined),
        };
        self.open = None;
        self.stack.push(value);
        self.pc += 1;
        self.heap.seal();
        Ok(())
    }

    /// The open call throws an error of this name instead of returning; the program may catch it.
    pub fn throw(&mut self, name: &str, message: &str) {
        let Some(open) = self.open.take() else { return };
        self.stack.extend(open.operands);
        self.raise_later(name, message);
    }

    /// An error that is thrown when the machine runs again.
    fn raise_later(&mut self, name: &str, message: &str) {
        let error = self.new_error(ErrorKind::named(name).unwrap_or_default(), message);
        if ErrorKind::named(name).is_none() {
            self.set_hidden(&error, "name", Value::text(name));
        }
        self.pending = Some(error);
        self.heap.seal();
    }

    /// As [`Machine::throw`], for what was never asked: its keys are not counted either.
    pub fn refuse(&mut self, name: &str, message: &str) {
        if self.open.is_none() {
            return;
        }
        self.unask();
        self.owe(REFUSED);
        self.raise_later(name, message);
    }

    /// The lines printed since this was last asked.
    pub fn take_output(&mut self) -> Vec<String> {
        std::mem::take(&mut self.output)
    }

    /// Instructions run in all.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// The next instruction; while a call is open, the one that asked.
    #[must_use]
    pub fn pc(&self) -> u32 {
        self.pc
    }

    /// The line of [`Machine::pc`].
    #[must_use]
    pub fn line(&self) -> u32 {
        self.program.place(self.pc).line
    }

    /// Fuel that goes to work of built-in functions done before, ahead of the next instruction: `run(1 + due)` runs exactly that one.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.owed / UNITS
    }

    /// Calls made in all.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How many calls were asked together and are open until [`Machine::reply`]; 0: the machine waits for nothing.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.open.as_ref().map_or(0, OpenCall::count)
    }

    /// Counts work of a built-in function: so many units of text walked over, or as much.
    #[inline]
    pub(super) fn owe(&mut self, units: u64) {
        self.owed += units;
    }

    /// How many instructions of a budget go to what is owed: one for [`UNITS`] units.
    #[inline]
    pub(super) fn settled(&mut self, budget: u64) -> u64 {
        let paid = (self.owed / UNITS).min(budget);
        self.owed -= paid * UNITS;
        paid
    }

    /// Prints a line.
    pub(super) fn print(&mut self, line: String) -> Result<(), Raise> {
        self.output_bytes += line.len() as u64 + 1;
        if self.output_bytes > self.limits.output_bytes {
            self.output_bytes -= line.len() as u64 + 1;
            return Err(Exceeded::OutputBytes.into());
        }
        // A slice has to end before its output is more than one commit takes.
        if line.len() > LONG_LINE {
            self.owe(line.len() as u64);
        }
        self.output.push(line);
        Ok(())
    }
}

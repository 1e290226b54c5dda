//! The machine's interface: start it with a program and an input, run it for a number of instructions, answer its
//! calls, save it. `interpreter.rs` and `slow_path.rs` execute instructions; `snapshot.rs` saves the state.

use std::sync::Arc;

use serde_json::Value as Json;

use super::abrupt_completion::{AbruptCompletion, Completion};
use super::fast_path::FastInstruction;
use super::frame::{CodeFrame, Frame};
use super::heap::Heap;
use super::limits::{ExceededLimit, Limits, TurnCount};
use super::machine_tasks::MachineTasks;
use super::natives::{Builtin, Methods, NativeRegistry, methods_by_name};
use super::open_call::PendingCall;
use super::program::{BytecodeConstant, Function, FunctionKind, VerifiedProgram};
use super::text::Str;
use super::value::{HeapRef, Value};
use super::work::{self, UNITS_PER_INSTRUCTION};
use super::xoshiro::Xoshiro256;
use super::{abrupt_completion, failed_call, fast_path, heap, job, json};

/// Lines of output above this many bytes count as work.
const LONG_LINE: usize = 256;

/// Work of a rejected call. Rejecting it reads schemas and their regexps, and a program may repeat the call without
/// end.
pub(super) const REJECTION_WORK: u64 = 1_000 * UNITS_PER_INSTRUCTION;

/// The values from outside the machine that a slice may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnContext {
    /// The current time in milliseconds since 1970: `Date.now()` within the slice.
    pub now_ms: i64,
}

/// The reason why [`Machine::run`] returned.
#[derive(Debug, Clone, PartialEq)]
pub enum StopReason {
    /// The fuel is used up. The caller runs the machine again.
    Fuel,
    /// No function can continue until [`Machine::settle`] delivers the result of one of these calls. Never empty.
    Waiting(Vec<PendingCall>),
    /// The program completed with this plain value.
    Complete(Json),
    /// An uncaught error, or an exceeded limit.
    Failed(MachineFailure),
}

/// A call that the program makes.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRequest {
    /// The addressee: `cc`, the name of a tool, `timer`, `fs.readFile`, `fs.listFiles` or `fs.writeFile`.
    pub kind: String,
    /// The prompt; empty for tools and timers.
    pub prompt: String,
    /// The arguments of a tool, or null.
    pub args: Json,
    /// The call's key with its occurrence: the number of calls with that key in this execution, including this one.
    pub key: Option<CallKey>,
    /// The options as the program passed them, or null.
    pub options: Json,
    /// The instruction that makes the call.
    pub instruction: u32,
    /// The line of that instruction.
    pub line: u32,
}

/// The name that a program gives a call, so that it can be answered before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallKey {
    /// The name.
    pub key: String,
    /// Number of the call among those with this key, from 1.
    pub occurrence: u64,
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A value.
    Value(Json),
    /// Done without a value: `undefined`.
    Nothing,
    /// The call throws an error of this name, which the program may catch.
    Error {
        /// `TimeoutError`, `CallError`.
        name: String,
        /// The error's message.
        message: String,
        /// The error's property `code`: a text or a number. Null: it has none.
        code: Json,
    },
}

/// An uncaught error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineFailure {
    /// The error's name.
    pub name: String,
    /// The error's message.
    pub message: String,
    /// File of the failing instruction, in a program of several files.
    pub file: Option<String>,
    /// Line of the failing instruction.
    pub line: u32,
    /// Column of the failing instruction; 0 if unknown.
    pub column: u32,
    /// The failing instruction.
    pub instruction: u32,
    /// The calls that led there, innermost first: `at f (line:column)`, or `at f (file:line:column)`.
    pub stack: Vec<String>,
    /// Whether a limit was reached.
    pub limit: bool,
    /// Whether it is a `CancelledError`, or an `AggregateError` that has no other errors.
    pub cancelled: bool,
}

/// The function that runs and blocks on calls.
#[derive(Clone, Debug)]
pub(super) struct SuspendedCall {
    /// The operands of the instruction. They are restored when the call fails uncaught, so that it can be repeated.
    pub(super) operands: Vec<Value>,
    /// The answers to a group of calls, once it has one: those of `open_call.rs`.
    pub(super) answers: HeapRef,
}

/// A name of the program with the results of its lookups.
#[derive(Debug)]
pub(super) struct LinkedName {
    pub(super) key: Value,
    pub(super) methods: Methods,
    pub(super) builtin: Option<Builtin>,
    pub(super) constructor: Option<Builtin>,
    pub(super) is_length: bool,
    /// Whether a comparison with the name is not free, so that the fast paths leave it to others.
    pub(super) is_long: bool,
}

/// The frame of a function that is called by pushing it.
#[derive(Debug)]
pub(super) struct PlainFrame {
    pub(super) entry: u32,
    pub(super) params: u16,
    pub(super) slots: u16,
    /// `this` is that of the closure, whatever the call passes.
    pub(super) is_arrow: bool,
    /// Slots and operands.
    pub(super) room: u32,
}

impl PlainFrame {
    fn plan(function: &Function) -> Option<PlainFrame> {
        let is_plain = matches!(function.kind, FunctionKind::Function | FunctionKind::Method | FunctionKind::Arrow)
            && !function.rest
            && !function.is_async
            && !function.is_generator
            && !function.returns_promise;
        let slots = u16::try_from(function.slots.len()).ok().filter(|_| is_plain)?;
        let room = u32::from(slots) + function.max_stack;
        let is_arrow = function.kind == FunctionKind::Arrow;
        Some(PlainFrame { entry: function.entry, params: function.params, slots, is_arrow, room })
    }
}

/// The variable of the source of the iterator helpers that has their functions.
const ITERATOR_FUNCTIONS: &str = "$:iteratorFunctions";

/// The tables of a program in the form that the interpreter uses.
#[derive(Debug)]
pub(super) struct LinkedProgram {
    pub(super) constants: Vec<Value>,
    pub(super) names: Vec<LinkedName>,
    /// Whether the program may define getters and setters.
    pub(super) has_accessors: bool,
    /// The global slot of the object with the functions of the iterator helpers, if the program has them.
    pub(super) iterator_functions: Option<usize>,
    /// The frames of functions that need nothing else to be called.
    pub(super) plain_frames: Vec<Option<PlainFrame>>,
    pub(super) plain: Vec<FastInstruction>,
    pub(super) fused: Vec<FastInstruction>,
}

impl LinkedProgram {
    fn link(program: &VerifiedProgram) -> LinkedProgram {
        let constants = program.constants.iter().map(|constant| match constant {
            BytecodeConstant::Undefined => Value::Undefined,
            BytecodeConstant::Null => Value::Null,
            BytecodeConstant::Bool(b) => Value::Bool(*b),
            BytecodeConstant::Number(n) => Value::Number(*n),
            BytecodeConstant::Text(units) => Value::Text(Str::from_units(units)),
            BytecodeConstant::Symbol(symbol) => Value::from(*symbol),
            BytecodeConstant::BigInt(value) => Value::BigInt(value.clone()),
        });
        let registry = NativeRegistry::global();
        let names = program.names.iter().map(|name| LinkedName {
            key: Value::text(name),
            methods: methods_by_name(name),
            builtin: registry.find(name),
            constructor: registry.find(&format!("new {name}")),
            is_length: &**name == "length",
            is_long: Value::text(name).is_long_text(),
        });
        LinkedProgram {
            constants: constants.collect(),
            names: names.collect(),
            has_accessors: program.has_accessors(),
            iterator_functions: program
                .functions
                .first()
                .and_then(|main| main.slots.iter().position(|slot| *slot == *ITERATOR_FUNCTIONS)),
            plain_frames: program.functions.iter().map(PlainFrame::plan).collect(),
            plain: fast_path::translate_unfused(&program.code),
            fused: fast_path::translate_fused(&program.code),
        }
    }

    /// The names as strings.
    pub(super) fn name_texts(&self) -> impl Iterator<Item = Str> {
        self.names.iter().filter_map(|name| match &name.key {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }
}

/// A machine: a program and the state of its execution.
///
/// A copy is cheap: copies share the pages of the heap until one of them writes to a page.
#[derive(Clone)]
pub struct Machine {
    pub(super) program: Arc<VerifiedProgram>,
    pub(super) linked: Arc<LinkedProgram>,
    pub(super) registry: &'static NativeRegistry,
    pub(super) limits: Limits,
    pub(super) stack: Vec<Value>,
    pub(super) frames: Vec<Frame>,
    /// The next instruction.
    pub(super) pc: u32,
    /// Stack index of the first slot of the current frame.
    pub(super) base: usize,
    pub(super) heap: Heap,
    pub(super) random: Xoshiro256,
    pub(super) instructions: TurnCount,
    pub(super) calls: u64,
    pub(super) output: Vec<String>,
    pub(super) output_bytes: TurnCount,
    pub(super) suspended_call: Option<SuspendedCall>,
    pub(super) tasks: MachineTasks,
    /// A Map in the heap from keys to the number of calls with each. [`HeapRef::NONE`] before the first.
    pub(super) key_counts: HeapRef,
    /// A Map in the heap with the state of the console: its indentation, counters and timers. [`HeapRef::NONE`] before
    /// the first.
    pub(super) console: HeapRef,
    /// A Map in the heap from keys to the symbols of `Symbol.for`. [`HeapRef::NONE`] before the first.
    pub(super) symbols: HeapRef,
    /// A value that the machine throws when it runs again.
    pub(super) pending: Option<Value>,
    /// Units of work of built-in functions that are not yet counted as instructions.
    pub(super) deferred_work: u64,
    /// Whether the texts and the heap were discarded because they were too large to be saved.
    pub(super) heap_discarded: bool,
    pub(super) now_ms: i64,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("pc", &self.pc)
            .field("stack", &self.stack.len())
            .field("frames", &self.frames.len())
            .field("instructions", &self.instructions.total)
            .finish_non_exhaustive()
    }
}

impl Machine {
    pub(super) fn blank(program: Arc<VerifiedProgram>, limits: Limits) -> Machine {
        let linked = Arc::clone(program.linked.get_or_init(|| Arc::new(LinkedProgram::link(&program))));
        Machine {
            program,
            linked,
            registry: NativeRegistry::global(),
            limits,
            stack: Vec::new(),
            frames: Vec::new(),
            pc: 0,
            base: 0,
            heap: Heap::default(),
            random: Xoshiro256::from_seed([0; 32]),
            instructions: TurnCount::default(),
            calls: 0,
            output: Vec::new(),
            output_bytes: TurnCount::default(),
            suspended_call: None,
            tasks: MachineTasks::default(),
            key_counts: HeapRef::NONE,
            console: HeapRef::NONE,
            symbols: HeapRef::NONE,
            pending: None,
            deferred_work: 0,
            heap_discarded: false,
            now_ms: 0,
        }
    }

    /// A machine at the first instruction of a program, whose global frame receives `input`.
    ///
    /// # Errors
    /// An input that is nested too deep or too large for the limits.
    pub fn start(
        program: Arc<VerifiedProgram>,
        input: &Json,
        seed: [u8; 32],
        limits: Limits,
    ) -> Result<Machine, MachineFailure> {
        let mut machine = Machine::blank(program, limits);
        machine.random = Xoshiro256::from_seed(seed);
        let program = Arc::clone(&machine.program);
        let Some(global) = program.functions.first() else {
            return Err(abrupt_completion::to_failure(
                &machine,
                &AbruptCompletion::Internal("a program without a global frame"),
            ));
        };
        machine.heap.limit = machine.limits.heap_bytes;
        let input = match json::value_from_json(&mut machine, input) {
            Ok(input) => input,
            Err(completion) => return Err(abrupt_completion::to_failure(&machine, &completion)),
        };
        let missing = if program.named_globals { Value::Uninitialized } else { Value::Undefined };
        machine.stack.resize(global.slots.len(), missing);
        // A program without ENTER finds its input under that name.
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
            call_kind: super::frame::CallKind::Plain,
        }));
        machine.pc = if program.named_globals { 0 } else { global.entry };
        Ok(machine)
    }

    /// Runs at most `fuel` instructions: fewer if they copy much memory that no instruction is charged for.
    ///
    /// A machine that discarded its heap cannot be retried: it fails again in the same way.
    pub fn run(&mut self, fuel: u64, turn: &TurnContext) -> StopReason {
        self.now_ms = turn.now_ms;
        if self.heap_discarded {
            return StopReason::Failed(abrupt_completion::to_failure(
                self,
                &AbruptCompletion::Limit(ExceededLimit::SavedBytes),
            ));
        }
        work::reset();
        failed_call::repeat_failed_calls(self);
        // The same stop again, whatever the fuel is.
        let stop = if self.suspended_call.is_some() {
            Some(StopReason::Waiting(self.open_calls()))
        } else if self.is_idle() && !self.tasks.has_jobs() && !failed_call::has_failed_call(self) {
            Some(job::stop_without_jobs(self))
        } else {
            None
        };
        let stop = stop.unwrap_or_else(|| self.interpret(fuel));
        self.deferred_work += work::take();
        heap::enforce_heap_limit(self, stop)
    }

    /// Counts the limits of a turn from here.
    pub(super) fn begin_turn(&mut self) {
        self.instructions.begin_turn();
        self.output_bytes.begin_turn();
    }

    /// Answers the first open call. [`Machine::run`] then continues.
    ///
    /// # Errors
    /// As [`Machine::settle`].
    pub fn answer(&mut self, result: &Json) -> Result<(), MachineFailure> {
        let first = self.open_calls().first().map_or(0, |call| call.number);
        self.settle(first, &Reply::Value(result.clone()))
    }

    /// The lines printed since the last call.
    pub fn take_output(&mut self) -> Vec<String> {
        std::mem::take(&mut self.output)
    }

    /// Instructions executed in total.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions.total
    }

    /// The next instruction; while a call is open, the instruction that made it.
    #[must_use]
    pub fn pc(&self) -> u32 {
        self.pc
    }

    /// The line of [`Machine::pc`].
    #[must_use]
    pub fn line(&self) -> u32 {
        self.program.location(self.pc).line
    }

    /// File, line and column of [`Machine::pc`].
    #[must_use]
    pub fn location(&self) -> (Option<String>, u32, u32) {
        let location = self.program.location(self.pc);
        (self.program.file(self.pc).map(str::to_owned), location.line, location.column)
    }

    /// Fuel that pays for earlier work of built-in functions before the next instruction runs: `run(1 + deferred_fuel)`
    /// executes exactly one instruction.
    #[must_use]
    pub fn deferred_fuel(&self) -> u64 {
        self.deferred_work / UNITS_PER_INSTRUCTION
    }

    /// Whether its program is a script.
    #[must_use]
    pub fn is_script(&self) -> bool {
        self.program.functions.first().is_some_and(|global| global.is_script)
    }

    /// Calls made in total.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Counts work of a built-in function, in units of text processed or an equivalent.
    #[inline]
    pub(super) fn charge_work(&mut self, units: u64) {
        self.deferred_work += units;
    }

    /// Checks that the work of one instruction does not exceed what the program may still use.
    pub(super) fn check_counted_work(&self) -> Completion {
        let left = self.instructions.left(self.limits.instructions);
        if work::counted() / UNITS_PER_INSTRUCTION > left { Err(ExceededLimit::Instructions.into()) } else { Ok(()) }
    }

    /// The instructions of a budget that pay for deferred work: one per [`UNITS_PER_INSTRUCTION`] units.
    #[inline]
    pub(super) fn take_deferred_fuel(&mut self, budget: u64) -> u64 {
        self.deferred_work += work::take();
        let paid = (self.deferred_work / UNITS_PER_INSTRUCTION).min(budget);
        self.deferred_work -= paid * UNITS_PER_INSTRUCTION;
        paid
    }

    pub(super) fn print(&mut self, line: String) -> Completion {
        let bytes = line.len() as u64 + 1;
        if bytes > self.output_bytes.left(self.limits.output_bytes) {
            return Err(ExceededLimit::OutputBytes.into());
        }
        self.output_bytes.total += bytes;
        // A slice must end before its output exceeds the size of one commit.
        if line.len() > LONG_LINE {
            self.charge_work(line.len() as u64);
        }
        self.output.push(line);
        Ok(())
    }
}

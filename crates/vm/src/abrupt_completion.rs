//! Abrupt completions and exception handling. The handler is looked up before any state is discarded: an uncaught error
//! leaves the machine intact at the failing instruction.

use super::coroutine::Coroutine;
use super::entry::Entry;
use super::frame::{CallKind, CodeFrame, Frame};
use super::limits::ExceededLimit;
use super::machine::{Machine, MachineFailure, StopReason};
use super::machine_tasks::ProgramTask;
use super::object::{ErrorKind, ErrorObject, Object};
use super::operand_conversion::OperandConversion;
use super::program::{DecodedInstruction, ExceptionHandler};
use super::promise::{PromiseObject, PromiseState, ReactionKind};
use super::table::{Table, TableKind};
use super::value::{HeapRef, Value};
use super::{conversion, coroutine, failed_call, generator, iteration, job, json, operand_conversion, property};

/// The name of the error of a limit that the machine itself must enforce.
pub const LIMIT_ERROR: &str = "LimitError";

/// The name of the error of an operation that Node has and this machine lacks.
const UNSUPPORTED_ERROR: &str = "UnsupportedError";

/// Most calls in a stack trace.
const MAX_TRACE_FRAMES: usize = 10;

/// Continues at the handler of an abrupt completion, or returns the failure of the execution.
/// ECMA-262 §14.15 The try Statement, §14.14 The throw Statement.
pub(super) fn handle_abrupt_completion(
    machine: &mut Machine,
    completion: AbruptCompletion,
) -> Result<(), Box<StopReason>> {
    let mut completion = completion;
    loop {
        let limit = if let AbruptCompletion::Limit(limit) = completion { Some(limit) } else { None };
        if let AbruptCompletion::ConvertOperand(at, conversion) = completion {
            match operand_conversion::start_conversion(machine, at, conversion) {
                Ok(_) => return Ok(()),
                Err(next) => completion = next,
            }
            continue;
        }
        let thrown = match completion {
            // A job that begins has no function that could catch it: the handlers are those of the awaiting program.
            AbruptCompletion::Limit(_) if machine.is_idle() => Err(completion),
            completion => thrown_value(machine, completion),
        };
        let thrown = match thrown {
            Ok(thrown) => thrown,
            Err(uncatchable) => {
                leave_native_frames(machine);
                return Err(Box::new(StopReason::Failed(to_failure(machine, &uncatchable))));
            }
        };
        let catcher = find_catcher(machine);
        let is_kept =
            limit.is_none() && matches!(catcher, Some(Catcher::Promise(_))) && failed_call::fails_in_place(machine);
        match catcher {
            Some(Catcher::Handler(frame, handler)) => {
                generator::end_unwound(machine, frame + 1);
                machine.frames.truncate(frame + 1);
                let Some(Frame::Code(frame)) = machine.frames.last() else { return Ok(()) };
                let slots = machine.program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
                machine.base = frame.base as usize;
                machine.stack.truncate(machine.base + slots + handler.depth as usize);
                machine.stack.push(thrown);
                machine.pc = handler.target;
                return Ok(());
            }
            Some(Catcher::Promise(frame)) if !is_kept => match coroutine::reject_frame(machine, frame, thrown) {
                Ok(()) => return Ok(()),
                Err(next) => completion = next,
            },
            _ => {
                leave_native_frames(machine);
                let failure = match machine.program.code.get(machine.pc as usize) {
                    _ if is_kept => rejection_failure(machine, &thrown),
                    // The error was thrown before, in the function whose promise is awaited.
                    Some(DecodedInstruction::Await) => rejection_failure(machine, &thrown),
                    // It was thrown before, in the loop or pattern whose iterator is closed: only there POP precedes
                    // THROW.
                    Some(DecodedInstruction::Throw)
                        if machine.program.code.get(machine.pc.wrapping_sub(1) as usize)
                            == Some(&DecodedInstruction::Pop) =>
                    {
                        rejection_failure(machine, &thrown)
                    }
                    _ => to_failure(machine, &limit.map_or(AbruptCompletion::Throw(thrown), AbruptCompletion::Limit)),
                };
                return Err(Box::new(StopReason::Failed(failure)));
            }
        }
    }
}

/// Returns to the instruction that called a built-in function which fails between two callbacks: a saved state ends
/// with a frame of the program. A retry runs the instruction, or the job, again.
fn leave_native_frames(machine: &mut Machine) {
    let mut spread = None;
    while let Some(Frame::Native(_)) = machine.frames.last() {
        let Some(left) = machine.frames.pop() else { return };
        machine.pc = left.call_pc();
        let Frame::Native(frame) = left else { return };
        machine.stack.truncate(frame.top as usize);
        if let Some(Frame::Code(caller)) = machine.frames.last() {
            machine.base = caller.base as usize;
            job::put_back(machine, &frame);
            iteration::reopen_record(machine, &frame);
        }
        spread = frame.spread.clone();
    }
    fit_operands(machine, spread);
}

/// Leaves the operands that the current instruction has before it runs. Built-in functions such as `call` put values
/// above them, and a call with `...` replaces its last one.
fn fit_operands(machine: &mut Machine, spread: Option<Value>) {
    let Some(Frame::Code(frame)) = machine.frames.last() else { return };
    let (function, pc) = (frame.function as usize, machine.pc as usize);
    let (Some(Some(depth)), Some(function), None) =
        (machine.program.stack_depths.get(pc), machine.program.functions.get(function), &machine.suspended_call)
    else {
        return;
    };
    // The older machine left more operands. A program that awaits has popped those of its instruction.
    let is_suspended = machine.frames.len() == 1 && machine.tasks.program != ProgramTask::Running;
    if machine.program.named_globals || is_suspended {
        return;
    }
    let len = frame.base as usize + function.slots.len() + *depth as usize;
    if let Some(spread) = spread {
        machine.stack.truncate(len.saturating_sub(1));
        machine.stack.push(spread);
    }
    machine.stack.resize(len, Value::Undefined);
}

/// The value that a handler of the program catches, or the completion that none catches.
pub(super) fn thrown_value(machine: &mut Machine, completion: AbruptCompletion) -> Completion<Value> {
    match completion {
        AbruptCompletion::Throw(value) => Ok(value),
        AbruptCompletion::Error(kind, message) => Ok(new_error(machine, kind, &message)),
        AbruptCompletion::Unsupported(message) => {
            let error = new_error(machine, ErrorKind::Type, &message);
            set_hidden(machine, &error, "name", Value::text(UNSUPPORTED_ERROR));
            Ok(error)
        }
        AbruptCompletion::Limit(limit) if limit.is_catchable() => {
            let message = limit.message(&machine.limits, machine.is_script());
            Ok(new_error(machine, ErrorKind::Range, &message))
        }
        uncatchable => Err(uncatchable),
    }
}

/// The receiver of a thrown value.
enum Catcher {
    /// A handler of the program, in the frame of this index.
    Handler(usize, ExceptionHandler),
    /// The promise of the frame of this index.
    Promise(usize),
}

/// Whether a frame receives a thrown value.
pub(super) fn has_catcher(machine: &Machine) -> bool {
    find_catcher(machine).is_some()
}

/// The innermost frame that receives a thrown value.
fn find_catcher(machine: &Machine) -> Option<Catcher> {
    for (index, pc) in frames_with_pc(machine) {
        let Some(frame) = machine.frames.get(index) else { continue };
        if let Frame::Code(frame) = frame
            && let Some(function) = machine.program.functions.get(frame.function as usize)
            && let Some(handler) = function.handlers.iter().find(|handler| {
                handler.start <= pc
                    && pc < handler.end
                    && handler.slot.is_none_or(|slot| iteration::needs_close(machine, frame.base, slot, pc))
            })
        {
            return Some(Catcher::Handler(index, *handler));
        }
        if coroutine::rejects_promise(frame) {
            return Some(Catcher::Promise(index));
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

/// The innermost current instruction that has a line. Those of built-ins that are written in the language have none.
pub(super) fn traced_pc(machine: &Machine) -> u32 {
    let mut pcs = frames_with_pc(machine).map(|(_, pc)| pc);
    pcs.find(|pc| machine.program.location(*pc).line > 0).unwrap_or(machine.pc)
}

/// The current calls, innermost first, then the functions that await the running one.
fn stack_trace(machine: &Machine) -> Vec<String> {
    stack_trace_below(machine, machine.frames.len())
}

/// As [`stack_trace`], of the calls below a number of frames.
fn stack_trace_below(machine: &Machine, depth: usize) -> Vec<String> {
    let is_running = machine.tasks.program == ProgramTask::Running;
    let code = frames_with_pc(machine).skip_while(|(index, _)| *index >= depth).filter_map(|(index, pc)| match machine
        .frames
        .get(index)
    {
        // The program does not call the functions that jobs run.
        Some(Frame::Code(frame)) if (index > 0 || is_running) && machine.program.location(pc).line > 0 => {
            Some((frame.function, pc))
        }
        _ => None,
    });
    let mut lines: Vec<String> =
        code.take(MAX_TRACE_FRAMES).map(|(function, pc)| frame_line(machine, function, pc)).collect();
    if let Some(Frame::Code(CodeFrame { call_kind: CallKind::Resumed(promise), .. })) = machine.frames.get(1) {
        append_async_lines(machine, *promise, &mut lines);
    }
    lines
}

/// Appends the functions that await a promise: `at async f (line:column)`, as V8 does.
pub(super) fn append_async_lines(machine: &Machine, promise: HeapRef, lines: &mut Vec<String>) {
    let mut promise = promise;
    for _ in 0..2 * MAX_TRACE_FRAMES {
        let Entry::Promise(PromiseObject { state: PromiseState::Pending, first, .. }) = machine.heap.get(promise)
        else {
            return;
        };
        let Entry::Reaction(reaction) = machine.heap.get(*first) else { return };
        if lines.len() >= MAX_TRACE_FRAMES {
            return;
        }
        promise = reaction.derived;
        match (reaction.kind, machine.heap.get(reaction.derived)) {
            (ReactionKind::Await, Entry::Coroutine(coroutine)) => {
                push_async_line(machine, coroutine, lines);
                promise = coroutine.promise;
            }
            (ReactionKind::Await, Entry::Generator(generator)) => {
                push_async_line(machine, &generator.coroutine, lines);
                promise = generator::requested_promise(machine, reaction.derived).unwrap_or_default();
            }
            (ReactionKind::Await, _) => {
                let pc = machine.frames.get(1).map_or(machine.pc, Frame::call_pc);
                lines.push(frame_line(machine, 0, pc).replacen("at ", "at async ", 1));
                return;
            }
            (ReactionKind::All | ReactionKind::AllSettled | ReactionKind::Any, _) => {
                lines.push(format!("at async Promise.{} (index {})", reaction.kind.name(), reaction.index));
            }
            (ReactionKind::Settle | ReactionKind::Adopt, _) => {}
            _ => return,
        }
    }
}

/// Appends a suspended function, unless it is part of a built-in that is written in the language.
fn push_async_line(machine: &Machine, coroutine: &Coroutine, lines: &mut Vec<String>) {
    if machine.program.location(coroutine.pc).line > 0 {
        lines.push(frame_line(machine, coroutine.function, coroutine.pc).replacen("at ", "at async ", 1));
    }
}

fn frame_line(machine: &Machine, function: u32, pc: u32) -> String {
    let location = machine.program.location(pc);
    let name = match property::function_name(machine, function) {
        "" if function == 0 => "<program>",
        "" => "<anonymous>",
        name => name,
    };
    let (file, colon) = machine.program.file(pc).map_or(("", ""), |file| (file, ":"));
    format!("at {name} ({file}{colon}{}:{})", location.line, location.column)
}

/// The line of a stack trace for an instruction.
pub(super) fn trace_line(machine: &Machine, pc: u32) -> String {
    frame_line(machine, machine.program.owners.get(pc as usize).copied().unwrap_or(0), pc)
}

/// Replaces the stack trace of an error by one instruction.
pub(super) fn set_trace(machine: &mut Machine, error: &Value, pc: u32) {
    let (name, message) = describe_thrown(machine, error);
    let stack = format!("{name}: {message}\n    {}", trace_line(machine, pc));
    set_hidden(machine, error, "stack", Value::text(&stack));
}

/// A new error with the name that the host gives.
pub(super) fn new_call_error(machine: &mut Machine, name: &str, message: &str) -> Value {
    let error = new_error(machine, ErrorKind::from_name(name).unwrap_or_default(), message);
    if ErrorKind::from_name(name).is_none() {
        set_hidden(machine, &error, "name", Value::text(name));
    }
    error
}

/// The failure for a rejection that nothing handles. An error has the location of its stack trace.
pub(super) fn rejection_failure(machine: &Machine, reason: &Value) -> MachineFailure {
    let mut failure = to_failure(machine, &AbruptCompletion::Throw(reason.clone()));
    let stack = match reason {
        Value::Ref(at) if matches!(machine.heap.get(*at), Entry::Error(_)) => {
            property::property(machine, reason, &Value::text("stack"))
        }
        _ => return failure,
    };
    let Ok(Value::Text(stack)) = stack else { return failure };
    let stack = stack.to_utf8();
    let lines: Vec<String> =
        stack.lines().filter_map(|line| line.strip_prefix("    at ")).map(|line| format!("at {line}")).collect();
    if let Some((file, line, column)) = lines.first().and_then(|first| location_of(first)) {
        (failure.file, failure.line, failure.column, failure.stack) = (file, line, column, lines);
    }
    failure
}

/// File, line and column at the end of a line of a stack trace.
fn location_of(line: &str) -> Option<(Option<String>, u32, u32)> {
    let mut parts = line.strip_suffix(')')?.rsplit_once(" (")?.1.rsplitn(3, ':');
    let (column, line) = (parts.next()?, parts.next()?);
    Some((parts.next().map(str::to_owned), line.parse().ok()?, column.parse().ok()?))
}

/// A new error object with a stack trace. ECMA-262 §20.5.1.1 Error. The property `stack` is that of V8.
pub(super) fn new_error(machine: &mut Machine, kind: ErrorKind, message: &str) -> Value {
    let depth = machine.frames.len();
    new_error_below(machine, kind, message, depth)
}

/// As [`new_error`]. The stack trace has the calls below a number of frames: as in V8, the constructors of a class of
/// errors are not in it.
pub(super) fn new_error_below(machine: &mut Machine, kind: ErrorKind, message: &str, depth: usize) -> Value {
    let head = if message.is_empty() { kind.name().to_owned() } else { format!("{}: {message}", kind.name()) };
    let stack = stack_text(machine, head, depth);
    let pairs = vec![(Value::text("stack"), Value::text(&stack)), (Value::text("message"), Value::text(message))];
    let error = ErrorObject { kind, hidden: Table::from_pairs(pairs), object: Object::default() };
    Value::Ref(machine.heap.allocate(Entry::Error(Box::new(error))))
}

/// The stack of an error: its head, then the calls below a number of frames.
pub(super) fn stack_text(machine: &Machine, head: String, depth: usize) -> String {
    let lines = stack_trace_below(machine, depth).into_iter().map(|line| format!("    {line}"));
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Sets a property of an error that is not enumerable. ECMA-262 §7.3.7 CreateNonEnumerableDataPropertyOrThrow.
pub(super) fn set_hidden(machine: &mut Machine, error: &Value, name: &str, value: Value) {
    if let Value::Ref(at) = error {
        machine.heap.table_set(*at, TableKind::Hidden, Value::text(name), value);
    }
}

/// The failure for an abrupt completion that no handler catches.
pub(super) fn to_failure(machine: &Machine, completion: &AbruptCompletion) -> MachineFailure {
    let pc = traced_pc(machine);
    let location = machine.program.location(pc);
    let (name, message, limit) = match completion {
        AbruptCompletion::Limit(limit) => {
            let name = if limit.is_catchable() { ErrorKind::Range.name() } else { LIMIT_ERROR };
            (name.to_owned(), limit.message(&machine.limits, machine.is_script()), true)
        }
        AbruptCompletion::Unsupported(message) => (UNSUPPORTED_ERROR.to_owned(), message.clone(), false),
        AbruptCompletion::Internal(detail) => {
            ("InternalError".to_owned(), format!("the machine's state is inconsistent: {detail}"), false)
        }
        AbruptCompletion::Error(kind, message) => (kind.name().to_owned(), message.clone(), false),
        AbruptCompletion::ConvertOperand(..) => {
            ("InternalError".to_owned(), "a conversion without its method".to_owned(), false)
        }
        AbruptCompletion::Throw(value) => {
            let (name, message) = describe_thrown(machine, value);
            (name, message, false)
        }
    };
    let (line, column) = (location.line, location.column);
    let (file, stack) = (machine.program.file(pc).map(str::to_owned), stack_trace(machine));
    let cancelled = match completion {
        AbruptCompletion::Throw(value) => job::is_cancelled_error(machine, value),
        AbruptCompletion::Error(kind, _) => *kind == ErrorKind::Cancelled,
        _ => false,
    };
    MachineFailure { name, message, file, line, column, instruction: machine.pc, stack, limit, cancelled }
}

fn describe_thrown(machine: &Machine, value: &Value) -> (String, String) {
    if let Value::Ref(at) = value
        && let Entry::Error(error) = machine.heap.get(*at)
    {
        let text_property = |name: &str| {
            let value = conversion::read_property(machine, value, name).ok()?;
            Some(conversion::to_text(machine, &value).map(|text| text.to_utf8()).unwrap_or_default())
        };
        // A getter that is not called leaves the built-in class and the message of the constructor.
        let name = text_property("name").unwrap_or_else(|| error.kind.name().to_owned());
        let message = text_property("message").unwrap_or_else(|| {
            match machine.heap.table_get(&error.hidden, &Value::text("message")) {
                Some(Value::Text(message)) => message.to_utf8(),
                _ => String::new(),
            }
        });
        return (name, message);
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
    /// An exceeded limit: a RangeError, unless the machine itself must enforce it.
    Limit(ExceededLimit),
    /// An operation that Node has and this machine lacks: a TypeError with the name `UnsupportedError`. A program may
    /// catch it, because data may decide which operation it is.
    Unsupported(String),
    /// Methods of the program must convert the operand at this index of the stack. The instruction then runs again.
    ConvertOperand(usize, OperandConversion),
    /// The machine's state contradicts itself. No handler catches it.
    Internal(&'static str),
}

/// What an operation returns unless a completion interrupts it.
pub type Completion<T = ()> = Result<T, AbruptCompletion>;

/// The primitive that a conversion of an object prefers. ECMA-262 §7.1.1 ToPrimitive, _preferredType_.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreferredType {
    /// `toString` first.
    Text,
    /// `valueOf` first.
    Number,
    /// As a number, but a date becomes a text: `+` and `==`.
    Default,
}

impl AbruptCompletion {
    /// Whether a handler of the program may catch it.
    pub(super) fn is_catchable(&self) -> bool {
        match self {
            AbruptCompletion::Throw(_) | AbruptCompletion::Error(..) | AbruptCompletion::Unsupported(_) => true,
            AbruptCompletion::Limit(limit) => limit.is_catchable(),
            AbruptCompletion::ConvertOperand(..) | AbruptCompletion::Internal(_) => false,
        }
    }
}

impl From<ExceededLimit> for AbruptCompletion {
    fn from(limit: ExceededLimit) -> AbruptCompletion {
        AbruptCompletion::Limit(limit)
    }
}

/// An UnsupportedError: the program uses an operation that only Node has.
pub fn unsupported<T>(message: impl Into<String>) -> Completion<T> {
    Err(AbruptCompletion::Unsupported(message.into()))
}

/// A TypeError.
pub fn type_error<T>(message: impl Into<String>) -> Completion<T> {
    Err(AbruptCompletion::Error(ErrorKind::Type, message.into()))
}

/// The machine's state contradicts itself.
#[cold]
pub(super) fn internal<T>(problem: &'static str) -> Completion<T> {
    Err(AbruptCompletion::Internal(problem))
}

/// A RangeError.
pub fn range_error<T>(message: impl Into<String>) -> Completion<T> {
    Err(AbruptCompletion::Error(ErrorKind::Range, message.into()))
}

/// A ReferenceError.
pub fn reference_error<T>(message: impl Into<String>) -> Completion<T> {
    Err(AbruptCompletion::Error(ErrorKind::Reference, message.into()))
}

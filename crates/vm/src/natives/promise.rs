//! `Promise` and its methods. ECMA-262 §27.2 Promise Objects.
//!
//! Deviations: promises have no properties of their own and no subclasses, so `constructor` and `then` of a promise are
//! the built-in ones.

use super::super::abrupt_completion::{Completion, type_error, unsupported};
use super::super::callback::{self, CallbackMethod, NativeFrame};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::{BoundFunction, ErrorKind};
use super::super::promise::{self, Reaction, ReactionKind};
use super::super::value::{HeapRef, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult, errors};
use crate::{abrupt_completion, conversion, iteration, job, json, open_call, property, slow_path};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §27.2.3.1 Promise, called without `new`.
    ("Promise", 1, |_, _| type_error("Promise constructor cannot be invoked without 'new'")),
    // ECMA-262 §27.2.3.1 Promise.
    ("new Promise", 1, |machine, args| {
        let executor = super::arg(machine, args, 0);
        if !conversion::is_callable(machine, &executor) {
            let executor = iteration::receiver_text(machine, &executor);
            return type_error(format!("Promise resolver {executor} is not a function"));
        }
        let (promise, cell) = (promise::new_promise(machine), promise::new_resolved_cell(machine));
        let frame = NativeFrame {
            callback: executor,
            source: Value::Ref(cell),
            out: Value::Ref(promise),
            ..NativeFrame::new(CallbackMethod::Executor, args.bottom, machine.stack.len(), args.return_pc)
        };
        callback::run_promise_callback(machine, frame)
    }),
    // ECMA-262 §27.2.4.7 Promise.resolve.
    ("Promise.resolve", 1, |machine, args| {
        check_constructor(machine, args)?;
        let value = super::arg(machine, args, 0);
        Ok(NativeOutcome::Value(Value::Ref(promise::promise_from(machine, &value)?)))
    }),
    // ECMA-262 §27.2.4.6 Promise.reject.
    ("Promise.reject", 1, |machine, args| {
        check_constructor(machine, args)?;
        let (promise, reason) = (promise::new_promise(machine), super::arg(machine, args, 0));
        promise::reject(machine, promise, reason);
        Ok(NativeOutcome::Value(Value::Ref(promise)))
    }),
    // ECMA-262 §27.2.4.8 Promise.withResolvers.
    ("Promise.withResolvers", 0, |machine, args| {
        check_constructor(machine, args)?;
        let (promise, cell) = (promise::new_promise(machine), promise::new_resolved_cell(machine));
        let [resolve, reject] = promise::resolving_functions(machine, promise, cell)?;
        let pairs = [("promise", Value::Ref(promise)), ("resolve", resolve), ("reject", reject)];
        let pairs = pairs.map(|(name, value)| (Value::text(name), value)).into();
        Ok(NativeOutcome::Value(slow_path::new_object(machine, pairs)))
    }),
    // ECMA-262 §27.2.4.1 Promise.all.
    ("Promise.all", 1, |machine, args| combine(machine, args, ReactionKind::All)),
    // ECMA-262 §27.2.4.2 Promise.allSettled.
    ("Promise.allSettled", 1, |machine, args| combine(machine, args, ReactionKind::AllSettled)),
    // ECMA-262 §27.2.4.3 Promise.any.
    ("Promise.any", 1, |machine, args| combine(machine, args, ReactionKind::Any)),
    // ECMA-262 §27.2.4.5 Promise.race.
    ("Promise.race", 1, |machine, args| combine(machine, args, ReactionKind::Settle)),
    // ECMA-262 §27.2.5.4 Promise.prototype.then.
    ("Promise.prototype.then", 2, |machine, args| {
        let handlers = [super::arg(machine, args, 0), super::arg(machine, args, 1)];
        then(machine, args, ReactionKind::Then, handlers)
    }),
    // ECMA-262 §27.2.5.1 Promise.prototype.catch.
    ("Promise.prototype.catch", 1, |machine, args| {
        let handlers = [Value::Undefined, super::arg(machine, args, 0)];
        then(machine, args, ReactionKind::Then, handlers)
    }),
    // ECMA-262 §27.2.5.3 Promise.prototype.finally.
    ("Promise.prototype.finally", 1, |machine, args| {
        let handler = super::arg(machine, args, 0);
        let kind = if conversion::is_callable(machine, &handler) { ReactionKind::Finally } else { ReactionKind::Then };
        then(machine, args, kind, [handler, Value::Undefined])
    }),
    // ECMA-262 §27.2.1.3.2 Promise Resolve Functions. Bound to the promise and to a cell.
    (promise::RESOLVE, 3, |machine, args| {
        let (promise, cell, value) =
            (super::arg(machine, args, 0), super::arg(machine, args, 1), super::arg(machine, args, 2));
        if let Value::Ref(promise) = promise
            && !promise::is_resolved(machine, &cell)
        {
            // A getter `then` fails, and the call is repeated at a retry.
            promise::resolve(machine, promise, value)?;
            promise::replace_resolved(machine, &cell);
        }
        Ok(NativeOutcome::Value(Value::Undefined))
    }),
    // ECMA-262 §27.2.1.3.1 Promise Reject Functions. Bound as the one above.
    (promise::REJECT, 3, |machine, args| {
        let (promise, cell, reason) =
            (super::arg(machine, args, 0), super::arg(machine, args, 1), super::arg(machine, args, 2));
        if let Value::Ref(promise) = promise
            && !promise::replace_resolved(machine, &cell)
        {
            promise::reject(machine, promise, reason);
        }
        Ok(NativeOutcome::Value(Value::Undefined))
    }),
    // Only the compiler emits this name, for `for await`: the promise of an element of an iterator that is not async.
    // ECMA-262 §27.1.6.4 AsyncFromSyncIteratorContinuation.
    ("promise of element", 1, |machine, args| {
        let value = super::arg(machine, args, 0);
        let (element, promise) = (promise::promise_from(machine, &value)?, promise::new_promise(machine));
        promise::add_reaction(machine, element, Reaction::new(ReactionKind::Settle, promise))?;
        Ok(NativeOutcome::Value(Value::Ref(promise)))
    }),
    // HTML §8.8 Microtask queuing.
    ("queueMicrotask", 1, |machine, args| {
        let callback = require_callback(machine, args)?;
        let (source, derived) = (promise::new_promise(machine), promise::new_promise(machine));
        promise::fulfill(machine, source, Value::Undefined);
        let values = [callback, Value::Undefined];
        promise::add_reaction(machine, source, Reaction { values, ..Reaction::new(ReactionKind::Finally, derived) })?;
        Ok(NativeOutcome::Value(Value::Undefined))
    }),
    // HTML §8.7 Timers, as in Node. Deviations: the value is a number, the function has no `this`, and 0 ms are 1 ms.
    ("setTimeout", 1, |machine, args| {
        let callback = require_callback(machine, args)?;
        let ms = timeout_ms(machine, args)?;
        let arguments: Vec<Value> = (2..args.count).map(|index| super::arg(machine, args, index)).collect();
        let callback = match arguments.is_empty() {
            true => callback,
            false => {
                let bound = BoundFunction { target: callback, this: Value::Undefined, args: arguments };
                Value::Ref(machine.heap.allocate(Entry::Bound(Box::new(bound))))
            }
        };
        Ok(NativeOutcome::Value(Value::Number(open_call::open_timeout(machine, callback, ms, false)? as f64)))
    }),
    ("clearTimeout", 1, |machine, args| {
        if let Value::Number(number) = super::arg(machine, args, 0) {
            open_call::clear_timeout(machine, number);
        }
        Ok(NativeOutcome::Value(Value::Undefined))
    }),
    // ECMA-262 §20.5.7.1.1 AggregateError.
    ("AggregateError", 2, |machine, args| Ok(new_aggregate_error(machine, args, machine.frames.len())?.into())),
    ("new AggregateError", 2, |machine, args| Ok(new_aggregate_error(machine, args, machine.frames.len())?.into())),
];

/// The second argument as the time of a timer.
pub(super) fn timeout_ms(machine: &Machine, args: &NativeArgs) -> Completion<f64> {
    let ms = super::arg_number(machine, args, 1)?;
    Ok(if (1.0..=MAX_TIMEOUT_MS).contains(&ms) { ms.trunc() } else { 1.0 })
}

/// The first argument, which must be a function.
fn require_callback(machine: &Machine, args: &NativeArgs) -> Completion<Value> {
    let callback = super::arg(machine, args, 0);
    if conversion::is_callable(machine, &callback) {
        return Ok(callback);
    }
    let found = received_text(machine, &callback);
    type_error(format!("The \"callback\" argument must be of type function. Received {found}"))
}

/// A value in messages of Node (`determineSpecificType` of lib/internal/errors.js).
fn received_text(machine: &Machine, value: &Value) -> String {
    let shortened = |text: String| match text.char_indices().nth(28) {
        Some(_) => format!("{}...", text.chars().take(25).collect::<String>()),
        None => text,
    };
    match value {
        Value::Ref(_) if property::receiver(machine, value).is_none() => "[Object: null prototype] {}".to_owned(),
        Value::Ref(at) => format!("an instance of {}", json::constructor_name(machine, *at).unwrap_or_default()),
        Value::Text(text) => match shortened(text.to_utf8()) {
            text if text.contains('\'') => format!("type string ({})", serde_json::json!(text)),
            text => format!("type string ('{text}')"),
        },
        Value::Undefined | Value::Null => json::display_text(machine, value),
        value => {
            let text = shortened(json::display_text(machine, value));
            format!("type {} ({text})", conversion::type_of(machine, value))
        }
    }
}

/// Checks that `this` of a method of `Promise` is `Promise`. A call by name has no operand for it. ECMA-262 §27.2.1.5
/// NewPromiseCapability. Deviation: other constructors are not supported.
fn check_constructor(machine: &Machine, args: &NativeArgs) -> Completion {
    match &args.this {
        _ if args.base == args.bottom => Ok(()),
        Value::Builtin(builtin) if builtin.name() == "Promise" => Ok(()),
        this if conversion::is_callable(machine, this) => {
            unsupported("the methods of Promise make promises of Promise only; call them on Promise")
        }
        Value::Ref(_) | Value::Builtin(_) => {
            type_error(format!("{} is not a constructor", iteration::receiver_text(machine, &args.this)))
        }
        _ => {
            // V8 names the operation of the standard.
            let name = match args.name() {
                "Promise.resolve" => "PromiseResolve",
                "Promise.reject" => "PromiseReject",
                name => name,
            };
            type_error(format!("{name} called on non-object"))
        }
    }
}

/// Adds a reaction to `this`, and returns its derived promise.
fn then(machine: &mut Machine, args: &NativeArgs, kind: ReactionKind, values: [Value; 2]) -> NativeResult {
    let Value::Ref(source) = args.this else { return super::incompatible_receiver(machine, args) };
    if !promise::is_promise(machine, &args.this) {
        return super::incompatible_receiver(machine, args);
    }
    let derived = promise::new_promise(machine);
    promise::add_reaction(machine, source, Reaction { values, ..Reaction::new(kind, derived) })?;
    Ok(NativeOutcome::Value(Value::Ref(derived)))
}

/// A promise for those of an iterable. An error of the iteration rejects it. ECMA-262 §27.2.4.1.2 PerformPromiseAll,
/// §27.2.4.2.1 PerformPromiseAllSettled, §27.2.4.3.1 PerformPromiseAny, §27.2.4.5.1 PerformPromiseRace.
fn combine(machine: &mut Machine, args: &NativeArgs, kind: ReactionKind) -> NativeResult {
    check_constructor(machine, args)?;
    let combined = promise::new_promise(machine);
    let elements = match iteration::combine_own(machine, args, combined, kind) {
        Ok(Some(outcome)) => return Ok(outcome),
        Ok(None) => iteration::iterate_argument(machine, args),
        Err(completion) => Err(completion),
    };
    match elements {
        Ok(elements) => add_elements(machine, combined, kind, elements)?,
        Err(completion) => {
            let thrown = abrupt_completion::thrown_value(machine, completion)?;
            promise::reject(machine, combined, thrown);
        }
    }
    Ok(NativeOutcome::Value(Value::Ref(combined)))
}

pub(crate) fn add_elements(
    machine: &mut Machine,
    combined: HeapRef,
    kind: ReactionKind,
    elements: Vec<Value>,
) -> Completion {
    machine.charge_work(ELEMENT_WORK * elements.len() as u64);
    let is_race = kind == ReactionKind::Settle;
    let values = if is_race {
        [Value::Undefined, Value::Undefined]
    } else {
        let count = machine.heap.allocate(Entry::Cell(Value::Number(elements.len() as f64)));
        let results = machine.heap.new_array(vec![Value::Undefined; elements.len()]);
        [Value::Ref(count), Value::Ref(results)]
    };
    if elements.is_empty() && !is_race {
        let [_, results] = values;
        return job::finish_combinator(machine, kind, combined, results);
    }
    for (index, element) in (0u32..).zip(elements) {
        machine.heap.check_room(0)?;
        let element = promise::promise_from(machine, &element)?;
        let reaction = Reaction { index, values: values.clone(), ..Reaction::new(kind, combined) };
        promise::add_reaction(machine, element, reaction)?;
    }
    Ok(())
}

/// A longer timer ends after 1 ms, as in Node.
const MAX_TIMEOUT_MS: f64 = 2_147_483_647.0;

/// Work of an element.
const ELEMENT_WORK: u64 = 64;

/// ECMA-262 §20.5.7.1.1 AggregateError: the errors are the argument before the message, and are read after it. The
/// stack trace has the calls below `depth` frames.
pub(crate) fn new_aggregate_error(machine: &mut Machine, args: &NativeArgs, depth: usize) -> Completion<Value> {
    let base = if args.count > 0 { args.base + 1 } else { machine.stack.len() };
    let error = errors::new_error_from_args(machine, ErrorKind::Aggregate, base, depth)?;
    let errors = iteration::iterate_argument(machine, args)?;
    let errors = Value::Ref(machine.heap.new_array(errors));
    abrupt_completion::set_hidden(machine, &error, "errors", errors);
    Ok(error)
}

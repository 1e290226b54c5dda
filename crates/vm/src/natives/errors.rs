//! The error classes. ECMA-262 §20.5 Error Objects.

use super::super::abrupt_completion::AbruptCompletion;
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::ErrorKind;
use super::super::table::TableKind;
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome};
use crate::{abrupt_completion, conversion, property};

macro_rules! error_class {
    ($name:literal, $new:literal, $kind:ident) => {
        [
            ($name, 1, |machine, args| construct_error(machine, args, ErrorKind::$kind)),
            ($new, 1, |machine, args| construct_error(machine, args, ErrorKind::$kind)),
        ]
    };
}

/// The constructors, called with and without `new`.
const ERROR_CLASSES: [[BuiltinDefinition; 2]; 9] = [
    // ECMA-262 §20.5.1.1 Error.
    error_class!("Error", "new Error", Error),
    // ECMA-262 §20.5.5.5 TypeError.
    error_class!("TypeError", "new TypeError", Type),
    // ECMA-262 §20.5.5.2 RangeError.
    error_class!("RangeError", "new RangeError", Range),
    // ECMA-262 §20.5.5.3 ReferenceError.
    error_class!("ReferenceError", "new ReferenceError", Reference),
    // ECMA-262 §20.5.5.4 SyntaxError.
    error_class!("SyntaxError", "new SyntaxError", Syntax),
    // Not in ECMA-262: the error of a call whose deadline has passed. A NativeError in all other respects.
    error_class!("TimeoutError", "new TimeoutError", Timeout),
    // Not in ECMA-262: the error of the open calls of an execution that is cancelled. Otherwise a NativeError.
    error_class!("CancelledError", "new CancelledError", Cancelled),
    // ECMA-262 §20.5.5.1 EvalError.
    error_class!("EvalError", "new EvalError", Eval),
    // ECMA-262 §20.5.5.6 URIError.
    error_class!("URIError", "new URIError", Uri),
];

/// ECMA-262 §20.5.3.4 Error.prototype.toString.
const ERROR_TO_STRING: [BuiltinDefinition; 1] =
    [("Error.prototype.toString", 0, |machine, args| Ok(conversion::error_text(machine, &args.this)?.into()))];

const ALL_ERROR_ROWS: [BuiltinDefinition; 19] = {
    let mut rows = [ERROR_TO_STRING[0]; 19];
    let mut at = 0;
    while at < 9 {
        rows[2 * at] = ERROR_CLASSES[at][0];
        rows[2 * at + 1] = ERROR_CLASSES[at][1];
        at += 1;
    }
    rows
};

pub(super) static ERROR_ROWS: &[BuiltinDefinition] = &ALL_ERROR_ROWS;

/// ECMA-262 §20.5.1.1 Error and §20.5.6.1.1 NativeError.
fn construct_error(
    machine: &mut Machine,
    args: &NativeArgs,
    kind: ErrorKind,
) -> Result<NativeOutcome, AbruptCompletion> {
    new_error_from_args(machine, kind, args.base, machine.frames.len()).map(NativeOutcome::Value)
}

/// A new error whose message and options are the stack from `base` on, and whose stack trace has the calls below
/// `depth` frames. ECMA-262 §20.5.1.1 Error, §20.5.8.1 InstallErrorCause.
pub(in super::super) fn new_error_from_args(
    machine: &mut Machine,
    kind: ErrorKind,
    base: usize,
    depth: usize,
) -> Result<Value, AbruptCompletion> {
    let has_message = !matches!(machine.stack.get(base), None | Some(Value::Undefined));
    let message = if has_message { conversion::to_text_at(machine, base)?.to_utf8() } else { String::new() };
    let error = abrupt_completion::new_error_below(machine, kind, &message, depth);
    if !has_message
        && let Value::Ref(at) = error
        && let Some(Entry::Error(_)) = machine.heap.get_mut(at)
    {
        machine.heap.table_remove(at, TableKind::Hidden, &Value::text("message"));
    }
    if let Some(options @ Value::Ref(_)) = machine.stack.get(base + 1).cloned()
        && property::has_property(machine, &options, &Value::text("cause"))?
    {
        let cause = property::property(machine, &options, &Value::text("cause"))?;
        abrupt_completion::set_hidden(machine, &error, "cause", cause);
    }
    Ok(error)
}

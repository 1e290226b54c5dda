//! The error classes. ECMA-262 §20.5 Error Objects.

use super::super::abrupt_completion::{AbruptCompletion, Completion, type_error, unsupported};
use super::super::callback::{self, CallbackMethod, NativeFrame};
use super::super::entry::Entry;
use super::super::frame::Frame;
use super::super::machine::Machine;
use super::super::object::ErrorKind;
use super::super::table::TableKind;
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome};
use crate::{abrupt_completion, conversion, property, slow_path};

/// The rows of the constructors, called with and without `new`.
macro_rules! error_classes {
    ($($name:literal $kind:ident,)*) => {
        pub(super) static ERROR_ROWS: &[BuiltinDefinition] = &[
            // ECMA-262 §20.5.3.4 Error.prototype.toString.
            ("Error.prototype.toString", 0, error_to_string),
            // Not in ECMA-262: V8's stack trace API.
            ("Error.captureStackTrace", 2, capture_stack_trace),
            $(
                ($name, 1, |machine, args| construct_error(machine, args, ErrorKind::$kind)),
                (concat!("new ", $name), 1, |machine, args| construct_error(machine, args, ErrorKind::$kind)),
            )*
        ];
    };
}

error_classes! {
    // ECMA-262 §20.5.1.1 Error.
    "Error" Error,
    // ECMA-262 §20.5.5.5 TypeError.
    "TypeError" Type,
    // ECMA-262 §20.5.5.2 RangeError.
    "RangeError" Range,
    // ECMA-262 §20.5.5.3 ReferenceError.
    "ReferenceError" Reference,
    // ECMA-262 §20.5.5.4 SyntaxError.
    "SyntaxError" Syntax,
    // Not in ECMA-262: the error of a call whose deadline has passed. A NativeError in all other respects.
    "TimeoutError" Timeout,
    // Not in ECMA-262: the error of the open calls of an execution that is cancelled. Otherwise a NativeError.
    "CancelledError" Cancelled,
    // ECMA-262 §20.5.5.1 EvalError.
    "EvalError" Eval,
    // ECMA-262 §20.5.5.6 URIError.
    "URIError" Uri,
}

fn error_to_string(machine: &mut Machine, args: &NativeArgs) -> Completion<NativeOutcome> {
    match args.builtin {
        Some(builtin) if conversion::calls_getters(machine, &args.this, builtin) => {
            let frame = NativeFrame::new(CallbackMethod::ErrorText, args.bottom, machine.stack.len(), args.return_pc);
            let out = slow_path::new_object(machine, Vec::new());
            let frame = NativeFrame { out, ..frame }.with_error_parts(machine, args.this.clone());
            callback::run_native(machine, frame)
        }
        _ => Ok(conversion::error_text(machine, &args.this)?.into()),
    }
}

/// Gives an object a property `stack` with the current calls, or with those below the function that is given.
fn capture_stack_trace(machine: &mut Machine, args: &NativeArgs) -> Completion<NativeOutcome> {
    let (target, function) = (super::arg(machine, args, 0), super::arg(machine, args, 1));
    let Value::Ref(at) = target else { return type_error("invalid_argument") };
    let head = match machine.heap.get(at) {
        // Its current name and message replace this when the stack is read.
        Entry::Error(error) => error.kind.name().to_owned(),
        Entry::Object(object) if object.is_extensible() => conversion::error_text(machine, &target)?.to_utf8(),
        Entry::Object(_) => return type_error("Cannot define property stack, object is not extensible"),
        _ => return unsupported("Error.captureStackTrace takes an error or an ordinary object here"),
    };
    let is_frame_of =
        |frame: &Frame| matches!((frame, &function), (Frame::Code(frame), Value::Ref(at)) if frame.closure == *at);
    let depth = match conversion::is_callable(machine, &function) {
        true => machine.frames.iter().rposition(is_frame_of).unwrap_or(0),
        false => machine.frames.len(),
    };
    let stack = abrupt_completion::stack_text(machine, head, depth);
    let key = Value::text("stack");
    machine.heap.table_remove(at, TableKind::Main, &key);
    machine.heap.table_set(at, TableKind::Hidden, key, Value::text(&stack));
    Ok(Value::Undefined.into())
}

/// ECMA-262 §20.5.1.1 Error and §20.5.6.1.1 NativeError.
fn construct_error(machine: &mut Machine, args: &NativeArgs, kind: ErrorKind) -> Completion<NativeOutcome> {
    new_error_from_args(machine, kind, args.base, machine.frames.len()).map(NativeOutcome::Value)
}

/// A new error whose message and options are the stack from `base` on, and whose stack trace has the calls below
/// `depth` frames. ECMA-262 §20.5.1.1 Error, §20.5.8.1 InstallErrorCause.
pub(in super::super) fn new_error_from_args(
    machine: &mut Machine,
    kind: ErrorKind,
    base: usize,
    depth: usize,
) -> Completion<Value> {
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

/// Throws an error with the name and the code of a `DOMException`. Web IDL §2.8 DOMException. Deviation: the class is
/// Error.
pub(super) fn throw_dom_exception<T>(machine: &mut Machine, name: &str, code: u8, message: &str) -> Completion<T> {
    let error = abrupt_completion::new_error(machine, ErrorKind::default(), message);
    abrupt_completion::set_hidden(machine, &error, "name", Value::text(name));
    abrupt_completion::set_hidden(machine, &error, "code", Value::Number(f64::from(code)));
    Err(AbruptCompletion::Throw(error))
}

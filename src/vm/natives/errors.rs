//! The error classes. ECMA-262 §20.5 Error Objects.

use super::super::abrupt_completion::AbruptCompletion;
use super::super::builtin::{BuiltinDefinition, NativeArgs, NativeOutcome};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::ErrorKind;
use super::super::table::TableKind;
use super::super::value::Value;

macro_rules! error_class {
    ($name:literal, $new:literal, $kind:ident) => {
        [
            ($name, 1, |machine, args| construct(machine, args, ErrorKind::$kind)),
            ($new, 1, |machine, args| construct(machine, args, ErrorKind::$kind)),
        ]
    };
}

/// The constructors, called with and without `new`.
const CLASSES: [[BuiltinDefinition; 2]; 8] = [
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
    // ECMA-262 §20.5.5.1 EvalError.
    error_class!("EvalError", "new EvalError", Eval),
    // ECMA-262 §20.5.5.6 URIError.
    error_class!("URIError", "new URIError", Uri),
];

/// ECMA-262 §20.5.3.4 Error.prototype.toString.
const TO_STRING: [BuiltinDefinition; 1] =
    [("Error.prototype.toString", 0, |machine, args| Ok(machine.error_text(&args.this)?.into()))];

const ALL: [BuiltinDefinition; 17] = {
    let mut rows = [TO_STRING[0]; 17];
    let mut at = 0;
    while at < 8 {
        rows[2 * at] = CLASSES[at][0];
        rows[2 * at + 1] = CLASSES[at][1];
        at += 1;
    }
    rows
};

pub(super) static ROWS: &[BuiltinDefinition] = &ALL;

/// ECMA-262 §20.5.1.1 Error and §20.5.6.1.1 NativeError.
fn construct(machine: &mut Machine, args: &NativeArgs, kind: ErrorKind) -> Result<NativeOutcome, AbruptCompletion> {
    machine.new_error_from_args(kind, args.base).map(NativeOutcome::Value)
}

impl Machine {
    /// A new error whose message and options are the stack from `base` on. ECMA-262 §20.5.1.1 Error, §20.5.8.1 InstallErrorCause.
    pub(in super::super) fn new_error_from_args(
        &mut self,
        kind: ErrorKind,
        base: usize,
    ) -> Result<Value, AbruptCompletion> {
        let given = !matches!(self.stack.get(base), None | Some(Value::Undefined));
        let message = if given { self.to_text_at(base)?.to_utf8() } else { String::new() };
        let error = self.new_error(kind, &message);
        if !given
            && let Value::Ref(at) = error
            && let Some(Entry::Error(_)) = self.heap.get_mut(at)
        {
            self.heap.table_remove(at, TableKind::Hidden, &Value::text("message"));
        }
        if let Some(options @ Value::Ref(_)) = self.stack.get(base + 1).cloned()
            && self.has_property(&options, &Value::text("cause"))?
        {
            let cause = self.property(&options, &Value::text("cause"))?;
            self.set_hidden(&error, "cause", cause);
        }
        Ok(error)
    }
}

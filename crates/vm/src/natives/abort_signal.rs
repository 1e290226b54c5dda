//! The parts of `AbortSignal` that its source in the language (`crates/lang`) cannot express. Only the compiler emits
//! these names.

use super::super::value::{HeapRef, Value};
use super::promise::timeout_ms;
use super::{BuiltinDefinition, NativeOutcome};
use crate::{abrupt_completion, open_call};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // DOM Standard (WHATWG) §3.2, signal abort: closes the open calls of the signal, the first argument. The second one
    // is the reason.
    ("abort calls", 2, |machine, args| {
        if let Value::Ref(signal) = super::arg(machine, args, 0)
            && signal != HeapRef::NONE
        {
            open_call::cancel_calls(machine, signal, &super::arg(machine, args, 1))?;
        }
        Ok(NativeOutcome::Value(Value::Undefined))
    }),
    // Web IDL §2.8 DOMException: name, message, code. Deviation: the class is Error.
    ("abort error", 3, |machine, args| {
        let [name, message] = [super::arg_text(machine, args, 0)?, super::arg_text(machine, args, 1)?];
        let error = abrupt_completion::new_call_error(machine, &name.to_utf8(), &message.to_utf8());
        abrupt_completion::set_hidden(machine, &error, "code", super::arg(machine, args, 2));
        Ok(NativeOutcome::Value(error))
    }),
    // DOM Standard §3.2 AbortSignal.timeout: a timer that calls the first argument, and without which the program
    // completes.
    ("abort timeout", 2, |machine, args| {
        let ms = timeout_ms(machine, args)?;
        open_call::open_timeout(machine, super::arg(machine, args, 0), ms, true)?;
        Ok(NativeOutcome::Value(Value::Undefined))
    }),
];

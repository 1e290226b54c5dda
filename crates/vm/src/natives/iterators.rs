//! Methods of generators, methods whose key is a symbol, and functions of the compiler for the iterator protocol.
//! ECMA-262 §27.1 Iteration, §27.5 Generator Objects, §27.6 AsyncGenerator Objects.

use super::super::generator::{self, GeneratorState};
use super::super::machine::Machine;
use super::super::object::{IterationKind, new_iterator};
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::iteration;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §27.5.1.2 %GeneratorPrototype%.next.
    ("Generator.prototype.next", 1, |machine, args| generator::resume(machine, args, GeneratorState::Next)),
    // ECMA-262 §27.5.1.3 %GeneratorPrototype%.return.
    ("Generator.prototype.return", 1, |machine, args| generator::resume(machine, args, GeneratorState::Return)),
    // ECMA-262 §27.5.1.4 %GeneratorPrototype%.throw.
    ("Generator.prototype.throw", 1, |machine, args| generator::resume(machine, args, GeneratorState::Throw)),
    // ECMA-262 §27.6.1.2 %AsyncGeneratorPrototype%.next.
    ("AsyncGenerator.prototype.next", 1, |machine, args| generator::resume_async(machine, args, GeneratorState::Next)),
    // ECMA-262 §27.6.1.3 %AsyncGeneratorPrototype%.return.
    ("AsyncGenerator.prototype.return", 1, |machine, args| {
        generator::resume_async(machine, args, GeneratorState::Return)
    }),
    // ECMA-262 §27.6.1.4 %AsyncGeneratorPrototype%.throw.
    ("AsyncGenerator.prototype.throw", 1, |machine, args| {
        generator::resume_async(machine, args, GeneratorState::Throw)
    }),
    // ECMA-262 §27.1.2.1 %IteratorPrototype% [ %Symbol.iterator% ].
    ("Iterator.prototype.[Symbol.iterator]", 0, |_, args| Ok(NativeOutcome::Value(args.this.clone()))),
    // ECMA-262 §27.1.3.1 %AsyncIteratorPrototype% [ %Symbol.asyncIterator% ].
    ("AsyncIterator.prototype.[Symbol.asyncIterator]", 0, |_, args| Ok(NativeOutcome::Value(args.this.clone()))),
    // ECMA-262 §22.1.3.36 String.prototype [ %Symbol.iterator% ].
    ("String.prototype.[Symbol.iterator]", 0, |machine, args| {
        let text = Value::Text(super::string::this_text(machine, args)?);
        Ok(NativeOutcome::Value(Value::Ref(new_iterator(&mut machine.heap, text, IterationKind::Values))))
    }),
    // Only the compiler emits this name. It checks the result of an iterator. ECMA-262 §7.4.6 IteratorNext.
    ("iterator result", 1, |machine, args| {
        let result = super::arg(machine, args, 0);
        iteration::require_result(machine, &result)?;
        Ok(NativeOutcome::Value(result))
    }),
    // Only the compiler emits these names. They call a method of an iterator. ECMA-262 §14.4.14 YieldExpression.
    ("iterator call", 3, |machine, args| call_iterator(machine, args, false)),
    ("async iterator call", 3, |machine, args| call_iterator(machine, args, true)),
];

/// The arguments are the received value, the mode and the iterator; without a value, only the iterator.
fn call_iterator(machine: &mut Machine, args: &NativeArgs, waits: bool) -> NativeResult {
    let (received, mode, record) = match args.count {
        1 => (None, GeneratorState::Next, super::arg(machine, args, 0)),
        _ => (
            Some(super::arg(machine, args, 0)),
            GeneratorState::from_mode(&super::arg(machine, args, 1)),
            super::arg(machine, args, 2),
        ),
    };
    iteration::call_iterator(machine, args, &record, mode, received, waits)
}

//! Methods of generators, methods whose key is a symbol, and functions of the compiler for the iterator protocol.
//! ECMA-262 §27.1 Iteration, §27.5 Generator Objects, §27.6 AsyncGenerator Objects.

use super::super::abrupt_completion::{type_error, unsupported};
use super::super::generator::{self, GeneratorState};
use super::super::machine::Machine;
use super::super::object::{IterationKind, new_iterator};
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::{call, iteration, property};

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
    // ECMA-262 §27.1.3.1.1 Iterator, called without `new`.
    ("Iterator", 0, |_, _| type_error("Constructor Iterator requires 'new'")),
    // ECMA-262 §27.1.3.1.1 Iterator. A class that extends it constructs an ordinary object.
    ("new Iterator", 0, |_, _| type_error("Abstract class Iterator not directly constructable")),
    // ECMA-262 §27.1.3.2.1 Iterator.from.
    ("Iterator.from", 1, |machine, args| call_helper(machine, args, "from")),
    // ECMA-262 §27.1.4.2 Iterator.prototype.drop.
    ("Iterator.prototype.drop", 1, |machine, args| call_helper(machine, args, "drop")),
    // ECMA-262 §27.1.4.3 Iterator.prototype.every.
    ("Iterator.prototype.every", 1, |machine, args| call_helper(machine, args, "every")),
    // ECMA-262 §27.1.4.4 Iterator.prototype.filter.
    ("Iterator.prototype.filter", 1, |machine, args| call_helper(machine, args, "filter")),
    // ECMA-262 §27.1.4.5 Iterator.prototype.find.
    ("Iterator.prototype.find", 1, |machine, args| call_helper(machine, args, "find")),
    // ECMA-262 §27.1.4.6 Iterator.prototype.flatMap.
    ("Iterator.prototype.flatMap", 1, |machine, args| call_helper(machine, args, "flatMap")),
    // ECMA-262 §27.1.4.7 Iterator.prototype.forEach.
    ("Iterator.prototype.forEach", 1, |machine, args| call_helper(machine, args, "forEach")),
    // ECMA-262 §27.1.4.8 Iterator.prototype.map.
    ("Iterator.prototype.map", 1, |machine, args| call_helper(machine, args, "map")),
    // ECMA-262 §27.1.4.9 Iterator.prototype.reduce.
    ("Iterator.prototype.reduce", 1, |machine, args| call_helper(machine, args, "reduce")),
    // ECMA-262 §27.1.4.10 Iterator.prototype.some.
    ("Iterator.prototype.some", 1, |machine, args| call_helper(machine, args, "some")),
    // ECMA-262 §27.1.4.11 Iterator.prototype.take.
    ("Iterator.prototype.take", 1, |machine, args| call_helper(machine, args, "take")),
    // ECMA-262 §27.1.4.12 Iterator.prototype.toArray.
    ("Iterator.prototype.toArray", 0, |machine, args| call_helper(machine, args, "toArray")),
    // Only the source of the iterator helpers calls it. ECMA-262 §7.4.3 GetIteratorDirect.
    ("iterator record", 2, |machine, args| {
        let (iterator, next) = (super::arg(machine, args, 0), super::arg(machine, args, 1));
        Ok(NativeOutcome::Value(iteration::record_of(machine, iterator, next)))
    }),
    // ECMA-262 §27.1.4.13 Iterator.prototype [ %Symbol.iterator% ].
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

/// Calls the function of this name in the source of the iterator helpers, which a program has if it names one of them
/// (`crates/lang/src/prelude/iterator_helpers.ts`). So callbacks run in ordinary frames.
fn call_helper(machine: &mut Machine, args: &NativeArgs, name: &str) -> NativeResult {
    let functions = machine.linked.iterator_functions.and_then(|slot| machine.stack.get(slot)).cloned();
    let Some(functions @ Value::Ref(_)) = functions else {
        let helper = args.name();
        return unsupported(format!("`{helper}` has no code in this program; write its name, as in it.{name}(…)"));
    };
    let function = property::property(machine, &functions, &Value::text(name))?;
    let arguments: Vec<Value> = (0..args.count).map(|index| super::arg(machine, args, index)).collect();
    call::invoke_above(machine, &function, args.this.clone(), arguments, (args.bottom, args.return_pc))
}

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

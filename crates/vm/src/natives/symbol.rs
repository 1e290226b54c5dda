//! `Symbol`. ECMA-262 §20.4 Symbol Objects. Deviations: wrapper objects do not exist; of the well-known symbols those
//! that change built-in methods (`species`, `match`, `isConcatSpreadable` and their like) are not supported.

use super::super::abrupt_completion::{Completion, PreferredType, type_error};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::table::{Table, TableKind};
use super::super::value::{HeapRef, Symbol, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome};
use crate::{class, conversion, iteration, json};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §20.4.1.1 Symbol.
    ("Symbol", 0, |machine, args| {
        let description = match super::arg(machine, args, 0) {
            Value::Undefined => None,
            _ => Some(super::arg_text(machine, args, 0)?),
        };
        let at = machine.heap.allocate(Entry::Symbol(description));
        Ok(NativeOutcome::Value(Value::Symbol(Symbol::at(at))))
    }),
    // ECMA-262 §20.4.2.2 Symbol.for.
    ("Symbol.for", 1, |machine, args| {
        let text = super::arg_text(machine, args, 0)?;
        let key = Value::Text(text.clone());
        if let Some(symbol) = registered(machine, &key) {
            return Ok(NativeOutcome::Value(Value::Symbol(symbol)));
        }
        if machine.symbols == HeapRef::NONE {
            machine.symbols = machine.heap.allocate(Entry::Map(Box::new(Table::numbered())));
        }
        let symbol = Value::Symbol(Symbol::at(machine.heap.allocate(Entry::Symbol(Some(text)))));
        machine.heap.table_set(machine.symbols, TableKind::Main, key, symbol.clone());
        Ok(NativeOutcome::Value(symbol))
    }),
    // ECMA-262 §20.4.2.6 Symbol.keyFor.
    ("Symbol.keyFor", 1, |machine, args| match super::arg(machine, args, 0) {
        Value::Symbol(symbol) if is_registered(machine, symbol) => {
            Ok(NativeOutcome::Value(symbol.description(&machine.heap).map_or(Value::Undefined, Value::Text)))
        }
        Value::Symbol(_) => Ok(NativeOutcome::Value(Value::Undefined)),
        other => type_error(format!("{} is not a symbol", iteration::receiver_text(machine, &other))),
    }),
    // ECMA-262 §20.4.3.3 Symbol.prototype.toString.
    ("Symbol.prototype.toString", 0, |machine, args| {
        let symbol = this_symbol(args, "Symbol.prototype.toString")?;
        Ok(NativeOutcome::Value(Value::text(&symbol.text(&machine.heap))))
    }),
    // ECMA-262 §20.4.3.4 Symbol.prototype.valueOf.
    ("Symbol.prototype.valueOf", 0, |_, args| {
        Ok(NativeOutcome::Value(Value::Symbol(this_symbol(args, "Symbol.prototype.valueOf")?)))
    }),
    // ECMA-262 §20.4.3.5 Symbol.prototype [ %Symbol.toPrimitive% ].
    ("Symbol.prototype.[Symbol.toPrimitive]", 1, |_, args| {
        Ok(NativeOutcome::Value(Value::Symbol(this_symbol(args, "Symbol.prototype [ @@toPrimitive ]")?)))
    }),
    // ECMA-262 §20.2.3.6 Function.prototype [ %Symbol.hasInstance% ].
    ("Function.prototype.[Symbol.hasInstance]", 1, |machine, args| {
        let is_callable = conversion::is_callable(machine, &args.this);
        let value = super::arg(machine, args, 0);
        Ok((is_callable && class::instance_of(machine, &value, &args.this)?).into())
    }),
    // ECMA-262 §21.4.4.45 Date.prototype [ %Symbol.toPrimitive% ]. Deviation: only for dates.
    ("Date.prototype.[Symbol.toPrimitive]", 1, |machine, args| {
        let hint = match super::arg(machine, args, 0) {
            Value::Text(hint) => hint.to_utf8(),
            _ => String::new(),
        };
        let hint = match hint.as_str() {
            "string" | "default" => PreferredType::Text,
            "number" => PreferredType::Number,
            _ => {
                let hint = json::display_text(machine, &super::arg(machine, args, 0));
                return type_error(format!("Invalid hint: {hint}"));
            }
        };
        match args.this {
            Value::Ref(at) if machine.heap.date(at).is_some() => {}
            _ => return super::incompatible_receiver(machine, args),
        }
        Ok(match hint {
            PreferredType::Number => conversion::to_number(machine, &args.this)?.into(),
            _ => conversion::to_text(machine, &args.this)?.into(),
        })
    }),
];

/// ECMA-262 §20.4.3.5.1 ThisSymbolValue.
fn this_symbol(args: &NativeArgs, method: &str) -> Completion<Symbol> {
    match args.this {
        Value::Symbol(symbol) => Ok(symbol),
        _ => type_error(format!("{method} requires that 'this' be a Symbol")),
    }
}

/// The symbol of a key in the registry. ECMA-262 §20.4.2.2 Symbol.for.
pub(in super::super) fn registered(machine: &Machine, key: &Value) -> Option<Symbol> {
    match machine.heap.table_get(machine.heap.table(machine.symbols, TableKind::Main)?, key) {
        Some(Value::Symbol(symbol)) => Some(symbol),
        _ => None,
    }
}

/// Whether `Symbol.for` has created a symbol.
pub(in super::super) fn is_registered(machine: &Machine, symbol: Symbol) -> bool {
    let description = symbol.reference().and_then(|_| symbol.description(&machine.heap));
    description.is_some_and(|key| registered(machine, &Value::Text(key)) == Some(symbol))
}

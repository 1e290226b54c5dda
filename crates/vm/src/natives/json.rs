//! `JSON`. ECMA-262 §25.5 The JSON Object.

use indexmap::IndexSet;

use super::super::abrupt_completion::{AbruptCompletion, Completion};
use super::super::callback::{self, CallbackMethod, NativeFrame};
use super::super::entry::Entry;
use super::super::json::{self, StringifyOptions};
use super::super::machine::Machine;
use super::super::number::to_integer;
use super::super::operand_conversion::OperandConversion;
use super::super::text::Str;
use super::super::value::{BuildKeyHasher, HeapRef, Value};
use super::super::{conversion, json_walk};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §25.5.1 JSON.parse.
    ("JSON.parse", 2, |machine, args| {
        let text = super::arg_text(machine, args, 0)?;
        let value = json::parse_json(machine, &text)?;
        let reviver = super::arg(machine, args, 1);
        if !conversion::is_callable(machine, &reviver) {
            return Ok(NativeOutcome::Value(value));
        }
        let top = machine.stack.len();
        let frame = NativeFrame {
            callback: reviver,
            ..NativeFrame::new(CallbackMethod::Revive, args.bottom, top, args.return_pc)
        };
        let frame = json_walk::start_revival(machine, frame, value)?;
        callback::run_native(machine, frame)
    }),
    // ECMA-262 §25.5.2 JSON.stringify.
    ("JSON.stringify", 3, stringify),
];

/// ECMA-262 §25.5.2 JSON.stringify.
fn stringify(machine: &mut Machine, args: &NativeArgs) -> Completion<NativeOutcome> {
    let replacer = super::arg(machine, args, 1);
    if conversion::is_callable(machine, &replacer) {
        return Err(AbruptCompletion::ConvertOperand(args.base, OperandConversion::Json));
    }
    let allowed_keys = match replacer {
        Value::Ref(at) if matches!(machine.heap.get(at), Entry::Array(_)) => Some(property_list(machine, at)?),
        _ => None,
    };
    let indent = match super::arg(machine, args, 2) {
        Value::Number(n) => Str::new(&" ".repeat((to_integer(n) as usize).min(10))),
        Value::Text(text) => text.slice(0, 10),
        _ => Str::empty(),
    };
    let operand = (args.count > 0).then_some(args.base);
    let options = StringifyOptions { indent, allowed_keys: allowed_keys.as_deref(), marks_cycles: false, operand };
    Ok(match json::stringify(machine, &super::arg(machine, args, 0), &options)? {
        Some(text) => {
            machine.heap.charge(text.len() as u64);
            machine.charge_work(json::JSON_WORK * text.len() as u64);
            text.into()
        }
        None => NativeOutcome::Value(Value::Undefined),
    })
}

/// The names in an array as replacer. ECMA-262 §25.5.2 JSON.stringify, step 4.
pub(in super::super) fn property_list(machine: &Machine, at: HeapRef) -> Completion<Vec<Value>> {
    let names = machine.heap.elements(at).into_iter();
    let names = names.filter(|name| matches!(name, Value::Text(_) | Value::Number(_)));
    let names =
        names.map(|name| conversion::to_text(machine, &name)).collect::<Result<IndexSet<_, BuildKeyHasher>, _>>()?;
    Ok(names.into_iter().map(Value::Text).collect())
}

//! `JSON`. ECMA-262 §25.5 The JSON Object.

use super::super::abrupt_completion::{AbruptCompletion, unsupported};
use super::super::builtin::{BuiltinDefinition, NativeArgs, NativeOutcome};
use super::super::entry::Entry;
use super::super::json::StringifyOptions;
use super::super::machine::Machine;
use super::super::number::to_integer;
use super::super::text::Str;
use super::super::value::Value;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §25.5.1 JSON.parse. Deviation: a reviver is not supported.
    ("JSON.parse", 2, |machine, args| {
        if machine.is_callable(&machine.arg(args, 1)) {
            return unsupported("JSON.parse takes no reviver here; change the value it returns");
        }
        let text = machine.arg_text(args, 0)?;
        machine.parse_json(&text).map(NativeOutcome::Value)
    }),
    // ECMA-262 §25.5.2 JSON.stringify.
    ("JSON.stringify", 3, stringify),
];

/// ECMA-262 §25.5.2 JSON.stringify. Deviation: a replacer function is not supported.
fn stringify(machine: &mut Machine, args: &NativeArgs) -> Result<NativeOutcome, AbruptCompletion> {
    let mut only = None;
    match machine.arg(args, 1) {
        Value::Ref(at) if matches!(machine.heap.get(at), Entry::Array(_)) => {
            let names = machine.heap.elements(at).into_iter();
            let names = names.filter(|name| matches!(name, Value::Text(_) | Value::Number(_)));
            only = Some(names.map(|name| machine.to_text(&name).map(Value::Text)).collect::<Result<Vec<_>, _>>()?);
        }
        replacer if machine.is_callable(&replacer) => {
            return unsupported("JSON.stringify takes no replacer function here; change the value before");
        }
        _ => {}
    }
    let indent = match machine.arg(args, 2) {
        Value::Number(n) => Str::new(&" ".repeat(to_integer(n).clamp(0.0, 10.0) as usize)),
        Value::Text(text) => text.slice(0, 10),
        _ => Str::empty(),
    };
    let style = StringifyOptions { indent, allowed_keys: only.as_deref(), marks_cycles: false };
    Ok(match machine.stringify(&machine.arg(args, 0), &style)? {
        Some(text) => {
            machine.heap.charge(text.len() as u64);
            machine.charge_work(text.len() as u64);
            text.into()
        }
        None => NativeOutcome::Value(Value::Undefined),
    })
}

//! `JSON`. ECMA-262 §25.5 The JSON Object.

use indexmap::IndexSet;

use super::super::abrupt_completion::{AbruptCompletion, unsupported};
use super::super::conversion;
use super::super::entry::Entry;
use super::super::json::{self, StringifyOptions};
use super::super::machine::Machine;
use super::super::number::to_integer;
use super::super::text::Str;
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §25.5.1 JSON.parse. Deviation: a reviver is not supported.
    ("JSON.parse", 2, |machine, args| {
        if conversion::is_callable(machine, &super::arg(machine, args, 1)) {
            return unsupported("JSON.parse takes no reviver here; change the value it returns");
        }
        let text = super::arg_text(machine, args, 0)?;
        json::parse_json(machine, &text).map(NativeOutcome::Value)
    }),
    // ECMA-262 §25.5.2 JSON.stringify.
    ("JSON.stringify", 3, stringify),
];

/// ECMA-262 §25.5.2 JSON.stringify. Deviation: a replacer function is not supported.
fn stringify(machine: &mut Machine, args: &NativeArgs) -> Result<NativeOutcome, AbruptCompletion> {
    let mut allowed_keys = None;
    match super::arg(machine, args, 1) {
        Value::Ref(at) if matches!(machine.heap.get(at), Entry::Array(_)) => {
            let names = machine.heap.elements(at).into_iter();
            let names = names.filter(|name| matches!(name, Value::Text(_) | Value::Number(_)));
            let names = names.map(|name| conversion::to_text(machine, &name)).collect::<Result<IndexSet<_>, _>>()?;
            allowed_keys = Some(names.into_iter().map(Value::Text).collect::<Vec<_>>());
        }
        replacer if conversion::is_callable(machine, &replacer) => {
            return unsupported("JSON.stringify takes no replacer function here; change the value before");
        }
        _ => {}
    }
    let indent = match super::arg(machine, args, 2) {
        Value::Number(n) => Str::new(&" ".repeat((to_integer(n) as usize).min(10))),
        Value::Text(text) => text.slice(0, 10),
        _ => Str::empty(),
    };
    let options = StringifyOptions { indent, allowed_keys: allowed_keys.as_deref(), marks_cycles: false };
    Ok(match json::stringify(machine, &super::arg(machine, args, 0), &options)? {
        Some(text) => {
            machine.heap.charge(text.len() as u64);
            machine.charge_work(text.len() as u64);
            text.into()
        }
        None => NativeOutcome::Value(Value::Undefined),
    })
}

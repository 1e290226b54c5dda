//! `JSON`.

use super::super::builtin::{Args, Done, Row};
use super::super::entry::Entry;
use super::super::json::Style;
use super::super::machine::Machine;
use super::super::number::to_integer;
use super::super::raise::{Raise, unsupported};
use super::super::text::Str;
use super::super::value::Value;

pub(super) static ROWS: &[Row] = &[
    ("JSON.parse", 2, |machine, args| {
        if machine.is_callable(&machine.arg(args, 1)) {
            return unsupported("JSON.parse takes no reviver here; change the value it returns");
        }
        let text = machine.arg_text(args, 0)?;
        machine.parsed(&text).map(Done::Value)
    }),
    ("JSON.stringify", 3, stringify),
];

fn stringify(machine: &mut Machine, args: &Args) -> Result<Done, Raise> {
    let mut only = None;
    match machine.arg(args, 1) {
        Value::Ref(at) if matches!(machine.heap.get(at), Entry::Array(_)) => {
            let names = machine.heap.elements(at).into_iter();
            let names = names.filter(|name| matches!(name, Value::Text(_) | Value::Number(_)));
            only = Some(names.map(|name| machine.text_of(&name).map(Value::Text)).collect::<Result<Vec<_>, _>>()?);
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
    let style = Style { indent, only: only.as_deref(), marks_circles: false };
    Ok(match machine.written(&machine.arg(args, 0), &style)? {
        Some(text) => {
            machine.heap.charge(text.len() as u64);
            machine.owe(text.len() as u64);
            text.into()
        }
        None => Done::Value(Value::Undefined),
    })
}

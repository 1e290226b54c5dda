//! The error classes.

use super::super::builtin::{Args, Done, Row};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::ErrorKind;
use super::super::raise::Raise;
use super::super::table::Which;
use super::super::value::Value;

macro_rules! class {
    ($name:literal, $new:literal, $kind:ident) => {
        [
            ($name, 1, |machine, args| construct(machine, args, ErrorKind::$kind)),
            ($new, 1, |machine, args| construct(machine, args, ErrorKind::$kind)),
        ]
    };
}

const CLASSES: [[Row; 2]; 8] = [
    class!("Error", "new Error", Error),
    class!("TypeError", "new TypeError", Type),
    class!("RangeError", "new RangeError", Range),
    class!("ReferenceError", "new ReferenceError", Reference),
    class!("SyntaxError", "new SyntaxError", Syntax),
    class!("TimeoutError", "new TimeoutError", Timeout),
    class!("EvalError", "new EvalError", Eval),
    class!("URIError", "new URIError", Uri),
];

const TO_STRING: [Row; 1] =
    [("Error.prototype.toString", 0, |machine, args| Ok(machine.error_text(&args.this)?.into()))];

const ALL: [Row; 17] = {
    let mut rows = [TO_STRING[0]; 17];
    let mut at = 0;
    while at < 8 {
        rows[2 * at] = CLASSES[at][0];
        rows[2 * at + 1] = CLASSES[at][1];
        at += 1;
    }
    rows
};

pub(super) static ROWS: &[Row] = &ALL;

fn construct(machine: &mut Machine, args: &Args, kind: ErrorKind) -> Result<Done, Raise> {
    machine.error_of_arguments(kind, args.base).map(Done::Value)
}

impl Machine {
    /// A new error whose message and options are the stack from `base` on.
    pub(in super::super) fn error_of_arguments(&mut self, kind: ErrorKind, base: usize) -> Result<Value, Raise> {
        let given = !matches!(self.stack.get(base), None | Some(Value::Undefined));
        let message = if given { self.text_at(base)?.to_utf8() } else { String::new() };
        let error = self.new_error(kind, &message);
        if !given
            && let Value::Ref(at) = error
            && let Some(Entry::Error(_)) = self.heap.get_mut(at)
        {
            self.heap.table_remove(at, Which::Hidden, &Value::text("message"));
        }
        if let Some(options @ Value::Ref(_)) = self.stack.get(base + 1).cloned()
            && self.has(&options, &Value::text("cause"))?
        {
            let cause = self.property(&options, &Value::text("cause"))?;
            self.set_hidden(&error, "cause", cause);
        }
        Ok(error)
    }
}

//! Methods of functions.

use super::super::builtin::{Args, Done, Row};
use super::super::call::{Calling, Flow, This};
use super::super::entry::Entry;
use super::super::frame::Entered;
use super::super::machine::Machine;
use super::super::object::Bound;
use super::super::raise::{Raise, type_error, unsupported};
use super::super::table::Which;
use super::super::value::Value;

pub(super) static ROWS: &[Row] = &[
    // No program can name this one: it is the check of `await`.
    ("await", 1, |machine, args| {
        let value = machine.arg(args, 0);
        let then = match value {
            Value::Ref(_) => machine.own_or_inherited(&value, &Value::text("then"))?,
            _ => None,
        };
        match then {
            Some(then) if machine.is_callable(&then) => unsupported(
                "awaiting an object with a `then` of its own is not supported; give the method another name",
            ),
            _ => Ok(Done::Value(value)),
        }
    }),
    // No program can name this one either: a computed key names the function behind it.
    ("function name", 2, |machine, args| {
        let (key, function) = (machine.arg(args, 0), machine.arg(args, 1));
        if matches!(key, Value::Ref(_) | Value::Builtin(_)) {
            return unsupported(
                "a function with an object as its computed key is not supported; give the key as a text",
            );
        }
        let (name, text) = (Value::text("name"), machine.text_of(&key)?);
        if let Value::Ref(at) = function
            && let Entry::Closure(closure) = machine.heap.get(at)
            && machine.heap.table_get(&closure.table, &name).is_none()
            && machine.heap.table_get(&closure.hidden, &name).is_none()
        {
            machine.heap.table_set(at, Which::Hidden, name, Value::Text(text));
        }
        Ok(Done::Value(function))
    }),
    ("Function.prototype.call", 1, |machine, args| {
        let given = (1..args.count).map(|i| machine.arg(args, i)).collect();
        pass_on(machine, args, given)
    }),
    ("Function.prototype.apply", 2, |machine, args| {
        let given = match machine.arg(args, 1) {
            Value::Undefined | Value::Null => Vec::new(),
            Value::Ref(at) if machine.heap.array(at).is_some() => {
                machine.heap.elements(at).into_iter().map(Value::or_undefined).collect()
            }
            Value::Ref(_) | Value::Builtin(_) => {
                return unsupported("apply takes a list of arguments here; write Array.from(it)");
            }
            _ => return type_error("CreateListFromArrayLike called on non-object"),
        };
        pass_on(machine, args, given)
    }),
    ("Function.prototype.bind", 1, |machine, args| {
        if !machine.is_callable(&args.this) {
            return type_error("Bind must be called on a function");
        }
        let given = (1..args.count).map(|i| machine.arg(args, i)).collect();
        let bound = Bound { target: args.this.clone(), this: machine.arg(args, 0), args: given };
        Ok(Done::Value(Value::Ref(machine.heap.allocate(Entry::Bound(Box::new(bound))))))
    }),
    ("Function.prototype.toString", 0, |machine, args| Ok(machine.text_of(&args.this)?.into())),
];

/// Calls `this` with another `this` and other arguments, which take the place of those on the stack.
fn pass_on(machine: &mut Machine, args: &Args, given: Vec<Value>) -> Result<Done, Raise> {
    let top = machine.stack.len();
    let this = machine.arg(args, 0);
    machine.stack.push(this);
    machine.stack.extend(given);
    let calling = Calling {
        this: This::InPlace,
        base: top + 1,
        bottom: args.bottom,
        return_pc: args.return_pc,
        entry: Entered::Plain,
    };
    match machine.invoke(&args.this, calling) {
        Ok(Flow::Value(value)) => Ok(Done::Value(value)),
        Ok(Flow::Entered) => Ok(Done::Entered),
        Err(raise) => {
            machine.stack.truncate(top);
            match raise {
                Raise::Primitive(at, _) if at >= top => unsupported(
                    "an object with its own toString cannot be passed by call or apply; call String() on it first",
                ),
                raise => Err(raise),
            }
        }
    }
}

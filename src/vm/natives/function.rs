//! Methods of functions.

use super::super::builtin::{Args, Done, Row};
use super::super::call::{Calling, Flow, This};
use super::super::entry::Entry;
use super::super::frame::Entered;
use super::super::machine::Machine;
use super::super::object::Bound;
use super::super::raise::{Raise, type_error};
use super::super::value::Value;

pub(super) static ROWS: &[Row] = &[
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
                Raise::Primitive(at, _) if at >= top => {
                    type_error("an object with its own toString was passed by call")
                }
                raise => Err(raise),
            }
        }
    }
}

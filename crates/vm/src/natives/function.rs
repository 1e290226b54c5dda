//! Methods of functions, and two functions of the compiler.

use super::super::abrupt_completion::{AbruptCompletion, Completion, type_error, unsupported};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::BoundFunction;
use super::super::table::TableKind;
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::{call, conversion, iteration, property};

pub(super) static FUNCTION_ROWS: &[BuiltinDefinition] = &[
    // Only the compiler emits this name. It checks the operand of `await`. ECMA-262 §27.7.5.3 Await. In bytecode of
    // versions without promises: a value with a callable `then` is not supported and any other value is the result.
    ("await", 1, |machine, args| {
        let value = super::arg(machine, args, 0);
        let then = match value {
            Value::Ref(_) => property::own_or_inherited(machine, &value, &Value::text("then"))?,
            _ => None,
        };
        match then {
            Some(then) if conversion::is_callable(machine, &then) => unsupported(
                "awaiting an object with a `then` of its own is not supported; give the method another name",
            ),
            _ => Ok(NativeOutcome::Value(value)),
        }
    }),
    // The comparison of a sort without a comparator. ECMA-262 §23.1.3.30.2 CompareArrayElements.
    ("compare texts", 2, |machine, args| {
        let (a, b) = (super::arg_text(machine, args, 0)?, super::arg_text(machine, args, 1)?);
        Ok(Value::Number(f64::from(a.cmp(&b) as i8)).into())
    }),
    // Only the compiler emits this name. It freezes the strings of a tagged template, which have a hidden `raw`.
    // ECMA-262 §13.2.8.4 GetTemplateObject.
    ("template strings", 2, |machine, args| {
        let (strings, raw) = (super::arg(machine, args, 0), super::arg(machine, args, 1));
        if let Value::Ref(at) = strings {
            machine.heap.table_set(at, TableKind::Main, Value::Null, raw.clone());
        }
        for list in [&strings, &raw] {
            if let Value::Ref(at) = list
                && let Some(Entry::Array(array)) = machine.heap.get_mut(*at)
            {
                array.frozen = true;
            }
        }
        Ok(NativeOutcome::Value(strings))
    }),
    // Only the compiler emits this name. ECMA-262 §7.1.19 ToPropertyKey.
    ("property key", 1, |machine, args| Ok(NativeOutcome::Value(conversion::to_property_key_at(machine, args.base)?))),
    // Only the compiler emits this name. It names a function after its computed key. ECMA-262 §10.2.9 SetFunctionName.
    ("function name", 2, |machine, args| {
        let (key, function) = (super::arg(machine, args, 0), super::arg(machine, args, 1));
        if matches!(key, Value::Ref(_) | Value::Builtin(_)) {
            return unsupported(
                "a function with an object as its computed key is not supported; give the key as a string",
            );
        }
        let text = match key {
            Value::Symbol(symbol) => symbol.function_name(&machine.heap),
            key => conversion::to_text(machine, &key)?,
        };
        let name = Value::text("name");
        if let Value::Ref(at) = function
            && let Entry::Closure(closure) = machine.heap.get(at)
            && machine.heap.table_get(&closure.table, &name).is_none()
            && machine.heap.table_get(&closure.hidden, &name).is_none()
        {
            machine.heap.table_set(at, TableKind::Hidden, name, Value::Text(text));
        }
        Ok(NativeOutcome::Value(function))
    }),
    // ECMA-262 §20.2.1.1 Function, §27.3.1.1 GeneratorFunction, §27.4.1.1 AsyncGeneratorFunction, §27.7.1.1
    // AsyncFunction. Deviation: they make no functions of texts. A program gets the last three only as constructors of
    // functions.
    ("Function", 1, refuse_source),
    ("new Function", 1, refuse_source),
    ("AsyncFunction", 1, refuse_source),
    ("AsyncGeneratorFunction", 1, refuse_source),
    ("GeneratorFunction", 1, refuse_source),
    // ECMA-262 §20.2.3.3 Function.prototype.call.
    ("Function.prototype.call", 1, |machine, args| {
        let arguments = (1..args.count).map(|i| super::arg(machine, args, i)).collect();
        forward_call(machine, args, arguments)
    }),
    // ECMA-262 §20.2.3.1 Function.prototype.apply.
    ("Function.prototype.apply", 2, |machine, args| {
        let arguments = match super::arg(machine, args, 1) {
            Value::Undefined | Value::Null => Vec::new(),
            Value::Ref(at) if machine.heap.array(at).is_some() => {
                machine.heap.elements(at).into_iter().map(Value::or_undefined).collect()
            }
            list @ Value::Ref(at) if machine.heap.typed_array(at).is_some() => iteration::iterate(machine, &list)?,
            list @ (Value::Ref(_) | Value::Builtin(_)) => {
                let values = super::array::array_like_values(machine, &list)?;
                machine.charge_work(values.len() as u64);
                values
            }
            _ => return type_error("CreateListFromArrayLike called on non-object"),
        };
        forward_call(machine, args, arguments)
    }),
    // ECMA-262 §20.2.3.2 Function.prototype.bind.
    ("Function.prototype.bind", 1, |machine, args| {
        if !conversion::is_callable(machine, &args.this) {
            return type_error("Bind must be called on a function");
        }
        let arguments = (1..args.count).map(|i| super::arg(machine, args, i)).collect();
        let bound = BoundFunction { target: args.this.clone(), this: super::arg(machine, args, 0), args: arguments };
        Ok(NativeOutcome::Value(Value::Ref(machine.heap.allocate(Entry::Bound(Box::new(bound))))))
    }),
    // ECMA-262 §20.2.3.5 Function.prototype.toString. Deviation: the source text of a function is not stored.
    ("Function.prototype.toString", 0, |machine, args| Ok(conversion::to_text(machine, &args.this)?.into())),
];

/// The methods of arrays that only read `this`. Deviation: of a typed array they read a copy.
const READERS: &str = "at every filter find findIndex findLast findLastIndex flat flatMap forEach includes indexOf join \
                       lastIndexOf map reduce reduceRight slice some toReversed toSorted toSpliced with";

fn refuse_source(_: &mut Machine, args: &NativeArgs) -> NativeResult {
    unsupported(format!("{} of a text is not supported; write a function", args.name()))
}

/// Calls `this` with another `this` and other arguments, which replace those on the stack. ECMA-262 §7.3.13 Call.
fn forward_call(machine: &mut Machine, args: &NativeArgs, arguments: Vec<Value>) -> Completion<NativeOutcome> {
    let (top, mut this) = (machine.stack.len(), super::arg(machine, args, 0));
    if let (Value::Builtin(method), Value::Ref(at)) = (&args.this, &this)
        && machine.heap.typed_array(*at).is_some()
        && method.name().strip_prefix("Array.prototype.").is_some_and(|name| READERS.split(' ').any(|one| one == name))
    {
        let elements = iteration::iterate(machine, &this)?;
        this = Value::Ref(machine.heap.new_array(elements));
    }
    match call::invoke_above(machine, &args.this, this, arguments, (args.bottom, args.return_pc)) {
        Err(AbruptCompletion::ConvertOperand(at, _)) if at >= top => {
            unsupported("an object with its own toString cannot be passed by call or apply; call String() on it first")
        }
        outcome => outcome,
    }
}

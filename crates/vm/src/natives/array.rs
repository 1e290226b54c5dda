//! `Array`: creating, changing and copying arrays, and the methods with callbacks. Searching is in `array_search.rs`.
//!
//! Deviations from ECMA-262 §23.1 Array Objects in all methods: `this` must be an array, because array-like objects are
//! not supported, and results are plain arrays, because arrays have no subclasses (`ArraySpeciesCreate` is
//! `ArrayCreate`).

use std::cmp::Ordering;

use runstate_value::sort_by;

use super::super::abrupt_completion::{Completion, PreferredType, range_error, type_error, unsupported};
use super::super::array_sort::{ArraySort, UncomparedElements, check_writable};
use super::super::callback::{CallbackMethod, NativeFrame};
use super::super::limits::ExceededLimit;
use super::super::machine::Machine;
use super::super::text::Str;
use super::super::value::{HeapRef, Symbol, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult, Receiver};
use crate::object::IterationKind;
use crate::{callback, class, conversion, iteration, object, property, work};

pub(super) static ROWS: &[BuiltinDefinition] =
    &[
        // ECMA-262 §23.1.1.1 Array.
        ("Array", 1, construct_array),
        ("new Array", 1, construct_array),
        // ECMA-262 §23.1.2.2 Array.isArray.
        ("Array.isArray", 1, |machine, args| {
            Ok(matches!(super::arg(machine, args, 0), Value::Ref(at) if machine.heap.array(at).is_some()).into())
        }),
        // ECMA-262 §23.1.2.3 Array.of.
        ("Array.of", 0, |machine, args| {
            let prototype = class::array_prototype(machine, &args.this)?;
            let values = (0..args.count).map(|i| super::arg(machine, args, i)).collect();
            Ok(NativeOutcome::Value(Value::Ref(class::new_array_with(machine, prototype, values))))
        }),
        // ECMA-262 §23.1.2.1 Array.from.
        ("Array.from", 1, array_from),
        // ECMA-262 §23.1.3.23 Array.prototype.push.
        ("Array.prototype.push", 1, |machine, args| {
            let at = this_array_to_change(machine, args, |len| {
                if args.count == 0 { FirstChange::Length } else { FirstChange::Add(len) }
            })?;
            for index in 0..args.count {
                let value = super::arg(machine, args, index);
                machine.heap.push(at, value)?;
            }
            Ok((machine.heap.array_len(at) as f64).into())
        }),
        // ECMA-262 §23.1.3.22 Array.prototype.pop.
        ("Array.prototype.pop", 0, |machine, args| {
            let at = this_array_to_change(machine, args, |len| {
                len.checked_sub(1).map_or(FirstChange::Length, FirstChange::Delete)
            })?;
            Ok(NativeOutcome::Value(machine.heap.pop(at)))
        }),
        // ECMA-262 §23.1.3.27 Array.prototype.shift.
        ("Array.prototype.shift", 0, |machine, args| {
            let at = this_array_to_change(machine, args, |len| match len {
                0 => FirstChange::Length,
                1 => FirstChange::Delete(0),
                _ => FirstChange::Write(0),
            })?;
            Ok(NativeOutcome::Value(machine.heap.shift(at)))
        }),
        // ECMA-262 §23.1.3.37 Array.prototype.unshift.
        ("Array.prototype.unshift", 1, |machine, args| {
            let at = this_array_to_change(machine, args, |len| match (args.count, len) {
                (0, _) => FirstChange::Length,
                (_, 0) => FirstChange::Add(0),
                (count, _) => FirstChange::Add(len + count - 1),
            })?;
            let mut values: Vec<Value> = (0..args.count).map(|i| super::arg(machine, args, i)).collect();
            values.extend(machine.heap.elements(at));
            machine.heap.check_room(16 * values.len() as u64)?;
            machine.heap.set_elements(at, values);
            Ok((machine.heap.array_len(at) as f64).into())
        }),
        // ECMA-262 §23.1.3.31 Array.prototype.splice.
        ("Array.prototype.splice", 2, |machine, args| {
            let (remaining, removed) = splice(machine, args, this_array(machine, args)?)?;
            let (added, deleted) = (args.count.saturating_sub(2), removed.len());
            let from = super::arg_relative_index(machine, args, 0, remaining.len() + deleted - added, 0)?;
            let at = this_array_to_change(machine, args, |len| match added.cmp(&deleted) {
                Ordering::Less if from < len - deleted => FirstChange::Write(from + added),
                Ordering::Less => FirstChange::Delete(len - 1),
                Ordering::Greater if from < len - deleted => FirstChange::Add(len - deleted + added - 1),
                _ if added == 0 => FirstChange::Length,
                _ if from < len => FirstChange::Write(from),
                _ => FirstChange::Add(from),
            })?;
            let removed = class::new_array_like(machine, at, removed)?;
            machine.heap.set_elements(at, remaining);
            Ok(NativeOutcome::Value(Value::Ref(removed)))
        }),
        // ECMA-262 §23.1.3.35 Array.prototype.toSpliced.
        ("Array.prototype.toSpliced", 2, |machine, args| {
            let (remaining, _) = splice(machine, args, this_array(machine, args)?)?;
            Ok(array_outcome(machine, remaining.into_iter().map(Value::or_undefined).collect()))
        }),
        // ECMA-262 §23.1.3.26 Array.prototype.reverse.
        ("Array.prototype.reverse", 0, |machine, args| {
            let at = this_array_to_change(machine, args, |len| {
                if len < 2 { FirstChange::Nothing } else { FirstChange::Write(0) }
            })?;
            let mut values = machine.heap.elements(at);
            values.reverse();
            machine.heap.set_elements(at, values);
            Ok(NativeOutcome::Value(args.this.clone()))
        }),
        // ECMA-262 §23.1.3.33 Array.prototype.toReversed.
        ("Array.prototype.toReversed", 0, |machine, args| {
            let values = machine.heap.elements(this_array(machine, args)?);
            Ok(array_outcome(machine, values.into_iter().rev().map(Value::or_undefined).collect()))
        }),
        // ECMA-262 §23.1.3.7 Array.prototype.fill.
        ("Array.prototype.fill", 1, |machine, args| {
            let len = machine.heap.array_len(this_array(machine, args)?);
            let (from, to) = super::arg_range(machine, args, 1, len)?;
            let at = this_array_to_change(machine, args, |_| {
                if from < to { FirstChange::Write(from) } else { FirstChange::Nothing }
            })?;
            let value = super::arg(machine, args, 0);
            work::count_items(to.saturating_sub(from));
            for index in from..to {
                machine.heap.set_element(at, index, value.clone())?;
            }
            Ok(NativeOutcome::Value(args.this.clone()))
        }),
        // ECMA-262 §23.1.3.4 Array.prototype.copyWithin.
        ("Array.prototype.copyWithin", 2, |machine, args| {
            let len = machine.heap.array_len(this_array(machine, args)?);
            let to = super::arg_relative_index(machine, args, 0, len, 0)?;
            let (from, end) = super::arg_range(machine, args, 1, len)?;
            let count = end.saturating_sub(from).min(len - to);
            let at = this_array_to_change(machine, args, |_| match count {
                0 => FirstChange::Nothing,
                // Overlapping ranges are copied from their end.
                _ if from < to && to < from + count => FirstChange::Write(to + count - 1),
                _ => FirstChange::Write(to),
            })?;
            for (offset, value) in machine.heap.elements_between(at, from, end.max(from)).into_iter().enumerate() {
                if to + offset < len {
                    machine.heap.set_element(at, to + offset, value)?;
                }
            }
            Ok(NativeOutcome::Value(args.this.clone()))
        }),
        // ECMA-262 §23.1.3.28 Array.prototype.slice.
        ("Array.prototype.slice", 2, |machine, args| {
            let at = this_array(machine, args)?;
            let len = machine.heap.array_len(at);
            let (from, to) = super::arg_range(machine, args, 0, len)?;
            let values = machine.heap.elements_between(at, from, to.max(from));
            machine.heap.check_room(16 * values.len() as u64)?;
            Ok(NativeOutcome::Value(Value::Ref(class::new_array_like(machine, at, values)?)))
        }),
        // ECMA-262 §23.1.3.2 Array.prototype.concat. `Symbol.isConcatSpreadable` does not exist: arrays are spread, all
        // else is not.
        ("Array.prototype.concat", 1, |machine, args| {
            let at = this_array(machine, args)?;
            let mut values = machine.heap.elements(at);
            for index in 0..args.count {
                match super::arg(machine, args, index) {
                    Value::Ref(at) if machine.heap.array(at).is_some() => values.extend(machine.heap.elements(at)),
                    value => values.push(value),
                }
            }
            machine.heap.check_room(16 * values.len() as u64)?;
            Ok(NativeOutcome::Value(Value::Ref(class::new_array_like(machine, at, values)?)))
        }),
        // ECMA-262 §23.1.3.39 Array.prototype.with.
        ("Array.prototype.with", 2, |machine, args| {
            let mut values = machine.heap.elements(this_array(machine, args)?);
            let index = super::arg_index(machine, args, 0, 0.0)?;
            let index = if index < 0.0 { index + values.len() as f64 } else { index };
            match values.get_mut(index as usize) {
                Some(place) if index >= 0.0 => *place = super::arg(machine, args, 1),
                _ => {
                    return range_error(
                        "Invalid index : ".to_owned()
                            + &conversion::to_text(machine, &super::arg(machine, args, 0))?.to_utf8(),
                    );
                }
            }
            Ok(array_outcome(machine, values.into_iter().map(Value::or_undefined).collect()))
        }),
        // ECMA-262 §23.1.3.13 Array.prototype.flat.
        ("Array.prototype.flat", 0, |machine, args| {
            let depth = super::arg_index(machine, args, 0, 1.0)?;
            let this = this_array(machine, args)?;
            let mut path = vec![(this, 0usize)];
            let (mut values, mut steps) = (Vec::new(), 0u64);
            while let Some((at, index)) = path.pop() {
                // An array may hold itself, and arrays without values may hold each other many times.
                steps += 1;
                machine.heap.check_room(16 * (values.len() + path.len()) as u64 + steps)?;
                if index >= machine.heap.array_len(at) {
                    continue;
                }
                let element = machine.heap.element(at, index);
                path.push((at, index + 1));
                match element {
                    Value::Hole => {}
                    Value::Ref(inner) if machine.heap.array(inner).is_some() && (path.len() as f64) <= depth => {
                        path.push((inner, 0));
                    }
                    element => values.push(element),
                }
            }
            machine.charge_work(16 * steps);
            Ok(NativeOutcome::Value(Value::Ref(class::new_array_like(machine, this, values)?)))
        }),
        // ECMA-262 §23.1.3.18 Array.prototype.join.
        ("Array.prototype.join", 1, |machine, args| {
            let separator = match super::arg(machine, args, 0) {
                Value::Undefined => Str::new(","),
                _ => super::arg_text(machine, args, 0)?,
            };
            join(machine, args, this_array(machine, args)?, &separator)
        }),
        // ECMA-262 §23.1.3.32 Array.prototype.toLocaleString. It hides that of Object.prototype.
        ("Array.prototype.toLocaleString", 0, |_, _| {
            unsupported("`Array.prototype.toLocaleString` is not supported; map the elements and join them")
        }),
        // ECMA-262 §23.1.3.36 Array.prototype.toString.
        ("Array.prototype.toString", 0, |machine, args| {
            let own_join = conversion::own_join(machine, &args.this)?;
            match args.this {
                Value::Ref(at) if own_join.is_none() && machine.heap.array(at).is_some() => {
                    join(machine, args, at, &Str::new(","))
                }
                _ => Ok(conversion::to_text(machine, &args.this)?.into()),
            }
        }),
        // ECMA-262 §23.1.3.19 Array.prototype.keys.
        ("Array.prototype.keys", 0, |machine, args| create_iterator(machine, args, IterationKind::Keys)),
        // ECMA-262 §23.1.3.38 Array.prototype.values.
        ("Array.prototype.values", 0, |machine, args| create_iterator(machine, args, IterationKind::Values)),
        // ECMA-262 §23.1.3.5 Array.prototype.entries.
        ("Array.prototype.entries", 0, |machine, args| create_iterator(machine, args, IterationKind::Entries)),
        // ECMA-262 §23.1.3.21 Array.prototype.map.
        ("Array.prototype.map", 1, |machine, args| start_collection(machine, args, CallbackMethod::Map)),
        // ECMA-262 §23.1.3.8 Array.prototype.filter.
        ("Array.prototype.filter", 1, |machine, args| start_collection(machine, args, CallbackMethod::Filter)),
        // ECMA-262 §23.1.3.14 Array.prototype.flatMap.
        ("Array.prototype.flatMap", 1, |machine, args| start_collection(machine, args, CallbackMethod::FlatMap)),
        // ECMA-262 §23.1.3.15 Array.prototype.forEach.
        ("Array.prototype.forEach", 1, |machine, args| start_iteration(machine, args, CallbackMethod::ForEach)),
        // ECMA-262 §23.1.3.29 Array.prototype.some.
        ("Array.prototype.some", 1, |machine, args| start_iteration(machine, args, CallbackMethod::Some)),
        // ECMA-262 §23.1.3.6 Array.prototype.every.
        ("Array.prototype.every", 1, |machine, args| start_iteration(machine, args, CallbackMethod::Every)),
        // ECMA-262 §23.1.3.9 Array.prototype.find.
        ("Array.prototype.find", 1, |machine, args| start_iteration(machine, args, CallbackMethod::Find)),
        // ECMA-262 §23.1.3.10 Array.prototype.findIndex.
        ("Array.prototype.findIndex", 1, |machine, args| start_iteration(machine, args, CallbackMethod::FindIndex)),
        // ECMA-262 §23.1.3.11 Array.prototype.findLast.
        ("Array.prototype.findLast", 1, |machine, args| start_iteration(machine, args, CallbackMethod::FindLast)),
        // ECMA-262 §23.1.3.12 Array.prototype.findLastIndex.
        ("Array.prototype.findLastIndex", 1, |machine, args| {
            start_iteration(machine, args, CallbackMethod::FindLastIndex)
        }),
        // ECMA-262 §23.1.3.24 Array.prototype.reduce.
        ("Array.prototype.reduce", 1, |machine, args| start_reduction(machine, args, CallbackMethod::Reduce)),
        // ECMA-262 §23.1.3.25 Array.prototype.reduceRight.
        ("Array.prototype.reduceRight", 1, |machine, args| start_reduction(machine, args, CallbackMethod::ReduceRight)),
        // ECMA-262 §23.1.3.30 Array.prototype.sort.
        ("Array.prototype.sort", 1, |machine, args| {
            let elements = machine.heap.elements(this_array(machine, args)?);
            start_sort(machine, args, elements, args.this.clone())
        }),
        // ECMA-262 §23.1.3.34 Array.prototype.toSorted.
        ("Array.prototype.toSorted", 1, |machine, args| {
            let elements = machine.heap.elements(this_array(machine, args)?);
            let out = callback::empty_array(machine);
            start_sort(machine, args, elements.into_iter().map(Value::or_undefined).collect(), out)
        }),
    ];

/// The methods that V8 names in the error for a missing array.
const NAMED_IN_ERRORS: &str =
    "concat every filter find findIndex findLast findLastIndex forEach indexOf map reduce reduceRight some";

/// The array that a method is called on.
pub(super) fn this_array(machine: &Machine, args: &NativeArgs) -> Completion<HeapRef> {
    match args.this {
        Value::Ref(at) if machine.heap.array(at).is_some() => Ok(at),
        Value::Undefined | Value::Null => {
            let name = args.name();
            if NAMED_IN_ERRORS.split(' ').any(|one| one == super::short_name(name)) {
                return type_error(format!("{name} called on null or undefined"));
            }
            type_error("Cannot convert undefined or null to object")
        }
        _ => unsupported("an array method on a value that is not an array is not supported; write Array.from(it)"),
    }
}

/// The first change of a method, which decides the error for a frozen array.
enum FirstChange {
    Add(usize),
    Delete(usize),
    Write(usize),
    Length,
    Nothing,
}

/// The array that a method is called on and will change. `first` gives its first change for the array's length.
fn this_array_to_change(
    machine: &Machine,
    args: &NativeArgs,
    first: impl FnOnce(usize) -> FirstChange,
) -> Completion<HeapRef> {
    let at = this_array(machine, args)?;
    machine.heap.check_room(0)?;
    if !machine.heap.array(at).is_some_and(|array| array.frozen) {
        return Ok(at);
    }
    let read_only_error = |name: &dyn std::fmt::Display| {
        type_error(format!("Cannot assign to read only property '{name}' of object '[object Array]'"))
    };
    match first(machine.heap.array_len(at)) {
        FirstChange::Add(index) => type_error(format!("Cannot add property {index}, object is not extensible")),
        FirstChange::Delete(index) => type_error(format!("Cannot delete property '{index}' of [object Array]")),
        FirstChange::Write(index) => read_only_error(&index),
        FirstChange::Length => read_only_error(&"length"),
        FirstChange::Nothing => Ok(at),
    }
}

pub(super) fn array_outcome(machine: &mut Machine, values: Vec<Value>) -> NativeOutcome {
    NativeOutcome::Value(Value::Ref(machine.heap.new_array(values)))
}

/// ECMA-262 §23.1.3.18 Array.prototype.join.
fn join(machine: &mut Machine, args: &NativeArgs, at: HeapRef, separator: &Str) -> NativeResult {
    let text = conversion::join_array(machine, at, separator, receiver_operand(machine, args))?;
    super::string::return_text(machine, text)
}

/// ECMA-262 §23.1.5.1 CreateArrayIterator.
fn create_iterator(machine: &mut Machine, args: &NativeArgs, kind: IterationKind) -> NativeResult {
    this_array(machine, args)?;
    Ok(NativeOutcome::Value(Value::Ref(object::new_iterator(&mut machine.heap, args.this.clone(), kind))))
}

/// ECMA-262 §23.1.1.1 Array.
fn construct_array(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    if args.count == 1
        && let Value::Number(len) = super::arg(machine, args, 0)
    {
        if len < 0.0 || len.fract() != 0.0 || len > f64::from(u32::MAX) {
            return range_error("Invalid array length");
        }
        let array = machine.heap.new_array(Vec::new());
        machine.heap.set_array_len(array, len as usize)?;
        return Ok(NativeOutcome::Value(Value::Ref(array)));
    }
    let values = (0..args.count).map(|i| super::arg(machine, args, i)).collect();
    Ok(array_outcome(machine, values))
}

/// The elements of an object with a length. ECMA-262 §7.3.19 CreateListFromArrayLike. Deviation: getters are not
/// called.
pub(super) fn array_like_values(machine: &Machine, source: &Value) -> Completion<Vec<Value>> {
    let len = conversion::to_number(machine, &property::property(machine, source, &Value::text("length"))?)?;
    let len = super::super::number::to_integer(len).max(0.0);
    if len > f64::from(u32::MAX) {
        return range_error("Invalid array length");
    }
    if len > super::super::array::MAX_LENGTH as f64 {
        return Err(ExceededLimit::ArrayLength.into());
    }
    machine.heap.check_room(16 * len as u64)?;
    if property::receiver(machine, source) == Some(Receiver::Object)
        && property::own_keys(&machine.heap, source).len() <= 1
    {
        return Ok(vec![Value::Undefined; len as usize]);
    }
    let element = |i: usize| property::property(machine, source, &Value::Text(super::super::number::to_text(i as f64)));
    work::count_items(len as usize);
    (0..len as usize).map(element).collect()
}

/// ECMA-262 §23.1.2.1 Array.from. Deviation: an iterable of the program, a function, an error or a regexp is read
/// completely before the first call of a mapper. `crates/lang/src/prelude/iterables.ts` maps the values of iterables of
/// the program one by one.
fn array_from(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    let prototype = class::array_prototype(machine, &args.this)?;
    let source = super::arg(machine, args, 0);
    let mapping = match super::arg(machine, args, 1) {
        Value::Undefined => None,
        _ => {
            let (base, count) = (args.base + 1, args.count - 1);
            let mapping_args = NativeArgs { this: source.clone(), base, count, ..args.clone() };
            Some(NativeFrame::for_array(machine, &mapping_args, CallbackMethod::From)?)
        }
    };
    let (kind, is_iterable) = (property::receiver(machine, &source), iteration::is_iterable(machine, &source));
    let maps_iterator = mapping.is_some()
        && matches!(kind, Some(Receiver::Map | Receiver::Set | Receiver::Iterator))
        && iteration::own_method(machine, &source, Symbol::ITERATOR)?.is_none();
    let values = match kind {
        // An object with a length, as in `Array.from({ length: 3 }, …)`. Without one it has no elements.
        Some(Receiver::Object | Receiver::Function | Receiver::Error | Receiver::RegExp) if !is_iterable => {
            array_like_values(machine, &source)?
        }
        Some(Receiver::Number | Receiver::Boolean | Receiver::Symbol) => Vec::new(),
        Some(Receiver::Date) if !is_iterable => Vec::new(),
        _ if maps_iterator => Vec::new(),
        _ => iteration::iterate_argument(machine, args)?,
    };
    machine.heap.check_room(16 * values.len() as u64)?;
    let Some(frame) = mapping else {
        return Ok(NativeOutcome::Value(Value::Ref(class::new_array_with(machine, prototype, values))));
    };
    let len = values.len() as u32;
    // The mapper may change the source, so each element is read before its call.
    let source = match kind {
        Some(Receiver::Array) => source,
        Some(Receiver::Object) if !is_iterable => source,
        _ if maps_iterator => iteration::iterator(machine, &source)?,
        _ => Value::Ref(machine.heap.new_array(values)),
    };
    let out = Value::Ref(class::new_array_with(machine, prototype, Vec::new()));
    callback::run_native(machine, NativeFrame { source, len, out, ..frame })
}

/// The elements after a splice and the removed elements. ECMA-262 §23.1.3.31 Array.prototype.splice.
fn splice(machine: &mut Machine, args: &NativeArgs, at: HeapRef) -> Completion<(Vec<Value>, Vec<Value>)> {
    let mut values = machine.heap.elements(at);
    let len = values.len();
    let from = super::arg_relative_index(machine, args, 0, len, 0)?;
    let count = match args.count {
        0 => 0,
        1 => len - from,
        _ => (super::arg_index(machine, args, 1, 0.0)? as usize).min(len - from),
    };
    let new: Vec<Value> = (2..args.count).map(|i| super::arg(machine, args, i)).collect();
    let removed = values.splice(from..from + count, new).collect();
    machine.heap.check_room(16 * values.len() as u64)?;
    Ok((values, removed))
}

/// Starts a method that runs a callback per element.
fn start_iteration(machine: &mut Machine, args: &NativeArgs, kind: CallbackMethod) -> NativeResult {
    this_array(machine, args)?;
    let frame = NativeFrame::for_array(machine, args, kind)?;
    callback::run_native(machine, frame)
}

/// Starts a method that collects results in a new array.
fn start_collection(machine: &mut Machine, args: &NativeArgs, kind: CallbackMethod) -> NativeResult {
    let this = this_array(machine, args)?;
    let mut frame = NativeFrame::for_array(machine, args, kind)?;
    frame.out = Value::Ref(class::new_array_like(machine, this, Vec::new())?);
    callback::run_native(machine, frame)
}

/// ECMA-262 §23.1.3.24 Array.prototype.reduce and §23.1.3.25 Array.prototype.reduceRight.
fn start_reduction(machine: &mut Machine, args: &NativeArgs, kind: CallbackMethod) -> NativeResult {
    let at = this_array(machine, args)?;
    let mut frame = NativeFrame::for_array(machine, args, kind)?;
    frame.this = Value::Undefined;
    if args.count > 1 {
        frame.out = super::arg(machine, args, 1);
        return callback::run_native(machine, frame);
    }
    loop {
        if frame.index >= frame.len {
            return type_error("Reduce of empty array with no initial value");
        }
        work::count_link(frame.index as usize);
        let index = if kind == CallbackMethod::Reduce { frame.index } else { frame.len - 1 - frame.index };
        frame.index += 1;
        match machine.heap.element(at, index as usize) {
            Value::Hole => {}
            value => {
                frame.out = value;
                return callback::run_native(machine, frame);
            }
        }
    }
}

/// The index of `this` on the stack.
fn receiver_operand(machine: &Machine, args: &NativeArgs) -> Option<usize> {
    let operand = machine.stack.get(args.bottom)?;
    (args.bottom < args.base && operand.strict_equals(&args.this)).then_some(args.bottom)
}

/// ECMA-262 §23.1.3.30 Array.prototype.sort and §23.1.3.34 Array.prototype.toSorted. Without a comparator, elements are
/// converted to strings once and compared by code units: §23.1.3.30.2 CompareArrayElements.
fn start_sort(machine: &mut Machine, args: &NativeArgs, elements: Vec<Value>, out: Value) -> NativeResult {
    let comparator = super::arg(machine, args, 0);
    machine.heap.check_room(32 * elements.len() as u64)?;
    let converts = |value: &Value| conversion::own_conversion(machine, value, PreferredType::Text).is_some();
    let comparator = match comparator {
        // V8 converts the elements at each comparison.
        Value::Undefined if elements.iter().any(converts) => {
            machine.registry.find("compare texts").map_or(Value::Undefined, Value::Builtin)
        }
        comparator => comparator,
    };
    if !matches!(comparator, Value::Undefined) {
        if !conversion::is_callable(machine, &comparator) {
            return type_error("The comparison function must be either a function or undefined");
        }
        let frame = NativeFrame {
            callback: comparator,
            source: args.this.clone(),
            out,
            sorting: Some(Box::new(ArraySort::new(elements))),
            ..NativeFrame::new(CallbackMethod::Sort, args.bottom, machine.stack.len(), args.return_pc)
        };
        return callback::run_native(machine, frame);
    }
    let len = elements.len();
    let (compared, uncompared) = UncomparedElements::split(elements);
    let mut keyed = Vec::with_capacity(compared.len());
    for value in compared {
        keyed.push((conversion::to_text(machine, &value)?, value));
    }
    // Each element takes part in about log2(n) comparisons.
    let units: u64 = keyed.iter().map(|(text, _)| 16 + text.len() as u64).sum();
    machine.charge_work(units * u64::from(keyed.len().max(2).ilog2()));
    sort_by(&mut keyed, |a, b| a.0.cmp(&b.0));
    let mut sorted = keyed.into_iter().map(|(_, value)| value).collect();
    uncompared.append_to(&mut sorted, len);
    if let Value::Ref(out) = out {
        check_writable(&machine.heap, out, &sorted)?;
        machine.heap.set_elements(out, sorted);
    }
    Ok(NativeOutcome::Value(out))
}

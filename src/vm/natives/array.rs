//! `Array`: making, changing, copying, and the functions that call back. Searching is in `search.rs`.

use std::cmp::Ordering;

use super::super::builtin::{Args, Done, Row};
use super::super::callback::{Kind, Waiting};
use super::super::iterator::Yields;
use super::super::limits::Exceeded;
use super::super::machine::Machine;
use super::super::raise::{Raise, range_error, type_error, unsupported};
use super::super::sorting::{Sorting, Uncompared};
use super::super::text::Str;
use super::super::value::{HeapRef, Value};
use crate::value::sort_by;

type Result = std::result::Result<Done, Raise>;

pub(super) static ROWS: &[Row] = &[
    ("Array", 1, construct),
    ("new Array", 1, construct),
    ("Array.isArray", 1, |machine, args| {
        Ok(matches!(machine.arg(args, 0), Value::Ref(at) if machine.heap.array(at).is_some()).into())
    }),
    ("Array.of", 0, |machine, args| {
        check_constructor(machine, args)?;
        let values = (0..args.count).map(|i| machine.arg(args, i)).collect();
        Ok(list(machine, values))
    }),
    ("Array.from", 1, from),
    ("Array.prototype.push", 1, |machine, args| {
        let at = changed(machine, args, |len| if args.count == 0 { First::Length } else { First::Add(len) })?;
        for index in 0..args.count {
            let value = machine.arg(args, index);
            machine.heap.push(at, value)?;
        }
        Ok((machine.heap.array_len(at) as f64).into())
    }),
    ("Array.prototype.pop", 0, |machine, args| {
        let at = changed(machine, args, |len| len.checked_sub(1).map_or(First::Length, First::Delete))?;
        Ok(Done::Value(machine.heap.pop(at)))
    }),
    ("Array.prototype.shift", 0, |machine, args| {
        let at = changed(machine, args, |len| match len {
            0 => First::Length,
            1 => First::Delete(0),
            _ => First::Write(0),
        })?;
        Ok(Done::Value(machine.heap.shift(at)))
    }),
    ("Array.prototype.unshift", 1, |machine, args| {
        let at = changed(machine, args, |len| match (args.count, len) {
            (0, _) => First::Length,
            (_, 0) => First::Add(0),
            (count, _) => First::Add(len + count - 1),
        })?;
        let mut values: Vec<Value> = (0..args.count).map(|i| machine.arg(args, i)).collect();
        values.extend(machine.heap.elements(at));
        machine.heap.room(16 * values.len() as u64)?;
        machine.heap.set_elements(at, values);
        Ok((machine.heap.array_len(at) as f64).into())
    }),
    ("Array.prototype.splice", 2, |machine, args| {
        let (kept, removed) = spliced(machine, args, this(machine, args)?)?;
        let (added, deleted) = (args.count.saturating_sub(2), removed.len());
        let from = machine.arg_place(args, 0, kept.len() + deleted - added, 0)?;
        let at = changed(machine, args, |len| match added.cmp(&deleted) {
            Ordering::Less if from < len - deleted => First::Write(from + added),
            Ordering::Less => First::Delete(len - 1),
            Ordering::Greater if from < len - deleted => First::Add(len - deleted + added - 1),
            _ if added == 0 => First::Length,
            _ if from < len => First::Write(from),
            _ => First::Add(from),
        })?;
        machine.heap.set_elements(at, kept);
        Ok(list(machine, removed))
    }),
    ("Array.prototype.toSpliced", 2, |machine, args| {
        let (kept, _) = spliced(machine, args, this(machine, args)?)?;
        Ok(list(machine, kept.into_iter().map(Value::or_undefined).collect()))
    }),
    ("Array.prototype.reverse", 0, |machine, args| {
        let at = changed(machine, args, |len| if len < 2 { First::Nothing } else { First::Write(0) })?;
        let mut values = machine.heap.elements(at);
        values.reverse();
        machine.heap.set_elements(at, values);
        Ok(Done::Value(args.this.clone()))
    }),
    ("Array.prototype.toReversed", 0, |machine, args| {
        let values = machine.heap.elements(this(machine, args)?);
        Ok(list(machine, values.into_iter().rev().map(Value::or_undefined).collect()))
    }),
    ("Array.prototype.fill", 1, |machine, args| {
        let len = machine.heap.array_len(this(machine, args)?);
        let (from, to) = (machine.arg_place(args, 1, len, 0)?, machine.arg_place(args, 2, len, len)?);
        let at = changed(machine, args, |_| if from < to { First::Write(from) } else { First::Nothing })?;
        let value = machine.arg(args, 0);
        for index in from..to {
            machine.heap.set_element(at, index, value.clone())?;
        }
        Ok(Done::Value(args.this.clone()))
    }),
    ("Array.prototype.copyWithin", 2, |machine, args| {
        let len = machine.heap.array_len(this(machine, args)?);
        let to = machine.arg_place(args, 0, len, 0)?;
        let (from, end) = (machine.arg_place(args, 1, len, 0)?, machine.arg_place(args, 2, len, len)?);
        let count = end.saturating_sub(from).min(len - to);
        let at = changed(machine, args, |_| match count {
            0 => First::Nothing,
            // Overlapping ranges are copied from their end.
            _ if from < to && to < from + count => First::Write(to + count - 1),
            _ => First::Write(to),
        })?;
        for (offset, value) in machine.heap.elements_between(at, from, end.max(from)).into_iter().enumerate() {
            if to + offset < len {
                machine.heap.set_element(at, to + offset, value)?;
            }
        }
        Ok(Done::Value(args.this.clone()))
    }),
    ("Array.prototype.slice", 2, |machine, args| {
        let at = this(machine, args)?;
        let len = machine.heap.array_len(at);
        let (from, to) = (machine.arg_place(args, 0, len, 0)?, machine.arg_place(args, 1, len, len)?);
        let values = machine.heap.elements_between(at, from, to.max(from));
        machine.heap.room(16 * values.len() as u64)?;
        Ok(list(machine, values))
    }),
    ("Array.prototype.concat", 1, |machine, args| {
        let mut values = machine.heap.elements(this(machine, args)?);
        for index in 0..args.count {
            match machine.arg(args, index) {
                Value::Ref(at) if machine.heap.array(at).is_some() => values.extend(machine.heap.elements(at)),
                value => values.push(value),
            }
        }
        machine.heap.room(16 * values.len() as u64)?;
        Ok(list(machine, values))
    }),
    ("Array.prototype.with", 2, |machine, args| {
        let mut values = machine.heap.elements(this(machine, args)?);
        let index = machine.arg_integer(args, 0, 0.0)?;
        let index = if index < 0.0 { index + values.len() as f64 } else { index };
        match values.get_mut(index as usize) {
            Some(place) if index >= 0.0 => *place = machine.arg(args, 1),
            _ => {
                return range_error("Invalid index : ".to_owned() + &machine.text_of(&machine.arg(args, 0))?.to_utf8());
            }
        }
        Ok(list(machine, values.into_iter().map(Value::or_undefined).collect()))
    }),
    ("Array.prototype.flat", 0, |machine, args| {
        let depth = machine.arg_integer(args, 0, 1.0)?;
        let mut open = vec![(this(machine, args)?, 0usize)];
        let mut values = Vec::new();
        while let Some((at, index)) = open.pop() {
            if index >= machine.heap.array_len(at) {
                continue;
            }
            let element = machine.heap.element(at, index);
            open.push((at, index + 1));
            match element {
                Value::Hole => {}
                Value::Ref(inner) if machine.heap.array(inner).is_some() && (open.len() as f64) <= depth => {
                    open.push((inner, 0));
                }
                element => values.push(element),
            }
            machine.heap.room(16 * values.len() as u64)?;
        }
        Ok(list(machine, values))
    }),
    ("Array.prototype.join", 1, |machine, args| {
        let separator = match machine.arg(args, 0) {
            Value::Undefined => Str::new(","),
            _ => machine.arg_text(args, 0)?,
        };
        let text = machine.joined(this(machine, args)?, &separator, 0)?;
        machine.heap.charge(text.len() as u64);
        machine.owe(text.len() as u64);
        Ok(text.into())
    }),
    ("Array.prototype.toString", 0, |machine, args| Ok(machine.text_of(&args.this)?.into())),
    ("Array.prototype.keys", 0, |machine, args| iterator(machine, args, Yields::Keys)),
    ("Array.prototype.values", 0, |machine, args| iterator(machine, args, Yields::Values)),
    ("Array.prototype.entries", 0, |machine, args| iterator(machine, args, Yields::Entries)),
    ("Array.prototype.map", 1, |machine, args| gathering(machine, args, Kind::Map)),
    ("Array.prototype.filter", 1, |machine, args| gathering(machine, args, Kind::Filter)),
    ("Array.prototype.flatMap", 1, |machine, args| gathering(machine, args, Kind::FlatMap)),
    ("Array.prototype.forEach", 1, |machine, args| walking(machine, args, Kind::ForEach)),
    ("Array.prototype.some", 1, |machine, args| walking(machine, args, Kind::Some)),
    ("Array.prototype.every", 1, |machine, args| walking(machine, args, Kind::Every)),
    ("Array.prototype.find", 1, |machine, args| walking(machine, args, Kind::Find)),
    ("Array.prototype.findIndex", 1, |machine, args| walking(machine, args, Kind::FindIndex)),
    ("Array.prototype.findLast", 1, |machine, args| walking(machine, args, Kind::FindLast)),
    ("Array.prototype.findLastIndex", 1, |machine, args| walking(machine, args, Kind::FindLastIndex)),
    ("Array.prototype.reduce", 1, |machine, args| reducing(machine, args, Kind::Reduce)),
    ("Array.prototype.reduceRight", 1, |machine, args| reducing(machine, args, Kind::ReduceRight)),
    ("Array.prototype.sort", 1, |machine, args| {
        let at = changed(machine, args, |len| if len < 2 { First::Nothing } else { First::Write(0) })?;
        sort(machine, args, at, args.this.clone())
    }),
    ("Array.prototype.toSorted", 1, |machine, args| {
        let at = this(machine, args)?;
        let out = machine.empty_array();
        sort(machine, args, at, out)
    }),
];

/// The array that a method is called on.
pub(super) fn this(machine: &Machine, args: &Args) -> std::result::Result<HeapRef, Raise> {
    match args.this {
        Value::Ref(at) if machine.heap.array(at).is_some() => Ok(at),
        Value::Undefined | Value::Null => type_error("Array.prototype method called on null or undefined"),
        _ => unsupported("an array's method called on what is not an array; write Array.from(it)"),
    }
}

/// A method's first change, which a frozen array refuses.
enum First {
    Add(usize),
    Delete(usize),
    Write(usize),
    Length,
    Nothing,
}

/// The array that a method is called on, which it will change; `first` says of its length what it would begin with.
fn changed(machine: &Machine, args: &Args, first: impl FnOnce(usize) -> First) -> std::result::Result<HeapRef, Raise> {
    let at = this(machine, args)?;
    machine.heap.room(0)?;
    if !machine.heap.array(at).is_some_and(|array| array.frozen) {
        return Ok(at);
    }
    let written = |name: &dyn std::fmt::Display| {
        type_error(format!("Cannot assign to read only property '{name}' of object '[object Array]'"))
    };
    match first(machine.heap.array_len(at)) {
        First::Add(index) => type_error(format!("Cannot add property {index}, object is not extensible")),
        First::Delete(index) => type_error(format!("Cannot delete property '{index}' of [object Array]")),
        First::Write(index) => written(&index),
        First::Length => written(&"length"),
        First::Nothing => Ok(at),
    }
}

fn list(machine: &mut Machine, values: Vec<Value>) -> Done {
    Done::Value(Value::Ref(machine.heap.new_array(values)))
}

fn iterator(machine: &mut Machine, args: &Args, yields: Yields) -> Result {
    this(machine, args)?;
    Ok(Done::Value(Value::Ref(machine.heap.new_cursor(args.this.clone(), yields))))
}

fn construct(machine: &mut Machine, args: &Args) -> Result {
    if args.count == 1
        && let Value::Number(len) = machine.arg(args, 0)
    {
        if len < 0.0 || len.fract() != 0.0 || len > f64::from(u32::MAX) {
            return range_error("Invalid array length");
        }
        let array = machine.heap.new_array(Vec::new());
        machine.heap.set_array_len(array, len as usize)?;
        return Ok(Done::Value(Value::Ref(array)));
    }
    let values = (0..args.count).map(|i| machine.arg(args, i)).collect();
    Ok(list(machine, values))
}

/// `Array.of` and `Array.from` make an object of another class where they are called on one.
fn check_constructor(machine: &Machine, args: &Args) -> std::result::Result<(), Raise> {
    match &args.this {
        Value::Builtin(builtin) if builtin.name() == "Array" => Ok(()),
        this if machine.is_callable(this) => {
            unsupported("Array.from and Array.of make arrays only; call them on Array")
        }
        _ => Ok(()),
    }
}

fn from(machine: &mut Machine, args: &Args) -> Result {
    check_constructor(machine, args)?;
    let source = machine.arg(args, 0);
    let values = match machine.receiver(&source) {
        // An object with a length, as in `Array.from({ length: 3 }, …)`.
        Some(super::super::builtin::Receiver::Object) => {
            let len = machine.number_of(&machine.property(&source, &Value::text("length"))?)?;
            let len = super::super::number::to_integer(len).max(0.0);
            if len > f64::from(u32::MAX) {
                return range_error("Invalid array length");
            }
            if len > super::super::array::MAX_LENGTH as f64 {
                return Err(Exceeded::ArrayLength.into());
            }
            machine.heap.room(16 * len as u64)?;
            let element = |i: usize| machine.property(&source, &Value::Text(super::super::number::to_text(i as f64)));
            if machine.own_keys(&source).len() <= 1 {
                vec![Value::Undefined; len as usize]
            } else {
                (0..len as usize).map(element).collect::<std::result::Result<_, _>>()?
            }
        }
        Some(super::super::builtin::Receiver::Number | super::super::builtin::Receiver::Boolean) => Vec::new(),
        _ => machine.iterate(&source)?,
    };
    machine.heap.room(16 * values.len() as u64)?;
    let callback = machine.arg(args, 1);
    let array = machine.heap.new_array(values);
    if matches!(callback, Value::Undefined) {
        return Ok(Done::Value(Value::Ref(array)));
    }
    // The callback may change the array that it is called for.
    let over = match machine.receiver(&source) {
        Some(super::super::builtin::Receiver::Array) => source,
        _ => Value::Ref(array),
    };
    let shifted = Args { this: over, base: args.base + 1, count: args.count - 1, ..args.clone() };
    gathering(machine, &shifted, Kind::From)
}

fn spliced(machine: &mut Machine, args: &Args, at: HeapRef) -> std::result::Result<(Vec<Value>, Vec<Value>), Raise> {
    let mut values = machine.heap.elements(at);
    let len = values.len();
    let from = machine.arg_place(args, 0, len, 0)?;
    let count = match args.count {
        0 => 0,
        1 => len - from,
        _ => machine.arg_integer(args, 1, 0.0)?.clamp(0.0, (len - from) as f64) as usize,
    };
    let new: Vec<Value> = (2..args.count).map(|i| machine.arg(args, i)).collect();
    let removed = values.splice(from..from + count, new).collect();
    machine.heap.room(16 * values.len() as u64)?;
    Ok((values, removed))
}

fn walking(machine: &mut Machine, args: &Args, kind: Kind) -> Result {
    this(machine, args)?;
    let waiting = Waiting::over(machine, args, kind)?;
    machine.begin(waiting)
}

fn gathering(machine: &mut Machine, args: &Args, kind: Kind) -> Result {
    this(machine, args)?;
    let mut waiting = Waiting::over(machine, args, kind)?;
    waiting.out = machine.empty_array();
    machine.begin(waiting)
}

fn reducing(machine: &mut Machine, args: &Args, kind: Kind) -> Result {
    let at = this(machine, args)?;
    let mut waiting = Waiting::over(machine, args, kind)?;
    waiting.this = Value::Undefined;
    if args.count > 1 {
        waiting.out = machine.arg(args, 1);
        return machine.begin(waiting);
    }
    loop {
        if waiting.index >= waiting.len {
            return type_error("Reduce of empty array with no initial value");
        }
        let index = if kind == Kind::Reduce { waiting.index } else { waiting.len - 1 - waiting.index };
        waiting.index += 1;
        match machine.heap.element(at, index as usize) {
            Value::Hole => {}
            value => {
                waiting.out = value;
                return machine.begin(waiting);
            }
        }
    }
}

fn sort(machine: &mut Machine, args: &Args, at: HeapRef, out: Value) -> Result {
    let comparator = machine.arg(args, 0);
    let elements = machine.heap.elements(at);
    machine.heap.room(32 * elements.len() as u64)?;
    if !matches!(comparator, Value::Undefined) {
        if !machine.is_callable(&comparator) {
            return type_error("The comparison function must be either a function or undefined");
        }
        let mut waiting = Waiting::over(machine, args, Kind::Sort)?;
        waiting.this = Value::Undefined;
        waiting.out = out;
        waiting.sorting = Some(Box::new(Sorting::of(elements)));
        return machine.begin(waiting);
    }
    let (compared, uncompared) = Uncompared::split(elements);
    let mut keyed = Vec::with_capacity(compared.len());
    for value in compared {
        keyed.push((machine.sort_text(&value)?, value));
    }
    // Each is compared about as often as the list can be halved.
    let units: u64 = keyed.iter().map(|(text, _)| 16 + text.len() as u64).sum();
    machine.owe(units * u64::from(keyed.len().max(2).ilog2()));
    sort_by(&mut keyed, |a, b| a.0.cmp(&b.0));
    let mut sorted = keyed.into_iter().map(|(_, value)| value).collect();
    uncompared.append_to(&mut sorted);
    if let Value::Ref(out) = out {
        machine.heap.set_elements(out, sorted);
    }
    Ok(Done::Value(out))
}

impl Machine {
    fn sort_text(&self, value: &Value) -> std::result::Result<Str, Raise> {
        if self.own_conversion(value, super::super::raise::Hint::Text).is_some() {
            return unsupported("objects with their own toString need a comparison function to be sorted");
        }
        self.text_of(value)
    }
}

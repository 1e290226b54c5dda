//! `Array`: making, changing, copying, and the functions that call back. Searching is in `search.rs`.

use super::super::builtin::{Args, Done, Row};
use super::super::callback::{Kind, Waiting};
use super::super::iterator::Yields;
use super::super::machine::Machine;
use super::super::raise::{Raise, range_error, type_error};
use super::super::sorting::Sorting;
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
        let values = (0..args.count).map(|i| machine.arg(args, i)).collect();
        Ok(list(machine, values))
    }),
    ("Array.from", 1, from),
    ("Array.prototype.push", 1, |machine, args| {
        let at = changed(machine, args)?;
        for index in 0..args.count {
            let value = machine.arg(args, index);
            machine.heap.push(at, value)?;
        }
        Ok((machine.heap.array_len(at) as f64).into())
    }),
    ("Array.prototype.pop", 0, |machine, args| {
        let at = changed(machine, args)?;
        Ok(Done::Value(machine.heap.pop(at)))
    }),
    ("Array.prototype.shift", 0, |machine, args| {
        let at = changed(machine, args)?;
        Ok(Done::Value(machine.heap.shift(at)))
    }),
    ("Array.prototype.unshift", 1, |machine, args| {
        let at = changed(machine, args)?;
        let mut values: Vec<Value> = (0..args.count).map(|i| machine.arg(args, i)).collect();
        values.extend(machine.heap.elements(at));
        machine.heap.room(16 * values.len() as u64)?;
        machine.heap.set_elements(at, values);
        Ok((machine.heap.array_len(at) as f64).into())
    }),
    ("Array.prototype.splice", 2, |machine, args| {
        let at = changed(machine, args)?;
        let (kept, removed) = spliced(machine, args, at)?;
        machine.heap.set_elements(at, kept);
        Ok(list(machine, removed))
    }),
    ("Array.prototype.toSpliced", 2, |machine, args| {
        let (kept, _) = spliced(machine, args, this(machine, args)?)?;
        Ok(list(machine, kept.into_iter().map(Value::or_undefined).collect()))
    }),
    ("Array.prototype.reverse", 0, |machine, args| {
        let at = changed(machine, args)?;
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
        let at = changed(machine, args)?;
        let len = machine.heap.array_len(at);
        let (from, to) = (machine.arg_place(args, 1, len, 0)?, machine.arg_place(args, 2, len, len)?);
        let value = machine.arg(args, 0);
        for index in from..to {
            machine.heap.set_element(at, index, value.clone())?;
        }
        Ok(Done::Value(args.this.clone()))
    }),
    ("Array.prototype.copyWithin", 2, |machine, args| {
        let at = changed(machine, args)?;
        let len = machine.heap.array_len(at);
        let to = machine.arg_place(args, 0, len, 0)?;
        let (from, end) = (machine.arg_place(args, 1, len, 0)?, machine.arg_place(args, 2, len, len)?);
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
        let at = changed(machine, args)?;
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
        _ => type_error("Array.prototype method called on what is no array"),
    }
}

/// The array that a method is called on, which it will change.
fn changed(machine: &Machine, args: &Args) -> std::result::Result<HeapRef, Raise> {
    let at = this(machine, args)?;
    machine.heap.room(0)?;
    if machine.heap.array(at).is_some_and(|array| array.frozen) {
        return type_error("Cannot change a frozen array: object is not extensible");
    }
    Ok(at)
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

fn from(machine: &mut Machine, args: &Args) -> Result {
    let source = machine.arg(args, 0);
    let values = match machine.receiver(&source) {
        // An object with a length, as in `Array.from({ length: 3 }, …)`.
        Some(super::super::builtin::Receiver::Object) => {
            let len = machine.number_of(&machine.property(&source, &Value::text("length"))?)?;
            let len = super::super::number::to_integer(len).max(0.0);
            if len > super::super::array::MAX_LENGTH as f64 {
                return range_error("Invalid array length");
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
    let shifted = Args { this: Value::Ref(array), base: args.base + 1, count: args.count - 1, ..args.clone() };
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
    let mut sorting = Sorting::of(elements);
    let mut keyed = Vec::with_capacity(sorting.from.len());
    for value in &sorting.from {
        keyed.push((machine.sort_text(value)?, value.clone()));
    }
    // Each is compared about as often as the list can be halved.
    let units: u64 = keyed.iter().map(|(text, _)| 16 + text.len() as u64).sum();
    machine.owe(units * u64::from(keyed.len().max(2).ilog2()));
    sort_by(&mut keyed, |a, b| a.0.cmp(&b.0));
    sorting.from = keyed.into_iter().map(|(_, value)| value).collect();
    if let Value::Ref(out) = out {
        machine.heap.set_elements(out, sorting.finished());
    }
    Ok(Done::Value(out))
}

impl Machine {
    fn sort_text(&self, value: &Value) -> std::result::Result<Str, Raise> {
        if self.own_conversion(value, super::super::raise::Hint::Text).is_some() {
            return type_error("objects with their own toString need a comparison function to be sorted");
        }
        self.text_of(value)
    }
}

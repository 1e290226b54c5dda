//! `String`. What needs regular expressions is in `regexp.rs`.

use super::super::builtin::{Args, Done, Row};
use super::super::callback::{Kind, Waiting};
use super::super::convert::Units;
use super::super::iterator::text_at;
use super::super::machine::Machine;
use super::super::number::{is_space, trimmed};
use super::super::raise::{Raise, range_error, type_error};
use super::super::text::Str;
use super::super::value::Value;
use crate::value::{lower_case, upper_case};

type Result = std::result::Result<Done, Raise>;

pub(super) static ROWS: &[Row] = &[
    ("String", 1, |machine, args| Ok(if args.count == 0 { Str::empty() } else { machine.arg_text(args, 0)? }.into())),
    ("String.fromCharCode", 1, |machine, args| {
        let mut text = Units::default();
        for index in 0..args.count {
            text.push_unit(super::super::number::to_int32(machine.arg_number(args, index)?) as u16);
        }
        Ok(text.text().into())
    }),
    ("String.fromCodePoint", 1, |machine, args| {
        let mut text = Units::default();
        for index in 0..args.count {
            let n = machine.arg_number(args, index)?;
            if !(0.0..=1_114_111.0).contains(&n) || n.fract() != 0.0 {
                return range_error(format!("Invalid code point {}", machine.arg_text(args, index)?));
            }
            let code = n as u32;
            match code.checked_sub(0x10000) {
                None => text.push_unit(code as u16),
                Some(rest) => {
                    text.push_unit(0xd800 + (rest >> 10) as u16);
                    text.push_unit(0xdc00 + (rest & 0x3ff) as u16);
                }
            }
        }
        Ok(text.text().into())
    }),
    ("String.prototype.at", 1, |machine, args| {
        let text = this(machine, args)?;
        let index = machine.arg_integer(args, 0, 0.0)?;
        let index = if index < 0.0 { index + text.len() as f64 } else { index };
        Ok(Done::Value(match text.unit(index as usize) {
            Some(unit) if index >= 0.0 => Value::Text(Str::single(unit)),
            _ => Value::Undefined,
        }))
    }),
    ("String.prototype.charAt", 1, |machine, args| {
        let (text, index) = (this(machine, args)?, machine.arg_integer(args, 0, 0.0)?);
        let unit = if index < 0.0 { None } else { text.unit(index as usize) };
        Ok(unit.map_or_else(Str::empty, Str::single).into())
    }),
    ("String.prototype.charCodeAt", 1, |machine, args| {
        let (text, index) = (this(machine, args)?, machine.arg_integer(args, 0, 0.0)?);
        let unit = if index < 0.0 { None } else { text.unit(index as usize) };
        Ok(unit.map_or(f64::NAN, f64::from).into())
    }),
    ("String.prototype.codePointAt", 1, |machine, args| {
        let (text, index) = (this(machine, args)?, machine.arg_integer(args, 0, 0.0)?);
        let character = if index < 0.0 { None } else { text_at(&text, index as usize) };
        Ok(Done::Value(match character.as_ref().map(|c| (c.unit(0), c.unit(1))) {
            Some((Some(high), Some(low))) => {
                Value::Number(f64::from(0x10000 + ((u32::from(high) & 0x3ff) << 10) + (u32::from(low) & 0x3ff)))
            }
            Some((Some(unit), None)) => Value::Number(f64::from(unit)),
            _ => Value::Undefined,
        }))
    }),
    ("String.prototype.concat", 1, |machine, args| {
        let mut text = this(machine, args)?;
        for index in 0..args.count {
            let part = machine.arg_text(args, index)?;
            text = machine.concat(&text, &part)?;
        }
        Ok(text.into())
    }),
    ("String.prototype.includes", 1, |machine, args| {
        let (text, wanted) = (this(machine, args)?, plain_text(machine, args, "includes")?);
        let from = machine.arg_integer(args, 1, 0.0)?.clamp(0.0, text.len() as f64) as usize;
        let found = text.units().find(wanted.units(), from);
        machine.owe((found.unwrap_or(text.len()).saturating_sub(from) + wanted.len()) as u64);
        Ok(found.is_some().into())
    }),
    ("String.prototype.indexOf", 1, |machine, args| {
        let (text, wanted) = (this(machine, args)?, machine.arg_text(args, 0)?);
        let from = machine.arg_integer(args, 1, 0.0)?.clamp(0.0, text.len() as f64) as usize;
        let found = text.units().find(wanted.units(), from);
        machine.owe((found.unwrap_or(text.len()).saturating_sub(from) + wanted.len()) as u64);
        Ok(found.map_or(-1.0, |i| i as f64).into())
    }),
    ("String.prototype.lastIndexOf", 1, |machine, args| {
        let (text, wanted) = (this(machine, args)?, machine.arg_text(args, 0)?);
        let from = machine.arg_number(args, 1)?;
        let from = if from.is_nan() { text.len() } else { from.clamp(0.0, text.len() as f64) as usize };
        let found = text.units().find_last(wanted.units(), from);
        machine.owe((from.saturating_sub(found.unwrap_or(0)) + wanted.len()) as u64);
        Ok(found.map_or(-1.0, |i| i as f64).into())
    }),
    ("String.prototype.startsWith", 1, |machine, args| {
        let (text, wanted) = (this(machine, args)?, plain_text(machine, args, "startsWith")?);
        let from = machine.arg_integer(args, 1, 0.0)?.clamp(0.0, text.len() as f64) as usize;
        Ok(text.units().starts_with_at(wanted.units(), from).into())
    }),
    ("String.prototype.endsWith", 1, |machine, args| {
        let (text, wanted) = (this(machine, args)?, plain_text(machine, args, "endsWith")?);
        let end = machine.arg_integer(args, 1, text.len() as f64)?.clamp(0.0, text.len() as f64) as usize;
        let start = end.checked_sub(wanted.len());
        Ok(start.is_some_and(|start| text.units().starts_with_at(wanted.units(), start)).into())
    }),
    ("String.prototype.padStart", 2, |machine, args| {
        let (text, padding) = (this(machine, args)?, padding(machine, args)?);
        cut(machine, Str::concat(&padding, &text))
    }),
    ("String.prototype.padEnd", 2, |machine, args| {
        let (text, padding) = (this(machine, args)?, padding(machine, args)?);
        cut(machine, Str::concat(&text, &padding))
    }),
    ("String.prototype.repeat", 1, |machine, args| {
        let (text, count) = (this(machine, args)?, machine.arg_integer(args, 0, 0.0)?);
        if count < 0.0 || count.is_infinite() {
            return range_error(format!("Invalid count value: {}", machine.arg_text(args, 0)?));
        }
        let len = text.len() as f64 * count;
        machine.check_text(len.min(f64::from(u32::MAX)) as usize)?;
        machine.heap.room(len as u64)?;
        cut(machine, repeated(&text, len as usize))
    }),
    ("String.prototype.slice", 2, |machine, args| {
        let text = this(machine, args)?;
        let len = text.len();
        let (from, to) = (machine.arg_place(args, 0, len, 0)?, machine.arg_place(args, 1, len, len)?);
        cut(machine, text.slice(from, to.max(from)))
    }),
    ("String.prototype.substring", 2, |machine, args| {
        let text = this(machine, args)?;
        let len = text.len() as f64;
        let from = machine.arg_integer(args, 0, 0.0)?.clamp(0.0, len) as usize;
        let to = machine.arg_integer(args, 1, len)?.clamp(0.0, len) as usize;
        cut(machine, text.slice(from.min(to), from.max(to)))
    }),
    ("String.prototype.substr", 2, |machine, args| {
        let text = this(machine, args)?;
        let from = machine.arg_place(args, 0, text.len(), 0)?;
        let rest = (text.len() - from) as f64;
        let count = machine.arg_integer(args, 1, rest)?.clamp(0.0, rest) as usize;
        cut(machine, text.slice(from, from + count))
    }),
    ("String.prototype.toLowerCase", 0, |machine, args| case(machine, args, lower_case)),
    ("String.prototype.toUpperCase", 0, |machine, args| case(machine, args, upper_case)),
    ("String.prototype.trim", 0, |machine, args| {
        let text = this(machine, args)?;
        let (from, to) = trimmed(text.units());
        cut(machine, text.slice(from, to))
    }),
    ("String.prototype.trimStart", 0, |machine, args| {
        let text = this(machine, args)?;
        let from = text.units().iter().take_while(|unit| is_space(*unit)).count();
        cut(machine, text.slice(from, text.len()))
    }),
    ("String.prototype.trimEnd", 0, |machine, args| {
        let text = this(machine, args)?;
        let to = (0..text.len()).rev().find(|at| !text.unit(*at).is_some_and(is_space)).map_or(0, |at| at + 1);
        cut(machine, text.slice(0, to))
    }),
    ("String.prototype.toString", 0, |machine, args| Ok(this(machine, args)?.into())),
    ("String.prototype.valueOf", 0, |machine, args| Ok(this(machine, args)?.into())),
    ("String.prototype.split", 2, |machine, args| {
        let text = this(machine, args)?;
        let limit = match machine.arg(args, 1) {
            Value::Undefined => u32::MAX,
            _ => super::super::number::to_int32(machine.arg_number(args, 1)?) as u32,
        };
        let walked = text.len() as u64;
        let parts = match machine.arg(args, 0) {
            Value::Undefined => vec![Value::Text(text)],
            separator if machine.is_regexp(&separator) => machine.split_by_regexp(&text, &separator)?,
            _ => split(machine, &text, &machine.arg_text(args, 0)?, limit as usize)?,
        };
        let parts: Vec<Value> = parts.into_iter().take(limit as usize).collect();
        machine.owe(walked + 16 * parts.len() as u64);
        machine.heap.room(64 * parts.len() as u64)?;
        Ok(Done::Value(Value::Ref(machine.heap.new_array(parts))))
    }),
    ("String.prototype.replace", 2, |machine, args| replace(machine, args, false)),
    ("String.prototype.replaceAll", 2, |machine, args| replace(machine, args, true)),
];

/// The text that a method is called on.
pub(super) fn this(machine: &Machine, args: &Args) -> std::result::Result<Str, Raise> {
    match &args.this {
        Value::Text(text) => Ok(text.clone()),
        Value::Undefined | Value::Null => type_error("String.prototype method called on null or undefined"),
        value => machine.text_of(value),
    }
}

/// A result that was cut out of another text or made anew: its length counts.
fn cut(machine: &mut Machine, text: Str) -> Result {
    machine.check_text(text.len())?;
    machine.heap.charge(text.len() as u64);
    machine.owe(text.len() as u64);
    Ok(text.into())
}

fn plain_text(machine: &Machine, args: &Args, method: &str) -> std::result::Result<Str, Raise> {
    if machine.is_regexp(&machine.arg(args, 0)) {
        return type_error(format!("First argument to String.prototype.{method} must not be a regular expression"));
    }
    machine.arg_text(args, 0)
}

/// `text` again and again, `len` units in all.
fn repeated(text: &Str, len: usize) -> Str {
    let mut built = Units::default();
    while !text.is_empty() && built.len() + text.len() <= len {
        built.push(text);
    }
    built.push(&text.slice(0, len.saturating_sub(built.len())));
    built.text()
}

fn padding(machine: &Machine, args: &Args) -> std::result::Result<Str, Raise> {
    let len = machine.arg_integer(args, 0, 0.0)?.max(0.0);
    let filler = match machine.arg(args, 1) {
        Value::Undefined => Str::single(32),
        _ => machine.arg_text(args, 1)?,
    };
    let missing = len - this(machine, args)?.len() as f64;
    if missing <= 0.0 || filler.is_empty() {
        return Ok(Str::empty());
    }
    machine.check_text(len.min(f64::from(u32::MAX)) as usize)?;
    machine.heap.room(missing as u64)?;
    Ok(repeated(&filler, missing as usize))
}

fn case(machine: &mut Machine, args: &Args, change: fn(&str) -> String) -> Result {
    let text = this(machine, args)?;
    let mut changed = Units::default();
    // Lone surrogates stay what they are; everything between them changes as a whole (final sigma, ß).
    let mut run = String::new();
    for decoded in char::decode_utf16(text.units().iter()) {
        match decoded {
            Ok(character) => run.push(character),
            Err(lone) => {
                changed.push_str(&change(&run));
                run.clear();
                changed.push_unit(lone.unpaired_surrogate());
            }
        }
    }
    changed.push_str(&change(&run));
    cut(machine, changed.text())
}

fn split(machine: &Machine, text: &Str, separator: &Str, limit: usize) -> std::result::Result<Vec<Value>, Raise> {
    if separator.is_empty() {
        let count = text.len().min(limit);
        machine.heap.room(64 * count as u64)?;
        return Ok(text.units().iter().take(count).map(|unit| Value::Text(Str::single(unit))).collect());
    }
    let mut parts = Vec::new();
    let mut from = 0;
    while parts.len() < limit
        && let Some(at) = text.units().find(separator.units(), from)
    {
        parts.push(Value::Text(text.slice(from, at)));
        machine.heap.room(64 * parts.len() as u64)?;
        from = at + separator.len();
    }
    parts.push(Value::Text(text.slice(from, text.len())));
    Ok(parts)
}

/// A place that is replaced, with the groups of the pattern.
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) groups: Vec<Value>,
    /// An object of the named groups, or undefined.
    pub(super) named: Value,
}

fn replace(machine: &mut Machine, args: &Args, all: bool) -> Result {
    let text = this(machine, args)?;
    let pattern = machine.arg(args, 0);
    let found = if machine.is_regexp(&pattern) {
        machine.found_by_regexp(&text, &pattern, all)?
    } else {
        let wanted = machine.arg_text(args, 0)?;
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(start) = text.units().find(wanted.units(), from) {
            let end = start + wanted.len();
            found.push(Found { start, end, groups: Vec::new(), named: Value::Undefined });
            machine.heap.room(64 * found.len() as u64)?;
            from = end.max(start + 1);
            if !all || from > text.len() {
                break;
            }
        }
        found
    };
    let by = machine.arg(args, 1);
    if machine.is_callable(&by) {
        return replace_by_function(machine, args, &text, found);
    }
    let template = machine.arg_text(args, 1)?;
    let mut out = Units::default();
    let mut from = 0;
    for place in &found {
        out.push(&text.slice(from, place.start));
        expand(machine, &mut out, &text, place, &template)?;
        from = place.end;
        machine.check_text(out.len())?;
    }
    out.push(&text.slice(from, text.len()));
    cut(machine, out.text())
}

/// Puts a replacement in, `$1` and the like filled.
fn expand(
    machine: &Machine,
    out: &mut Units,
    text: &Str,
    place: &Found,
    template: &Str,
) -> std::result::Result<(), Raise> {
    let units = template.units();
    let mut at = 0;
    let group = |number: usize| match place.groups.get(number.wrapping_sub(1)) {
        Some(Value::Text(group)) => group.clone(),
        _ => Str::empty(),
    };
    let digit = |at: usize| units.get(at).filter(|u| (48..58).contains(u)).map(|u| usize::from(u - 48));
    while at < template.len() {
        // A template may repeat the whole text again and again.
        machine.check_text(out.len())?;
        let unit = units.get(at).unwrap_or(0);
        if unit != u16::from(b'$') {
            out.push_unit(unit);
            at += 1;
            continue;
        }
        match units.get(at + 1).and_then(|u| u8::try_from(u).ok()) {
            Some(b'$') => out.push_unit(unit),
            Some(b'&') => out.push(&text.slice(place.start, place.end)),
            Some(b'`') => out.push(&text.slice(0, place.start)),
            Some(b'\'') => out.push(&text.slice(place.end, text.len())),
            Some(b'0'..=b'9') => {
                let one = digit(at + 1).unwrap_or(0);
                let two = digit(at + 2).map(|second| one * 10 + second);
                match two {
                    Some(two) if (1..=place.groups.len()).contains(&two) => {
                        out.push(&group(two));
                        at += 1;
                    }
                    _ if (1..=place.groups.len()).contains(&one) => out.push(&group(one)),
                    _ => {
                        out.push_unit(unit);
                        at += 1;
                        continue;
                    }
                }
            }
            Some(b'<') if !matches!(place.named, Value::Undefined) => {
                match units.find(super::super::text::Units::Latin(b">"), at + 2) {
                    None => {
                        out.push_unit(unit);
                        at += 1;
                        continue;
                    }
                    Some(end) => {
                        let name = Value::Text(template.slice(at + 2, end));
                        match machine.property(&place.named, &name)? {
                            Value::Undefined => {}
                            value => out.push(&machine.text_of(&value)?),
                        }
                        at = end + 1;
                        continue;
                    }
                }
            }
            _ => {
                out.push_unit(unit);
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    Ok(())
}

/// Lists what the function will be called with; the calls are made one by one.
fn replace_by_function(machine: &mut Machine, args: &Args, text: &Str, found: Vec<Found>) -> Result {
    let calls = machine.heap.new_array(Vec::new());
    let len = found.len() as u32;
    for place in found {
        let mut call = vec![Value::Text(text.slice(place.start, place.end))];
        call.extend(place.groups);
        // The text itself is put in when the call is made: written with every call, it would outweigh everything.
        call.extend([Value::Number(place.start as f64), Value::Null]);
        if !matches!(place.named, Value::Undefined) {
            call.push(place.named);
        }
        let call = machine.heap.new_array(call);
        machine.heap.push(calls, Value::Ref(call))?;
    }
    let out = machine.empty_array();
    let waiting = Waiting {
        kind: Kind::Replace,
        bottom: args.bottom as u32,
        top: machine.stack.len() as u32,
        return_pc: args.return_pc,
        callback: machine.arg(args, 1),
        this: Value::Undefined,
        source: Value::Ref(calls),
        index: 0,
        len,
        out,
        item: Value::Text(text.clone()),
        sorting: None,
    };
    machine.begin(waiting)
}

/// The text after all calls of a replacing function.
pub(in super::super) fn replaced(machine: &mut Machine, waiting: &Waiting) -> std::result::Result<Value, Raise> {
    let (Value::Ref(calls), Value::Ref(results), Value::Text(text)) = (&waiting.source, &waiting.out, &waiting.item)
    else {
        return Err(Raise::Internal("a replacement without its text"));
    };
    let mut out = Units::default();
    let mut from = 0;
    for index in 0..machine.heap.array_len(*calls) {
        let Value::Ref(call) = machine.heap.element(*calls, index) else { continue };
        let call = machine.heap.elements(call);
        // The place stands behind the groups, which are texts or undefined.
        let start = call.iter().find_map(|v| if let Value::Number(n) = v { Some(*n as usize) } else { None });
        let (Some(Value::Text(matched)), Some(start)) = (call.first(), start) else { continue };
        out.push(&text.slice(from, start));
        if let Value::Text(by) = machine.heap.element(*results, index) {
            out.push(&by);
        }
        from = start + matched.len();
        machine.check_text(out.len())?;
    }
    out.push(&text.slice(from, text.len()));
    let text = out.text();
    machine.heap.charge(text.len() as u64);
    Ok(Value::Text(text))
}

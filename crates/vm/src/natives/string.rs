//! `String`. ECMA-262 §22.1 String Objects. Methods that need regular expressions are in `regexp.rs`.

use runstate_value::{lower_case, upper_case};

use super::super::abrupt_completion::{Completion, internal, range_error, type_error, unsupported};
use super::super::callback::{CallbackMethod, NativeFrame};
use super::super::conversion::StrBuilder;
use super::super::machine::Machine;
use super::super::number::{is_space, trim_range};
use super::super::text::Str;
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult, regexp};
use crate::object::code_point_at;
use crate::{callback, conversion, property, work};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §22.1.2.4 String.raw. Deviation: `raw` must be an array.
    ("String.raw", 1, |machine, args| {
        let raw = property::property(machine, &super::arg(machine, args, 0), &Value::text("raw"))?;
        let raw = match raw {
            Value::Ref(raw) if machine.heap.array(raw).is_some() => raw,
            _ => return unsupported("String.raw takes the strings of a template here"),
        };
        let mut built = StrBuilder::default();
        for index in 0..machine.heap.array_len(raw) {
            if index > 0 && index < args.count {
                built.push(&super::arg_text(machine, args, index)?);
            }
            built.push(&conversion::to_text(machine, &machine.heap.element(raw, index))?);
            conversion::check_text_length(machine, built.len())?;
        }
        Ok(built.build().into())
    }),
    // ECMA-262 §22.1.1.1 String.
    ("String", 1, |machine, args| {
        if let Value::Symbol(symbol) = super::arg(machine, args, 0) {
            return Ok(Str::new(&symbol.text(&machine.heap)).into());
        }
        Ok(if args.count == 0 { Str::empty() } else { super::arg_text(machine, args, 0)? }.into())
    }),
    // ECMA-262 §22.1.2.1 String.fromCharCode.
    ("String.fromCharCode", 1, |machine, args| {
        let mut text = StrBuilder::default();
        for index in 0..args.count {
            text.push_unit(super::super::number::to_int32(super::arg_number(machine, args, index)?) as u16);
        }
        Ok(text.build().into())
    }),
    // ECMA-262 §22.1.2.2 String.fromCodePoint.
    ("String.fromCodePoint", 1, |machine, args| {
        let mut text = StrBuilder::default();
        for index in 0..args.count {
            let n = super::arg_number(machine, args, index)?;
            if !(0.0..=1_114_111.0).contains(&n) || n.fract() != 0.0 {
                return range_error(format!("Invalid code point {}", super::arg_text(machine, args, index)?));
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
        Ok(text.build().into())
    }),
    // ECMA-262 §22.1.3.1 String.prototype.at.
    ("String.prototype.at", 1, |machine, args| {
        let text = this_text(machine, args)?;
        let index = super::arg_integer(machine, args, 0, 0.0)?;
        let index = if index < 0.0 { index + text.len() as f64 } else { index };
        Ok(NativeOutcome::Value(match text.unit(index as usize) {
            Some(unit) if index >= 0.0 => Value::Text(Str::single(unit)),
            _ => Value::Undefined,
        }))
    }),
    // ECMA-262 §22.1.3.2 String.prototype.charAt.
    ("String.prototype.charAt", 1, |machine, args| {
        let (text, index) = (this_text(machine, args)?, super::arg_integer(machine, args, 0, 0.0)?);
        let unit = if index < 0.0 { None } else { text.unit(index as usize) };
        Ok(unit.map_or_else(Str::empty, Str::single).into())
    }),
    // ECMA-262 §22.1.3.3 String.prototype.charCodeAt.
    ("String.prototype.charCodeAt", 1, |machine, args| {
        let (text, index) = (this_text(machine, args)?, super::arg_integer(machine, args, 0, 0.0)?);
        let unit = if index < 0.0 { None } else { text.unit(index as usize) };
        Ok(unit.map_or(f64::NAN, f64::from).into())
    }),
    // ECMA-262 §22.1.3.4 String.prototype.codePointAt.
    ("String.prototype.codePointAt", 1, |machine, args| {
        let (text, index) = (this_text(machine, args)?, super::arg_integer(machine, args, 0, 0.0)?);
        let character = if index < 0.0 { None } else { code_point_at(&text, index as usize) };
        Ok(NativeOutcome::Value(match character.as_ref().map(|c| (c.unit(0), c.unit(1))) {
            Some((Some(high), Some(low))) => {
                Value::Number(f64::from(0x10000 + ((u32::from(high) & 0x3ff) << 10) + (u32::from(low) & 0x3ff)))
            }
            Some((Some(unit), None)) => Value::Number(f64::from(unit)),
            _ => Value::Undefined,
        }))
    }),
    // ECMA-262 §22.1.3.5 String.prototype.concat.
    ("String.prototype.concat", 1, |machine, args| {
        let mut text = this_text(machine, args)?;
        for index in 0..args.count {
            let part = super::arg_text(machine, args, index)?;
            text = conversion::concat(machine, &text, &part)?;
        }
        Ok(text.into())
    }),
    // ECMA-262 §22.1.3.8 String.prototype.includes.
    ("String.prototype.includes", 1, |machine, args| {
        let (text, needle) = (this_text(machine, args)?, search_text_arg(machine, args, "includes")?);
        let from = super::arg_length(machine, args, 1, 0, text.len())?;
        let found = text.units().find(needle.units(), from);
        Ok(found.is_some().into())
    }),
    // ECMA-262 §22.1.3.9 String.prototype.indexOf.
    ("String.prototype.indexOf", 1, |machine, args| {
        let (text, needle) = (this_text(machine, args)?, super::arg_text(machine, args, 0)?);
        let from = super::arg_length(machine, args, 1, 0, text.len())?;
        let found = text.units().find(needle.units(), from);
        Ok(found.map_or(-1.0, |i| i as f64).into())
    }),
    // ECMA-262 §22.1.3.11 String.prototype.lastIndexOf.
    ("String.prototype.lastIndexOf", 1, |machine, args| {
        let (text, needle) = (this_text(machine, args)?, super::arg_text(machine, args, 0)?);
        let from = super::arg_number(machine, args, 1)?;
        let from = if from.is_nan() { text.len() } else { (from as usize).min(text.len()) };
        let found = text.units().find_last(needle.units(), from);
        Ok(found.map_or(-1.0, |i| i as f64).into())
    }),
    // ECMA-262 §22.1.3.24 String.prototype.startsWith.
    ("String.prototype.startsWith", 1, |machine, args| {
        let (text, needle) = (this_text(machine, args)?, search_text_arg(machine, args, "startsWith")?);
        let from = super::arg_length(machine, args, 1, 0, text.len())?;
        work::count_text(needle.len());
        Ok(text.units().starts_with_at(needle.units(), from).into())
    }),
    // ECMA-262 §22.1.3.7 String.prototype.endsWith.
    ("String.prototype.endsWith", 1, |machine, args| {
        let (text, needle) = (this_text(machine, args)?, search_text_arg(machine, args, "endsWith")?);
        let end = super::arg_length(machine, args, 1, text.len(), text.len())?;
        let start = end.checked_sub(needle.len());
        work::count_text(needle.len());
        Ok(start.is_some_and(|start| text.units().starts_with_at(needle.units(), start)).into())
    }),
    // ECMA-262 §22.1.3.17 String.prototype.padStart.
    ("String.prototype.padStart", 2, |machine, args| {
        let (text, padding) = (this_text(machine, args)?, build_padding(machine, args)?);
        return_text(machine, Str::concat(&padding, &text))
    }),
    // ECMA-262 §22.1.3.16 String.prototype.padEnd.
    ("String.prototype.padEnd", 2, |machine, args| {
        let (text, padding) = (this_text(machine, args)?, build_padding(machine, args)?);
        return_text(machine, Str::concat(&text, &padding))
    }),
    // ECMA-262 §22.1.3.18 String.prototype.repeat.
    ("String.prototype.repeat", 1, |machine, args| {
        let (text, count) = (this_text(machine, args)?, super::arg_integer(machine, args, 0, 0.0)?);
        if count < 0.0 || count.is_infinite() {
            return range_error(format!("Invalid count value: {}", super::arg_text(machine, args, 0)?));
        }
        let len = text.len() as f64 * count;
        conversion::check_text_length(machine, len.min(f64::from(u32::MAX)) as usize)?;
        machine.heap.check_room(len as u64)?;
        return_text(machine, repeat_to_length(&text, len as usize))
    }),
    // ECMA-262 §22.1.3.22 String.prototype.slice.
    ("String.prototype.slice", 2, |machine, args| {
        let text = this_text(machine, args)?;
        let len = text.len();
        let (from, to) = super::arg_range(machine, args, 0, len)?;
        return_text(machine, text.slice(from, to.max(from)))
    }),
    // ECMA-262 §22.1.3.25 String.prototype.substring.
    ("String.prototype.substring", 2, |machine, args| {
        let text = this_text(machine, args)?;
        let len = text.len();
        let from = super::arg_length(machine, args, 0, 0, len)?;
        let to = super::arg_length(machine, args, 1, len, len)?;
        return_text(machine, text.slice(from.min(to), from.max(to)))
    }),
    // ECMA-262 §B.2.2.1 String.prototype.substr.
    ("String.prototype.substr", 2, |machine, args| {
        let text = this_text(machine, args)?;
        let from = super::arg_relative_index(machine, args, 0, text.len(), 0)?;
        let rest = text.len() - from;
        let count = super::arg_length(machine, args, 1, rest, rest)?;
        return_text(machine, text.slice(from, from + count))
    }),
    // ECMA-262 §22.1.3.28 String.prototype.toLowerCase.
    ("String.prototype.toLowerCase", 0, |machine, args| change_case(machine, args, lower_case)),
    // ECMA-262 §22.1.3.30 String.prototype.toUpperCase.
    ("String.prototype.toUpperCase", 0, |machine, args| change_case(machine, args, upper_case)),
    // ECMA-402 §19.1.2 String.prototype.toLocaleLowerCase.
    ("String.prototype.toLocaleLowerCase", 0, |machine, args| {
        super::check_language(machine, args, 0)?;
        change_case(machine, args, lower_case)
    }),
    // ECMA-402 §19.1.3 String.prototype.toLocaleUpperCase.
    ("String.prototype.toLocaleUpperCase", 0, |machine, args| {
        super::check_language(machine, args, 0)?;
        change_case(machine, args, upper_case)
    }),
    // ECMA-262 §22.1.3.10 String.prototype.isWellFormed.
    ("String.prototype.isWellFormed", 0, |machine, args| {
        let text = this_text(machine, args)?;
        machine.charge_work(text.len() as u64);
        Ok(char::decode_utf16(text.units().iter()).all(|decoded| decoded.is_ok()).into())
    }),
    // ECMA-262 §22.1.3.31 String.prototype.toWellFormed.
    ("String.prototype.toWellFormed", 0, |machine, args| {
        let text = this_text(machine, args)?;
        return_text(machine, Str::new(&text.to_utf8()))
    }),
    // ECMA-262 §22.1.3.32 String.prototype.trim.
    ("String.prototype.trim", 0, |machine, args| {
        let text = this_text(machine, args)?;
        let (from, to) = trim_range(text.units());
        return_text(machine, text.slice(from, to))
    }),
    // ECMA-262 §22.1.3.34 String.prototype.trimStart.
    ("String.prototype.trimStart", 0, |machine, args| {
        let text = this_text(machine, args)?;
        let from = text.units().iter().take_while(|unit| is_space(*unit)).count();
        work::count_text(from);
        return_text(machine, text.slice(from, text.len()))
    }),
    // ECMA-262 §22.1.3.33 String.prototype.trimEnd.
    ("String.prototype.trimEnd", 0, |machine, args| {
        let text = this_text(machine, args)?;
        let to = (0..text.len()).rev().find(|at| !text.unit(*at).is_some_and(is_space)).map_or(0, |at| at + 1);
        work::count_text(text.len() - to);
        return_text(machine, text.slice(0, to))
    }),
    // ECMA-262 §22.1.3.29 String.prototype.toString.
    ("String.prototype.toString", 0, |_, args| own_text(args)),
    // ECMA-262 §22.1.3.35 String.prototype.valueOf.
    ("String.prototype.valueOf", 0, |_, args| own_text(args)),
    // ECMA-262 §22.1.3.23 String.prototype.split.
    ("String.prototype.split", 2, |machine, args| {
        let text = this_text(machine, args)?;
        let limit = match super::arg(machine, args, 1) {
            Value::Undefined => u32::MAX,
            _ => super::super::number::to_int32(super::arg_number(machine, args, 1)?) as u32,
        };
        let text_len = text.len() as u64;
        let parts = match super::arg(machine, args, 0) {
            Value::Undefined => vec![Value::Text(text)],
            separator if regexp::is_regexp(machine, &separator) => regexp::split_by_regexp(machine, &text, &separator)?,
            _ => split(machine, &text, &super::arg_text(machine, args, 0)?, limit as usize)?,
        };
        let parts: Vec<Value> = parts.into_iter().take(limit as usize).collect();
        machine.charge_work(text_len + 16 * parts.len() as u64);
        machine.heap.check_room(64 * parts.len() as u64)?;
        Ok(NativeOutcome::Value(Value::Ref(machine.heap.new_array(parts))))
    }),
    // ECMA-262 §22.1.3.19 String.prototype.replace.
    ("String.prototype.replace", 2, |machine, args| replace(machine, args, false)),
    // ECMA-262 §22.1.3.20 String.prototype.replaceAll.
    ("String.prototype.replaceAll", 2, |machine, args| replace(machine, args, true)),
];

/// The string that a method is called on. ECMA-262 §7.2.1 RequireObjectCoercible, then §7.1.17 ToString.
pub(super) fn this_text(machine: &Machine, args: &NativeArgs) -> Completion<Str> {
    match &args.this {
        Value::Text(text) => Ok(text.clone()),
        Value::Undefined | Value::Null => {
            // V8 uses the older names of two methods.
            let name = args.name().replace(".[", "[");
            let name = name.replace("trimStart", "trimLeft").replace("trimEnd", "trimRight");
            type_error(format!("{name} called on null or undefined"))
        }
        value => conversion::to_text(machine, value),
    }
}

/// The string itself. ECMA-262 §22.1.3.35.1 ThisStringValue.
fn own_text(args: &NativeArgs) -> NativeResult {
    match &args.this {
        Value::Text(text) => Ok(text.clone().into()),
        _ => type_error(format!("{} requires that 'this' be a String", args.name())),
    }
}

/// Returns a new string after checking and charging its length.
pub(super) fn return_text(machine: &mut Machine, text: Str) -> NativeResult {
    conversion::check_text_length(machine, text.len())?;
    machine.heap.charge(text.len() as u64);
    machine.charge_work(text.len() as u64);
    Ok(text.into())
}

/// The first argument of a search. A regexp is an error. ECMA-262 §7.2.6 IsRegExp, then §7.1.17 ToString.
fn search_text_arg(machine: &Machine, args: &NativeArgs, method: &str) -> Completion<Str> {
    if regexp::is_regexp(machine, &super::arg(machine, args, 0)) {
        return type_error(format!("First argument to String.prototype.{method} must not be a regular expression"));
    }
    super::arg_text(machine, args, 0)
}

/// `text` repeated and truncated to `len` units. ECMA-262 §22.1.3.17.2 StringPad.
fn repeat_to_length(text: &Str, len: usize) -> Str {
    let mut built = StrBuilder::default();
    while !text.is_empty() && built.len() + text.len() <= len {
        built.push(text);
    }
    built.push(&text.slice(0, len.saturating_sub(built.len())));
    built.build()
}

/// The padding for the first two arguments. ECMA-262 §22.1.3.17.1 StringPaddingBuiltinsImpl.
fn build_padding(machine: &Machine, args: &NativeArgs) -> Completion<Str> {
    let len = super::arg_integer(machine, args, 0, 0.0)?.max(0.0);
    let missing = len - this_text(machine, args)?.len() as f64;
    let filler = match super::arg(machine, args, 1) {
        _ if missing <= 0.0 => Str::empty(),
        Value::Undefined => Str::single(32),
        _ => super::arg_text(machine, args, 1)?,
    };
    if filler.is_empty() {
        return Ok(filler);
    }
    conversion::check_text_length(machine, len.min(f64::from(u32::MAX)) as usize)?;
    machine.heap.check_room(missing as u64)?;
    Ok(repeat_to_length(&filler, missing as usize))
}

/// ECMA-262 §22.1.3.28 String.prototype.toLowerCase and §22.1.3.30 String.prototype.toUpperCase, by the mappings of
/// Unicode 17.
fn change_case(machine: &mut Machine, args: &NativeArgs, change: fn(&str) -> String) -> NativeResult {
    let text = this_text(machine, args)?;
    let mut changed = StrBuilder::default();
    // Lone surrogates stay unchanged. The text between them is converted as a whole, because mappings use context
    // (final sigma).
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
    return_text(machine, changed.build())
}

/// The parts between occurrences of a separator, at most `limit` and the rest. ECMA-262 §22.1.3.23
/// String.prototype.split.
fn split(machine: &Machine, text: &Str, separator: &Str, limit: usize) -> Completion<Vec<Value>> {
    if separator.is_empty() {
        let count = text.len().min(limit);
        machine.heap.check_room(64 * count as u64)?;
        return Ok(text.units().iter().take(count).map(|unit| Value::Text(Str::single(unit))).collect());
    }
    let mut parts = Vec::new();
    let mut from = 0;
    while parts.len() < limit
        && let Some(at) = text.units().find(separator.units(), from)
    {
        parts.push(Value::Text(text.slice(from, at)));
        machine.heap.check_room(64 * parts.len() as u64)?;
        from = at + separator.len();
    }
    parts.push(Value::Text(text.slice(from, text.len())));
    Ok(parts)
}

/// A match to replace, with the groups of the regexp.
pub(super) struct TextMatch {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) groups: Vec<Value>,
    /// An object of the named groups, or undefined.
    pub(super) named: Value,
    /// Positions of the groups, or undefined. Only matches with the flag `d` have them.
    pub(super) indices: Value,
}

/// ECMA-262 §22.1.3.19 String.prototype.replace, §22.1.3.20 String.prototype.replaceAll, §22.2.6.11 RegExp.prototype [
/// %Symbol.replace% ].
fn replace(machine: &mut Machine, args: &NativeArgs, all: bool) -> NativeResult {
    let text = this_text(machine, args)?;
    let pattern = super::arg(machine, args, 0);
    let is_regexp = regexp::is_regexp(machine, &pattern);
    if is_regexp && all {
        regexp::check_global(machine, &pattern)?;
    }
    let needle = if is_regexp { None } else { Some(super::arg_text(machine, args, 0)?) };
    // The template is converted before the search, which moves `lastIndex`.
    let is_function = conversion::is_callable(machine, &super::arg(machine, args, 1));
    let template = if is_function { None } else { Some(super::arg_text(machine, args, 1)?) };
    let matches = if let Some(needle) = needle {
        let mut matches = Vec::new();
        let mut from = 0;
        while let Some(start) = text.units().find(needle.units(), from) {
            let end = start + needle.len();
            matches.push(TextMatch {
                start,
                end,
                groups: Vec::new(),
                named: Value::Undefined,
                indices: Value::Undefined,
            });
            machine.heap.check_room(64 * matches.len() as u64)?;
            from = end.max(start + 1);
            if !all || from > text.len() {
                break;
            }
        }
        matches
    } else {
        regexp::find_matches(machine, &text, &pattern)?
    };
    let Some(template) = template else { return replace_by_function(machine, args, &text, matches) };
    let mut out = StrBuilder::default();
    let mut from = 0;
    for matched in &matches {
        out.push(&text.slice(from, matched.start));
        append_substitution(machine, &mut out, &text, matched, &template)?;
        from = matched.end;
        conversion::check_text_length(machine, out.len())?;
    }
    out.push(&text.slice(from, text.len()));
    return_text(machine, out.build())
}

/// Appends the replacement for a match, with `$1` and the like expanded. ECMA-262 §22.1.3.19.1 GetSubstitution.
fn append_substitution(
    machine: &Machine,
    out: &mut StrBuilder,
    text: &Str,
    matched: &TextMatch,
    template: &Str,
) -> Completion {
    let units = template.units();
    let mut at = 0;
    let group = |number: usize| match matched.groups.get(number.wrapping_sub(1)) {
        Some(Value::Text(group)) => group.clone(),
        _ => Str::empty(),
    };
    let digit = |at: usize| units.get(at).filter(|u| (48..58).contains(u)).map(|u| usize::from(u - 48));
    while at < template.len() {
        // A template may insert the whole text repeatedly.
        conversion::check_text_length(machine, out.len())?;
        let unit = units.get(at).unwrap_or(0);
        if unit != u16::from(b'$') {
            out.push_unit(unit);
            at += 1;
            continue;
        }
        let (part, length) = match units.get(at + 1).and_then(|u| u8::try_from(u).ok()) {
            Some(b'$') => (Str::single(unit), 2),
            Some(b'&') => (text.slice(matched.start, matched.end), 2),
            Some(b'`') => (text.slice(0, matched.start), 2),
            Some(b'\'') => (text.slice(matched.end, text.len()), 2),
            Some(b'0'..=b'9') => {
                let first_digit = digit(at + 1).unwrap_or(0);
                let two_digits = digit(at + 2).map(|second| first_digit * 10 + second);
                let is_group = |number: &usize| (1..=matched.groups.len()).contains(number);
                match two_digits.filter(is_group) {
                    Some(two_digits) => (group(two_digits), 3),
                    None if is_group(&first_digit) => (group(first_digit), 2),
                    None => (Str::single(unit), 1),
                }
            }
            Some(b'<')
                if !matches!(matched.named, Value::Undefined)
                    && let Some(end) = units.find(super::super::text::Units::Latin(b">"), at + 2) =>
            {
                let name = Value::Text(template.slice(at + 2, end));
                let part = match property::property(machine, &matched.named, &name)? {
                    Value::Undefined => Str::empty(),
                    value => conversion::to_text(machine, &value)?,
                };
                (part, end + 1 - at)
            }
            _ => (Str::single(unit), 1),
        };
        out.push(&part);
        at += length;
    }
    Ok(())
}

/// Prepares the arguments of all calls of a replacement function; the calls are then made one by one.
fn replace_by_function(machine: &mut Machine, args: &NativeArgs, text: &Str, matches: Vec<TextMatch>) -> NativeResult {
    let calls = machine.heap.new_array(Vec::new());
    let len = matches.len() as u32;
    for matched in matches {
        let mut call = vec![Value::Text(text.slice(matched.start, matched.end))];
        call.extend(matched.groups);
        // The call inserts the whole text. Stored with every call, it would dominate the size of the state.
        call.extend([Value::Number(matched.start as f64), Value::Null]);
        if !matches!(matched.named, Value::Undefined) {
            call.push(matched.named);
        }
        let call = machine.heap.new_array(call);
        machine.heap.push(calls, Value::Ref(call))?;
    }
    let out = callback::empty_array(machine);
    let frame = NativeFrame {
        callback: super::arg(machine, args, 1),
        source: Value::Ref(calls),
        len,
        out,
        item: Value::Text(text.clone()),
        ..NativeFrame::new(CallbackMethod::Replace, args.bottom, machine.stack.len(), args.return_pc)
    };
    callback::run_native(machine, frame)
}

/// The result after all calls of a replacement function.
pub(in super::super) fn finish_replace(machine: &mut Machine, frame: &NativeFrame) -> Completion<Value> {
    let (Value::Ref(calls), Value::Ref(results), Value::Text(text)) = (&frame.source, &frame.out, &frame.item) else {
        return internal("a replacement without its text");
    };
    let mut out = StrBuilder::default();
    let mut from = 0;
    for index in 0..machine.heap.array_len(*calls) {
        let Value::Ref(call) = machine.heap.element(*calls, index) else { continue };
        let call = machine.heap.elements(call);
        // The position follows the groups, which are strings or undefined.
        let start = call.iter().find_map(|v| if let Value::Number(n) = v { Some(*n as usize) } else { None });
        let (Some(Value::Text(matched)), Some(start)) = (call.first(), start) else { continue };
        out.push(&text.slice(from, start));
        if let Value::Text(replacement) = machine.heap.element(*results, index) {
            out.push(&replacement);
        }
        from = start.saturating_add(matched.len());
        conversion::check_text_length(machine, out.len())?;
    }
    out.push(&text.slice(from, text.len()));
    let text = out.build();
    machine.heap.charge(text.len() as u64);
    Ok(Value::Text(text))
}

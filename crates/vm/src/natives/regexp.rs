//! `RegExp`, and the methods of strings that take one. `regexp` does the matching.
//!
//! Deviation from ECMA-262 §22.2 RegExp: methods of strings call the built-in algorithms directly, because regexps have
//! neither subclasses nor `Symbol` methods.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::super::abrupt_completion::{AbruptCompletion, Completion, internal, type_error};
use super::super::entry::Entry;
use super::super::limits::ExceededLimit;
use super::super::machine::Machine;
use super::super::object::{ErrorKind, RegExp};
use super::super::regexp::{CaptureRanges, CompiledRegExp, MAX_LENGTH, MatchBudget, order_flags};
use super::super::table::TableKind;
use super::super::text::Str;
use super::super::value::{HeapRef, Value};
use super::string::{TextMatch, this_text};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::work::{self, UNITS_PER_INSTRUCTION};
use crate::{conversion, object, slow_path};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §22.2.4.1 RegExp.
    ("RegExp", 2, |machine, args| match (super::arg(machine, args, 0), super::arg(machine, args, 1)) {
        (argument, Value::Undefined) if is_regexp(machine, &argument) => Ok(NativeOutcome::Value(argument)),
        _ => construct_regexp(machine, args),
    }),
    // ECMA-262 §22.2.4.1 RegExp.
    ("new RegExp", 2, construct_regexp),
    // ECMA-262 §22.2.6.16 RegExp.prototype.test.
    ("RegExp.prototype.test", 1, |machine, args| {
        let (regexp, text) = (this_regexp(machine, args)?, super::arg_text(machine, args, 0)?);
        Ok(next_match(machine, regexp, &text)?.is_some().into())
    }),
    // ECMA-262 §22.2.6.2 RegExp.prototype.exec.
    ("RegExp.prototype.exec", 1, |machine, args| {
        let (regexp, text) = (this_regexp(machine, args)?, super::arg_text(machine, args, 0)?);
        let found = next_match(machine, regexp, &text)?;
        Ok(NativeOutcome::Value(match_array(machine, &text, found)))
    }),
    // ECMA-262 §22.2.6.17 RegExp.prototype.toString.
    ("RegExp.prototype.toString", 0, |machine, args| Ok(conversion::to_text(machine, &args.this)?.into())),
    // ECMA-262 §22.1.3.21 String.prototype.search and §22.2.6.12 RegExp.prototype [ %Symbol.search% ].
    ("String.prototype.search", 1, |machine, args| {
        let (text, regexp) = (this_text(machine, args)?, regexp_arg(machine, args, "")?);
        let (compiled, _) = regexp_at(machine, regexp)?;
        let sticky = has_flag(&compiled.flags, b'y');
        let found = with_match_budget(machine, &text, |budget| compiled.compiled.find(&text, 0, sticky, budget))?;
        let start = found.and_then(|captures| captures.into_iter().next()).flatten().map(|whole| whole.start);
        Ok(start.map_or(-1.0, |start| start as f64).into())
    }),
    // ECMA-262 §22.1.3.13 String.prototype.match and §22.2.6.8 RegExp.prototype [ %Symbol.match% ].
    ("String.prototype.match", 1, |machine, args| {
        let (text, regexp) = (this_text(machine, args)?, regexp_arg(machine, args, "")?);
        if !has_flag(&regexp_at(machine, regexp)?.0.flags, b'g') {
            let found = next_match(machine, regexp, &text)?;
            return Ok(NativeOutcome::Value(match_array(machine, &text, found)));
        }
        let found = find_matches(machine, &text, &Value::Ref(regexp))?;
        if found.is_empty() {
            return Ok(NativeOutcome::Value(Value::Null));
        }
        let texts = found.iter().map(|matched| Value::Text(text.slice(matched.start, matched.end))).collect();
        Ok(NativeOutcome::Value(Value::Ref(machine.heap.new_array(texts))))
    }),
    // ECMA-262 §22.1.3.14 String.prototype.matchAll and §22.2.6.9 RegExp.prototype [ %Symbol.matchAll% ].
    // Deviation: all matches are found before the first is returned.
    ("String.prototype.matchAll", 1, |machine, args| {
        let (text, regexp) = (this_text(machine, args)?, regexp_arg(machine, args, "g")?);
        if !has_flag(&regexp_at(machine, regexp)?.0.flags, b'g') {
            return type_error("String.prototype.matchAll called with a non-global RegExp argument");
        }
        // The matches are those of a copy: `lastIndex` says where they begin, and is not changed.
        let (copy, _) = regexp_at(machine, regexp)?;
        let found = global_matches(machine, &copy, copy.last_index.max(0.0) as usize, &text)?;
        let list = machine.heap.new_array(Vec::new());
        for matched in found {
            let array = match_array(machine, &text, Some(matched));
            machine.heap.push(list, array)?;
        }
        let iterator = object::new_iterator(&mut machine.heap, Value::Ref(list), crate::object::IterationKind::Matches);
        Ok(NativeOutcome::Value(Value::Ref(iterator)))
    }),
];

/// ECMA-262 §22.2.4.1 RegExp.
fn construct_regexp(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    let argument = super::arg(machine, args, 0);
    let (pattern, own_flags) = match &argument {
        Value::Ref(at) if is_regexp(machine, &argument) => match machine.heap.get(*at) {
            Entry::RegExp(regexp) => (regexp.source.clone(), regexp.flags.clone()),
            _ => (Str::empty(), Str::empty()),
        },
        Value::Undefined => (Str::new("(?:)"), Str::empty()),
        _ => (super::arg_text(machine, args, 0)?, Str::empty()),
    };
    let flags = match super::arg(machine, args, 1) {
        Value::Undefined => own_flags,
        _ => super::arg_text(machine, args, 1)?,
    };
    let pattern = if pattern.is_empty() { Str::new("(?:)") } else { pattern };
    work::count_text(pattern.len());
    if pattern.len() > MAX_LENGTH {
        // It is refused before it is copied, unless it has pairs of surrogates.
        compile(&pattern, &flags)?;
    }
    let source = escape_pattern(&pattern);
    if source != pattern {
        compile(&pattern, &flags)?;
    }
    new_regexp(machine, &Value::Text(source), &Value::Text(flags)).map(NativeOutcome::Value)
}

/// Number of new regexps that a thread remembers.
const RECENT_REGEXPS: usize = 8;

/// Weight of the largest regexp that is remembered.
const RECENT_WEIGHT: u64 = 16 << 10;

thread_local! {
    /// The newest regexps with their flags as they were given. A literal in a loop makes a regexp in each iteration:
    /// those share what it compiles to, which is larger than they are.
    static RECENT: RefCell<Vec<(Str, RegExp)>> = const { RefCell::new(Vec::new()) };
}

/// The compiled pattern with its flags in order, or SyntaxError. ECMA-262 §22.2.3.3 RegExpInitialize.
fn compile(source: &Str, flags: &Str) -> Completion<(CompiledRegExp, Str)> {
    let Some(flags) = order_flags(flags) else {
        let message = format!("Invalid flags supplied to RegExp constructor '{flags}'");
        return Err(AbruptCompletion::Error(ErrorKind::Syntax, message));
    };
    let compiled = CompiledRegExp::new(source, &flags).map_err(|error| {
        AbruptCompletion::Error(ErrorKind::Syntax, format!("Invalid regular expression: /{source}/{flags}: {error}"))
    })?;
    Ok((compiled, flags))
}

/// The pattern as a literal can hold it: slashes and line terminators are escaped. ECMA-262 §22.2.6.13.1
/// EscapeRegExpPattern.
fn escape_pattern(pattern: &Str) -> Str {
    let mut out = Vec::with_capacity(pattern.len());
    let (mut in_class, mut after_backslash) = (false, false);
    for unit in pattern.units().iter() {
        let line_end = match unit {
            0x0A => Some("n"),
            0x0D => Some("r"),
            0x2028 => Some("u2028"),
            0x2029 => Some("u2029"),
            _ => None,
        };
        let slash = unit == u16::from(b'/') && !in_class;
        if !after_backslash && (slash || line_end.is_some()) {
            out.push(u16::from(b'\\'));
        }
        match line_end {
            Some(name) => out.extend(name.encode_utf16()),
            None => out.push(unit),
        }
        match u8::try_from(unit) {
            _ if after_backslash => after_backslash = false,
            Ok(b'\\') => after_backslash = true,
            Ok(b'[') => in_class = true,
            Ok(b']') => in_class = false,
            _ => {}
        }
    }
    Str::from_units(&out)
}

fn this_regexp(machine: &Machine, args: &NativeArgs) -> Completion<HeapRef> {
    match args.this {
        Value::Ref(at) if matches!(machine.heap.get(at), Entry::RegExp(_)) => Ok(at),
        _ => super::incompatible_receiver(machine, args),
    }
}

/// The first argument as a regexp; other values are the source of a pattern. ECMA-262 §22.2.3.1 RegExpCreate.
fn regexp_arg(machine: &mut Machine, args: &NativeArgs, flags: &str) -> Completion<HeapRef> {
    let regexp = match super::arg(machine, args, 0) {
        Value::Ref(at) if is_regexp(machine, &Value::Ref(at)) => return Ok(at),
        Value::Undefined => new_regexp(machine, &Value::text("(?:)"), &Value::text(flags))?,
        _ => {
            let pattern = super::arg_text(machine, args, 0)?;
            new_regexp(machine, &Value::Text(pattern), &Value::text(flags))?
        }
    };
    match regexp {
        Value::Ref(at) => Ok(at),
        _ => internal("a regexp that is not an object"),
    }
}

pub(super) fn has_flag(flags: &Str, flag: u8) -> bool {
    flags.units().iter().any(|unit| unit == u16::from(flag))
}

fn group_text(text: &Str, range: Option<&Range<usize>>) -> Value {
    range.map_or(Value::Undefined, |range| Value::Text(text.slice(range.start, range.end)))
}

/// A new regexp, or SyntaxError. ECMA-262 §22.2.3.1 RegExpCreate.
pub(in super::super) fn new_regexp(machine: &mut Machine, pattern: &Value, flags: &Value) -> Completion<Value> {
    let (source, flags) = (conversion::to_text(machine, pattern)?, conversion::to_text(machine, flags)?);
    // Whether the thread remembers the regexp must not be observable.
    machine.charge_work(UNITS_PER_INSTRUCTION * source.len() as u64);
    let is_same =
        |(given, regexp): &&(Str, RegExp)| given.equals_uncounted(&flags) && regexp.source.equals_uncounted(&source);
    let found = RECENT.with_borrow(|recent| recent.iter().find(is_same).map(|(_, regexp)| regexp.clone()));
    let regexp = match found {
        Some(regexp) => regexp,
        None => {
            let (compiled, ordered) = compile(&source, &flags)?;
            let regexp = RegExp { source, flags: ordered, last_index: 0.0, compiled: Arc::new(compiled) };
            if regexp.source.weight() + regexp.compiled.weight() <= RECENT_WEIGHT {
                RECENT.with_borrow_mut(|recent| {
                    recent.truncate(RECENT_REGEXPS - 1);
                    recent.insert(0, (flags, regexp.clone()));
                });
            }
            regexp
        }
    };
    Ok(Value::Ref(machine.heap.allocate(Entry::RegExp(Box::new(regexp)))))
}

/// Whether the value is a regexp. ECMA-262 §7.2.6 IsRegExp.
pub(in super::super) fn is_regexp(machine: &Machine, value: &Value) -> bool {
    matches!(value, Value::Ref(at) if matches!(machine.heap.get(*at), Entry::RegExp(_)))
}

fn regexp_at(machine: &Machine, at: HeapRef) -> Completion<(RegExp, bool)> {
    match machine.heap.get(at) {
        Entry::RegExp(regexp) => {
            let remembers = has_flag(&regexp.flags, b'g') || has_flag(&regexp.flags, b'y');
            Ok(((**regexp).clone(), remembers))
        }
        _ => internal("a regexp operation on a value that is not a regexp"),
    }
}

/// The next match of `exec`. With `g` or `y` it starts at `lastIndex` and advances it. ECMA-262 §22.2.7.2
/// RegExpBuiltinExec.
fn next_match(machine: &mut Machine, at: HeapRef, text: &Str) -> Completion<Option<TextMatch>> {
    let (regexp, remembers) = regexp_at(machine, at)?;
    let from = if remembers { regexp.last_index.max(0.0) } else { 0.0 };
    let found = if from > text.len() as f64 {
        None
    } else {
        let sticky = has_flag(&regexp.flags, b'y');
        with_match_budget(machine, text, |budget| regexp.compiled.find(text, from as usize, sticky, budget))?
    };
    let captured: usize = found.iter().flatten().flatten().map(Range::len).sum();
    machine.heap.check_room(captured as u64)?;
    let found = found.map(|captures| build_match(machine, &regexp, captures, text));
    if remembers && let Some(Entry::RegExp(stored)) = machine.heap.get_mut(at) {
        stored.last_index = found.as_ref().map_or(0.0, |found| found.end as f64);
    }
    Ok(found)
}

/// Work of a step of a match.
const STEP_WORK: u64 = 2 * UNITS_PER_INSTRUCTION;

/// Matches within the limit of one call, and charges the steps as work.
fn with_match_budget<T>(
    machine: &mut Machine,
    text: &Str,
    find: impl FnOnce(&mut MatchBudget) -> Result<T, ExceededLimit>,
) -> Completion<T> {
    let mut budget = MatchBudget::for_text(machine.limits.match_steps, text, machine.heap.room());
    let result = find(&mut budget);
    machine.charge_work(STEP_WORK * budget.steps_taken());
    Ok(result?)
}

/// A match with its groups. ECMA-262 §22.2.7.2 RegExpBuiltinExec.
fn build_match(machine: &mut Machine, regexp: &RegExp, captures: CaptureRanges, text: &Str) -> TextMatch {
    machine.charge_work(captures.iter().flatten().map(|range| range.len() as u64).sum());
    let whole = captures.first().cloned().flatten().unwrap_or(0..0);
    let groups: Vec<Value> = captures.iter().skip(1).map(|range| group_text(text, range.as_ref())).collect();
    let named = named_groups(machine, regexp, &groups);
    let indices =
        if has_flag(&regexp.flags, b'd') { match_indices(machine, regexp, &captures) } else { Value::Undefined };
    TextMatch { start: whole.start, end: whole.end, groups, named, indices }
}

/// The positions of a match and its groups: an array with `groups`. ECMA-262 §22.2.7.8 MakeMatchIndicesIndexPairArray.
fn match_indices(machine: &mut Machine, regexp: &RegExp, captures: &[Option<Range<usize>>]) -> Value {
    let pair = |machine: &mut Machine, range: &Option<Range<usize>>| match range {
        None => Value::Undefined,
        Some(range) => {
            let ends = [range.start, range.end].map(|end| Value::Number(end as f64));
            Value::Ref(machine.heap.new_array(ends.to_vec()))
        }
    };
    let pairs: Vec<Value> = captures.iter().map(|range| pair(machine, range)).collect();
    let named = named_groups(machine, regexp, pairs.get(1..).unwrap_or(&[]));
    let array = machine.heap.new_array(pairs);
    machine.heap.table_set(array, TableKind::Main, Value::text("groups"), named);
    Value::Ref(array)
}

/// An object with the values of the named groups, or undefined. ECMA-262 §22.2.7.2 RegExpBuiltinExec.
fn named_groups(machine: &mut Machine, regexp: &RegExp, groups: &[Value]) -> Value {
    let names = regexp.compiled.names();
    let mut pairs: Vec<(Value, Value)> = Vec::with_capacity(names.len());
    for (name, number) in names {
        let (name, part) = (Value::text(name), groups.get(*number - 1).cloned().unwrap_or(Value::Undefined));
        // Several alternatives may have a group of this name; at most one of them took part.
        match pairs.iter_mut().find(|pair| pair.0.strict_equals(&name)) {
            Some(pair) if matches!(pair.1, Value::Undefined) => pair.1 = part,
            Some(_) => {}
            None => pairs.push((name, part)),
        }
    }
    if pairs.is_empty() { Value::Undefined } else { slow_path::new_bare_object(machine, pairs) }
}

/// The result of `exec`: an array with `index`, `input`, `groups` and, with the flag `d`, `indices`; or null. ECMA-262
/// §22.2.7.2 RegExpBuiltinExec.
fn match_array(machine: &mut Machine, text: &Str, found: Option<TextMatch>) -> Value {
    let Some(found) = found else { return Value::Null };
    let mut values = vec![Value::Text(text.slice(found.start, found.end))];
    values.extend(found.groups);
    machine.heap.charge(text.len() as u64);
    let array = machine.heap.new_array(values);
    // All matches share their names. Weights count on that, and a program may keep as many matches as its heap has room
    // for.
    static NAMES: OnceLock<[Str; 4]> = OnceLock::new();
    let names = NAMES.get_or_init(|| ["index", "input", "groups", "indices"].map(Str::new));
    let values = [Value::Number(found.start as f64), Value::Text(text.clone()), found.named, found.indices];
    let count = if matches!(values[3], Value::Undefined) { 3 } else { 4 };
    for (name, value) in names.iter().zip(values).take(count) {
        machine.heap.table_set(array, TableKind::Main, Value::Text(name.clone()), value);
    }
    Value::Ref(array)
}

/// Refuses a regexp without the `g` flag. ECMA-262 §22.1.3.20 String.prototype.replaceAll.
pub(super) fn check_global(machine: &Machine, regexp: &Value) -> Completion {
    match regexp {
        Value::Ref(at) if has_flag(&regexp_at(machine, *at)?.0.flags, b'g') => Ok(()),
        _ => type_error("String.prototype.replaceAll called with a non-global RegExp argument"),
    }
}

/// All matches with the `g` flag, the first match without. ECMA-262 §22.2.6.11 RegExp.prototype [ %Symbol.replace% ].
pub(super) fn find_matches(machine: &mut Machine, text: &Str, regexp: &Value) -> Completion<Vec<TextMatch>> {
    let Value::Ref(at) = regexp else { return Ok(Vec::new()) };
    let (regexp, _) = regexp_at(machine, *at)?;
    if !has_flag(&regexp.flags, b'g') {
        return Ok(next_match(machine, *at, text)?.into_iter().collect());
    }
    let all = global_matches(machine, &regexp, 0, text)?;
    if let Some(Entry::RegExp(stored)) = machine.heap.get_mut(*at) {
        stored.last_index = 0.0;
    }
    Ok(all)
}

/// All matches from a position.
fn global_matches(machine: &mut Machine, regexp: &RegExp, from: usize, text: &Str) -> Completion<Vec<TextMatch>> {
    let sticky = has_flag(&regexp.flags, b'y');
    let matches = with_match_budget(machine, text, |budget| regexp.compiled.find_all(text, from, sticky, budget))?;
    machine.heap.check_room(64 * matches.len() as u64)?;
    Ok(matches.into_iter().map(|captures| build_match(machine, regexp, captures, text)).collect())
}

/// `text.split(regexp)`. ECMA-262 §22.2.6.14 RegExp.prototype [ %Symbol.split% ].
pub(super) fn split_by_regexp(machine: &mut Machine, text: &Str, regexp: &Value) -> Completion<Vec<Value>> {
    let Value::Ref(at) = regexp else { return Ok(Vec::new()) };
    let (regexp, _) = regexp_at(machine, *at)?;
    let mut parts = Vec::new();
    let mut from = 0;
    let matches = with_match_budget(machine, text, |budget| regexp.compiled.find_all(text, 0, false, budget))?;
    machine.heap.check_room(64 * matches.len() as u64)?;
    for captures in matches {
        let found = build_match(machine, &regexp, captures, text);
        if text.is_empty() {
            return Ok(parts);
        }
        // An empty match splits only between two units.
        if found.end == found.start && (found.start == from || found.start >= text.len()) {
            continue;
        }
        if found.start >= text.len() {
            break;
        }
        parts.push(Value::Text(text.slice(from, found.start)));
        parts.extend(found.groups);
        from = found.end;
    }
    parts.push(Value::Text(text.slice(from, text.len())));
    Ok(parts)
}

//! `RegExp` and the methods of texts that take one. Matching is done in `pattern`.

use std::ops::Range;
use std::sync::Arc;

use super::super::builtin::{Args, Done, Row};
use super::super::entry::Entry;
use super::super::limits::Exceeded;
use super::super::machine::Machine;
use super::super::object::{ErrorKind, RegExp};
use super::super::pattern::{Budget, Pattern, Places};
use super::super::raise::{Raise, type_error};
use super::super::table::Which;
use super::super::text::Str;
use super::super::value::{HeapRef, Value};
use super::string::{Found, this};
use crate::value::sort_by;

type Result = std::result::Result<Done, Raise>;

pub(super) static ROWS: &[Row] = &[
    ("RegExp", 2, |machine, args| match (machine.arg(args, 0), machine.arg(args, 1)) {
        (given, Value::Undefined) if machine.is_regexp(&given) => Ok(Done::Value(given)),
        _ => construct(machine, args),
    }),
    ("new RegExp", 2, construct),
    ("RegExp.prototype.test", 1, |machine, args| {
        let (regexp, text) = (own(machine, args)?, machine.arg_text(args, 0)?);
        Ok(machine.next_match(regexp, &text)?.is_some().into())
    }),
    ("RegExp.prototype.exec", 1, |machine, args| {
        let (regexp, text) = (own(machine, args)?, machine.arg_text(args, 0)?);
        let found = machine.next_match(regexp, &text)?;
        Ok(Done::Value(machine.match_array(&text, found)))
    }),
    ("RegExp.prototype.toString", 0, |machine, args| Ok(machine.text_of(&args.this)?.into())),
    ("String.prototype.search", 1, |machine, args| {
        let (text, regexp) = (this(machine, args)?, pattern(machine, args, "")?);
        let (compiled, _) = machine.compiled(regexp)?;
        let sticky = has_flag(&compiled.flags, b'y');
        let found = machine.matching(&text, |budget| compiled.compiled.find(&text, 0, sticky, budget))?;
        let start = found.and_then(|places| places.into_iter().next()).flatten().map(|whole| whole.start);
        Ok(start.map_or(-1.0, |start| start as f64).into())
    }),
    ("String.prototype.match", 1, |machine, args| {
        let (text, regexp) = (this(machine, args)?, pattern(machine, args, "")?);
        if !has_flag(&machine.compiled(regexp)?.0.flags, b'g') {
            let found = machine.next_match(regexp, &text)?;
            return Ok(Done::Value(machine.match_array(&text, found)));
        }
        let found = machine.found_by_regexp(&text, &Value::Ref(regexp), false)?;
        if found.is_empty() {
            return Ok(Done::Value(Value::Null));
        }
        let texts = found.iter().map(|place| Value::Text(text.slice(place.start, place.end))).collect();
        Ok(Done::Value(Value::Ref(machine.heap.new_array(texts))))
    }),
    ("String.prototype.matchAll", 1, |machine, args| {
        let (text, regexp) = (this(machine, args)?, pattern(machine, args, "g")?);
        if !has_flag(&machine.compiled(regexp)?.0.flags, b'g') {
            return type_error("String.prototype.matchAll called with a non-global RegExp argument");
        }
        let found = machine.found_by_regexp(&text, &Value::Ref(regexp), false)?;
        let list = machine.heap.new_array(Vec::new());
        for place in found {
            let array = machine.match_array(&text, Some(place));
            machine.heap.push(list, array)?;
        }
        let cursor = machine.heap.new_cursor(Value::Ref(list), super::super::iterator::Yields::Values);
        Ok(Done::Value(Value::Ref(cursor)))
    }),
];

fn construct(machine: &mut Machine, args: &Args) -> Result {
    let given = machine.arg(args, 0);
    let (pattern, own_flags) = match &given {
        Value::Ref(at) if machine.is_regexp(&given) => match machine.heap.get(*at) {
            Entry::RegExp(regexp) => (regexp.source.clone(), regexp.flags.clone()),
            _ => (Str::empty(), Str::empty()),
        },
        Value::Undefined => (Str::new("(?:)"), Str::empty()),
        _ => (machine.arg_text(args, 0)?, Str::empty()),
    };
    let flags = match machine.arg(args, 1) {
        Value::Undefined => own_flags,
        _ => machine.arg_text(args, 1)?,
    };
    let pattern = if pattern.is_empty() { Str::new("(?:)") } else { pattern };
    let source = escaped(&pattern);
    if source != pattern {
        compiled(&pattern, &flags)?;
    }
    machine.new_regexp(&Value::Text(source), &Value::Text(flags)).map(Done::Value)
}

/// A pattern with its flags in order, or SyntaxError.
fn compiled(source: &Str, flags: &Str) -> std::result::Result<(Pattern, Str), Raise> {
    let mut letters: Vec<u16> = flags.units().iter().collect();
    sort_by(&mut letters, Ord::cmp);
    let known = letters.iter().all(|letter| u8::try_from(*letter).is_ok_and(|l| b"dgimsuvy".contains(&l)));
    let both = has_flag(flags, b'u') && has_flag(flags, b'v');
    if !known || both || letters.windows(2).any(|pair| pair[0] == pair[1]) {
        let message = format!("Invalid flags supplied to RegExp constructor '{flags}'");
        return Err(Raise::Error(ErrorKind::Syntax, message));
    }
    let flags = Str::from_units(&letters);
    let compiled = Pattern::new(source, &flags).map_err(|error| {
        Raise::Error(ErrorKind::Syntax, format!("Invalid regular expression: /{source}/{flags}: {error}"))
    })?;
    Ok((compiled, flags))
}

/// A pattern as a literal can hold it: slashes and line ends escaped. ECMA-262, EscapeRegExpPattern.
fn escaped(pattern: &Str) -> Str {
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

fn own(machine: &Machine, args: &Args) -> std::result::Result<HeapRef, Raise> {
    match args.this {
        Value::Ref(at) if matches!(machine.heap.get(at), Entry::RegExp(_)) => Ok(at),
        _ => type_error("RegExp.prototype method called on what is no regular expression"),
    }
}

/// The first argument as a regular expression; text is a pattern.
fn pattern(machine: &mut Machine, args: &Args, flags: &str) -> std::result::Result<HeapRef, Raise> {
    let made = match machine.arg(args, 0) {
        Value::Ref(at) if machine.is_regexp(&Value::Ref(at)) => return Ok(at),
        Value::Undefined => machine.new_regexp(&Value::text("(?:)"), &Value::text(flags))?,
        _ => {
            let pattern = machine.arg_text(args, 0)?;
            machine.new_regexp(&Value::Text(pattern), &Value::text(flags))?
        }
    };
    match made {
        Value::Ref(at) => Ok(at),
        _ => Err(Raise::Internal("a regular expression that is no object")),
    }
}

pub(super) fn has_flag(flags: &Str, flag: u8) -> bool {
    flags.units().iter().any(|unit| unit == u16::from(flag))
}

fn group(text: &Str, place: Option<&Range<usize>>) -> Value {
    place.map_or(Value::Undefined, |place| Value::Text(text.slice(place.start, place.end)))
}

impl Machine {
    /// A new regular expression, or SyntaxError.
    pub(in super::super) fn new_regexp(&mut self, pattern: &Value, flags: &Value) -> std::result::Result<Value, Raise> {
        let (source, flags) = (self.text_of(pattern)?, self.text_of(flags)?);
        let (compiled, flags) = compiled(&source, &flags)?;
        let regexp = RegExp { source, flags, last_index: 0.0, compiled: Arc::new(compiled) };
        Ok(Value::Ref(self.heap.allocate(Entry::RegExp(Box::new(regexp)))))
    }

    /// Whether the value is a regular expression.
    pub(in super::super) fn is_regexp(&self, value: &Value) -> bool {
        matches!(value, Value::Ref(at) if matches!(self.heap.get(*at), Entry::RegExp(_)))
    }

    fn compiled(&self, at: HeapRef) -> std::result::Result<(RegExp, bool), Raise> {
        match self.heap.get(at) {
            Entry::RegExp(regexp) => {
                let remembers = has_flag(&regexp.flags, b'g') || has_flag(&regexp.flags, b'y');
                Ok(((**regexp).clone(), remembers))
            }
            _ => Err(Raise::Internal("a regular expression that is none")),
        }
    }

    /// The next match as `exec` finds it: with `g` or `y` from `lastIndex`, which moves on.
    fn next_match(&mut self, at: HeapRef, text: &Str) -> std::result::Result<Option<Found>, Raise> {
        let (regexp, remembers) = self.compiled(at)?;
        let from = if remembers { regexp.last_index.max(0.0) } else { 0.0 };
        let found = if from > text.len() as f64 {
            None
        } else {
            let sticky = has_flag(&regexp.flags, b'y');
            self.matching(text, |budget| regexp.compiled.find(text, from as usize, sticky, budget))?
        };
        let found = found.map(|places| self.found(&regexp, places, text));
        if remembers && let Some(Entry::RegExp(kept)) = self.heap.get_mut(at) {
            kept.last_index = found.as_ref().map_or(0.0, |found| found.end as f64);
        }
        Ok(found)
    }

    /// Matches within what one call may take, and counts the work as instructions.
    fn matching<T>(
        &mut self,
        text: &Str,
        work: impl FnOnce(&mut Budget) -> std::result::Result<T, Exceeded>,
    ) -> std::result::Result<T, Raise> {
        let mut budget = Budget::of(self.limits.match_steps, text);
        let result = work(&mut budget);
        self.owe(budget.taken());
        Ok(result?)
    }

    /// A match with its groups.
    fn found(&mut self, regexp: &RegExp, places: Places, text: &Str) -> Found {
        let whole = places.first().cloned().flatten().unwrap_or(0..0);
        let groups: Vec<Value> = places.iter().skip(1).map(|place| group(text, place.as_ref())).collect();
        let names = regexp.compiled.names();
        let mut pairs: Vec<(Value, Value)> = Vec::with_capacity(names.len());
        for (name, number) in names {
            let (name, part) = (Value::text(name), group(text, places.get(*number).and_then(Option::as_ref)));
            // A name may stand in several alternatives, of which one took part.
            match pairs.iter_mut().find(|pair| pair.0.strict_equals(&name)) {
                Some(pair) if matches!(pair.1, Value::Undefined) => pair.1 = part,
                Some(_) => {}
                None => pairs.push((name, part)),
            }
        }
        let named = if pairs.is_empty() { Value::Undefined } else { self.new_object(pairs) };
        Found { start: whole.start, end: whole.end, groups, named }
    }

    /// What `exec` returns of a match.
    fn match_array(&mut self, text: &Str, found: Option<Found>) -> Value {
        let Some(found) = found else { return Value::Null };
        let mut values = vec![Value::Text(text.slice(found.start, found.end))];
        values.extend(found.groups);
        self.heap.charge(text.len() as u64);
        let array = self.heap.new_array(values);
        for (name, value) in [
            ("index", Value::Number(found.start as f64)),
            ("input", Value::Text(text.clone())),
            ("groups", found.named),
        ] {
            self.heap.table_set(array, Which::Main, Value::text(name), value);
        }
        Value::Ref(array)
    }

    /// Every match with the `g` flag, the first one without.
    pub(super) fn found_by_regexp(
        &mut self,
        text: &Str,
        regexp: &Value,
        must_be_global: bool,
    ) -> std::result::Result<Vec<Found>, Raise> {
        let Value::Ref(at) = regexp else { return Ok(Vec::new()) };
        let (regexp, _) = self.compiled(*at)?;
        if !has_flag(&regexp.flags, b'g') {
            if must_be_global {
                return type_error("String.prototype.replaceAll called with a non-global RegExp argument");
            }
            return Ok(self.next_match(*at, text)?.into_iter().collect());
        }
        let sticky = has_flag(&regexp.flags, b'y');
        let places = self.matching(text, |budget| regexp.compiled.find_all(text, sticky, budget))?;
        self.heap.room(64 * places.len() as u64)?;
        let all = places.into_iter().map(|places| self.found(&regexp, places, text)).collect();
        if let Some(Entry::RegExp(kept)) = self.heap.get_mut(*at) {
            kept.last_index = 0.0;
        }
        Ok(all)
    }

    /// `text.split(regexp)`
    pub(super) fn split_by_regexp(&mut self, text: &Str, regexp: &Value) -> std::result::Result<Vec<Value>, Raise> {
        let Value::Ref(at) = regexp else { return Ok(Vec::new()) };
        let (regexp, _) = self.compiled(*at)?;
        let mut parts = Vec::new();
        let mut from = 0;
        let places = self.matching(text, |budget| regexp.compiled.find_all(text, false, budget))?;
        self.heap.room(64 * places.len() as u64)?;
        for places in places {
            let found = self.found(&regexp, places, text);
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
}

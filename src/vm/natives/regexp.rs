//! `RegExp` and the methods of texts that take one. Matching is done by the `regress` crate.

use std::sync::Arc;

use super::super::builtin::{Args, Done, Row};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::{ErrorKind, RegExp};
use super::super::raise::{Raise, type_error};
use super::super::table::Which;
use super::super::text::{Str, Units};
use super::super::value::{HeapRef, Value};
use super::string::{Found, this};

type Result = std::result::Result<Done, Raise>;

pub(super) static ROWS: &[Row] = &[
    ("RegExp", 2, construct),
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
        let found = matches_from(&compiled.compiled, &compiled.flags, &text, 0).into_iter().next();
        let sticky = has_flag(&compiled.flags, b'y');
        Ok(found.filter(|f| !sticky || f.start == 0).map_or(-1.0, |f| f.start as f64).into())
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
    machine.new_regexp(&Value::Text(pattern), &Value::Text(flags)).map(Done::Value)
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

/// The pattern compiled, or why not.
pub(in super::super) fn compile(pattern: &Str, flags: &Str) -> std::result::Result<regress::Regex, String> {
    let flags = flags.to_utf8();
    let units: Vec<u16> = pattern.units().iter().collect();
    let unicode = flags.contains(['u', 'v']);
    let points: Vec<u32> = if unicode {
        char::decode_utf16(units)
            .map(|c| c.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from))
            .collect()
    } else {
        units.into_iter().map(u32::from).collect()
    };
    regress::Regex::from_unicode(points.into_iter(), flags.as_str()).map_err(|error| error.to_string())
}

fn matches_from(regexp: &regress::Regex, flags: &Str, text: &Str, from: usize) -> Vec<Found> {
    first_matches(regexp, flags, text, from, 1)
}

fn first_matches(regexp: &regress::Regex, flags: &Str, text: &Str, from: usize, count: usize) -> Vec<Found> {
    let units: Vec<u16> = text.units().iter().collect();
    let found = |matched: regress::Match| {
        let part = |range: Option<std::ops::Range<usize>>| {
            range.map_or(Value::Undefined, |range| Value::Text(text.slice(range.start, range.end)))
        };
        let groups = (1..matched.captures.len() + 1).map(|i| part(matched.group(i))).collect();
        Found { start: matched.start(), end: matched.end(), groups, named: Value::Undefined }
    };
    if has_flag(flags, b'u') || has_flag(flags, b'v') {
        regexp.find_from_utf16(&units, from).take(count).map(found).collect()
    } else {
        regexp.find_from_ucs2(&units, from).take(count).map(found).collect()
    }
}

impl Machine {
    /// A new regular expression, or SyntaxError.
    pub(in super::super) fn new_regexp(&mut self, pattern: &Value, flags: &Value) -> std::result::Result<Value, Raise> {
        let (source, flags) = (self.text_of(pattern)?, self.text_of(flags)?);
        let mut letters: Vec<u16> = flags.units().iter().collect();
        letters.sort_unstable();
        let known = letters.iter().all(|letter| u8::try_from(*letter).is_ok_and(|l| b"dgimsuvy".contains(&l)));
        if !known || letters.windows(2).any(|pair| pair[0] == pair[1]) {
            let message = format!("Invalid flags supplied to RegExp constructor '{flags}'");
            return Err(Raise::Error(ErrorKind::Syntax, message));
        }
        let flags = Str::from_units(&letters);
        let compiled = compile(&source, &flags).map_err(|error| {
            Raise::Error(ErrorKind::Syntax, format!("Invalid regular expression: /{source}/{flags}: {error}"))
        })?;
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
            let found = matches_from(&regexp.compiled, &regexp.flags, text, from as usize).into_iter().next();
            found.filter(|found| !has_flag(&regexp.flags, b'y') || found.start == from as usize)
        };
        if remembers && let Some(Entry::RegExp(kept)) = self.heap.get_mut(at) {
            kept.last_index = found.as_ref().map_or(0.0, |found| found.end as f64);
        }
        found.map(|found| self.with_names(&regexp, found, text)).transpose()
    }

    /// Adds the object of named groups.
    fn with_names(&mut self, regexp: &RegExp, mut found: Found, text: &Str) -> std::result::Result<Found, Raise> {
        if regexp.source.units().find(Units::Latin(b"(?<"), 0).is_none() {
            return Ok(found);
        }
        let units: Vec<u16> = text.units().iter().collect();
        let unicode = has_flag(&regexp.flags, b'u') || has_flag(&regexp.flags, b'v');
        let matched = if unicode {
            regexp.compiled.find_from_utf16(&units, found.start).next()
        } else {
            regexp.compiled.find_from_ucs2(&units, found.start).next()
        };
        let Some(matched) = matched else { return Ok(found) };
        let pairs: Vec<(Value, Value)> = matched
            .named_groups()
            .map(|(name, range)| {
                let part = range.map_or(Value::Undefined, |range| Value::Text(text.slice(range.start, range.end)));
                (Value::text(name), part)
            })
            .collect();
        if !pairs.is_empty() {
            found.named = self.new_object(pairs);
        }
        Ok(found)
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
                return type_error("replaceAll must be called with a global RegExp");
            }
            return Ok(self.next_match(*at, text)?.into_iter().collect());
        }
        let sticky = has_flag(&regexp.flags, b'y');
        let mut all = Vec::new();
        let mut expected = 0;
        for found in first_matches(&regexp.compiled, &regexp.flags, text, 0, usize::MAX) {
            if sticky && found.start != expected {
                break;
            }
            expected = if found.end == found.start { found.end + 1 } else { found.end };
            all.push(self.with_names(&regexp, found, text)?);
            self.heap.room(64 * all.len() as u64)?;
        }
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
        for found in first_matches(&regexp.compiled, &regexp.flags, text, 0, usize::MAX) {
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

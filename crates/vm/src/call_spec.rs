//! Reads the parts of a call from the values of the program, checks them as far as the machine can, and converts them
//! to plain values. The domain interprets choices and schemas.

use std::collections::HashSet;
use std::fmt;

use runstate_value::time::Millis;
use serde_json::{Map, Value as Json};

use super::abrupt_completion::{AbruptCompletion, Completion, range_error, type_error};
use super::array_buffer::ViewKind;
use super::entry::Entry;
use super::globals::CALL_OPTIONS;
use super::json::JsonBudget;
use super::limits::{ExceededLimit, Limits, MAX_OPEN_CALLS};
use super::machine::Machine;
use super::object::{ErrorKind, Object};
use super::text::Str;
use super::value::{HeapRef, Value};
use super::{added_class, conversion, json, property};

/// Most bytes of a key.
const KEY_BYTES: usize = 200;

/// Most bytes of the name of a tool.
const TOOL_BYTES: usize = 100;

/// A hundred years in milliseconds: the longest wait.
pub(super) const CENTURY_MS: f64 = 3_155_760_000_000.0;

/// A call as the program describes it.
#[derive(Default)]
pub(super) struct CallSpec {
    pub(super) kind: String,
    pub(super) prompt: String,
    pub(super) args: Json,
    pub(super) options: Json,
    pub(super) key: Option<String>,
    /// The signal that cancels it, or nothing.
    pub(super) signal: HeapRef,
}

impl CallSpec {
    pub(super) fn new(kind: &str) -> CallSpec {
        CallSpec { kind: kind.to_owned(), ..CallSpec::default() }
    }
}

/// The call that a message refers to.
#[derive(Clone, Copy)]
pub(super) enum CallSite<'n> {
    Cc,
    Question,
    Call,
    Tool(&'n str),
    Element(usize),
}

impl fmt::Display for CallSite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallSite::Cc => f.write_str("CC"),
            CallSite::Question => f.write_str("ask"),
            CallSite::Call => f.write_str("call(…)"),
            CallSite::Tool(name) => write!(f, "tools.{name}"),
            CallSite::Element(index) => write!(f, "questions[{index}] of CC.all"),
        }
    }
}

/// Remaining size of calls.
pub(super) struct PayloadBudget {
    /// Bytes left for all calls together.
    total: u64,
    current: JsonBudget,
    max_call_bytes: u64,
    /// Values and bytes of text that were read.
    pub(super) visited: u64,
}

impl PayloadBudget {
    pub(super) fn from_limits(limits: &Limits) -> PayloadBudget {
        PayloadBudget::new(limits.call_group_bytes(), u64::from(limits.call_bytes))
    }

    fn new(total: u64, max_call_bytes: u64) -> PayloadBudget {
        PayloadBudget {
            total,
            current: JsonBudget { bytes: max_call_bytes, limit: ExceededLimit::CallBytes },
            max_call_bytes,
            visited: 0,
        }
    }

    /// Begins the next call.
    fn start_next_call(&mut self) {
        self.visited += 1;
        let limit =
            if self.total < self.max_call_bytes { ExceededLimit::CallGroupBytes } else { ExceededLimit::CallBytes };
        self.current = JsonBudget { bytes: self.max_call_bytes.min(self.total), limit };
    }

    fn charge(&mut self, bytes: usize) -> Completion {
        let bytes = bytes as u64;
        self.current.bytes = self.current.bytes.checked_sub(bytes).ok_or(self.current.limit)?;
        self.total = self.total.saturating_sub(bytes);
        self.visited += bytes;
        Ok(())
    }
}

/// A time in milliseconds, as a number or as a text such as `5s`.
pub(super) fn read_duration(value: &Value) -> Option<f64> {
    match value {
        Value::Number(ms) if !ms.is_nan() => Some(*ms),
        Value::Text(text) => Millis::from_text(&text.to_utf8()).map(|ms| ms.0 as f64),
        _ => None,
    }
}

/// The prompt of a call.
pub(super) fn read_prompt(prompt: &Str, budget: &mut PayloadBudget) -> Completion<String> {
    let prompt = prompt.to_utf8();
    budget.charge(prompt.len())?;
    Ok(prompt)
}

/// A string argument, such as a path or a text to write.
pub(super) fn read_text(
    machine: &Machine,
    subject: &str,
    value: &Value,
    budget: &mut PayloadBudget,
) -> Completion<Json> {
    match value {
        Value::Text(text) => {
            let text = text.to_utf8();
            budget.charge(text.len())?;
            Ok(Json::String(text))
        }
        other => type_error(format!("{subject} must be a string, not {}", describe_kind(machine, other))),
    }
}

/// The options of `CC` and `call`.
pub(super) fn read_options(
    machine: &Machine,
    site: CallSite<'_>,
    options: &Value,
    spec: &mut CallSpec,
    budget: &mut PayloadBudget,
) -> Completion {
    if options.is_nullish() {
        return Ok(());
    }
    let Some(entries) = plain_object_entries(machine, options) else {
        return type_error(format!("the options of {site} must be an object, not {}", describe_kind(machine, options)));
    };
    let mut read = Map::new();
    for (key, value) in entries {
        read_option(machine, site, &key, &value, spec, &mut read, budget)?;
    }
    spec.options = Json::Object(read);
    Ok(())
}

/// The calls of `CC.all`.
pub(super) fn read_call_specs(
    machine: &Machine,
    list: &Value,
    budget: &mut PayloadBudget,
) -> Completion<Vec<CallSpec>> {
    let at = match list {
        Value::Ref(at) if machine.heap.array(*at).is_some() => *at,
        other => {
            return type_error(format!("CC.all takes an array of questions, not {}", describe_kind(machine, other)));
        }
    };
    let count = machine.heap.array_len(at);
    if count > MAX_OPEN_CALLS {
        return range_error(format!("CC.all asks at most {MAX_OPEN_CALLS} questions at once, not {count}"));
    }
    (0..count).map(|index| read_element(machine, index, &machine.heap.element(at, index), budget)).collect()
}

fn read_element(machine: &Machine, index: usize, element: &Value, budget: &mut PayloadBudget) -> Completion<CallSpec> {
    let site = CallSite::Element(index);
    budget.start_next_call();
    if let Value::Text(prompt) = element {
        return Ok(CallSpec { prompt: read_prompt(prompt, budget)?, ..CallSpec::new("cc") });
    }
    let Some(entries) = plain_object_entries(machine, element) else {
        let found = describe_kind(machine, element);
        return type_error(format!("{site} must be a string or an object with a prompt or a tool, not {found}"));
    };
    let (mut spec, mut options, mut args) = (CallSpec::default(), Map::new(), None);
    for (key, value) in entries {
        match conversion::to_text(machine, &key)?.to_utf8().as_str() {
            _ if matches!(value, Value::Undefined) => {}
            "prompt" | "tool" if !spec.kind.is_empty() => {
                return type_error(format!("{site} has both a prompt and a tool"));
            }
            "prompt" => {
                spec.kind = "cc".to_owned();
                let prompt = read_text(machine, &format!("prompt of {site}"), &value, budget)?;
                spec.prompt = prompt.as_str().unwrap_or_default().to_owned();
            }
            "tool" => spec.kind = read_tool(machine, &format!("tool of {site}"), &value)?,
            "args" => args = Some(value),
            _ => read_option(machine, site, &key, &value, &mut spec, &mut options, budget)?,
        }
    }
    match (spec.kind.as_str(), args) {
        ("", _) => return type_error(format!("{site} has neither a prompt nor a tool")),
        ("cc", Some(_)) => return type_error(format!("{site} has args but no tool")),
        (_, Some(args)) => spec.args = read_json(machine, site, "args", &args, budget)?,
        (_, None) => {}
    }
    if !options.is_empty() {
        spec.options = Json::Object(options);
    }
    Ok(spec)
}

/// Adds one option to `read`; key and signal to `spec`. An undefined option is absent.
fn read_option(
    machine: &Machine,
    site: CallSite<'_>,
    name: &Value,
    value: &Value,
    spec: &mut CallSpec,
    read: &mut Map<String, Json>,
    budget: &mut PayloadBudget,
) -> Completion {
    if let Value::Undefined = value {
        return Ok(());
    }
    let name = conversion::to_text(machine, name)?.to_utf8();
    if !CALL_OPTIONS.contains(&name.as_str()) {
        let options = CALL_OPTIONS.join(", ");
        return type_error(format!("{site} has no option `{}`; there are {options}", truncate_for_message(&name)));
    }
    let timeout = read_duration(value).filter(|_| name == "timeoutMs").map(Value::Number);
    let value = timeout.as_ref().unwrap_or(value);
    match (name.as_str(), value) {
        ("key", Value::Text(text)) => spec.key = Some(read_identifier(&format!("key of {site}"), text, KEY_BYTES)?),
        ("key", other) => {
            return type_error(format!("key of {site} must be a string, not {}", describe_kind(machine, other)));
        }
        ("signal", value) => {
            spec.signal = added_class::find_signal(machine, value).ok_or_else(|| {
                let found = describe_kind(machine, value);
                AbruptCompletion::Error(
                    ErrorKind::Type,
                    format!("signal of {site} must be an AbortSignal, not {found}"),
                )
            })?;
            return Ok(());
        }
        ("timeoutMs", Value::Number(ms)) if *ms > 0.0 && *ms <= CENTURY_MS => {}
        ("timeoutMs", Value::Number(_)) => {
            let shown = json::display_text(machine, value);
            return range_error(format!("timeoutMs of {site} must be above 0 and at most 100 years, not {shown}"));
        }
        ("timeoutMs", other) => {
            let found = match other {
                Value::Text(_) => truncate_for_message(&json::display_text(machine, other)),
                other => describe_kind(machine, other).to_owned(),
            };
            return type_error(format!(
                "timeoutMs of {site} must be milliseconds or a text such as \"5s\", not {found}"
            ));
        }
        _ => {}
    }
    let plain = read_json(machine, site, &name, value, budget)?;
    budget.charge(name.len())?;
    read.insert(name, plain);
    Ok(())
}

/// A part of a call as a plain value.
pub(super) fn read_json(
    machine: &Machine,
    site: CallSite<'_>,
    name: &str,
    value: &Value,
    budget: &mut PayloadBudget,
) -> Completion<Json> {
    // Counted twice: per value read, so that shared values cannot make the work endless, and as the size of the result.
    let mut visit_budget = JsonBudget { ..budget.current };
    let read = json::value_to_json_within(machine, value, &mut visit_budget);
    budget.visited += budget.current.bytes - visit_budget.bytes;
    let message = match read {
        Ok(json) => {
            budget.charge(runstate_value::json_bytes(&json))?;
            return Ok(json);
        }
        Err(AbruptCompletion::Error(ErrorKind::Type, message)) => message,
        Err(other) => return Err(other),
    };
    if contains_itself(machine, value, &mut budget.visited) {
        let verb = if matches!(name, "args" | "choices") { "are" } else { "is" };
        return type_error(format!("{name} of {site} {verb} cyclic"));
    }
    type_error(format!("{name} of {site}: {message}"))
}

/// The name of a tool.
pub(super) fn read_tool(machine: &Machine, subject: &str, value: &Value) -> Completion<String> {
    let Value::Text(name) = value else {
        return type_error(format!("{subject} must be the name of a tool, not {}", describe_kind(machine, value)));
    };
    let name = read_identifier(subject, name, TOOL_BYTES)?;
    let remedy = match name.as_str() {
        "cc" => "ask with CC(prompt)",
        "timer" => "wait with sleep(ms) or sleepUntil(time)",
        name if name.starts_with("fs.") => "files are read and written with fs.readFile, fs.listFiles, fs.writeFile",
        _ => return Ok(name),
    };
    type_error(format!("{subject} cannot be \"{name}\": {remedy}"))
}

/// Properties of an ordinary object; `None` for all other values.
pub(super) fn plain_object_entries(machine: &Machine, value: &Value) -> Option<Vec<(Value, Value)>> {
    match value {
        Value::Ref(at) if matches!(machine.heap.get(*at), Entry::Object(Object { holds_collection: false, .. })) => {
            Some(property::own_entries(&machine.heap, value))
        }
        _ => None,
    }
}

/// The kind of a value, for messages.
fn describe_kind(machine: &Machine, value: &Value) -> &'static str {
    match value {
        Value::Undefined | Value::Uninitialized => "undefined",
        Value::Hole => "a hole",
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::Text(_) => "a string",
        Value::Builtin(_) => "a function",
        Value::Symbol(_) => "a symbol",
        Value::BigInt(_) => "a BigInt",
        Value::Accessor(_) => "a getter",
        Value::Ref(at) => match machine.heap.get(machine.heap.collection(*at).unwrap_or(*at)) {
            Entry::Array(_) => "an array",
            Entry::Closure(_) | Entry::Bound(_) => "a function",
            Entry::Map(_) => "a Map",
            Entry::Set(_) => "a Set",
            Entry::Error(_) => "an error",
            Entry::RegExp(_) => "a regular expression",
            Entry::Date(_) => "a Date",
            Entry::Buffer(_) => "an ArrayBuffer",
            Entry::View(view) if view.kind == ViewKind::DataView => "a DataView",
            Entry::View(_) => "a typed array",
            Entry::Promise(_) => "a promise; write await before it",
            Entry::Iterator(_) => "an iterator",
            Entry::Generator(_) => "a generator",
            _ => "an object",
        },
    }
}

/// Whether an array or object is reachable from itself. Adds the number of values read to `visit_count`.
fn contains_itself(machine: &Machine, value: &Value, visit_count: &mut u64) -> bool {
    let (mut ancestors, mut visited): (HashSet<HeapRef>, HashSet<HeapRef>) = (HashSet::new(), HashSet::new());
    let mut levels: Vec<(HeapRef, Vec<HeapRef>)> = Vec::new();
    let mut next = if let Value::Ref(at) = value { Some(*at) } else { None };
    loop {
        if let Some(at) = next.take() {
            if ancestors.contains(&at) {
                return true;
            }
            if visited.insert(at) {
                ancestors.insert(at);
                let references = direct_references(machine, at);
                *visit_count += references.len() as u64 + 1;
                levels.push((at, references));
            }
        }
        let Some((at, references)) = levels.last_mut() else { return false };
        next = references.pop();
        if next.is_none() {
            ancestors.remove(at);
            levels.pop();
        }
    }
}

/// The references that an array or object holds directly.
fn direct_references(machine: &Machine, at: HeapRef) -> Vec<HeapRef> {
    let references = |value: Value| if let Value::Ref(at) = value { Some(at) } else { None };
    match machine.heap.get(at) {
        Entry::Array(_) => machine.heap.elements(at).into_iter().filter_map(references).collect(),
        Entry::Object(_) | Entry::Error(_) => property::own_entries(&machine.heap, &Value::Ref(at))
            .into_iter()
            .filter_map(|(_, value)| references(value))
            .collect(),
        _ => Vec::new(),
    }
}

/// A value of the program in a message, truncated so that the message stays readable.
pub(super) fn truncate_for_message(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A name: valid Unicode, not empty, without control characters.
fn read_identifier(subject: &str, text: &Str, max_bytes: usize) -> Completion<String> {
    let plain = text.to_utf8();
    let is_valid_unicode = Str::new(&plain) == *text;
    if plain.is_empty() || plain.len() > max_bytes || plain.chars().any(char::is_control) || !is_valid_unicode {
        return type_error(format!("{subject} must be a string of 1 to {max_bytes} bytes without control characters"));
    }
    Ok(plain)
}

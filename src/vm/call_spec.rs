//! Reads the parts of a call from the values of the program, checks them as far as the machine can, and converts them to plain
//! values. The domain interprets choices and schemas.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value as Json};

use super::abrupt_completion::{AbruptCompletion, range_error, type_error};
use super::entry::Entry;
use super::globals::CALL_OPTIONS;
use super::json::JsonBudget;
use super::limits::{ExceededLimit, Limits, MAX_CALL_GROUP_BYTES, MAX_OPEN_CALLS};
use super::machine::Machine;
use super::object::ErrorKind;
use super::text::Str;
use super::value::{HeapRef, Value};

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
}

impl CallSpec {
    pub(super) fn new(kind: &str) -> CallSpec {
        CallSpec { kind: kind.to_owned(), ..CallSpec::default() }
    }
}

/// The call that a message refers to.
#[derive(Clone, Copy)]
pub(super) enum CallSite {
    Cc,
    Call,
    Element(usize),
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallSite::Cc => f.write_str("CC"),
            CallSite::Call => f.write_str("call(…)"),
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

    /// A budget for calls that were already made: a limit that has changed since must not reject them.
    pub(super) fn for_reread() -> PayloadBudget {
        PayloadBudget::new(MAX_CALL_GROUP_BYTES, MAX_CALL_GROUP_BYTES)
    }

    fn new(all: u64, most: u64) -> PayloadBudget {
        PayloadBudget {
            total: all,
            current: JsonBudget { bytes: most, limit: ExceededLimit::CallBytes },
            max_call_bytes: most,
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

    fn charge(&mut self, bytes: usize) -> Result<(), AbruptCompletion> {
        let bytes = bytes as u64;
        self.current.bytes = self.current.bytes.checked_sub(bytes).ok_or(self.current.limit)?;
        self.total = self.total.saturating_sub(bytes);
        self.visited += bytes;
        Ok(())
    }
}

impl Machine {
    /// The prompt of a call.
    pub(super) fn read_prompt(&self, prompt: &Str, room: &mut PayloadBudget) -> Result<String, AbruptCompletion> {
        let prompt = prompt.to_utf8();
        room.charge(prompt.len())?;
        Ok(prompt)
    }

    /// A string argument, such as a path or a text to write.
    pub(super) fn read_text(
        &self,
        what: &str,
        value: &Value,
        room: &mut PayloadBudget,
    ) -> Result<Json, AbruptCompletion> {
        match value {
            Value::Text(text) => {
                let text = text.to_utf8();
                room.charge(text.len())?;
                Ok(Json::String(text))
            }
            other => type_error(format!("{what} must be a string, not {}", self.describe_kind(other))),
        }
    }

    /// The options of `CC` and `call`.
    pub(super) fn read_options(
        &self,
        place: CallSite,
        options: &Value,
        question: &mut CallSpec,
        room: &mut PayloadBudget,
    ) -> Result<(), AbruptCompletion> {
        if options.is_nullish() {
            return Ok(());
        }
        let Some(entries) = self.plain_object_entries(options) else {
            return type_error(format!(
                "the options of {place} must be an object, not {}",
                self.describe_kind(options)
            ));
        };
        let mut read = Map::new();
        for (key, value) in entries {
            self.read_option(place, &key, &value, question, &mut read, room)?;
        }
        question.options = Json::Object(read);
        Ok(())
    }

    /// The calls of `CC.all`.
    pub(super) fn read_call_specs(
        &self,
        list: &Value,
        room: &mut PayloadBudget,
    ) -> Result<Vec<CallSpec>, AbruptCompletion> {
        let at = match list {
            Value::Ref(at) if self.heap.array(*at).is_some() => *at,
            other => {
                return type_error(format!("CC.all takes an array of questions, not {}", self.describe_kind(other)));
            }
        };
        let count = self.heap.array_len(at);
        if count > MAX_OPEN_CALLS {
            return range_error(format!("CC.all asks at most {MAX_OPEN_CALLS} questions at once, not {count}"));
        }
        (0..count).map(|index| self.read_element(index, &self.heap.element(at, index), room)).collect()
    }

    fn read_element(
        &self,
        index: usize,
        element: &Value,
        room: &mut PayloadBudget,
    ) -> Result<CallSpec, AbruptCompletion> {
        let place = CallSite::Element(index);
        room.start_next_call();
        if let Value::Text(prompt) = element {
            return Ok(CallSpec { prompt: self.read_prompt(prompt, room)?, ..CallSpec::new("cc") });
        }
        let Some(entries) = self.plain_object_entries(element) else {
            let found = self.describe_kind(element);
            return type_error(format!("{place} must be a string or an object with a prompt or a tool, not {found}"));
        };
        let (mut question, mut options, mut args) = (CallSpec::default(), Map::new(), None);
        for (key, value) in entries {
            match self.to_text(&key)?.to_utf8().as_str() {
                _ if matches!(value, Value::Undefined) => {}
                "prompt" | "tool" if !question.kind.is_empty() => {
                    return type_error(format!("{place} has both a prompt and a tool"));
                }
                "prompt" => {
                    question.kind = "cc".to_owned();
                    let prompt = self.read_text(&format!("prompt of {place}"), &value, room)?;
                    question.prompt = prompt.as_str().unwrap_or_default().to_owned();
                }
                "tool" => question.kind = self.read_tool(&format!("tool of {place}"), &value)?,
                "args" => args = Some(value),
                _ => self.read_option(place, &key, &value, &mut question, &mut options, room)?,
            }
        }
        match (question.kind.as_str(), args) {
            ("", _) => return type_error(format!("{place} has neither a prompt nor a tool")),
            ("cc", Some(_)) => return type_error(format!("{place} has args but no tool")),
            (_, Some(args)) => question.args = self.read_json(place, "args", &args, room)?,
            (_, None) => {}
        }
        if !options.is_empty() {
            question.options = Json::Object(options);
        }
        Ok(question)
    }

    /// Adds one option to `read`, and to `question` if it is the key. An undefined option is absent.
    fn read_option(
        &self,
        place: CallSite,
        name: &Value,
        value: &Value,
        question: &mut CallSpec,
        read: &mut Map<String, Json>,
        room: &mut PayloadBudget,
    ) -> Result<(), AbruptCompletion> {
        if let Value::Undefined = value {
            return Ok(());
        }
        let name = self.to_text(name)?.to_utf8();
        if !CALL_OPTIONS.contains(&name.as_str()) {
            let known = CALL_OPTIONS.join(", ");
            return type_error(format!("{place} has no option `{}`; there are {known}", truncate_for_message(&name)));
        }
        match (name.as_str(), value) {
            ("key", Value::Text(text)) => {
                question.key = Some(read_identifier(&format!("key of {place}"), text, KEY_BYTES)?)
            }
            ("key", other) => {
                return type_error(format!("key of {place} must be a string, not {}", self.describe_kind(other)));
            }
            ("timeoutMs", Value::Number(ms)) if *ms > 0.0 && *ms <= CENTURY_MS => {}
            ("timeoutMs", Value::Number(_)) => {
                let given = self.display_text(value);
                return range_error(format!("timeoutMs of {place} must be above 0 and at most 100 years, not {given}"));
            }
            ("timeoutMs", other) => {
                let found = self.describe_kind(other);
                return type_error(format!("timeoutMs of {place} must be a number of milliseconds, not {found}"));
            }
            _ => {}
        }
        let plain = self.read_json(place, &name, value, room)?;
        room.charge(name.len())?;
        read.insert(name, plain);
        Ok(())
    }

    /// A part of a call as a plain value.
    pub(super) fn read_json(
        &self,
        place: CallSite,
        name: &str,
        value: &Value,
        room: &mut PayloadBudget,
    ) -> Result<Json, AbruptCompletion> {
        // Counted twice: per value read, so that shared values cannot make the work endless, and as the size of the result.
        let mut walked = JsonBudget { ..room.current };
        let read = self.value_to_json_within(value, &mut walked);
        room.visited += room.current.bytes - walked.bytes;
        let message = match read {
            Ok(json) => {
                room.charge(crate::value::json_bytes(&json))?;
                return Ok(json);
            }
            Err(AbruptCompletion::Error(ErrorKind::Type, message)) => message,
            Err(other) => return Err(other),
        };
        if self.contains_itself(value, &mut room.visited) {
            let are = if matches!(name, "args" | "choices") { "are" } else { "is" };
            return type_error(format!("{name} of {place} {are} cyclic"));
        }
        type_error(format!("{name} of {place}: {message}"))
    }

    /// The name of a tool.
    pub(super) fn read_tool(&self, what: &str, value: &Value) -> Result<String, AbruptCompletion> {
        let Value::Text(name) = value else {
            return type_error(format!("{what} must be the name of a tool, not {}", self.describe_kind(value)));
        };
        let name = read_identifier(what, name, TOOL_BYTES)?;
        let instead = match name.as_str() {
            "cc" => "ask with CC(prompt)",
            "timer" => "wait with sleep(ms) or sleepUntil(time)",
            name if name.starts_with("fs.") => {
                "files are read and written with fs.readFile, fs.listFiles, fs.writeFile"
            }
            _ => return Ok(name),
        };
        type_error(format!("{what} cannot be \"{name}\": {instead}"))
    }

    /// Properties of an ordinary object; `None` for all other values.
    fn plain_object_entries(&self, value: &Value) -> Option<Vec<(Value, Value)>> {
        match value {
            Value::Ref(at) if matches!(self.heap.get(*at), Entry::Object(_)) => Some(self.own_entries(value)),
            _ => None,
        }
    }

    /// The kind of a value, for messages.
    fn describe_kind(&self, value: &Value) -> &'static str {
        match value {
            Value::Undefined | Value::Uninitialised => "undefined",
            Value::Hole => "a hole",
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::Builtin(_) => "a function",
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Array(_) => "an array",
                Entry::Closure(_) | Entry::Bound(_) => "a function",
                Entry::Map(_) => "a Map",
                Entry::Set(_) => "a Set",
                Entry::Error(_) => "an error",
                Entry::RegExp(_) => "a regular expression",
                Entry::Iterator(_) => "an iterator",
                _ => "an object",
            },
        }
    }

    /// Whether an array or object is reachable from itself. Adds the number of values read to `seen`.
    fn contains_itself(&self, value: &Value, seen: &mut u64) -> bool {
        let (mut above, mut done): (HashSet<HeapRef>, HashSet<HeapRef>) = (HashSet::new(), HashSet::new());
        let mut levels: Vec<(HeapRef, Vec<HeapRef>)> = Vec::new();
        let mut next = if let Value::Ref(at) = value { Some(*at) } else { None };
        loop {
            if let Some(at) = next.take() {
                if above.contains(&at) {
                    return true;
                }
                if done.insert(at) {
                    above.insert(at);
                    let within = self.direct_references(at);
                    *seen += within.len() as u64 + 1;
                    levels.push((at, within));
                }
            }
            let Some((at, within)) = levels.last_mut() else { return false };
            next = within.pop();
            if next.is_none() {
                above.remove(at);
                levels.pop();
            }
        }
    }

    /// The references that an array or object holds directly.
    fn direct_references(&self, at: HeapRef) -> Vec<HeapRef> {
        let references = |value: Value| if let Value::Ref(at) = value { Some(at) } else { None };
        match self.heap.get(at) {
            Entry::Array(_) => self.heap.elements(at).into_iter().filter_map(references).collect(),
            Entry::Object(_) | Entry::Error(_) => {
                self.own_entries(&Value::Ref(at)).into_iter().filter_map(|(_, value)| references(value)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A value of the program in a message, truncated so that the message stays readable.
pub(super) fn truncate_for_message(given: &str) -> String {
    match given.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &given[..end]),
        None => given.to_owned(),
    }
}

/// A name: valid Unicode, not empty, without control characters.
fn read_identifier(what: &str, text: &Str, most: usize) -> Result<String, AbruptCompletion> {
    let plain = text.to_utf8();
    let whole = Str::new(&plain) == *text;
    if plain.is_empty() || plain.len() > most || plain.chars().any(char::is_control) || !whole {
        return type_error(format!("{what} must be a string of 1 to {most} bytes without control characters"));
    }
    Ok(plain)
}

//! What a question may say: read from the values that the program gave, checked as far as the machine knows, and told as plain
//! values. What choices and a schema mean is the domain's.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value as Json};

use super::entry::Entry;
use super::globals::OPTIONS;
use super::json::Left;
use super::limits::{Exceeded, Limits, MAX_OPEN_CALLS, MAX_TOGETHER_BYTES};
use super::machine::Machine;
use super::object::ErrorKind;
use super::raise::{Raise, range_error, type_error};
use super::text::Str;
use super::value::{HeapRef, Value};

/// Bytes of a key.
const KEY_BYTES: usize = 200;

/// Bytes of the name of a tool.
const TOOL_BYTES: usize = 100;

/// Milliseconds of a hundred years: nothing is waited for longer.
pub(super) const CENTURY_MS: f64 = 3_155_760_000_000.0;

/// A question as the program put it.
#[derive(Default)]
pub(super) struct Question {
    pub(super) kind: String,
    pub(super) prompt: String,
    pub(super) args: Json,
    pub(super) options: Json,
    pub(super) key: Option<String>,
}

impl Question {
    pub(super) fn of(kind: &str) -> Question {
        Question { kind: kind.to_owned(), ..Question::default() }
    }
}

/// Which question it is, in messages.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Cc,
    Call,
    Element(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Cc => f.write_str("CC"),
            Place::Call => f.write_str("call(…)"),
            Place::Element(index) => write!(f, "questions[{index}] of CC.all"),
        }
    }
}

/// How much questions may still say.
pub(super) struct Room {
    /// All of them together.
    all: u64,
    one: Left,
    most: u64,
    /// Values and bytes of text that were looked at.
    pub(super) seen: u64,
}

impl Room {
    pub(super) fn of(limits: &Limits) -> Room {
        Room::new(limits.together_bytes(), u64::from(limits.call_bytes))
    }

    /// For questions that were asked before: no limit that has changed since stands against them.
    pub(super) fn again() -> Room {
        Room::new(MAX_TOGETHER_BYTES, MAX_TOGETHER_BYTES)
    }

    fn new(all: u64, most: u64) -> Room {
        Room { all, one: Left { bytes: most, limit: Exceeded::CallBytes }, most, seen: 0 }
    }

    /// Begins the next question.
    fn next(&mut self) {
        self.seen += 1;
        let limit = if self.all < self.most { Exceeded::TogetherBytes } else { Exceeded::CallBytes };
        self.one = Left { bytes: self.most.min(self.all), limit };
    }

    fn take(&mut self, bytes: usize) -> Result<(), Raise> {
        let bytes = bytes as u64;
        self.one.bytes = self.one.bytes.checked_sub(bytes).ok_or(self.one.limit)?;
        self.all = self.all.saturating_sub(bytes);
        self.seen += bytes;
        Ok(())
    }
}

impl Machine {
    /// The prompt of a question.
    pub(super) fn read_prompt(&self, prompt: &Str, room: &mut Room) -> Result<String, Raise> {
        let prompt = prompt.to_utf8();
        room.take(prompt.len())?;
        Ok(prompt)
    }

    /// A text that stands for itself: a path, what is written.
    pub(super) fn read_text(&self, what: &str, value: &Value, room: &mut Room) -> Result<Json, Raise> {
        match value {
            Value::Text(text) => {
                let text = text.to_utf8();
                room.take(text.len())?;
                Ok(Json::String(text))
            }
            other => type_error(format!("{what} must be a text, not {}", self.kind_of(other))),
        }
    }

    /// Options as they are given to `CC` and `call`.
    pub(super) fn read_options(
        &self,
        place: Place,
        options: &Value,
        question: &mut Question,
        room: &mut Room,
    ) -> Result<(), Raise> {
        if options.is_nullish() {
            return Ok(());
        }
        let Some(entries) = self.entries_of(options) else {
            return type_error(format!("the options of {place} must be an object, not {}", self.kind_of(options)));
        };
        let mut read = Map::new();
        for (key, value) in entries {
            self.read_option(place, &key, &value, question, &mut read, room)?;
        }
        question.options = Json::Object(read);
        Ok(())
    }

    /// The questions of `CC.all`.
    pub(super) fn read_questions(&self, list: &Value, room: &mut Room) -> Result<Vec<Question>, Raise> {
        let at = match list {
            Value::Ref(at) if self.heap.array(*at).is_some() => *at,
            other => return type_error(format!("CC.all takes a list of questions, not {}", self.kind_of(other))),
        };
        let count = self.heap.array_len(at);
        if count > MAX_OPEN_CALLS {
            return range_error(format!("CC.all asks at most {MAX_OPEN_CALLS} questions at once, not {count}"));
        }
        (0..count).map(|index| self.read_element(index, &self.heap.element(at, index), room)).collect()
    }

    fn read_element(&self, index: usize, element: &Value, room: &mut Room) -> Result<Question, Raise> {
        let place = Place::Element(index);
        room.next();
        if let Value::Text(prompt) = element {
            return Ok(Question { prompt: self.read_prompt(prompt, room)?, ..Question::of("cc") });
        }
        let Some(entries) = self.entries_of(element) else {
            let found = self.kind_of(element);
            return type_error(format!("{place} must be a text or an object with a prompt or a tool, not {found}"));
        };
        let (mut question, mut options, mut args) = (Question::default(), Map::new(), None);
        for (key, value) in entries {
            match self.text_of(&key)?.to_utf8().as_str() {
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
            (_, Some(args)) => question.args = self.read_plain(place, "args", &args, room)?,
            (_, None) => {}
        }
        if !options.is_empty() {
            question.options = Json::Object(options);
        }
        Ok(question)
    }

    /// One option, into `read` and, where it is the key, into the question. What is undefined is absent.
    fn read_option(
        &self,
        place: Place,
        name: &Value,
        value: &Value,
        question: &mut Question,
        read: &mut Map<String, Json>,
        room: &mut Room,
    ) -> Result<(), Raise> {
        if let Value::Undefined = value {
            return Ok(());
        }
        let name = self.text_of(name)?.to_utf8();
        if !OPTIONS.contains(&name.as_str()) {
            let known = OPTIONS.join(", ");
            return type_error(format!("{place} has no option `{}`; there are {known}", cut(&name)));
        }
        match (name.as_str(), value) {
            ("key", Value::Text(text)) => question.key = Some(whole_text(&format!("key of {place}"), text, KEY_BYTES)?),
            ("key", other) => {
                return type_error(format!("key of {place} must be a text, not {}", self.kind_of(other)));
            }
            ("timeoutMs", Value::Number(ms)) if *ms > 0.0 && *ms <= CENTURY_MS => {}
            ("timeoutMs", Value::Number(_)) => {
                let given = self.shown(value);
                return range_error(format!("timeoutMs of {place} must be above 0 and at most 100 years, not {given}"));
            }
            ("timeoutMs", other) => {
                let found = self.kind_of(other);
                return type_error(format!("timeoutMs of {place} must be a number of milliseconds, not {found}"));
            }
            _ => {}
        }
        let plain = self.read_plain(place, &name, value, room)?;
        room.take(name.len())?;
        read.insert(name, plain);
        Ok(())
    }

    /// A part of a question as a plain value.
    pub(super) fn read_plain(&self, place: Place, name: &str, value: &Value, room: &mut Room) -> Result<Json, Raise> {
        // Counted twice: as it is walked over, so that what is shared cannot make it endless, and as it will be written.
        let mut walked = Left { ..room.one };
        let read = self.plain_out_within(value, &mut walked);
        room.seen += room.one.bytes - walked.bytes;
        let message = match read {
            Ok(json) => {
                room.take(crate::value::json_bytes(&json))?;
                return Ok(json);
            }
            Err(Raise::Error(ErrorKind::Type, message)) => message,
            Err(other) => return Err(other),
        };
        if self.contains_itself(value, &mut room.seen) {
            let are = if matches!(name, "args" | "choices") { "are" } else { "is" };
            return type_error(format!("{name} of {place} {are} cyclic"));
        }
        type_error(format!("{name} of {place}: {message}"))
    }

    /// The name of a tool.
    pub(super) fn read_tool(&self, what: &str, value: &Value) -> Result<String, Raise> {
        let Value::Text(name) = value else {
            return type_error(format!("{what} must be the name of a tool, not {}", self.kind_of(value)));
        };
        let name = whole_text(what, name, TOOL_BYTES)?;
        let instead = match name.as_str() {
            "cc" => "ask with CC(prompt)",
            "timer" => "wait with sleep(ms) or sleepUntil(moment)",
            name if name.starts_with("fs.") => {
                "files are read and written with fs.readFile, fs.listFiles, fs.writeFile"
            }
            _ => return Ok(name),
        };
        type_error(format!("{what} cannot be \"{name}\": {instead}"))
    }

    /// Properties of an ordinary object; `None` for everything else.
    fn entries_of(&self, value: &Value) -> Option<Vec<(Value, Value)>> {
        match value {
            Value::Ref(at) if matches!(self.heap.get(*at), Entry::Object(_)) => Some(self.own_entries(value)),
            _ => None,
        }
    }

    /// What a value is, in messages.
    fn kind_of(&self, value: &Value) -> &'static str {
        match value {
            Value::Undefined | Value::Uninitialised => "undefined",
            Value::Hole => "a hole",
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::Builtin(_) => "a function",
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Array(_) => "a list",
                Entry::Closure(_) | Entry::Bound(_) => "a function",
                Entry::Map(_) => "a Map",
                Entry::Set(_) => "a Set",
                Entry::Error(_) => "an error",
                Entry::RegExp(_) => "a regular expression",
                Entry::Cursor(_) => "an iterator",
                _ => "an object",
            },
        }
    }

    /// Whether a list or object can be reached from within itself. Adds what it looks at to `seen`.
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
                    let within = self.within(at);
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

    /// What a list or object holds directly.
    fn within(&self, at: HeapRef) -> Vec<HeapRef> {
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

/// What the program gave, in a message that stays readable.
pub(super) fn cut(given: &str) -> String {
    match given.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &given[..end]),
        None => given.to_owned(),
    }
}

/// A name: whole Unicode, not empty, without control characters.
fn whole_text(what: &str, text: &Str, most: usize) -> Result<String, Raise> {
    let plain = text.to_utf8();
    let whole = Str::new(&plain) == *text;
    if plain.is_empty() || plain.len() > most || plain.chars().any(char::is_control) || !whole {
        return type_error(format!("{what} must be a text of 1 to {most} bytes without control characters"));
    }
    Ok(plain)
}

//! Values as JSON: plain values at the boundary, `JSON.stringify`, values in error messages, and `JSON.parse`. Nesting that
//! only a program bounds is processed without recursion.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::abrupt_completion::{AbruptCompletion, type_error, unsupported};
use super::conversion::StrBuilder;
use super::entry::Entry;
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::number;
use super::object::ErrorKind;
use super::text::Str;
use super::value::{HeapRef, Value};
use super::wire;

/// Options of the serialisation.
pub(super) struct StringifyOptions<'a> {
    /// The indentation of one level.
    pub(super) indent: Str,
    /// If set, only these properties are written.
    pub(super) allowed_keys: Option<&'a [Value]>,
    /// Whether a value within itself is written as a mark instead of being an error.
    pub(super) marks_cycles: bool,
}

/// An object or array that is being written.
pub(super) struct JsonLevel {
    pub(super) at: HeapRef,
    pub(super) keyed: bool,
    /// The remaining members; `len` is their number at the start.
    pub(super) entries: std::vec::IntoIter<(Value, Value)>,
    pub(super) len: usize,
    first: bool,
}

impl Machine {
    /// A plain value from outside the machine.
    pub(super) fn value_from_json(&mut self, json: &Json) -> Result<Value, AbruptCompletion> {
        self.value_from_json_at(json, 0)
    }

    /// Recursive: the depth limit bounds the recursion.
    fn value_from_json_at(&mut self, json: &Json, depth: u32) -> Result<Value, AbruptCompletion> {
        if depth > self.limits.json_depth {
            return Err(ExceededLimit::JsonDepth.into());
        }
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => Value::Number(n.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => {
                self.check_text_length(text.len())?;
                self.heap.charge(text.len() as u64);
                Value::text(text)
            }
            Json::Array(items) => {
                self.heap.check_room(16 * items.len() as u64)?;
                let items =
                    items.iter().map(|item| self.value_from_json_at(item, depth + 1)).collect::<Result<Vec<_>, _>>()?;
                Value::Ref(self.heap.new_array(items))
            }
            Json::Object(members) => {
                self.heap.check_room(32 * members.len() as u64)?;
                let mut pairs = Vec::with_capacity(members.len());
                for (key, member) in members {
                    pairs.push((Value::text(key), self.value_from_json_at(member, depth + 1)?));
                }
                self.new_object(pairs)
            }
        })
    }

    /// A value as a plain value. `undefined` becomes null and is omitted from objects. An error becomes its name and message.
    ///
    /// An object that is referenced several times is written each time, so `bytes` bounds the output.
    pub(super) fn value_to_json(
        &self,
        value: &Value,
        bytes: u64,
        limit: ExceededLimit,
    ) -> Result<Json, AbruptCompletion> {
        self.value_to_json_within(value, &mut JsonBudget { bytes, limit })
    }

    /// As [`Machine::value_to_json`]; the size of the output is subtracted from `left`.
    pub(super) fn value_to_json_within(&self, value: &Value, left: &mut JsonBudget) -> Result<Json, AbruptCompletion> {
        self.value_to_json_at(value, 0, left)
    }

    fn value_to_json_at(&self, value: &Value, depth: u32, left: &mut JsonBudget) -> Result<Json, AbruptCompletion> {
        left.charge(value)?;
        if depth > self.limits.json_depth {
            return type_error(format!(
                "a plain value may be nested {} levels deep and not contain itself",
                self.limits.json_depth
            ));
        }
        Ok(match value {
            Value::Undefined | Value::Null | Value::Hole | Value::Uninitialised => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Number(n) => number_to_json(*n),
            Value::Text(text) => Json::String(text.to_utf8()),
            Value::Builtin(_) => return type_error("a function is not a plain value"),
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Array(_) => {
                    let items = self.heap.elements(*at);
                    Json::Array(
                        items.iter().map(|v| self.value_to_json_at(v, depth + 1, left)).collect::<Result<_, _>>()?,
                    )
                }
                Entry::Object(_) | Entry::Error(_) => {
                    let mut members = serde_json::Map::new();
                    if let Entry::Error(_) = self.heap.get(*at) {
                        for name in ["name", "message"] {
                            let text = self.to_text(&self.property(value, &Value::text(name))?)?;
                            members.insert(name.to_owned(), Json::String(text.to_utf8()));
                        }
                    }
                    for (key, member) in self.own_entries(value) {
                        if !matches!(member, Value::Undefined) {
                            left.charge(&key)?;
                            let key = self.to_text(&key)?.to_utf8();
                            // Documents hold plain values, and some stores refuse NUL in a key.
                            if key.contains('\0') {
                                return type_error("a key of a plain value may not hold the character NUL");
                            }
                            members.insert(key, self.value_to_json_at(&member, depth + 1, left)?);
                        }
                    }
                    Json::Object(members)
                }
                Entry::Closure(_) | Entry::Bound(_) => return type_error("a function is not a plain value"),
                Entry::Map(_) => return type_error("a Map is not a plain value; use Object.fromEntries(map)"),
                Entry::Set(_) => return type_error("a Set is not a plain value; use [...set]"),
                _ => return type_error("an iterator or regular expression is not a plain value"),
            },
        })
    }

    /// A value in an error message, and as `PRINT` prints it.
    pub(super) fn display_text(&self, value: &Value) -> String {
        if let Some(text) = Self::primitive_text(value) {
            return text.to_utf8();
        }
        if let Value::Ref(at) = value {
            match self.heap.get(*at) {
                Entry::Error(_) => return self.error_text(value).map(|text| text.to_utf8()).unwrap_or_default(),
                Entry::Closure(closure) => {
                    let name = self.function_name(closure.function);
                    return match (closure.class.is_some(), name.is_empty()) {
                        (true, _) => format!("[class {name}]"),
                        (false, true) => "[Function (anonymous)]".to_owned(),
                        (false, false) => format!("[Function: {name}]"),
                    };
                }
                _ => {}
            }
        }
        let style = StringifyOptions { indent: Str::empty(), allowed_keys: None, marks_cycles: true };
        match self.stringify(value, &style) {
            Ok(Some(text)) => text.to_utf8(),
            Ok(None) | Err(_) if self.is_callable(value) => {
                let name = self.property(value, &Value::text("name")).and_then(|name| self.to_text(&name));
                format!("[Function: {}]", name.map(|text| text.to_utf8()).unwrap_or_default())
            }
            Ok(None) => "undefined".to_owned(),
            Err(_) => "[object Object]".to_owned(),
        }
    }

    /// `JSON.stringify`; `None` for a value without a JSON form. ECMA-262 §25.5.2 JSON.stringify, §25.5.2.5 SerializeJSONObject,
    /// §25.5.2.6 SerializeJSONArray. Deviation: `toJSON` and replacer functions are not supported.
    pub(super) fn stringify(
        &self,
        value: &Value,
        style: &StringifyOptions<'_>,
    ) -> Result<Option<Str>, AbruptCompletion> {
        let mut out = StrBuilder::default();
        let mut levels: Vec<JsonLevel> = Vec::new();
        let mut open: HashSet<HeapRef> = HashSet::new();
        if !self.write_value(value, style, &mut out, &mut levels, &mut open)? {
            return Ok(None);
        }
        loop {
            let depth = levels.len();
            let Some(level) = levels.last_mut() else { break };
            match level.entries.next() {
                Some((key, member)) => {
                    let (keyed, first) = (level.keyed, level.first);
                    if keyed && !self.has_json(&member) {
                        continue;
                    }
                    level.first = false;
                    if !first {
                        out.push_str(",");
                    }
                    new_line(&mut out, style, depth);
                    if keyed {
                        if let Value::Text(key) = &key {
                            quote(&mut out, key);
                        }
                        out.push_str(if style.indent.is_empty() { ":" } else { ": " });
                    }
                    if !self.write_value(&member, style, &mut out, &mut levels, &mut open)? {
                        out.push_str("null");
                    }
                }
                None => {
                    let (keyed, first, at) = (level.keyed, level.first, level.at);
                    levels.pop();
                    open.remove(&at);
                    if !first {
                        new_line(&mut out, style, depth - 1);
                    }
                    out.push_str(if keyed { "}" } else { "]" });
                }
            }
            self.check_text_length(out.len())?;
        }
        Ok(Some(out.build()))
    }

    /// Whether a value has a JSON form. ECMA-262 §25.5.2.2 SerializeJSONProperty.
    fn has_json(&self, value: &Value) -> bool {
        match value {
            Value::Undefined | Value::Hole | Value::Uninitialised => false,
            Value::Builtin(builtin) => builtin.is_namespace(),
            Value::Ref(at) => !matches!(self.heap.get(*at), Entry::Closure(_) | Entry::Bound(_)),
            _ => true,
        }
    }

    /// Writes a value, or opens its level. False if it has no JSON form. ECMA-262 §25.5.2.2 SerializeJSONProperty.
    fn write_value(
        &self,
        value: &Value,
        style: &StringifyOptions<'_>,
        out: &mut StrBuilder,
        levels: &mut Vec<JsonLevel>,
        open: &mut HashSet<HeapRef>,
    ) -> Result<bool, AbruptCompletion> {
        if let Value::Ref(_) = value
            && !style.marks_cycles
            && self.own_or_inherited(value, &Value::text("toJSON"))?.is_some_and(|method| self.is_callable(&method))
        {
            return unsupported("JSON.stringify does not call toJSON here; call it yourself");
        }
        if !self.has_json(value) {
            return Ok(false);
        }
        match value {
            Value::Text(text) => quote(out, text),
            Value::Number(n) if !n.is_finite() => out.push_str("null"),
            Value::Builtin(_) => out.push_str("{}"),
            Value::Ref(at) => {
                if !open.insert(*at) {
                    if style.marks_cycles {
                        out.push_str("\"[Circular]\"");
                        return Ok(true);
                    }
                    return type_error(self.circular_structure_message(*at, levels, style)?);
                }
                let keyed = !matches!(self.heap.get(*at), Entry::Array(_));
                let entries = if keyed {
                    self.members_to_write(value, style)?
                } else {
                    self.heap.elements(*at).into_iter().map(|element| (Value::Undefined, element)).collect()
                };
                out.push_str(if keyed { "{" } else { "[" });
                levels.push(JsonLevel {
                    at: *at,
                    keyed,
                    len: entries.len(),
                    entries: entries.into_iter(),
                    first: true,
                });
            }
            primitive => {
                if let Some(text) = Self::primitive_text(primitive) {
                    out.push(&text);
                }
            }
        }
        Ok(true)
    }

    /// The properties of an object that are written. ECMA-262 §25.5.2.5 SerializeJSONObject.
    pub(super) fn members_to_write(
        &self,
        value: &Value,
        style: &StringifyOptions<'_>,
    ) -> Result<Vec<(Value, Value)>, AbruptCompletion> {
        if let Some(only) = style.allowed_keys {
            let present = only.iter().filter(|key| self.has_own(value, key));
            return present.map(|key| Ok((key.clone(), self.property(value, key)?))).collect();
        }
        Ok(self.own_entries(value))
    }

    /// `JSON.parse(text)`. ECMA-262 §25.5.1.1 ParseJSON. The messages of SyntaxError are those of V8.
    pub(super) fn parse_json(&mut self, text: &Str) -> Result<Value, AbruptCompletion> {
        let mut reader = JsonParser { text: text.clone(), at: 0 };
        let mut levels: Vec<OpenContainer> = Vec::new();
        let mut keys: Vec<Value> = Vec::new();
        loop {
            reader.skip_white_space();
            // A value begins, or the array or object that was just opened ends.
            let mut value = match reader.peek() {
                Some(b'[') => {
                    reader.at += 1;
                    reader.skip_white_space();
                    if reader.peek() == Some(b']') {
                        reader.at += 1;
                        self.empty_array()
                    } else {
                        levels.push((None, Vec::new()));
                        continue;
                    }
                }
                Some(b'{') => {
                    reader.at += 1;
                    reader.skip_white_space();
                    if reader.peek() == Some(b'}') {
                        reader.at += 1;
                        self.new_object(Vec::new())
                    } else {
                        keys.push(reader.key("Expected property name or '}'")?);
                        levels.push((Some(Vec::new()), Vec::new()));
                        continue;
                    }
                }
                Some(b'"') => Value::Text(reader.string()?),
                Some(b't') => reader.parse_literal("true", Value::Bool(true))?,
                Some(b'f') => reader.parse_literal("false", Value::Bool(false))?,
                Some(b'n') => reader.parse_literal("null", Value::Null)?,
                Some(b'-' | b'0'..=b'9') => reader.number()?,
                _ => return reader.unexpected(),
            };
            self.heap.check_room(0)?;
            // The value is added to its container. A container that ends is a value itself.
            loop {
                reader.skip_white_space();
                let Some((pairs, items)) = levels.last_mut() else {
                    if reader.at < text.len() {
                        return reader.trailing();
                    }
                    self.heap.charge(text.len() as u64);
                    self.charge_work(text.len() as u64);
                    return Ok(value);
                };
                let next = reader.peek();
                match pairs {
                    None => {
                        items.push(value);
                        match next {
                            Some(b',') => {
                                reader.at += 1;
                                break;
                            }
                            Some(b']') => {
                                reader.at += 1;
                                let items = std::mem::take(items);
                                levels.pop();
                                value = Value::Ref(self.heap.new_array(items));
                            }
                            _ => return reader.expected("',' or ']' after array element"),
                        }
                    }
                    Some(pairs) => {
                        pairs.push((keys.pop().unwrap_or(Value::Undefined), value));
                        match next {
                            Some(b',') => {
                                reader.at += 1;
                                reader.skip_white_space();
                                keys.push(reader.key("Expected double-quoted property name")?);
                                break;
                            }
                            Some(b'}') => {
                                reader.at += 1;
                                let pairs = std::mem::take(pairs);
                                levels.pop();
                                value = self.new_object(Vec::new());
                                for (key, member) in pairs {
                                    self.define(&value, key, member)?;
                                }
                            }
                            _ => return reader.expected("',' or '}' after property value"),
                        }
                    }
                }
            }
        }
    }
}

/// The number of bytes that a plain value may still have.
pub(super) struct JsonBudget {
    pub(super) bytes: u64,
    /// The limit that is exceeded when no bytes are left.
    pub(super) limit: ExceededLimit,
}

impl JsonBudget {
    fn charge(&mut self, value: &Value) -> Result<(), ExceededLimit> {
        let text = if let Value::Text(text) = value { text.len() as u64 } else { 0 };
        // A value takes at least one byte of text. In memory its JSON takes far more, especially an object with few members.
        let least = match (self.limit, value) {
            (ExceededLimit::HeapBytes, Value::Ref(_)) => 400,
            (ExceededLimit::HeapBytes, _) => 32,
            _ => 1,
        };
        self.bytes = self.bytes.checked_sub(text + least).ok_or(self.limit)?;
        Ok(())
    }
}

fn new_line(out: &mut StrBuilder, style: &StringifyOptions<'_>, depth: usize) {
    if !style.indent.is_empty() {
        out.push_str("\n");
        for _ in 0..depth {
            out.push(&style.indent);
        }
    }
}

/// A number in a plain value. NaN and infinities become null, as in ECMA-262 §25.5.2.2 SerializeJSONProperty; -0 becomes 0.
fn number_to_json(n: f64) -> Json {
    if !n.is_finite() {
        Json::Null
    } else if n == 0.0 {
        Json::from(0)
    } else {
        wire::number(n)
    }
}

/// Writes a JSON string. ECMA-262 §25.5.2.3 QuoteJSONString and §25.5.2.4 UnicodeEscape.
pub(super) fn quote(out: &mut StrBuilder, text: &Str) {
    out.push_str("\"");
    let units = text.units();
    let plain = |unit: u16| unit >= 32 && unit != 34 && unit != 92 && !(0xd800..0xe000).contains(&unit);
    if units.iter().all(plain) {
        out.push_units(units);
    } else {
        for (at, unit) in units.iter().enumerate() {
            match unit {
                8 => out.push_str("\\b"),
                9 => out.push_str("\\t"),
                10 => out.push_str("\\n"),
                12 => out.push_str("\\f"),
                13 => out.push_str("\\r"),
                34 => out.push_str("\\\""),
                92 => out.push_str("\\\\"),
                0..32 => out.push_str(&format!("\\u{unit:04x}")),
                0xd800..0xdc00 if units.get(at + 1).is_some_and(|u| (0xdc00..0xe000).contains(&u)) => {
                    out.push_unit(unit);
                }
                0xdc00..0xe000 if at > 0 && units.get(at - 1).is_some_and(|u| (0xd800..0xdc00).contains(&u)) => {
                    out.push_unit(unit);
                }
                0xd800..0xe000 => out.push_str(&format!("\\u{unit:04x}")),
                unit => out.push_unit(unit),
            }
        }
    }
    out.push_str("\"");
}

/// An open container: the members of an object so far, or the items of an array.
type OpenContainer = (Option<Vec<(Value, Value)>>, Vec<Value>);

struct JsonParser {
    text: Str,
    at: usize,
}

impl JsonParser {
    fn unit(&self, at: usize) -> Option<u16> {
        self.text.unit(at)
    }

    fn peek(&self) -> Option<u8> {
        self.unit(self.at).map(|unit| u8::try_from(unit).unwrap_or(b'?'))
    }

    fn skip_white_space(&mut self) {
        while matches!(self.unit(self.at), Some(9 | 10 | 13 | 32)) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, message: String) -> Result<T, AbruptCompletion> {
        Err(AbruptCompletion::Error(ErrorKind::Syntax, message))
    }

    /// The error at an unexpected character. It quotes the whole text if it is short, else the part around the character.
    fn unexpected<T>(&self) -> Result<T, AbruptCompletion> {
        let Some(unit) = self.unit(self.at) else { return self.fail("Unexpected end of JSON input".to_owned()) };
        let token = Str::from_units(&[unit]);
        if unit == 34 || matches!(unit, 48..58 | 45) {
            let what = if unit == 34 { "string" } else { "number" };
            return self.fail(format!("Unexpected {what} in JSON at position {}", self.at));
        }
        // V8 has other messages for the texts of `undefined`, `NaN` and objects.
        if ["undefined", "NaN", "Infinity", "[object Object]"].iter().any(|word| self.text == Str::new(word)) {
            return self.fail(format!("\"{}\" is not valid JSON", self.text));
        }
        let (at, len) = (self.at, self.text.len());
        let excerpt = match (len <= 20, at >= 10, at + 10 < len) {
            (true, ..) => format!("\"{}\"", self.text),
            (_, true, true) => format!("...\"{}\"...", self.text.slice(at - 10, at + 10)),
            (_, true, false) => format!("...\"{}\"", self.text.slice(at - 10, len)),
            (_, false, _) => format!("\"{}\"...", self.text.slice(0, at + 10)),
        };
        self.fail(format!("Unexpected token '{token}', {excerpt} is not valid JSON"))
    }

    fn expected<T>(&self, what: &str) -> Result<T, AbruptCompletion> {
        self.fail(format!("Expected {what} in JSON at position {}", self.at))
    }

    fn trailing<T>(&self) -> Result<T, AbruptCompletion> {
        self.fail(format!("Unexpected non-whitespace character after JSON at position {}", self.at))
    }

    fn key(&mut self, expected: &str) -> Result<Value, AbruptCompletion> {
        if self.peek() != Some(b'"') {
            return self.fail(format!("{expected} in JSON at position {}", self.at));
        }
        let key = self.string()?;
        self.skip_white_space();
        if self.peek() != Some(b':') {
            return self.expected("':' after property name");
        }
        self.at += 1;
        Ok(Value::Text(key))
    }

    fn parse_literal(&mut self, word: &str, value: Value) -> Result<Value, AbruptCompletion> {
        for byte in word.bytes() {
            if self.unit(self.at) != Some(u16::from(byte)) {
                return self.unexpected();
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, AbruptCompletion> {
        let start = self.at;
        let digits = |reader: &mut JsonParser| {
            let from = reader.at;
            while matches!(reader.peek(), Some(b'0'..=b'9')) {
                reader.at += 1;
            }
            reader.at > from
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.unexpected();
            }
        } else if !digits(self) {
            return self.fail(format!("No number after minus sign in JSON at position {}", self.at));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !digits(self) {
                return self.fail(format!("Unterminated fractional number in JSON at position {}", self.at));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !digits(self) {
                return self.fail(format!("Exponent part is missing a number in JSON at position {}", self.at));
            }
        }
        Ok(Value::Number(number::from_text(&self.text.slice(start, self.at))))
    }

    fn string(&mut self) -> Result<Str, AbruptCompletion> {
        self.at += 1;
        let start = self.at;
        let mut out: Option<StrBuilder> = None;
        loop {
            let Some(unit) = self.unit(self.at) else {
                return self.fail(format!("Unterminated string in JSON at position {}", self.at));
            };
            match unit {
                34 => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(match out {
                        Some(out) => out.build(),
                        None => self.text.slice(start, end),
                    });
                }
                92 => {
                    let mut built = match out.take() {
                        Some(built) => built,
                        None => {
                            let mut built = StrBuilder::default();
                            built.push(&self.text.slice(start, self.at));
                            built
                        }
                    };
                    built.push_unit(self.escape()?);
                    out = Some(built);
                }
                0..32 => {
                    return self
                        .fail(format!("Bad control character in string literal in JSON at position {}", self.at));
                }
                unit => {
                    if let Some(built) = &mut out {
                        built.push_unit(unit);
                    }
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<u16, AbruptCompletion> {
        let letter = self.unit(self.at + 1);
        if letter.is_none() {
            return self.fail("Unexpected end of JSON input".to_owned());
        }
        self.at += 2;
        Ok(match letter.and_then(|unit| u8::try_from(unit).ok()) {
            Some(same @ (b'"' | b'\\' | b'/')) => u16::from(same),
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => 10,
            Some(b'r') => 13,
            Some(b't') => 9,
            Some(b'u') => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
                    let Some(digit) = digit else {
                        return self.fail(format!("Bad Unicode escape in JSON at position {}", self.at));
                    };
                    code = code * 16 + digit as u16;
                    self.at += 1;
                }
                code
            }
            _ => return self.fail(format!("Bad escaped character in JSON at position {}", self.at - 1)),
        })
    }
}

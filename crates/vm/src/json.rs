//! Values as JSON: plain values at the boundary, `JSON.stringify`, values in error messages, and `JSON.parse`. Nesting
//! that only a program bounds is processed without recursion.
//!
//! A cyclic value has no JSON form. The error names the path through the cycle, worded as V8 does
//! (`CircularStructureMessageBuilder`).

use std::collections::HashSet;

use serde_json::Value as Json;

use super::abrupt_completion::{AbruptCompletion, Completion, type_error, unsupported};
use super::conversion::StrBuilder;
use super::entry::Entry;
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::natives::Receiver;
use super::object::{ErrorKind, Object};
use super::operand_conversion::OperandConversion;
use super::text::Str;
use super::value::{HeapRef, Value};
use super::{call, callback, conversion, date, json_walk, number, property, slow_path, wire, work};

/// Work of a unit of JSON that is read or written: a value may be as short as one.
pub(super) const JSON_WORK: u64 = 16;

/// Options of `JSON.stringify`.
pub(super) struct StringifyOptions<'a> {
    /// The indentation of one level.
    pub(super) indent: Str,
    /// If set, only these properties are written.
    pub(super) allowed_keys: Option<&'a [Value]>,
    /// Whether a value within itself is written as a mark instead of being an error.
    pub(super) marks_cycles: bool,
    /// The index of the value on the stack, if methods of the program may convert it.
    pub(super) operand: Option<usize>,
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

impl JsonLevel {
    /// A level of `len` members whose member before `position` is being written, for messages.
    pub(super) fn at_position(at: HeapRef, keyed: bool, len: usize, position: usize) -> JsonLevel {
        let remaining = vec![(Value::Undefined, Value::Undefined); len.saturating_sub(position)];
        JsonLevel { at, keyed, entries: remaining.into_iter(), len, first: false }
    }
}

/// A plain value from outside the machine.
pub(super) fn value_from_json(machine: &mut Machine, json: &Json) -> Completion<Value> {
    value_from_json_at(machine, json, 0)
}

/// Recursive: the depth limit bounds the recursion.
fn value_from_json_at(machine: &mut Machine, json: &Json, depth: u32) -> Completion<Value> {
    if depth > machine.limits.json_depth {
        return Err(ExceededLimit::JsonDepth.into());
    }
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::Number(n.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => {
            conversion::check_text_length(machine, text.len())?;
            machine.heap.charge(text.len() as u64);
            Value::text(text)
        }
        Json::Array(items) => {
            machine.heap.check_room(16 * items.len() as u64)?;
            let items =
                items.iter().map(|item| value_from_json_at(machine, item, depth + 1)).collect::<Result<Vec<_>, _>>()?;
            Value::Ref(machine.heap.new_array(items))
        }
        Json::Object(members) => {
            machine.heap.check_room(32 * members.len() as u64)?;
            let mut pairs = Vec::with_capacity(members.len());
            for (key, member) in members {
                pairs.push((Value::text(key), value_from_json_at(machine, member, depth + 1)?));
            }
            slow_path::new_object(machine, pairs)
        }
    })
}

/// A value as a plain value. `undefined` becomes null and is omitted from objects. An error becomes its name and
/// message, a date its ISO text, as `JSON.stringify` writes it.
///
/// An object that is referenced several times is written each time, so `bytes` bounds the output.
pub(super) fn value_to_json(machine: &Machine, value: &Value, bytes: u64, limit: ExceededLimit) -> Completion<Json> {
    value_to_json_within(machine, value, &mut JsonBudget { bytes, limit })
}

/// As [`value_to_json`]; the size of the output is subtracted from `budget`.
pub(super) fn value_to_json_within(machine: &Machine, value: &Value, budget: &mut JsonBudget) -> Completion<Json> {
    value_to_json_at(machine, value, 0, budget)
}

fn value_to_json_at(machine: &Machine, value: &Value, depth: u32, budget: &mut JsonBudget) -> Completion<Json> {
    budget.charge(value)?;
    if depth > machine.limits.json_depth {
        return type_error(format!(
            "a plain value may be nested {} levels deep and not contain itself",
            machine.limits.json_depth
        ));
    }
    Ok(match value {
        Value::Undefined | Value::Null | Value::Hole | Value::Uninitialized => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Number(n) => number_to_json(*n),
        Value::Text(text) => Json::String(text.to_utf8()),
        Value::Builtin(_) => return type_error("a function is not a plain value"),
        Value::Symbol(_) => return type_error("a symbol is not a plain value"),
        Value::BigInt(_) => return type_error("a BigInt is not a plain value; use String(value)"),
        Value::Accessor(_) => {
            return type_error("an object with getters is not a plain value; copy it with {...object}");
        }
        Value::Ref(at) => match machine.heap.get(machine.heap.collection(*at).unwrap_or(*at)) {
            Entry::Array(_) => {
                let items = machine.heap.elements(*at);
                Json::Array(
                    items.iter().map(|v| value_to_json_at(machine, v, depth + 1, budget)).collect::<Result<_, _>>()?,
                )
            }
            Entry::Object(Object { holds_collection: true, .. }) => {
                return type_error("a WeakMap or WeakSet is not a plain value");
            }
            // As `JSON.stringify` writes them, too.
            Entry::Object(_) | Entry::Error(_) | Entry::View(_) | Entry::Buffer(_) => {
                property::check_listing(&machine.heap, value)?;
                let mut members = serde_json::Map::new();
                if let Entry::Error(_) = machine.heap.get(*at) {
                    for name in ["name", "message"] {
                        let text = conversion::to_text(machine, &conversion::read_property(machine, value, name)?)?;
                        members.insert(name.to_owned(), Json::String(text.to_utf8()));
                    }
                }
                for (key, member) in property::own_entries(&machine.heap, value) {
                    if !matches!(member, Value::Undefined) {
                        budget.charge(&key)?;
                        let key = conversion::to_text(machine, &key)?.to_utf8();
                        // Documents hold plain values, and some stores refuse NUL in a key.
                        if key.contains('\0') {
                            return type_error("a key of a plain value may not hold the character NUL");
                        }
                        members.insert(key, value_to_json_at(machine, &member, depth + 1, budget)?);
                    }
                }
                Json::Object(members)
            }
            Entry::Closure(_) | Entry::Bound(_) => return type_error("a function is not a plain value"),
            Entry::Map(_) => return type_error("a Map is not a plain value; use Object.fromEntries(map)"),
            Entry::Set(_) => return type_error("a Set is not a plain value; use [...set]"),
            Entry::Generator(_) => return type_error("a generator is not a plain value; use [...generator]"),
            Entry::Promise(_) => return type_error("a promise is not a plain value; write await before it"),
            Entry::Date(_) => {
                return type_error("a Date is not a plain value; use date.toISOString() or date.getTime()");
            }
            _ => return type_error("an iterator or regular expression is not a plain value"),
        },
    })
}

/// A value in an error message, and as `PRINT` prints it.
pub(super) fn display_text(machine: &Machine, value: &Value) -> String {
    if let Some(text) = conversion::primitive_text(value) {
        return text.to_utf8();
    }
    if let Value::Symbol(symbol) = value {
        return symbol.text(&machine.heap);
    }
    if let Value::Ref(at) = value {
        match machine.heap.get(*at) {
            Entry::Error(_) => {
                return conversion::error_text(machine, value).map(|text| text.to_utf8()).unwrap_or_default();
            }
            Entry::Closure(closure) => {
                let name = property::function_name(machine, closure.function);
                return match (call::is_class(machine, closure), name.is_empty()) {
                    (true, _) => format!("[class {name}]"),
                    (false, true) => "[Function (anonymous)]".to_owned(),
                    (false, false) => format!("[Function: {name}]"),
                };
            }
            _ => {}
        }
    }
    let options = StringifyOptions { indent: Str::empty(), allowed_keys: None, marks_cycles: true, operand: None };
    match stringify(machine, value, &options) {
        Ok(Some(text)) => text.to_utf8(),
        Ok(None) | Err(_) if conversion::is_callable(machine, value) => {
            let name = property::property(machine, value, &Value::text("name"))
                .and_then(|name| conversion::to_text(machine, &name));
            format!("[Function: {}]", name.map(|text| text.to_utf8()).unwrap_or_default())
        }
        Ok(None) => "undefined".to_owned(),
        Err(_) => "[object Object]".to_owned(),
    }
}

/// `JSON.stringify`; `None` for a value without a JSON form. ECMA-262 §25.5.2 JSON.stringify, §25.5.2.5
/// SerializeJSONObject, §25.5.2.6 SerializeJSONArray. Methods of the program convert the value before (`json_walk.rs`).
pub(super) fn stringify(machine: &Machine, value: &Value, options: &StringifyOptions<'_>) -> Completion<Option<Str>> {
    let mut out = StrBuilder::default();
    let mut levels: Vec<JsonLevel> = Vec::new();
    let mut ancestors: HashSet<HeapRef> = HashSet::new();
    if !write_value(machine, value, options, &mut out, &mut levels, &mut ancestors)? {
        return Ok(None);
    }
    loop {
        let depth = levels.len();
        let Some(level) = levels.last_mut() else { break };
        match level.entries.next() {
            Some((key, member)) => {
                let (keyed, first) = (level.keyed, level.first);
                if keyed && !has_json(machine, &member) {
                    continue;
                }
                level.first = false;
                if !first {
                    out.push_str(",");
                }
                new_line(&mut out, options, depth);
                if keyed {
                    if let Value::Text(key) = &key {
                        quote(&mut out, key);
                    }
                    out.push_str(if options.indent.is_empty() { ":" } else { ": " });
                }
                if !write_value(machine, &member, options, &mut out, &mut levels, &mut ancestors)? {
                    out.push_str("null");
                }
            }
            None => {
                let (keyed, first, at) = (level.keyed, level.first, level.at);
                levels.pop();
                ancestors.remove(&at);
                if !first {
                    new_line(&mut out, options, depth - 1);
                }
                out.push_str(if keyed { "}" } else { "]" });
            }
        }
        conversion::check_text_length(machine, out.len())?;
    }
    Ok(Some(out.build()))
}

/// Whether a value has a JSON form. ECMA-262 §25.5.2.2 SerializeJSONProperty.
fn has_json(machine: &Machine, value: &Value) -> bool {
    match value {
        Value::Undefined | Value::Hole | Value::Uninitialized | Value::Symbol(_) => false,
        Value::Builtin(builtin) => builtin.is_namespace(),
        Value::Accessor(_) => true,
        Value::Ref(at) => !matches!(machine.heap.get(*at), Entry::Closure(_) | Entry::Bound(_)),
        _ => true,
    }
}

/// Writes a value, or opens its level. False if it has no JSON form. ECMA-262 §25.5.2.2 SerializeJSONProperty.
fn write_value(
    machine: &Machine,
    value: &Value,
    options: &StringifyOptions<'_>,
    out: &mut StrBuilder,
    levels: &mut Vec<JsonLevel>,
    ancestors: &mut HashSet<HeapRef>,
) -> Completion<bool> {
    if let Value::Ref(_) = value
        && !options.marks_cycles
        && json_walk::to_json_method(machine, value)?.is_some()
    {
        return require_methods(options);
    }
    if !has_json(machine, value) {
        return Ok(false);
    }
    match value {
        Value::Text(text) => quote(out, text),
        Value::Number(n) if !n.is_finite() => out.push_str("null"),
        Value::BigInt(_) if !options.marks_cycles => return type_error("Do not know how to serialize a BigInt"),
        Value::Builtin(_) => out.push_str("{}"),
        Value::Accessor(_) if options.marks_cycles => out.push_str("\"[Getter]\""),
        Value::Accessor(_) => return require_methods(options),
        Value::Ref(at) if let Some(time) = machine.heap.date(*at) => match date::iso_text(time) {
            Some(text) => quote(out, &Str::new(&text)),
            None => out.push_str("null"),
        },
        Value::Ref(at) => {
            if !ancestors.insert(*at) {
                if options.marks_cycles {
                    out.push_str("\"[Circular]\"");
                    return Ok(true);
                }
                return type_error(circular_structure_message(machine, *at, levels, options)?);
            }
            let keyed = !matches!(machine.heap.get(*at), Entry::Array(_));
            let entries = if keyed {
                members_to_write(machine, value, options)?
            } else {
                machine.heap.elements(*at).into_iter().map(|element| (Value::Undefined, element)).collect()
            };
            out.push_str(if keyed { "{" } else { "[" });
            levels.push(JsonLevel { at: *at, keyed, len: entries.len(), entries: entries.into_iter(), first: true });
        }
        primitive => {
            if let Some(text) = conversion::primitive_text(primitive) {
                out.push(&text);
            }
        }
    }
    Ok(true)
}

/// Interrupts `JSON.stringify`: methods of the program convert the value first.
fn require_methods(options: &StringifyOptions<'_>) -> Completion<bool> {
    match options.operand {
        Some(at) => Err(AbruptCompletion::ConvertOperand(at, OperandConversion::Json)),
        None => unsupported("toJSON and getters are not called here; call JSON.stringify"),
    }
}

/// The properties of an object that are written. ECMA-262 §25.5.2.5 SerializeJSONObject.
pub(super) fn members_to_write(
    machine: &Machine,
    value: &Value,
    options: &StringifyOptions<'_>,
) -> Completion<Vec<(Value, Value)>> {
    if let Some(allowed_keys) = options.allowed_keys {
        // Own or inherited. Built-in prototypes have functions only, which are not written.
        let members = allowed_keys.iter().map(|key| {
            let found = property::find_property(machine, value, key)?;
            Ok((key.clone(), found.unwrap_or(Value::Undefined)))
        });
        return members.collect();
    }
    property::check_listing(&machine.heap, value)?;
    Ok(property::own_entries(&machine.heap, value))
}

/// `JSON.parse(text)`. ECMA-262 §25.5.1.1 ParseJSON. The messages of SyntaxError are those of V8.
pub(super) fn parse_json(machine: &mut Machine, text: &Str) -> Completion<Value> {
    work::count(JSON_WORK * text.len() as u64);
    let mut parser = JsonParser { text: text.clone(), at: 0 };
    let mut levels: Vec<OpenContainer> = Vec::new();
    let mut keys: Vec<Value> = Vec::new();
    loop {
        parser.skip_white_space();
        // A value begins, or the array or object that was just opened ends.
        let mut value = match parser.peek() {
            Some(b'[') => {
                parser.at += 1;
                parser.skip_white_space();
                if parser.peek() == Some(b']') {
                    parser.at += 1;
                    callback::empty_array(machine)
                } else {
                    levels.push((None, Vec::new()));
                    continue;
                }
            }
            Some(b'{') => {
                parser.at += 1;
                parser.skip_white_space();
                if parser.peek() == Some(b'}') {
                    parser.at += 1;
                    slow_path::new_object(machine, Vec::new())
                } else {
                    keys.push(parser.parse_key("Expected property name or '}'")?);
                    levels.push((Some(Vec::new()), Vec::new()));
                    continue;
                }
            }
            Some(b'"') => Value::Text(parser.parse_string()?),
            Some(b't') => parser.parse_literal("true", Value::Bool(true))?,
            Some(b'f') => parser.parse_literal("false", Value::Bool(false))?,
            Some(b'n') => parser.parse_literal("null", Value::Null)?,
            Some(b'-' | b'0'..=b'9') => parser.parse_number()?,
            _ => return parser.unexpected_error(),
        };
        machine.heap.check_room(0)?;
        // The value is added to its container. A container that ends is a value itself.
        loop {
            parser.skip_white_space();
            let Some((pairs, items)) = levels.last_mut() else {
                if parser.at < text.len() {
                    return parser.trailing_error();
                }
                machine.heap.charge(text.len() as u64);
                return Ok(value);
            };
            let next = parser.peek();
            match pairs {
                None => {
                    items.push(value);
                    match next {
                        Some(b',') => {
                            parser.at += 1;
                            break;
                        }
                        Some(b']') => {
                            parser.at += 1;
                            let items = std::mem::take(items);
                            levels.pop();
                            value = Value::Ref(machine.heap.new_array(items));
                        }
                        _ => return parser.expected_error("',' or ']' after array element"),
                    }
                }
                Some(pairs) => {
                    pairs.push((keys.pop().unwrap_or(Value::Undefined), value));
                    match next {
                        Some(b',') => {
                            parser.at += 1;
                            parser.skip_white_space();
                            keys.push(parser.parse_key("Expected double-quoted property name")?);
                            break;
                        }
                        Some(b'}') => {
                            parser.at += 1;
                            let pairs = std::mem::take(pairs);
                            levels.pop();
                            value = slow_path::new_object(machine, Vec::new());
                            for (key, member) in pairs {
                                slow_path::define(machine, &value, key, member)?;
                            }
                        }
                        _ => return parser.expected_error("',' or '}' after property value"),
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
        // A value takes at least one byte of text. In memory its JSON takes far more, especially an object with few
        // members.
        let overhead = match (self.limit, value) {
            (ExceededLimit::HeapBytes, Value::Ref(_)) => 400,
            (ExceededLimit::HeapBytes, _) => 32,
            _ => 1,
        };
        self.bytes = self.bytes.checked_sub(text + overhead).ok_or(self.limit)?;
        Ok(())
    }
}

fn new_line(out: &mut StrBuilder, options: &StringifyOptions<'_>, depth: usize) {
    if !options.indent.is_empty() {
        out.push_str("\n");
        for _ in 0..depth {
            out.push(&options.indent);
        }
    }
}

/// A number in a plain value. NaN and infinities become null, as in ECMA-262 §25.5.2.2 SerializeJSONProperty; -0
/// becomes 0.
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

    fn syntax_error<T>(&self, message: String) -> Completion<T> {
        Err(AbruptCompletion::Error(ErrorKind::Syntax, message))
    }

    /// The error at an unexpected character. It quotes the whole text if it is short, else the part around the
    /// character.
    fn unexpected_error<T>(&self) -> Completion<T> {
        let Some(unit) = self.unit(self.at) else {
            return self.syntax_error("Unexpected end of JSON input".to_owned());
        };
        let token = Str::from_units(&[unit]);
        if unit == 34 || matches!(unit, 48..58 | 45) {
            let token_type = if unit == 34 { "string" } else { "number" };
            return self.syntax_error(format!("Unexpected {token_type} in JSON at position {}", self.at));
        }
        // V8 has other messages for the texts of `undefined`, `NaN` and objects.
        if ["undefined", "NaN", "Infinity", "[object Object]"].iter().any(|word| self.text == Str::new(word)) {
            return self.syntax_error(format!("\"{}\" is not valid JSON", self.text));
        }
        let (at, len) = (self.at, self.text.len());
        let excerpt = match (len <= 20, at >= 10, at + 10 < len) {
            (true, ..) => format!("\"{}\"", self.text),
            (_, true, true) => format!("...\"{}\"...", self.text.slice(at - 10, at + 10)),
            (_, true, false) => format!("...\"{}\"", self.text.slice(at - 10, len)),
            (_, false, _) => format!("\"{}\"...", self.text.slice(0, at + 10)),
        };
        self.syntax_error(format!("Unexpected token '{token}', {excerpt} is not valid JSON"))
    }

    fn expected_error<T>(&self, token: &str) -> Completion<T> {
        self.syntax_error(format!("Expected {token} in JSON at position {}", self.at))
    }

    fn trailing_error<T>(&self) -> Completion<T> {
        self.syntax_error(format!("Unexpected non-whitespace character after JSON at position {}", self.at))
    }

    fn parse_key(&mut self, expected: &str) -> Completion<Value> {
        if self.peek() != Some(b'"') {
            return self.syntax_error(format!("{expected} in JSON at position {}", self.at));
        }
        let key = self.parse_string()?;
        self.skip_white_space();
        if self.peek() != Some(b':') {
            return self.expected_error("':' after property name");
        }
        self.at += 1;
        Ok(Value::Text(key))
    }

    fn parse_literal(&mut self, word: &str, value: Value) -> Completion<Value> {
        for byte in word.bytes() {
            if self.unit(self.at) != Some(u16::from(byte)) {
                return self.unexpected_error();
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn parse_number(&mut self) -> Completion<Value> {
        let start = self.at;
        let digits = |parser: &mut JsonParser| {
            let from = parser.at;
            while matches!(parser.peek(), Some(b'0'..=b'9')) {
                parser.at += 1;
            }
            parser.at > from
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.unexpected_error();
            }
        } else if !digits(self) {
            return self.syntax_error(format!("No number after minus sign in JSON at position {}", self.at));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !digits(self) {
                return self.syntax_error(format!("Unterminated fractional number in JSON at position {}", self.at));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !digits(self) {
                return self.syntax_error(format!("Exponent part is missing a number in JSON at position {}", self.at));
            }
        }
        Ok(Value::Number(number::from_text(&self.text.slice(start, self.at))))
    }

    fn parse_string(&mut self) -> Completion<Str> {
        self.at += 1;
        let start = self.at;
        let mut out: Option<StrBuilder> = None;
        loop {
            let Some(unit) = self.unit(self.at) else {
                return self.syntax_error(format!("Unterminated string in JSON at position {}", self.at));
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
                    built.push_unit(self.parse_escape()?);
                    out = Some(built);
                }
                0..32 => {
                    return self.syntax_error(format!(
                        "Bad control character in string literal in JSON at position {}",
                        self.at
                    ));
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

    fn parse_escape(&mut self) -> Completion<u16> {
        let letter = self.unit(self.at + 1);
        if letter.is_none() {
            return self.syntax_error("Unexpected end of JSON input".to_owned());
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
                        return self.syntax_error(format!("Bad Unicode escape in JSON at position {}", self.at));
                    };
                    code = code * 16 + digit as u16;
                    self.at += 1;
                }
                code
            }
            _ => return self.syntax_error(format!("Bad escaped character in JSON at position {}", self.at - 1)),
        })
    }
}

/// Number of objects named after the first one. Of the others only the last is named.
const NAMED_OBJECTS: usize = 2;

/// The message for an object that contains itself. `levels` are the objects being written, outermost first.
pub(crate) fn circular_structure_message(
    machine: &Machine,
    at: HeapRef,
    levels: &[JsonLevel],
    options: &StringifyOptions<'_>,
) -> Completion<String> {
    let start = levels.iter().position(|level| level.at == at).unwrap_or(0);
    let cycle = levels.get(start..).unwrap_or_default();
    let mut message = "Converting circular structure to JSON".to_owned();
    message += &format!("\n    --> starting at object with constructor '{}'", constructor_name(machine, at)?);
    for (index, pair) in cycle.windows(2).enumerate() {
        let [from, to] = pair else { continue };
        if index < NAMED_OBJECTS || index + 2 == cycle.len() {
            let (step, name) = (describe_member(machine, from, options)?, constructor_name(machine, to.at)?);
            message += &format!("\n    |     {step} -> object with constructor '{name}'");
        } else if index == NAMED_OBJECTS {
            message += "\n    |     ...";
        }
    }
    if let Some(last) = cycle.last() {
        message += &format!("\n    --- {} closes the circle", describe_member(machine, last, options)?);
    }
    Ok(message)
}

/// The member of a level that is being written.
fn describe_member(machine: &Machine, level: &JsonLevel, options: &StringifyOptions<'_>) -> Completion<String> {
    let index = level.len.saturating_sub(level.entries.len() + 1);
    if !level.keyed {
        return Ok(format!("index {index}"));
    }
    match members_to_write(machine, &Value::Ref(level.at), options)?.get(index) {
        Some((Value::Text(key), _)) => Ok(format!("property '{key}'")),
        _ => Ok("property ''".to_owned()),
    }
}

/// The name of an object's constructor, as messages of V8 give it.
pub(super) fn constructor_name(machine: &Machine, at: HeapRef) -> Completion<String> {
    Ok(match property::own_or_inherited(machine, &Value::Ref(at), &Value::text("constructor"))? {
        Some(Value::Ref(class)) => match machine.heap.get(class) {
            Entry::Closure(closure) => property::function_name(machine, closure.function).to_owned(),
            _ => "Object".to_owned(),
        },
        Some(Value::Builtin(builtin)) => builtin.name().to_owned(),
        _ => match property::receiver(machine, &Value::Ref(at)) {
            Some(Receiver::Iterator | Receiver::Generator | Receiver::AsyncGenerator) | None => "Object".to_owned(),
            Some(kind) => kind.name().to_owned(),
        },
    })
}

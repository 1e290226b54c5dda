//! Conversions between types, as JavaScript defines them. Where a method of the program decides (`toString`, `valueOf`),
//! the instruction is interrupted with [`Raise::Primitive`] and run again on the primitive.

use super::builtin::Registry;
use super::entry::Entry;
use super::iterator::Yields;
use super::limits::Exceeded;
use super::machine::Machine;
use super::number;
use super::raise::{Hint, Raise, type_error, unsupported};
use super::text::{ROPE, Str};
use super::value::{HeapRef, Value};

/// Levels of arrays in arrays that become text.
const JOIN_DEPTH: usize = 64;

impl Machine {
    /// `String(value)` of a primitive; `None` for objects.
    #[inline]
    pub(super) fn primitive_text(value: &Value) -> Option<Str> {
        Some(match value {
            Value::Text(text) => text.clone(),
            Value::Number(n) => number::to_text(*n),
            Value::Bool(true) => Str::new("true"),
            Value::Bool(false) => Str::new("false"),
            Value::Null => Str::new("null"),
            Value::Undefined | Value::Hole | Value::Uninitialised => Str::new("undefined"),
            Value::Ref(_) | Value::Builtin(_) => return None,
        })
    }

    /// `String(value)` of the value at a place of the stack.
    pub(super) fn text_at(&self, at: usize) -> Result<Str, Raise> {
        let value = self.stack.get(at).unwrap_or(&Value::Undefined);
        match Self::primitive_text(value) {
            Some(text) => Ok(text),
            None => {
                self.require_own_conversion(value, at, Hint::Text)?;
                self.object_text(value, 0)
            }
        }
    }

    /// `Number(value)` of the value at a place of the stack.
    pub(super) fn number_at(&self, at: usize) -> Result<f64, Raise> {
        let value = self.stack.get(at).unwrap_or(&Value::Undefined);
        if let Value::Ref(_) = value {
            self.require_own_conversion(value, at, Hint::Number)?;
        }
        self.number_of(value)
    }

    /// The primitive of the value at a place of the stack, for operators.
    pub(super) fn primitive_at(&self, at: usize, hint: Hint) -> Result<Value, Raise> {
        let value = self.stack.get(at).unwrap_or(&Value::Undefined);
        match value {
            Value::Ref(_) | Value::Builtin(_) => {
                self.require_own_conversion(value, at, hint)?;
                self.object_text(value, 0).map(Value::Text)
            }
            value => Ok(value.clone()),
        }
    }

    /// Interrupts when a method of the program makes the primitive.
    fn require_own_conversion(&self, value: &Value, at: usize, hint: Hint) -> Result<(), Raise> {
        if self.own_conversion(value, hint).is_some() { Err(Raise::Primitive(at, hint)) } else { Ok(()) }
    }

    /// The program's method that makes a primitive of this object.
    pub(super) fn own_conversion(&self, value: &Value, hint: Hint) -> Option<Value> {
        let Value::Ref(at) = value else { return None };
        if !matches!(self.heap.get(*at), Entry::Object(_) | Entry::Error(_)) {
            return None;
        }
        let names = match hint {
            Hint::Text => ["toString", "valueOf"],
            Hint::Number => ["valueOf", "toString"],
        };
        for name in names {
            match self.property(value, &Value::text(name)).ok()? {
                Value::Ref(at) if matches!(self.heap.get(at), Entry::Closure(_) | Entry::Bound(_)) => {
                    return Some(Value::Ref(at));
                }
                // The built-in one gives a text; `valueOf` gives the object itself, and the other is asked.
                Value::Builtin(_) if name == "toString" => return None,
                _ => {}
            }
        }
        None
    }

    /// `Number(value)`, with objects as the built-in conversions have it.
    pub(super) fn number_of(&self, value: &Value) -> Result<f64, Raise> {
        Ok(match value {
            Value::Number(n) => *n,
            Value::Text(text) => number::from_text(text),
            Value::Bool(b) => f64::from(u8::from(*b)),
            Value::Null => 0.0,
            Value::Undefined | Value::Hole | Value::Uninitialised | Value::Builtin(_) => f64::NAN,
            Value::Ref(_) => number::from_text(&self.object_text(value, 0)?),
        })
    }

    /// `String(value)`, with objects as the built-in conversions have it.
    pub(super) fn text_of(&self, value: &Value) -> Result<Str, Raise> {
        match Self::primitive_text(value) {
            Some(text) => Ok(text),
            None => self.object_text(value, 0),
        }
    }

    fn object_text(&self, value: &Value, depth: usize) -> Result<Str, Raise> {
        if self.own_conversion(value, Hint::Text).is_some() {
            return unsupported("the toString or valueOf of this object is not called here; call String() on it first");
        }
        if let Some(method) = self.own_or_inherited(value, &Value::text("toString"))?
            && !self.is_callable(&method)
        {
            return type_error("Cannot convert object to primitive value");
        }
        match value {
            Value::Builtin(builtin) if builtin.is_namespace() => Ok(Str::new(&format!("[object {}]", builtin.name()))),
            Value::Builtin(builtin) => {
                let name = Registry::get().name(*builtin);
                let name = name.rsplit('.').next().unwrap_or(name);
                Ok(Str::new(&format!("function {name}() {{ [native code] }}")))
            }
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Array(_) => self.joined(*at, &Str::single(u16::from(b',')), depth),
                Entry::Error(_) => self.error_text(value),
                Entry::Closure(closure) => {
                    let name = self.function_name(closure.function);
                    unsupported(format!("the source text of the function `{name}` is not kept; use its name"))
                }
                Entry::Bound(_) => Ok(Str::new("function () { [native code] }")),
                Entry::Map(_) => Ok(Str::new("[object Map]")),
                Entry::Set(_) => Ok(Str::new("[object Set]")),
                Entry::Cursor(cursor) => {
                    let kind = match &cursor.source {
                        _ if cursor.yields == Yields::Names => "Object",
                        Value::Text(_) => "String Iterator",
                        Value::Ref(source) => match self.heap.get(*source) {
                            Entry::Map(_) => "Map Iterator",
                            Entry::Set(_) => "Set Iterator",
                            _ => "Array Iterator",
                        },
                        _ => "Array Iterator",
                    };
                    Ok(Str::new(&format!("[object {kind}]")))
                }
                Entry::RegExp(regexp) => Ok(Str::new(&format!("/{}/{}", regexp.source, regexp.flags))),
                _ => Ok(Str::new("[object Object]")),
            },
            value => Ok(Self::primitive_text(value).unwrap_or_else(Str::empty)),
        }
    }

    /// `array.join(separator)`. Arrays within are joined by commas; one that contains itself gives no text there.
    pub(super) fn joined(&self, at: HeapRef, separator: &Str, depth: usize) -> Result<Str, Raise> {
        let mut open = Vec::new();
        self.joined_within(at, separator, depth, &mut open)
    }

    fn joined_within(&self, at: HeapRef, separator: &Str, depth: usize, open: &mut Vec<HeapRef>) -> Result<Str, Raise> {
        if depth > JOIN_DEPTH {
            return unsupported(format!("arrays nested deeper than {JOIN_DEPTH} cannot become text"));
        }
        let mut joined = Units::default();
        open.push(at);
        for index in 0..self.heap.array_len(at) {
            if index > 0 {
                joined.push(separator);
            }
            match self.heap.element(at, index) {
                Value::Undefined | Value::Null | Value::Hole => {}
                Value::Ref(inner) if open.contains(&inner) => {}
                Value::Ref(inner) if matches!(self.heap.get(inner), Entry::Array(_)) => {
                    joined.push(&self.joined_within(inner, &Str::single(u16::from(b',')), depth + 1, open)?);
                }
                value => {
                    joined.push(&match Self::primitive_text(&value) {
                        Some(text) => text,
                        None => self.object_text(&value, depth + 1)?,
                    });
                }
            }
            if joined.len() > self.limits.text_units as usize {
                return Err(Exceeded::TextUnits.into());
            }
        }
        open.pop();
        Ok(joined.text())
    }

    /// `name: message`
    pub(super) fn error_text(&self, error: &Value) -> Result<Str, Raise> {
        let part = |name: &str, missing: &str| -> Result<String, Raise> {
            Ok(match self.property(error, &Value::text(name))? {
                Value::Undefined => missing.to_owned(),
                value => match Self::primitive_text(&value) {
                    Some(text) => text.to_utf8(),
                    None => self.object_text(&value, 1)?.to_utf8(),
                },
            })
        };
        let (name, message) = (part("name", "Error")?, part("message", "")?);
        Ok(Str::new(&match (name.is_empty(), message.is_empty()) {
            (true, _) => message,
            (_, true) => name,
            _ => format!("{name}: {message}"),
        }))
    }

    /// `typeof value`
    pub(super) fn type_of(&self, value: &Value) -> &'static str {
        match value {
            Value::Undefined | Value::Hole | Value::Uninitialised => "undefined",
            Value::Null => "object",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::Builtin(builtin) if builtin.is_namespace() => "object",
            Value::Builtin(_) => "function",
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Closure(_) | Entry::Bound(_) => "function",
                _ => "object",
            },
        }
    }

    /// Whether the value can be called.
    pub(super) fn is_callable(&self, value: &Value) -> bool {
        self.type_of(value) == "function"
    }

    /// A property key: text, whatever it was.
    pub(super) fn key_at(&self, at: usize) -> Result<Value, Raise> {
        match self.stack.get(at) {
            Some(Value::Text(text)) => Ok(Value::Text(text.clone())),
            _ => self.text_at(at).map(Value::Text),
        }
    }

    /// Checks the length of a text about to be made.
    pub(super) fn check_text(&self, units: usize) -> Result<(), Raise> {
        if units > self.limits.text_units as usize { Err(Exceeded::TextUnits.into()) } else { Ok(()) }
    }

    /// Concatenates, within the limit.
    pub(super) fn concat(&mut self, a: &Str, b: &Str) -> Result<Str, Raise> {
        self.check_text(a.len() + b.len())?;
        // What is shared with the left half was counted when that was made.
        self.heap.charge(ROPE + b.len() as u64);
        self.heap.claim(a.len() as u64);
        Ok(Str::concat(a, b))
    }
}

/// Units of a text being built: narrow as long as they fit.
#[derive(Default)]
pub(super) struct Units {
    latin: Vec<u8>,
    wide: Option<Vec<u16>>,
}

impl Units {
    pub(super) fn len(&self) -> usize {
        self.wide.as_ref().map_or(self.latin.len(), Vec::len)
    }

    pub(super) fn push(&mut self, text: &Str) {
        self.push_units(text.units());
    }

    pub(super) fn push_units(&mut self, units: super::text::Units<'_>) {
        match (&mut self.wide, units) {
            (None, super::text::Units::Latin(bytes)) => self.latin.extend_from_slice(bytes),
            (Some(wide), units) => units.append_to(wide),
            (None, units) => {
                let mut wide: Vec<u16> = self.latin.iter().map(|b| u16::from(*b)).collect();
                units.append_to(&mut wide);
                self.wide = Some(wide);
            }
        }
    }

    pub(super) fn push_unit(&mut self, unit: u16) {
        match (&mut self.wide, u8::try_from(unit)) {
            (None, Ok(byte)) => self.latin.push(byte),
            (Some(wide), _) => wide.push(unit),
            (None, Err(_)) => self.push_units(super::text::Units::Wide(&[unit])),
        }
    }

    pub(super) fn push_str(&mut self, text: &str) {
        if text.is_ascii() {
            self.push_units(super::text::Units::Latin(text.as_bytes()));
        } else {
            text.encode_utf16().for_each(|unit| self.push_unit(unit));
        }
    }

    pub(super) fn text(self) -> Str {
        match self.wide {
            Some(wide) => Str::from_units(&wide),
            None => Str::from_latin_vec(self.latin),
        }
    }
}

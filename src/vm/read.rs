//! Values and heap entries read back from their saved form. Nothing here trusts what it reads.

// A text flattens itself lazily; what it says, and so its hash, never changes.
#![allow(clippy::mutable_key_type)]

use std::collections::HashSet;

use serde_json::Value as Json;

use super::array::{Array, Elements, Large};
use super::builtin::Registry;
use super::entry::{Entry, Pairs};
use super::iterator::{Cursor, Yields};
use super::object::{Bound, Class, Closure, ErrorKind, ErrorObject, Object, RegExp};
use super::program::Constant;
use super::table::Table;
use super::text::Str;
use super::value::{HeapRef, KeyHashing, Value};
use super::wire;
use crate::value::json_text;

/// Names that are compared with those to come. Keys that are data would fill the memory.
const NAMES: usize = 10_000;

/// Reads, or says what it met instead.
pub(super) type Read<T> = Result<T, String>;

fn wrong<T>(expected: &str, json: &Json) -> Read<T> {
    let mut found = json_text(json);
    if found.len() > 80 {
        found = found.chars().take(80).collect::<String>() + "…";
    }
    Err(format!("expected {expected}, found {found}"))
}

pub(super) fn number(json: &Json) -> Read<u32> {
    json.as_u64().and_then(|n| u32::try_from(n).ok()).map_or_else(|| wrong("a whole number", json), Ok)
}

pub(super) fn number64(json: &Json) -> Read<u64> {
    json.as_u64().map_or_else(|| wrong("a whole number", json), Ok)
}

pub(super) fn list(json: &Json) -> Read<&[Json]> {
    json.as_array().map_or_else(|| wrong("a list", json), |list| Ok(list.as_slice()))
}

pub(super) fn truth(json: &Json) -> Read<bool> {
    json.as_bool().map_or_else(|| wrong("true or false", json), Ok)
}

pub(super) fn word(json: &Json) -> Read<&str> {
    json.as_str().map_or_else(|| wrong("a text", json), Ok)
}

fn numbers(json: &Json) -> Read<Vec<u32>> {
    list(json)?.iter().map(number).collect()
}

pub(super) fn reference(json: &Json) -> Read<HeapRef> {
    number(json).map(HeapRef)
}

fn references(json: &Json) -> Read<Vec<HeapRef>> {
    list(json)?.iter().map(reference).collect()
}

fn optional_reference(json: &Json) -> Read<Option<HeapRef>> {
    Ok(Some(reference(json)?).filter(|at| *at != HeapRef::NONE))
}

pub(super) fn optional(json: &Json) -> Read<Option<Value>> {
    if json.as_array().is_some_and(Vec::is_empty) { Ok(None) } else { value(json).map(Some) }
}

/// A value.
pub(super) fn value(json: &Json) -> Read<Value> {
    if let Some(constant) = wire::constant(json) {
        return Ok(match constant {
            Constant::Undefined => Value::Undefined,
            Constant::Null => Value::Null,
            Constant::Bool(b) => Value::Bool(b),
            Constant::Number(n) => Value::Number(n),
            Constant::Text(units) => Value::Text(Str::from_units(&units)),
        });
    }
    let Some((tag, content)) = json.as_object().and_then(|object| object.iter().next()) else {
        return wrong("a value", json);
    };
    match tag.as_str() {
        "$ref" => reference(content).map(Value::Ref),
        "$uninitialised" => Ok(Value::Uninitialised),
        "$hole" => Ok(Value::Hole),
        "$builtin" => {
            let found = Registry::get().find(word(content)?);
            found.map(Value::Builtin).map_or_else(|| wrong("a built-in of this machine", content), Ok)
        }
        _ => wrong("a value", json),
    }
}

pub(super) fn values(json: &Json) -> Read<Vec<Value>> {
    list(json)?.iter().map(value).collect()
}

/// Reads heap entries. Equal names of properties are one text in memory, as they are in a machine that was never saved.
pub(super) struct Reader {
    names: HashSet<Str, KeyHashing>,
}

impl Reader {
    /// A reader that takes these names from the program.
    pub(super) fn new(names: impl Iterator<Item = Str>) -> Reader {
        Reader { names: names.collect() }
    }

    fn name(&mut self, key: Value) -> Value {
        let Value::Text(text) = key else { return key };
        let known = self.names.get(&text).cloned();
        Value::Text(known.unwrap_or_else(|| {
            if self.names.len() < NAMES {
                self.names.insert(text.clone());
            }
            text
        }))
    }

    fn pairs(&mut self, json: &Json) -> Read<Vec<(Value, Value)>> {
        let items = list(json)?;
        if items.len() % 2 != 0 {
            return wrong("keys with their values", json);
        }
        items.chunks_exact(2).map(|pair| Ok((self.name(value(&pair[0])?), value(&pair[1])?))).collect()
    }

    fn table(&mut self, json: &Json) -> Read<Table> {
        if json.is_array() {
            return Ok(Table::of(self.pairs(json)?));
        }
        if let Some(chunks) = json.get("chunks") {
            let next = match &json["next"] {
                Json::Null => None,
                next => Some(number(next)?),
            };
            return Ok(Table::from_large(number(&json["len"])?, references(chunks)?, next));
        }
        let (pairs, numbers) = (self.pairs(&json["pairs"])?, numbers(&json["numbers"])?);
        if pairs.len() != numbers.len() {
            return wrong("as many numbers as pairs", json);
        }
        Ok(Table::from_small(pairs, Some((number(&json["next"])?, numbers))))
    }

    fn object(&mut self, flags: &Json, proto: &Json, properties: &Json) -> Read<Object> {
        let flags = number(flags)?;
        Ok(Object {
            table: self.table(properties)?,
            proto: optional_reference(proto)?,
            frozen: flags & 1 != 0,
            prototype: flags & 2 != 0,
        })
    }

    fn array(&mut self, frozen: &Json, extra: &Json, elements: Elements) -> Read<Entry> {
        let extra = if extra.is_null() { None } else { Some(Box::new(self.table(extra)?)) };
        Ok(Entry::Array(Array { elements, frozen: truth(frozen)?, extra }))
    }

    fn closure(&mut self, parts: &[Json]) -> Read<Closure> {
        let (function, captures, more) = match parts {
            [function, captures, more @ ..] => (function, captures, more),
            _ => return Err("expected a function".to_owned()),
        };
        let mut closure =
            Closure { function: number(function)?, captures: references(captures)?, ..Closure::default() };
        match more {
            [] => {}
            [this, home, fixed, class, own, hidden] => {
                closure.this = optional(this)?;
                closure.home = optional_reference(home)?;
                closure.fixed = truth(fixed)?;
                closure.class = match class {
                    Json::Null => None,
                    class => match list(class)? {
                        [prototype, parent, fields] => Some(Class {
                            prototype: reference(prototype)?,
                            parent: optional(parent)?,
                            fields: optional_reference(fields)?,
                        }),
                        _ => return wrong("a class", class),
                    },
                };
                closure.table = self.table(own)?;
                closure.hidden = self.table(hidden)?;
            }
            _ => return Err("expected a function of three or nine parts".to_owned()),
        }
        Ok(closure)
    }

    /// An entry of the heap.
    pub(super) fn entry(&mut self, json: &Json) -> Read<Entry> {
        if json.is_null() {
            return Ok(Entry::Free);
        }
        let Some((tag, parts)) = list(json)?.split_first() else { return wrong("a heap entry", json) };
        Ok(match (word(tag)?, parts) {
            ("c", [content]) => Entry::Cell(value(content)?),
            ("a", [frozen, extra, elements]) => self.array(frozen, extra, Elements::Small(values(elements)?))?,
            ("A", [frozen, extra, start, len, chunks]) => {
                let (start, len) = (number(start)?, number(len)?);
                let large = Large { start, len, chunks: references(chunks)? };
                // A length that its chunks cannot hold would be walked in vain.
                let room = (large.chunks.len() * super::array::CHUNK) as u64;
                if len == 0 || start as usize >= super::array::CHUNK || u64::from(start) + u64::from(len) > room {
                    return wrong("an array whose chunks hold its length", json);
                }
                self.array(frozen, extra, Elements::Large(Box::new(large)))?
            }
            ("o", [flags, proto, table]) => Entry::Object(self.object(flags, proto, table)?),
            ("f", parts) => Entry::Closure(Box::new(self.closure(parts)?)),
            ("e", [kind, hidden, flags, proto, properties]) => Entry::Error(Box::new(ErrorObject {
                kind: ErrorKind::named(word(kind)?).map_or_else(|| wrong("the name of an error", kind), Ok)?,
                hidden: self.table(hidden)?,
                object: self.object(flags, proto, properties)?,
            })),
            ("m", [content]) => Entry::Map(Box::new(self.table(content)?)),
            ("s", [content]) => Entry::Set(Box::new(self.table(content)?)),
            ("i", [source, yields, position]) => Entry::Cursor(Box::new(Cursor {
                source: value(source)?,
                yields: Yields::named(word(yields)?).map_or_else(|| wrong("what an iterator gives", yields), Ok)?,
                position: number(position)?,
            })),
            ("r", [source, flags, last_index]) => {
                let Value::Text(source) = value(source)? else { return wrong("a pattern", source) };
                let flags = Str::new(word(flags)?);
                let Value::Number(last_index) = value(last_index)? else { return wrong("a place", last_index) };
                let compiled = super::pattern::Pattern::new(&source, &flags)?;
                Entry::RegExp(Box::new(RegExp { source, flags, last_index, compiled: compiled.into() }))
            }
            ("b", [target, this, args]) => {
                Entry::Bound(Box::new(Bound { target: value(target)?, this: value(this)?, args: values(args)? }))
            }
            ("k", [content]) => Entry::Chunk(values(content)?),
            ("p", [items, order]) => {
                let part = Pairs { items: self.pairs(items)?, numbers: numbers(order)? };
                if !part.numbers.is_empty() && part.numbers.len() != part.items.len() {
                    return wrong("as many numbers as pairs", order);
                }
                Entry::Pairs(Box::new(part))
            }
            _ => return wrong("a heap entry", json),
        })
    }
}

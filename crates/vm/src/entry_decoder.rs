//! Decodes values and heap entries from their saved form. Every part is checked: a saved state is untrusted input.

// A text in a key may be flattened by a read, but its content and therefore its hash never change.
#![allow(clippy::mutable_key_type)]

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use runstate_value::json_text;
use serde_json::Value as Json;

use super::array::{Array, ChunkedElements, Elements};
use super::array_buffer::{ArrayBuffer, CHUNK_BYTES, MAX_INLINE_BYTES, View, ViewKind};
use super::coroutine::Coroutine;
use super::entry::{Entry, Pairs};
use super::generator::{Generator, GeneratorState};
use super::natives::NativeRegistry;
use super::object::{
    BoundFunction, Class, Closure, ErrorKind, ErrorObject, Integrity, IterationKind, IteratorObject, Object, Prototype,
    RegExp,
};
use super::program::BytecodeConstant;
use super::promise::{PromiseObject, PromiseState, Reaction, ReactionKind};
use super::table::Table;
use super::text::Str;
use super::value::{BuildKeyHasher, HeapRef, Symbol, Value};
use super::wire;

/// Most names that are shared. Without the bound, keys that are data would fill the memory.
const MAX_SHARED_NAMES: usize = 10_000;

/// The decoded value, or a message that names the unexpected JSON.
pub(super) type ReadResult<T> = Result<T, String>;

fn unexpected_error<T>(expected: &str, json: &Json) -> ReadResult<T> {
    let mut found = json_text(json);
    if found.len() > 80 {
        found = found.chars().take(80).collect::<String>() + "…";
    }
    Err(format!("expected {expected}, found {found}"))
}

pub(super) fn number(json: &Json) -> ReadResult<u32> {
    json.as_u64().and_then(|n| u32::try_from(n).ok()).map_or_else(|| unexpected_error("a whole number", json), Ok)
}

/// A number that was a counter when it was saved.
pub(super) fn number64(json: &Json) -> ReadResult<u64> {
    json.as_u64().filter(|n| *n < 1 << 53).map_or_else(|| unexpected_error("a whole number", json), Ok)
}

/// Bound of restored counters. The machine adds far less to them than they lack to the greatest integer that a document
/// can hold.
const COUNTER_BOUND: u64 = 1 << 52;

/// A counter, to which the machine adds.
pub(super) fn counter(json: &Json) -> ReadResult<u64> {
    json.as_u64().filter(|n| *n < COUNTER_BOUND).map_or_else(|| unexpected_error("a whole number", json), Ok)
}

/// Checks a counter in the heap.
pub(super) fn check_counter(value: &Value) -> ReadResult<()> {
    match value {
        Value::Number(count) if *count >= 0.0 && count.fract() == 0.0 && *count < COUNTER_BOUND as f64 => Ok(()),
        _ => Err("a counter in the heap is not a whole number".to_owned()),
    }
}

pub(super) fn list(json: &Json) -> ReadResult<&[Json]> {
    json.as_array().map_or_else(|| unexpected_error("an array", json), |list| Ok(list.as_slice()))
}

pub(super) fn boolean(json: &Json) -> ReadResult<bool> {
    json.as_bool().map_or_else(|| unexpected_error("true or false", json), Ok)
}

pub(super) fn string(json: &Json) -> ReadResult<&str> {
    json.as_str().map_or_else(|| unexpected_error("a string", json), Ok)
}

fn named<T>(json: &Json, expected: &str, from_name: fn(&str) -> Option<T>) -> ReadResult<T> {
    from_name(string(json)?).map_or_else(|| unexpected_error(expected, json), Ok)
}

fn bytes(json: &Json, most: usize) -> ReadResult<Vec<u8>> {
    match STANDARD.decode(string(json)?) {
        Ok(bytes) if bytes.len() <= most => Ok(bytes),
        _ => unexpected_error("bytes in base64", json),
    }
}

fn numbers(json: &Json) -> ReadResult<Vec<u32>> {
    list(json)?.iter().map(number).collect()
}

pub(super) fn reference(json: &Json) -> ReadResult<HeapRef> {
    match number(json)? {
        // Larger numbers are those of built-in prototypes.
        at if at < 1 << 31 => Ok(HeapRef(at)),
        _ => unexpected_error("a reference", json),
    }
}

fn references(json: &Json) -> ReadResult<Vec<HeapRef>> {
    list(json)?.iter().map(reference).collect()
}

fn optional_reference(json: &Json) -> ReadResult<Option<HeapRef>> {
    Ok(Some(reference(json)?).filter(|at| *at != HeapRef::NONE))
}

pub(super) fn optional(json: &Json) -> ReadResult<Option<Value>> {
    if json.as_array().is_some_and(Vec::is_empty) { Ok(None) } else { value(json).map(Some) }
}

/// Decodes a value.
pub(super) fn value(json: &Json) -> ReadResult<Value> {
    if let Some(constant) = wire::decode_constant(json) {
        return Ok(match constant {
            BytecodeConstant::Undefined => Value::Undefined,
            BytecodeConstant::Null => Value::Null,
            BytecodeConstant::Bool(b) => Value::Bool(b),
            BytecodeConstant::Number(n) => Value::Number(n),
            BytecodeConstant::Text(units) => Value::Text(Str::from_units(&units)),
            BytecodeConstant::Symbol(symbol) => Value::from(symbol),
            BytecodeConstant::BigInt(value) => Value::BigInt(value),
        });
    }
    let Some((tag, content)) = json.as_object().and_then(|object| object.iter().next()) else {
        return unexpected_error("a value", json);
    };
    match tag.as_str() {
        "$ref" => reference(content).map(Value::Ref),
        "$symbol" => reference(content).map(|at| Value::Symbol(Symbol::at(at))),
        "$uninitialised" => Ok(Value::Uninitialized),
        "$hole" => Ok(Value::Hole),
        "$accessor" => reference(content).map(Value::Accessor),
        "$builtin" => {
            let found = NativeRegistry::global().find(string(content)?);
            found.map(Value::Builtin).map_or_else(|| unexpected_error("a built-in of this machine", content), Ok)
        }
        _ => unexpected_error("a value", json),
    }
}

pub(super) fn values(json: &Json) -> ReadResult<Vec<Value>> {
    list(json)?.iter().map(value).collect()
}

fn coroutine(function: &Json, pc: &Json, closure: HeapRef, promise: HeapRef, content: &Json) -> ReadResult<Coroutine> {
    Ok(Coroutine { function: number(function)?, pc: number(pc)?, closure, promise, values: values(content)? })
}

/// A decoder of heap entries. Equal property names share one text in memory, as in a machine that was never saved.
pub(super) struct EntryDecoder {
    names: HashSet<Str, BuildKeyHasher>,
}

impl EntryDecoder {
    /// A decoder that starts with these names of the program.
    pub(super) fn new(names: impl Iterator<Item = Str>) -> EntryDecoder {
        EntryDecoder { names: names.collect() }
    }

    fn share_name(&mut self, key: Value) -> Value {
        let Value::Text(text) = key else { return key };
        let shared = self.names.get(&text).cloned();
        Value::Text(shared.unwrap_or_else(|| {
            if self.names.len() < MAX_SHARED_NAMES {
                self.names.insert(text.clone());
            }
            text
        }))
    }

    fn pairs(&mut self, json: &Json) -> ReadResult<Vec<(Value, Value)>> {
        let items = list(json)?;
        if items.len() % 2 != 0 {
            return unexpected_error("keys with their values", json);
        }
        items.chunks_exact(2).map(|pair| Ok((self.share_name(value(&pair[0])?), value(&pair[1])?))).collect()
    }

    fn table(&mut self, json: &Json) -> ReadResult<Table> {
        if json.is_array() {
            return Ok(Table::from_pairs(self.pairs(json)?));
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
            return unexpected_error("as many numbers as pairs", json);
        }
        Ok(Table::from_small(pairs, Some((number(&json["next"])?, numbers))))
    }

    fn object(&mut self, parts: &[Json]) -> ReadResult<Object> {
        let (flags, proto, properties, hidden) = match parts {
            [flags, proto, properties] => (flags, proto, properties, None),
            [flags, proto, properties, hidden] => (flags, proto, properties, Some(hidden)),
            _ => return Err("expected an object of three or four parts".to_owned()),
        };
        let flags: u32 = number(flags)?;
        let proto = match proto {
            _ if flags & 4 != 0 => Prototype::NULL,
            Json::String(name) => match NativeRegistry::global().find(name).filter(|found| found.is_prototype()) {
                Some(builtin) => Prototype::builtin(builtin),
                None => return unexpected_error("a built-in prototype", proto),
            },
            proto => optional_reference(proto)?.map_or(Prototype::DEFAULT, Prototype::object),
        };
        let mut table = self.table(properties)?;
        let mut hidden = hidden.map(|hidden| self.table(hidden).map(Box::new)).transpose()?;
        // The prototype of a class, as earlier versions wrote it: nothing of it is enumerable.
        if flags & 2 != 0 {
            hidden = Some(Box::new(std::mem::take(&mut table)));
        }
        let (integrity, holds_collection) = (Integrity::from_flags(flags), flags & 8 != 0);
        Ok(Object { table, hidden, proto, integrity, holds_collection })
    }

    fn array(&mut self, frozen: &Json, extra: &Json, elements: Elements) -> ReadResult<Entry> {
        let extra = if extra.is_null() { None } else { Some(Box::new(self.table(extra)?)) };
        Ok(Entry::Array(Array { elements, frozen: boolean(frozen)?, extra }))
    }

    fn closure(&mut self, parts: &[Json]) -> ReadResult<Closure> {
        let (function, captures, details) = match parts {
            [function, captures, details @ ..] => (function, captures, details),
            _ => return Err("expected a function".to_owned()),
        };
        let mut closure =
            Closure { function: number(function)?, captures: references(captures)?, ..Closure::default() };
        match details {
            [] => {}
            [this, home, is_static, class, properties, hidden] => {
                closure.this = optional(this)?;
                closure.home_object = optional_reference(home)?;
                closure.is_static = boolean(is_static)?;
                closure.class = match class {
                    Json::Null => None,
                    class => match list(class)? {
                        [prototype, parent, fields] => Some(Class {
                            prototype: reference(prototype)?,
                            parent: optional(parent)?,
                            fields: optional_reference(fields)?,
                        }),
                        _ => return unexpected_error("a class", class),
                    },
                };
                closure.table = self.table(properties)?;
                closure.hidden = self.table(hidden)?;
            }
            _ => return Err("expected a function of three or nine parts".to_owned()),
        }
        Ok(closure)
    }

    /// Decodes an entry of the heap.
    pub(super) fn entry(&mut self, json: &Json) -> ReadResult<Entry> {
        if json.is_null() {
            return Ok(Entry::Free);
        }
        let Some((tag, parts)) = list(json)?.split_first() else { return unexpected_error("a heap entry", json) };
        Ok(match (string(tag)?, parts) {
            ("c", [content]) => Entry::Cell(value(content)?),
            ("a", [frozen, extra, elements]) => self.array(frozen, extra, Elements::Small(values(elements)?))?,
            ("A", [frozen, extra, start, len, chunks]) => {
                let (start, len) = (number(start)?, number(len)?);
                let large = ChunkedElements { start, len, chunks: references(chunks)? };
                // A length beyond the chunks would make every loop over the array run over missing elements.
                let capacity = (large.chunks.len() * super::array::CHUNK) as u64;
                if len == 0 || start as usize >= super::array::CHUNK || u64::from(start) + u64::from(len) > capacity {
                    return unexpected_error("an array whose chunks hold its length", json);
                }
                self.array(frozen, extra, Elements::Chunked(Box::new(large)))?
            }
            ("o", parts) => Entry::Object(self.object(parts)?),
            ("f", parts) => Entry::Closure(Box::new(self.closure(parts)?)),
            ("e", [kind, hidden, object @ ..]) => Entry::Error(Box::new(ErrorObject {
                kind: named(kind, "the name of an error", ErrorKind::from_name)?,
                hidden: self.table(hidden)?,
                object: self.object(object)?,
            })),
            ("m", [content]) => Entry::Map(Box::new(self.table(content)?)),
            ("s", [content]) => Entry::Set(Box::new(self.table(content)?)),
            ("i", [source, kind, position]) => Entry::Iterator(Box::new(IteratorObject {
                source: value(source)?,
                kind: named(kind, "an iteration kind", IterationKind::from_name)?,
                position: number(position)?,
            })),
            ("r", [source, flags, last_index]) => {
                let Value::Text(source) = value(source)? else { return unexpected_error("a pattern", source) };
                let letters = Str::new(string(flags)?);
                if super::regexp::order_flags(&letters).is_none() {
                    return unexpected_error("the flags of a regexp", flags);
                }
                let flags = letters;
                let Value::Number(last_index) = value(last_index)? else {
                    return unexpected_error("a position", last_index);
                };
                let compiled = super::regexp::CompiledRegExp::new(&source, &flags)?;
                Entry::RegExp(Box::new(RegExp { source, flags, last_index, compiled: compiled.into() }))
            }
            ("d", [time]) => match value(time)? {
                Value::Number(time) if time.is_nan() || super::date::clip(time) == time => Entry::Date(time),
                _ => return unexpected_error("a time", time),
            },
            ("y", []) => Entry::Symbol(None),
            ("y", [description]) => match value(description)? {
                Value::Text(description) => Entry::Symbol(Some(description)),
                _ => return unexpected_error("a description", description),
            },
            ("b", [target, this, args]) => Entry::Bound(Box::new(BoundFunction {
                target: value(target)?,
                this: value(this)?,
                args: values(args)?,
            })),
            ("P", [state, handled, content, reactions]) => {
                let [first, last] = *references(reactions)? else {
                    return unexpected_error("two references", reactions);
                };
                let state = named(state, "the state of a promise", PromiseState::from_name)?;
                Entry::Promise(PromiseObject { state, handled: boolean(handled)?, value: value(content)?, first, last })
            }
            ("R", [kind, links, index, content]) => {
                let [source, derived, next] = *references(links)? else {
                    return unexpected_error("three references", links);
                };
                let kind = named(kind, "the kind of a reaction", ReactionKind::from_name)?;
                let values =
                    <[Value; 2]>::try_from(values(content)?).or_else(|_| unexpected_error("two values", content))?;
                Entry::Reaction(Box::new(Reaction { kind, source, derived, next, index: number(index)?, values }))
            }
            ("C", [function, pc, links, content]) => {
                let [closure, promise] = *references(links)? else { return unexpected_error("two references", links) };
                Entry::Coroutine(Box::new(coroutine(function, pc, closure, promise, content)?))
            }
            ("G", [function, pc, links, content, state]) => {
                let [closure, promise, queue] = *references(links)? else {
                    return unexpected_error("three references", links);
                };
                let coroutine = coroutine(function, pc, closure, promise, content)?;
                let state = named(state, "the state of a generator", GeneratorState::from_name)?;
                Entry::Generator(Box::new(Generator { coroutine, state, queue }))
            }
            ("u", [content]) => Entry::Buffer(ArrayBuffer::Small(bytes(content, MAX_INLINE_BYTES)?)),
            ("U", [len, chunks]) => {
                Entry::Buffer(ArrayBuffer::Chunked { len: number(len)?, chunks: references(chunks)? })
            }
            ("x", [content]) => Entry::Bytes(bytes(content, CHUNK_BYTES)?),
            ("v", [kind, buffer, offset, len]) => Entry::View(View {
                kind: named(kind, "the class of a view", ViewKind::from_name)?,
                buffer: reference(buffer)?,
                offset: number(offset)?,
                len: number(len)?,
            }),
            ("k", [content]) => Entry::Chunk(values(content)?),
            ("p", [items, order]) => {
                let part = Pairs { items: self.pairs(items)?, numbers: numbers(order)? };
                if !part.numbers.is_empty() && part.numbers.len() != part.items.len() {
                    return unexpected_error("as many numbers as pairs", order);
                }
                Entry::Pairs(Box::new(part))
            }
            _ => return unexpected_error("a heap entry", json),
        })
    }
}

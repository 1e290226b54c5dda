//! The variables in scope at an instruction, for people and models that answer a call there.

use serde_json::{Map, Value as Json, json};

use super::entry::Entry;
use super::frame::Frame;
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::slow_path::source_name;
use super::value::Value;
use crate::value::json_bytes;

/// Marks an omitted part.
const CUT_MARK: &str = "…";

/// Deepest level of a value that is included.
const DEPTH: usize = 6;

impl Machine {
    /// The variables in scope at the current instruction by name, innermost first, as plain values. Parts that do not fit into
    /// `max_bytes` are omitted and marked with `…`. Functions are omitted.
    #[must_use]
    pub fn variables(&self, max_bytes: usize) -> Json {
        let mut shown = Map::new();
        let mut left = max_bytes.saturating_sub(2);
        let mut cut = false;
        for (name, value) in self.visible_variables() {
            if name.is_empty() || shown.contains_key(&name) || self.is_callable(&value) {
                continue;
            }
            let overhead = name.len() + 4;
            let Some(room) = left.checked_sub(overhead).filter(|room| *room > 8) else {
                cut = true;
                continue;
            };
            let mut room = room;
            let json = self.outline(&value, &mut room, 0);
            let size = json_bytes(&json) + overhead;
            if size > left {
                cut = true;
                continue;
            }
            left -= size;
            shown.insert(name, json);
        }
        if cut && left >= CUT_MARK.len() + 9 {
            shown.insert(CUT_MARK.to_owned(), Json::Bool(true));
        }
        Json::Object(shown)
    }

    /// The operands of the running function with the top of the stack last, in the form of [`Machine::variables`]. The operands
    /// of an open call are not included. Operands that do not fit into `most_bytes` are omitted from the bottom and marked with `…`.
    #[must_use]
    pub fn operands(&self, most_bytes: usize) -> Json {
        let from = match self.frames.last() {
            Some(Frame::Code(frame)) => {
                let slots = self.program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
                frame.base as usize + slots
            }
            _ => self.stack.len(),
        };
        let mut shown = Vec::new();
        let mut left = most_bytes.saturating_sub(2);
        for value in self.stack.get(from..).unwrap_or(&[]).iter().rev() {
            // Space for the mark is reserved in addition to the value.
            let Some(mut room) = left.checked_sub(CUT_MARK.len() + 3).filter(|room| *room > 0) else {
                shown.push(json!(CUT_MARK));
                break;
            };
            let json = self.outline(value, &mut room, 0);
            let size = json_bytes(&json) + 1;
            if size + CUT_MARK.len() + 3 > left {
                shown.push(json!(CUT_MARK));
                break;
            }
            left -= size;
            shown.push(json);
        }
        shown.reverse();
        Json::Array(shown)
    }

    /// Names and values from the innermost scope outwards.
    fn visible_variables(&self) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        let mut scope = |names: &[String], values: &[Value]| {
            for (name, value) in names.iter().zip(values) {
                let value = match value {
                    Value::Ref(at) => match self.heap.get(*at) {
                        Entry::Cell(value) => value,
                        _ => value,
                    },
                    value => value,
                };
                if !matches!(value, Value::Uninitialised) {
                    found.push((source_name(name), value.clone()));
                }
            }
        };
        let innermost = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Code(frame) => Some(frame),
            Frame::Native(_) => None,
        });
        let functions = &self.program.functions;
        if let Some(frame) = innermost
            && let Some(function) = functions.get(frame.function as usize)
        {
            scope(&function.slots, self.stack.get(frame.base as usize..).unwrap_or(&[]));
            if let Entry::Closure(closure) = self.heap.get(frame.closure) {
                let cells: Vec<Value> = closure.captures.iter().map(|at| Value::Ref(*at)).collect();
                scope(&function.capture_names, &cells);
            }
        }
        if let Some(global) = functions.first() {
            scope(&global.slots, &self.stack);
        }
        found
    }

    fn outline(&self, value: &Value, left: &mut usize, depth: usize) -> Json {
        let take = |left: &mut usize, size: usize| *left = left.saturating_sub(size);
        match value {
            Value::Text(text) => {
                let whole = text.to_utf8();
                // Escapes may double the size of a string, so it may use half of the space.
                let room = *left / 2;
                take(left, whole.len().min(room) + 2);
                if whole.len() <= room {
                    return Json::String(whole);
                }
                let mut end = room;
                while !whole.is_char_boundary(end) {
                    end -= 1;
                }
                Json::String(format!("{}{CUT_MARK}", &whole[..end]))
            }
            Value::Ref(at) => {
                let keyed = match self.heap.get(*at) {
                    Entry::Array(_) => false,
                    Entry::Object(_) | Entry::Error(_) => true,
                    _ => return Json::String(self.display_text(value)),
                };
                if depth >= DEPTH {
                    return json!(CUT_MARK);
                }
                if keyed { self.outline_object(value, left, depth) } else { self.outline_array(*at, left, depth) }
            }
            value => {
                take(left, 8);
                match self.value_to_json(value, 1 << 10, ExceededLimit::HeapBytes) {
                    Ok(json) => json,
                    Err(_) => Json::String(self.display_text(value)),
                }
            }
        }
    }

    fn outline_array(&self, at: super::value::HeapRef, left: &mut usize, depth: usize) -> Json {
        let mut items = Vec::new();
        for index in 0..self.heap.array_len(at) {
            if *left < 16 {
                items.push(json!(CUT_MARK));
                break;
            }
            items.push(self.outline(&self.heap.element(at, index), left, depth + 1));
            *left = left.saturating_sub(2);
        }
        Json::Array(items)
    }

    fn outline_object(&self, value: &Value, left: &mut usize, depth: usize) -> Json {
        if let Value::Ref(at) = value
            && let Entry::Error(_) = self.heap.get(*at)
        {
            return Json::String(self.display_text(value));
        }
        let mut members = Map::new();
        for (key, member) in self.own_entries(value) {
            if self.is_callable(&member) {
                continue;
            }
            // Some stores refuse NUL in a key.
            let key = self.to_text(&key).map(|key| key.to_utf8().replace('\0', "\u{2400}")).unwrap_or_default();
            if *left < key.len() + 16 {
                members.insert(CUT_MARK.to_owned(), Json::Bool(true));
                break;
            }
            *left = left.saturating_sub(key.len() + 4);
            let member = self.outline(&member, left, depth + 1);
            members.insert(key, member);
        }
        Json::Object(members)
    }
}

//! Copies a value from the heap within [`InspectBounds`]. Objects get labels: the names of classes, functions in
//! brackets, the stacks of errors.

use super::super::array::Array;
use super::super::array_buffer::{View, ViewKind};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::natives::{Receiver, symbol};
use super::super::table::{Table, TableKind};
use super::super::text::Str;
use super::super::value::{HeapRef, Symbol, Value};
use super::{
    ContainerItem, ErrorLabel, InspectBounds, Member, ObjectCopy, ObjectKind, ValueCopy, ValueView, util_inspect,
};
use crate::abrupt_completion::AbruptCompletion;
use crate::object::{self, ErrorKind, IterationKind, IteratorObject, Object, Prototype, PrototypeKind};
use crate::promise::PromiseState;
use crate::{added_class, call, conversion, descriptor, inspect, property};

/// Node's text for the class of an object without a prototype.
pub(super) const NULL_PROTOTYPE: &str = "[Object: null prototype]";

/// Approximate bytes of a value without its text and its indentation.
const NODE_BYTES: usize = 8;

/// A copier of values.
pub(super) struct Copier<'a> {
    machine: &'a Machine,
    pub(super) bounds: InspectBounds,
    /// Bytes left.
    pub(super) left: usize,
    /// Whether parts are omitted.
    pub(super) cut: bool,
    /// Whether the length of an array is a property too, as for `%o` of `console.log`.
    pub(super) hidden: bool,
    /// Why a tag of an object is not known.
    pub(super) error: Option<AbruptCompletion>,
    /// The objects being copied, outermost first.
    open: Vec<HeapRef>,
    /// Whether the buffer of a typed array is copied, of which Node shows the length only.
    is_in_view: bool,
}

impl<'a> Copier<'a> {
    pub(super) fn new(machine: &'a Machine, bounds: InspectBounds) -> Self {
        Self {
            machine,
            bounds,
            left: bounds.bytes,
            cut: false,
            hidden: false,
            error: None,
            open: Vec::new(),
            is_in_view: false,
        }
    }

    /// A view of a variable, within its own share of the bytes.
    pub(super) fn view(&mut self, value: &Value) -> ValueView {
        let before = self.left;
        let share = before.min(self.bounds.variable_bytes);
        self.left = share;
        let shown = self.copy(value);
        self.left = before - (share - self.left);
        ValueView { value: inspect::tagged_json(&shown), text: util_inspect::inspect_text(&shown, &self.bounds) }
    }

    fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// The beginning of a text that fits the bytes left.
    fn take_text(&mut self, text: &Str) -> String {
        let len = text.len().min(self.left);
        self.cut |= len < text.len();
        self.take(len);
        text.slice(0, len).to_utf8()
    }

    pub(super) fn copy(&mut self, value: &Value) -> ValueCopy {
        self.take(NODE_BYTES + 2 * self.open.len());
        match value {
            Value::Undefined | Value::Hole => ValueCopy::Undefined,
            Value::Uninitialized => ValueCopy::Uninitialized,
            Value::Null => ValueCopy::Null,
            Value::Bool(truth) => ValueCopy::Bool(*truth),
            Value::Number(number) => ValueCopy::Number(*number),
            Value::BigInt(value) => ValueCopy::BigInt(self.take_text(&value.to_text(10))),
            Value::Text(text) => self.copy_text(text),
            Value::Symbol(symbol) => {
                let description = symbol.description(&self.machine.heap).unwrap_or_else(Str::empty);
                ValueCopy::Symbol(self.take_text(&description))
            }
            Value::Builtin(builtin) => {
                let label = match builtin.class_of_prototype() {
                    Some(class) => prototype_label(class),
                    None if builtin.is_namespace() => format!("Object [{}] {{}}", builtin.name()),
                    None => function_label(self.machine, value, ""),
                };
                let kind = ObjectKind::Function(label);
                ValueCopy::Object(Box::new(ObjectCopy::new(HeapRef::NONE, kind, "Function")))
            }
            Value::Ref(at) => self.copy_reference(*at),
            Value::Accessor(at) => {
                match descriptor::data_value(&self.machine.heap, Value::Accessor(*at)) {
                    Value::Accessor(_) => {}
                    value => return self.copy(&value),
                }
                let has = |index| !matches!(self.machine.heap.element(*at, index), Value::Undefined);
                let parts = if has(0) && has(1) {
                    "Getter/Setter"
                } else if has(0) {
                    "Getter"
                } else {
                    "Setter"
                };
                ValueCopy::Omitted(parts.to_owned())
            }
        }
    }

    fn copy_text(&mut self, text: &Str) -> ValueCopy {
        let shown = text.len().min(self.bounds.text).min(self.left);
        let left = text.len() - shown;
        self.cut |= left > 0;
        self.take(shown);
        ValueCopy::Text(text.slice(0, shown).units().iter().collect(), left)
    }

    fn copy_reference(&mut self, at: HeapRef) -> ValueCopy {
        if let Some(position) = self.open.iter().position(|open| *open == at) {
            return ValueCopy::Circular(self.open.len() - position, at);
        }
        let tag = self.shown_tag(at);
        let (kind, class) = self.describe_object(at, tag.as_deref().unwrap_or_default());
        let mut shown = ObjectCopy::new(at, kind, &class);
        let tag = match (&shown.kind, tag.as_deref()) {
            (_, Some(tag)) => tag,
            (ObjectKind::Map, None) => "Map",
            (ObjectKind::Set, None) => "Set",
            _ => "",
        };
        shown.tag = if tag.is_empty() || tag == class { String::new() } else { format!(" [{tag}]") };
        let heap = &self.machine.heap;
        let (pairs, is_url) = match heap.get(at) {
            Entry::Object(object) => {
                (added_class::shown_pairs(self.machine, object), added_class::is_url(self.machine, object))
            }
            _ => (None, false),
        };
        shown.len = match heap.get(at) {
            Entry::Array(array) => array.len(),
            Entry::View(_) => heap.sequence_len(at),
            Entry::Promise(_) => 1,
            _ if matches!(shown.kind, ObjectKind::Weak(_)) => 1,
            Entry::Object(_) if let Some(pairs) = pairs => heap.array_len(pairs),
            _ => heap.collection(at).and_then(|at| heap.table(at, TableKind::Main)).map_or(0, Table::len),
        };
        let members = self.member_values(at, &shown.kind);
        let iterates = matches!(shown.kind, ObjectKind::Iterator { plain: false, .. });
        if shown.len == 0 && members.is_empty() && !iterates {
            return ValueCopy::Object(Box::new(shown));
        }
        if self.open.len() > self.bounds.depth || self.left == 0 {
            self.cut = true;
            return match is_url {
                true => ValueCopy::Object(Box::new(shown)),
                false => ValueCopy::Omitted(if pairs.is_some() { "Object".to_owned() } else { class + &shown.tag }),
            };
        }
        // Node inspects the properties of a URL at the level of the URL.
        self.bounds.depth += usize::from(is_url);
        self.open.push(at);
        match heap.get(at) {
            Entry::Array(array) => self.copy_elements(at, array, members.len(), &mut shown),
            Entry::View(view) if view.kind != ViewKind::DataView => self.copy_numbers(*view, members.len(), &mut shown),
            Entry::Buffer(buffer) if !self.is_in_view => self.copy_buffer(at, buffer.len(), &mut shown),
            _ if matches!(shown.kind, ObjectKind::Weak(_)) => shown.items.push(ContainerItem::Unknown),
            Entry::Map(_) | Entry::Set(_) | Entry::Object(Object { holds_collection: true, .. }) => {
                self.copy_entries(heap.collection(at).unwrap_or(at), 0, &mut shown);
            }
            Entry::Object(_) if let Some(pairs) = pairs => self.copy_pairs(pairs, &mut shown),
            Entry::Iterator(iterator) => self.copy_remaining_entries(iterator, &mut shown),
            Entry::Promise(promise) => shown.items.push(match promise.state {
                PromiseState::Pending => ContainerItem::Pending,
                PromiseState::Fulfilled => ContainerItem::Value(self.copy(&promise.value)),
                PromiseState::Rejected => ContainerItem::Rejected(self.copy(&promise.value)),
            }),
            _ => {}
        }
        self.copy_members(members, &mut shown);
        self.open.pop();
        self.bounds.depth -= usize::from(is_url);
        ValueCopy::Object(Box::new(shown))
    }

    /// The text under `Symbol.toStringTag` of an object of the program, unless it is shown as a property.
    fn shown_tag(&mut self, at: HeapRef) -> Option<String> {
        let (machine, value, key) = (self.machine, Value::Ref(at), Value::Symbol(Symbol::TO_STRING_TAG));
        if let Some(custom) = symbol::registered(machine, &Value::text("nodejs.util.inspect.custom"))
            && property::find_property(machine, &value, &Value::Symbol(custom)).is_ok_and(|found| found.is_some())
        {
            let message =
                "a method under Symbol.for('nodejs.util.inspect.custom') is not called here; print its result";
            self.error.get_or_insert(AbruptCompletion::Unsupported(message.to_owned()));
        }
        if let Some((TableKind::Main, _)) = machine.heap.find_property(at, &key) {
            return Some(String::new());
        }
        let tag = conversion::own_tag(machine, &value).unwrap_or_else(|completion| {
            self.error.get_or_insert(completion);
            None
        });
        let inherited = || match machine.heap.get(at) {
            Entry::Object(_) if property::receiver(machine, &value) == Some(Receiver::Iterator) => {
                Some(Str::new(ITERATOR))
            }
            _ => None,
        };
        tag.or_else(inherited).map(|tag| self.take_text(&tag))
    }

    /// The kind of an object and the name of its class.
    fn describe_object(&mut self, at: HeapRef, tag: &str) -> (ObjectKind, String) {
        let machine = self.machine;
        let function = |kind: String| (ObjectKind::Function(kind), "Function".to_owned());
        match machine.heap.get(at) {
            Entry::Object(object) if object.proto == Prototype::NULL => {
                (ObjectKind::Object, null_prototype_label(machine, object))
            }
            Entry::Array(_) => (ObjectKind::Array, class_name(machine, machine.heap.prototype(at), "Array")),
            Entry::Object(Object { holds_collection: true, proto, .. }) => {
                match property::receiver(machine, &Value::Ref(at)).unwrap_or(Receiver::Object) {
                    Receiver::Map => (ObjectKind::Map, class_name(machine, proto.as_object(), "Map")),
                    Receiver::Set => (ObjectKind::Set, class_name(machine, proto.as_object(), "Set")),
                    Receiver::Date => {
                        let time = machine.heap.date(at).unwrap_or(f64::NAN);
                        let class = class_name(machine, proto.as_object(), "Date");
                        (ObjectKind::Date(crate::date::iso_text(time)), class)
                    }
                    weak => (ObjectKind::Weak(weak.name()), class_name(machine, proto.as_object(), weak.name())),
                }
            }
            Entry::Object(object) if added_class::is_nameless(machine, object) => {
                (ObjectKind::Object, "Object".to_owned())
            }
            Entry::Object(object) => {
                let builtin = match property::last_prototype(&machine.heap, object) {
                    PrototypeKind::Builtin(prototype) => match prototype.class_of_prototype() {
                        // ECMA-262 §27.1.4.1 Iterator.prototype.constructor is an accessor, which Node does not call.
                        None | Some(ITERATOR) => "Object".to_owned(),
                        Some(class) => class.to_owned(),
                    },
                    PrototypeKind::Null => self.nameless_label(at, self.open.len()),
                    _ => "Object".to_owned(),
                };
                let class = class_name(machine, object.proto.as_object(), &builtin);
                // The object of a function whose prototype inherits from an error.
                if ErrorKind::from_name(&builtin).is_some() {
                    let label = self.error_label(at, None, &prefix(&class, tag));
                    return (ObjectKind::Error(Box::new(label)), class);
                }
                (ObjectKind::Object, class)
            }
            Entry::Map(_) => (ObjectKind::Map, "Map".to_owned()),
            Entry::Set(_) => (ObjectKind::Set, "Set".to_owned()),
            Entry::Closure(_) | Entry::Bound(_) => {
                let label = function_label(machine, &Value::Ref(at), tag);
                self.take(label.len());
                function(label)
            }
            Entry::Error(error) => {
                let class = class_name(machine, error.object.proto.as_object(), error.kind.name());
                let label = self.error_label(at, Some(error.kind), &prefix(&class, tag));
                (ObjectKind::Error(Box::new(label)), class)
            }
            Entry::RegExp(regexp) => {
                let (source, flags) = (regexp.source.to_utf8(), regexp.flags.to_utf8());
                self.take(source.len());
                (ObjectKind::RegExp { source, flags }, "RegExp".to_owned())
            }
            Entry::Promise(_) => (ObjectKind::Promise, "Promise".to_owned()),
            Entry::Date(time) => (ObjectKind::Date(crate::date::iso_text(*time)), "Date".to_owned()),
            Entry::Iterator(iterator) => {
                let (source, plain) = iterator_label(machine, iterator);
                let suffix = if iterator.kind == IterationKind::Entries && !plain { "Entries" } else { "Iterator" };
                (
                    ObjectKind::Iterator { name: format!("{source} {suffix}"), plain },
                    format!("Object [{source} Iterator]"),
                )
            }
            Entry::Generator(_) => {
                let is_async = crate::generator::is_async(machine, at) == Some(true);
                let name = if is_async { "Object [AsyncGenerator]" } else { "Object [Generator]" };
                (ObjectKind::Function(format!("{name} {{}}")), name.to_owned())
            }
            Entry::Buffer(_) => (ObjectKind::Object, "ArrayBuffer".to_owned()),
            Entry::View(view) if view.kind == ViewKind::DataView => (ObjectKind::Object, "DataView".to_owned()),
            Entry::View(view) => (ObjectKind::Array, view.kind.name().to_owned()),
            // Parts of other entries, which no value references.
            Entry::Cell(_)
            | Entry::Chunk(_)
            | Entry::Pairs(_)
            | Entry::Bytes(_)
            | Entry::Reaction(_)
            | Entry::Coroutine(_)
            | Entry::Symbol(_)
            | Entry::Free => (ObjectKind::Object, "Object".to_owned()),
        }
    }

    /// Node's text for the class of an object that inherits from one without a prototype, and from no class
    /// (`getConstructorName`).
    fn nameless_label(&self, at: HeapRef, level: usize) -> String {
        let machine = self.machine;
        let Entry::Object(object) = machine.heap.get(at) else { return "Object".to_owned() };
        let tag = property::own_or_inherited(machine, &Value::Ref(at), &Value::Symbol(Symbol::TO_STRING_TAG));
        let tag = if let Ok(Some(Value::Text(tag))) = tag { Some(tag.to_utf8()) } else { None };
        let name = tag.clone().unwrap_or_else(|| "Object".to_owned());
        match object.proto.as_object() {
            Some(_) if level > self.bounds.depth => format!("{name} <Complex prototype>"),
            Some(above) => format!("{name} <{}>", self.nameless_label(above, level + 1)),
            None => {
                let label = null_prototype_label(machine, object);
                let tag = if label == NULL_PROTOTYPE { tag.unwrap_or_default() } else { String::new() };
                let braces = if self.member_values(at, &ObjectKind::Object).is_empty() { " {}" } else { "" };
                format!("{}{braces}", prefix(&label, &tag))
            }
        }
    }

    /// Name, message and stack of an error, as Node shows them (`formatError`, `improveStack`). Without a kind it is an
    /// ordinary object that inherits from one. `prefix` is that of its class.
    fn error_label(&mut self, at: HeapRef, kind: Option<ErrorKind>, prefix: &str) -> ErrorLabel {
        let (machine, error) = (self.machine, Value::Ref(at));
        let mut text_property = |name: &str| match conversion::read_property(machine, &error, name) {
            Ok(Value::Undefined | Value::Null) => None,
            Ok(value) => conversion::to_text(machine, &value).ok().map(|text| text.to_utf8()),
            Err(completion) => {
                self.error.get_or_insert(completion);
                None
            }
        };
        let name = text_property("name").unwrap_or_else(|| "Error".to_owned());
        let message = text_property("message").unwrap_or_default();
        let head = conversion::error_text(machine, &error).map(|text| text.to_utf8()).unwrap_or_default();
        let stack = match text_property("stack").filter(|stack| !stack.is_empty()) {
            // V8 puts name and message before a trace when the stack is first read, not when the error is created.
            Some(stack) if kind.is_some_and(|kind| stack.starts_with(kind.name())) => {
                let trace = stack.find("\n    at ").and_then(|at| stack.get(at..)).unwrap_or_default();
                format!("{head}{trace}")
            }
            Some(stack) => stack,
            None => head,
        };
        let stack = match stack.strip_prefix(name.as_str()) {
            Some(rest) if name.ends_with("Error") && (rest.is_empty() || rest.starts_with([':', '\n'])) => {
                if prefix.contains(&name) { format!("{prefix}{rest}") } else { format!("{prefix} [{name}]{rest}") }
            }
            _ => stack,
        };
        let after_message = stack.find(&message).filter(|at| *at > 0).map_or(0, |at| at + message.len());
        let traced = stack.get(after_message..).is_some_and(|rest| rest.contains("\n    at"));
        let stack = if traced { stack } else { format!("[{stack}]") };
        self.take(stack.len());
        ErrorLabel { name, message, stack }
    }

    /// The properties of an object that are copied: the enumerable ones, and the cause of an error.
    fn member_values(&self, at: HeapRef, kind: &ObjectKind) -> Vec<(Value, Value, bool)> {
        let heap = &self.machine.heap;
        let table = match heap.get(at) {
            Entry::Array(array) => array.extra.as_deref(),
            Entry::Object(object) => Some(&object.table),
            Entry::Closure(closure) => Some(&closure.table),
            Entry::Error(error) => Some(&error.object.table),
            _ => None,
        };
        let entries = table.map(|table| property::table_entries(heap, table)).unwrap_or_default();
        // Symbols follow the names.
        let (names, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| matches!(key, Value::Text(_)));
        let symbols = others.into_iter().filter(|(key, _)| matches!(key, Value::Symbol(_)));
        let mut members: Vec<_> = names.into_iter().chain(symbols).map(|(key, value)| (key, value, true)).collect();
        if let Entry::Object(object) = heap.get(at) {
            // Node shows of a URL nothing else, so its depth is bounded.
            if added_class::is_url(self.machine, object) {
                members.clear();
            }
            let shown = added_class::shown_properties(self.machine, object);
            members.extend(shown.into_iter().map(|(name, value)| (name, value, true)));
        }
        if let ObjectKind::Error(label) = kind {
            members.retain(|(key, value, _)| !is_in_stack(self.machine, &label.stack, key, value));
        }
        if let Entry::Error(error) = heap.get(at) {
            for name in ["cause", "errors"].map(Value::text) {
                members.extend(heap.table_get(&error.hidden, &name).map(|value| (name, value, false)));
            }
        }
        let number = |number: usize| Value::Number(number as f64);
        match heap.get(at) {
            Entry::Buffer(buffer) => members.push((Value::text("byteLength"), number(buffer.len()), true)),
            Entry::View(view) if view.kind == ViewKind::DataView || self.hidden => {
                let is_array = view.kind != ViewKind::DataView;
                if is_array {
                    members.push((Value::text("BYTES_PER_ELEMENT"), number(view.kind.size()), false));
                    members.push((Value::text("length"), number(view.len as usize), false));
                }
                members.push((Value::text("byteLength"), number(view.byte_len()), !is_array));
                members.push((Value::text("byteOffset"), number(view.offset as usize), !is_array));
                members.push((Value::text("buffer"), Value::Ref(view.buffer), !is_array));
            }
            _ => {}
        }
        if self.hidden && matches!(heap.get(at), Entry::Array(_)) {
            let len = heap.array_len(at) as f64;
            members.insert(0, (Value::text("length"), Value::Number(len), false));
        }
        members
    }

    fn copy_elements(&mut self, at: HeapRef, array: &Array, members: usize, shown: &mut ObjectCopy) {
        let machine = self.machine;
        let element = |index| machine.heap.element(at, index);
        let (mut index, len) = (0, array.len());
        while index < len && shown.items.len() < self.bounds.items && self.left > 0 {
            if let Value::Hole = element(index) {
                let run = (index..len).take_while(|i| matches!(element(*i), Value::Hole)).count();
                shown.items.push(ContainerItem::Holes(run));
                // A long run of holes costs time.
                self.take(NODE_BYTES + run / 64);
                index += run;
            } else {
                shown.items.push(ContainerItem::Value(self.copy(&element(index))));
                index += 1;
            }
        }
        shown.items_left = len - index;
        self.cut |= shown.items_left > 0;
        // Node checks as many elements as it writes entries, including properties and the mark for omitted elements.
        let entries = shown.items.len() + usize::from(shown.items_left > 0) + members;
        shown.numbers =
            entries <= len && (0..entries).all(|index| matches!(element(index), Value::Number(_) | Value::BigInt(_)));
    }

    fn copy_numbers(&mut self, view: View, members: usize, shown: &mut ObjectCopy) {
        let len = view.len as usize;
        for number in self.machine.heap.view_numbers(view, 0, len.min(self.bounds.items)) {
            if self.left == 0 {
                break;
            }
            shown.items.push(ContainerItem::Value(self.copy(&Value::Number(number))));
        }
        shown.items_left = len - shown.items.len();
        self.cut |= shown.items_left > 0;
        shown.numbers = shown.items.len() + usize::from(shown.items_left > 0) + members <= len;
    }

    /// Copies the first bytes of a buffer.
    fn copy_buffer(&mut self, at: HeapRef, len: usize, shown: &mut ObjectCopy) {
        let count = len.min(self.bounds.items).min(self.left);
        self.take(3 * count);
        let mut bytes =
            self.machine.heap.copy_bytes(at, 0, count).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        if count < len {
            self.cut = true;
            bytes.push(format!("... {} more byte{}", len - count, if len - count == 1 { "" } else { "s" }));
        }
        let (key, value) = (Str::new("Uint8Contents"), ValueCopy::Bytes(bytes.join(" ")));
        shown.members.push(Member { key: key.units().iter().collect(), enumerable: false, value });
    }

    /// Copies the entries of a Map or Set from an insertion number on.
    fn copy_entries(&mut self, at: HeapRef, from: u32, shown: &mut ObjectCopy) {
        let machine = self.machine;
        let (Some(table), is_map) = (machine.heap.table(at, TableKind::Main), matches!(shown.kind, ObjectKind::Map))
        else {
            return;
        };
        self.copy_each_entry(table, from, shown, |copier, key, value| {
            let key = copier.copy(key);
            if is_map { ContainerItem::Entry(key, copier.copy(value)) } else { ContainerItem::Value(key) }
        });
    }

    /// Copies an array of pairs of texts as entries.
    fn copy_pairs(&mut self, pairs: HeapRef, shown: &mut ObjectCopy) {
        let machine = self.machine;
        for pair in machine.heap.elements(pairs) {
            let Value::Ref(pair) = pair else { continue };
            if self.left == 0 {
                shown.items_left += 1;
            } else {
                let [key, value] = [0, 1].map(|index| self.copy(&machine.heap.element(pair, index)));
                shown.items.push(ContainerItem::Entry(key, value));
            }
        }
        self.cut |= shown.items_left > 0;
    }

    /// Copies the entries of a Map or Set that an iterator has not yielded yet.
    fn copy_remaining_entries(&mut self, iterator: &IteratorObject, shown: &mut ObjectCopy) {
        let machine = self.machine;
        let Value::Ref(source) = iterator.source else { return };
        let (table, is_map) = match machine.heap.get(machine.heap.collection(source).unwrap_or(source)) {
            Entry::Map(table) => (table, true),
            Entry::Set(table) => (table, false),
            _ => return,
        };
        self.copy_each_entry(table, iterator.position, shown, |copier, key, value| {
            let value = if is_map { value } else { key };
            match iterator.kind {
                IterationKind::Entries => ContainerItem::Pair(copier.copy(key), copier.copy(value)),
                IterationKind::Keys => ContainerItem::Value(copier.copy(key)),
                _ => ContainerItem::Value(copier.copy(value)),
            }
        });
    }

    fn copy_each_entry(
        &mut self,
        table: &Table,
        from: u32,
        shown: &mut ObjectCopy,
        mut item: impl FnMut(&mut Self, &Value, &Value) -> ContainerItem,
    ) {
        let heap = &self.machine.heap;
        let mut next = from;
        while let Some((after, key, value)) = heap.table_next(table, next) {
            next = after;
            if shown.items.len() < self.bounds.items && self.left > 0 {
                shown.items.push(item(self, &key, &value));
            } else {
                shown.items_left += 1;
            }
        }
        self.cut |= shown.items_left > 0;
    }

    fn copy_members(&mut self, members: Vec<(Value, Value, bool)>, shown: &mut ObjectCopy) {
        let is_view = self.machine.heap.typed_array(shown.at).is_some();
        let total = members.len() + shown.members.len();
        for (key, value, enumerable) in members {
            if shown.members.len() >= self.bounds.members || self.left == 0 {
                break;
            }
            let (key, enumerable) = match key {
                Value::Text(key) => (key, enumerable),
                // Written in brackets.
                Value::Symbol(symbol) => (Str::new(&symbol.text(&self.machine.heap)), false),
                _ => continue,
            };
            self.take(key.len());
            self.is_in_view = is_view;
            let value = self.copy(&value);
            self.is_in_view = false;
            shown.members.push(Member { key: key.units().iter().collect(), enumerable, value });
        }
        shown.members_left = total - shown.members.len();
        self.cut |= shown.members_left > 0;
    }
}

/// Node's text for the class of an object without a prototype. A tag that is shown as a property is part of it.
fn null_prototype_label(machine: &Machine, object: &Object) -> String {
    match machine.heap.table_get(&object.table, &Value::Symbol(Symbol::TO_STRING_TAG)) {
        Some(Value::Text(tag)) if !tag.is_empty() => format!("[{}: null prototype]", tag.to_utf8()),
        _ => NULL_PROTOTYPE.to_owned(),
    }
}

/// The class and the tag of an object (`getPrefix`).
fn prefix(class: &str, tag: &str) -> String {
    if tag.is_empty() || tag == class { class.to_owned() } else { format!("{class} [{tag}]") }
}

/// The class of iterators, and the tag that an object inherits from its prototype.
const ITERATOR: &str = "Iterator";

/// Most prototypes that are searched for the name of a class.
const MAX_PROTOTYPES: usize = 100;

/// The name of the program's class that constructed an object with this prototype, or `builtin` if there is none.
pub(super) fn class_name(machine: &Machine, mut proto: Option<HeapRef>, builtin: &str) -> String {
    for _ in 0..MAX_PROTOTYPES {
        let Some(Entry::Object(object)) = proto.map(|at| machine.heap.get(at)) else { break };
        let constructor = property::own_value(&machine.heap, object, &Value::text("constructor"));
        if let Some(class @ Value::Ref(_)) = constructor.map(|found| descriptor::data_value(&machine.heap, found)) {
            let name = function_value_name(machine, &class);
            if !name.is_empty() {
                return name;
            }
        }
        proto = object.proto.as_object();
    }
    builtin.to_owned()
}

fn function_value_name(machine: &Machine, function: &Value) -> String {
    match property::property(machine, function, &Value::text("name")) {
        Ok(Value::Text(name)) => name.to_utf8(),
        _ => String::new(),
    }
}

/// Node's text for the prototype of a built-in class.
fn prototype_label(class: &str) -> String {
    match class {
        "Array" => "Object(0) []".to_owned(),
        "Boolean" | "Date" | "Error" | "Number" | "RegExp" | "String" => "{}".to_owned(),
        "Function" => "[Function (anonymous)] Object".to_owned(),
        "Object" => format!("{NULL_PROTOTYPE} {{}}"),
        class if ErrorKind::from_name(class).is_some() => format!("[Error [{class}]]"),
        class => format!("Object [{class}] {{}}"),
    }
}

/// The label of a function or class, in brackets.
pub(super) fn function_label(machine: &Machine, function: &Value, tag: &str) -> String {
    let name = function_value_name(machine, function);
    let class = match function {
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Closure(closure) if call::is_class(machine, closure) => closure.class.as_ref(),
            _ => None,
        },
        _ => None,
    };
    let Some(class) = class else {
        let kind = call::function_class(machine, function);
        let tag = if tag.is_empty() || tag == kind { String::new() } else { format!(" [{tag}]") };
        return if name.is_empty() { format!("[{kind} (anonymous)]{tag}") } else { format!("[{kind}: {name}]{tag}") };
    };
    let name = if name.is_empty() { "(anonymous)" } else { &name };
    let parent = class.parent.as_ref().map(|parent| function_value_name(machine, parent)).unwrap_or_default();
    let tag = if tag.is_empty() { String::new() } else { format!(" [{tag}]") };
    let extends = if parent.is_empty() { String::new() } else { format!(" extends {parent}") };
    format!("[class {name}{tag}{extends}]")
}

/// Whether a property of an error is already part of its stack.
pub(super) fn is_in_stack(machine: &Machine, stack: &str, key: &Value, value: &Value) -> bool {
    let Value::Text(key) = key else { return false };
    let hidden = matches!(key.to_utf8().as_str(), "name" | "message" | "stack");
    hidden && conversion::to_text(machine, value).is_ok_and(|text| stack.contains(&text.to_utf8()))
}

/// The kind of an iterator's collection, and whether Node shows the iterator as a plain object without entries.
pub(super) fn iterator_label(machine: &Machine, iterator: &IteratorObject) -> (&'static str, bool) {
    if iterator.kind == IterationKind::Matches {
        return ("RegExp String", true);
    }
    let class = object::iterated_class(&machine.heap, iterator);
    (class, !matches!(class, "Map" | "Set"))
}

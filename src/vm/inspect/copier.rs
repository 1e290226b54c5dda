//! The copy of a value from the heap within [`Bounds`].

use super::super::array::Array;
use super::super::entry::Entry;
use super::super::iterator::{Cursor, Yields};
use super::super::machine::Machine;
use super::super::table::{Table, Which};
use super::super::text::Str;
use super::super::value::{HeapRef, Value};
use super::{Bounds, Item, Kind, Member, Shown, ShownObject, ValueView, node, tagged};

/// Bytes that a value takes beside its text and its indentation, near enough.
const NODE_BYTES: usize = 8;

/// Copies values.
pub(super) struct Copier<'a> {
    machine: &'a Machine,
    pub(super) bounds: Bounds,
    /// Bytes that are left.
    pub(super) left: usize,
    /// Something was left out.
    pub(super) cut: bool,
    /// The length of arrays is a member too, as `%o` of `console.log` has it.
    pub(super) hidden: bool,
    /// The objects that are being copied, the outermost first.
    open: Vec<HeapRef>,
}

impl<'a> Copier<'a> {
    pub(super) fn new(machine: &'a Machine, bounds: Bounds) -> Self {
        Self { machine, bounds, left: bounds.bytes, cut: false, hidden: false, open: Vec::new() }
    }

    /// A variable, within its own share of the bytes.
    pub(super) fn view(&mut self, value: &Value) -> ValueView {
        let before = self.left;
        let share = before.min(self.bounds.variable_bytes);
        self.left = share;
        let shown = self.copy(value);
        self.left = before - (share - self.left);
        ValueView { value: tagged::json(&shown), text: node::text(&shown, &self.bounds) }
    }

    fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    pub(super) fn copy(&mut self, value: &Value) -> Shown {
        self.take(NODE_BYTES + 2 * self.open.len());
        match value {
            Value::Undefined | Value::Hole => Shown::Undefined,
            Value::Uninitialised => Shown::Uninitialised,
            Value::Null => Shown::Null,
            Value::Bool(truth) => Shown::Bool(*truth),
            Value::Number(number) => Shown::Number(*number),
            Value::Text(text) => self.text(text),
            Value::Builtin(builtin) => {
                let kind = match builtin.is_namespace() {
                    true => Kind::Function(format!("Object [{}] {{}}", builtin.name())),
                    false => Kind::Function(self.machine.function_label(value)),
                };
                Shown::Object(Box::new(ShownObject::new(HeapRef::NONE, kind, "Function")))
            }
            Value::Ref(at) => self.reference(*at),
        }
    }

    fn text(&mut self, text: &Str) -> Shown {
        let shown = text.len().min(self.bounds.text).min(self.left);
        let left = text.len() - shown;
        self.cut |= left > 0;
        self.take(shown);
        Shown::Text(text.slice(0, shown).units().iter().collect(), left)
    }

    fn reference(&mut self, at: HeapRef) -> Shown {
        if let Some(place) = self.open.iter().position(|open| *open == at) {
            return Shown::Circular(self.open.len() - place, at);
        }
        let (kind, class) = self.kind(at);
        let mut shown = ShownObject::new(at, kind, &class);
        let heap = &self.machine.heap;
        shown.len = match heap.get(at) {
            Entry::Array(array) => array.len(),
            Entry::Map(table) | Entry::Set(table) => table.len(),
            _ => 0,
        };
        let members = self.member_values(at, &shown.kind);
        let iterates = matches!(shown.kind, Kind::Iterator { plain: false, .. });
        if shown.len == 0 && members.is_empty() && !iterates {
            return Shown::Object(Box::new(shown));
        }
        if self.open.len() > self.bounds.depth || self.left == 0 {
            self.cut = true;
            return Shown::Deep(class);
        }
        self.open.push(at);
        match heap.get(at) {
            Entry::Array(array) => self.elements(at, array, members.len(), &mut shown),
            Entry::Map(_) | Entry::Set(_) => self.entries(at, 0, &mut shown),
            Entry::Cursor(cursor) => self.entries_ahead(cursor, &mut shown),
            _ => {}
        }
        self.members(members, &mut shown);
        self.open.pop();
        Shown::Object(Box::new(shown))
    }

    /// The kind of an object, and the name of its class.
    fn kind(&mut self, at: HeapRef) -> (Kind, String) {
        let machine = self.machine;
        let function = |kind: String| (Kind::Function(kind), "Function".to_owned());
        match machine.heap.get(at) {
            Entry::Array(_) => (Kind::Array, "Array".to_owned()),
            Entry::Object(object) => (Kind::Object, machine.class_name(object, "Object")),
            Entry::Map(_) => (Kind::Map, "Map".to_owned()),
            Entry::Set(_) => (Kind::Set, "Set".to_owned()),
            Entry::Closure(_) | Entry::Bound(_) => {
                let label = machine.function_label(&Value::Ref(at));
                self.take(label.len());
                function(label)
            }
            Entry::Error(error) => {
                let class = machine.class_name(&error.object, error.kind.name());
                let label = machine.error_label(at, error.kind, &class);
                self.take(label.stack.len());
                (Kind::Error(Box::new(label)), class)
            }
            Entry::RegExp(regexp) => {
                let (source, flags) = (regexp.source.to_utf8(), regexp.flags.to_utf8());
                self.take(source.len());
                (Kind::RegExp { source, flags }, "RegExp".to_owned())
            }
            Entry::Cursor(cursor) => {
                let (of, plain) = machine.iterator_of(&cursor.source);
                let what = if cursor.yields == Yields::Entries && !plain { "Entries" } else { "Iterator" };
                (Kind::Iterator { name: format!("{of} {what}"), plain }, format!("Object [{of} Iterator]"))
            }
            // Parts of other entries, which no value refers to.
            Entry::Cell(_) | Entry::Chunk(_) | Entry::Pairs(_) | Entry::Free => (Kind::Object, "Object".to_owned()),
        }
    }

    /// The members that are shown of an object: the enumerable ones, and the cause of an error.
    fn member_values(&self, at: HeapRef, kind: &Kind) -> Vec<(Value, Value, bool)> {
        let heap = &self.machine.heap;
        let table = match heap.get(at) {
            Entry::Array(array) => array.extra.as_deref(),
            Entry::Object(object) if !object.prototype => Some(&object.table),
            Entry::Closure(closure) => Some(&closure.table),
            Entry::Error(error) => Some(&error.object.table),
            _ => None,
        };
        let entries = table.map(|table| heap.table_entries(table)).unwrap_or_default();
        let mut members: Vec<_> = entries.into_iter().map(|(key, value)| (key, value, true)).collect();
        if let (Entry::Error(error), Kind::Error(label)) = (heap.get(at), kind) {
            members.retain(|(key, value, _)| !self.machine.is_in_stack(&label.stack, key, value));
            let cause = Value::text("cause");
            members.extend(heap.table_get(&error.hidden, &cause).map(|value| (cause, value, false)));
        }
        if self.hidden && matches!(kind, Kind::Array) {
            let len = heap.array_len(at) as f64;
            members.insert(0, (Value::text("length"), Value::Number(len), false));
        }
        members
    }

    fn elements(&mut self, at: HeapRef, array: &Array, members: usize, shown: &mut ShownObject) {
        let machine = self.machine;
        let element = |index| machine.heap.element(at, index);
        let (mut index, len) = (0, array.len());
        while index < len && shown.items.len() < self.bounds.items && self.left > 0 {
            if let Value::Hole = element(index) {
                let run = (index..len).take_while(|i| matches!(element(*i), Value::Hole)).count();
                shown.items.push(Item::Holes(run));
                // A long run is walked over.
                self.take(NODE_BYTES + run / 64);
                index += run;
            } else {
                shown.items.push(Item::Value(self.copy(&element(index))));
                index += 1;
            }
        }
        shown.items_left = len - index;
        self.cut |= shown.items_left > 0;
        // Node looks at as many elements as it writes entries, the members and the mark of what is left out among them.
        let entries = shown.items.len() + usize::from(shown.items_left > 0) + members;
        shown.numbers = entries <= len && (0..entries).all(|index| matches!(element(index), Value::Number(_)));
    }

    /// The entries of a Map or Set from an insertion number on.
    fn entries(&mut self, at: HeapRef, from: u32, shown: &mut ShownObject) {
        let machine = self.machine;
        let (Some(table), is_map) = (machine.heap.table(at, Which::Main), matches!(shown.kind, Kind::Map)) else {
            return;
        };
        self.each_entry(table, from, shown, |copier, key, value| {
            let key = copier.copy(key);
            if is_map { Item::Entry(key, copier.copy(value)) } else { Item::Value(key) }
        });
    }

    /// The entries that an iterator of a Map or Set has not given yet.
    fn entries_ahead(&mut self, cursor: &Cursor, shown: &mut ShownObject) {
        let machine = self.machine;
        let Value::Ref(source) = cursor.source else { return };
        let (table, is_map) = match machine.heap.get(source) {
            Entry::Map(table) => (table, true),
            Entry::Set(table) => (table, false),
            _ => return,
        };
        self.each_entry(table, cursor.position, shown, |copier, key, value| {
            let value = if is_map { value } else { key };
            match cursor.yields {
                Yields::Entries => Item::Pair(copier.copy(key), copier.copy(value)),
                Yields::Keys => Item::Value(copier.copy(key)),
                Yields::Values | Yields::Names => Item::Value(copier.copy(value)),
            }
        });
    }

    fn each_entry(
        &mut self,
        table: &Table,
        from: u32,
        shown: &mut ShownObject,
        mut item: impl FnMut(&mut Self, &Value, &Value) -> Item,
    ) {
        let heap = &self.machine.heap;
        let mut next = from;
        while let Some((number, key, value)) = heap.table_next(table, next) {
            next = number + 1;
            if shown.items.len() < self.bounds.items && self.left > 0 {
                shown.items.push(item(self, &key, &value));
            } else {
                shown.items_left += 1;
            }
        }
        self.cut |= shown.items_left > 0;
    }

    fn members(&mut self, members: Vec<(Value, Value, bool)>, shown: &mut ShownObject) {
        let all = members.len();
        for (key, value, enumerable) in members {
            if shown.members.len() >= self.bounds.members || self.left == 0 {
                break;
            }
            let Value::Text(key) = key else { continue };
            self.take(key.len());
            let value = self.copy(&value);
            shown.members.push(Member { key: key.units().iter().collect(), enumerable, value });
        }
        shown.members_left = all - shown.members.len();
        self.cut |= shown.members_left > 0;
    }
}

//! Ordinary objects, functions, errors and iterators as the heap stores them. `property.rs` looks up their properties.
//!
//! Iterators are entries of the heap, so a snapshot can be taken in the middle of a loop. An iterator reads the live
//! collection and copies nothing.

use std::sync::Arc;

use super::entry::Entry;
use super::heap::Heap;
use super::natives::Builtin;
use super::property::MAX_PROTOTYPE_CHAIN;
use super::table::{Table, TableKind};
use super::text::{Str, Units};
use super::value::{HeapRef, Value};
use super::work;

/// An ordinary object. ECMA-262 §10.1 Ordinary Object Internal Methods and Internal Slots.
#[derive(Clone, Default)]
pub struct Object {
    /// Own enumerable properties in order of insertion. `property.rs` gives them in the order that a program observes.
    pub table: Table,
    /// Own properties that are not enumerable, if there are any: methods of the prototype of a class.
    pub hidden: Option<Box<Table>>,
    /// `[[Prototype]]`
    pub proto: Prototype,
    /// Which changes of its properties are refused.
    pub integrity: Integrity,
    /// Whether the table has a Map, Set or Date under [`COLLECTION`] or [`WEAK_COLLECTION`].
    pub holds_collection: bool,
}

/// `[[Prototype]]` of an object. ECMA-262 §10.1 Ordinary Object Internal Methods and Internal Slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrototypeKind {
    /// The built-in one of the kind of the entry: `Object.prototype` of an ordinary object.
    Default,
    /// None: the object inherits nothing.
    Null,
    /// An object of the program.
    Object(HeapRef),
    /// A built-in prototype other than the default one.
    Builtin(Builtin),
}

/// A [`PrototypeKind`] in four bytes: each object has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prototype(u32);

impl Prototype {
    /// The built-in one of the kind of the entry.
    pub const DEFAULT: Prototype = Prototype(u32::MAX);
    /// None.
    pub const NULL: Prototype = Prototype(HeapRef::NONE.0);
    /// The numbers from here on are those of built-ins. A heap has fewer entries.
    const BUILTINS: u32 = 1 << 31;

    /// A built-in prototype.
    pub fn builtin(builtin: Builtin) -> Prototype {
        Prototype(Prototype::BUILTINS | u32::from(builtin.0))
    }

    /// An object of the program.
    pub fn object(at: HeapRef) -> Prototype {
        Prototype(at.0)
    }

    /// What it is.
    #[inline]
    pub fn kind(self) -> PrototypeKind {
        match self {
            Prototype::DEFAULT => PrototypeKind::Default,
            Prototype::NULL => PrototypeKind::Null,
            Prototype(number) if number >= Prototype::BUILTINS => PrototypeKind::Builtin(Builtin(number as u16)),
            Prototype(number) => PrototypeKind::Object(HeapRef(number)),
        }
    }

    /// The object of the program that it is.
    #[inline]
    pub fn as_object(self) -> Option<HeapRef> {
        (self.0 < Prototype::BUILTINS && self != Prototype::NULL).then_some(HeapRef(self.0))
    }
}

impl Default for Prototype {
    fn default() -> Prototype {
        Prototype::DEFAULT
    }
}

/// Which changes of the properties of an object are refused. ECMA-262 §7.3.15 SetIntegrityLevel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Integrity {
    /// None.
    #[default]
    Extensible,
    /// New properties.
    NonExtensible,
    /// Also deletions.
    Sealed,
    /// All changes.
    Frozen,
}

impl Integrity {
    /// Each with its flag in a snapshot.
    const FLAGS: [(Integrity, u32); 3] =
        [(Integrity::Frozen, 1), (Integrity::Sealed, 32), (Integrity::NonExtensible, 16)];

    /// The flag in a snapshot.
    pub fn flag(self) -> u32 {
        Integrity::FLAGS.iter().find(|row| row.0 == self).map_or(0, |row| row.1)
    }

    /// What the flags of a snapshot say.
    pub fn from_flags(flags: u32) -> Integrity {
        Integrity::FLAGS.iter().find(|row| flags & row.1 != 0).map_or(Integrity::Extensible, |row| row.0)
    }
}

/// The key of the Map, Set or Date of an object whose class extends Map, Set or Date. No operation of a program finds
/// it. ECMA-262 §24.1.4 Properties of Map Instances, §24.2.5 Properties of Set Instances, §21.4.5 Properties of Date
/// Instances.
pub const COLLECTION: Value = Value::Null;

/// The key of the Map or Set that holds the entries of a WeakMap or WeakSet. No operation of a program finds it.
/// ECMA-262 §24.3.4 Properties of WeakMap Instances, §24.4.4 Properties of WeakSet Instances.
pub const WEAK_COLLECTION: Value = Value::Bool(false);

/// The key of the prototype of an array whose class extends Array, among the properties of the array. No operation of a
/// program finds it. ECMA-262 §10.4.2.2 ArrayCreate.
pub const ARRAY_PROTOTYPE: Value = Value::Bool(true);

/// The key of the flag of the [`Integrity`] of a function, among its properties that are not enumerable. No operation
/// of a program finds it.
pub const INTEGRITY: Value = Value::Null;

impl Heap {
    /// The Map or Set at an address, or the Map, Set or Date of an object whose class extends one of these.
    pub fn collection(&self, at: HeapRef) -> Option<HeapRef> {
        match self.get(at) {
            Entry::Map(_) | Entry::Set(_) => Some(at),
            Entry::Object(object) if object.holds_collection => self.held_collection(object, &COLLECTION),
            _ => None,
        }
    }

    /// Makes a Map, Set or Date an object that holds it: only such an object has properties of its own. Others stay.
    pub(super) fn allow_properties(&mut self, at: HeapRef) {
        if !matches!(self.get(at), Entry::Map(_) | Entry::Set(_) | Entry::Date(_)) {
            return;
        }
        let Some(entry) = self.get_mut(at) else { return };
        let holder = Entry::Object(Object { holds_collection: true, ..Object::default() });
        let collection = std::mem::replace(entry, holder);
        let collection = self.allocate(collection);
        self.table_set(at, TableKind::Main, COLLECTION, Value::Ref(collection));
    }

    /// The time value of a date, or of an object whose class extends Date.
    pub fn date(&self, at: HeapRef) -> Option<f64> {
        match self.get(self.collection(at).unwrap_or(at)) {
            Entry::Date(time) => Some(*time),
            _ => None,
        }
    }

    /// The Map with the entries of a WeakMap, or the Set with those of a WeakSet.
    pub fn weak_collection(&self, at: HeapRef) -> Option<HeapRef> {
        match self.get(at) {
            Entry::Object(object) if object.holds_collection => self.held_collection(object, &WEAK_COLLECTION),
            _ => None,
        }
    }

    fn held_collection(&self, object: &Object, key: &Value) -> Option<HeapRef> {
        match self.table_get(&object.table, key) {
            Some(Value::Ref(at)) if matches!(self.get(at), Entry::Map(_) | Entry::Set(_) | Entry::Date(_)) => Some(at),
            _ => None,
        }
    }

    /// The prototype of an object, if it is an object of the program. ECMA-262 §10.1.1 `[[GetPrototypeOf]]`.
    pub fn prototype(&self, at: HeapRef) -> Option<HeapRef> {
        match self.get(at) {
            Entry::Object(object) => object.proto.as_object(),
            Entry::Error(error) => error.object.proto.as_object(),
            Entry::Array(array) => match self.table_get(array.extra.as_deref()?, &ARRAY_PROTOTYPE)? {
                Value::Ref(prototype) => Some(prototype),
                _ => None,
            },
            Entry::Closure(closure) => match closure.class.as_ref()?.parent {
                Some(Value::Ref(parent)) => Some(parent),
                _ => None,
            },
            _ => None,
        }
    }

    /// An object and the objects of the program that it inherits from, the nearest first.
    pub(super) fn prototype_chain(&self, at: HeapRef) -> impl Iterator<Item = HeapRef> + '_ {
        let chain = std::iter::successors(Some(at), move |at| self.prototype(*at)).take(MAX_PROTOTYPE_CHAIN);
        chain.enumerate().inspect(|(depth, _)| work::count_link(*depth)).map(|(_, at)| at)
    }
}

/// A function of the program. ECMA-262 §10.2 ECMAScript Function Objects.
#[derive(Clone, Default)]
pub struct Closure {
    /// Index of the function in the program.
    pub function: u32,
    /// The cells that the closure captures.
    pub captures: Vec<HeapRef>,
    /// `this` of an arrow function, captured at its creation.
    pub this: Option<Value>,
    /// `[[HomeObject]]`: where a lookup of `super` starts, for methods and the arrow functions within them: a class,
    /// or the object of a literal.
    pub home_object: Option<HeapRef>,
    /// Whether `super` refers to the class itself and not to its prototype, as in static methods.
    pub is_static: bool,
    /// The parts of a class, if this is a class constructor.
    pub class: Option<Class>,
    /// Own enumerable properties: static fields.
    pub table: Table,
    /// Own properties that are not enumerable: static methods.
    pub hidden: Table,
}

/// The parts of a class. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
#[derive(Clone)]
pub struct Class {
    /// The prototype of its instances.
    pub prototype: HeapRef,
    /// The class it extends.
    pub parent: Option<Value>,
    /// The closure that initializes the fields of a new instance.
    pub fields: Option<HeapRef>,
}

/// A bound function. ECMA-262 §10.4.1 Bound Function Exotic Objects.
#[derive(Clone)]
pub struct BoundFunction {
    /// `[[BoundTargetFunction]]`
    pub target: Value,
    /// `[[BoundThis]]`
    pub this: Value,
    /// `[[BoundArguments]]`
    pub args: Vec<Value>,
}

/// An error. ECMA-262 §20.5.4 Properties of Error Instances.
#[derive(Clone, Default)]
pub struct ErrorObject {
    /// The built-in error class.
    pub kind: ErrorKind,
    /// `message`, `stack`, `cause`: own, but not enumerable.
    pub hidden: Table,
    /// All other properties.
    pub object: Object,
}

named_enum! {
    /// The built-in error classes. ECMA-262 §20.5.1 The Error Constructor and §20.5.5 Native Error Types Used in This
    /// Standard, and AggregateError. TimeoutError is an addition for calls whose deadline passes, and
    /// CancelledError one for calls of an execution that is cancelled.
    #[derive(Default)]
    #[allow(missing_docs, reason = "each is the error of its name")]
    pub enum ErrorKind {
        #[default]
        Error = "Error",
        Type = "TypeError",
        Range = "RangeError",
        Reference = "ReferenceError",
        Syntax = "SyntaxError",
        Timeout = "TimeoutError",
        Cancelled = "CancelledError",
        Eval = "EvalError",
        Uri = "URIError",
        Aggregate = "AggregateError",
    }
}

/// A regular expression. ECMA-262 §22.2.8 Properties of RegExp Instances.
#[derive(Clone)]
pub struct RegExp {
    /// The pattern as the source has it.
    pub source: Str,
    /// The flags, in canonical order.
    pub flags: Str,
    /// Where the next match of a `g` or `y` regexp starts. ECMA-262 §22.2.8.1 lastIndex.
    pub last_index: f64,
    /// The compiled pattern. It is not part of the state.
    pub compiled: Arc<super::regexp::CompiledRegExp>,
}

impl Object {
    /// Whether each change is refused.
    #[inline]
    pub fn is_frozen(&self) -> bool {
        self.integrity == Integrity::Frozen
    }

    /// Whether properties may be added.
    #[inline]
    pub fn is_extensible(&self) -> bool {
        self.integrity == Integrity::Extensible
    }

    /// Whether every property can be changed, and others added, without a look at those that exist but in the table.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.is_extensible() && self.hidden.is_none()
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        self.table.visit_values(visit);
        if let Some(hidden) = &self.hidden {
            hidden.visit_values(visit);
        }
        if let Some(proto) = self.proto.as_object() {
            visit(&Value::Ref(proto));
        }
    }
}

impl Closure {
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        for cell in &self.captures {
            visit(&Value::Ref(*cell));
        }
        if let Some(this) = &self.this {
            visit(this);
        }
        if let Some(home) = self.home_object {
            visit(&Value::Ref(home));
        }
        if let Some(class) = &self.class {
            visit(&Value::Ref(class.prototype));
            if let Some(parent) = &class.parent {
                visit(parent);
            }
            if let Some(fields) = class.fields {
                visit(&Value::Ref(fields));
            }
        }
        self.table.visit_values(visit);
        self.hidden.visit_values(visit);
    }
}

impl BoundFunction {
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        visit(&self.target);
        visit(&self.this);
        self.args.iter().for_each(visit);
    }
}

impl Entry {
    /// The table of this entry.
    #[inline]
    pub fn table(&self, kind: TableKind) -> Option<&Table> {
        match (self, kind) {
            (Entry::Object(object), TableKind::Main) => Some(&object.table),
            (Entry::Object(object), TableKind::Hidden) => object.hidden.as_deref(),
            (Entry::Array(array), TableKind::Main) => array.extra.as_deref(),
            (Entry::Map(table) | Entry::Set(table), TableKind::Main) => Some(table),
            (Entry::Error(error), TableKind::Main) => Some(&error.object.table),
            (Entry::Error(error), TableKind::Hidden) => Some(&error.hidden),
            (Entry::Closure(closure), TableKind::Main) => Some(&closure.table),
            (Entry::Closure(closure), TableKind::Hidden) => Some(&closure.hidden),
            _ => None,
        }
    }

    pub(super) fn table_mut(&mut self, kind: TableKind) -> Option<&mut Table> {
        match (self, kind) {
            (Entry::Object(object), TableKind::Main) => Some(&mut object.table),
            (Entry::Object(object), TableKind::Hidden) => Some(object.hidden.get_or_insert_default()),
            (Entry::Array(array), TableKind::Main) => Some(array.extra.get_or_insert_default()),
            (Entry::Map(table) | Entry::Set(table), TableKind::Main) => Some(table),
            (Entry::Error(error), TableKind::Main) => Some(&mut error.object.table),
            (Entry::Error(error), TableKind::Hidden) => Some(&mut error.hidden),
            (Entry::Closure(closure), TableKind::Main) => Some(&mut closure.table),
            (Entry::Closure(closure), TableKind::Hidden) => Some(&mut closure.hidden),
            _ => None,
        }
    }
}

/// An iterator over an array, a string, a Map, a Set or the names of a `for-in` loop.
/// ECMA-262 §23.1.5 Array Iterator Objects, §22.1.5 String Iterator Objects, §24.1.5 Map Iterator Objects,
/// §24.2.6 Set Iterator Objects, §14.7.5.10 For-In Iterator Objects.
#[derive(Clone)]
pub struct IteratorObject {
    /// The collection; `undefined` after the end.
    pub source: Value,
    /// The values that it yields.
    pub kind: IterationKind,
    /// The next position: an index, or the insertion number of an entry of a Map or Set.
    pub position: u32,
}

named_enum! {
    /// The part of each element that an iterator yields. ECMA-262 §23.1.5.1 CreateArrayIterator, _kind_.
    pub enum IterationKind {
        /// The index or key.
        Keys = "keys",
        /// The element or value.
        Values = "values",
        /// Both, as an array.
        Entries = "entries",
        /// The keys that `for-in` collected in an array, except those that the object (element 0) no longer has or
        /// inherits.
        Names = "names",
        /// An iterator of the program; the source is an array of the iterator and its `next`.
        Record = "record",
        /// The same of an async iterator.
        AsyncRecord = "async",
        /// The matches of `matchAll`, which are the elements. ECMA-262 §22.2.9 RegExp String Iterator Objects.
        Matches = "matches",
    }
}

impl IterationKind {
    /// Whether the source is an iterator of the program and not a collection.
    pub fn is_record(self) -> bool {
        matches!(self, IterationKind::Record | IterationKind::AsyncRecord)
    }
}

impl IteratorObject {
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        visit(&self.source);
    }
}

pub(crate) fn new_iterator(heap: &mut Heap, source: Value, kind: IterationKind) -> HeapRef {
    let source = match source {
        Value::Ref(at) => Value::Ref(heap.collection(at).unwrap_or(at)),
        source => source,
    };
    let position = u32::from(kind == IterationKind::Names);
    heap.allocate(Entry::Iterator(Box::new(IteratorObject { source, kind, position })))
}

/// The next value, or `None` at and after the end. ECMA-262 §23.1.5.2.1 %ArrayIteratorPrototype%.next and its
/// counterparts for strings, Maps, Sets and `for-in`.
pub(crate) fn iterator_next(heap: &mut Heap, at: HeapRef) -> Option<Value> {
    let Entry::Iterator(iterator) = heap.get(at) else { return None };
    let (kind, position) = (iterator.kind, iterator.position);
    if kind.is_record() {
        return None;
    }
    let found = match &iterator.source {
        Value::Text(text) => code_point_at(text, position as usize).map(|t| {
            let width = t.len() as u32;
            (position + width, Value::Number(f64::from(position)), Value::Text(t))
        }),
        Value::Ref(source) => match heap.get(heap.collection(*source).unwrap_or(*source)) {
            Entry::Array(array) if (position as usize) < array.len() => {
                let element = heap.element(*source, position as usize).or_undefined();
                Some((position + 1, Value::Number(f64::from(position)), element))
            }
            Entry::View(view) => heap
                .view_element(*view, position as usize)
                .map(|number| (position + 1, Value::Number(f64::from(position)), Value::Number(number))),
            Entry::Map(table) => heap.table_next(table, position),
            Entry::Set(table) => heap.table_next(table, position).map(|(next, key, _)| (next, key.clone(), key)),
            _ => None,
        },
        _ => None,
    };
    let Some((next, key, value)) = found else {
        let ended = ended_source(heap, &iterator.source);
        if let Some(Entry::Iterator(iterator)) = heap.get_mut(at) {
            iterator.source = ended;
        }
        return None;
    };
    if let Some(Entry::Iterator(iterator)) = heap.get_mut(at) {
        iterator.position = next;
    }
    if kind == IterationKind::Names {
        let Entry::Iterator(iterator) = heap.get(at) else { return None };
        let Value::Ref(names) = iterator.source else { return None };
        let object = heap.element(names, 0);
        return if has_remaining_property(heap, &object, &value) { Some(value) } else { next_remaining_name(heap, at) };
    }
    Some(match kind {
        IterationKind::Keys => key,
        IterationKind::Entries => Value::Ref(heap.new_array(vec![key, value])),
        _ => value,
    })
}

/// What an iterator that has ended has as its source: only the kind of it.
fn ended_source(heap: &Heap, source: &Value) -> Value {
    let prototype = |class| Builtin::prototype_of_class(class).map_or(Value::Undefined, Value::Builtin);
    match source {
        Value::Text(_) => Value::Text(Str::empty()),
        Value::Ref(source) => match heap.get(heap.collection(*source).unwrap_or(*source)) {
            Entry::Map(_) => prototype("Map"),
            Entry::Set(_) => prototype("Set"),
            _ => Value::Undefined,
        },
        ended => ended.clone(),
    }
}

/// The class of the objects that an iterator iterates over, also after its end.
pub(crate) fn iterated_class(heap: &Heap, iterator: &IteratorObject) -> &'static str {
    match &iterator.source {
        Value::Text(_) => "String",
        Value::Builtin(prototype) => prototype.class_of_prototype().unwrap_or_default(),
        Value::Ref(source) => match heap.get(heap.collection(*source).unwrap_or(*source)) {
            Entry::Map(_) => "Map",
            Entry::Set(_) => "Set",
            _ => "Array",
        },
        _ => "Array",
    }
}

/// The next name that the object still has. ECMA-262 §14.7.5.10.2.1 %ForInIteratorPrototype%.next.
fn next_remaining_name(heap: &mut Heap, at: HeapRef) -> Option<Value> {
    loop {
        let Entry::Iterator(iterator) = heap.get(at) else { return None };
        let Value::Ref(names) = iterator.source else { return None };
        let position = iterator.position as usize;
        if position >= heap.array_len(names) {
            if let Some(Entry::Iterator(iterator)) = heap.get_mut(at) {
                iterator.source = Value::Undefined;
            }
            return None;
        }
        let (object, name) = (heap.element(names, 0), heap.element(names, position));
        if let Some(Entry::Iterator(iterator)) = heap.get_mut(at) {
            iterator.position += 1;
        }
        if has_remaining_property(heap, &object, &name) {
            return Some(name);
        }
    }
}

fn has_remaining_property(heap: &Heap, object: &Value, name: &Value) -> bool {
    let (Value::Ref(at), Value::Text(text)) = (object, name) else { return true };
    if let (Entry::Array(array), Some(index)) = (heap.get(*at), text.array_index()) {
        return (index as usize) < array.len() && !matches!(heap.element(*at, index as usize), Value::Hole);
    }
    if let (Entry::View(view), Some(index)) = (heap.get(*at), text.array_index()) {
        return index < view.len;
    }
    let has = |at, kind| heap.table(at, kind).is_some_and(|table| heap.table_find(table, name).is_some());
    heap.prototype_chain(*at).any(|at| has(at, TableKind::Main) || has(at, TableKind::Hidden))
}

/// The character at `position`: two code units where they form a surrogate pair. ECMA-262 §11.1.4 CodePointAt.
pub fn code_point_at(text: &Str, position: usize) -> Option<Str> {
    let units = text.units();
    let first = units.get(position)?;
    let pair = matches!(units, Units::Wide(_))
        && (0xd800..0xdc00).contains(&first)
        && units.get(position + 1).is_some_and(|u| (0xdc00..0xe000).contains(&u));
    Some(if pair { text.slice(position, position + 2) } else { Str::single(first) })
}

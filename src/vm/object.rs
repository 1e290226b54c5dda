//! Ordinary objects, functions and errors as the heap stores them. `property.rs` looks up their properties.

use std::sync::Arc;

use super::entry::Entry;
use super::table::{Table, TableKind};
use super::text::Str;
use super::value::{HeapRef, Value};

/// An ordinary object. ECMA-262 §10.1 Ordinary Object Internal Methods and Internal Slots.
/// All properties are writable, enumerable data properties, except those of frozen objects and of class prototypes.
#[derive(Clone, Default)]
pub struct Object {
    /// Own properties in order of insertion. `property.rs` gives them in the order that a program sees.
    pub table: Table,
    /// The prototype, if it is an object of the program; otherwise the prototype is a built-in one.
    pub proto: Option<HeapRef>,
    /// Whether the object is frozen.
    pub frozen: bool,
    /// Whether this is the prototype of a class. Its properties are not enumerable.
    pub prototype: bool,
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
    /// `[[HomeObject]]`: where a lookup of `super` starts, for methods and the arrow functions within them.
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
    /// The closure that initialises the fields of a new instance.
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

/// The built-in error classes. ECMA-262 §20.5.1 The Error Constructor and §20.5.5 Native Error Types Used in This Standard,
/// without AggregateError. TimeoutError is an addition for calls whose deadline passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "each is the error of its name")]
pub enum ErrorKind {
    #[default]
    Error,
    Type,
    Range,
    Reference,
    Syntax,
    Timeout,
    Eval,
    Uri,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [ErrorKind; 8] = [
        ErrorKind::Error,
        ErrorKind::Type,
        ErrorKind::Range,
        ErrorKind::Reference,
        ErrorKind::Syntax,
        ErrorKind::Timeout,
        ErrorKind::Eval,
        ErrorKind::Uri,
    ];

    /// The class name.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Error => "Error",
            ErrorKind::Type => "TypeError",
            ErrorKind::Range => "RangeError",
            ErrorKind::Reference => "ReferenceError",
            ErrorKind::Syntax => "SyntaxError",
            ErrorKind::Timeout => "TimeoutError",
            ErrorKind::Eval => "EvalError",
            ErrorKind::Uri => "URIError",
        }
    }

    /// The kind of a class name.
    pub fn from_name(name: &str) -> Option<ErrorKind> {
        ErrorKind::ALL.into_iter().find(|kind| kind.name() == name)
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
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        self.table.visit_values(visit);
        if let Some(proto) = self.proto {
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
    pub fn table(&self, which: TableKind) -> Option<&Table> {
        match (self, which) {
            (Entry::Object(object), TableKind::Main) => Some(&object.table),
            (Entry::Array(array), TableKind::Main) => array.extra.as_deref(),
            (Entry::Map(table) | Entry::Set(table), TableKind::Main) => Some(table),
            (Entry::Error(error), TableKind::Main) => Some(&error.object.table),
            (Entry::Error(error), TableKind::Hidden) => Some(&error.hidden),
            (Entry::Closure(closure), TableKind::Main) => Some(&closure.table),
            (Entry::Closure(closure), TableKind::Hidden) => Some(&closure.hidden),
            _ => None,
        }
    }

    pub(super) fn table_mut(&mut self, which: TableKind) -> Option<&mut Table> {
        match (self, which) {
            (Entry::Object(object), TableKind::Main) => Some(&mut object.table),
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

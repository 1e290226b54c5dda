//! Ordinary objects, functions and errors as they stand in the heap. How their properties are found is in `property.rs`.

use std::sync::Arc;

use super::entry::Entry;
use super::table::{Table, Which};
use super::text::Str;
use super::value::{HeapRef, Value};

/// An ordinary object.
#[derive(Clone, Default)]
pub struct Object {
    /// Own properties in order of insertion; which order a program sees is in `property.rs`.
    pub table: Table,
    /// The prototype where it is one of the program's; else the built-in one.
    pub proto: Option<HeapRef>,
    /// Whether it refuses changes.
    pub frozen: bool,
    /// Whether this is the prototype of a class, whose properties are not enumerable.
    pub prototype: bool,
}

/// A function of the program.
#[derive(Clone, Default)]
pub struct Closure {
    /// Its number in the program.
    pub function: u32,
    /// The cells it took along.
    pub captures: Vec<HeapRef>,
    /// What `this` is inside: an arrow takes it along.
    pub this: Option<Value>,
    /// Where `super` begins to look, for methods and arrows within them.
    pub home: Option<HeapRef>,
    /// Whether `super` looks at the class itself rather than its prototype: in static methods.
    pub fixed: bool,
    /// What makes it a class.
    pub class: Option<Class>,
    /// Own properties: static fields.
    pub table: Table,
    /// Own properties that are not enumerable: static methods.
    pub hidden: Table,
}

/// The parts of a class.
#[derive(Clone)]
pub struct Class {
    /// The prototype of its objects.
    pub prototype: HeapRef,
    /// The class it extends.
    pub parent: Option<Value>,
    /// The closure that initialises the fields of a new object.
    pub fields: Option<HeapRef>,
}

/// A bound function.
#[derive(Clone)]
pub struct Bound {
    /// What is called.
    pub target: Value,
    /// `this` inside.
    pub this: Value,
    /// Arguments before those of the call.
    pub args: Vec<Value>,
}

/// An error.
#[derive(Clone, Default)]
pub struct ErrorObject {
    /// Which built-in error it is.
    pub kind: ErrorKind,
    /// `message`, `stack`, `cause`: own, but not enumerable.
    pub hidden: Table,
    /// Everything else.
    pub object: Object,
}

/// The built-in errors.
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
    pub fn named(name: &str) -> Option<ErrorKind> {
        ErrorKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A regular expression.
#[derive(Clone)]
pub struct RegExp {
    /// The pattern as written.
    pub source: Str,
    /// The flags, in canonical order.
    pub flags: Str,
    /// Where `g` and `y` go on.
    pub last_index: f64,
    /// The pattern compiled; no part of the state.
    pub compiled: Arc<super::pattern::Pattern>,
}

impl Object {
    pub(super) fn each(&self, visit: &mut dyn FnMut(&Value)) {
        self.table.each(visit);
        if let Some(proto) = self.proto {
            visit(&Value::Ref(proto));
        }
    }
}

impl Closure {
    pub(super) fn each(&self, visit: &mut dyn FnMut(&Value)) {
        for cell in &self.captures {
            visit(&Value::Ref(*cell));
        }
        if let Some(this) = &self.this {
            visit(this);
        }
        if let Some(home) = self.home {
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
        self.table.each(visit);
        self.hidden.each(visit);
    }
}

impl Bound {
    pub(super) fn each(&self, visit: &mut dyn FnMut(&Value)) {
        visit(&self.target);
        visit(&self.this);
        self.args.iter().for_each(visit);
    }
}

impl Entry {
    /// The table of this entry.
    #[inline]
    pub fn table(&self, which: Which) -> Option<&Table> {
        match (self, which) {
            (Entry::Object(object), Which::Main) => Some(&object.table),
            (Entry::Array(array), Which::Main) => array.extra.as_deref(),
            (Entry::Map(table) | Entry::Set(table), Which::Main) => Some(table),
            (Entry::Error(error), Which::Main) => Some(&error.object.table),
            (Entry::Error(error), Which::Hidden) => Some(&error.hidden),
            (Entry::Closure(closure), Which::Main) => Some(&closure.table),
            (Entry::Closure(closure), Which::Hidden) => Some(&closure.hidden),
            _ => None,
        }
    }

    pub(super) fn table_mut(&mut self, which: Which) -> Option<&mut Table> {
        match (self, which) {
            (Entry::Object(object), Which::Main) => Some(&mut object.table),
            (Entry::Array(array), Which::Main) => Some(array.extra.get_or_insert_default()),
            (Entry::Map(table) | Entry::Set(table), Which::Main) => Some(table),
            (Entry::Error(error), Which::Main) => Some(&mut error.object.table),
            (Entry::Error(error), Which::Hidden) => Some(&mut error.hidden),
            (Entry::Closure(closure), Which::Main) => Some(&mut closure.table),
            (Entry::Closure(closure), Which::Hidden) => Some(&mut closure.hidden),
            _ => None,
        }
    }
}

//! The registry of built-in functions: one name each, by which the wire and snapshots know them, and the Rust function
//! that runs. Numbers are given when the process starts and never leave it.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::machine::Machine;
use super::natives;
use super::raise::Raise;
use super::value::Value;

/// A built-in function or namespace, by its number in the registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Builtin(pub u16);

/// How a built-in function ended.
pub enum Done {
    /// With a value.
    Value(Value),
    /// It pushed a frame that will give the value.
    Entered,
}

impl<T: Into<Value>> From<T> for Done {
    fn from(value: T) -> Done {
        Done::Value(value.into())
    }
}

/// The arguments of a call: they stay on the operand stack while the function runs.
#[derive(Debug, Clone)]
pub struct Args {
    /// `this`, or undefined.
    pub this: Value,
    /// Place of the first argument on the stack.
    pub base: usize,
    /// Number of arguments.
    pub count: usize,
    /// Where the stack is cut when the call ends.
    pub bottom: usize,
    /// Where the program goes on when the call ends.
    pub return_pc: u32,
}

/// A built-in function.
pub type Native = fn(&mut Machine, &Args) -> Result<Done, Raise>;

/// A name, the number of declared parameters, and what runs.
pub type Row = (&'static str, u8, Native);

/// All built-in functions.
pub struct Registry {
    rows: Vec<Row>,
    numbers: HashMap<&'static str, u16>,
}

impl Registry {
    /// The one registry.
    pub fn get() -> &'static Registry {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let rows: Vec<Row> = natives::TABLES.iter().flat_map(|table| table.iter().copied()).collect();
            let numbers = (0u16..).zip(&rows).map(|(number, row)| (row.0, number)).collect();
            Registry { rows, numbers }
        })
    }

    /// The built-in of a name.
    pub fn find(&self, name: &str) -> Option<Builtin> {
        self.numbers.get(name).map(|number| Builtin(*number))
    }

    /// What runs.
    #[inline]
    pub fn native(&self, builtin: Builtin) -> Option<Native> {
        self.rows.get(usize::from(builtin.0)).map(|row| row.2)
    }

    /// Its name.
    pub fn name(&self, builtin: Builtin) -> &'static str {
        self.rows.get(usize::from(builtin.0)).map_or("", |row| row.0)
    }

    /// Its `length`.
    pub fn length(&self, builtin: Builtin) -> u8 {
        self.rows.get(usize::from(builtin.0)).map_or(0, |row| row.1)
    }
}

impl Builtin {
    /// Its name.
    pub fn name(self) -> &'static str {
        Registry::get().name(self)
    }

    /// Whether it is an object that cannot be called.
    pub fn is_namespace(self) -> bool {
        super::globals::NAMESPACES.contains(&self.name())
    }
}

/// Kinds of receivers that have built-in methods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the receiver of its name")]
pub enum Receiver {
    Array,
    String,
    Number,
    Boolean,
    Object,
    Function,
    Map,
    Set,
    RegExp,
    Error,
    Iterator,
}

impl Receiver {
    /// All of them, in order of number.
    pub const ALL: [(Receiver, &'static str); 11] = [
        (Receiver::Array, "Array"),
        (Receiver::String, "String"),
        (Receiver::Number, "Number"),
        (Receiver::Boolean, "Boolean"),
        (Receiver::Object, "Object"),
        (Receiver::Function, "Function"),
        (Receiver::Map, "Map"),
        (Receiver::Set, "Set"),
        (Receiver::RegExp, "RegExp"),
        (Receiver::Error, "Error"),
        (Receiver::Iterator, "Iterator"),
    ];

    /// The class it is an instance of.
    pub fn name(self) -> &'static str {
        Receiver::ALL.get(self as usize).map_or("", |row| row.1)
    }
}

/// The methods of one name, by kind of receiver.
pub type Methods = [Option<Builtin>; Receiver::ALL.len()];

/// Looks up the methods of a name.
pub fn methods_named(name: &str) -> Methods {
    let registry = Registry::get();
    Receiver::ALL.map(|(_, class)| registry.find(&format!("{class}.prototype.{name}")))
}

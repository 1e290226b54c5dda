//! The registry of built-in functions: the name that bytecode and snapshots use, and the Rust function that runs. Their
//! numbers are assigned when the process starts and are never stored.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::abrupt_completion::AbruptCompletion;
use super::machine::Machine;
use super::natives;
use super::value::Value;

/// A built-in function or namespace, by its number in the registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Builtin(pub u16);

/// The outcome of a built-in function.
pub enum NativeOutcome {
    /// A value.
    Value(Value),
    /// The function pushed a frame that will deliver the value.
    FramePushed,
}

impl<T: Into<Value>> From<T> for NativeOutcome {
    fn from(value: T) -> NativeOutcome {
        NativeOutcome::Value(value.into())
    }
}

/// The arguments of a call. They stay on the operand stack while the function runs.
#[derive(Debug, Clone)]
pub struct NativeArgs {
    /// `this`, or `undefined`.
    pub this: Value,
    /// Stack index of the first argument.
    pub base: usize,
    /// Number of arguments.
    pub count: usize,
    /// The length to which the stack is truncated when the call ends.
    pub bottom: usize,
    /// The instruction at which the program continues when the call ends.
    pub return_pc: u32,
}

/// The code of a built-in function. ECMA-262 §10.3 Built-in Function Objects.
pub type NativeFunction = fn(&mut Machine, &NativeArgs) -> Result<NativeOutcome, AbruptCompletion>;

/// Name, value of the `length` property, and code.
pub type BuiltinDefinition = (&'static str, u8, NativeFunction);

/// All built-in functions.
pub struct Registry {
    rows: Vec<BuiltinDefinition>,
    numbers: HashMap<&'static str, u16>,
}

impl Registry {
    /// The only registry.
    pub fn global() -> &'static Registry {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let rows: Vec<BuiltinDefinition> = natives::TABLES.iter().flat_map(|table| table.iter().copied()).collect();
            let numbers = (0u16..).zip(&rows).map(|(number, row)| (row.0, number)).collect();
            Registry { rows, numbers }
        })
    }

    /// The built-in of this name.
    pub fn find(&self, name: &str) -> Option<Builtin> {
        self.numbers.get(name).map(|number| Builtin(*number))
    }

    /// The code of a built-in.
    #[inline]
    pub fn native(&self, builtin: Builtin) -> Option<NativeFunction> {
        self.rows.get(usize::from(builtin.0)).map(|row| row.2)
    }

    /// The name of a built-in.
    pub fn name(&self, builtin: Builtin) -> &'static str {
        self.rows.get(usize::from(builtin.0)).map_or("", |row| row.0)
    }

    /// The `length` property of a built-in.
    pub fn length(&self, builtin: Builtin) -> u8 {
        self.rows.get(usize::from(builtin.0)).map_or(0, |row| row.1)
    }
}

impl Builtin {
    /// The name.
    pub fn name(self) -> &'static str {
        Registry::global().name(self)
    }

    /// Whether the built-in is an object that cannot be called.
    pub fn is_namespace(self) -> bool {
        super::globals::NAMESPACES.contains(&self.name())
    }
}

/// Kinds of values that have built-in methods.
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

    /// The class that provides the methods.
    pub fn name(self) -> &'static str {
        Receiver::ALL.get(self as usize).map_or("", |row| row.1)
    }
}

/// The methods of one name, indexed by [`Receiver`].
pub type Methods = [Option<Builtin>; Receiver::ALL.len()];

/// Looks up the methods of a name.
pub fn methods_by_name(name: &str) -> Methods {
    let registry = Registry::global();
    Receiver::ALL.map(|(_, class)| registry.find(&format!("{class}.prototype.{name}")))
}

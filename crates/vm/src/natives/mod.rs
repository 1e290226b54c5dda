//! The built-in functions, one file per class. Programs and snapshots refer to them by name: methods as
//! `Array.prototype.push`, constructors as `new Map`.
//!
//! Each function cites its clause of ECMA-262, 16th edition (2025), and states where it deviates. `vm/globals.rs`
//! lists the built-ins of Node that are missing.
//!
//! The registry maps the name that bytecode and snapshots use to the Rust function that runs. The numbers of functions
//! are assigned when the process starts and are never stored.

mod abort_signal;
mod array;
mod array_buffer;
mod array_search;
mod base64;
mod bigint;
mod collation;
mod collections;
mod console;
mod date;
pub(super) mod errors;
mod function;
mod global;
mod iterators;
pub(super) mod json;
mod math;
mod normalization;
pub(super) mod number;
mod object;
mod options;
pub(super) mod promise;
pub(super) mod regexp;
pub(super) mod string;
pub(super) mod symbol;
mod text_encoding;
pub(super) mod typed_array;
mod uri;
mod weak_collections;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::abrupt_completion::{AbruptCompletion, Completion, range_error, type_error, unsupported};
use super::array_buffer::ViewKind;
use super::globals::PROTOTYPES;
use super::machine::Machine;
use super::number::to_integer;
use super::object::ErrorKind;
use super::text::Str;
use super::value::Value;
use super::{conversion, iteration};

/// All definitions of the registry.
pub static TABLES: &[&[BuiltinDefinition]] = &[
    abort_signal::ROWS,
    array::ROWS,
    array_buffer::ROWS,
    array_search::ROWS,
    base64::ROWS,
    bigint::ROWS,
    collation::ROWS,
    collections::ROWS,
    console::ROWS,
    date::ROWS,
    errors::ERROR_ROWS,
    function::FUNCTION_ROWS,
    global::ROWS,
    iterators::ROWS,
    json::ROWS,
    math::MATH_ROWS,
    normalization::ROWS,
    number::ROWS,
    object::OBJECT_ROWS,
    options::ROWS,
    promise::ROWS,
    regexp::ROWS,
    string::ROWS,
    symbol::ROWS,
    text_encoding::ROWS,
    typed_array::ROWS,
    uri::ROWS,
    weak_collections::ROWS,
];

/// Argument number `index`, or `undefined` if it is missing.
#[inline]
pub(super) fn arg(machine: &Machine, args: &NativeArgs, index: usize) -> Value {
    if index < args.count {
        machine.stack.get(args.base + index).cloned().unwrap_or(Value::Undefined)
    } else {
        Value::Undefined
    }
}

/// `String(argument)`. ECMA-262 §7.1.17 ToString.
pub(super) fn arg_text(machine: &Machine, args: &NativeArgs, index: usize) -> Completion<Str> {
    if index < args.count { conversion::to_text_at(machine, args.base + index) } else { Ok(Str::new("undefined")) }
}

/// `Number(argument)`. ECMA-262 §7.1.4 ToNumber.
#[inline]
pub(super) fn arg_number(machine: &Machine, args: &NativeArgs, index: usize) -> Completion<f64> {
    if index >= args.count {
        return Ok(f64::NAN);
    }
    match machine.stack.get(args.base + index) {
        Some(Value::Number(n)) => Ok(*n),
        _ => conversion::to_number_at(machine, args.base + index),
    }
}

/// The argument as an integer, or `missing` if it is undefined. ECMA-262 §7.1.5 ToIntegerOrInfinity.
pub(super) fn arg_integer(machine: &Machine, args: &NativeArgs, index: usize, missing: f64) -> Completion<f64> {
    match arg(machine, args, index) {
        Value::Undefined => Ok(missing),
        _ => Ok(to_integer(arg_number(machine, args, index)?)),
    }
}

/// The argument as an integer from 0 to `length`, or `missing` if it is undefined.
// A conversion to `usize` is bounded by itself. `f64::clamp` brings the code of the standard library that writes
// doubles.
pub(super) fn arg_length(
    machine: &Machine,
    args: &NativeArgs,
    index: usize,
    missing: usize,
    length: usize,
) -> Completion<usize> {
    Ok((arg_integer(machine, args, index, missing as f64)? as usize).min(length))
}

/// As [`arg_integer`], for an argument that depends on the length of `this`.
pub(super) fn arg_index(machine: &Machine, args: &NativeArgs, index: usize, missing: f64) -> Completion<f64> {
    arg_integer(machine, args, index, missing).map_err(|completion| match completion {
        // The conversion could change the length, which was read before it.
        AbruptCompletion::ConvertOperand(..) if matches!(args.this, Value::Ref(list) if machine.heap.array(list).is_some()) => {
            AbruptCompletion::Unsupported("an object as an array index is not supported; write Number(it)".to_owned())
        }
        completion => completion,
    })
}

/// The argument as an index into something of length `len`: negative values count from the end, and the result is
/// clamped.
pub(super) fn arg_relative_index(
    machine: &Machine,
    args: &NativeArgs,
    index: usize,
    len: usize,
    missing: usize,
) -> Completion<usize> {
    let position = arg_index(machine, args, index, missing as f64)?;
    let position = if position < 0.0 { (position + len as f64).max(0.0) } else { position.min(len as f64) };
    Ok(position as usize)
}

/// The range that two arguments give, as [`arg_relative_index`]; all of it where they are missing.
pub(super) fn arg_range(machine: &Machine, args: &NativeArgs, index: usize, len: usize) -> Completion<(usize, usize)> {
    Ok((arg_relative_index(machine, args, index, len, 0)?, arg_relative_index(machine, args, index + 1, len, len)?))
}

/// Refuses a locale other than `en-US` as argument number `index`. ECMA-402 §9.2.1 CanonicalizeLocaleList. Deviation:
/// of an object only the elements of an array are read.
pub(super) fn check_language(machine: &Machine, args: &NativeArgs, index: usize) -> Completion {
    let locales = match arg(machine, args, index) {
        Value::Ref(list) if machine.heap.array(list).is_some() => machine.heap.elements(list),
        Value::Null => return type_error("Cannot convert undefined or null to object"),
        locale @ Value::Text(_) => vec![locale],
        _ => Vec::new(),
    };
    let mut unknown = None;
    for (position, locale) in locales.iter().enumerate() {
        let Value::Text(tag) = locale else { return type_error("Language ID should be string or object.") };
        let tag = tag.to_utf8();
        if !is_language_tag(&tag) {
            return range_error("Incorrect locale information provided");
        }
        if position == 0 && !["en-US", "en"].iter().any(|known| known.eq_ignore_ascii_case(&tag)) {
            unknown = Some(tag);
        }
    }
    match unknown {
        None => Ok(()),
        Some(tag) => unsupported(format!("locales other than en-US are not supported: {tag}")),
    }
}

/// Whether a text has the form of a language tag: a language of letters, then parts of one to eight letters and digits.
fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    matches!(language.len(), 2 | 3 | 5..=8)
        && language.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| matches!(part.len(), 1..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The error of a method whose `this` has another type, as V8 words it.
pub(super) fn incompatible_receiver<T>(machine: &Machine, args: &NativeArgs) -> Completion<T> {
    let (name, receiver) = (args.name(), iteration::receiver_text(machine, &args.this));
    type_error(format!("Method {name} called on incompatible receiver {receiver}"))
}

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
    /// The function that is called, unless an instruction does its work.
    pub builtin: Option<Builtin>,
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

impl NativeArgs {
    /// The name of the function that is called.
    pub fn name(&self) -> &'static str {
        self.builtin.map_or("", Builtin::name)
    }
}

/// The code of a built-in function. ECMA-262 §10.3 Built-in Function Objects.
pub type NativeFunction = fn(&mut Machine, &NativeArgs) -> NativeResult;

/// The result of a built-in function.
pub type NativeResult = Completion<NativeOutcome>;

/// Name, value of the `length` property, and code.
pub type BuiltinDefinition = (&'static str, u8, NativeFunction);

/// All built-in functions.
pub struct NativeRegistry {
    rows: Vec<BuiltinDefinition>,
    numbers: HashMap<&'static str, u16>,
}

impl NativeRegistry {
    /// The only registry.
    pub fn global() -> &'static NativeRegistry {
        static REGISTRY: OnceLock<NativeRegistry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let prototypes = PROTOTYPES.iter().map(|name| (*name, 0, global::not_callable as NativeFunction));
            let rows: Vec<BuiltinDefinition> =
                TABLES.iter().flat_map(|table| table.iter().copied()).chain(prototypes).collect();
            let numbers = (0u16..).zip(&rows).map(|(number, row)| (row.0, number)).collect();
            NativeRegistry { rows, numbers }
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
        NativeRegistry::global().name(self)
    }

    /// Whether the built-in is an object that cannot be called.
    pub fn is_namespace(self) -> bool {
        super::globals::NAMESPACES.contains(&self.name()) || self.is_prototype()
    }

    /// The names of its members.
    pub fn member_names(self) -> impl Iterator<Item = &'static str> {
        let owner = self.name();
        let member = move |name: &'static str| {
            name.strip_prefix(owner)?.strip_prefix('.').filter(|rest| !rest.contains('.') && !rest.starts_with('['))
        };
        let constants = super::globals::CONSTANTS.iter().map(|row| row.0);
        let own =
            [("length", !self.is_namespace()), ("name", !self.is_namespace()), ("constructor", self.is_prototype())];
        let own = own.into_iter().filter(|row| row.1).map(|row| row.0);
        own.chain(NativeRegistry::global().rows.iter().map(|row| row.0).chain(constants).filter_map(member))
    }

    /// Whether the built-in is the prototype of a class: `Array.prototype`.
    pub fn is_prototype(self) -> bool {
        self.name().ends_with(PROTOTYPE)
    }

    /// The name of the class whose prototype the built-in is.
    pub fn class_of_prototype(self) -> Option<&'static str> {
        self.name().strip_suffix(PROTOTYPE)
    }

    /// The prototype of a built-in class.
    pub fn prototype_of_class(class: &str) -> Option<Builtin> {
        NativeRegistry::global().find(&format!("{class}{PROTOTYPE}"))
    }
}

/// The end of the name of a built-in prototype.
const PROTOTYPE: &str = ".prototype";

named_enum! {
    /// Kinds of values that have built-in methods. Each has the name of the class that provides them.
    #[repr(u8)]
    #[allow(missing_docs, reason = "each is the receiver of its name")]
    pub enum Receiver {
        Array = "Array",
        String = "String",
        Number = "Number",
        Boolean = "Boolean",
        Object = "Object",
        Function = "Function",
        Map = "Map",
        Set = "Set",
        RegExp = "RegExp",
        Date = "Date",
        Error = "Error",
        Iterator = "Iterator",
        Promise = "Promise",
        Generator = "Generator",
        AsyncGenerator = "AsyncGenerator",
        WeakMap = "WeakMap",
        WeakSet = "WeakSet",
        Symbol = "Symbol",
        BigInt = "BigInt",
        ArrayBuffer = "ArrayBuffer",
        DataView = "DataView",
        TypedArray = "TypedArray",
    }
}

impl Receiver {
    /// The kind of values whose prototype this is.
    pub fn of_prototype(prototype: Builtin) -> Receiver {
        let class = prototype.class_of_prototype().unwrap_or_default();
        if ErrorKind::from_name(class).is_some() {
            return Receiver::Error;
        }
        match ViewKind::from_name(class) {
            Some(kind) => Receiver::of_view(kind),
            None => Receiver::from_name(class).unwrap_or(Receiver::Object),
        }
    }

    /// The kind of values that a view is.
    pub fn of_view(kind: ViewKind) -> Receiver {
        if kind == ViewKind::DataView { Receiver::DataView } else { Receiver::TypedArray }
    }
}

/// The methods of one name, indexed by [`Receiver`].
pub type Methods = [Option<Builtin>; Receiver::ALL.len()];

/// The name of a built-in function without its owner.
pub fn short_name(name: &str) -> &str {
    match name.find(".[") {
        Some(at) => &name[at + 1..],
        None => name.rsplit('.').next().unwrap_or(name),
    }
}

/// Looks up the methods of a name.
pub fn methods_by_name(name: &str) -> Methods {
    let registry = NativeRegistry::global();
    let name = match name {
        // ECMA-262 §B.2.2.15 String.prototype.trimLeft, §B.2.2.16 String.prototype.trimRight.
        "trimLeft" => "trimStart",
        "trimRight" => "trimEnd",
        name => name,
    };
    Receiver::ALL.map(|class| {
        let own = registry.find(&format!("{}.prototype.{name}", class.name()));
        // ECMA-262 §27.5.1 The %GeneratorPrototype% Object: it inherits from %Iterator.prototype%.
        let inherits = class == Receiver::Generator;
        own.or_else(|| registry.find(&format!("Iterator.prototype.{name}")).filter(|_| inherits))
    })
}

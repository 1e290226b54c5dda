//! The built-in functions, one file per class. Programs and snapshots refer to them by name: methods as
//! `Array.prototype.push`, constructors as `new Map`.
//!
//! Each function cites its clause of ECMA-262, 16th edition (2025), and states where it deviates. `globals.rs` lists the
//! built-ins of Node that are missing.

mod array;
mod array_search;
mod collections;
mod errors;
mod function;
mod global;
mod json;
mod math;
mod number;
mod object;
pub(super) mod regexp;
pub(super) mod string;

use super::abrupt_completion::{AbruptCompletion, PreferredType, unsupported};
use super::builtin::{BuiltinDefinition, NativeArgs};
use super::machine::Machine;
use super::number::to_integer;
use super::text::Str;
use super::value::Value;

/// All definitions of the registry.
pub static TABLES: &[&[BuiltinDefinition]] = &[
    array::ROWS,
    array_search::ROWS,
    collections::ROWS,
    errors::ROWS,
    function::ROWS,
    global::ROWS,
    json::ROWS,
    math::ROWS,
    number::ROWS,
    object::ROWS,
    regexp::ROWS,
    string::ROWS,
];

impl Machine {
    /// Argument number `index`, or `undefined` if it is missing.
    #[inline]
    pub(super) fn arg(&self, args: &NativeArgs, index: usize) -> Value {
        if index < args.count {
            self.stack.get(args.base + index).cloned().unwrap_or(Value::Undefined)
        } else {
            Value::Undefined
        }
    }

    /// `String(argument)`. ECMA-262 §7.1.17 ToString.
    pub(super) fn arg_text(&self, args: &NativeArgs, index: usize) -> Result<Str, AbruptCompletion> {
        if index < args.count { self.to_text_at(args.base + index) } else { Ok(Str::new("undefined")) }
    }

    /// `Number(argument)`. ECMA-262 §7.1.4 ToNumber.
    #[inline]
    pub(super) fn arg_number(&self, args: &NativeArgs, index: usize) -> Result<f64, AbruptCompletion> {
        if index >= args.count {
            return Ok(f64::NAN);
        }
        match self.stack.get(args.base + index) {
            Some(Value::Number(n)) => Ok(*n),
            _ => self.to_number_at(args.base + index),
        }
    }

    /// The argument as an integer, or `missing` if it is undefined. ECMA-262 §7.1.5 ToIntegerOrInfinity.
    pub(super) fn arg_integer(&self, args: &NativeArgs, index: usize, missing: f64) -> Result<f64, AbruptCompletion> {
        match self.arg(args, index) {
            Value::Undefined => Ok(missing),
            _ => Ok(to_integer(self.arg_number(args, index)?)),
        }
    }

    /// The argument as an index into something of length `len`: negative values count from the end, and the result is clamped.
    pub(super) fn arg_relative_index(
        &self,
        args: &NativeArgs,
        index: usize,
        len: usize,
        missing: usize,
    ) -> Result<usize, AbruptCompletion> {
        let given = self.arg(args, index);
        if let (Value::Ref(list), Value::Ref(_)) = (&args.this, &given)
            && self.heap.array(*list).is_some()
            && self.own_conversion(&given, PreferredType::Number).is_some()
        {
            // The conversion could change the length, which was read before it.
            return unsupported("an object as an array index is not supported; write Number(it)");
        }
        let place = self.arg_integer(args, index, missing as f64)?;
        let place = if place < 0.0 { (place + len as f64).max(0.0) } else { place.min(len as f64) };
        Ok(place as usize)
    }
}

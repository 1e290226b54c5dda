//! The built-in functions, a file for each class. Each is registered by the name that programs and snapshots know;
//! methods as `Array.prototype.push`, constructors as `new Map`.

mod array;
mod collections;
mod errors;
mod function;
mod global;
mod json;
mod math;
mod number;
mod object;
pub(super) mod regexp;
mod search;
pub(super) mod string;

use super::builtin::{Args, Row};
use super::machine::Machine;
use super::number::to_integer;
use super::raise::{Hint, Raise, unsupported};
use super::text::Str;
use super::value::Value;

/// All rows of the registry.
pub static TABLES: &[&[Row]] = &[
    array::ROWS,
    search::ROWS,
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
    /// Argument number `index`, undefined where it is missing.
    #[inline]
    pub(super) fn arg(&self, args: &Args, index: usize) -> Value {
        if index < args.count {
            self.stack.get(args.base + index).cloned().unwrap_or(Value::Undefined)
        } else {
            Value::Undefined
        }
    }

    /// `String(argument)`.
    pub(super) fn arg_text(&self, args: &Args, index: usize) -> Result<Str, Raise> {
        if index < args.count { self.text_at(args.base + index) } else { Ok(Str::new("undefined")) }
    }

    /// `Number(argument)`.
    #[inline]
    pub(super) fn arg_number(&self, args: &Args, index: usize) -> Result<f64, Raise> {
        if index >= args.count {
            return Ok(f64::NAN);
        }
        match self.stack.get(args.base + index) {
            Some(Value::Number(n)) => Ok(*n),
            _ => self.number_at(args.base + index),
        }
    }

    /// The argument as a whole number, or `missing` where it is undefined.
    pub(super) fn arg_integer(&self, args: &Args, index: usize, missing: f64) -> Result<f64, Raise> {
        match self.arg(args, index) {
            Value::Undefined => Ok(missing),
            _ => Ok(to_integer(self.arg_number(args, index)?)),
        }
    }

    /// The argument as a place in something `len` long, negative ones counted from its end, clamped.
    pub(super) fn arg_place(&self, args: &Args, index: usize, len: usize, missing: usize) -> Result<usize, Raise> {
        let given = self.arg(args, index);
        if let (Value::Ref(list), Value::Ref(_)) = (&args.this, &given)
            && self.heap.array(*list).is_some()
            && self.own_conversion(&given, Hint::Number).is_some()
        {
            // It could change the length that was read before it.
            return unsupported("an object as a place in a list is not supported; write Number(it)");
        }
        let place = self.arg_integer(args, index, missing as f64)?;
        let place = if place < 0.0 { (place + len as f64).max(0.0) } else { place.min(len as f64) };
        Ok(place as usize)
    }
}

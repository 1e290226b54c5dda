//! `Array`: searching by value and reading single elements.

use super::super::builtin::{Done, Row};
use super::super::value::Value;
use super::array::this;

pub(super) static ROWS: &[Row] = &[
    ("Array.prototype.at", 1, |machine, args| {
        let at = this(machine, args)?;
        let index = machine.arg_integer(args, 0, 0.0)?;
        let index = if index < 0.0 { index + machine.heap.array_len(at) as f64 } else { index };
        Ok(Done::Value(if index < 0.0 {
            Value::Undefined
        } else {
            machine.heap.element(at, index as usize).or_undefined()
        }))
    }),
    ("Array.prototype.includes", 1, |machine, args| {
        let at = this(machine, args)?;
        let len = machine.heap.array_len(at);
        let wanted = machine.arg(args, 0);
        let mut from = machine.arg_place(args, 1, len, 0)?..len;
        Ok(from.any(|i| machine.heap.element(at, i).or_undefined().same_value_zero(&wanted)).into())
    }),
    ("Array.prototype.indexOf", 1, |machine, args| {
        let at = this(machine, args)?;
        let len = machine.heap.array_len(at);
        let wanted = machine.arg(args, 0);
        let mut places = machine.arg_place(args, 1, len, 0)?..len;
        let found = places.find(|i| machine.heap.element(at, *i).strict_equals(&wanted));
        Ok(found.map_or(-1.0, |i| i as f64).into())
    }),
    ("Array.prototype.lastIndexOf", 1, |machine, args| {
        let at = this(machine, args)?;
        let len = machine.heap.array_len(at) as f64;
        let wanted = machine.arg(args, 0);
        let from = if args.count > 1 { machine.arg_integer(args, 1, 0.0)? } else { len - 1.0 };
        let from = if from < 0.0 { from + len } else { from.min(len - 1.0) };
        let found = if from < 0.0 {
            None
        } else {
            (0..=from as usize).rev().find(|i| machine.heap.element(at, *i).strict_equals(&wanted))
        };
        Ok(found.map_or(-1.0, |i| i as f64).into())
    }),
];

//! `Array`: searching by value and reading single elements. As in `array.rs`, the methods work on arrays only.

use super::super::value::Value;
use super::array::this_array;
use super::{BuiltinDefinition, NativeOutcome};
use crate::work;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §23.1.3.1 Array.prototype.at.
    ("Array.prototype.at", 1, |machine, args| {
        let at = this_array(machine, args)?;
        let index = super::arg_index(machine, args, 0, 0.0)?;
        let index = if index < 0.0 { index + machine.heap.array_len(at) as f64 } else { index };
        Ok(NativeOutcome::Value(if index < 0.0 {
            Value::Undefined
        } else {
            machine.heap.element(at, index as usize).or_undefined()
        }))
    }),
    // ECMA-262 §23.1.3.16 Array.prototype.includes.
    ("Array.prototype.includes", 1, |machine, args| {
        let at = this_array(machine, args)?;
        let len = machine.heap.array_len(at);
        let target = super::arg(machine, args, 0);
        let from = super::arg_relative_index(machine, args, 1, len, 0)?;
        let found = (from..len).find(|i| machine.heap.element(at, *i).or_undefined().same_value_zero(&target));
        work::count_items(found.unwrap_or(len).saturating_sub(from));
        Ok(found.is_some().into())
    }),
    // ECMA-262 §23.1.3.17 Array.prototype.indexOf.
    ("Array.prototype.indexOf", 1, |machine, args| {
        let at = this_array(machine, args)?;
        let len = machine.heap.array_len(at);
        let target = super::arg(machine, args, 0);
        let from = super::arg_relative_index(machine, args, 1, len, 0)?;
        let found = (from..len).find(|i| machine.heap.element(at, *i).strict_equals(&target));
        work::count_items(found.unwrap_or(len).saturating_sub(from));
        Ok(found.map_or(-1.0, |i| i as f64).into())
    }),
    // ECMA-262 §23.1.3.20 Array.prototype.lastIndexOf.
    ("Array.prototype.lastIndexOf", 1, |machine, args| {
        let at = this_array(machine, args)?;
        let len = machine.heap.array_len(at) as f64;
        if len == 0.0 {
            return Ok((-1.0).into());
        }
        let target = super::arg(machine, args, 0);
        let from = if args.count > 1 { super::arg_index(machine, args, 1, 0.0)? } else { len - 1.0 };
        let from = if from < 0.0 { from + len } else { from.min(len - 1.0) };
        let found = if from < 0.0 {
            None
        } else {
            (0..=from as usize).rev().find(|i| machine.heap.element(at, *i).strict_equals(&target))
        };
        work::count_items((from.max(0.0) as usize).saturating_sub(found.unwrap_or(0)));
        Ok(found.map_or(-1.0, |i| i as f64).into())
    }),
];

//! `BigInt`. ECMA-262 §21.2 BigInt Objects. Deviation: wrapper objects do not exist.

use super::super::abrupt_completion::{AbruptCompletion, Completion, PreferredType, range_error, type_error};
use super::super::bigint::BigInt;
use super::super::machine::Machine;
use super::super::number::to_integer;
use super::super::object::ErrorKind;
use super::super::text::Str;
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::{conversion, json, slow_path};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §21.2.1.1 BigInt.
    ("BigInt", 1, |machine, args| {
        let value = primitive(machine, args, 0)?;
        let value = match value {
            Value::Number(number) => match BigInt::from_number(number) {
                Some(value) => value,
                None if number.fract() == 0.0 => return too_large(),
                None => {
                    let text = json::display_text(machine, &value);
                    return range_error(format!(
                        "The number {text} cannot be converted to a BigInt because it is not an integer"
                    ));
                }
            },
            value => to_bigint(machine, &value)?,
        };
        Ok(NativeOutcome::Value(slow_path::charged(machine, value)?))
    }),
    // ECMA-262 §21.2.2.1 BigInt.asIntN.
    ("BigInt.asIntN", 2, |machine, args| wrap(machine, args, true)),
    // ECMA-262 §21.2.2.2 BigInt.asUintN.
    ("BigInt.asUintN", 2, |machine, args| wrap(machine, args, false)),
    // ECMA-262 §21.2.3.3 BigInt.prototype.toString.
    ("BigInt.prototype.toString", 0, |machine, args| {
        let (value, radix) = (this_bigint(args)?, super::arg_integer(machine, args, 0, 10.0)?);
        if !(2.0..=36.0).contains(&radix) {
            return range_error("toString() radix argument must be between 2 and 36");
        }
        Ok(value.to_text(radix as u32).into())
    }),
    // ECMA-402 §19.1.1 BigInt.prototype.toLocaleString. Deviation: without options.
    ("BigInt.prototype.toLocaleString", 0, |machine, args| {
        let value = this_bigint(args)?;
        super::check_language(machine, args, 0)?;
        super::options::MethodOptions::read(machine, args)?.finish("toLocaleString")?;
        Ok(grouped(&value.to_text(10)).into())
    }),
    // ECMA-262 §21.2.3.4 BigInt.prototype.valueOf.
    ("BigInt.prototype.valueOf", 0, |_, args| Ok(this_bigint(args)?.into())),
];

/// The argument as a primitive. ECMA-262 §7.1.1 ToPrimitive.
fn primitive(machine: &Machine, args: &NativeArgs, index: usize) -> Completion<Value> {
    match index < args.count {
        true => conversion::to_primitive_at(machine, args.base + index, PreferredType::Number),
        false => Ok(Value::Undefined),
    }
}

/// ECMA-262 §7.1.13 ToBigInt, of a primitive.
fn to_bigint(machine: &Machine, value: &Value) -> Completion<BigInt> {
    match value {
        Value::BigInt(value) => Ok(value.clone()),
        Value::Bool(truth) => Ok(BigInt::from(*truth)),
        Value::Text(text) => match BigInt::from_text(text) {
            Some(value) => value.map_or_else(too_large, Ok),
            None => Err(AbruptCompletion::Error(ErrorKind::Syntax, format!("Cannot convert {text} to a BigInt"))),
        },
        value => type_error(format!("Cannot convert {} to a BigInt", json::display_text(machine, value))),
    }
}

fn too_large<T>() -> Completion<T> {
    range_error("Maximum BigInt size exceeded")
}

fn wrap(machine: &mut Machine, args: &NativeArgs, is_signed: bool) -> NativeResult {
    // ECMA-262 §7.1.22 ToIndex.
    let bits = to_integer(super::arg_integer(machine, args, 0, 0.0)?);
    if !(0.0..=9_007_199_254_740_991.0).contains(&bits) {
        return range_error("Invalid value: not (convertible to) a safe integer");
    }
    let value = primitive(machine, args, 1)?;
    let value = to_bigint(machine, &value)?.wrap(bits as u64, is_signed)?;
    Ok(NativeOutcome::Value(slow_path::charged(machine, value)?))
}

/// ECMA-262 §21.2.3.4.1 ThisBigIntValue.
fn this_bigint(args: &NativeArgs) -> Completion<BigInt> {
    match &args.this {
        Value::BigInt(value) => Ok(value.clone()),
        _ => type_error(format!("{} requires that 'this' be a BigInt", args.name())),
    }
}

/// Digits with a comma before each group of three.
fn grouped(digits: &Str) -> Str {
    let digits = digits.to_utf8();
    let start = digits.len() - digits.trim_start_matches('-').len();
    let mut text = digits[..start].to_owned();
    for (at, digit) in digits.chars().enumerate().skip(start) {
        if at > start && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    Str::new(&text)
}

//! `Number`, `Boolean` and the number functions of the global scope.

use super::super::builtin::{Args, Done, Row};
use super::super::machine::Machine;
use super::super::number::{self, to_exponential, to_fixed, to_int32, to_integer, to_precision, to_radix};
use super::super::raise::{Raise, range_error, type_error};
use super::super::value::Value;

type Result = std::result::Result<Done, Raise>;

pub(super) static ROWS: &[Row] = &[
    ("Number", 1, |machine, args| Ok(if args.count == 0 { 0.0 } else { machine.arg_number(args, 0)? }.into())),
    ("Boolean", 1, |machine, args| Ok(machine.arg(args, 0).truthy().into())),
    ("Number.isFinite", 1, |machine, args| Ok(own_number(machine, args).is_finite().into())),
    ("Number.isInteger", 1, |machine, args| Ok((own_number(machine, args).fract() == 0.0).into())),
    ("Number.isNaN", 1, |machine, args| Ok(matches!(machine.arg(args, 0), Value::Number(n) if n.is_nan()).into())),
    ("Number.isSafeInteger", 1, |machine, args| {
        let n = own_number(machine, args);
        Ok((n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_991.0).into())
    }),
    ("Number.parseFloat", 1, parse_float),
    ("Number.parseInt", 2, parse_int),
    ("parseFloat", 1, parse_float),
    ("parseInt", 2, parse_int),
    ("isFinite", 1, |machine, args| Ok(machine.arg_number(args, 0)?.is_finite().into())),
    ("isNaN", 1, |machine, args| Ok(machine.arg_number(args, 0)?.is_nan().into())),
    ("Number.prototype.toFixed", 1, |machine, args| {
        let (n, digits) = (this(args)?, machine.arg_integer(args, 0, 0.0)?);
        if !(0.0..=100.0).contains(&digits) {
            return range_error("toFixed() digits argument must be between 0 and 100");
        }
        Ok(to_fixed(n, digits as usize).into())
    }),
    ("Number.prototype.toPrecision", 1, |machine, args| {
        let n = this(args)?;
        if matches!(machine.arg(args, 0), Value::Undefined) {
            return Ok(number::to_text(n).into());
        }
        let digits = machine.arg_integer(args, 0, 0.0)?;
        if n.is_finite() && !(1.0..=100.0).contains(&digits) {
            return range_error("toPrecision() argument must be between 1 and 100");
        }
        Ok(to_precision(n, digits as usize).into())
    }),
    ("Number.prototype.toExponential", 1, |machine, args| {
        let (n, digits) = (this(args)?, machine.arg_integer(args, 0, -1.0)?);
        let given = !matches!(machine.arg(args, 0), Value::Undefined);
        if given && n.is_finite() && !(0.0..=100.0).contains(&digits) {
            return range_error("toExponential() argument must be between 0 and 100");
        }
        Ok(to_exponential(n, given.then_some(digits as usize)).into())
    }),
    ("Number.prototype.toString", 1, |machine, args| {
        let (n, radix) = (this(args)?, machine.arg_integer(args, 0, 10.0)?);
        if !(2.0..=36.0).contains(&radix) {
            return range_error("toString() radix argument must be between 2 and 36");
        }
        Ok(to_radix(n, radix as u32).into())
    }),
    ("Number.prototype.valueOf", 0, |_, args| Ok(this(args)?.into())),
    ("Boolean.prototype.toString", 0, |machine, args| Ok(machine.text_of(&args.this)?.into())),
    ("Boolean.prototype.valueOf", 0, |_, args| Ok(args.this.truthy().into())),
];

fn this(args: &Args) -> std::result::Result<f64, Raise> {
    match &args.this {
        Value::Number(n) => Ok(*n),
        _ => type_error("Number.prototype method called on what is no number"),
    }
}

/// The argument where it is a number, else NaN.
fn own_number(machine: &Machine, args: &Args) -> f64 {
    match machine.arg(args, 0) {
        Value::Number(n) => n,
        _ => f64::NAN,
    }
}

fn parse_float(machine: &mut Machine, args: &Args) -> Result {
    Ok(number::parse_float(&machine.arg_text(args, 0)?).into())
}

fn parse_int(machine: &mut Machine, args: &Args) -> Result {
    let radix = to_int32(to_integer(machine.arg_number(args, 1)?));
    Ok(number::parse_int(&machine.arg_text(args, 0)?, radix).into())
}

//! `Number`, `Boolean` and the number functions of the global object. ECMA-262 §21.1 Number Objects, §20.3 Boolean
//! Objects.

use super::super::abrupt_completion::{Completion, range_error, type_error, unsupported};
use super::super::machine::Machine;
use super::super::number::{self, to_exponential, to_fixed, to_int32, to_integer, to_precision, to_radix};
use super::super::number_format::{NumberFormat, NumberStyle};
use super::super::value::Value;
use super::options::MethodOptions;
use super::{BuiltinDefinition, NativeArgs, NativeResult};
use crate::conversion;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §21.1.1.1 Number.
    ("Number", 1, |machine, args| {
        Ok(match super::arg(machine, args, 0) {
            Value::BigInt(value) => value.to_number(),
            _ if args.count == 0 => 0.0,
            _ => super::arg_number(machine, args, 0)?,
        }
        .into())
    }),
    // ECMA-262 §20.3.1.1 Boolean.
    ("Boolean", 1, |machine, args| Ok(super::arg(machine, args, 0).truthy().into())),
    // ECMA-262 §21.1.2.2 Number.isFinite.
    ("Number.isFinite", 1, |machine, args| Ok(number_or_nan(machine, args).is_finite().into())),
    // ECMA-262 §21.1.2.3 Number.isInteger.
    ("Number.isInteger", 1, |machine, args| Ok((number_or_nan(machine, args).fract() == 0.0).into())),
    // ECMA-262 §21.1.2.4 Number.isNaN.
    ("Number.isNaN", 1, |machine, args| {
        Ok(matches!(super::arg(machine, args, 0), Value::Number(n) if n.is_nan()).into())
    }),
    // ECMA-262 §21.1.2.5 Number.isSafeInteger.
    ("Number.isSafeInteger", 1, |machine, args| {
        let n = number_or_nan(machine, args);
        Ok((n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_991.0).into())
    }),
    // ECMA-262 §21.1.2.12 Number.parseFloat.
    ("Number.parseFloat", 1, parse_float),
    // ECMA-262 §21.1.2.13 Number.parseInt.
    ("Number.parseInt", 2, parse_int),
    // ECMA-262 §19.2.4 parseFloat.
    ("parseFloat", 1, parse_float),
    // ECMA-262 §19.2.5 parseInt.
    ("parseInt", 2, parse_int),
    // ECMA-262 §19.2.2 isFinite.
    ("isFinite", 1, |machine, args| Ok(super::arg_number(machine, args, 0)?.is_finite().into())),
    // ECMA-262 §19.2.3 isNaN.
    ("isNaN", 1, |machine, args| Ok(super::arg_number(machine, args, 0)?.is_nan().into())),
    // ECMA-262 §21.1.3.3 Number.prototype.toFixed.
    ("Number.prototype.toFixed", 1, |machine, args| {
        let (n, digits) = (this_number(args)?, super::arg_integer(machine, args, 0, 0.0)?);
        if !(0.0..=100.0).contains(&digits) {
            return range_error("toFixed() digits argument must be between 0 and 100");
        }
        Ok(to_fixed(n, digits as usize).into())
    }),
    // ECMA-262 §21.1.3.5 Number.prototype.toPrecision.
    ("Number.prototype.toPrecision", 1, |machine, args| {
        let n = this_number(args)?;
        if matches!(super::arg(machine, args, 0), Value::Undefined) {
            return Ok(number::to_text(n).into());
        }
        let digits = super::arg_integer(machine, args, 0, 0.0)?;
        if n.is_finite() && !(1.0..=100.0).contains(&digits) {
            return range_error("toPrecision() argument must be between 1 and 100");
        }
        Ok(to_precision(n, digits as usize).into())
    }),
    // ECMA-262 §21.1.3.2 Number.prototype.toExponential.
    ("Number.prototype.toExponential", 1, |machine, args| {
        let (n, digits) = (this_number(args)?, super::arg_integer(machine, args, 0, -1.0)?);
        let given = !matches!(super::arg(machine, args, 0), Value::Undefined);
        if given && n.is_finite() && !(0.0..=100.0).contains(&digits) {
            return range_error("toExponential() argument must be between 0 and 100");
        }
        Ok(to_exponential(n, given.then_some(digits as usize)).into())
    }),
    // ECMA-262 §21.1.3.6 Number.prototype.toString.
    ("Number.prototype.toString", 1, |machine, args| {
        let (n, radix) = (this_number(args)?, super::arg_integer(machine, args, 0, 10.0)?);
        if !(2.0..=36.0).contains(&radix) {
            return range_error("toString() radix argument must be between 2 and 36");
        }
        Ok(to_radix(n, radix as u32).into())
    }),
    // ECMA-402 §20.2.1 Number.prototype.toLocaleString.
    ("Number.prototype.toLocaleString", 0, |machine, args| {
        let n = this_number(args)?;
        super::check_language(machine, args, 0)?;
        Ok(read_number_format(machine, args)?.text(n).into())
    }),
    // ECMA-262 §21.1.3.7 Number.prototype.valueOf.
    ("Number.prototype.valueOf", 0, |_, args| Ok(this_number(args)?.into())),
    // ECMA-262 §20.3.3.2 Boolean.prototype.toString.
    ("Boolean.prototype.toString", 0, |_, args| {
        Ok(Value::text(if this_boolean(args)? { "true" } else { "false" }).into())
    }),
    // ECMA-262 §20.3.3.3 Boolean.prototype.valueOf.
    ("Boolean.prototype.valueOf", 0, |_, args| Ok(this_boolean(args)?.into())),
];

/// The Boolean that a method is called on. ECMA-262 §20.3.3.3.1 ThisBooleanValue.
fn this_boolean(args: &NativeArgs) -> Completion<bool> {
    match args.this {
        Value::Bool(value) => Ok(value),
        _ => type_error(format!("{} requires that 'this' be a Boolean", args.name())),
    }
}

/// The number that a method is called on. ECMA-262 §21.1.3.7.1 ThisNumberValue.
fn this_number(args: &NativeArgs) -> Completion<f64> {
    match &args.this {
        Value::Number(n) => Ok(*n),
        _ => type_error(format!("{} requires that 'this' be a Number", args.name())),
    }
}

/// The options of `toLocaleString`. ECMA-402 §15.1.2 InitializeNumberFormat. Options that are not known here are
/// an UnsupportedError.
fn read_number_format(machine: &Machine, args: &NativeArgs) -> Completion<NumberFormat> {
    let mut format = NumberFormat::default();
    let mut options = MethodOptions::read(machine, args)?;
    let (style, currency) = (options.take_text(machine, "style")?, options.take_text(machine, "currency")?);
    if let Some(code) =
        currency.as_deref().filter(|code| code.len() != 3 || !code.bytes().all(|b| b.is_ascii_alphabetic()))
    {
        return range_error(format!("Invalid currency code : {code}"));
    }
    let (min_default, max_default) = match style.as_deref() {
        None | Some("decimal") => (0, 3),
        Some("percent") => {
            format.style = NumberStyle::Percent;
            (0, 0)
        }
        Some("currency") => {
            let Some(code) = currency else { return type_error("Currency code is required with currency style.") };
            let Some((style, digits)) = NumberStyle::currency(&code) else {
                return unsupported(format!("the currency `{code}` is not supported"));
            };
            format.style = style;
            (digits, digits)
        }
        Some("unit") => return unsupported("the style `unit` of a number is not supported"),
        Some(style) => {
            return range_error(format!(
                "Value {style} out of range for Number.prototype.toLocaleString options property style"
            ));
        }
    };
    if let Some(groups) = options.take("useGrouping") {
        let Value::Bool(groups) = groups else { return unsupported("`useGrouping` must be true or false here") };
        format.groups = groups;
    }
    let mut digits_option = |name: &str, range: std::ops::RangeInclusive<f64>| match options.take(name) {
        None => Ok(None),
        Some(value) => match conversion::to_number(machine, &value)? {
            digits if range.contains(&digits) => Ok(Some(digits as usize)),
            _ => range_error(format!("{name} value is out of range.")),
        },
    };
    format.min_integer_digits = digits_option("minimumIntegerDigits", 1.0..=21.0)?.unwrap_or(1);
    let min = digits_option("minimumFractionDigits", 0.0..=20.0)?;
    let max = digits_option("maximumFractionDigits", 0.0..=20.0)?;
    if matches!((min, max), (Some(min), Some(max)) if min > max) {
        return range_error("maximumFractionDigits value is out of range.");
    }
    format.min_fraction_digits = min.unwrap_or(max.map_or(min_default, |max| max.min(min_default)));
    format.max_fraction_digits = max.unwrap_or(max_default.max(format.min_fraction_digits));
    options.finish("toLocaleString")?;
    Ok(format)
}

/// The argument if it is a number, else NaN.
fn number_or_nan(machine: &Machine, args: &NativeArgs) -> f64 {
    match super::arg(machine, args, 0) {
        Value::Number(n) => n,
        _ => f64::NAN,
    }
}

/// ECMA-262 §19.2.4 parseFloat.
fn parse_float(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    Ok(number::parse_float(&super::arg_text(machine, args, 0)?).into())
}

/// ECMA-262 §19.2.5 parseInt.
fn parse_int(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    let text = super::arg_text(machine, args, 0)?;
    Ok(number::parse_int(&text, to_int32(to_integer(super::arg_number(machine, args, 1)?))).into())
}

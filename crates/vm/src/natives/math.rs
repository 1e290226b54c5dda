//! `Math`. ECMA-262 §21.3 The Math Object. Functions beyond arithmetic come from `libm`: their bits are the same on
//! every target, and mostly those of V8. The standard permits any approximation. As in V8, `Math.exp(1)` is `Math.E`.

use std::f64::consts::E;

use super::super::abrupt_completion::Completion;
use super::super::machine::Machine;
use super::super::number::{power, to_int32};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome};

macro_rules! unary_function {
    ($name:literal, |$n:ident| $result:expr) => {
        ($name, 1, |machine: &mut Machine, args: &NativeArgs| {
            let $n = super::arg_number(machine, args, 0)?;
            Ok(NativeOutcome::from($result))
        })
    };
}

pub(super) static MATH_ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §21.3.2.1 Math.abs.
    unary_function!("Math.abs", |n| n.abs()),
    // ECMA-262 §21.3.2.2 Math.acos.
    unary_function!("Math.acos", |n| libm::acos(n)),
    // ECMA-262 §21.3.2.3 Math.acosh.
    unary_function!("Math.acosh", |n| libm::acosh(n)),
    // ECMA-262 §21.3.2.4 Math.asin.
    unary_function!("Math.asin", |n| libm::asin(n)),
    // ECMA-262 §21.3.2.5 Math.asinh.
    unary_function!("Math.asinh", |n| if n == 0.0 { n } else { libm::asinh(n) }),
    // ECMA-262 §21.3.2.6 Math.atan.
    unary_function!("Math.atan", |n| libm::atan(n)),
    // ECMA-262 §21.3.2.7 Math.atanh.
    unary_function!("Math.atanh", |n| libm::atanh(n)),
    // ECMA-262 §21.3.2.9 Math.cbrt.
    unary_function!("Math.cbrt", |n| libm::cbrt(n)),
    // ECMA-262 §21.3.2.10 Math.ceil.
    unary_function!("Math.ceil", |n| n.ceil()),
    // ECMA-262 §21.3.2.11 Math.clz32.
    unary_function!("Math.clz32", |n| f64::from((to_int32(n) as u32).leading_zeros())),
    // ECMA-262 §21.3.2.12 Math.cos.
    unary_function!("Math.cos", |n| libm::cos(n)),
    // ECMA-262 §21.3.2.13 Math.cosh.
    unary_function!("Math.cosh", |n| if n.abs() == 1.0 { 0.5 * E + 0.5 / E } else { libm::cosh(n) }),
    // ECMA-262 §21.3.2.14 Math.exp.
    unary_function!("Math.exp", |n| if n == 1.0 { E } else { libm::exp(n) }),
    // ECMA-262 §21.3.2.15 Math.expm1.
    unary_function!("Math.expm1", |n| libm::expm1(n)),
    // ECMA-262 §21.3.2.16 Math.floor.
    unary_function!("Math.floor", |n| n.floor()),
    // ECMA-262 §21.3.2.17 Math.fround.
    unary_function!("Math.fround", |n| f64::from(n as f32)),
    // ECMA-262 §21.3.2.21 Math.log.
    unary_function!("Math.log", |n| libm::log(n)),
    // ECMA-262 §21.3.2.23 Math.log10.
    unary_function!("Math.log10", |n| libm::log10(n)),
    // ECMA-262 §21.3.2.22 Math.log1p.
    unary_function!("Math.log1p", |n| libm::log1p(n)),
    // ECMA-262 §21.3.2.24 Math.log2.
    unary_function!("Math.log2", |n| libm::log2(n)),
    // ECMA-262 §21.3.2.29 Math.round.
    unary_function!("Math.round", |n| round(n)),
    // ECMA-262 §21.3.2.30 Math.sign.
    unary_function!("Math.sign", |n| if n.is_nan() || n == 0.0 { n } else { n.signum() }),
    // ECMA-262 §21.3.2.31 Math.sin.
    unary_function!("Math.sin", |n| libm::sin(n)),
    // ECMA-262 §21.3.2.32 Math.sinh.
    unary_function!("Math.sinh", |n| libm::sinh(n)),
    // ECMA-262 §21.3.2.33 Math.sqrt.
    unary_function!("Math.sqrt", |n| n.sqrt()),
    // ECMA-262 §21.3.2.34 Math.tan.
    unary_function!("Math.tan", |n| libm::tan(n)),
    // ECMA-262 §21.3.2.35 Math.tanh.
    unary_function!("Math.tanh", |n| libm::tanh(n)),
    // ECMA-262 §21.3.2.36 Math.trunc.
    unary_function!("Math.trunc", |n| n.trunc()),
    // ECMA-262 §21.3.2.8 Math.atan2.
    ("Math.atan2", 2, |machine, args| {
        Ok(libm::atan2(super::arg_number(machine, args, 0)?, super::arg_number(machine, args, 1)?).into())
    }),
    // ECMA-262 §21.3.2.27 Math.pow.
    ("Math.pow", 2, |machine, args| {
        Ok(power(super::arg_number(machine, args, 0)?, super::arg_number(machine, args, 1)?).into())
    }),
    // ECMA-262 §21.3.2.20 Math.imul.
    ("Math.imul", 2, |machine, args| {
        let (a, b) = (to_int32(super::arg_number(machine, args, 0)?), to_int32(super::arg_number(machine, args, 1)?));
        Ok(f64::from(a.wrapping_mul(b)).into())
    }),
    // ECMA-262 §21.3.2.25 Math.max.
    ("Math.max", 2, |machine, args| {
        max_or_min(machine, args, f64::NEG_INFINITY, |n, best| {
            n > best || (n == 0.0 && best == 0.0 && best.is_sign_negative())
        })
    }),
    // ECMA-262 §21.3.2.26 Math.min.
    ("Math.min", 2, |machine, args| {
        max_or_min(machine, args, f64::INFINITY, |n, best| {
            n < best || (n == 0.0 && best == 0.0 && n.is_sign_negative())
        })
    }),
    // ECMA-262 §21.3.2.19 Math.hypot.
    ("Math.hypot", 2, hypotenuse),
    // ECMA-262 §21.3.2.28 Math.random. The sequence depends on the execution's seed only.
    ("Math.random", 0, |machine, _| Ok(machine.random.next_f64().into())),
];

/// A half rounds up, and zero keeps its sign. ECMA-262 §21.3.2.29 Math.round.
fn round(n: f64) -> f64 {
    if n.fract() == 0.0 || !n.is_finite() {
        return n;
    }
    let floor = n.floor();
    let rounded = if n - floor >= 0.5 { floor + 1.0 } else { floor };
    if rounded == 0.0 && n < 0.0 { -0.0 } else { rounded }
}

/// ECMA-262 §21.3.2.25 Math.max and §21.3.2.26 Math.min.
fn max_or_min(
    machine: &mut Machine,
    args: &NativeArgs,
    start: f64,
    better: fn(f64, f64) -> bool,
) -> Completion<NativeOutcome> {
    let mut best = start;
    for index in 0..args.count {
        let n = super::arg_number(machine, args, index)?;
        if best.is_nan() || n.is_nan() {
            best = f64::NAN;
        } else if better(n, best) {
            best = n;
        }
    }
    Ok(best.into())
}

/// ECMA-262 §21.3.2.19 Math.hypot.
fn hypotenuse(machine: &mut Machine, args: &NativeArgs) -> Completion<NativeOutcome> {
    let numbers = (0..args.count).map(|i| super::arg_number(machine, args, i)).collect::<Result<Vec<_>, _>>()?;
    if numbers.iter().any(|n| n.is_infinite()) {
        return Ok(f64::INFINITY.into());
    }
    // The numbers are scaled so that squares neither overflow nor underflow. The sum compensates rounding errors
    // (Kahan, 1965).
    let largest = numbers.iter().fold(0.0f64, |largest, n| if n.is_nan() { f64::NAN } else { largest.max(n.abs()) });
    if largest == 0.0 || largest.is_nan() {
        return Ok(if numbers.iter().any(|n| n.is_nan()) { f64::NAN } else { 0.0 }.into());
    }
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for n in &numbers {
        let scaled = n / largest;
        let term = scaled * scaled - lost;
        let next = sum + term;
        lost = (next - sum) - term;
        sum = next;
    }
    Ok((sum.sqrt() * largest).into())
}

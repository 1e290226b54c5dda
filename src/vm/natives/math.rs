//! `Math`. The functions beyond arithmetic come from `libm`: the same bits on every target, and most often V8's.

use super::super::builtin::{Args, Done, Row};
use super::super::machine::Machine;
use super::super::number::{power, to_int32};
use super::super::raise::Raise;

type Result = std::result::Result<Done, Raise>;

macro_rules! function {
    ($name:literal, |$n:ident| $result:expr) => {
        ($name, 1, |machine: &mut Machine, args: &Args| {
            let $n = machine.arg_number(args, 0)?;
            Ok(Done::from($result))
        })
    };
}

pub(super) static ROWS: &[Row] = &[
    function!("Math.abs", |n| n.abs()),
    function!("Math.acos", |n| libm::acos(n)),
    function!("Math.acosh", |n| libm::acosh(n)),
    function!("Math.asin", |n| libm::asin(n)),
    function!("Math.asinh", |n| if n == 0.0 { n } else { libm::asinh(n) }),
    function!("Math.atan", |n| libm::atan(n)),
    function!("Math.atanh", |n| libm::atanh(n)),
    function!("Math.cbrt", |n| libm::cbrt(n)),
    function!("Math.ceil", |n| n.ceil()),
    function!("Math.clz32", |n| f64::from((to_int32(n) as u32).leading_zeros())),
    function!("Math.cos", |n| libm::cos(n)),
    function!("Math.cosh", |n| libm::cosh(n)),
    function!("Math.exp", |n| libm::exp(n)),
    function!("Math.expm1", |n| libm::expm1(n)),
    function!("Math.floor", |n| n.floor()),
    function!("Math.fround", |n| f64::from(n as f32)),
    function!("Math.log", |n| libm::log(n)),
    function!("Math.log10", |n| libm::log10(n)),
    function!("Math.log1p", |n| libm::log1p(n)),
    function!("Math.log2", |n| libm::log2(n)),
    function!("Math.round", |n| round(n)),
    function!("Math.sign", |n| if n.is_nan() || n == 0.0 { n } else { n.signum() }),
    function!("Math.sin", |n| libm::sin(n)),
    function!("Math.sinh", |n| libm::sinh(n)),
    function!("Math.sqrt", |n| n.sqrt()),
    function!("Math.tan", |n| libm::tan(n)),
    function!("Math.tanh", |n| libm::tanh(n)),
    function!("Math.trunc", |n| n.trunc()),
    ("Math.atan2", 2, |machine, args| {
        Ok(libm::atan2(machine.arg_number(args, 0)?, machine.arg_number(args, 1)?).into())
    }),
    ("Math.pow", 2, |machine, args| Ok(power(machine.arg_number(args, 0)?, machine.arg_number(args, 1)?).into())),
    ("Math.imul", 2, |machine, args| {
        let (a, b) = (to_int32(machine.arg_number(args, 0)?), to_int32(machine.arg_number(args, 1)?));
        Ok(f64::from(a.wrapping_mul(b)).into())
    }),
    ("Math.max", 2, |machine, args| {
        extreme(machine, args, f64::NEG_INFINITY, |n, best| {
            n > best || (n == 0.0 && best == 0.0 && best.is_sign_negative())
        })
    }),
    ("Math.min", 2, |machine, args| {
        extreme(machine, args, f64::INFINITY, |n, best| n < best || (n == 0.0 && best == 0.0 && n.is_sign_negative()))
    }),
    ("Math.hypot", 2, hypotenuse),
    ("Math.random", 0, |machine, _| Ok(machine.random.next().into())),
];

/// Half goes up, and the sign of zero stays.
fn round(n: f64) -> f64 {
    if n.fract() == 0.0 || !n.is_finite() {
        return n;
    }
    let floor = n.floor();
    let rounded = if n - floor >= 0.5 { floor + 1.0 } else { floor };
    if rounded == 0.0 && n < 0.0 { -0.0 } else { rounded }
}

fn extreme(machine: &mut Machine, args: &Args, start: f64, better: fn(f64, f64) -> bool) -> Result {
    let mut best = start;
    for index in 0..args.count {
        let n = machine.arg_number(args, index)?;
        if best.is_nan() || n.is_nan() {
            best = f64::NAN;
        } else if better(n, best) {
            best = n;
        }
    }
    Ok(best.into())
}

fn hypotenuse(machine: &mut Machine, args: &Args) -> Result {
    let numbers = (0..args.count).map(|i| machine.arg_number(args, i)).collect::<std::result::Result<Vec<_>, _>>()?;
    if numbers.iter().any(|n| n.is_infinite()) {
        return Ok(f64::INFINITY.into());
    }
    // Scaled, so that squares neither overflow nor vanish; summed with the rounding errors carried along.
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

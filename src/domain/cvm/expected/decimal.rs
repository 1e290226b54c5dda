//! Whether a number is a multiple of another, as both are written in decimal: 0.07 is one of 0.01, whatever doubles say.

use serde_json::Number;

use crate::value::shortest_digits;

/// `digits · 10^exponent`, never negative: the sign says nothing about being a multiple.
#[derive(Clone, Copy)]
struct Decimal {
    digits: u64,
    exponent: i32,
}

/// Whether `number` is a whole multiple of `step`.
pub(super) fn is_multiple(number: &Number, step: &Number) -> bool {
    match (Decimal::of(number), Decimal::of(step)) {
        (Some(number), Some(step)) => number.is_multiple_of(step),
        _ => false,
    }
}

impl Decimal {
    fn of(number: &Number) -> Option<Self> {
        if let Some(digits) = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)) {
            return Some(Self { digits, exponent: 0 });
        }
        // There are at most 17 of them.
        let (digits, first) = shortest_digits(number.as_f64()?.abs());
        let exponent = first + 1 - i32::try_from(digits.len()).ok()?;
        Some(Self { digits: digits.iter().fold(0, |all, digit| all * 10 + u64::from(digit - b'0')), exponent })
    }

    fn is_multiple_of(self, step: Self) -> bool {
        if step.digits == 0 {
            return false;
        }
        let (digits, step_digits) = (u128::from(self.digits), u128::from(step.digits));
        match u32::try_from(self.exponent - step.exponent) {
            // digits · 10^n in whole steps, n up to some 600: only the rest is ever held, below 2^64.
            Ok(zeros) => (0..zeros).fold(digits % step_digits, |rest, _| rest * 10 % step_digits) == 0,
            // A step that is larger than all digits has no multiple but 0.
            Err(_) => 10u128
                .checked_pow(self.exponent.abs_diff(step.exponent))
                .and_then(|power| step_digits.checked_mul(power))
                .map_or(digits == 0, |step| digits.is_multiple_of(step)),
        }
    }
}

//! Numbers for people, for `en-US`: `number.toLocaleString()` with the options that programs use most.

use super::number::to_exponential;
use super::text::Str;

/// The symbols of currencies that are not their codes, and their digits after the point if not 2. CLDR, locale `en`;
/// ISO 4217.
const CURRENCIES: &[(&str, &str, usize)] = &[
    ("AUD", "A$", 2),
    ("BRL", "R$", 2),
    ("CAD", "CA$", 2),
    ("CNY", "CN\u{a5}", 2),
    ("EUR", "\u{20ac}", 2),
    ("GBP", "\u{a3}", 2),
    ("HKD", "HK$", 2),
    ("ILS", "\u{20aa}", 2),
    ("INR", "\u{20b9}", 2),
    ("JPY", "\u{a5}", 0),
    ("KRW", "\u{20a9}", 0),
    ("MXN", "MX$", 2),
    ("NZD", "NZ$", 2),
    ("PHP", "\u{20b1}", 2),
    ("TWD", "NT$", 2),
    ("USD", "$", 2),
    ("VND", "\u{20ab}", 0),
    ("CHF", "CHF\u{a0}", 2),
    ("CZK", "CZK\u{a0}", 2),
    ("DKK", "DKK\u{a0}", 2),
    ("NOK", "NOK\u{a0}", 2),
    ("PLN", "PLN\u{a0}", 2),
    ("SEK", "SEK\u{a0}", 2),
    ("SGD", "SGD\u{a0}", 2),
    ("THB", "THB\u{a0}", 2),
    ("TRY", "TRY\u{a0}", 2),
    ("UAH", "UAH\u{a0}", 2),
    ("ZAR", "ZAR\u{a0}", 2),
];

/// The form of a number. ECMA-402 §15.5.2 Properties of Intl.NumberFormat Instances.
#[derive(Debug, Clone, Copy)]
pub struct NumberFormat {
    /// The kind of number.
    pub style: NumberStyle,
    /// Fewest digits before the point.
    pub min_integer_digits: usize,
    /// Fewest digits after the point.
    pub min_fraction_digits: usize,
    /// Most digits after the point.
    pub max_fraction_digits: usize,
    /// Whether digits are grouped by three.
    pub groups: bool,
}

/// The kind of number that a format is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberStyle {
    /// A number.
    Decimal,
    /// A fraction of 1, in percent.
    Percent,
    /// An amount of money, with the symbol before it.
    Currency(&'static str),
}

impl NumberStyle {
    /// The style of a currency and its digits after the point. `None`: the currency is not known.
    pub fn currency(code: &str) -> Option<(NumberStyle, usize)> {
        let (_, symbol, digits) = CURRENCIES.iter().find(|currency| currency.0.eq_ignore_ascii_case(code))?;
        Some((NumberStyle::Currency(symbol), *digits))
    }
}

impl Default for NumberFormat {
    fn default() -> NumberFormat {
        NumberFormat {
            style: NumberStyle::Decimal,
            min_integer_digits: 1,
            min_fraction_digits: 0,
            max_fraction_digits: 3,
            groups: true,
        }
    }
}

impl NumberFormat {
    /// The text of a number: halves of its shortest text are rounded away from zero. ECMA-402 §15.5.3 FormatNumeric.
    pub fn text(&self, number: f64) -> Str {
        let mut text = String::new();
        if number.is_sign_negative() && !number.is_nan() {
            text.push('-');
        }
        if let NumberStyle::Currency(symbol) = self.style {
            // The space after a code is before digits only.
            text.push_str(if number.is_finite() { symbol } else { symbol.trim_end() });
        }
        match number.is_finite() {
            true => self.push_digits(number.abs(), &mut text),
            false => text.push_str(if number.is_nan() { "NaN" } else { "\u{221e}" }),
        }
        if self.style == NumberStyle::Percent {
            text.push('%');
        }
        Str::new(&text)
    }

    fn push_digits(&self, number: f64, text: &mut String) {
        let shortest = to_exponential(number, None).to_utf8();
        let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let shift = if self.style == NumberStyle::Percent { 2 } else { 0 };
        let exponent: i32 = exponent.parse().unwrap_or(0) + shift;
        // Zeros in front, so that there is a digit before the point and one that takes the carry.
        let zeros = self.min_integer_digits + usize::try_from(-exponent).unwrap_or(0);
        digits.splice(0..0, std::iter::repeat_n(0, zeros));
        let point = usize::try_from(exponent.max(0)).unwrap_or(0) + self.min_integer_digits + 1;
        let end = point + self.max_fraction_digits;
        digits.resize(digits.len().max(end), 0);
        let mut carry = digits.get(end).is_some_and(|digit| *digit >= 5);
        digits.truncate(end);
        for digit in digits.iter_mut().rev() {
            let sum = *digit + u8::from(carry);
            (*digit, carry) = (sum % 10, sum > 9);
        }
        let last_first = point - self.min_integer_digits;
        let first = digits[..last_first].iter().position(|digit| *digit != 0).unwrap_or(last_first);
        for (at, digit) in digits.iter().enumerate().take(point).skip(first) {
            text.push(char::from(b'0' + digit));
            if self.groups && (point - at) % 3 == 1 && at + 1 < point {
                text.push(',');
            }
        }
        let fraction = &digits[point..];
        let used = fraction.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        let fraction = &fraction[..used.max(self.min_fraction_digits)];
        if !fraction.is_empty() {
            text.push('.');
            text.extend(fraction.iter().map(|digit| char::from(b'0' + digit)));
        }
    }
}

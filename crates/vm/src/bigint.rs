//! BigInt. ECMA-262 §6.1.6.2 The BigInt Type. The arithmetic is that of `num-bigint`; the rules of the language are
//! here.
//!
//! The size of a value is bounded, so one operation takes a few milliseconds at most. V8 allows 2^30 bits and throws
//! the same error above them.

use std::cmp::Ordering;
use std::ops::Neg;
use std::sync::Arc;

use num_bigint::{BigInt as Integer, Sign};
use num_traits::{FromPrimitive, ToPrimitive, Zero};

use super::abrupt_completion::{Completion, internal, range_error, type_error};
use super::program::DecodedInstruction as I;
use super::text::{Str, Units};
use super::value::Value;
use super::work;

/// Most bits of a BigInt: 39,457 decimal digits.
pub const MAX_BITS: u64 = 1 << 17;

/// Fixed bytes of a value in memory.
const BYTES: u64 = 64;

/// Work of one step of a multiplication or division, per pair of words.
const STEP_WORK: u64 = 4;

/// The same for a conversion to or from decimal digits.
const DIGITS_WORK: u64 = 8;

/// An integer of any size up to [`MAX_BITS`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInt(Arc<Integer>);

impl BigInt {
    /// A value of the language; `None` if it is too large.
    fn new(value: Integer) -> Option<BigInt> {
        (value.bits() <= MAX_BITS).then(|| BigInt(Arc::new(value)))
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.0.sign() == Sign::NoSign
    }

    /// Bytes in memory. A snapshot has digits, which take twice as many in text: they count as texts do.
    pub fn weight(&self) -> u64 {
        BYTES + self.0.bits() / 2
    }

    /// Words of 64 bits.
    fn words(&self) -> u64 {
        self.0.bits() / 64 + 1
    }

    /// The text in a radix from 2 to 36. ECMA-262 §6.1.6.2.23 BigInt::toString.
    pub fn to_text(&self, radix: u32) -> Str {
        let words = self.words();
        count(DIGITS_WORK, words, if radix.is_power_of_two() { 1 } else { words });
        Str::new(&self.0.to_str_radix(radix))
    }

    /// The nearest number. ECMA-262 §21.1.1.1 Number, of a BigInt.
    pub fn to_number(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::NAN)
    }

    /// The integer that a finite number without a fraction is. ECMA-262 §21.2.1.1.1 NumberToBigInt.
    pub fn from_number(number: f64) -> Option<BigInt> {
        if number.fract() == 0.0 { Integer::from_f64(number).and_then(BigInt::new) } else { None }
    }

    /// The integer that a text is, with white space around it, or a hexadecimal, octal or binary one. `None`: the text
    /// is none. `Some(None)`: it is too large. ECMA-262 §7.1.14 StringToBigInt.
    pub fn from_text(text: &Str) -> Option<Option<BigInt>> {
        let text = text.to_utf8();
        let text = text.trim_matches(is_white_space);
        let lower = text.get(..2).unwrap_or_default().to_ascii_lowercase();
        let (digits, radix) = match lower.as_str() {
            "0x" => (&text[2..], 16),
            "0o" => (&text[2..], 8),
            "0b" => (&text[2..], 2),
            _ if text.is_empty() => return Some(BigInt::new(Integer::zero())),
            _ => (text.strip_prefix(['+', '-']).unwrap_or(text), 10),
        };
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
            return None;
        }
        Some(BigInt::parse(digits, radix).and_then(|value| match text.starts_with('-') {
            true => BigInt::new(value.0.as_ref().neg()),
            false => Some(value),
        }))
    }

    /// The integer of a literal, whose decimal digits these are. ECMA-262 §12.9.3 Numeric Literals.
    pub fn from_digits(digits: &str) -> Option<BigInt> {
        BigInt::parse(digits, 10)
    }

    /// Digits without a sign. `None`: the integer is too large.
    fn parse(digits: &str, radix: u32) -> Option<BigInt> {
        let digits = digits.trim_start_matches('0');
        // Each digit has more than log2(radix) - 1 bits.
        if digits.len() as u64 * u64::from(radix.ilog2()) > MAX_BITS + 64 {
            return None;
        }
        let words = digits.len() as u64 / 16 + 1;
        count(DIGITS_WORK, words, if radix.is_power_of_two() { 1 } else { words });
        match digits.is_empty() {
            true => BigInt::new(Integer::zero()),
            false => BigInt::new(Integer::parse_bytes(digits.as_bytes(), radix)?),
        }
    }

    /// The form in bytecode and snapshots: hexadecimal digits, in lower case.
    #[must_use]
    pub fn to_wire(&self) -> String {
        self.0.to_str_radix(16)
    }

    /// The integer of its form in bytecode and snapshots.
    #[must_use]
    pub fn from_wire(text: &str) -> Option<BigInt> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_canonical = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            && (!digits.starts_with('0') || text == "0");
        if digits.is_empty() || !is_canonical || digits.len() as u64 > MAX_BITS / 4 {
            return None;
        }
        BigInt::new(Integer::parse_bytes(text.as_bytes(), 16)?)
    }

    /// The order beside a number; `None` beside NaN. ECMA-262 §7.2.12 IsLessThan.
    pub fn compare_number(&self, number: f64) -> Option<Ordering> {
        match Integer::from_f64(number.trunc()) {
            // Of two equal whole parts, the number with a fraction is farther from 0.
            Some(whole) => Some(self.0.as_ref().cmp(&whole).then(0.0.partial_cmp(&number.fract())?)),
            None if number.is_nan() => None,
            None => Some(if number > 0.0 { Ordering::Less } else { Ordering::Greater }),
        }
    }

    /// The integer of this many bits that has the same lowest bits. ECMA-262 §21.2.2.1 BigInt.asIntN, §21.2.2.2
    /// BigInt.asUintN.
    pub fn wrap(&self, bits: u64, is_signed: bool) -> Completion<BigInt> {
        let is_negative = self.0.sign() == Sign::Minus;
        if bits > MAX_BITS && (is_signed || !is_negative) {
            return Ok(self.clone());
        }
        if bits > MAX_BITS {
            return too_large();
        }
        let modulus = Integer::from(1) << bits;
        let mut low: Integer = self.0.as_ref() & (&modulus - 1);
        if is_signed && bits > 0 && low.bit(bits - 1) {
            low -= modulus;
        }
        checked(low)
    }
}

impl PartialOrd for BigInt {
    fn partial_cmp(&self, other: &BigInt) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BigInt {
    fn cmp(&self, other: &BigInt) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// White space and line ends. ECMA-262 §12.2 White Space, §12.3 Line Terminators.
fn is_white_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

fn count(work: u64, words: u64, times: u64) {
    // What fits a few words is free.
    if words > 4 {
        work::count(work.saturating_mul(words).saturating_mul(times));
    }
}

#[cold]
fn too_large<T>() -> Completion<T> {
    range_error("Maximum BigInt size exceeded")
}

fn checked(value: Integer) -> Completion<BigInt> {
    BigInt::new(value).map_or_else(too_large, Ok)
}

/// An operator of two BigInts. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator, §6.1.6.2 The BigInt Type.
pub(super) fn binary(instruction: I, first: &BigInt, second: &BigInt) -> Completion<BigInt> {
    let (a, b) = (first.0.as_ref(), second.0.as_ref());
    let (words, other_words) = (first.words(), second.words());
    match instruction {
        I::Mul if a.bits() + b.bits() > MAX_BITS + 1 => return too_large(),
        I::Mul | I::Div | I::Mod => count(STEP_WORK, words.max(other_words), words.min(other_words)),
        _ => count(STEP_WORK, words.max(other_words), 1),
    }
    match instruction {
        I::Add => checked(a + b),
        I::Sub => checked(a - b),
        I::Mul => checked(a * b),
        I::Div | I::Mod if second.is_zero() => range_error("Division by zero"),
        I::Div => checked(a / b),
        I::Mod => checked(a % b),
        I::Pow => power(a, b),
        I::BitAnd => checked(a & b),
        I::BitOr => checked(a | b),
        I::BitXor => checked(a ^ b),
        I::Shl => shift(a, b.to_i64().unwrap_or(if b.sign() == Sign::Minus { i64::MIN } else { i64::MAX })),
        I::Shr => {
            shift(a, b.to_i64().map_or(if b.sign() == Sign::Minus { i64::MAX } else { i64::MIN }, i64::saturating_neg))
        }
        I::UShr => type_error("BigInts have no unsigned right shift, use >> instead"),
        _ => internal("an unknown operator of BigInts"),
    }
}

/// ECMA-262 §6.1.6.2.3 BigInt::exponentiate.
fn power(base: &Integer, exponent: &Integer) -> Completion<BigInt> {
    if exponent.sign() == Sign::Minus {
        return range_error("Exponent must be non-negative");
    }
    // Powers of 0, 1 and -1 are small whatever the exponent is.
    if base.bits() <= 1 {
        let is_even = !exponent.bit(0);
        return checked(match (base.sign(), exponent.sign()) {
            (_, Sign::NoSign) => Integer::from(1),
            (Sign::Minus, _) if is_even => Integer::from(1),
            _ => base.clone(),
        });
    }
    match exponent.to_u32() {
        Some(times) if (base.bits() - 1).saturating_mul(u64::from(times)) <= MAX_BITS => {
            let words = base.bits() * u64::from(times) / 64 + 1;
            count(STEP_WORK, words, words);
            checked(base.pow(times))
        }
        _ => too_large(),
    }
}

/// A shift to the left, or to the right if it is negative, which rounds down. ECMA-262 §6.1.6.2.9 BigInt::leftShift.
fn shift(value: &Integer, by: i64) -> Completion<BigInt> {
    if by < 0 {
        return checked(value >> by.unsigned_abs().min(MAX_BITS + 1));
    }
    let by = by.unsigned_abs();
    if value.sign() != Sign::NoSign && value.bits().saturating_add(by) > MAX_BITS {
        return too_large();
    }
    checked(if value.sign() == Sign::NoSign { Integer::zero() } else { value << by })
}

/// An operator of one BigInt. ECMA-262 §6.1.6.2.1 BigInt::unaryMinus, §6.1.6.2.2 BigInt::bitwiseNOT, §13.4 Update
/// Expressions.
pub(super) fn unary(instruction: I, value: &BigInt) -> Completion<BigInt> {
    let value = value.0.as_ref();
    match instruction {
        I::ToNumber => checked(value.clone()),
        I::Inc => checked(value + 1),
        I::Dec => checked(value - 1),
        I::Neg => checked(-value),
        I::BitNot => checked(-value - 1),
        _ => internal("an unknown operator of a BigInt"),
    }
}

/// `==` and the order of a BigInt beside another primitive. `None`: they have no order. ECMA-262 §7.2.12 IsLessThan,
/// §7.2.13 IsLooselyEqual.
pub(super) fn compare_text(value: &BigInt, text: &Str) -> Option<Ordering> {
    match BigInt::from_text(text)? {
        Some(other) => Some(value.cmp(&other)),
        // The text is larger than each BigInt.
        None => {
            let is_negative = matches!(text.units(), Units::Latin(units) if units.trim_ascii().starts_with(b"-"));
            Some(if is_negative { Ordering::Greater } else { Ordering::Less })
        }
    }
}

impl From<bool> for BigInt {
    fn from(value: bool) -> BigInt {
        BigInt(Arc::new(Integer::from(u8::from(value))))
    }
}

impl From<BigInt> for Value {
    fn from(value: BigInt) -> Value {
        Value::BigInt(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        let digits = "f".repeat(MAX_BITS as usize / 4);
        for text in ["0", "1", "-ff", "123456789abcdef0123456789", &digits, &format!("-{digits}")] {
            assert_eq!(BigInt::from_wire(text).map(|value| value.to_wire()).as_deref(), Some(text));
        }
        let large = format!("1{digits}");
        for text in ["", "-", "-0", "00", "0f", "+1", "F", "0x1", "1n", " 1", "1_0", "é", &large, &format!("-{large}")]
        {
            assert_eq!(BigInt::from_wire(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_have_an_exact_order() {
        let order = |value: i64, number: f64| BigInt::from_digits(&value.to_string()).unwrap().compare_number(number);
        assert_eq!(order(1 << 53, 9_007_199_254_740_992.0), Some(Ordering::Equal));
        assert_eq!(order((1 << 53) + 1, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!([order(1, 1.5), order(2, 1.5)], [Some(Ordering::Less), Some(Ordering::Greater)]);
        assert_eq!(
            [order(0, -0.5), order(0, 0.5), order(0, -0.0)],
            [Ordering::Greater, Ordering::Less, Ordering::Equal].map(Some)
        );
        assert_eq!([order(0, f64::NAN), order(0, f64::NEG_INFINITY)], [None, Some(Ordering::Greater)]);
    }
}

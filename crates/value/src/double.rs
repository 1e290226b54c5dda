//! Exact conversion between doubles and decimal literals. The standard library does the same, and faster for long
//! numbers, but its tables cost a page 20 KB that compression cannot reduce (`docs/decisions/dependencies.md`). This
//! code has eighteen powers of ten. Parsing follows Bellerophon (Clinger, "How to Read Floating Point Numbers
//! Accurately", 1990).
//!
//! Doubles that 64 bits cannot decide are rounded with natural numbers of any size.

use std::cmp::Ordering;

/// 10^(2^k), then 10^-(2^k): 64 bits of each, and the exponent of the power of two by which they are multiplied.
const POWERS_OF_TEN: [[(u64, i32); 9]; 2] = [
    [
        (0xa000_0000_0000_0000, -60),
        (0xc800_0000_0000_0000, -57),
        (0x9c40_0000_0000_0000, -50),
        (0xbebc_2000_0000_0000, -37),
        (0x8e1b_c9bf_0400_0000, -10),
        (0x9dc5_ada8_2b70_b59e, 43),
        (0xc278_1f49_ffcf_a6d5, 149),
        (0x93ba_47c9_80e9_8ce0, 362),
        (0xaa7e_ebfb_9df9_de8e, 787),
    ],
    [
        (0xcccc_cccc_cccc_cccd, -67),
        (0xa3d7_0a3d_70a3_d70a, -70),
        (0xd1b7_1758_e219_652c, -77),
        (0xabcc_7711_8461_cefd, -90),
        (0xe695_94be_c44d_e15b, -117),
        (0xcfb1_1ead_4539_94ba, -170),
        (0xa87f_ea27_a539_e9a5, -276),
        (0xddd0_467c_64bc_e4a1, -489),
        (0xc031_4325_637a_193a, -914),
    ],
];

/// Number of digits that decide the rounding: no double has more, and no midpoint between two doubles does.
const MAX_DIGITS: usize = 800;

/// Returns the double nearest to a decimal literal without a sign: digits, optionally with a point and an exponent. It
/// is infinite if the literal is too large. Of an invalid literal, the valid beginning is parsed.
pub fn parse_double(literal: &str) -> f64 {
    let DecimalLiteral { mantissa, exponent, truncated } = DecimalLiteral::parse(literal, 19);
    match exponent {
        _ if mantissa == 0 => 0.0,
        311.. => f64::INFINITY,
        ..-345 => 0.0,
        _ => {
            let exponent = exponent as i32;
            fast_path(mantissa, exponent, truncated)
                .unwrap_or_else(|| ExtendedFloat::new(mantissa, exponent, truncated).round(literal))
        }
    }
}

/// A literal: its first significant digits as an integer, times a power of ten.
struct DecimalLiteral {
    mantissa: u64,
    exponent: i64,
    /// Further digits follow that are not zero.
    truncated: bool,
}

impl DecimalLiteral {
    fn parse(literal: &str, most: usize) -> Self {
        let mut decimal = Self { mantissa: 0, exponent: 0, truncated: false };
        decimal.exponent = scan_digits(literal, most, |digit| match digit {
            Some(digit) => decimal.mantissa = decimal.mantissa * 10 + u64::from(digit),
            None => decimal.truncated = true,
        });
        decimal
    }
}

/// Passes the first `most` significant digits to `visit`, then `None` for each further digit that is not zero. Returns
/// the power of ten of the last passed digit.
fn scan_digits(literal: &str, most: usize, mut visit: impl FnMut(Option<u8>)) -> i64 {
    let (mut exponent, mut count, mut fraction) = (0i64, 0, false);
    for (at, byte) in literal.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                exponent -= i64::from(fraction);
                if count < most {
                    count += usize::from(count > 0 || byte != b'0');
                    visit(Some(byte - b'0'));
                } else {
                    exponent += 1;
                    if byte != b'0' {
                        visit(None);
                    }
                }
            }
            b'.' => fraction = true,
            _ => return exponent.saturating_add(parse_exponent(literal.get(at + 1..).unwrap_or_default())),
        }
    }
    exponent
}

fn parse_exponent(text: &str) -> i64 {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let value = digits.iter().fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit & 15)));
    if negative { -value } else { value }
}

/// If both the digits and the power of ten are exact doubles, one operation rounds only once.
fn fast_path(mantissa: u64, exponent: i32, truncated: bool) -> Option<f64> {
    if truncated || mantissa >> 53 != 0 || exponent.abs() > 22 {
        return None;
    }
    let five = 5u64.pow(exponent.unsigned_abs()) as f64;
    let ten = five * (1u64 << exponent.unsigned_abs()) as f64;
    Some(if exponent < 0 { mantissa as f64 / ten } else { mantissa as f64 * ten })
}

/// `bits * 2^exponent`, with an error of less than `error` units in the last place. The first bit is set.
struct ExtendedFloat {
    bits: u64,
    exponent: i32,
    error: u64,
}

impl ExtendedFloat {
    fn new(mantissa: u64, ten: i32, truncated: bool) -> Self {
        let zeros = mantissa.leading_zeros();
        let error = if truncated { 2 << zeros } else { 0 };
        let mut near = Self { bits: mantissa << zeros, exponent: -(zeros as i32), error };
        for (k, power) in POWERS_OF_TEN[usize::from(ten < 0)].iter().enumerate() {
            if ten.unsigned_abs() >> k & 1 == 1 {
                near.multiply(*power);
            }
        }
        near
    }

    fn multiply(&mut self, (bits, exponent): (u64, i32)) {
        let product = u128::from(self.bits) * u128::from(bits);
        let zeros = product.leading_zeros();
        self.bits = (product << zeros >> 64) as u64;
        self.exponent += exponent + 64 - zeros as i32;
        // One unit is for the power and one for the truncation. A shift by one bit doubles both.
        self.error += 4;
    }

    /// Rounds to a double. If the error does not allow a decision, `literal` decides.
    fn round(&self, literal: &str) -> f64 {
        // The power of two of the first bit. Normal doubles begin at -1022.
        let scale = self.exponent + 63;
        let spare = 11 + (-1022 - scale).max(0);
        if spare > 65 {
            return 0.0;
        }
        let bits = u128::from(self.bits);
        let (mantissa, remainder, half) = ((bits >> spare) as u64, bits & ((1 << spare) - 1), 1u128 << (spare - 1));
        let up = if remainder.abs_diff(half) > u128::from(self.error) {
            remainder > half
        } else {
            match compare_literal(literal, 2 * mantissa + 1, self.exponent + spare - 1) {
                Ordering::Less => false,
                Ordering::Equal => mantissa & 1 == 1,
                Ordering::Greater => true,
            }
        };
        let rounded = mantissa + u64::from(up);
        match scale {
            // A carry increments the exponent; beyond the greatest one the result is infinite.
            -1022..=1023 => f64::from_bits((((scale + 1022) as u64) << 52) + rounded),
            1024.. => f64::INFINITY,
            _ => f64::from_bits(rounded),
        }
    }
}

/// Compares a literal with `bits * 2^exponent`.
fn compare_literal(literal: &str, bits: u64, exponent: i32) -> Ordering {
    let (mut left, mut more) = (BigUint::default(), false);
    let mut ten = scan_digits(literal, MAX_DIGITS, |digit| match digit {
        Some(digit) => left.mul_add_small(10, u32::from(digit)),
        None => more = true,
    });
    if more {
        left.mul_add_small(10, 1);
        ten -= 1;
    }
    // The bounds in `parse_double` guarantee that it fits.
    let ten = ten as i32;
    let mut right = BigUint::from_u64(bits);
    if ten < 0 { &mut right } else { &mut left }.mul_pow5(ten.unsigned_abs());
    if ten < exponent { &mut right } else { &mut left }.mul_pow2(ten.abs_diff(exponent));
    left.cmp(&right)
}

/// Returns all decimal digits of a positive finite double, as text, and the power of ten of the first one.
pub fn exact_digits(number: f64) -> (Vec<u8>, i32) {
    let bits = number.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let hidden = u64::from(exponent > 0) << 52;
    let two = exponent.max(1) - 1075;
    let mut all = BigUint::from_u64(bits & ((1 << 52) - 1) | hidden);
    if two < 0 {
        all.mul_pow5(two.unsigned_abs());
    } else {
        all.mul_pow2(two.unsigned_abs());
    }
    let mut digits = all.into_digits();
    let first = digits.len() as i32 - 1 + two.min(0);
    while digits.len() > 1 && digits.pop_if(|digit| *digit == b'0').is_some() {}
    (digits, first)
}

/// Returns the text of a finite double with `decimals` decimals, at least one, as `std` writes it: rounded to nearest,
/// from the middle to even.
///
/// ```
/// assert_eq!(runstate_value::fixed_text(-0.0625, 3), "-0.062");
/// ```
pub fn fixed_text(number: f64, decimals: usize) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let (digits, first) = if number == 0.0 { (Vec::new(), 0) } else { exact_digits(number.abs()) };
    let kept = usize::try_from(first + 1 + decimals as i32);
    let (units, rest) = digits.split_at(kept.unwrap_or(0).min(digits.len()));
    let rest = if kept.is_ok() { rest } else { &[] };
    let rounds_up = match rest {
        [b'5'] => units.last().is_some_and(|digit| digit % 2 == 1),
        [next, ..] => *next >= b'5',
        [] => false,
    };
    let mut units = units.to_vec();
    units.resize(kept.unwrap_or(0), b'0');
    if rounds_up {
        let nines = units.iter().rev().take_while(|digit| **digit == b'9').count();
        let at = units.len() - nines;
        units[at..].fill(b'0');
        match at.checked_sub(1) {
            Some(at) => units[at] += 1,
            None => units.insert(0, b'1'),
        }
    }
    let zeros = "0".repeat((decimals + 1).saturating_sub(units.len()));
    let text = zeros + &String::from_utf8_lossy(&units);
    let (whole, fraction) = text.split_at(text.len() - decimals);
    format!("{sign}{whole}.{fraction}")
}

/// Returns the shortest decimal digits that identify a finite double that is not negative, as text, and the power of
/// ten of the first one (Ryū).
pub fn shortest_digits(number: f64) -> (Vec<u8>, i32) {
    if number == 0.0 {
        return (vec![b'0'], 0);
    }
    let mut buffer = ryu_js::Buffer::new();
    let text = buffer.format(number);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let point = mantissa.find('.').unwrap_or(mantissa.len());
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    let zeros = digits.clone().take_while(|digit| *digit == b'0').count();
    let mut digits: Vec<u8> = digits.skip(zeros).collect();
    while digits.len() > 1 && digits.pop_if(|digit| *digit == b'0').is_some() {}
    (digits, point as i32 - 1 - zeros as i32 + parse_exponent(exponent) as i32)
}

/// A natural number in base 2^32. The least significant limb is first, and the last one is not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BigUint(Vec<u32>);

/// 5^13, the greatest power of five in 32 bits.
const MAX_POWER_OF_FIVE: (u32, u32) = (13, 1_220_703_125);

impl BigUint {
    pub fn from_u64(number: u64) -> Self {
        let mut big = Self(vec![number as u32, (number >> 32) as u32]);
        big.trim();
        big
    }

    fn trim(&mut self) {
        while self.0.pop_if(|limb| *limb == 0).is_some() {}
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets `self` to `self * factor + more`.
    pub fn mul_add_small(&mut self, factor: u32, more: u32) {
        let mut carry = u64::from(more);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Sets `self` to `self * 5^power`.
    pub fn mul_pow5(&mut self, mut power: u32) {
        while power >= MAX_POWER_OF_FIVE.0 {
            self.mul_add_small(MAX_POWER_OF_FIVE.1, 0);
            power -= MAX_POWER_OF_FIVE.0;
        }
        self.mul_add_small(5u32.pow(power), 0);
    }

    /// Sets `self` to `self * 2^power`.
    pub fn mul_pow2(&mut self, power: u32) {
        self.mul_add_small(1 << (power % 32), 0);
        if !self.is_zero() {
            self.0.splice(0..0, std::iter::repeat_n(0, power as usize / 32));
        }
    }

    /// Sets `self` to `self / divisor`, and returns the remainder.
    fn div_rem_small(&mut self, divisor: u32) -> u32 {
        let mut remainder = 0;
        for limb in self.0.iter_mut().rev() {
            let dividend = (remainder << 32) | u64::from(*limb);
            *limb = (dividend / u64::from(divisor)) as u32;
            remainder = dividend % u64::from(divisor);
        }
        self.trim();
        remainder as u32
    }

    /// Returns the decimal digits as text; zero has none.
    pub fn into_digits(mut self) -> Vec<u8> {
        let mut digits = Vec::new();
        while !self.is_zero() {
            let mut nine = self.div_rem_small(1_000_000_000);
            for _ in 0..9 {
                digits.push(b'0' + (nine % 10) as u8);
                nine /= 10;
            }
        }
        while digits.pop_if(|digit| *digit == b'0').is_some() {}
        digits.reverse();
        digits
    }
}

impl Ord for BigUint {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl PartialOrd for BigUint {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_parses_as_in_std(literal: &str) {
        let (ours, theirs) = (parse_double(literal), literal.parse::<f64>().unwrap());
        assert_eq!(ours.to_bits(), theirs.to_bits(), "{literal}: {ours:e} {theirs:e}");
    }

    #[test]
    fn boundary_literals_are_parsed_as_in_std() {
        let written = [
            "0",
            "0.0",
            "00.10",
            "1",
            "5e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "2.5e-324",
            "2e-324",
            "4.9406564584124654e-324",
            "2.2250738585072011e-308",
            "2.2250738585072014e-308",
            "2.2250738585072012e-308",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "1.8e308",
            "1e309",
            "1e400",
            "1e-400",
            "9007199254740993",
            "9007199254740992.99999999999999999999",
            "9007199254740993.00000000000000000000001",
            "1e22",
            "1e23",
            "8.5e22",
            "0.1",
            "0.30000000000000004",
            "123456789012345678901234567890",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "0e99999999999999999999",
            "10000000000000000000000000000000000000000e-40",
            "18446744073709551615",
            "18446744073709551616",
            "6929495644600919.5",
            "3.2378839133029012895883524125015321748630094231514e-319",
            "1.",
            ".5",
            "5.e3",
            "1E5",
            "1e+5",
        ];
        written.into_iter().for_each(assert_parses_as_in_std);
        assert_parses_as_in_std(&format!("0.{}1", "0".repeat(500)));
        assert_parses_as_in_std(&format!("{}e-1000", "7".repeat(1100)));
        assert_parses_as_in_std(&format!("0.{}1e1000", "0".repeat(1000)));
        assert_parses_as_in_std(&format!("1{}e-2000", "0".repeat(2000)));
    }

    /// Returns the midpoint between a double and the next one, and literals close to it.
    fn half_way_literals(bits: u64) -> [String; 3] {
        let (low, high) = (f64::from_bits(bits), f64::from_bits(bits + 1));
        let exponent = (bits >> 52).max(1) as i32 - 1075;
        let (mut middle, ten) = (
            BigUint::from_u64(2 * (bits & ((1 << 52) - 1) | u64::from(bits >> 52 > 0) << 52) + 1),
            (exponent - 1).min(0),
        );
        if exponent > 0 {
            middle.mul_pow2(exponent as u32 - 1)
        } else {
            middle.mul_pow5((1 - exponent) as u32)
        };
        let digits = String::from_utf8(middle.into_digits()).unwrap();
        let literal = |digits: &str, more: i32| format!("{digits}e{}", ten - more);
        let middle = literal(&digits, 0);
        assert!(low <= middle.parse().unwrap() && high >= middle.parse().unwrap());
        [
            middle,
            literal(&format!("{digits}{}1", "0".repeat(900)), 901),
            literal(&format!("{}9", BigUint::decrement_digits(&digits)), 1),
        ]
    }

    impl BigUint {
        /// Returns the digits of the number minus one, as text.
        fn decrement_digits(digits: &str) -> String {
            let (last, before) = (digits.trim_end_matches('0').len() - 1, digits.as_bytes());
            let mut less = before.to_vec();
            less[last] -= 1;
            less[last + 1..].fill(b'9');
            String::from_utf8(less).unwrap()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 4_000 } else { 4_000_000 }))]

        #[test]
        fn every_double_is_parsed_back_from_its_text(bits in 1u64..0x7ff0_0000_0000_0000) {
            let number = f64::from_bits(bits);
            for literal in [format!("{number}"), format!("{number:e}"), format!("{number:.16e}"), format!("{number:.30e}")] {
                assert_parses_as_in_std(&literal);
            }
        }

        #[test]
        fn random_literals_are_parsed_as_in_std(whole in "[0-9]{0,25}", fraction in "[0-9]{1,25}", exponent in -360i32..330) {
            assert_parses_as_in_std(&format!("{whole}.{fraction}e{exponent}"));
            assert_parses_as_in_std(&format!("{whole}.{fraction}"));
            assert_parses_as_in_std(&format!("{whole}0"));
        }

        #[test]
        fn half_way_literals_round_to_even(bits in 0u64..0x7fef_ffff_ffff_ffff) {
            half_way_literals(bits).iter().for_each(|literal| assert_parses_as_in_std(literal));
        }

        #[test]
        fn fixed_texts_equal_those_of_std(bits in any::<u64>(), small in -4_000_000i64..4_000_000, decimals in 1usize..12) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            for number in [number, small as f64 / 1024.0, small as f64 / 1e9, small as f64, 9.999_999_999_5] {
                prop_assert_eq!(fixed_text(number, decimals), format!("{number:.decimals$}"));
            }
        }

        #[test]
        fn digits_equal_those_of_std(bits in 1u64..0x7ff0_0000_0000_0000) {
            let number = f64::from_bits(bits);
            let written = |(digits, exponent): (Vec<u8>, i32)| (String::from_utf8(digits).unwrap(), exponent);
            let theirs = |text: String| {
                let (mantissa, exponent) = text.split_once('e').unwrap();
                let digits = mantissa.replace('.', "");
                let digits = if digits.len() > 1 { digits.trim_end_matches('0') } else { &digits };
                (digits.to_owned(), exponent.parse::<i32>().unwrap())
            };
            let (digits, exponent) = written(shortest_digits(number));
            let shortest = theirs(format!("{number:e}"));
            // Of two that are equally near, ECMAScript takes the even one.
            prop_assert_eq!((digits.len(), exponent), (shortest.0.len(), shortest.1));
            prop_assert_eq!(parse_double(&format!("{digits}e{}", exponent + 1 - digits.len() as i32)), number);
            prop_assert_eq!(written(exact_digits(number)), theirs(format!("{number:.800e}")));
        }
    }
}

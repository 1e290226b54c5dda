//! Doubles from decimal literals and back, exactly. The standard library does it as well, and faster where numbers are long; but it brings
//! tables of 20 KB, which a page would load and no compression makes smaller. What is here needs eighteen powers of ten.

use std::cmp::Ordering;

use super::big::Big;

/// 10^(2^k), and 10^-(2^k) after them: 64 bits of each, and the power of two that these are times.
const POWERS: [[(u64, i32); 9]; 2] = [
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

/// Digits that decide: no double has more of its own, and half way to the next there are fewer.
const DIGITS: usize = 800;

/// The double nearest to a decimal literal without a sign: digits, perhaps a point among them, perhaps an exponent. Infinite where it is too
/// large; what is no literal is read as far as it is one.
pub fn double(literal: &str) -> f64 {
    let Decimal { first, exponent, more, .. } = Decimal::of(literal, 19);
    match exponent {
        _ if first == 0 => 0.0,
        311.. => f64::INFINITY,
        ..-345 => 0.0,
        _ => {
            let exponent = exponent as i32;
            plain(first, exponent, more).unwrap_or_else(|| Near::of(first, exponent, more).double(literal))
        }
    }
}

/// A literal: its first significant digits as a whole number, times a power of ten.
struct Decimal {
    first: u64,
    exponent: i64,
    /// Digits that are not zero follow.
    more: bool,
}

impl Decimal {
    fn of(literal: &str, most: usize) -> Self {
        let mut decimal = Self { first: 0, exponent: 0, more: false };
        decimal.exponent = digits(literal, most, |digit| match digit {
            Some(digit) => decimal.first = decimal.first * 10 + u64::from(digit),
            None => decimal.more = true,
        });
        decimal
    }
}

/// Tells the first `most` significant digits, and then `None` for each further one that is not zero; the power of ten of the last one told.
fn digits(literal: &str, most: usize, mut told: impl FnMut(Option<u8>)) -> i64 {
    let (mut exponent, mut count, mut fraction) = (0i64, 0, false);
    for (at, byte) in literal.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                exponent -= i64::from(fraction);
                if count < most {
                    count += usize::from(count > 0 || byte != b'0');
                    told(Some(byte - b'0'));
                } else {
                    exponent += 1;
                    if byte != b'0' {
                        told(None);
                    }
                }
            }
            b'.' => fraction = true,
            _ => return exponent.saturating_add(written_exponent(literal.get(at + 1..).unwrap_or_default())),
        }
    }
    exponent
}

fn written_exponent(text: &str) -> i64 {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let value = digits.iter().fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit & 15)));
    if negative { -value } else { value }
}

/// Where both the digits and the power of ten are doubles, one operation rounds once.
fn plain(first: u64, exponent: i32, more: bool) -> Option<f64> {
    if more || first >> 53 != 0 || exponent.abs() > 22 {
        return None;
    }
    let five = 5u64.pow(exponent.unsigned_abs()) as f64;
    let ten = five * (1u64 << exponent.unsigned_abs()) as f64;
    Some(if exponent < 0 { first as f64 / ten } else { first as f64 * ten })
}

/// `bits * 2^exponent`, wrong by less than `error` in its last bits; the first bit is set.
struct Near {
    bits: u64,
    exponent: i32,
    error: u64,
}

impl Near {
    fn of(first: u64, ten: i32, more: bool) -> Self {
        let zeros = first.leading_zeros();
        let error = if more { 2 << zeros } else { 0 };
        let mut near = Self { bits: first << zeros, exponent: -(zeros as i32), error };
        for (k, power) in POWERS[usize::from(ten < 0)].iter().enumerate() {
            if ten.unsigned_abs() >> k & 1 == 1 {
                near.times(*power);
            }
        }
        near
    }

    fn times(&mut self, (bits, exponent): (u64, i32)) {
        let product = u128::from(self.bits) * u128::from(bits);
        let zeros = product.leading_zeros();
        self.bits = (product << zeros >> 64) as u64;
        self.exponent += exponent + 64 - zeros as i32;
        // Half of it for the power, half for what is cut off, and twice that where the first bit was missing.
        self.error += 4;
    }

    /// The double it stands for; `literal` decides where it cannot.
    fn double(&self, literal: &str) -> f64 {
        // The power of two of the first bit, which a double has from -1022 on.
        let scale = self.exponent + 63;
        let spare = 11 + (-1022 - scale).max(0);
        if spare > 65 {
            return 0.0;
        }
        let bits = u128::from(self.bits);
        let (kept, rest, half) = ((bits >> spare) as u64, bits & ((1 << spare) - 1), 1u128 << (spare - 1));
        let up = if rest.abs_diff(half) > u128::from(self.error) {
            rest > half
        } else {
            match against(literal, 2 * kept + 1, self.exponent + spare - 1) {
                Ordering::Less => false,
                Ordering::Equal => kept & 1 == 1,
                Ordering::Greater => true,
            }
        };
        let rounded = kept + u64::from(up);
        match scale {
            // A carry makes the exponent one greater, and the greatest of them infinite.
            -1022..=1023 => f64::from_bits((((scale + 1022) as u64) << 52) + rounded),
            1024.. => f64::INFINITY,
            _ => f64::from_bits(rounded),
        }
    }
}

/// How a literal compares to `bits * 2^exponent`.
fn against(literal: &str, bits: u64, exponent: i32) -> Ordering {
    let (mut left, mut more) = (Big::default(), false);
    let mut ten = digits(literal, DIGITS, |digit| match digit {
        Some(digit) => left.grow(10, u32::from(digit)),
        None => more = true,
    });
    if more {
        left.grow(10, 1);
        ten -= 1;
    }
    // Between the bounds that `double` checks there are no others.
    let ten = ten as i32;
    let mut right = Big::of(bits);
    if ten < 0 { &mut right } else { &mut left }.times_five_to(ten.unsigned_abs());
    if ten < exponent { &mut right } else { &mut left }.times_two_to(ten.abs_diff(exponent));
    left.cmp(&right)
}

/// All decimal digits of a positive finite double, as text, and the power of ten of the first one.
pub fn exact_digits(number: f64) -> (Vec<u8>, i32) {
    let bits = number.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let hidden = u64::from(exponent > 0) << 52;
    let two = exponent.max(1) - 1075;
    let mut all = Big::of(bits & ((1 << 52) - 1) | hidden);
    if two < 0 {
        all.times_five_to(two.unsigned_abs());
    } else {
        all.times_two_to(two.unsigned_abs());
    }
    let mut digits = all.into_digits();
    let first = digits.len() as i32 - 1 + two.min(0);
    while digits.len() > 1 && digits.pop_if(|digit| *digit == b'0').is_some() {}
    (digits, first)
}

/// The fewest decimal digits that name a finite double which is not negative, and no other, as text, and the power of ten of the first one.
pub fn shortest_digits(number: f64) -> (Vec<u8>, i32) {
    if number == 0.0 {
        return (vec![b'0'], 0);
    }
    let mut buffer = ryu_js::Buffer::new();
    let text = buffer.format(number);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let whole = mantissa.find('.').unwrap_or(mantissa.len());
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    let zeros = digits.clone().take_while(|digit| *digit == b'0').count();
    let mut digits: Vec<u8> = digits.skip(zeros).collect();
    while digits.len() > 1 && digits.pop_if(|digit| *digit == b'0').is_some() {}
    (digits, whole as i32 - 1 - zeros as i32 + written_exponent(exponent) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(literal: &str) {
        let (ours, theirs) = (double(literal), literal.parse::<f64>().unwrap());
        assert_eq!(ours.to_bits(), theirs.to_bits(), "{literal}: {ours:e} {theirs:e}");
    }

    #[test]
    fn literals_on_the_edge() {
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
        written.into_iter().for_each(same);
        same(&format!("0.{}1", "0".repeat(500)));
        same(&format!("{}e-1000", "7".repeat(1100)));
        same(&format!("0.{}1e1000", "0".repeat(1000)));
        same(&format!("1{}e-2000", "0".repeat(2000)));
    }

    /// Half way between a double and the next, and a little beside it.
    fn half_way(bits: u64) -> [String; 3] {
        let (low, high) = (f64::from_bits(bits), f64::from_bits(bits + 1));
        let exponent = (bits >> 52).max(1) as i32 - 1075;
        let (mut middle, ten) =
            (Big::of(2 * (bits & ((1 << 52) - 1) | u64::from(bits >> 52 > 0) << 52) + 1), (exponent - 1).min(0));
        if exponent > 0 {
            middle.times_two_to(exponent as u32 - 1)
        } else {
            middle.times_five_to((1 - exponent) as u32)
        };
        let digits = String::from_utf8(middle.into_digits()).unwrap();
        let literal = |digits: &str, more: i32| format!("{digits}e{}", ten - more);
        let middle = literal(&digits, 0);
        assert!(low <= middle.parse().unwrap() && high >= middle.parse().unwrap());
        [
            middle,
            literal(&format!("{digits}{}1", "0".repeat(900)), 901),
            literal(&format!("{}9", Big::from_digits(&digits)), 1),
        ]
    }

    impl Big {
        /// One less than the number of these digits, as text.
        fn from_digits(digits: &str) -> String {
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
        fn every_double_is_read_as_it_is_written(bits in 1u64..0x7ff0_0000_0000_0000) {
            let number = f64::from_bits(bits);
            for literal in [format!("{number}"), format!("{number:e}"), format!("{number:.16e}"), format!("{number:.30e}")] {
                same(&literal);
            }
        }

        #[test]
        fn what_is_written_is_read(whole in "[0-9]{0,25}", fraction in "[0-9]{1,25}", exponent in -360i32..330) {
            same(&format!("{whole}.{fraction}e{exponent}"));
            same(&format!("{whole}.{fraction}"));
            same(&format!("{whole}0"));
        }

        #[test]
        fn what_is_half_way_goes_to_the_even_one(bits in 0u64..0x7fef_ffff_ffff_ffff) {
            half_way(bits).iter().for_each(|literal| same(literal));
        }

        #[test]
        fn digits_are_those_of_the_standard_library(bits in 1u64..0x7ff0_0000_0000_0000) {
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
            // Of two that are equally near ECMAScript takes the even one.
            prop_assert_eq!((digits.len(), exponent), (shortest.0.len(), shortest.1));
            prop_assert_eq!(double(&format!("{digits}e{}", exponent + 1 - digits.len() as i32)), number);
            prop_assert_eq!(written(exact_digits(number)), theirs(format!("{number:.800e}")));
        }
    }
}

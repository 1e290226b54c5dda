//! Decimals as BSON Decimal128 (IEEE 754-2008 decimal128), and back to the same text: `0.50` stays `0.50`.

use mongodb::bson::Decimal128;

use crate::schema::parse_decimal;

/// The exponent bias: the stored exponent is never negative.
const BIAS: i64 = 6176;
/// Bits of the coefficient.
const COEFFICIENT_BITS: u32 = 113;
/// Bits of the exponent.
const EXPONENT_BITS: u32 = 14;

/// Encodes a plain decimal. `None` if `text` is not one.
pub(super) fn encode(text: &str) -> Option<Decimal128> {
    let number = parse_decimal(text)?;
    let coefficient = number.mantissa().unsigned_abs();
    let exponent = u128::try_from(BIAS - i64::from(number.scale())).ok()?;
    let sign = u128::from(number.is_sign_negative()) << (COEFFICIENT_BITS + EXPONENT_BITS);
    Some(Decimal128::from_bytes((sign | exponent << COEFFICIENT_BITS | coefficient).to_le_bytes()))
}

/// The plain text of a decimal. `None` if it is infinite, not a number, or has too many digits for [`parse_decimal`].
pub(super) fn decode(number: Decimal128) -> Option<String> {
    let bits = u128::from_le_bytes(number.bytes());
    let negative = bits >> (COEFFICIENT_BITS + EXPONENT_BITS) == 1;
    // Both high bits of the exponent are set: not finite, or a coefficient beyond 34 digits.
    if bits >> (COEFFICIENT_BITS + EXPONENT_BITS - 2) & 3 == 3 {
        return None;
    }
    let exponent = i64::try_from(bits >> COEFFICIENT_BITS & ((1 << EXPONENT_BITS) - 1)).ok()? - BIAS;
    let coefficient = bits & ((1 << COEFFICIENT_BITS) - 1);
    let text = format_plain(coefficient, exponent)?;
    let text = if negative && coefficient != 0 { format!("-{text}") } else { text };
    parse_decimal(&text).map(|_| text)
}

/// `coefficient` × 10^`exponent`, without an exponent.
fn format_plain(coefficient: u128, exponent: i64) -> Option<String> {
    let digits = coefficient.to_string();
    if exponent >= 0 {
        // A longer text is refused anyway. The limit avoids writing six thousand zeros for it.
        let zeros = usize::try_from(exponent).ok().filter(|zeros| coefficient == 0 || *zeros <= 28)?;
        return Some(if coefficient == 0 { digits } else { digits + &"0".repeat(zeros) });
    }
    let places = usize::try_from(-exponent).ok().filter(|places| *places <= 34)?;
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    Some(format!("{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimal_matches_the_driver_and_keeps_its_text() {
        let texts = [
            "0",
            "0.00",
            "0.50",
            "-0.5",
            "10",
            "-12.00",
            "7.922816251426433759354395033",
            "0.0000000000000000000000000001",
        ];
        for text in texts {
            let encoded = encode(text).unwrap();
            assert_eq!(encoded, Decimal128::from_str(text).unwrap(), "{text}");
            assert_eq!(decode(encoded).as_deref(), Some(text));
        }
    }

    #[test]
    fn foreign_decimal_is_read_if_it_is_plain() {
        let read = |text: &str| decode(Decimal128::from_str(text).unwrap());
        assert_eq!(read("1.5E+3").as_deref(), Some("1500"));
        assert_eq!(read("-0").as_deref(), Some("0"));
        assert_eq!(read("0E+6000").as_deref(), Some("0"));
        for none in ["NaN", "Infinity", "-Infinity", "1E+6000", "1E-6000", "1234567890123456789012345678901234"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn every_plain_text_round_trips(mantissa in -(1i128 << 95)..(1i128 << 95), scale in 0u32..=28) {
            let text = rust_decimal::Decimal::from_i128_with_scale(mantissa, scale).to_string();
            if let Some(encoded) = encode(&text) {
                prop_assert_eq!(decode(encoded), Some(text));
            }
        }
    }
}

//! Writes JSON as `serde_json` does. The digits of doubles come from `ryu_js` (Ryū), which the machine uses anyway.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::double::shortest_digits;

pub fn write_json<T: Serialize + ?Sized>(value: &T, out: impl Write) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, JsonFormatter))
}

struct JsonFormatter;

impl Formatter for JsonFormatter {
    fn write_f64<W: Write + ?Sized>(&mut self, out: &mut W, number: f64) -> io::Result<()> {
        out.write_all(number_text(number).as_bytes())
    }
}

/// Returns the text of a finite double, always with a point or an exponent, so that it differs from an integer.
pub(super) fn number_text(number: f64) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number == 0.0 {
        return format!("{sign}0.0");
    }
    let (digits, exponent) = shortest_digits(number.abs());
    let digits = String::from_utf8_lossy(&digits);
    let point = exponent + 1;
    match point {
        -4..=0 => format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        1..=16 => match digits.split_at_checked(point as usize) {
            Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
            _ => format!("{sign}{digits}{}.0", "0".repeat(point as usize - digits.len())),
        },
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let plus = if exponent < 0 { "" } else { "+" };
            format!("{sign}{first}{point}{rest}e{plus}{exponent}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn numbers_are_written_as_serde_json_does() {
        let numbers = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            1e-4,
            1e-5,
            1.5e-5,
            1e-6,
            1e-7,
            1.25e-7,
            1e15,
            1.5e15,
            1e16,
            1.5e16,
            1e17,
            1e20,
            1e21,
            1e22,
            1e100,
            5e-324,
            f64::MAX,
            123_456_789.125,
            12_345_678_901_234_567_890.0,
            9_007_199_254_740_993.0,
            2e-8,
            -1e-10,
        ];
        for number in numbers {
            assert_eq!(number_text(number), serde_json::to_string(&number).unwrap());
        }
    }

    #[test]
    fn values_are_written_as_serde_json_does() {
        let value = json!({"a": [1, -2, 1.5, 1e300, null, true, "\u{0}\"\\/\n\u{7f}é😀"], "b": {}, "": []});
        let mut out = Vec::new();
        write_json(&value, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 10_000 } else { 10_000_000 }))]

        #[test]
        fn every_number_is_written_as_serde_json_does(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            prop_assert_eq!(number_text(number), serde_json::to_string(&number).unwrap());
        }
    }
}

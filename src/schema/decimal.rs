//! Exact decimal numbers, stored as text: `12.50`. Only plain digits are allowed, so that every backend reads the same number.

use rust_decimal::Decimal;

/// Parses `-?digits[.digits]` with at most 28 significant digits; `None` for anything else, such as an exponent, a leading zero or a zero
/// with a sign.
///
/// ```
/// use runstate::schema::parse_decimal;
/// assert_eq!(parse_decimal("-0.50"), parse_decimal("-0.5"));
/// assert_eq!(parse_decimal("007.5"), None);
/// ```
pub fn parse_decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !plain(whole) || !plain(fraction) || leading_zero {
        return None;
    }
    let number = Decimal::from_str_exact(text).ok()?;
    // A backend that stores numbers returns `0` for `-0`, which is a different text.
    (text == digits || !number.is_zero()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::parse_decimal;

    #[test]
    fn only_plain_digits_are_parsed_as_a_decimal() {
        for fine in ["0", "0.0", "0.50", "-0.5", "10", "-12.00", "7.922816251426433759354395033"] {
            assert!(parse_decimal(fine).is_some(), "{fine}");
        }
        for wrong in
            ["", "-", ".5", "5.", "+1", "1e3", " 1", "007.5", "00", "01", "-01", "-0", "-0.00", "1.2.3", "0x1", "--1"]
        {
            assert_eq!(parse_decimal(wrong), None, "{wrong}");
        }
    }
}

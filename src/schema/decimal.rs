//! Exact decimal numbers, kept as text: `12.50`. Plain digits only, so that every backend reads the same number.

use rust_decimal::Decimal;

/// Reads `-?digits[.digits]` with at most 28 significant digits; `None` for anything else, exponents included.
pub fn parse_decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (plain(whole) && plain(fraction)).then(|| Decimal::from_str_exact(text).ok()).flatten()
}

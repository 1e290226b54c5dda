//! Text as oxc hands it over: where it holds lone surrogates, they are written behind U+FFFD as four hexadecimal digits.

/// The UTF-16 units of a literal.
pub(super) fn units(value: &str, lone_surrogates: bool) -> Vec<u16> {
    if !lone_surrogates {
        return value.encode_utf16().collect();
    }
    let mut units = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\u{FFFD}') {
        units.extend(rest[..at].encode_utf16());
        rest = &rest[at + '\u{FFFD}'.len_utf8()..];
        let unit = rest.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
        units.push(unit.unwrap_or(0xFFFD));
        rest = if unit.is_some() { &rest[4..] } else { rest };
    }
    units.extend(rest.encode_utf16());
    units
}

//! Conversions between numbers and text, and the arithmetic of numbers that differs from IEEE 754 operations.

use runstate_value::{exact_digits, parse_double, shortest_digits};

use super::text::{Str, Units};
use super::work;

/// `String(number)`. ECMA-262 §6.1.6.1.20 Number::toString with radix 10. The shortest digits come from Ryu (Adams,
/// PLDI 2018).
pub fn to_text(number: f64) -> Str {
    if number == 0.0 {
        return Str::single(u16::from(b'0'));
    }
    let whole = number as i64;
    if whole as f64 == number && whole.unsigned_abs() < 1 << 53 {
        let mut buffer = [0u8; 20];
        let mut at = buffer.len();
        let mut rest = whole.unsigned_abs();
        while rest > 0 {
            at -= 1;
            buffer[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if whole < 0 {
            at -= 1;
            buffer[at] = b'-';
        }
        return Str::from_latin(&buffer[at..]);
    }
    Str::from_latin(ryu_js::Buffer::new().format(number).as_bytes())
}

/// Whether a code unit is white space or a line terminator. ECMA-262 §12.2 White Space and §12.3 Line Terminators.
pub fn is_space(unit: u16) -> bool {
    matches!(unit, 9..=13 | 32 | 0xa0 | 0x1680 | 0x2000..=0x200a | 0x2028 | 0x2029 | 0x202f | 0x205f | 0x3000 | 0xfeff)
}

/// `Number(text)`. ECMA-262 §7.1.4.1.1 StringToNumber.
pub fn from_text(text: &Str) -> f64 {
    let units = text.units();
    let (start, end) = trim_range(units);
    if start == end {
        return 0.0;
    }
    let mut ascii = String::with_capacity(end - start);
    for at in start..end {
        match units.get(at) {
            Some(unit) if unit < 128 => ascii.push(char::from(unit as u8)),
            _ => return f64::NAN,
        }
    }
    let bytes = ascii.as_bytes();
    if let [b'0', marker, digits @ ..] = bytes {
        let radix = match marker.to_ascii_lowercase() {
            b'x' => 16,
            b'o' => 8,
            b'b' => 2,
            _ => 0,
        };
        if radix != 0 {
            let all = !digits.is_empty() && digits.iter().all(|d| char::from(*d).is_digit(radix));
            return if all { digits_value(digits, radix) } else { f64::NAN };
        }
    }
    match ascii.as_str() {
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ if decimal_length(bytes) == bytes.len() => literal(&ascii),
        _ => f64::NAN,
    }
}

/// The range of units that remains without white space at both ends. ECMA-262 §22.1.3.32.1 TrimString.
pub fn trim_range(units: Units<'_>) -> (usize, usize) {
    // The callers read the rest.
    work::count_text(units.len());
    let mut end = units.len();
    let mut start = 0;
    while start < end && units.get(start).is_some_and(is_space) {
        start += 1;
    }
    while end > start && units.get(end - 1).is_some_and(is_space) {
        end -= 1;
    }
    (start, end)
}

/// Length of the longest decimal literal (sign, digits, point, exponent) at the start, or 0 if none starts there.
fn decimal_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        if whole + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = if at + 1 + sign <= bytes.len() { digits(at + 1 + sign) } else { 0 };
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

/// The value of a valid decimal literal with its sign.
fn literal(text: &str) -> f64 {
    match text.strip_prefix('-') {
        Some(magnitude) => -parse_double(magnitude),
        None => parse_double(text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Largest factor by which V8 multiplies the value at once while it reads digits.
const MAX_PART_FACTOR: u32 = u32::MAX / 36;

/// The value of digits that are valid in `radix`. Where the radix is neither 10 nor a power of two, the value is an
/// approximation above 2^53, which ECMA-262 §19.2.5 parseInt permits: that of V8, which adds as many digits at once as
/// fit in 32 bits.
fn digits_value(digits: &[u8], radix: u32) -> f64 {
    let text = String::from_utf8_lossy(digits);
    if radix == 10 {
        return parse_double(&text);
    }
    let text = text.trim_start_matches('0');
    // Above 2^53 the value must be rounded once, at the end, to even.
    if radix.is_power_of_two() {
        let bits = radix.trailing_zeros();
        let mut mantissa: u128 = 0;
        let mut exponent: i32 = 0;
        let mut sticky = false;
        for digit in text.chars() {
            let digit = u128::from(digit.to_digit(radix).unwrap_or(0));
            if mantissa >> 100 == 0 {
                mantissa = (mantissa << bits) | digit;
            } else {
                exponent += bits as i32;
                sticky |= digit != 0;
            }
        }
        return (mantissa | u128::from(sticky)) as f64 * 2f64.powi(exponent);
    }
    let (mut value, mut part, mut factor) = (0.0, 0, 1);
    for digit in text.chars().map(|digit| digit.to_digit(radix).unwrap_or(0)) {
        if factor * radix > MAX_PART_FACTOR {
            value = value * f64::from(factor) + f64::from(part);
            (part, factor) = (0, 1);
        }
        (part, factor) = (part * radix + digit, factor * radix);
    }
    value * f64::from(factor) + f64::from(part)
}

/// `parseInt(text, radix)`; radix 0 means that the argument is absent. ECMA-262 §19.2.5 parseInt.
pub fn parse_int(text: &Str, radix: i32) -> f64 {
    let units = text.units();
    let (start, end) = trim_range(units);
    let bytes: Vec<u8> = (start..end).map_while(|i| units.get(i).filter(|u| *u < 128).map(|u| u as u8)).collect();
    let (negative, mut rest) = match bytes.as_slice() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut radix = radix;
    if radix != 0 && !(2..=36).contains(&radix) {
        return f64::NAN;
    }
    if (radix == 0 || radix == 16)
        && let [b'0', b'x' | b'X', digits @ ..] = rest
    {
        rest = digits;
        radix = 16;
    }
    if radix == 0 {
        radix = 10;
    }
    let radix = radix.unsigned_abs();
    let count = rest.iter().take_while(|b| char::from(**b).is_digit(radix)).count();
    if count == 0 {
        return f64::NAN;
    }
    let value = digits_value(&rest[..count], radix);
    if negative { -value } else { value }
}

/// `parseFloat(text)`. ECMA-262 §19.2.4 parseFloat.
pub fn parse_float(text: &Str) -> f64 {
    let units = text.units();
    let (start, end) = trim_range(units);
    let ascii: String =
        (start..end).map_while(|i| units.get(i).filter(|u| *u < 128).map(|u| char::from(u as u8))).collect();
    let unsigned = ascii.strip_prefix(['+', '-']).unwrap_or(&ascii);
    if unsigned.starts_with("Infinity") {
        return if ascii.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    ascii.get(..decimal_length(ascii.as_bytes())).filter(|t| !t.is_empty()).map_or(f64::NAN, literal)
}

/// The number as 32 bits, for bitwise operators. ECMA-262 §7.1.6 ToInt32.
#[inline]
pub fn to_int32(number: f64) -> i32 {
    let fast = number as i32;
    if f64::from(fast) == number {
        return fast;
    }
    if !number.is_finite() {
        return 0;
    }
    number.trunc().rem_euclid(4_294_967_296.0) as u32 as i32
}

/// The number truncated to an integer; NaN becomes 0. ECMA-262 §7.1.5 ToIntegerOrInfinity.
#[inline]
pub fn to_integer(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.trunc() + 0.0 }
}

/// `base ** exponent`. ECMA-262 §6.1.6.1.3 Number::exponentiate.
/// Unlike IEEE 754 pow, it is NaN where the base is ±1 and the exponent is not finite.
pub fn power(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || (base.abs() == 1.0 && exponent.is_infinite()) {
        return f64::NAN;
    }
    libm::pow(base, exponent)
}

/// `count` decimal digits of a positive finite number, rounded half up from its exact value, and the exponent of the
/// first digit.
fn decimal_digits(number: f64, count: usize) -> (Vec<u8>, i32) {
    let (all, mut exponent) = exact_digits(number);
    let mut digits = all.get(..count).unwrap_or(&all).to_vec();
    digits.resize(count, b'0');
    if all.get(count).is_some_and(|d| *d >= b'5') {
        let mut carry = true;
        for digit in digits.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        if carry {
            digits.insert(0, b'1');
            digits.truncate(count.max(1));
            exponent += 1;
        }
    }
    (digits, exponent)
}

/// `number.toFixed(digits)` for 0 to 100 digits. ECMA-262 §21.1.3.3 Number.prototype.toFixed.
pub fn to_fixed(number: f64, digits: usize) -> Str {
    if !number.is_finite() || number.abs() >= 1e21 {
        return to_text(number);
    }
    let magnitude = number.abs();
    let mut text = String::new();
    let (mut written, first) = if magnitude == 0.0 {
        (vec![b'0'; digits + 1], 0)
    } else {
        let (exact, first) = exact_digits(magnitude);
        let wanted = first + 1 + digits as i32;
        match wanted {
            1.. => decimal_digits(magnitude, wanted as usize),
            // Rounds to 0 or to one unit of the last place.
            0 if exact.first().is_some_and(|d| *d >= b'5') => (vec![b'1'], -(digits as i32)),
            _ => (vec![b'0'], -(digits as i32)),
        }
    };
    let wanted = (first + 1 + digits as i32).max(1) as usize;
    written.resize(wanted, b'0');
    // All digits of the number without its point. Numbers below 1 get leading zeros.
    let padded = if first < 0 { [vec![b'0'; (-first) as usize], written].concat() } else { written };
    let point = padded.len() - digits;
    if number < 0.0 {
        text.push('-');
    }
    text.push_str(&String::from_utf8_lossy(&padded[..point]));
    if digits > 0 {
        text.push('.');
        text.push_str(&String::from_utf8_lossy(&padded[point..]));
    }
    Str::new(&text)
}

fn scientific(negative: bool, digits: &[u8], exponent: i32) -> Str {
    let mut text = String::new();
    if negative {
        text.push('-');
    }
    text.push(char::from(digits.first().copied().unwrap_or(b'0')));
    if digits.len() > 1 {
        text.push('.');
        text.push_str(&String::from_utf8_lossy(&digits[1..]));
    }
    text.push_str(if exponent < 0 { "e-" } else { "e+" });
    text.push_str(&exponent.unsigned_abs().to_string());
    Str::new(&text)
}

/// `number.toExponential(digits)`; `None` gives as many digits as needed. ECMA-262 §21.1.3.2
/// Number.prototype.toExponential.
pub fn to_exponential(number: f64, digits: Option<usize>) -> Str {
    if !number.is_finite() {
        return to_text(number);
    }
    let magnitude = number.abs();
    match digits {
        Some(digits) if magnitude == 0.0 => scientific(number < 0.0, &vec![b'0'; digits + 1], 0),
        Some(digits) => {
            let (digits, exponent) = decimal_digits(magnitude, digits + 1);
            scientific(number < 0.0, &digits, exponent)
        }
        None => {
            let (digits, exponent) = shortest_digits(magnitude);
            scientific(number < 0.0, &digits, exponent)
        }
    }
}

/// `number.toPrecision(precision)` for 1 to 100 digits. ECMA-262 §21.1.3.5 Number.prototype.toPrecision.
pub fn to_precision(number: f64, precision: usize) -> Str {
    if !number.is_finite() {
        return to_text(number);
    }
    let magnitude = number.abs();
    let (digits, exponent) =
        if magnitude == 0.0 { (vec![b'0'; precision], 0) } else { decimal_digits(magnitude, precision) };
    if exponent < -6 || exponent >= precision as i32 {
        return scientific(number < 0.0, &digits, exponent);
    }
    let digits = String::from_utf8_lossy(&digits).into_owned();
    let sign = if number < 0.0 { "-" } else { "" };
    let text = if exponent < 0 {
        format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize))
    } else {
        let (whole, fraction) = digits.split_at((exponent as usize + 1).min(digits.len()));
        if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    };
    Str::new(&text)
}

/// `number.toString(radix)` for 2 to 36. ECMA-262 §6.1.6.1.20 Number::toString.
/// The standard leaves the digits of a fraction open; this is the algorithm of V8's DoubleToRadixCString.
pub fn to_radix(number: f64, radix: u32) -> Str {
    if radix == 10 || !number.is_finite() {
        return to_text(number);
    }
    let base = f64::from(radix);
    let digit = |value: f64| char::from_digit(value as u32, radix).unwrap_or('0');
    let magnitude = number.abs();
    let mut whole = magnitude.floor();
    let mut fraction = magnitude - whole;
    // Half the distance to the next number: digits beyond it carry no information.
    // Half of the smallest denormal number would be 0.
    let mut precision = (0.5 * (magnitude.next_up() - magnitude)).max(f64::from_bits(1));
    let mut places: Vec<u32> = Vec::new();
    if fraction >= precision {
        loop {
            fraction *= base;
            precision *= base;
            let place = fraction as u32;
            places.push(place);
            fraction -= f64::from(place);
            let rounds_up = fraction > 0.5 || (fraction == 0.5 && place & 1 == 1);
            if rounds_up && fraction + precision > 1.0 {
                // Carries into the digits before it.
                loop {
                    match places.pop() {
                        None => {
                            whole += 1.0;
                            break;
                        }
                        Some(place) if place + 1 < radix => {
                            places.push(place + 1);
                            break;
                        }
                        Some(_) => {}
                    }
                }
                break;
            }
            if fraction < precision {
                break;
            }
        }
    }
    let mut digits: Vec<char> = Vec::new();
    // Above 2^53 the low digits are unknown; they are written as zeros.
    while whole >= 9_007_199_254_740_992.0 * base {
        whole /= base;
        digits.push('0');
    }
    loop {
        let rest = whole % base;
        digits.push(digit(rest));
        whole = (whole - rest) / base;
        if whole <= 0.0 {
            break;
        }
    }
    let mut text = String::new();
    if number < 0.0 {
        text.push('-');
    }
    text.extend(digits.iter().rev());
    if !places.is_empty() {
        text.push('.');
        text.extend(places.iter().map(|p| digit(f64::from(*p))));
    }
    Str::new(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_to_text_matches_javascript() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-120.0, "-120"),
            (0.1, "0.1"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (123456789012345680000.0, "123456789012345680000"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (5e-324, "5e-324"),
            (9007199254740993.0, "9007199254740992"),
        ] {
            assert_eq!(to_text(number).to_utf8(), text);
        }
    }

    #[test]
    fn text_to_number_matches_javascript() {
        for (text, number) in [
            ("", 0.0),
            (" 12\n", 12.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("0x1F", 31.0),
            ("0b11", 3.0),
            ("1e3", 1000.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("+7", 7.0),
        ] {
            assert_eq!(from_text(&Str::new(text)), number, "{text:?}");
        }
        for text in ["1x", "inf", "nan", "infinity", ".", "1e", "0x", "-0x1", "1_000", "--1", "1 2"] {
            assert!(from_text(&Str::new(text)).is_nan(), "{text:?}");
        }
        assert_eq!(parse_int(&Str::new(" -42px"), 0), -42.0);
        assert_eq!(parse_int(&Str::new("ff"), 16), 255.0);
        assert_eq!(parse_int(&Str::new("0x10"), 0), 16.0);
        assert!(parse_int(&Str::new("z"), 10).is_nan());
        for (text, radix, number) in [
            ("22112212012210221021221120122101", 3, 1_760_444_101_428_598.0),
            ("22112212012210221021221120122101", 5, 1.141_769_048_877_233_6e22),
            ("22112212012210221021221120122101", 13, 7.357_949_576_043_816e34),
            ("hhhhhhhhhhhhhhhhhhhh", 20, 9.381_995_789_473_685e25),
            ("zzzzzzzzzzzzzzzzzzzzzzz", 36, 6.236_738_252_042_933e35),
            ("000000000000009007199254740993", 36, 1.989_698_611_603_180_7e24),
            ("20000000000001", 16, 9_007_199_254_740_992.0),
        ] {
            assert_eq!(parse_int(&Str::new(text), radix), number, "{text} in radix {radix}");
        }
        assert_eq!(parse_float(&Str::new("3.5abc")), 3.5);
        assert_eq!(parse_float(&Str::new("-.5e")), -0.5);
    }

    #[test]
    fn fixed_exponential_and_precision_round_half_up_on_exact_values() {
        for (number, digits, text) in [
            (1.005, 2, "1.00"),
            (2.5, 0, "3"),
            (-2.5, 0, "-3"),
            (0.5, 0, "1"),
            (0.05, 1, "0.1"),
            (0.04, 1, "0.0"),
            (123.456, 2, "123.46"),
            (0.000001, 7, "0.0000010"),
            (1e20, 2, "100000000000000000000.00"),
            (0.0, 2, "0.00"),
            (9.99, 1, "10.0"),
            (0.99, 0, "1"),
            (-0.0001, 2, "-0.00"),
            (10.0, 0, "10"),
            (0.009, 1, "0.0"),
            (0.3, 0, "0"),
            (999.5, 0, "1000"),
        ] {
            assert_eq!(to_fixed(number, digits).to_utf8(), text, "{number} to {digits}");
        }
        assert_eq!(to_precision(2.5, 1).to_utf8(), "3");
        assert_eq!(to_precision(123.456, 4).to_utf8(), "123.5");
        assert_eq!(to_precision(0.00001, 1).to_utf8(), "0.00001");
        assert_eq!(to_precision(1234.5, 2).to_utf8(), "1.2e+3");
        assert_eq!(to_precision(99.99, 3).to_utf8(), "100");
        assert_eq!(to_exponential(12345.0, Some(2)).to_utf8(), "1.23e+4");
        assert_eq!(to_exponential(0.00015, None).to_utf8(), "1.5e-4");
    }

    #[test]
    fn to_radix_and_to_int32_match_javascript() {
        assert_eq!(to_radix(255.0, 16).to_utf8(), "ff");
        assert_eq!(to_radix(-0.5, 2).to_utf8(), "-0.1");
        assert_eq!(to_radix(0.1, 3).to_utf8(), "0.0022002200220022002200220022002201");
        assert_eq!(to_radix(1e21, 36).to_utf8(), "5v1j4f4ds7c000");
        assert_eq!(to_radix(2f64.powi(60) + 1024.0, 7).to_utf8(), "2031000661631341101500");
        for (number, radix, zeros, digits) in [
            (f64::from_bits(1), 2, 1073, "1"),
            (-f64::from_bits(1), 2, 1073, "1"),
            (f64::from_bits(1), 36, 207, "3"),
            (f64::from_bits(3), 3, 676, "2"),
            (2.225_073_858_507_201e-308, 16, 255, "3ffffffffffffc"),
            (f64::MIN_POSITIVE, 36, 197, "34lmua2oev"),
        ] {
            let sign = if number < 0.0 { "-" } else { "" };
            let text = format!("{sign}0.{}{digits}", "0".repeat(zeros));
            assert_eq!(to_radix(number, radix).to_utf8(), text, "{number:e} in radix {radix}");
        }
        assert_eq!(to_int32(4294967295.0), -1);
        assert_eq!(to_int32(-1.5), -1);
        assert_eq!(to_int32(1e20), 1661992960);
        assert_eq!(to_int32(f64::NAN), 0);
    }
}

//! Texts as parts of a URI. ECMA-262 §19.2.6 URI Handling Functions.

use super::super::abrupt_completion::{AbruptCompletion, Completion};
use super::super::conversion::{StrBuilder, check_text_length};
use super::super::machine::Machine;
use super::super::object::ErrorKind;
use super::super::text::Str;
use super::{BuiltinDefinition, NativeArgs, NativeResult};

/// Characters beside letters and digits that are not escaped.
const UNRESERVED: &str = "-.!~*'()_";
/// Characters with a meaning in a URI.
const RESERVED: &str = ";/?:@&=+$,#";

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §19.2.6.4 encodeURI.
    ("encodeURI", 1, |machine, args| encode(machine, args, RESERVED)),
    // ECMA-262 §19.2.6.5 encodeURIComponent.
    ("encodeURIComponent", 1, |machine, args| encode(machine, args, "")),
    // ECMA-262 §19.2.6.2 decodeURI.
    ("decodeURI", 1, |machine, args| decode(machine, args, RESERVED)),
    // ECMA-262 §19.2.6.3 decodeURIComponent.
    ("decodeURIComponent", 1, |machine, args| decode(machine, args, "")),
];

fn malformed<T>() -> Completion<T> {
    Err(AbruptCompletion::Error(ErrorKind::Uri, "URI malformed".to_owned()))
}

/// ECMA-262 §19.2.6.5 Encode.
fn encode(machine: &mut Machine, args: &NativeArgs, kept: &str) -> NativeResult {
    let text = super::arg_text(machine, args, 0)?;
    let units: Vec<u16> = text.units().iter().collect();
    let mut out = StrBuilder::default();
    for character in char::decode_utf16(units) {
        let Ok(character) = character else { return malformed() };
        if character.is_ascii_alphanumeric() || UNRESERVED.contains(character) || kept.contains(character) {
            out.push_str(character.encode_utf8(&mut [0; 4]));
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        check_text_length(machine, out.len())?;
    }
    machine.charge_work(text.len() as u64);
    Ok(out.build().into())
}

/// ECMA-262 §19.2.6.6 Decode. Escapes of characters in `kept` stay.
fn decode(machine: &mut Machine, args: &NativeArgs, kept: &str) -> NativeResult {
    let text = super::arg_text(machine, args, 0)?;
    let mut out = StrBuilder::default();
    let mut at = 0;
    while let Some(unit) = text.unit(at) {
        let start = at;
        if unit != u16::from(b'%') {
            out.push_unit(unit);
            at += 1;
            continue;
        }
        let Some(first) = escaped_byte(&text, &mut at) else { return malformed() };
        let length = match first {
            0..0x80 => 1,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf8 => 4,
            _ => return malformed(),
        };
        let mut bytes = vec![first];
        while bytes.len() < length {
            let Some(byte) = escaped_byte(&text, &mut at) else { return malformed() };
            bytes.push(byte);
        }
        let Ok(character) = std::str::from_utf8(&bytes) else { return malformed() };
        if kept.contains(character) {
            out.push(&text.slice(start, at));
        } else {
            out.push_str(character);
        }
    }
    machine.charge_work(text.len() as u64);
    Ok(out.build().into())
}

/// The byte of `%41` at `at`, which moves behind it.
fn escaped_byte(text: &Str, at: &mut usize) -> Option<u8> {
    let digit = |index: usize| char::from(u8::try_from(text.unit(index)?).ok()?).to_digit(16);
    let byte = match text.unit(*at)? {
        0x25 => digit(*at + 1)? * 16 + digit(*at + 2)?,
        _ => return None,
    };
    *at += 3;
    u8::try_from(byte).ok()
}

//! `btoa` and `atob`. HTML Standard (WHATWG), section 8.3 Base64 utility methods.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::conversion::{self, StrBuilder};
use super::super::machine::Machine;
use super::super::text::Str;
use super::{BuiltinDefinition, NativeResult, errors};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    ("btoa", 1, |machine, args| {
        let text = super::arg_text(machine, args, 0)?;
        machine.charge_work(text.len() as u64);
        let bytes: Result<Vec<u8>, _> = text.units().iter().map(u8::try_from).collect();
        match bytes {
            Ok(bytes) => Ok(Str::new(&FORGIVING.encode(bytes)).into()),
            Err(_) => invalid_character(machine, "Invalid character"),
        }
    }),
    ("atob", 1, |machine, args| {
        let text = super::arg_text(machine, args, 0)?.to_utf8();
        machine.charge_work(text.len() as u64);
        let text: String = text.chars().filter(|one| !matches!(one, ' ' | '\t' | '\n' | '\x0c' | '\r')).collect();
        let unpadded = match text.len() % 4 {
            0 => text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(&text),
            _ => &text,
        };
        if !unpadded.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')) {
            return invalid_character(machine, "Invalid character");
        }
        match FORGIVING.decode(unpadded) {
            Ok(bytes) => {
                let mut decoded = StrBuilder::default();
                bytes.into_iter().for_each(|byte| decoded.push_unit(u16::from(byte)));
                conversion::check_text_length(machine, decoded.len())?;
                Ok(decoded.build().into())
            }
            Err(_) => invalid_character(machine, "The string to be decoded is not correctly encoded."),
        }
    }),
];

/// The encoding: padding is optional when it is read, and bits of the last character that carry no data are ignored.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn invalid_character(machine: &mut Machine, message: &str) -> NativeResult {
    errors::throw_dom_exception(machine, "InvalidCharacterError", 5, message)
}

//! Statements with their parameters, in the binary forms of the protocol.

use std::error::Error;
use std::sync::Arc;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// Milliseconds from the epoch to 2000-01-01, from which the server counts.
pub(super) const SERVER_EPOCH_MS: i64 = 946_684_800_000;
/// The earliest time that the server stores: 4714-11-24 BC. All later ones within the safe integers are stored.
pub(super) const MIN_TIMESTAMP_MS: i64 = -210_866_803_200_000;

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Param {
    Null(Type),
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    /// The earliest time, before all that the server stores exactly.
    EarliestTime,
    /// The text of a JSON value.
    Json(String),
    Bytes(Vec<u8>),
    Texts(Vec<String>),
}

impl Param {
    pub(super) fn server_type(&self) -> Type {
        match self {
            Self::Null(null) => null.clone(),
            Self::Text(_) => Type::TEXT,
            Self::Int(_) => Type::INT8,
            Self::Float(_) => Type::FLOAT8,
            Self::Bool(_) => Type::BOOL,
            Self::Timestamp(_) | Self::EarliestTime => Type::TIMESTAMPTZ,
            Self::Json(_) => Type::JSONB,
            Self::Bytes(_) => Type::BYTEA,
            Self::Texts(_) => Type::TEXT_ARRAY,
        }
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl ToSql for Param {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null(_) => Ok(IsNull::Yes),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Float(number) => number.to_sql(ty, out),
            Self::Bool(truth) => truth.to_sql(ty, out),
            Self::Timestamp(millis) => {
                let micros = millis.checked_sub(SERVER_EPOCH_MS).and_then(|millis| millis.checked_mul(1_000));
                micros.ok_or("the time is out of range")?.to_sql(&Type::INT8, out)
            }
            Self::EarliestTime => i64::MIN.to_sql(&Type::INT8, out),
            Self::Json(text) => {
                // The version of the binary form.
                out.extend_from_slice(&[1]);
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
            Self::Texts(texts) => texts.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A statement and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SqlStatement {
    /// Shared, since most statements are sent many times.
    pub(super) text: Arc<str>,
    pub(super) params: Vec<Param>,
}

impl SqlStatement {
    pub(super) fn new(text: impl Into<Arc<str>>, params: Vec<Param>) -> Self {
        Self { text: text.into(), params }
    }

    /// Begins a transaction of this mode.
    pub(super) fn begin(mode: &str) -> Self {
        Self::new(format!("BEGIN {mode}"), Vec::new())
    }

    /// Ends a transaction.
    pub(super) fn commit() -> Self {
        Self::new("COMMIT", Vec::new())
    }

    /// Whether it begins a transaction.
    pub(super) fn begins(&self) -> bool {
        self.text.starts_with("BEGIN ")
    }

    /// The types of the parameters.
    pub(super) fn types(&self) -> Vec<Type> {
        self.params.iter().map(Param::server_type).collect()
    }
}

/// Adds a parameter, and returns its placeholder.
pub(super) fn bind(params: &mut Vec<Param>, param: Param) -> String {
    params.push(param);
    format!("${}", params.len())
}

/// A quoted identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a constant. The text has no backslash escapes (`standard_conforming_strings`).
pub(super) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The raw value of a column, in the binary form of its type.
pub(super) struct RawColumn<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for RawColumn<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Decodes a time to milliseconds since the epoch. None: it is infinite.
pub(super) fn decode_timestamp(raw: &[u8]) -> Option<i64> {
    let micros = i64::from_be_bytes(raw.try_into().ok()?);
    (micros != i64::MIN && micros != i64::MAX).then(|| micros.div_euclid(1_000).saturating_add(SERVER_EPOCH_MS))
}

/// Decodes a `numeric` to its text, with all digits of its scale. None: it is not a number.
pub(super) fn decode_numeric(raw: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u16::from_be_bytes(raw.get(at * 2..at * 2 + 2)?.try_into().ok()?));
    let (count, weight, sign, scale) = (word(0)?, word(1)?.cast_signed(), word(2)?, usize::from(word(3)?));
    let group = |position: i32| match usize::try_from(position) {
        Ok(position) if position < usize::from(count) => word(4 + position),
        _ => Some(0),
    };
    let mut text = String::new();
    match sign {
        0 => {}
        0x4000 => text.push('-'),
        _ => return None,
    }
    let weight = i32::from(weight);
    if weight < 0 {
        text.push('0');
    }
    for position in 0..=weight {
        let digits = group(position)?;
        text.push_str(&if position == 0 { digits.to_string() } else { format!("{digits:04}") });
    }
    if scale > 0 {
        let mut fraction = String::new();
        let mut position = weight + 1;
        // A number below one may have groups of zeros that are not stored.
        let leading = if weight < -1 { usize::try_from(-1 - weight).ok()? } else { 0 };
        fraction.push_str(&"0000".repeat(leading));
        position = position.max(0);
        while fraction.len() < scale {
            fraction.push_str(&format!("{:04}", group(position)?));
            position += 1;
        }
        text.push('.');
        text.push_str(&fraction[..scale]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> Option<String> {
        let head = [u16::try_from(digits.len()).unwrap(), weight.cast_unsigned(), sign, scale];
        let raw: Vec<u8> = head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect();
        decode_numeric(&raw)
    }

    #[test]
    fn numeric_is_decoded_with_all_digits_of_its_scale() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(numeric(0, 0, 2, &[12, 5000]), text("12.50"));
        assert_eq!(numeric(0, 0x4000, 2, &[12, 3400]), text("-12.34"));
        assert_eq!(numeric(1, 0, 0, &[1]), text("10000"));
        assert_eq!(numeric(1, 0, 0, &[12, 7]), text("120007"));
        assert_eq!(numeric(0, 0, 3, &[]), text("0.000"));
        assert_eq!(numeric(-1, 0, 3, &[1230]), text("0.123"));
        assert_eq!(numeric(-2, 0, 6, &[1200]), text("0.000012"));
        assert_eq!(numeric(-3, 0, 10, &[1200]), text("0.0000000012"));
        assert_eq!(numeric(0, 0xc000, 0, &[]), None);
    }

    #[test]
    fn identifiers_and_constants_are_quoted() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_text("it's"), "'it''s'");
    }
}

//! Formats of fields: what SQL columns, JSON Schemas and the check of a write know of values beyond their kind.

use std::fmt;

use runstate_value::time::Date;
use runstate_value::{Document, Json};
use serde_json::json;

use super::{Kind, parse_decimal};

/// A set of values of one kind, as a column type of SQL has it. A column of that type returns each of them as it was
/// stored.
///
/// | format | kinds | values |
/// |---|---|---|
/// | `uuid` | text, id | a UUID in lower case with hyphens (RFC 9562) |
/// | `date` | text | a day, `YYYY-MM-DD`, of the years 1 to 9999 |
/// | `varchar(n)` | text, id | at most n characters (Unicode code points) |
/// | `decimal(p, s)` | decimal | at most p - s digits before the point and s after it, the last of them not 0 |
/// | `integer` | int | 32 bits with a sign |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A UUID.
    Uuid,
    /// A day.
    Date,
    /// A text of at most this number of characters.
    Varchar(u32),
    /// A decimal number of at most this precision, with at most this scale.
    Decimal(u32, u32),
    /// An integer of 32 bits.
    Integer,
}

impl Format {
    /// Whether values of this kind may have the format.
    pub fn suits(self, kind: Kind) -> bool {
        match self {
            Self::Uuid | Self::Varchar(_) => matches!(kind, Kind::Text | Kind::Id),
            Self::Date => kind == Kind::Text,
            Self::Decimal(precision, scale) => kind == Kind::Decimal && scale <= precision,
            Self::Integer => kind == Kind::Int,
        }
    }

    /// Whether a value of such a kind has the format.
    pub fn fits(self, value: &Json) -> bool {
        let text = value.as_str().unwrap_or_default();
        match self {
            Self::Uuid => is_uuid(text),
            Self::Date => Date::parse(text).is_some(),
            Self::Varchar(characters) => text.chars().take(characters as usize + 1).count() <= characters as usize,
            Self::Decimal(precision, scale) => is_decimal(text, precision, scale),
            Self::Integer => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        }
    }

    /// A noun phrase for its values, with an article.
    pub(super) fn phrase(self) -> String {
        match self {
            Self::Uuid => "a UUID in lower case with hyphens".to_owned(),
            Self::Date => "a day `YYYY-MM-DD`".to_owned(),
            Self::Varchar(characters) => format!("a text of at most {characters} characters"),
            Self::Decimal(precision, scale) => format!(
                "a decimal number with at most {} digits before the point and {scale} after it, the last of them not 0",
                precision - scale
            ),
            Self::Integer => "an integer of 32 bits".to_owned(),
        }
    }

    /// The keywords of a JSON Schema for it, besides the type.
    pub fn keywords(self) -> Document {
        let keywords = match self {
            Self::Uuid => json!({"format": "uuid"}),
            Self::Date => json!({"format": "date"}),
            Self::Varchar(characters) => json!({"maxLength": characters}),
            Self::Decimal(..) => json!({}),
            Self::Integer => json!({"minimum": i32::MIN, "maximum": i32::MAX}),
        };
        keywords.as_object().cloned().unwrap_or_default()
    }
}

/// As in SQL: `varchar(50)`.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid => f.write_str("uuid"),
            Self::Date => f.write_str("date"),
            Self::Varchar(characters) => write!(f, "varchar({characters})"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision}, {scale})"),
            Self::Integer => f.write_str("integer"),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || lower_hex(byte))
}

fn is_decimal(text: &str, precision: u32, scale: u32) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    // The zero before the point is not a digit of the number.
    let digits = if whole == "0" { 0 } else { whole.len() };
    parse_decimal(text).is_some()
        && !(text.contains('.') && text.ends_with('0'))
        && digits <= (precision - scale) as usize
        && fraction.len() <= scale as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Catalog, Collection, Field, check};

    const C: Collection = Collection::new("t.t", 1).fields(&[
        Field::id("uuid").format(Format::Uuid).optional(),
        Field::text("day").format(Format::Date).optional(),
        Field::text("name").format(Format::Varchar(3)).optional(),
        Field::decimal("money").format(Format::Decimal(5, 2)).optional(),
        Field::int("count").format(Format::Integer).optional(),
    ]);
    const WRONG: Collection = Collection::new("t.t", 1).fields(&[Field::int("n").format(Format::Varchar(3))]);

    #[test]
    fn values_that_break_their_format_are_rejected() {
        let says = |d: Json| check(&C, d.as_object().unwrap()).map_err(|violation| violation.to_string());
        for valid in [
            json!({"uuid": "01900000-0000-7000-8000-00000000000f", "day": "2024-02-29", "name": "é東京", "count": -2_147_483_648i64}),
            json!({"money": "999.99"}),
            json!({"money": "-0.5"}),
            json!({"money": "0"}),
            json!({"money": "10", "uuid": null}),
        ] {
            assert_eq!(says(valid.clone()), Ok(()), "{valid}");
        }
        for (field, value, problem) in [
            ("uuid", json!("01900000-0000-7000-8000-00000000000F"), "a UUID in lower case with hyphens"),
            ("uuid", json!("0190000000007000800000000000000f"), "a UUID in lower case with hyphens"),
            ("uuid", json!("01900000-0000-7000-8000-00000000000g"), "a UUID in lower case with hyphens"),
            ("day", json!("2023-02-29"), "a day `YYYY-MM-DD`"),
            ("name", json!("abcd"), "a text of at most 3 characters"),
            ("count", json!(2_147_483_648i64), "an integer of 32 bits"),
        ] {
            assert_eq!(says(json!({field: value})), Err(format!("{field}: is not {problem}")));
        }
        for money in ["1000", "0.001", "1.50", "1.0"] {
            assert!(
                says(json!({"money": money})).unwrap_err().starts_with("money: is not a decimal number with"),
                "{money}"
            );
        }
    }

    #[test]
    fn a_format_of_another_kind_is_not_declared() {
        let problem = Catalog::new(&[&WRONG]).unwrap_err().problem;
        assert_eq!(problem, "the format varchar(3) of `n` is not one of its kind");
        assert!(Catalog::new(&[&C]).is_ok());
    }
}

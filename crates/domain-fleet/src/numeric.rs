//! Exact decimal numbers of a fixed precision, as columns of SQL have them.

use std::borrow::Cow;
use std::fmt;

use runstate_core::error_code::ErrorCode;
use runstate_core::operation::Mismatch;
use runstate_core::prelude::*;
use runstate_core::schema::{FieldType, Format, Kind, NumberRange, Violation, parse_decimal};
use rust_decimal::{Decimal, RoundingStrategy};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserializer, Serializer};

/// A decimal number from 0 to `MAX`, with at most `SCALE` digits after the point, and `PRECISION` in all. Its text has
/// no trailing zeros: `12.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numeric<const PRECISION: u32, const SCALE: u32, const MAX: i64 = { i64::MAX }>(Decimal);

/// An amount of a resource: up to 999,999,999.999999.
pub type Amount = Numeric<15, 6>;

/// A cost in Canadian dollars: up to 999,999.9999.
pub type CadCost = Numeric<10, 4>;

impl<const PRECISION: u32, const SCALE: u32, const MAX: i64> Numeric<PRECISION, SCALE, MAX> {
    /// Zero.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// This number; `None`: it is negative, too large, or has more digits after the point.
    pub fn new(number: Decimal) -> Option<Self> {
        let number = number.normalize();
        let is_valid = !number.is_sign_negative() && number <= MAX.into() && number < Self::bound();
        (is_valid && number.scale() <= SCALE).then_some(Self(number))
    }

    /// The number nearest to this one; a half is rounded up. `None`: it is negative or too large.
    pub fn round(number: Decimal) -> Option<Self> {
        Self::new(number.round_dp_with_strategy(SCALE, RoundingStrategy::MidpointAwayFromZero))
    }

    /// The least number that is not smaller than this one: what is used counts, however little it is. `None`: it is
    /// negative or too large.
    pub fn round_up(number: Decimal) -> Option<Self> {
        Self::new(number.round_dp_with_strategy(SCALE, RoundingStrategy::AwayFromZero))
    }

    /// The least number that is too large.
    pub(super) fn bound() -> Decimal {
        Decimal::from(10u64.pow(PRECISION - SCALE))
    }

    /// Parses digits with at most one point; `None` for any other text, and for a number that is not one of these.
    pub fn parse(text: &str) -> Option<Self> {
        parse_decimal(text).and_then(Self::new)
    }

    /// As a number.
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// The sum. Errors: `limit`.
    pub fn plus(self, other: Self) -> Result<Self> {
        self.0.checked_add(other.0).and_then(Self::new).ok_or_else(|| Rejection::Limit {
            what: format!("{self} and {other} together"),
            limit: format!("less than {}", Self::bound()),
            remedy: "use another unit",
        })
    }

    /// The difference. Errors: `corrupt`, because what is taken away was added before.
    pub fn minus(self, other: Self) -> Result<Self> {
        let difference = self.0.checked_sub(other.0).and_then(Self::new);
        difference
            .ok_or_else(|| Rejection::domain(ErrorCode::CORRUPT, format!("{other} of {self} cannot be given back")))
    }
}

impl<const PRECISION: u32, const SCALE: u32, const MAX: i64> fmt::Display for Numeric<PRECISION, SCALE, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const PRECISION: u32, const SCALE: u32, const MAX: i64> Serialize for Numeric<PRECISION, SCALE, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const PRECISION: u32, const SCALE: u32, const MAX: i64> Deserialize<'de> for Numeric<PRECISION, SCALE, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not {}", Self::expected())))
    }
}

impl<const PRECISION: u32, const SCALE: u32, const MAX: i64> JsonSchema for Numeric<PRECISION, SCALE, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Numeric{PRECISION}_{SCALE}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl<const PRECISION: u32, const SCALE: u32, const MAX: i64> FieldType for Numeric<PRECISION, SCALE, MAX> {
    const KIND: Kind = Kind::Decimal;
    const FORMAT: Option<Format> = Some(Format::Decimal(PRECISION, SCALE));
    const RANGE: NumberRange = NumberRange { min: Some(0), max: if MAX < i64::MAX { Some(MAX) } else { None } };

    fn to_json(&self) -> Result<Json, Violation> {
        Ok(self.to_string().into())
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        let number = value.as_str().and_then(Self::parse);
        number.ok_or_else(|| Violation::new(String::new(), format!("is not {}", Self::expected())))
    }
}

impl<const PRECISION: u32, const SCALE: u32, const MAX: i64> Parameter for Numeric<PRECISION, SCALE, MAX> {
    fn expected() -> String {
        let range = Self::RANGE;
        let bound = if range.max.is_none() { format!(" and less than {}", Self::bound()) } else { String::new() };
        format!("a decimal number in text, {range}{bound}, with at most {SCALE} digits after the point")
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        let number = value.as_str().and_then(Self::parse);
        number.ok_or_else(|| Mismatch::of_type(Self::expected(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_of_the_precision_are_amounts() {
        for (text, expected) in [("0", "0"), ("12.50", "12.5"), ("999999999.999999", "999999999.999999")] {
            assert_eq!(Amount::parse(text).map(|amount| amount.to_string()).as_deref(), Some(expected));
        }
        for text in ["-1", "0.0000001", "1000000000", "1e3", "", "NaN"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
        assert_eq!(["1", "1.0001"].map(|text| Numeric::<5, 4, 1>::parse(text).is_some()), [true, false]);
    }

    #[test]
    fn sums_beyond_the_precision_are_rejected() {
        let (largest, least) = (Amount::parse("999999999.999999").unwrap(), Amount::parse("0.000001").unwrap());
        assert!(largest.plus(least).is_err());
        assert!(least.minus(largest).is_err());
        assert_eq!(CadCost::round(Decimal::new(12_345, 5)).unwrap().to_string(), "0.1235");
    }
}

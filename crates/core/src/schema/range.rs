//! Ranges of numbers.

use std::fmt;

use runstate_value::Json;
use rust_decimal::Decimal;

use super::{Kind, parse_decimal};

/// The least and the greatest value of a field of numbers, both included.
///
/// ```
/// use runstate::schema::NumberRange;
/// let share = NumberRange { min: Some(0), max: Some(1) };
/// assert!(share.contains(&"0.25".into()) && !share.contains(&2.into()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumberRange {
    /// The least value; `None`: there is no bound.
    pub min: Option<i64>,
    /// The greatest value.
    pub max: Option<i64>,
}

impl NumberRange {
    /// Any number.
    pub const ANY: Self = Self { min: None, max: None };

    /// The numbers from zero on.
    pub const NOT_NEGATIVE: Self = Self { min: Some(0), max: None };

    /// Whether the value, an integer or the text of a decimal number, is in the range. Other values are.
    pub fn contains(self, value: &Json) -> bool {
        let number = value.as_i64().map(Decimal::from).or_else(|| parse_decimal(value.as_str()?));
        number.is_none_or(|number| {
            self.min.is_none_or(|min| number >= min.into()) && self.max.is_none_or(|max| number <= max.into())
        })
    }

    /// Whether values of this kind may have a range.
    pub(super) fn suits(self, kind: Kind) -> bool {
        self == Self::ANY || matches!(kind, Kind::Int | Kind::Decimal)
    }
}

/// As a noun phrase: `from 0 to 1`.
impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, "from {min} to {max}"),
            (Some(min), None) => write!(f, "{min} or more"),
            (None, Some(max)) => write!(f, "{max} or less"),
            (None, None) => f.write_str("any number"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{Catalog, Collection, Field, check};

    const C: Collection = Collection::new("t.t", 1).fields(&[
        Field::decimal("share").range(NumberRange { min: Some(0), max: Some(1) }).optional(),
        Field::int("count").range(NumberRange::NOT_NEGATIVE).optional(),
    ]);
    const TEXT: Collection = Collection::new("t.t", 1).fields(&[Field::text("x").range(NumberRange::NOT_NEGATIVE)]);

    #[test]
    fn values_outside_of_their_range_are_rejected() {
        assert!(Catalog::new(&[&C]).is_ok());
        let says = |d: Json| check(&C, d.as_object().unwrap()).map_err(|violation| violation.to_string());
        for valid in [json!({"share": "0"}), json!({"share": "1", "count": 0}), json!({"share": null, "count": null})] {
            assert_eq!(says(valid.clone()), Ok(()), "{valid}");
        }
        for (invalid, expected) in [
            (json!({"share": "1.0001"}), "share: is not a number from 0 to 1"),
            (json!({"share": "-0.1"}), "share: is not a number from 0 to 1"),
            (json!({"count": -1}), "count: is not a number 0 or more"),
        ] {
            assert_eq!(says(invalid), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_range_of_another_kind_is_not_declared() {
        let problem = |c: &'static Collection| Catalog::new(&[c]).unwrap_err().problem;
        assert_eq!(problem(&TEXT), "the range of `x` is not one of its kind");
    }
}

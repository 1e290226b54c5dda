//! Conditions on the input of an execution and the outputs of its steps.

use std::cmp::Ordering;

use runstate_core::operation::Mismatch;
use runstate_core::prelude::*;
use runstate_value::{compare, from_value, is_equal};
use schemars::JsonSchema;

use super::mapping::ValuePath;

/// Decides whether a step runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Condition {
    /// Always or never. A step with `true` also runs if a step that it depends on was skipped.
    Constant(bool),
    /// Whether the value at a path equals another one. A missing value is null.
    Equals {
        /// The path: `$.steps.2.output.valid`.
        value: String,
        /// The other value.
        equals: Json,
    },
    /// Whether the value at a path is less than another one: a smaller number, or an earlier text in the order of its
    /// code points. A value of another type is not.
    Less {
        /// The path.
        value: String,
        /// The other value.
        lt: Operand,
    },
    /// Whether the value at a path is greater than another one, as with `lt`.
    Greater {
        /// The path.
        value: String,
        /// The other value.
        gt: Operand,
    },
    /// Whether the value at a path equals one of these. A missing value is null.
    In {
        /// The path.
        value: String,
        /// The other values.
        r#in: Vec<Json>,
    },
    /// Whether there is a value at a path that is not null.
    Exists {
        /// The path.
        value: String,
        /// Whether there must be one.
        exists: bool,
    },
    /// All of these.
    All {
        /// The conditions.
        all: Vec<Condition>,
    },
    /// At least one of these.
    Any {
        /// The conditions.
        any: Vec<Condition>,
    },
    /// Not this.
    Not {
        /// The condition.
        not: Box<Condition>,
    },
}

/// A value with an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Operand {
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
}

impl Operand {
    /// The order of a value against this one; `None`: it has another type.
    fn compare(&self, value: &Json) -> Option<Ordering> {
        let own = match self {
            Self::Number(number) => Json::Number(number.clone()),
            Self::Text(text) => Json::String(text.clone()),
        };
        (value.is_number() == own.is_number() && value.is_string() == own.is_string()).then(|| compare(value, &own))
    }
}

impl Condition {
    /// The texts of all paths.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Equals { value, .. }
            | Self::Less { value, .. }
            | Self::Greater { value, .. }
            | Self::In { value, .. }
            | Self::Exists { value, .. } => vec![value],
            Self::All { all: conditions } | Self::Any { any: conditions } => {
                conditions.iter().flat_map(Self::paths).collect()
            }
            Self::Not { not } => not.paths(),
        }
    }

    /// Whether it holds. `get` returns the value at a path; null if there is none.
    pub fn holds(&self, get: &dyn Fn(&ValuePath) -> Json) -> bool {
        let value = |path: &str| ValuePath::parse(path).map_or(Json::Null, |path| get(&path));
        match self {
            Self::Constant(constant) => *constant,
            Self::Equals { value: path, equals } => is_equal(&value(path), equals),
            Self::Less { value: path, lt } => lt.compare(&value(path)) == Some(Ordering::Less),
            Self::Greater { value: path, gt } => gt.compare(&value(path)) == Some(Ordering::Greater),
            Self::In { value: path, r#in: others } => {
                let value = value(path);
                others.iter().any(|other| is_equal(&value, other))
            }
            Self::Exists { value: path, exists } => value(path).is_null() != *exists,
            Self::All { all } => all.iter().all(|one| one.holds(get)),
            Self::Any { any } => any.iter().any(|one| one.holds(get)),
            Self::Not { not } => !not.holds(get),
        }
    }
}

impl Parameter for Condition {
    fn expected() -> String {
        let with_value = "{ value, equals }, { value, lt }, { value, gt }, { value, in }, { value, exists }";
        format!("a condition: true, {with_value}, {{ all }}, {{ any }} or {{ not }}")
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        from_value(&value).map_err(|_| Mismatch::of_type(Self::expected(), value))
    }
}

//! Validation of answers: choices and schemas. The code is pure: a schema and a given value in, the program's value or an error out.
//!
//! | file | contents |
//! |---|---|
//! | `parser.rs` | parses a program's JSON to a schema, or reports the problem |
//! | `checker.rs` | checks a value against a schema |
//! | `decimal.rs` | multiples of numbers, in decimal notation |
//! | `coercion.rs` | converts a given answer to the program's value |
//! | `validation_error.rs` | why a value does not match, in words |
//! | `description.rs` | describes a schema in words |

mod checker;
mod coercion;
mod description;
mod parser;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
mod validation_error;

use std::sync::Arc;

use crate::value::{Json, SortedMap};
use crate::vm::TextRegExp;

pub use coercion::coerce_answer;
pub use validation_error::ValidationError;

/// A schema of values: a subset of JSON Schema, checked when it is parsed.
///
/// Keywords: `type`, `properties`, `required`, `items` (one schema), `additionalProperties`, `enum`, `const`, `minimum`, `maximum`,
/// `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, `minLength`, `maxLength` (in Unicode code points), `pattern` (ECMAScript with the
/// flag `u`), `minItems`, `maxItems`, `minProperties`, `maxProperties`. They mean what JSON Schema says: a keyword about objects does not
/// restrict a text, and a schema for objects needs `type: "object"`. Annotations are ignored: `title`, `description`, `default`,
/// `examples`, `$schema`, `$id`, `$comment`, `format`, `deprecated`, `readOnly`, `writeOnly`. Any other keyword is an error.
///
/// ```
/// use runstate::domain::cvm::Schema;
/// use serde_json::json;
///
/// let schema = Schema::parse(&json!({
///     "type": "object",
///     "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18}},
///     "required": ["name", "age"],
/// }))?;
/// assert_eq!(schema.describe(), r#"an object with "name" (text) and "age" (integer ≥ 18)"#);
/// assert!(schema.check(&json!({"name": "Ada", "age": 36})).is_ok());
///
/// let misfit = schema.check(&json!({"name": "Ada", "age": 12})).unwrap_err();
/// assert_eq!(misfit.to_string(), "at /age: an integer of at least 18 is expected, 12 was given");
///
/// let wrong = Schema::parse(&json!({"properties": {"age": {"minimum": "18"}}})).unwrap_err();
/// assert_eq!(wrong, "schema.properties.age.minimum must be a number");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schema(SchemaNode);

/// A schema, or one within it. Schemas nest at most [`VALUE_DEPTH`](crate::limits::VALUE_DEPTH) deep, so that recursion over them is safe.
#[derive(Clone, Debug)]
enum SchemaNode {
    /// `true`, or a schema without keywords.
    Anything,
    /// `false`
    Nothing,
    SchemaKeywords(Box<SchemaKeywords>),
}

/// The keywords of a schema. A missing keyword restricts nothing.
#[derive(Clone, Debug, Default)]
struct SchemaKeywords {
    types: Option<Vec<JsonType>>,
    enum_values: Option<EnumValues>,
    /// `const`
    const_value: Option<Json>,
    number: NumberBounds,
    text: SizeBounds,
    pattern: Option<SchemaPattern>,
    list: SizeBounds,
    items: Option<SchemaNode>,
    object: SizeBounds,
    properties: SortedMap<String, SchemaNode>,
    required: Vec<String>,
    /// `additionalProperties`
    additional_properties: Option<SchemaNode>,
}

/// A type by its name in JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonType {
    Object,
    Array,
    String,
    Number,
    Integer,
    Boolean,
    Null,
}

/// The values of an `enum`: as they were written, and sorted for a binary search.
#[derive(Clone, Debug)]
struct EnumValues {
    values: Vec<Json>,
    sorted: Vec<Json>,
}

/// Bounds of numbers.
#[derive(Clone, Debug, Default)]
struct NumberBounds {
    minimum: Option<Json>,
    maximum: Option<Json>,
    exclusive_minimum: Option<Json>,
    exclusive_maximum: Option<Json>,
    multiple_of: Option<Json>,
}

/// Bounds of a length.
#[derive(Clone, Copy, Debug, Default)]
struct SizeBounds {
    min: Option<u64>,
    max: Option<u64>,
}

#[derive(Clone, Debug)]
struct SchemaPattern {
    source: String,
    compiled: Arc<TextRegExp>,
}

impl Schema {
    /// Parses a schema.
    ///
    /// # Errors
    /// The problem, in words for the author of the program, with its path: `schema.properties.age.minimum must be a number`.
    pub fn parse(json: &Json) -> Result<Self, String> {
        parser::parse(json).map(Self)
    }

    /// Checks whether `value` matches. Nothing is converted: a text stays a text.
    ///
    /// # Errors
    /// The first mismatch in the order of the value: a list or object itself before its content. A text on which the patterns take more
    /// than [`SCHEMA_PATTERN_STEPS`](crate::limits::SCHEMA_PATTERN_STEPS) steps does not match either.
    pub fn check(&self, value: &Json) -> Result<(), ValidationError> {
        checker::check(&self.0, value)
    }

    /// Describes the schema, in words for a person or a model: `an object with "name" (text) and "age" (integer ≥ 0)`. The description has
    /// at most 400 characters, and ends in `…` if it was cut.
    pub fn describe(&self) -> String {
        description::describe(&self.0)
    }
}

impl JsonType {
    const ALL: [JsonType; 7] = [
        JsonType::Object,
        JsonType::Array,
        JsonType::String,
        JsonType::Number,
        JsonType::Integer,
        JsonType::Boolean,
        JsonType::Null,
    ];

    fn name(self) -> &'static str {
        match self {
            JsonType::Object => "object",
            JsonType::Array => "array",
            JsonType::String => "string",
            JsonType::Number => "number",
            JsonType::Integer => "integer",
            JsonType::Boolean => "boolean",
            JsonType::Null => "null",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn matches(self, value: &Json) -> bool {
        match (self, value) {
            (JsonType::Object, Json::Object(_))
            | (JsonType::Array, Json::Array(_))
            | (JsonType::String, Json::String(_))
            | (JsonType::Number, Json::Number(_))
            | (JsonType::Boolean, Json::Bool(_))
            | (JsonType::Null, Json::Null) => true,
            // 3.0 is an integer: JSON Schema requires a number without a fraction, in any notation.
            (JsonType::Integer, Json::Number(n)) => !n.is_f64() || n.as_f64().is_some_and(|n| n.fract() == 0.0),
            _ => false,
        }
    }
}

impl SchemaNode {
    /// Whether it accepts texts. A text that does not match such a schema is reported as a text, not as JSON.
    fn accepts_strings(&self) -> bool {
        let SchemaNode::SchemaKeywords(rules) = self else { return matches!(self, SchemaNode::Anything) };
        let typed = rules.types.as_ref().is_none_or(|types| types.contains(&JsonType::String));
        let listed = rules.enum_values.as_ref().is_none_or(|choices| choices.values.iter().any(Json::is_string));
        typed && listed && rules.const_value.as_ref().is_none_or(Json::is_string)
    }

    /// Whether it has no type, but keywords that only apply to objects and lists.
    fn implies_object_or_array(&self) -> bool {
        let SchemaNode::SchemaKeywords(rules) = self else { return false };
        let members =
            !rules.properties.is_empty() || !rules.required.is_empty() || rules.additional_properties.is_some();
        rules.types.is_none() && (members || rules.items.is_some())
    }
}

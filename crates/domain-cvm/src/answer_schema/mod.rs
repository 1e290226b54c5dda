//! Validation of answers: choices and schemas. The code is pure: a schema and a given value in, the program's value or
//! an error out.
//!
//! | file | contents |
//! |---|---|
//! | `mod.rs` | the schema and its parts |
//! | `parser.rs` | reads a schema from a program's JSON |
//! | `references.rs` | resolves `$ref`, and derives what a schema with references accepts |
//! | `format.rs` | the formats of texts |
//! | `checker.rs` | checks a value against a schema |
//! | `coercion.rs` | converts an answer to the program's value |
//! | `description.rs` | describes a schema and a validation error in words |
//!
//! An unknown keyword is an error for the program's author: if it were ignored, answers would be accepted that the
//! program does not expect.

mod checker;
mod coercion;
mod description;
mod format;
mod parser;
#[cfg(test)]
mod property_tests;
mod references;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use runstate_value::{Json, SortedMap};
use runstate_vm::TextRegExp;

pub use coercion::coerce_answer;
pub use description::ValidationError;
use format::TextFormat;
use references::Acceptance;

/// A schema of values: a subset of JSON Schema, checked when it is parsed.
///
/// Keywords: `type`, `properties`, `required`, `items` (one schema), `additionalProperties`, `enum`, `const`,
/// `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, `minLength`, `maxLength` (in Unicode
/// code points), `pattern` (ECMAScript with the flag `u`), `format`, `minItems`, `maxItems`, `minProperties`,
/// `maxProperties`, `anyOf`, `oneOf`, `allOf`, `$ref`, and `$defs` in the outermost schema. They mean what JSON Schema
/// 2020-12 says: a keyword about objects does not restrict a text, and a schema for objects needs `type: "object"`.
///
/// - `format` is checked: `date-time`, `date`, `time`, `duration`, `email`, `hostname`, `ipv4`, `ipv6`, `uri`, `uuid`,
///   `regex`. Any other format is an error.
/// - `$ref` is `#` for the outermost schema, or `#/$defs/NAME`. A schema may contain itself in its members or items: a
///   tree. A schema that is only itself is an error.
/// - Annotations are ignored: `title`, `description`, `default`, `examples`, `$schema`, `$id`, `$comment`,
///   `deprecated`, `readOnly`, `writeOnly`. Any other keyword is an error.
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
/// let mismatch = schema.check(&json!({"name": "Ada", "age": 12})).unwrap_err();
/// assert_eq!(mismatch.to_string(), "at /age: an integer of at least 18 is expected, 12 was given");
///
/// let wrong = Schema::parse(&json!({"properties": {"age": {"minimum": "18"}}})).unwrap_err();
/// assert_eq!(wrong, "schema.properties.age.minimum must be a number");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    /// The outermost schema, and those of its `$defs`. A `$ref` is an index.
    definitions: Vec<Definition>,
    /// What the outermost schema accepts.
    acceptance: Acceptance,
}

/// A schema to which `$ref` may refer.
#[derive(Clone, Debug)]
struct Definition {
    /// The name in `$defs`; empty for the outermost schema.
    name: String,
    node: SchemaNode,
}

/// A schema, or one within it. Without their references, schemas nest at most
/// [`VALUE_DEPTH`](runstate_core::limits::VALUE_DEPTH) deep, so that recursion over them is safe.
#[derive(Clone, Debug)]
enum SchemaNode {
    /// `true`, or a schema without keywords.
    Anything,
    /// `false`
    Nothing,
    /// Keywords that all apply.
    Keywords(Box<SchemaKeywords>),
}

/// The keywords of a schema. A missing keyword restricts nothing.
#[derive(Clone, Debug, Default)]
struct SchemaKeywords {
    types: Option<Vec<JsonType>>,
    enum_values: Option<EnumValues>,
    /// `const`
    const_value: Option<Json>,
    /// The number of its values.
    const_weight: usize,
    number: NumberBounds,
    text: SizeBounds,
    pattern: Option<SchemaPattern>,
    format: Option<TextFormat>,
    list: SizeBounds,
    items: Option<SchemaNode>,
    object: SizeBounds,
    properties: SortedMap<String, SchemaNode>,
    /// The names of the properties, in the order of the author.
    property_order: Vec<String>,
    required: Vec<String>,
    /// `additionalProperties`
    additional_properties: Option<SchemaNode>,
    /// `$ref`, as an index into the definitions.
    reference: Option<usize>,
    all_of: Vec<SchemaNode>,
    /// Not empty.
    any_of: Option<Vec<SchemaNode>>,
    /// Not empty.
    one_of: Option<Vec<SchemaNode>>,
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
    /// The number of values in the largest one.
    largest: usize,
}

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
    /// The problem, in words for the author of the program, with its path: `schema.properties.age.minimum must be a
    /// number`.
    pub fn parse(json: &Json) -> Result<Self, String> {
        parser::parse(json, false)
    }

    /// Parses the schema of a stored call. Earlier versions ignored `format`: an unknown one restricts nothing here.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub fn parse_stored(json: &Json) -> Result<Self, String> {
        parser::parse(json, true)
    }

    /// Checks whether `value` matches. Nothing is converted: a text stays a text.
    ///
    /// # Errors
    /// The first mismatch in the order of the value: a list or object itself before its content. A text on which the
    /// patterns take more than [`SCHEMA_PATTERN_STEPS`](runstate_core::limits::SCHEMA_PATTERN_STEPS) steps does not
    /// match either, nor does a value that needs more than
    /// [`SCHEMA_CHECK_STEPS`](runstate_core::limits::SCHEMA_CHECK_STEPS) steps.
    pub fn check(&self, value: &Json) -> Result<(), ValidationError> {
        checker::check(self, value)
    }

    /// Describes the schema, in words for a person or a model: `an object with "name" (text) and "age" (integer ≥ 0)`.
    /// The description has at most 400 characters, and ends in `…` if it was cut.
    pub fn describe(&self) -> String {
        description::describe(self)
    }

    /// The values that match, if the schema is a list of them: an `enum`, a `const`, or an `anyOf` or `oneOf` of such
    /// schemas, with `null` among them or without. `None` for any other schema, and for more than 1,000 values.
    ///
    /// ```
    /// use runstate::domain::cvm::Schema;
    /// use serde_json::json;
    ///
    /// let size = Schema::parse(&json!({"anyOf": [{"enum": ["small", "large"]}, {"const": 7}]}))?;
    /// assert_eq!(size.choices(), Some(vec![json!("small"), json!("large"), json!(7)]));
    /// # Ok::<(), String>(())
    /// ```
    pub fn choices(&self) -> Option<Vec<Json>> {
        references::choices(self)
    }

    /// Whether a text is accepted as it is, and is not read as JSON first.
    pub fn takes_text(&self) -> bool {
        self.acceptance.strings && !self.acceptance.implies_container
    }

    fn root(&self) -> &SchemaNode {
        &self.definitions[0].node
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

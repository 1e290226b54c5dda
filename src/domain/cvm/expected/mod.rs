//! What an answer must look like: choices, and a schema. Pure: what is expected, what was given, what the program gets.
//!
//! | file | what lives there |
//! |---|---|
//! | `parse.rs` | from a program's JSON to a schema, or what is wrong with it |
//! | `check.rs` | whether a value fits |
//! | `decimal.rs` | whether a number is a multiple of another, as they are written |
//! | `fit.rs` | from an answer as it was given to what the program gets |
//! | `misfit.rs` | why a value does not fit, in words |
//! | `describe.rs` | what a schema wants, in words |

mod check;
mod decimal;
mod describe;
mod fit;
mod misfit;
mod parse;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::value::{Few, Json};
use crate::vm::TextPattern;

pub use fit::fit;
pub use misfit::Misfit;

/// What a value must look like: a subset of JSON Schema that was checked when it was read.
///
/// Keywords: `type`, `properties`, `required`, `items` (one schema), `additionalProperties`, `enum`, `const`, `minimum`, `maximum`,
/// `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, `minLength`, `maxLength` (in Unicode code points), `pattern` (ECMAScript with
/// the flag `u`), `minItems`, `maxItems`, `minProperties`, `maxProperties`. They mean what JSON Schema says; so a keyword
/// about objects says nothing of a text, and whoever wants an object says `type: "object"`. Annotations are ignored: `title`,
/// `description`, `default`, `examples`, `$schema`, `$id`, `$comment`, `format`, `deprecated`, `readOnly`, `writeOnly`. Anything
/// else is an error.
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
pub struct Schema(Node);

/// A schema, or one within it. They nest at most [`VALUE_DEPTH`](crate::limits::VALUE_DEPTH) deep, so that whoever walks them may recurse.
#[derive(Clone, Debug)]
enum Node {
    /// `true`, or nothing is asked for.
    Anything,
    /// `false`
    Nothing,
    Rules(Box<Rules>),
}

/// The keywords of a schema. What is missing asks for nothing.
#[derive(Clone, Debug, Default)]
struct Rules {
    types: Option<Vec<Type>>,
    one_of: Option<Choices>,
    /// `const`
    exactly: Option<Json>,
    number: Numbers,
    text: Size,
    pattern: Option<Pattern>,
    list: Size,
    items: Option<Node>,
    object: Size,
    properties: Few<String, Node>,
    required: Vec<String>,
    /// `additionalProperties`
    others: Option<Node>,
}

/// A type by its name in JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Object,
    Array,
    String,
    Number,
    Integer,
    Boolean,
    Null,
}

/// The values of an `enum`: as they were written, and in the order of values, where one is found without looking at all.
#[derive(Clone, Debug)]
struct Choices {
    values: Vec<Json>,
    sorted: Vec<Json>,
}

/// Bounds of numbers.
#[derive(Clone, Debug, Default)]
struct Numbers {
    least: Option<Json>,
    most: Option<Json>,
    above: Option<Json>,
    below: Option<Json>,
    multiple_of: Option<Json>,
}

/// Bounds of a number of things.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    least: Option<u64>,
    most: Option<u64>,
}

#[derive(Clone, Debug)]
struct Pattern {
    source: String,
    compiled: Arc<TextPattern>,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// What is wrong with it, in words for the author of the program, naming the place: `schema.properties.age.minimum must be a
    /// number`.
    pub fn parse(json: &Json) -> Result<Self, String> {
        parse::read(json).map(Self)
    }

    /// Whether `value` fits. Nothing is converted: a text is a text.
    ///
    /// # Errors
    /// The first misfit in the order of the value: a list or object itself before what is in it. A text that keeps the patterns
    /// busy for more than [`SCHEMA_PATTERN_STEPS`](crate::limits::SCHEMA_PATTERN_STEPS) does not fit either.
    pub fn check(&self, value: &Json) -> Result<(), Misfit> {
        check::check(&self.0, value)
    }

    /// What it wants, in words for a person or a model: `an object with "name" (text) and "age" (integer ≥ 0)`. At most 400
    /// characters; it ends in `…` where it was cut.
    pub fn describe(&self) -> String {
        describe::describe(&self.0)
    }
}

impl Type {
    const ALL: [Type; 7] =
        [Type::Object, Type::Array, Type::String, Type::Number, Type::Integer, Type::Boolean, Type::Null];

    fn name(self) -> &'static str {
        match self {
            Type::Object => "object",
            Type::Array => "array",
            Type::String => "string",
            Type::Number => "number",
            Type::Integer => "integer",
            Type::Boolean => "boolean",
            Type::Null => "null",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn has(self, value: &Json) -> bool {
        match (self, value) {
            (Type::Object, Json::Object(_))
            | (Type::Array, Json::Array(_))
            | (Type::String, Json::String(_))
            | (Type::Number, Json::Number(_))
            | (Type::Boolean, Json::Bool(_))
            | (Type::Null, Json::Null) => true,
            // 3.0 is an integer: JSON Schema asks for no fraction, not for a way of writing.
            (Type::Integer, Json::Number(n)) => !n.is_f64() || n.as_f64().is_some_and(|n| n.fract() == 0.0),
            _ => false,
        }
    }
}

impl Node {
    /// Whether it is about texts: what does not fit such a schema is spoken of as the text that it is.
    fn takes_text(&self) -> bool {
        let Node::Rules(rules) = self else { return matches!(self, Node::Anything) };
        let typed = rules.types.as_ref().is_none_or(|types| types.contains(&Type::String));
        let listed = rules.one_of.as_ref().is_none_or(|choices| choices.values.iter().any(Json::is_string));
        typed && listed && rules.exactly.as_ref().is_none_or(Json::is_string)
    }

    /// Whether it says no type and speaks of what only objects and lists have.
    fn means_structure(&self) -> bool {
        let Node::Rules(rules) = self else { return false };
        let members = !rules.properties.is_empty() || !rules.required.is_empty() || rules.others.is_some();
        rules.types.is_none() && (members || rules.items.is_some())
    }
}

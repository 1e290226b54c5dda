//! Validation of answers: choices and schemas. The code is pure: a schema and a given value in, the program's value or
//! an error out.
//!
//! | file | contents |
//! |---|---|
//! | `mod.rs` | the schema, and the parser that reads it from a program's JSON |
//! | `checker.rs` | checks a value against a schema, and converts an answer to the program's value |
//! | `description.rs` | describes a schema and a validation error in words |
//!
//! An unknown keyword is an error for the program's author: if it were ignored, answers would be accepted that the
//! program does not expect.

mod checker;
mod description;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use runstate_core::limits::{SCHEMA_PATTERN_CHARS, SCHEMA_PATTERNS_CHARS};
use runstate_value::{Document, Json, SortedMap, check_plain, compare, levenshtein, sort_by};
use runstate_vm::TextRegExp;

pub use checker::coerce_answer;
pub use description::ValidationError;
use description::{quote, truncate};

/// A schema of values: a subset of JSON Schema, checked when it is parsed.
///
/// Keywords: `type`, `properties`, `required`, `items` (one schema), `additionalProperties`, `enum`, `const`,
/// `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, `minLength`, `maxLength` (in Unicode
/// code points), `pattern` (ECMAScript with the flag `u`), `minItems`, `maxItems`, `minProperties`, `maxProperties`.
/// They mean what JSON Schema says: a keyword about objects does not restrict a text, and a schema for objects needs
/// `type: "object"`. Annotations are ignored: `title`, `description`, `default`, `examples`, `$schema`, `$id`,
/// `$comment`, `format`, `deprecated`, `readOnly`, `writeOnly`. Any other keyword is an error.
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
pub struct Schema(SchemaNode);

/// A schema, or one within it. Schemas nest at most [`VALUE_DEPTH`](runstate_core::limits::VALUE_DEPTH) deep, so that
/// recursion over them is safe.
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
    /// The problem, in words for the author of the program, with its path: `schema.properties.age.minimum must be a
    /// number`.
    pub fn parse(json: &Json) -> Result<Self, String> {
        parse_node(json).map(Self)
    }

    /// Checks whether `value` matches. Nothing is converted: a text stays a text.
    ///
    /// # Errors
    /// The first mismatch in the order of the value: a list or object itself before its content. A text on which the
    /// patterns take more than [`SCHEMA_PATTERN_STEPS`](runstate_core::limits::SCHEMA_PATTERN_STEPS) steps does not
    /// match either.
    pub fn check(&self, value: &Json) -> Result<(), ValidationError> {
        checker::check(&self.0, value)
    }

    /// Describes the schema, in words for a person or a model: `an object with "name" (text) and "age" (integer ≥ 0)`.
    /// The description has at most 400 characters, and ends in `…` if it was cut.
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
        let SchemaNode::Keywords(rules) = self else { return matches!(self, SchemaNode::Anything) };
        let typed = rules.types.as_ref().is_none_or(|types| types.contains(&JsonType::String));
        let listed = rules.enum_values.as_ref().is_none_or(|choices| choices.values.iter().any(Json::is_string));
        typed && listed && rules.const_value.as_ref().is_none_or(Json::is_string)
    }

    /// Whether it has no type, but keywords that only apply to objects and lists.
    fn implies_object_or_array(&self) -> bool {
        let SchemaNode::Keywords(rules) = self else { return false };
        let members =
            !rules.properties.is_empty() || !rules.required.is_empty() || rules.additional_properties.is_some();
        rules.types.is_none() && (members || rules.items.is_some())
    }
}

const KEYWORDS: [&str; 19] = [
    "type",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

const ANNOTATIONS: [&str; 11] = [
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "format",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Parses a schema or a nested one.
fn parse_node(json: &Json) -> Result<SchemaNode, String> {
    // From here on, its depth, size and numbers are bounded.
    check_plain(json).map_err(|excess| format!("schema is {}", truncate(&excess.to_string(), 200)))?;
    SchemaParser { path: "schema".to_owned(), pattern_chars: 0 }.node(json)
}

struct SchemaParser {
    /// The current path, in the notation of a program: `schema.properties.age`.
    path: String,
    /// Characters of all patterns so far.
    pattern_chars: usize,
}

impl SchemaParser {
    fn error<T>(&self, problem: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("{} {problem}", self.path))
    }

    /// Runs `act` one level deeper.
    fn within<T>(&mut self, name: &str, act: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let length = self.path.len();
        self.path.push_str(&path_segment(name));
        let result = act(self)?;
        self.path.truncate(length);
        Ok(result)
    }

    fn node(&mut self, json: &Json) -> Result<SchemaNode, String> {
        match json {
            Json::Bool(true) => Ok(SchemaNode::Anything),
            Json::Bool(false) => Ok(SchemaNode::Nothing),
            Json::Object(keywords) => self.rules(keywords),
            _ => self.error("must be a schema: an object, true or false"),
        }
    }

    fn rules(&mut self, keywords: &Document) -> Result<SchemaNode, String> {
        let mut rules = SchemaKeywords::default();
        let mut has_keywords = false;
        for (keyword, value) in keywords {
            if !ANNOTATIONS.contains(&keyword.as_str()) {
                has_keywords = true;
                self.within(keyword, |parser| parser.keyword(keyword, value, &mut rules))?;
            }
        }
        Ok(if has_keywords { SchemaNode::Keywords(Box::new(rules)) } else { SchemaNode::Anything })
    }

    fn keyword(&mut self, keyword: &str, value: &Json, rules: &mut SchemaKeywords) -> Result<(), String> {
        match keyword {
            "type" => rules.types = Some(self.types(value)?),
            "enum" => rules.enum_values = Some(self.choices(value)?),
            "const" => rules.const_value = Some(value.clone()),
            "minimum" => rules.number.minimum = self.number(value)?,
            "maximum" => rules.number.maximum = self.number(value)?,
            "exclusiveMinimum" => rules.number.exclusive_minimum = self.number(value)?,
            "exclusiveMaximum" => rules.number.exclusive_maximum = self.number(value)?,
            "multipleOf" => rules.number.multiple_of = self.positive_number(value)?,
            "minLength" => rules.text.min = self.count(value)?,
            "maxLength" => rules.text.max = self.count(value)?,
            "minItems" => rules.list.min = self.count(value)?,
            "maxItems" => rules.list.max = self.count(value)?,
            "minProperties" => rules.object.min = self.count(value)?,
            "maxProperties" => rules.object.max = self.count(value)?,
            "pattern" => rules.pattern = Some(self.pattern(value)?),
            "items" if value.is_array() => return self.error("must be one schema for all items, not a list of them"),
            "items" => rules.items = Some(self.node(value)?),
            "additionalProperties" => rules.additional_properties = Some(self.node(value)?),
            "required" => rules.required = self.names(value)?,
            "properties" => {
                let Json::Object(properties) = value else { return self.error("must be an object of schemas") };
                for (name, property) in properties {
                    let node = self.within(name, |parser| parser.node(property))?;
                    rules.properties.insert(name.clone(), node);
                }
            }
            unknown => return self.error(unsupported(unknown)),
        }
        Ok(())
    }

    fn types(&self, value: &Json) -> Result<Vec<JsonType>, String> {
        let named = |value: &Json| value.as_str().and_then(JsonType::from_name);
        let types: Option<Vec<JsonType>> = match value {
            Json::Array(names) if !names.is_empty() => names.iter().map(named).collect(),
            name => named(name).map(|one| vec![one]),
        };
        match types {
            // In a fixed order and without repeats, so that the list is never longer than the number of types.
            Some(types) => Ok(JsonType::ALL.into_iter().filter(|kind| types.contains(kind)).collect()),
            None => self
                .error(format!("must be one of {}, or a list of them", JsonType::ALL.map(JsonType::name).join(", "))),
        }
    }

    fn choices(&self, value: &Json) -> Result<EnumValues, String> {
        match value {
            Json::Array(values) if !values.is_empty() => {
                let mut sorted = values.clone();
                sort_by(&mut sorted, compare);
                Ok(EnumValues { values: values.clone(), sorted })
            }
            _ => self.error("must be a list of at least one value"),
        }
    }

    fn number(&self, value: &Json) -> Result<Option<Json>, String> {
        if value.is_number() { Ok(Some(value.clone())) } else { self.error("must be a number") }
    }

    fn positive_number(&self, value: &Json) -> Result<Option<Json>, String> {
        if value.as_f64().is_some_and(|step| step > 0.0) {
            Ok(Some(value.clone()))
        } else {
            self.error("must be a number above 0")
        }
    }

    fn count(&self, value: &Json) -> Result<Option<u64>, String> {
        // 3.0 is a count too. A count that is too large for the type becomes the largest one.
        match (value.as_u64(), value.as_f64()) {
            (Some(count), _) => Ok(Some(count)),
            (None, Some(count)) if count >= 0.0 && count.fract() == 0.0 => Ok(Some(count as u64)),
            _ => self.error("must be a whole number, 0 or more"),
        }
    }

    fn names(&self, value: &Json) -> Result<Vec<String>, String> {
        let names: Option<Vec<&str>> = value.as_array().and_then(|names| names.iter().map(Json::as_str).collect());
        let Some(names) = names else { return self.error("must be a list of names in text") };
        // Without repeats, so that the check of an object never looks up more names than the object has.
        let mut seen = HashSet::new();
        Ok(names.into_iter().filter(|name| seen.insert(*name)).map(str::to_owned).collect())
    }

    fn pattern(&mut self, value: &Json) -> Result<SchemaPattern, String> {
        let Json::String(source) = value else { return self.error("must be a regular expression in text") };
        let chars = source.chars().count();
        self.pattern_chars += chars;
        if chars > SCHEMA_PATTERN_CHARS {
            return self.error(format!("has {chars} characters; at most {SCHEMA_PATTERN_CHARS} are allowed"));
        }
        if self.pattern_chars > SCHEMA_PATTERNS_CHARS {
            return self.error(format!(
                "exceeds the limit: all patterns together may have {SCHEMA_PATTERNS_CHARS} characters"
            ));
        }
        match TextRegExp::new(source) {
            Ok(compiled) => Ok(SchemaPattern { source: source.clone(), compiled: Arc::new(compiled) }),
            Err(why) => self.error(format!("does not compile: {}", truncate(&why, 200))),
        }
    }
}

/// One step of a path, in the notation of a program.
fn path_segment(name: &str) -> String {
    let letter = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$');
    let plain = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
    if plain && name.len() <= 60 { format!(".{name}") } else { format!("[{}]", quote(name, 60)) }
}

fn unsupported(keyword: &str) -> String {
    let near = |candidate: &&&str| keyword.len() <= 40 && levenshtein(keyword, candidate) <= 2;
    match KEYWORDS.iter().find(near) {
        Some(candidate) => format!("is not a keyword; did you mean {candidate}?"),
        None => format!("is not supported; use one of: {}", KEYWORDS.join(", ")),
    }
}

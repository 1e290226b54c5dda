//! Parses a program's JSON to a schema. An unknown keyword is an error for the program's author: if it were ignored, answers would be
//! accepted that the program does not expect.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::validation_error::{quote, truncate};
use super::{EnumValues, JsonType, SchemaKeywords, SchemaNode, SchemaPattern};
use crate::limits::{SCHEMA_PATTERN_CHARS, SCHEMA_PATTERNS_CHARS};
use crate::value::{Document, Json, check_plain, compare, edit_distance, sort_by};
use crate::vm::TextRegExp;

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

/// Parses a schema.
pub(super) fn parse(json: &Json) -> Result<SchemaNode, String> {
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
    fn error<T>(&self, what: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("{} {what}", self.path))
    }

    /// Runs `act` one level deeper.
    fn within<T>(&mut self, name: &str, act: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let back = self.path.len();
        self.path.push_str(&path_segment(name));
        let done = act(self)?;
        self.path.truncate(back);
        Ok(done)
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
        let mut asks = false;
        for (keyword, value) in keywords {
            if !ANNOTATIONS.contains(&keyword.as_str()) {
                asks = true;
                self.within(keyword, |reader| reader.keyword(keyword, value, &mut rules))?;
            }
        }
        Ok(if asks { SchemaNode::SchemaKeywords(Box::new(rules)) } else { SchemaNode::Anything })
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
                    let node = self.within(name, |reader| reader.node(property))?;
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
        let mut seen = BTreeSet::new();
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
    let near = |known: &&&str| keyword.len() <= 40 && edit_distance(keyword, known) <= 2;
    match KEYWORDS.iter().find(near) {
        Some(known) => format!("is not a keyword; did you mean {known}?"),
        None => format!("is not supported; use one of: {}", KEYWORDS.join(", ")),
    }
}

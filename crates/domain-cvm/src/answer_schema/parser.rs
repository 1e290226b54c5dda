//! Reads a schema from a program's JSON.

use std::collections::HashSet;
use std::sync::Arc;

use runstate_core::limits::{SCHEMA_PATTERN_CHARS, SCHEMA_PATTERNS_CHARS};
use runstate_value::{Document, Json, SortedMap, check_plain, compare, levenshtein, sort_by};
use runstate_vm::TextRegExp;

use super::checker::full_weight;
use super::description::{quote, truncate};
use super::format::TextFormat;
use super::references::{Acceptance, pointer_name};
use super::{Definition, EnumValues, JsonType, Schema, SchemaKeywords, SchemaNode, SchemaPattern};

const KEYWORDS: [&str; 25] = [
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
    "format",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "$defs",
];

const ANNOTATIONS: [&str; 10] = [
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Parses a schema with its definitions. `stored`: formats that are unknown are ignored.
pub(super) fn parse(json: &Json, stored: bool) -> Result<Schema, String> {
    // From here on, its depth, size and numbers are bounded.
    check_plain(json).map_err(|excess| format!("schema is {}", truncate(&excess.to_string(), 200)))?;
    let defs = json.get("$defs").and_then(Json::as_object);
    let names = defs.into_iter().flat_map(Document::keys).zip(1..).map(|(name, index)| (name.clone(), index));
    let mut parser =
        SchemaParser { path: "schema".to_owned(), pattern_chars: 0, stored, indexes: names.collect(), depth: 0 };
    let mut definitions = vec![Definition { name: String::new(), node: parser.node(json)? }];
    parser.depth = 1;
    for (name, json) in defs.into_iter().flatten() {
        let node = parser.within("$defs", |parser| parser.within(name, |parser| parser.node(json)))?;
        definitions.push(Definition { name: name.clone(), node });
    }
    let acceptance = Acceptance::of_root(&definitions)?;
    Ok(Schema { definitions, acceptance })
}

struct SchemaParser {
    /// The current path, in the notation of a program: `schema.properties.age`.
    path: String,
    /// Characters of all patterns so far.
    pattern_chars: usize,
    /// Whether unknown formats are ignored.
    stored: bool,
    /// The indexes of the definitions by their names in `$defs`.
    indexes: SortedMap<String, usize>,
    /// Schemas around the current one.
    depth: usize,
}

impl SchemaParser {
    fn error<T>(&self, problem: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("{} {problem}", self.path))
    }

    /// Runs `act` one level deeper.
    fn within<T>(&mut self, name: &str, act: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.below(&path_segment(name), act)
    }

    fn within_item<T>(&mut self, at: usize, act: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.below(&format!("[{at}]"), act)
    }

    fn below<T>(&mut self, segment: &str, act: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let length = self.path.len();
        self.path.push_str(segment);
        let result = act(self)?;
        self.path.truncate(length);
        Ok(result)
    }

    fn node(&mut self, json: &Json) -> Result<SchemaNode, String> {
        match json {
            Json::Bool(true) => Ok(SchemaNode::Anything),
            Json::Bool(false) => Ok(SchemaNode::Nothing),
            Json::Object(keywords) => {
                self.depth += 1;
                let rules = self.rules(keywords);
                self.depth -= 1;
                rules
            }
            _ => self.error("must be a schema: an object, true or false"),
        }
    }

    fn rules(&mut self, keywords: &Document) -> Result<SchemaNode, String> {
        let mut rules = SchemaKeywords::default();
        let mut has_keywords = false;
        for (keyword, value) in keywords {
            if !ANNOTATIONS.contains(&keyword.as_str()) {
                has_keywords |= keyword != "$defs";
                self.within(keyword, |parser| parser.keyword(keyword, value, &mut rules))?;
            }
        }
        Ok(if has_keywords { SchemaNode::Keywords(Box::new(rules)) } else { SchemaNode::Anything })
    }

    fn keyword(&mut self, keyword: &str, value: &Json, rules: &mut SchemaKeywords) -> Result<(), String> {
        match keyword {
            "type" => rules.types = Some(self.types(value)?),
            "enum" => rules.enum_values = Some(self.choices(value)?),
            "const" => {
                rules.const_value = Some(value.clone());
                rules.const_weight = full_weight(value);
            }
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
            "format" => rules.format = self.format(value)?,
            "allOf" => rules.all_of = self.nodes(value)?,
            "anyOf" => rules.any_of = Some(self.nodes(value)?),
            "oneOf" => rules.one_of = Some(self.nodes(value)?),
            "$ref" => rules.reference = Some(self.reference(value)?),
            "$defs" if self.depth > 1 => return self.error("is only supported in the outermost schema"),
            "$defs" if value.is_object() => {}
            "$defs" => return self.error("must be an object of schemas"),
            "required" => rules.required = self.names(value)?,
            "properties" => {
                let Json::Object(properties) = value else { return self.error("must be an object of schemas") };
                for (name, property) in properties {
                    let node = self.within(name, |parser| parser.node(property))?;
                    rules.properties.insert(name.clone(), node);
                    rules.property_order.push(name.clone());
                }
            }
            unknown => return self.error(unsupported(unknown)),
        }
        Ok(())
    }

    /// The schemas of `anyOf`, `oneOf` or `allOf`.
    fn nodes(&mut self, value: &Json) -> Result<Vec<SchemaNode>, String> {
        match value {
            Json::Array(nodes) if !nodes.is_empty() => {
                let mut nodes = nodes.iter().enumerate();
                nodes.try_fold(Vec::new(), |mut all, (at, node)| {
                    all.push(self.within_item(at, |parser| parser.node(node))?);
                    Ok(all)
                })
            }
            _ => self.error("must be a list of at least one schema"),
        }
    }

    fn reference(&self, value: &Json) -> Result<usize, String> {
        let Json::String(pointer) = value else { return self.error("must be a reference in text") };
        if pointer == "#" {
            return Ok(0);
        }
        let Some(name) = pointer_name(pointer) else {
            let problem = format!("is {}; only \"#\" and \"#/$defs/NAME\" are supported", quote(pointer, 100));
            return self.error(problem);
        };
        match self.indexes.get(&name) {
            Some(index) => Ok(*index),
            None => self.error(format!("refers to {}, which is not in $defs", quote(&name, 60))),
        }
    }

    fn format(&self, value: &Json) -> Result<Option<TextFormat>, String> {
        let format = value.as_str().and_then(TextFormat::from_name);
        match value {
            _ if format.is_some() || self.stored => Ok(format),
            Json::String(name) => {
                let names = TextFormat::ALL.map(TextFormat::name).join(", ");
                self.error(format!("{} is not supported; use one of: {names}", quote(name, 60)))
            }
            _ => self.error("must be the name of a format"),
        }
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
                let largest = values.iter().map(full_weight).max().unwrap_or(0);
                Ok(EnumValues { values: values.clone(), sorted, largest })
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

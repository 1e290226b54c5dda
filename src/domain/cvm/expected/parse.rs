//! From a program's JSON to a schema. What is not understood is an error in words for the program's author: a rule that
//! were ignored would let answers through that the program does not expect.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::misfit::{cut, quoted};
use super::{Choices, Node, Pattern, Rules, Type};
use crate::limits::{SCHEMA_PATTERN_CHARS, SCHEMA_PATTERNS_CHARS};
use crate::value::{Document, Json, check_plain, compare, edit_distance, sort_by};
use crate::vm::TextPattern;

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

/// Reads a schema.
pub(super) fn read(json: &Json) -> Result<Node, String> {
    // From here on all of it is bounded: its depth, its size, its numbers.
    check_plain(json).map_err(|excess| format!("schema is {}", cut(&excess.to_string(), 200)))?;
    Reader { at: "schema".to_owned(), pattern_chars: 0 }.node(json)
}

struct Reader {
    /// Where the reader is, in the words of a program: `schema.properties.age`.
    at: String,
    /// Characters of all patterns so far.
    pattern_chars: usize,
}

impl Reader {
    fn wrong<T>(&self, what: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("{} {what}", self.at))
    }

    /// Does something one step further in.
    fn within<T>(&mut self, name: &str, act: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let back = self.at.len();
        self.at.push_str(&step(name));
        let done = act(self)?;
        self.at.truncate(back);
        Ok(done)
    }

    fn node(&mut self, json: &Json) -> Result<Node, String> {
        match json {
            Json::Bool(true) => Ok(Node::Anything),
            Json::Bool(false) => Ok(Node::Nothing),
            Json::Object(keywords) => self.rules(keywords),
            _ => self.wrong("must be a schema: an object, true or false"),
        }
    }

    fn rules(&mut self, keywords: &Document) -> Result<Node, String> {
        let mut rules = Rules::default();
        let mut asks = false;
        for (keyword, value) in keywords {
            if !ANNOTATIONS.contains(&keyword.as_str()) {
                asks = true;
                self.within(keyword, |reader| reader.keyword(keyword, value, &mut rules))?;
            }
        }
        Ok(if asks { Node::Rules(Box::new(rules)) } else { Node::Anything })
    }

    fn keyword(&mut self, keyword: &str, value: &Json, rules: &mut Rules) -> Result<(), String> {
        match keyword {
            "type" => rules.types = Some(self.types(value)?),
            "enum" => rules.one_of = Some(self.choices(value)?),
            "const" => rules.exactly = Some(value.clone()),
            "minimum" => rules.number.least = self.number(value)?,
            "maximum" => rules.number.most = self.number(value)?,
            "exclusiveMinimum" => rules.number.above = self.number(value)?,
            "exclusiveMaximum" => rules.number.below = self.number(value)?,
            "multipleOf" => rules.number.multiple_of = self.step_of_numbers(value)?,
            "minLength" => rules.text.least = self.count(value)?,
            "maxLength" => rules.text.most = self.count(value)?,
            "minItems" => rules.list.least = self.count(value)?,
            "maxItems" => rules.list.most = self.count(value)?,
            "minProperties" => rules.object.least = self.count(value)?,
            "maxProperties" => rules.object.most = self.count(value)?,
            "pattern" => rules.pattern = Some(self.pattern(value)?),
            "items" if value.is_array() => return self.wrong("must be one schema for all items, not a list of them"),
            "items" => rules.items = Some(self.node(value)?),
            "additionalProperties" => rules.others = Some(self.node(value)?),
            "required" => rules.required = self.names(value)?,
            "properties" => {
                let Json::Object(properties) = value else { return self.wrong("must be an object of schemas") };
                for (name, property) in properties {
                    let node = self.within(name, |reader| reader.node(property))?;
                    rules.properties.insert(name.clone(), node);
                }
            }
            unknown => return self.wrong(unsupported(unknown)),
        }
        Ok(())
    }

    fn types(&self, value: &Json) -> Result<Vec<Type>, String> {
        let named = |value: &Json| value.as_str().and_then(Type::named);
        let types: Option<Vec<Type>> = match value {
            Json::Array(names) if !names.is_empty() => names.iter().map(named).collect(),
            name => named(name).map(|one| vec![one]),
        };
        match types {
            // Kept in one order and once each, so that a list is never longer than there are types.
            Some(types) => Ok(Type::ALL.into_iter().filter(|kind| types.contains(kind)).collect()),
            None => self.wrong(format!("must be one of {}, or a list of them", Type::ALL.map(Type::name).join(", "))),
        }
    }

    fn choices(&self, value: &Json) -> Result<Choices, String> {
        match value {
            Json::Array(values) if !values.is_empty() => {
                let mut sorted = values.clone();
                sort_by(&mut sorted, compare);
                Ok(Choices { values: values.clone(), sorted })
            }
            _ => self.wrong("must be a list of at least one value"),
        }
    }

    fn number(&self, value: &Json) -> Result<Option<Json>, String> {
        if value.is_number() { Ok(Some(value.clone())) } else { self.wrong("must be a number") }
    }

    fn step_of_numbers(&self, value: &Json) -> Result<Option<Json>, String> {
        if value.as_f64().is_some_and(|step| step > 0.0) {
            Ok(Some(value.clone()))
        } else {
            self.wrong("must be a number above 0")
        }
    }

    fn count(&self, value: &Json) -> Result<Option<u64>, String> {
        // 3.0 is a count too; what is larger than all there can be is cut to the largest.
        match (value.as_u64(), value.as_f64()) {
            (Some(count), _) => Ok(Some(count)),
            (None, Some(count)) if count >= 0.0 && count.fract() == 0.0 => Ok(Some(count as u64)),
            _ => self.wrong("must be a whole number, 0 or more"),
        }
    }

    fn names(&self, value: &Json) -> Result<Vec<String>, String> {
        let names: Option<Vec<&str>> = value.as_array().and_then(|names| names.iter().map(Json::as_str).collect());
        let Some(names) = names else { return self.wrong("must be a list of names in text") };
        // Once each: who checks an object then looks at no more names than it has.
        let mut seen = BTreeSet::new();
        Ok(names.into_iter().filter(|name| seen.insert(*name)).map(str::to_owned).collect())
    }

    fn pattern(&mut self, value: &Json) -> Result<Pattern, String> {
        let Json::String(source) = value else { return self.wrong("must be a regular expression in text") };
        let chars = source.chars().count();
        self.pattern_chars += chars;
        if chars > SCHEMA_PATTERN_CHARS {
            return self.wrong(format!("has {chars} characters; at most {SCHEMA_PATTERN_CHARS} are allowed"));
        }
        if self.pattern_chars > SCHEMA_PATTERNS_CHARS {
            return self.wrong(format!("is one too many: all patterns may have {SCHEMA_PATTERNS_CHARS} characters"));
        }
        match TextPattern::new(source) {
            Ok(compiled) => Ok(Pattern { source: source.clone(), compiled: Arc::new(compiled) }),
            Err(why) => self.wrong(format!("does not compile: {}", cut(&why, 200))),
        }
    }
}

/// One step of the way as a program writes it.
fn step(name: &str) -> String {
    let letter = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$');
    let plain = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
    if plain && name.len() <= 60 { format!(".{name}") } else { format!("[{}]", quoted(name, 60)) }
}

fn unsupported(keyword: &str) -> String {
    let near = |known: &&&str| keyword.len() <= 40 && edit_distance(keyword, known) <= 2;
    match KEYWORDS.iter().find(near) {
        Some(known) => format!("is not a keyword; did you mean {known}?"),
        None => format!("is not supported; what is: {}", KEYWORDS.join(", ")),
    }
}

//! Describes a schema in words, and why a value does not match it. Strings are called texts and arrays lists, as in
//! all messages for people. A message is short, whatever the value is.

use std::fmt;
use std::fmt::Write as _;

use runstate_value::{Json, json_text, number_text};

use super::format::TextFormat;
use super::{Definition, JsonType, NumberBounds, Schema, SchemaKeywords, SchemaNode, SchemaPattern, SizeBounds};

/// Largest length of a description, in characters.
const MAX_CHARS: usize = 400;

/// Most definitions that are described within each other.
const MAX_OPEN: usize = 8;

/// Largest length of the description of branches in an error, in characters.
const MAX_BRANCHES_CHARS: usize = 200;

pub(super) fn describe(schema: &Schema) -> String {
    let mut words = DescriptionWriter::new(&schema.definitions, MAX_CHARS);
    words.node(schema.root(), Article::With);
    words.finish()
}

/// Describes the branches of `anyOf` or `oneOf`: `a text or null`.
pub(super) fn describe_branches(definitions: &[Definition], branches: &[SchemaNode]) -> String {
    let mut words = DescriptionWriter::new(definitions, MAX_BRANCHES_CHARS);
    words.branches(branches, Article::With);
    words.finish()
}

/// `an integer or null`
pub(super) fn type_list(allowed: &[JsonType]) -> String {
    allowed.iter().map(|kind| noun(*kind, Article::With)).collect::<Vec<_>>().join(" or ")
}

/// The noun for the numbers of a schema.
pub(super) fn number_noun(allowed: &Option<Vec<JsonType>>) -> &'static str {
    let integers_only = allowed.as_ref().is_some_and(|allowed| !allowed.contains(&JsonType::Number));
    noun(if integers_only { JsonType::Integer } else { JsonType::Number }, Article::With)
}

/// `1 item`, `2 items`
pub(super) fn count(number: u64, unit: &str) -> String {
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// `matching "^a"`
pub(super) struct TextRule<'p>(pub(super) &'p SchemaPattern);

impl fmt::Display for TextRule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "matching {}", quote(&self.0.source, 100))
    }
}

/// `in the format date ("2030-01-31")`
impl fmt::Display for TextFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in the format {} ({})", self.name(), quote(self.example(), MAX_SHOWN_CHARS))
    }
}

#[derive(Clone, Copy)]
enum Article {
    With,
    Without,
}

fn noun(kind: JsonType, article: Article) -> &'static str {
    let with = match kind {
        JsonType::Object => "an object",
        JsonType::Array => "a list",
        JsonType::String => "a text",
        JsonType::Number => "a number",
        JsonType::Integer => "an integer",
        JsonType::Boolean => return "true or false",
        JsonType::Null => return "null",
    };
    match article {
        Article::With => with,
        Article::Without => with.split_once(' ').map_or(with, |(_, noun)| noun),
    }
}

/// A text of limited length. Once it is full, writing has no effect, and a writer may stop early.
struct DescriptionWriter<'s> {
    definitions: &'s [Definition],
    /// The definitions that are being described. A reference to one of them is its name.
    open: Vec<usize>,
    out: String,
    remaining: usize,
}

impl<'s> DescriptionWriter<'s> {
    fn new(definitions: &'s [Definition], max_chars: usize) -> Self {
        Self { definitions, open: vec![0], out: String::new(), remaining: max_chars }
    }

    fn finish(mut self) -> String {
        if self.remaining == 0 {
            self.out.pop();
            self.out.push('…');
        }
        self.out
    }

    fn push(&mut self, text: &str) {
        for c in text.chars().take(self.remaining) {
            self.out.push(c);
            self.remaining -= 1;
        }
    }

    fn node(&mut self, node: &SchemaNode, article: Article) {
        match node {
            _ if self.remaining == 0 => {}
            SchemaNode::Anything => self.push("anything"),
            SchemaNode::Nothing => self.push("nothing"),
            SchemaNode::Keywords(rules) => self.rules(rules, article),
        }
    }

    fn rules(&mut self, rules: &SchemaKeywords, article: Article) {
        let combined = usize::from(rules.reference.is_some()) + rules.all_of.len();
        let branches: Vec<&Vec<SchemaNode>> = [&rules.any_of, &rules.one_of].into_iter().flatten().collect();
        let start = self.remaining;
        if combined + branches.len() == 0 || rules.has_own() {
            self.own(rules, article);
        }
        let separate = |words: &mut Self| words.push(if words.remaining < start { " and " } else { "" });
        if let Some(index) = rules.reference {
            separate(self);
            self.reference(index, article);
        }
        for node in rules.all_of.iter().take_while(|_| self.remaining > 0).collect::<Vec<_>>() {
            separate(self);
            self.node(node, article);
        }
        for nodes in branches {
            separate(self);
            let is_part = self.remaining < start;
            self.push(if is_part { "(" } else { "" });
            self.branches(nodes, article);
            self.push(if is_part { ")" } else { "" });
        }
    }

    fn reference(&mut self, index: usize, article: Article) {
        if self.open.contains(&index) || self.open.len() > MAX_OPEN {
            let name = &self.definitions[index].name;
            return self.push(&if index == 0 { "the whole".to_owned() } else { quote(name, MAX_SHOWN_CHARS) });
        }
        self.open.push(index);
        let definitions = self.definitions;
        self.node(&definitions[index].node, article);
        self.open.pop();
    }

    /// `one of "a", "b" or null`
    fn branches<'n>(&mut self, nodes: &'n [SchemaNode], article: Article) {
        let listed = |node: &'n SchemaNode| -> &'n [Json] {
            match node {
                SchemaNode::Keywords(rules) => match (&rules.const_value, &rules.enum_values) {
                    (Some(only), _) => std::slice::from_ref(only),
                    (None, Some(listed)) => listed.values.as_slice(),
                    (None, None) => &[],
                },
                SchemaNode::Anything | SchemaNode::Nothing => &[],
            }
        };
        // Values of several branches are one list.
        let values: Vec<&Json> = nodes.iter().take(MAX_CHARS).flat_map(listed).collect();
        let mut before = "";
        if !values.is_empty() {
            self.push(&one_of(values));
            before = " or ";
        }
        for node in nodes.iter().take(MAX_CHARS).filter(|node| listed(node).is_empty()) {
            self.push(before);
            self.node(node, article);
            before = " or ";
        }
    }

    /// Describes the keywords of the schema itself.
    fn own(&mut self, rules: &SchemaKeywords, article: Article) {
        if let Some(only) = &rules.const_value {
            return self.push(&literal(only));
        }
        if let Some(choices) = &rules.enum_values {
            return self.push(&one_of(&choices.values));
        }
        let kinds = rules.types.clone().unwrap_or_else(|| rules.implied_types());
        if kinds.is_empty() {
            return self.push("anything");
        }
        for (at, kind) in kinds.into_iter().enumerate() {
            self.push(if at > 0 { " or " } else { "" });
            self.push(noun(kind, article));
            self.kind(rules, kind);
        }
    }

    /// Describes the keywords for values of one type.
    fn kind(&mut self, rules: &SchemaKeywords, kind: JsonType) {
        match kind {
            JsonType::Number | JsonType::Integer => self.push(&rules.number.to_string()),
            JsonType::String => {
                self.size(rules.text, "character");
                if let Some(format) = rules.format {
                    self.push(&format!(" {format}"));
                }
                if let Some(pattern) = &rules.pattern {
                    self.push(&format!(" {}", TextRule(pattern)));
                }
            }
            JsonType::Array => {
                self.size(rules.list, "item");
                if let Some(items) = &rules.items {
                    self.push(if rules.list.is_unbounded() { " of " } else { ", each " });
                    self.node(items, if rules.list.is_unbounded() { Article::Without } else { Article::With });
                }
            }
            JsonType::Object => {
                self.size(rules.object, "key");
                self.members(rules);
            }
            JsonType::Boolean | JsonType::Null => {}
        }
    }

    fn size(&mut self, size: SizeBounds, unit: &str) {
        let text = match (size.min.filter(|least| *least > 0), size.max) {
            (None, None) => return,
            (Some(least), None) => format!(" of at least {}", count(least, unit)),
            (None, Some(most)) => format!(" of at most {}", count(most, unit)),
            (Some(least), Some(most)) if least == most => format!(" of {}", count(most, unit)),
            (Some(least), Some(most)) => format!(" of {least} to {}", count(most, unit)),
        };
        self.push(&text);
    }

    /// The keys of an object: the required ones in their author's order, then the others.
    fn members(&mut self, rules: &SchemaKeywords) {
        let others = rules.property_order.iter().filter(|name| !rules.required.contains(name));
        let required = rules.required.iter().map(|name| (name, ""));
        let mut members = required.chain(others.map(|name| (name, ", optional")));
        let mut before = " with ";
        // Once the text is full, no further member is visited: there may be very many.
        while let Some((name, optional)) = members.next().filter(|_| self.remaining > 0) {
            self.push(before);
            self.push(&quote(name, 60));
            self.push(" (");
            self.node(rules.properties.get(name).unwrap_or(&SchemaNode::Anything), Article::Without);
            self.push(optional);
            self.push(")");
            before = match members.clone().take(2).count() {
                1 => " and ",
                _ => ", ",
            };
        }
        let alone = rules.properties.is_empty() && rules.required.is_empty();
        match &rules.additional_properties {
            None | Some(SchemaNode::Anything) => {}
            Some(SchemaNode::Nothing) => self.push(if alone { " without keys" } else { " and nothing else" }),
            Some(node) => {
                self.push(if alone { " whose every value is " } else { " and, under other keys, " });
                self.node(node, Article::With);
            }
        }
    }
}

impl SchemaKeywords {
    /// Whether it has keywords besides those that refer to other schemas.
    fn has_own(&self) -> bool {
        let is_listed = self.const_value.is_some() || self.enum_values.is_some();
        is_listed || self.types.is_some() || !self.implied_types().is_empty()
    }

    /// The types that the keywords imply if no type is named.
    fn implied_types(&self) -> Vec<JsonType> {
        let numbers = &self.number;
        let bounds = [
            &numbers.minimum,
            &numbers.maximum,
            &numbers.exclusive_minimum,
            &numbers.exclusive_maximum,
            &numbers.multiple_of,
        ];
        let object = !self.properties.is_empty() || !self.required.is_empty() || self.additional_properties.is_some();
        let implied = [
            (JsonType::Object, object || !self.object.is_unbounded()),
            (JsonType::Array, self.items.is_some() || !self.list.is_unbounded()),
            (JsonType::String, self.pattern.is_some() || self.format.is_some() || !self.text.is_unbounded()),
            (JsonType::Number, bounds.into_iter().any(Option::is_some)),
        ];
        implied.into_iter().filter(|(_, implied)| *implied).map(|(kind, _)| kind).collect()
    }
}

impl SizeBounds {
    fn is_unbounded(self) -> bool {
        self.min.is_none_or(|least| least == 0) && self.max.is_none()
    }
}

/// ` ≥ 0 and < 10`; nothing where there are no bounds.
impl fmt::Display for NumberBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = [
            ("≥", &self.minimum),
            (">", &self.exclusive_minimum),
            ("≤", &self.maximum),
            ("<", &self.exclusive_maximum),
        ];
        let mut before = " ";
        for (sign, bound) in bounds {
            if let Some(bound) = bound {
                write!(f, "{before}{sign} {}", summarize(bound))?;
                before = " and ";
            }
        }
        self.multiple_of.as_ref().map_or(Ok(()), |step| write!(f, ", a multiple of {}", summarize(step)))
    }
}

/// Largest number of characters shown of a text or a name.
const MAX_SHOWN_CHARS: usize = 60;

/// Why a value does not match: `at /items/3/age: a number of at least 18 is expected, 12 was given`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    /// The location within the value, as a JSON pointer; empty for the value itself.
    pub path: String,
    /// The expected value, in words.
    pub expected: String,
    /// The given value, in words.
    pub found: String,
}

impl ValidationError {
    /// An error of the value itself.
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: String::new(), expected: expected.into(), found: found.into() }
    }

    /// The same error, seen from the list or object that holds the value under `key`.
    pub(super) fn nested_under(mut self, key: &str) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        self.path.insert_str(0, &escaped);
        self.path.insert(0, '/');
        self
    }
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at {}: ", escape_invisible(&truncate(&self.path, 200)))?;
        }
        write!(f, "{} is expected, {} was given", self.expected, self.found)
    }
}

impl std::error::Error for ValidationError {}

/// Summarizes a value in a few words.
pub(super) fn summarize(value: &Json) -> String {
    match value {
        Json::Null | Json::Bool(_) => json_text(value),
        Json::Number(number) if number.is_f64() => number_text(number.as_f64().unwrap_or(0.0)),
        Json::Number(_) => json_text(value),
        Json::String(text) => quote(text, MAX_SHOWN_CHARS),
        Json::Array(items) => match items.len() {
            0 => "an empty list".to_owned(),
            1 => "a list of 1 item".to_owned(),
            more => format!("a list of {more} items"),
        },
        Json::Object(map) if map.is_empty() => "an empty object".to_owned(),
        Json::Object(map) => format!("an object with {}", names(map.keys())),
    }
}

/// The beginning of a value, as JSON.
pub(super) fn literal(value: &Json) -> String {
    if !matches!(value, Json::Array(_) | Json::Object(_)) {
        return summarize(value);
    }
    let mut start = TextLimiter { text: String::new(), remaining: MAX_SHOWN_CHARS };
    // An error means that the text is full. It stops the serializer, so the depth of the value does not matter.
    let more = if write!(start, "{value}").is_err() { "…" } else { "" };
    format!("{}{more}", escape_invisible(&start.text))
}

/// A text that accepts a limited number of characters.
struct TextLimiter {
    text: String,
    remaining: usize,
}

impl fmt::Write for TextLimiter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.remaining = self.remaining.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

/// The first few of some names.
pub(super) fn names<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    join_limited(names.map(|name| quote(name, MAX_SHOWN_CHARS)), 5)
}

/// The expectation that a value is one of `values`.
pub(super) fn one_of<'v>(values: impl IntoIterator<Item = &'v Json, IntoIter: ExactSizeIterator>) -> String {
    let values = values.into_iter();
    format!("{}{}", if values.len() == 1 { "" } else { "one of " }, join_limited(values.map(literal), 10))
}

/// Joins the first `max_items` items.
pub(super) fn join_limited(items: impl ExactSizeIterator<Item = String>, max_items: usize) -> String {
    let more = items.len().saturating_sub(max_items);
    let mut text = items.take(max_items).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A text in quotation marks, cut to `max_chars` characters. If it was cut, `…` follows the closing mark.
pub(super) fn quote(text: &str, max_chars: usize) -> String {
    let shown: String = text.chars().take(max_chars).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{}{more}", escape_invisible(&json_text(&shown.into())))
}

/// A text cut to `max_chars` characters.
pub(super) fn truncate(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Escapes characters that move a terminal's cursor or change the direction of writing, because messages are shown to
/// people as they are.
fn escape_invisible(text: &str) -> String {
    let hidden = |c: &char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(&c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out
}

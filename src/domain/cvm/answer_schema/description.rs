//! Describes a schema in words. Strings are called texts and arrays lists, as in all messages for people.

use std::fmt;

use super::validation_error::{literal, one_of, quote, summarize};
use super::{JsonType, NumberBounds, SchemaKeywords, SchemaNode, SchemaPattern, SizeBounds};

/// Largest length of a description, in characters.
const MAX_CHARS: usize = 400;

/// Describes a schema.
pub(super) fn describe(node: &SchemaNode) -> String {
    let mut words = DescriptionWriter { out: String::new(), left: MAX_CHARS };
    words.node(node, Article::With);
    if words.left == 0 {
        words.out.pop();
        words.out.push('…');
    }
    words.out
}

/// `an integer or null`
pub(super) fn type_list(allowed: &[JsonType]) -> String {
    allowed.iter().map(|kind| noun(*kind, Article::With)).collect::<Vec<_>>().join(" or ")
}

/// The noun for the numbers of a schema.
pub(super) fn number_noun(allowed: &Option<Vec<JsonType>>) -> &'static str {
    let whole = allowed.as_ref().is_some_and(|allowed| !allowed.contains(&JsonType::Number));
    noun(if whole { JsonType::Integer } else { JsonType::Number }, Article::With)
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
struct DescriptionWriter {
    out: String,
    left: usize,
}

impl DescriptionWriter {
    fn push(&mut self, text: &str) {
        for c in text.chars().take(self.left) {
            self.out.push(c);
            self.left -= 1;
        }
    }

    fn node(&mut self, node: &SchemaNode, article: Article) {
        match node {
            _ if self.left == 0 => {}
            SchemaNode::Anything => self.push("anything"),
            SchemaNode::Nothing => self.push("nothing"),
            SchemaNode::SchemaKeywords(rules) => self.rules(rules, article),
        }
    }

    fn rules(&mut self, rules: &SchemaKeywords, article: Article) {
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
        let others = rules.properties.keys().filter(|name| !rules.required.contains(name));
        let required = rules.required.iter().map(|name| (name, ""));
        let mut members = required.chain(others.map(|name| (name, ", optional")));
        let mut before = " with ";
        // Once the text is full, no further member is visited: there may be very many.
        while let Some((name, optional)) = members.next().filter(|_| self.left > 0) {
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
        let spoken = [
            (JsonType::Object, object || !self.object.is_unbounded()),
            (JsonType::Array, self.items.is_some() || !self.list.is_unbounded()),
            (JsonType::String, self.pattern.is_some() || !self.text.is_unbounded()),
            (JsonType::Number, bounds.into_iter().any(Option::is_some)),
        ];
        spoken.into_iter().filter(|(_, spoken)| *spoken).map(|(kind, _)| kind).collect()
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

//! What a schema wants, in words. Texts are called texts and arrays lists, as everywhere where people read.

use std::fmt;

use super::misfit::{literal, one_of, quoted, show};
use super::{Node, Numbers, Pattern, Rules, Size, Type};

/// The most characters of a description.
const MOST: usize = 400;

/// What a schema wants.
pub(super) fn describe(node: &Node) -> String {
    let mut words = Words { out: String::new(), left: MOST };
    words.node(node, Article::With);
    if words.left == 0 {
        words.out.pop();
        words.out.push('…');
    }
    words.out
}

/// `an integer or null`
pub(super) fn types(allowed: &[Type]) -> String {
    allowed.iter().map(|kind| noun(*kind, Article::With)).collect::<Vec<_>>().join(" or ")
}

/// What a schema's numbers are called.
pub(super) fn a_number(allowed: &Option<Vec<Type>>) -> &'static str {
    let whole = allowed.as_ref().is_some_and(|allowed| !allowed.contains(&Type::Number));
    noun(if whole { Type::Integer } else { Type::Number }, Article::With)
}

/// `1 item`, `2 items`
pub(super) fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// `matching "^a"`
pub(super) struct TextRule<'p>(pub(super) &'p Pattern);

impl fmt::Display for TextRule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "matching {}", quoted(&self.0.source, 100))
    }
}

#[derive(Clone, Copy)]
enum Article {
    With,
    Without,
}

fn noun(kind: Type, article: Article) -> &'static str {
    let with = match kind {
        Type::Object => "an object",
        Type::Array => "a list",
        Type::String => "a text",
        Type::Number => "a number",
        Type::Integer => "an integer",
        Type::Boolean => return "true or false",
        Type::Null => return "null",
    };
    match article {
        Article::With => with,
        Article::Without => with.split_once(' ').map_or(with, |(_, noun)| noun),
    }
}

/// A text that takes no more than it has room for. Whoever writes to it may go on, and stops early where he sees it full.
struct Words {
    out: String,
    left: usize,
}

impl Words {
    fn push(&mut self, text: &str) {
        for c in text.chars().take(self.left) {
            self.out.push(c);
            self.left -= 1;
        }
    }

    fn node(&mut self, node: &Node, article: Article) {
        match node {
            _ if self.left == 0 => {}
            Node::Anything => self.push("anything"),
            Node::Nothing => self.push("nothing"),
            Node::Rules(rules) => self.rules(rules, article),
        }
    }

    fn rules(&mut self, rules: &Rules, article: Article) {
        if let Some(only) = &rules.exactly {
            return self.push(&literal(only));
        }
        if let Some(choices) = &rules.one_of {
            return self.push(&one_of(&choices.values));
        }
        let kinds = rules.types.clone().unwrap_or_else(|| rules.spoken_of());
        if kinds.is_empty() {
            return self.push("anything");
        }
        for (at, kind) in kinds.into_iter().enumerate() {
            self.push(if at > 0 { " or " } else { "" });
            self.push(noun(kind, article));
            self.kind(rules, kind);
        }
    }

    /// What is asked of values of one type.
    fn kind(&mut self, rules: &Rules, kind: Type) {
        match kind {
            Type::Number | Type::Integer => self.push(&rules.number.to_string()),
            Type::String => {
                self.size(rules.text, "character");
                if let Some(pattern) = &rules.pattern {
                    self.push(&format!(" {}", TextRule(pattern)));
                }
            }
            Type::Array => {
                self.size(rules.list, "item");
                if let Some(items) = &rules.items {
                    self.push(if rules.list.is_free() { " of " } else { ", each " });
                    self.node(items, if rules.list.is_free() { Article::Without } else { Article::With });
                }
            }
            Type::Object => {
                self.size(rules.object, "key");
                self.members(rules);
            }
            Type::Boolean | Type::Null => {}
        }
    }

    fn size(&mut self, size: Size, thing: &str) {
        let text = match (size.least.filter(|least| *least > 0), size.most) {
            (None, None) => return,
            (Some(least), None) => format!(" of at least {}", count(least, thing)),
            (None, Some(most)) => format!(" of at most {}", count(most, thing)),
            (Some(least), Some(most)) if least == most => format!(" of {}", count(most, thing)),
            (Some(least), Some(most)) => format!(" of {least} to {}", count(most, thing)),
        };
        self.push(&text);
    }

    /// The keys of an object: the required ones in their author's order, then the others.
    fn members(&mut self, rules: &Rules) {
        let others = rules.properties.keys().filter(|name| !rules.required.contains(name));
        let required = rules.required.iter().map(|name| (name, ""));
        let mut members = required.chain(others.map(|name| (name, ", optional")));
        let mut before = " with ";
        // Once it is full no further member is looked at: there may be very many.
        while let Some((name, optional)) = members.next().filter(|_| self.left > 0) {
            self.push(before);
            self.push(&quoted(name, 60));
            self.push(" (");
            self.node(rules.properties.get(name).unwrap_or(&Node::Anything), Article::Without);
            self.push(optional);
            self.push(")");
            before = match members.clone().take(2).count() {
                1 => " and ",
                _ => ", ",
            };
        }
        let alone = rules.properties.is_empty() && rules.required.is_empty();
        match &rules.others {
            None | Some(Node::Anything) => {}
            Some(Node::Nothing) => self.push(if alone { " without keys" } else { " and nothing else" }),
            Some(node) => {
                self.push(if alone { " whose every value is " } else { " and, under other keys, " });
                self.node(node, Article::With);
            }
        }
    }
}

impl Rules {
    /// The types that keywords speak of where none is named.
    fn spoken_of(&self) -> Vec<Type> {
        let numbers = &self.number;
        let bounds = [&numbers.least, &numbers.most, &numbers.above, &numbers.below, &numbers.multiple_of];
        let object = !self.properties.is_empty() || !self.required.is_empty() || self.others.is_some();
        let spoken = [
            (Type::Object, object || !self.object.is_free()),
            (Type::Array, self.items.is_some() || !self.list.is_free()),
            (Type::String, self.pattern.is_some() || !self.text.is_free()),
            (Type::Number, bounds.into_iter().any(Option::is_some)),
        ];
        spoken.into_iter().filter(|(_, spoken)| *spoken).map(|(kind, _)| kind).collect()
    }
}

impl Size {
    fn is_free(self) -> bool {
        self.least.is_none_or(|least| least == 0) && self.most.is_none()
    }
}

/// ` ≥ 0 and < 10`; nothing where there are no bounds.
impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = [("≥", &self.least), (">", &self.above), ("≤", &self.most), ("<", &self.below)];
        let mut before = " ";
        for (sign, bound) in bounds {
            if let Some(bound) = bound {
                write!(f, "{before}{sign} {}", show(bound))?;
                before = " and ";
            }
        }
        self.multiple_of.as_ref().map_or(Ok(()), |step| write!(f, ", a multiple of {}", show(step)))
    }
}

//! Whether a value fits. Every value within is looked at once, by the one schema that is about it, and nothing is looked for
//! from one end to the other; so the work grows with the value, and only the logarithm of what the schema lists. Patterns,
//! which may backtrack, have a bound of their own.

use super::decimal::is_multiple;
use super::describe::{TextRule, a_number, count, types};
use super::misfit::{Misfit, literal, names, one_of, quoted, show};
use super::{Node, Numbers, Rules, Size};
use crate::limits::SCHEMA_PATTERN_STEPS;
use crate::value::{Document, Json, compare, same};

/// Whether `value` fits.
pub(super) fn check(node: &Node, value: &Json) -> Result<(), Misfit> {
    Checker { pattern_steps: SCHEMA_PATTERN_STEPS }.node(node, value)
}

struct Checker {
    /// What is left for patterns.
    pattern_steps: u64,
}

impl Checker {
    fn node(&mut self, node: &Node, value: &Json) -> Result<(), Misfit> {
        match node {
            Node::Anything => Ok(()),
            Node::Nothing => Err(Misfit::new("nothing", show(value))),
            Node::Rules(rules) => self.rules(rules, value),
        }
    }

    fn rules(&mut self, rules: &Rules, value: &Json) -> Result<(), Misfit> {
        let wrong = |expected: String| Err(Misfit::new(expected, show(value)));
        if let Some(allowed) = &rules.types
            && !allowed.iter().any(|kind| kind.has(value))
        {
            return wrong(types(allowed));
        }
        if let Some(choices) = &rules.one_of
            && choices.sorted.binary_search_by(|choice| compare(choice, value)).is_err()
        {
            return Err(Misfit::new(one_of(&choices.values), literal(value)));
        }
        if let Some(only) = &rules.exactly
            && !same(only, value)
        {
            return Err(Misfit::new(literal(only), literal(value)));
        }
        match value {
            Json::Null | Json::Bool(_) => Ok(()),
            Json::Number(_) => {
                rules.number.broken_by(value).map_or(Ok(()), |rule| wrong(format!("{} {rule}", a_number(&rules.types))))
            }
            Json::String(text) => self.text(rules, text),
            Json::Array(items) => self.list(rules, items, value),
            Json::Object(map) => self.object(rules, map, value),
        }
    }

    fn text(&mut self, rules: &Rules, text: &str) -> Result<(), Misfit> {
        let chars = text.chars().count() as u64;
        if let Some(bound) = rules.text.broken_by(chars, "character") {
            let found = format!("{} ({})", quoted(text, 60), count(chars, "character"));
            return Err(Misfit::new(format!("a text {bound}"), found));
        }
        let Some(pattern) = &rules.pattern else { return Ok(()) };
        match pattern.compiled.is_in(text, &mut self.pattern_steps) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Misfit::new(format!("a text {}", TextRule(pattern)), quoted(text, 60))),
            Err(_) => {
                let expected = format!("a text that is quickly matched with {}", quoted(&pattern.source, 100));
                Err(Misfit::new(expected, format!("{} (which takes too long)", quoted(text, 60))))
            }
        }
    }

    fn list(&mut self, rules: &Rules, items: &[Json], value: &Json) -> Result<(), Misfit> {
        if let Some(bound) = rules.list.broken_by(items.len() as u64, "item") {
            return Err(Misfit::new(format!("a list {bound}"), show(value)));
        }
        let Some(node) = &rules.items else { return Ok(()) };
        let mut items = items.iter().enumerate();
        items.try_for_each(|(at, item)| self.node(node, item).map_err(|misfit| misfit.under(&at.to_string())))
    }

    fn object(&mut self, rules: &Rules, map: &Document, value: &Json) -> Result<(), Misfit> {
        if rules.required.iter().any(|name| !map.contains_key(name)) {
            let missing: Vec<&String> = rules.required.iter().filter(|name| !map.contains_key(*name)).collect();
            let expected = format!("an object with {}", names(rules.required.iter()));
            return Err(Misfit::new(expected, format!("one without {}", names(missing.into_iter()))));
        }
        if let Some(bound) = rules.object.broken_by(map.len() as u64, "key") {
            let found = format!("{} ({})", show(value), count(map.len() as u64, "key"));
            return Err(Misfit::new(format!("an object {bound}"), found));
        }
        for (name, value) in map {
            match (rules.properties.get(name), &rules.others) {
                (None, Some(Node::Nothing)) => return Err(unknown(rules, name)),
                (Some(node), _) | (None, Some(node)) => {
                    self.node(node, value).map_err(|misfit| misfit.under(name))?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }
}

fn unknown(rules: &Rules, name: &str) -> Misfit {
    let expected = match rules.properties.len() {
        0 => "an empty object".to_owned(),
        _ => format!("no key but {}", names(rules.properties.keys())),
    };
    Misfit::new(expected, format!("the key {}", quoted(name, 60)))
}

impl Numbers {
    /// The first bound that `value` breaks: `of at least 3`.
    fn broken_by(&self, value: &Json) -> Option<String> {
        let beyond = |bound: &Option<Json>, fits: fn(std::cmp::Ordering) -> bool, words: &str| {
            let bound = bound.as_ref()?;
            (!fits(compare(value, bound))).then(|| format!("{words} {}", show(bound)))
        };
        beyond(&self.least, |order| order.is_ge(), "of at least")
            .or_else(|| beyond(&self.most, |order| order.is_le(), "of at most"))
            .or_else(|| beyond(&self.above, |order| order.is_gt(), "above"))
            .or_else(|| beyond(&self.below, |order| order.is_lt(), "below"))
            .or_else(|| match (value, self.multiple_of.as_ref()?) {
                (Json::Number(number), step @ Json::Number(by)) if !is_multiple(number, by) => {
                    Some(format!("that is a multiple of {}", show(step)))
                }
                _ => None,
            })
    }
}

impl Size {
    /// The bound that so many things break: `of at least 3 items`.
    fn broken_by(&self, found: u64, thing: &str) -> Option<String> {
        match (self.least, self.most) {
            (Some(least), _) if found < least => Some(format!("of at least {}", count(least, thing))),
            (_, Some(most)) if found > most => Some(format!("of at most {}", count(most, thing))),
            _ => None,
        }
    }
}

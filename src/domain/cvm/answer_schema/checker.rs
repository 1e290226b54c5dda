//! Checks whether a value matches a schema. Every nested value is visited once, by the one schema that applies to it, and nothing is
//! searched linearly. The work therefore grows with the value, and only with the logarithm of the schema's lists. Patterns, which may
//! backtrack, have a limit of their own.

use serde_json::Number;

use super::description::{TextRule, count, number_noun, type_list};
use super::validation_error::{ValidationError, literal, names, one_of, quote, summarize};
use super::{NumberBounds, SchemaKeywords, SchemaNode, SizeBounds};
use crate::limits::SCHEMA_PATTERN_STEPS;
use crate::value::{Document, Json, compare, is_equal, shortest_digits};

/// Checks whether `value` matches.
pub(super) fn check(node: &SchemaNode, value: &Json) -> Result<(), ValidationError> {
    SchemaChecker { pattern_steps: SCHEMA_PATTERN_STEPS }.node(node, value)
}

struct SchemaChecker {
    /// The remaining steps for patterns.
    pattern_steps: u64,
}

impl SchemaChecker {
    fn node(&mut self, node: &SchemaNode, value: &Json) -> Result<(), ValidationError> {
        match node {
            SchemaNode::Anything => Ok(()),
            SchemaNode::Nothing => Err(ValidationError::new("nothing", summarize(value))),
            SchemaNode::SchemaKeywords(rules) => self.rules(rules, value),
        }
    }

    fn rules(&mut self, rules: &SchemaKeywords, value: &Json) -> Result<(), ValidationError> {
        let wrong = |expected: String| Err(ValidationError::new(expected, summarize(value)));
        if let Some(allowed) = &rules.types
            && !allowed.iter().any(|kind| kind.matches(value))
        {
            return wrong(type_list(allowed));
        }
        if let Some(choices) = &rules.enum_values
            && choices.sorted.binary_search_by(|choice| compare(choice, value)).is_err()
        {
            return Err(ValidationError::new(one_of(&choices.values), literal(value)));
        }
        if let Some(only) = &rules.const_value
            && !is_equal(only, value)
        {
            return Err(ValidationError::new(literal(only), literal(value)));
        }
        match value {
            Json::Null | Json::Bool(_) => Ok(()),
            Json::Number(_) => rules
                .number
                .first_violation(value)
                .map_or(Ok(()), |rule| wrong(format!("{} {rule}", number_noun(&rules.types)))),
            Json::String(text) => self.text(rules, text),
            Json::Array(items) => self.list(rules, items, value),
            Json::Object(map) => self.object(rules, map, value),
        }
    }

    fn text(&mut self, rules: &SchemaKeywords, text: &str) -> Result<(), ValidationError> {
        let chars = text.chars().count() as u64;
        if let Some(bound) = rules.text.first_violation(chars, "character") {
            let found = format!("{} ({})", quote(text, 60), count(chars, "character"));
            return Err(ValidationError::new(format!("a text {bound}"), found));
        }
        let Some(pattern) = &rules.pattern else { return Ok(()) };
        match pattern.compiled.is_match(text, &mut self.pattern_steps) {
            Ok(true) => Ok(()),
            Ok(false) => Err(ValidationError::new(format!("a text {}", TextRule(pattern)), quote(text, 60))),
            Err(_) => {
                let expected = format!("a text that is quickly matched with {}", quote(&pattern.source, 100));
                Err(ValidationError::new(expected, format!("{} (which takes too long)", quote(text, 60))))
            }
        }
    }

    fn list(&mut self, rules: &SchemaKeywords, items: &[Json], value: &Json) -> Result<(), ValidationError> {
        if let Some(bound) = rules.list.first_violation(items.len() as u64, "item") {
            return Err(ValidationError::new(format!("a list {bound}"), summarize(value)));
        }
        let Some(node) = &rules.items else { return Ok(()) };
        let mut items = items.iter().enumerate();
        items.try_for_each(|(at, item)| self.node(node, item).map_err(|error| error.nested_under(&at.to_string())))
    }

    fn object(&mut self, rules: &SchemaKeywords, map: &Document, value: &Json) -> Result<(), ValidationError> {
        if rules.required.iter().any(|name| !map.contains_key(name)) {
            let missing: Vec<&String> = rules.required.iter().filter(|name| !map.contains_key(*name)).collect();
            let expected = format!("an object with {}", names(rules.required.iter()));
            return Err(ValidationError::new(expected, format!("one without {}", names(missing.into_iter()))));
        }
        if let Some(bound) = rules.object.first_violation(map.len() as u64, "key") {
            let found = format!("{} ({})", summarize(value), count(map.len() as u64, "key"));
            return Err(ValidationError::new(format!("an object {bound}"), found));
        }
        for (name, value) in map {
            match (rules.properties.get(name), &rules.additional_properties) {
                (None, Some(SchemaNode::Nothing)) => return Err(unknown_key(rules, name)),
                (Some(node), _) | (None, Some(node)) => {
                    self.node(node, value).map_err(|error| error.nested_under(name))?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }
}

fn unknown_key(rules: &SchemaKeywords, name: &str) -> ValidationError {
    let expected = match rules.properties.len() {
        0 => "an empty object".to_owned(),
        _ => format!("no key but {}", names(rules.properties.keys())),
    };
    ValidationError::new(expected, format!("the key {}", quote(name, 60)))
}

impl NumberBounds {
    /// The first bound that `value` breaks: `of at least 3`.
    fn first_violation(&self, value: &Json) -> Option<String> {
        let beyond = |bound: &Option<Json>, fits: fn(std::cmp::Ordering) -> bool, words: &str| {
            let bound = bound.as_ref()?;
            (!fits(compare(value, bound))).then(|| format!("{words} {}", summarize(bound)))
        };
        beyond(&self.minimum, |order| order.is_ge(), "of at least")
            .or_else(|| beyond(&self.maximum, |order| order.is_le(), "of at most"))
            .or_else(|| beyond(&self.exclusive_minimum, |order| order.is_gt(), "above"))
            .or_else(|| beyond(&self.exclusive_maximum, |order| order.is_lt(), "below"))
            .or_else(|| match (value, self.multiple_of.as_ref()?) {
                (Json::Number(number), step @ Json::Number(by)) if !is_multiple(number, by) => {
                    Some(format!("that is a multiple of {}", summarize(step)))
                }
                _ => None,
            })
    }
}

impl SizeBounds {
    /// The bound that this number of items breaks: `of at least 3 items`.
    fn first_violation(&self, found: u64, unit: &str) -> Option<String> {
        match (self.min, self.max) {
            (Some(least), _) if found < least => Some(format!("of at least {}", count(least, unit))),
            (_, Some(most)) if found > most => Some(format!("of at most {}", count(most, unit))),
            _ => None,
        }
    }
}

/// `digits · 10^exponent`, never negative: the sign does not matter for multiples.
#[derive(Clone, Copy)]
struct UnsignedDecimal {
    digits: u64,
    exponent: i32,
}

/// Whether `number` is a whole multiple of `step`.
pub(super) fn is_multiple(number: &Number, step: &Number) -> bool {
    match (UnsignedDecimal::of(number), UnsignedDecimal::of(step)) {
        (Some(number), Some(step)) => number.is_multiple_of(step),
        _ => false,
    }
}

impl UnsignedDecimal {
    fn of(number: &Number) -> Option<Self> {
        if let Some(digits) = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)) {
            return Some(Self { digits, exponent: 0 });
        }
        // There are at most 17 digits.
        let (digits, first) = shortest_digits(number.as_f64()?.abs());
        let exponent = first + 1 - i32::try_from(digits.len()).ok()?;
        Some(Self { digits: digits.iter().fold(0, |all, digit| all * 10 + u64::from(digit - b'0')), exponent })
    }

    fn is_multiple_of(self, step: Self) -> bool {
        if step.digits == 0 {
            return false;
        }
        let (digits, step_digits) = (u128::from(self.digits), u128::from(step.digits));
        match u32::try_from(self.exponent - step.exponent) {
            // digits · 10^n modulo the step, for n up to some 600: only the remainder is held, and it is below 2^64.
            Ok(zeros) => (0..zeros).fold(digits % step_digits, |rest, _| rest * 10 % step_digits) == 0,
            // A step that is larger than all digits has no multiple but 0.
            Err(_) => 10u128
                .checked_pow(self.exponent.abs_diff(step.exponent))
                .and_then(|power| step_digits.checked_mul(power))
                .map_or(digits == 0, |step| digits.is_multiple_of(step)),
        }
    }
}

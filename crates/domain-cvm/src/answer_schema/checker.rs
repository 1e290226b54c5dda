//! Checks whether a value matches a schema. A schema without `anyOf`, `oneOf`, `allOf` and `$ref` visits every nested
//! value once, by the one schema that applies to it, and searches nothing linearly: the work grows with the value, and
//! only with the logarithm of the schema's lists. With these keywords many schemas may apply to one value. Each visit
//! is therefore counted, and so are its comparisons. Patterns, which may backtrack, have a limit of their own.

use runstate_core::limits::{SCHEMA_CHECK_STEPS, SCHEMA_PATTERN_CHARS, SCHEMA_PATTERN_STEPS, SCHEMA_PATTERNS_CHARS};
use runstate_value::{Document, Json, compare, is_equal, shortest_digits};
use serde_json::Number;

use super::description::{
    TextRule, ValidationError, count, describe_branches, literal, names, number_noun, one_of, quote, summarize,
    truncate, type_list,
};
use super::format::TextFormat;
use super::{Definition, JsonType, NumberBounds, Schema, SchemaKeywords, SchemaNode, SizeBounds};

/// Most schemas that apply to a value, to the values around it, and after each other. It is reached only by references,
/// and bounds the recursion.
const MAX_DEPTH: u32 = 256;

/// Most branches of `anyOf` or `oneOf` whose mismatch an error explains.
const MAX_BRANCHES: usize = 4;

/// Values that are compared with others in one step.
const VALUES_PER_STEP: usize = 4;

/// Text bytes that are compared as one value.
const BYTES_PER_VALUE: usize = 32;

/// Checks whether `value` matches.
pub(super) fn check(schema: &Schema, value: &Json) -> Result<(), ValidationError> {
    SchemaChecker::new(schema, Detail::Branches).node(schema.root(), value).map_err(|failure| match failure {
        Failure::Mismatch(error) | Failure::LimitExceeded(error) => error,
    })
}

/// Those of `values` that match, with one limit for all of them.
pub(super) fn matching_values(schema: &Schema, values: Vec<&Json>) -> Vec<Json> {
    let mut checker = SchemaChecker::new(schema, Detail::None);
    values.into_iter().filter(|value| checker.node(schema.root(), value).is_ok()).cloned().collect()
}

/// Why a value was not accepted.
enum Failure {
    Mismatch(ValidationError),
    /// It is not known whether the value matches. No branch can make up for that.
    LimitExceeded(ValidationError),
}

/// How a mismatch is described. Branches that do not match are common, and their descriptions are costly.
#[derive(Clone, Copy, PartialEq)]
enum Detail {
    /// Not at all.
    None,
    /// In words, but for branches only the expected value.
    Value,
    /// In words, with the mismatch of each branch.
    Branches,
}

struct SchemaChecker<'s> {
    definitions: &'s [Definition],
    detail: Detail,
    /// The remaining steps.
    steps: u64,
    /// The remaining steps for patterns.
    pattern_steps: u64,
    depth: u32,
}

impl<'s> SchemaChecker<'s> {
    fn new(schema: &'s Schema, detail: Detail) -> Self {
        let (steps, pattern_steps) = (SCHEMA_CHECK_STEPS, SCHEMA_PATTERN_STEPS);
        Self { definitions: &schema.definitions, detail, steps, pattern_steps, depth: 0 }
    }

    /// A mismatch, with its description only if it is shown.
    fn mismatch<E: Into<String>, F: Into<String>>(&self, describe: impl FnOnce() -> (E, F)) -> Result<(), Failure> {
        let error = match self.detail {
            Detail::None => ValidationError::new("", ""),
            Detail::Value | Detail::Branches => {
                let (expected, found) = describe();
                ValidationError::new(expected, found)
            }
        };
        Err(Failure::Mismatch(error))
    }

    fn spend(&mut self, steps: usize, value: &Json) -> Result<(), Failure> {
        match self.steps.checked_sub(steps as u64) {
            Some(rest) => {
                self.steps = rest;
                Ok(())
            }
            None => Err(limit_exceeded("a value that is quickly checked", value, "which takes too long")),
        }
    }

    fn node(&mut self, node: &'s SchemaNode, value: &Json) -> Result<(), Failure> {
        self.spend(1, value)?;
        match node {
            SchemaNode::Anything => Ok(()),
            SchemaNode::Nothing => self.mismatch(|| ("nothing", summarize(value))),
            SchemaNode::Keywords(_) if self.depth == MAX_DEPTH => {
                Err(limit_exceeded("a value that is nested less deeply", value, "too deep"))
            }
            SchemaNode::Keywords(rules) => {
                self.depth += 1;
                let result = self.rules(rules, value).and_then(|()| self.combinations(rules, value));
                self.depth -= 1;
                result
            }
        }
    }

    /// The same, for a value within a list or object.
    fn nested(&mut self, node: &'s SchemaNode, value: &Json, key: impl FnOnce() -> String) -> Result<(), Failure> {
        self.node(node, value).map_err(|failure| match failure {
            Failure::Mismatch(error) if self.detail == Detail::None => Failure::Mismatch(error),
            Failure::Mismatch(error) => Failure::Mismatch(error.nested_under(&key())),
            Failure::LimitExceeded(error) => Failure::LimitExceeded(error.nested_under(&key())),
        })
    }

    fn rules(&mut self, rules: &'s SchemaKeywords, value: &Json) -> Result<(), Failure> {
        if let Some(allowed) = &rules.types
            && !allowed.iter().any(|kind| kind.matches(value))
        {
            return self.mismatch(|| (type_list(allowed), summarize(value)));
        }
        if let Some(choices) = &rules.enum_values {
            let comparisons = choices.sorted.len().ilog2() as usize + 1;
            let compared = weight(value, choices.largest).saturating_mul(comparisons) / VALUES_PER_STEP;
            self.spend(compared, value)?;
            if choices.sorted.binary_search_by(|choice| compare(choice, value)).is_err() {
                return self.mismatch(|| (one_of(&choices.values), literal(value)));
            }
        }
        if let Some(only) = &rules.const_value {
            self.spend(weight(value, rules.const_weight) / VALUES_PER_STEP, value)?;
            if !is_equal(only, value) {
                return self.mismatch(|| (literal(only), literal(value)));
            }
        }
        match value {
            Json::Null | Json::Bool(_) => Ok(()),
            Json::Number(_) => rules.number.first_violation(value).map_or(Ok(()), |rule| {
                self.mismatch(|| (format!("{} {rule}", number_noun(&rules.types)), summarize(value)))
            }),
            Json::String(text) => self.text(rules, text, value),
            Json::Array(items) => self.list(rules, items, value),
            Json::Object(map) => self.object(rules, map, value),
        }
    }

    fn text(&mut self, rules: &SchemaKeywords, text: &str, value: &Json) -> Result<(), Failure> {
        self.spend(text.len() / BYTES_PER_VALUE, value)?;
        let chars = text.chars().count() as u64;
        if let Some(bound) = rules.text.first_violation(chars, "character") {
            let found = || format!("{} ({})", quote(text, 60), count(chars, "character"));
            return self.mismatch(|| (format!("a text {bound}"), found()));
        }
        if let Some(format) = rules.format {
            self.format(format, text, value)?;
        }
        let Some(pattern) = &rules.pattern else { return Ok(()) };
        match pattern.compiled.is_match(text, &mut self.pattern_steps) {
            Ok(true) => Ok(()),
            Ok(false) => self.mismatch(|| (format!("a text {}", TextRule(pattern)), quote(text, 60))),
            Err(_) => {
                let expected = format!("a text that is quickly matched with {}", quote(&pattern.source, 100));
                Err(limit_exceeded(&expected, value, "which takes too long"))
            }
        }
    }

    fn format(&mut self, format: TextFormat, text: &str, value: &Json) -> Result<(), Failure> {
        if format == TextFormat::RegExp {
            // Compiled patterns are limited as those of a schema are.
            let steps =
                SCHEMA_PATTERN_STEPS / SCHEMA_PATTERNS_CHARS as u64 * text.len().min(SCHEMA_PATTERN_CHARS) as u64;
            match self.pattern_steps.checked_sub(steps) {
                Some(rest) => self.pattern_steps = rest,
                None => return Err(limit_exceeded("fewer regular expressions", value, "which takes too long")),
            }
        }
        match format.matches(text) {
            true => Ok(()),
            false => self.mismatch(|| (format!("a text {format}"), quote(text, 60))),
        }
    }

    fn list(&mut self, rules: &'s SchemaKeywords, items: &[Json], value: &Json) -> Result<(), Failure> {
        if let Some(bound) = rules.list.first_violation(items.len() as u64, "item") {
            return self.mismatch(|| (format!("a list {bound}"), summarize(value)));
        }
        let Some(node) = &rules.items else { return Ok(()) };
        let mut items = items.iter().enumerate();
        items.try_for_each(|(at, item)| self.nested(node, item, || at.to_string()))
    }

    fn object(&mut self, rules: &'s SchemaKeywords, map: &Document, value: &Json) -> Result<(), Failure> {
        // The first missing name ends the search.
        self.spend(rules.required.len().min(map.len()), value)?;
        if rules.required.iter().any(|name| !map.contains_key(name)) {
            return self.mismatch(|| {
                let missing: Vec<&String> = rules.required.iter().filter(|name| !map.contains_key(*name)).collect();
                let expected = format!("an object with {}", names(rules.required.iter()));
                (expected, format!("one without {}", names(missing.into_iter())))
            });
        }
        if let Some(bound) = rules.object.first_violation(map.len() as u64, "key") {
            let found = || format!("{} ({})", summarize(value), count(map.len() as u64, "key"));
            return self.mismatch(|| (format!("an object {bound}"), found()));
        }
        if rules.properties.is_empty() && rules.additional_properties.is_none() {
            return Ok(());
        }
        self.spend(map.len(), value)?;
        for (name, value) in map {
            match (rules.properties.get(name), &rules.additional_properties) {
                (None, Some(SchemaNode::Nothing)) => return self.mismatch(|| unknown_key(rules, name)),
                (Some(node), _) | (None, Some(node)) => self.nested(node, value, || name.clone())?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// The keywords that apply other schemas to the same value.
    fn combinations(&mut self, rules: &'s SchemaKeywords, value: &Json) -> Result<(), Failure> {
        if let Some(index) = rules.reference {
            self.node(&self.definitions[index].node, value)?;
        }
        for node in &rules.all_of {
            self.node(node, value)?;
        }
        if let Some(branches) = &rules.any_of
            && self.matching_branches(branches, value, 1)?.is_empty()
        {
            return self.no_branch(branches, value);
        }
        if let Some(branches) = &rules.one_of {
            match self.matching_branches(branches, value, 2)?[..] {
                [] => return self.no_branch(branches, value),
                [_] => {}
                [first, second, ..] => {
                    let found =
                        |value| format!("{} (which matches {} and {})", summarize(value), first + 1, second + 1);
                    return self.mismatch(|| (format!("only one of {} forms", branches.len()), found(value)));
                }
            }
        }
        Ok(())
    }

    /// The first `most` branches that match.
    fn matching_branches(
        &mut self,
        branches: &'s [SchemaNode],
        value: &Json,
        most: usize,
    ) -> Result<Vec<usize>, Failure> {
        let detail = std::mem::replace(&mut self.detail, Detail::None);
        let mut matching = Vec::new();
        for (at, branch) in branches.iter().enumerate() {
            match self.node(branch, value) {
                Ok(()) => matching.push(at),
                Err(Failure::Mismatch(_)) => {}
                Err(exceeded) => return Err(exceeded),
            }
            if matching.len() == most {
                break;
            }
        }
        self.detail = detail;
        Ok(matching)
    }

    /// The mismatch of a value that no branch accepts.
    fn no_branch(&mut self, branches: &'s [SchemaNode], value: &Json) -> Result<(), Failure> {
        if self.detail != Detail::Branches {
            return self.mismatch(|| (describe_branches(self.definitions, branches), summarize(value)));
        }
        self.detail = Detail::Value;
        // A value that is not null is not meant for a branch that only accepts null.
        let for_null = |branch: &SchemaNode| matches!(branch, SchemaNode::Keywords(rules) if rules.accepts_only_null());
        let meant: Vec<(usize, &SchemaNode)> =
            branches.iter().enumerate().filter(|(_, branch)| value.is_null() || !for_null(branch)).collect();
        let mut errors = Vec::new();
        for (at, branch) in meant.iter().take(MAX_BRANCHES) {
            match self.node(branch, value) {
                Err(Failure::Mismatch(error)) => errors.push((at + 1, error)),
                Err(exceeded) => return Err(exceeded),
                Ok(()) => {}
            }
        }
        self.detail = Detail::Branches;
        Err(Failure::Mismatch(match errors.as_slice() {
            [(_, only)] if meant.len() == 1 && !only.path.is_empty() => only.clone(),
            _ if errors.iter().all(|(_, error)| error.path.is_empty() && error.found == errors[0].1.found) => {
                let expected = describe_branches(self.definitions, branches);
                ValidationError::new(expected, errors.first().map_or_else(|| summarize(value), |e| e.1.found.clone()))
            }
            _ => {
                let hidden = (meant.len() - errors.len()).checked_sub(1).map(|more| format!("; and {} more", more + 1));
                let reasons = errors.iter().map(|(at, error)| format!("{at}: {}", truncate(&error.to_string(), 200)));
                let reasons = reasons.collect::<Vec<_>>().join("; ") + &hidden.unwrap_or_default();
                let expected = format!("one of {} forms", branches.len());
                ValidationError::new(expected, format!("{} ({reasons})", summarize(value)))
            }
        }))
    }
}

fn limit_exceeded(expected: &str, value: &Json, why: &str) -> Failure {
    Failure::LimitExceeded(ValidationError::new(expected, format!("{} ({why})", summarize(value))))
}

/// The number of values that are compared, at most `most`. Long texts count as several.
fn weight(value: &Json, most: usize) -> usize {
    let (mut rest, mut total) = (vec![value], 0);
    while let Some(value) = rest.pop() {
        total += 1 + match value {
            Json::String(text) => text.len() / BYTES_PER_VALUE,
            Json::Array(items) => items.len(),
            Json::Object(map) => map.len(),
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        };
        if total >= most {
            return most;
        }
        match value {
            Json::Array(items) => rest.extend(items),
            Json::Object(map) => rest.extend(map.values()),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    total
}

/// The number of values in a value.
pub(super) fn full_weight(value: &Json) -> usize {
    weight(value, usize::MAX)
}

impl SchemaKeywords {
    fn accepts_only_null(&self) -> bool {
        self.types.as_deref() == Some(&[JsonType::Null]) || self.const_value.as_ref().is_some_and(Json::is_null)
    }
}

fn unknown_key(rules: &SchemaKeywords, name: &str) -> (String, String) {
    let expected = match rules.properties.len() {
        0 => "an empty object".to_owned(),
        _ => format!("no key but {}", names(rules.properties.keys())),
    };
    (expected, format!("the key {}", quote(name, 60)))
}

impl NumberBounds {
    /// The first bound that `value` breaks: `of at least 3`.
    fn first_violation(&self, value: &Json) -> Option<String> {
        let violation = |bound: &Option<Json>, fits: fn(std::cmp::Ordering) -> bool, words: &str| {
            let bound = bound.as_ref()?;
            (!fits(compare(value, bound))).then(|| format!("{words} {}", summarize(bound)))
        };
        violation(&self.minimum, |order| order.is_ge(), "of at least")
            .or_else(|| violation(&self.maximum, |order| order.is_le(), "of at most"))
            .or_else(|| violation(&self.exclusive_minimum, |order| order.is_gt(), "above"))
            .or_else(|| violation(&self.exclusive_maximum, |order| order.is_lt(), "below"))
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
    match (UnsignedDecimal::from_number(number), UnsignedDecimal::from_number(step)) {
        (Some(number), Some(step)) => number.is_multiple_of(step),
        _ => false,
    }
}

impl UnsignedDecimal {
    fn from_number(number: &Number) -> Option<Self> {
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
            // digits · 10^n modulo the step, for n up to some 600: only the remainder is stored, and it is below 2^64.
            Ok(zeros) => (0..zeros).fold(digits % step_digits, |remainder, _| remainder * 10 % step_digits) == 0,
            // A step that is larger than all digits has no multiple but 0.
            Err(_) => 10u128
                .checked_pow(self.exponent.abs_diff(step.exponent))
                .and_then(|power| step_digits.checked_mul(power))
                .map_or(digits == 0, |step| digits.is_multiple_of(step)),
        }
    }
}

//! Checks whether a value matches a schema, and converts an answer to the program's value. A check visits every nested
//! value once, by the one schema that applies to it, and searches nothing linearly. The work therefore grows with the
//! value, and only with the logarithm of the schema's lists. Patterns, which may backtrack, have a limit of their own.
//!
//! Models and people answer in text. A conversion is made where it is unambiguous; nothing is guessed.

use runstate_core::limits::SCHEMA_PATTERN_STEPS;
use runstate_value::{
    Document, Json, canonical_json, check_plain, compare, is_equal, json_text, parse, shortest_digits,
};
use serde_json::Number;

use super::description::{
    TextRule, ValidationError, count, literal, names, number_noun, one_of, quote, summarize, truncate, type_list,
};
use super::{NumberBounds, Schema, SchemaKeywords, SchemaNode, SizeBounds};

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
            SchemaNode::Keywords(rules) => self.rules(rules, value),
        }
    }

    fn rules(&mut self, rules: &SchemaKeywords, value: &Json) -> Result<(), ValidationError> {
        let mismatch = |expected: String| Err(ValidationError::new(expected, summarize(value)));
        if let Some(allowed) = &rules.types
            && !allowed.iter().any(|kind| kind.matches(value))
        {
            return mismatch(type_list(allowed));
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
                .map_or(Ok(()), |rule| mismatch(format!("{} {rule}", number_noun(&rules.types)))),
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

/// Returns the program's value for an answer.
///
/// - With choices: the choice that equals the answer. A text may be the JSON of a choice that is not a text (`"3"` for
///   3). If no choice equals it, white space around it is ignored.
/// - With a schema: the answer itself if it matches; otherwise the JSON in a text, within a Markdown fence or without.
///   If the schema has no `type` but `properties`, `required` or `items`, the JSON in a text is tried first.
/// - With both: the choice, if it matches the schema.
/// - With neither: any plain value.
///
/// # Errors
/// The reason why the answer is not valid, in words for the answerer.
///
/// ```
/// use runstate::domain::cvm::{Schema, coerce_answer};
/// use serde_json::json;
///
/// let schema = Schema::parse(&json!({"type": "object", "required": ["ok"]}))?;
/// let answer = json!("```json\n{\"ok\": true}\n```");
/// assert_eq!(coerce_answer(Some(&schema), None, &answer).unwrap(), json!({"ok": true}));
/// assert_eq!(coerce_answer(None, Some(&[json!(1), json!(2)]), &json!(" 2\n")).unwrap(), json!(2));
/// # Ok::<(), String>(())
/// ```
pub fn coerce_answer(
    schema: Option<&Schema>,
    choices: Option<&[Json]>,
    answer: &Json,
) -> Result<Json, ValidationError> {
    check_plain_value(answer)?;
    match (choices, schema) {
        (Some(choices), schema) => {
            let chosen =
                choose(choices, answer).ok_or_else(|| ValidationError::new(one_of(choices), summarize(answer)))?;
            schema.map_or(Ok(()), |schema| schema.check(chosen))?;
            Ok(chosen.clone())
        }
        (None, Some(schema)) => coerce_to_schema(schema, answer),
        (None, None) => Ok(answer.clone()),
    }
}

fn check_plain_value(value: &Json) -> Result<(), ValidationError> {
    check_plain(value).map_err(|excess| {
        ValidationError::new(
            "a plain value",
            format!("one that cannot be stored ({})", truncate(&excess.to_string(), 200)),
        )
    })
}

/// The choice that is meant. A choice that is closer to the answer as given is preferred.
fn choose<'c>(choices: &'c [Json], answer: &Json) -> Option<&'c Json> {
    if let Some(chosen) = choices.iter().find(|choice| is_equal(choice, answer)) {
        return Some(chosen);
    }
    let text = answer.as_str()?;
    let by_json = |text: &str| choices.iter().find(|choice| is_json_of(choice, text));
    let trimmed = text.trim();
    let trimmed_match = || choices.iter().find(|choice| choice.as_str().is_some_and(|choice| choice.trim() == trimmed));
    by_json(text).or_else(trimmed_match).or_else(|| by_json(trimmed))
}

/// Whether `text` is the JSON of a choice that is not a text.
fn is_json_of(choice: &Json, text: &str) -> bool {
    // Numbers have two notations: `3` and `3.0`. The depth of choices may be unbounded here, and serializing them is
    // recursive.
    let texts = || [canonical_json(choice), json_text(choice)];
    !choice.is_string() && check_plain(choice).is_ok() && texts().iter().any(|json| json == text)
}

/// The answer, or the JSON in it, as the schema requires.
fn coerce_to_schema(schema: &Schema, answer: &Json) -> Result<Json, ValidationError> {
    let as_given = schema.check(answer);
    let Json::String(text) = answer else { return as_given.map(|()| answer.clone()) };
    let parsed = match (&as_given, parse(strip_code_fence(text))) {
        // A schema with keywords for members or items means objects and lists, even if its author omitted the type.
        (Ok(()), Ok(parsed)) if schema.0.implies_object_or_array() && (parsed.is_object() || parsed.is_array()) => {
            Ok(parsed)
        }
        (Ok(()), _) => return Ok(answer.clone()),
        (Err(_), parsed) => parsed,
    };
    let json_error = match parsed {
        Ok(parsed) => match check_plain_value(&parsed).and_then(|()| schema.check(&parsed)) {
            Ok(()) => return Ok(parsed),
            Err(error) => error,
        },
        Err(why) => {
            let found = format!("{} (not JSON: {why})", quote(text, 60));
            ValidationError::new(format!("JSON for {}", schema.describe()), found)
        }
    };
    // If a text was expected and a text was given, errors of the JSON in it are irrelevant.
    match as_given {
        Err(error) if schema.0.accepts_strings() => Err(error),
        _ => Err(json_error),
    }
}

/// A text without white space around it and, if it is exactly one fenced block of Markdown, without the fence.
fn strip_code_fence(text: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let text = text.trim_matches(blank);
    let ticks = text.len() - text.trim_start_matches('`').len();
    let (fence, content) = text.split_at(ticks);
    let Some(inside) = content.strip_suffix(fence).filter(|_| ticks >= 3) else { return text };
    let word = inside.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    let (name, behind) = inside.split_at(inside.len() - word.len());
    // `json` is the block's language even on the same line as the content. Another word is a language only if its line
    // ends after it.
    let language = name.eq_ignore_ascii_case("json") || behind.trim_start_matches([' ', '\t', '\r']).starts_with('\n');
    (if language { behind } else { inside }).trim_matches(blank)
}

//! Converts an answer to the program's value. Models and people answer in text. A conversion is made where it is
//! unambiguous; nothing is guessed.

use runstate_value::{Json, canonical_json, check_plain, is_equal, json_text, parse};

use super::Schema;
use super::description::{ValidationError, one_of, quote, summarize, truncate};

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
        (Ok(()), Ok(parsed)) if schema.acceptance.implies_container && (parsed.is_object() || parsed.is_array()) => {
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
        Err(error) if schema.acceptance.strings => Err(error),
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

//! From an answer as it was given to what the program gets. Models and people answer in text; what is meant is found where
//! there is no doubt, and nothing is guessed.

use super::Schema;
use super::misfit::{Misfit, cut, one_of, quoted, show};
use crate::value::{Json, canonical, check_plain, json_text, parse, same};

/// What the program gets for an answer.
///
/// - With choices, the choice that it is worth; a text may be the JSON of a choice that is none (`"3"` for 3), and where no choice is
///   equal to it, white space around it is forgiven.
/// - With a schema, the answer itself where it fits; else, of a text, the JSON in it, within a Markdown fence or without. Where a schema has
///   no `type` and speaks of `properties`, `required` or `items`, the JSON in a text is looked at first.
/// - With both, the choice, if it fits the schema.
/// - With neither, any plain value.
///
/// # Errors
/// Why it is none of that, in words for whoever answered.
///
/// ```
/// use runstate::domain::cvm::{Schema, fit};
/// use serde_json::json;
///
/// let schema = Schema::parse(&json!({"type": "object", "required": ["ok"]}))?;
/// let answer = json!("```json\n{\"ok\": true}\n```");
/// assert_eq!(fit(Some(&schema), None, &answer).unwrap(), json!({"ok": true}));
/// assert_eq!(fit(None, Some(&[json!(1), json!(2)]), &json!(" 2\n")).unwrap(), json!(2));
/// # Ok::<(), String>(())
/// ```
pub fn fit(schema: Option<&Schema>, choices: Option<&[Json]>, answer: &Json) -> Result<Json, Misfit> {
    plain(answer)?;
    match (choices, schema) {
        (Some(choices), schema) => {
            let chosen = choose(choices, answer).ok_or_else(|| Misfit::new(one_of(choices), show(answer)))?;
            schema.map_or(Ok(()), |schema| schema.check(chosen))?;
            Ok(chosen.clone())
        }
        (None, Some(schema)) => shaped(schema, answer),
        (None, None) => Ok(answer.clone()),
    }
}

fn plain(value: &Json) -> Result<(), Misfit> {
    check_plain(value).map_err(|excess| {
        Misfit::new("a plain value", format!("one that cannot be kept ({})", cut(&excess.to_string(), 200)))
    })
}

/// The choice that is meant. What is nearer to the answer as it was given comes first.
fn choose<'c>(choices: &'c [Json], answer: &Json) -> Option<&'c Json> {
    if let Some(chosen) = choices.iter().find(|choice| same(choice, answer)) {
        return Some(chosen);
    }
    let text = answer.as_str()?;
    let written = |text: &str| choices.iter().find(|choice| writes(choice, text));
    let trimmed = text.trim();
    let said = || choices.iter().find(|choice| choice.as_str().is_some_and(|choice| choice.trim() == trimmed));
    written(text).or_else(said).or_else(|| written(trimmed))
}

/// Whether `text` is the JSON of a choice that is no text.
fn writes(choice: &Json, text: &str) -> bool {
    // Numbers are written in two ways: `3` and `3.0`. Nobody has to have bounded the depth of choices, and writing them is recursive.
    let texts = || [canonical(choice), json_text(choice)];
    !choice.is_string() && check_plain(choice).is_ok() && texts().iter().any(|written| written == text)
}

/// The answer, or the JSON in it, as the schema wants it.
fn shaped(schema: &Schema, answer: &Json) -> Result<Json, Misfit> {
    let as_given = schema.check(answer);
    let Json::String(text) = answer else { return as_given.map(|()| answer.clone()) };
    let parsed = match (&as_given, parse(unwrapped(text))) {
        // A schema that speaks of members and elements means objects and lists, also where it forgets to say so.
        (Ok(()), Ok(parsed)) if schema.0.means_structure() && (parsed.is_object() || parsed.is_array()) => Ok(parsed),
        (Ok(()), _) => return Ok(answer.clone()),
        (Err(_), parsed) => parsed,
    };
    let of_json = match parsed {
        Ok(parsed) => match plain(&parsed).and_then(|()| schema.check(&parsed)) {
            Ok(()) => return Ok(parsed),
            Err(misfit) => misfit,
        },
        Err(why) => {
            let found = format!("{} (no JSON: {why})", quoted(text, 60));
            Misfit::new(format!("JSON for {}", schema.describe()), found)
        }
    };
    // Where a text was wanted and a text was given, that it is no JSON, or which, is beside the point.
    match as_given {
        Err(misfit) if schema.0.takes_text() => Err(misfit),
        _ => Err(of_json),
    }
}

/// A text without white space around it and, where it is nothing but one fenced block of Markdown, without its fence.
fn unwrapped(text: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let text = text.trim_matches(blank);
    let ticks = text.len() - text.trim_start_matches('`').len();
    let (fence, rest) = text.split_at(ticks);
    let Some(inside) = rest.strip_suffix(fence).filter(|_| ticks >= 3) else { return text };
    let word = inside.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    let (name, behind) = inside.split_at(inside.len() - word.len());
    // `json` is the block's language even on the line of the block; another word is so only where its line ends behind it.
    let language = name.eq_ignore_ascii_case("json") || behind.trim_start_matches([' ', '\t', '\r']).starts_with('\n');
    (if language { behind } else { inside }).trim_matches(blank)
}

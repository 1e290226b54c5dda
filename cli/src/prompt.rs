//! Questions as people see them, and the answers that they may type.

use runstate::domain::cvm::{COGNITIVE, CallView, Schema, TIMER, coerce_answer};
use runstate::time::Timestamp;
use serde_json::Value as Json;

use crate::printer::{escape_control, indented};
use crate::time_format::{deadline_text, format_seconds};

/// Formats the question, its numbered choices, the expected answer and the deadline as lines.
pub fn format_question(call: &CallView, now: Timestamp, bold: impl Fn(&str) -> String) -> String {
    if call.kind == TIMER {
        let until = call.deadline.map(|at| format!(" until {}", deadline_text(at, now))).unwrap_or_default();
        return format!("  sleeps{until}\n");
    }
    let mut text = format!("? {}\n", bold(&indented(&escape_control(&question_text(call)), 2)));
    for (number, choice) in (1..).zip(choices(call).unwrap_or_default()) {
        text += &format!("  {number}) {}\n", indented(&escape_control(&display_value(&choice)), 5));
    }
    let refusal = call.refusal.as_ref().map(|refusal| format!("waits: {}", refusal.message));
    for line in [expected_line(call), deadline_line(call, now), refusal].into_iter().flatten() {
        text += &format!("  {}\n", escape_control(&line));
    }
    text
}

/// Returns the text of a question; for a tool its name and arguments.
fn question_text(call: &CallView) -> String {
    match (call.kind == COGNITIVE, call.args.is_null()) {
        (true, _) => call.prompt.clone(),
        (false, true) => call.kind.clone(),
        (false, false) => format!("{} {}", call.kind, call.args),
    }
}

/// Describes an open call in one line, with its key, and with what budgets lack for it.
pub fn question_line(call: &CallView) -> String {
    let key = call.key.as_ref().map(|key| format!(" (key {key})")).unwrap_or_default();
    let needs = call.needs().map(|needs| format!(" ({needs})")).unwrap_or_default();
    match call.deadline {
        Some(at) if call.kind == TIMER => format!("sleeps until {}", format_seconds(at)),
        _ => format!("{}{key}{needs}", question_text(call)),
    }
}

pub fn answer_flag(call: &CallView) -> String {
    match choices(call).and_then(|choices| choices.into_iter().next()) {
        Some(choice) if !choice.is_string() => format!("--json-value {choice}"),
        None if schema(call).is_some() && !takes_text(call) => "--json-value …".to_owned(),
        _ => "--text …".to_owned(),
    }
}

/// Describes the expected answer of a question with a schema.
fn expected_line(call: &CallView) -> Option<String> {
    // A list of choices says it already.
    let schema = schema(call).filter(|_| choices(call).is_none())?;
    let form = if schema.takes_text() { "" } else { ", as JSON" };
    Some(format!("expected: {}{form}", schema.describe()))
}

fn schema(call: &CallView) -> Option<Schema> {
    // The engine reports a schema that cannot be parsed here.
    Schema::parse_stored(call.schema.as_ref()?).ok()
}

/// Whether the expected answer is text, which is used as typed.
fn takes_text(call: &CallView) -> bool {
    schema(call).is_some_and(|schema| schema.takes_text())
}

/// The allowed answers: the choices of the call, or the values of a schema that lists them.
fn choices(call: &CallView) -> Option<Vec<Json>> {
    call.choices.clone().or_else(|| schema(call)?.choices())
}

/// Describes the deadline, and the effect of a missed deadline.
fn deadline_line(call: &CallView, now: Timestamp) -> Option<String> {
    let at = deadline_text(call.deadline?, now);
    Some(match &call.default {
        Some(default) => format!("until {at}, then {default}"),
        None => format!("until {at}, then the program gets a TimeoutError"),
    })
}

/// Formats a plain value for people: text without its quotes.
pub fn display_value(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Parses a typed answer. Without choices it is the text itself; a schema checks it, as text or as JSON. With choices
/// it is a choice by its exact text, its number, or a unique prefix. `Err`: the allowed answers.
pub fn parse_answer(call: &CallView, typed: &str) -> Result<Json, String> {
    match choices(call) {
        None => {
            let answer = Json::String(typed.to_owned());
            // The engine coerces the answer; this only checks whether it can.
            coerce_answer(schema(call).as_ref(), None, &answer).map_err(|error| error.to_string())?;
            Ok(answer)
        }
        Some(choices) => {
            let typed = typed.trim();
            // A choice of a schema may also be typed as its JSON.
            let by_json = || serde_json::from_str(typed).ok().filter(|value| choices.contains(value));
            pick_choice(&choices, typed).cloned().or_else(|why| by_json().filter(|value| !value.is_number()).ok_or(why))
        }
    }
}

fn pick_choice<'a>(choices: &'a [Json], typed: &str) -> Result<&'a Json, String> {
    let lowercase = typed.to_lowercase();
    let texts: Vec<String> = choices.iter().map(|choice| display_value(choice).trim().to_owned()).collect();
    let exact = texts.iter().position(|text| text == typed);
    match (exact, position(typed, choices.len())) {
        (Some(at), Some(other)) if at != other => return Err(ambiguous(&texts, at, other)),
        (Some(at), _) | (None, Some(at)) => return Ok(&choices[at]),
        (None, None) => {}
    }
    let matching = |matches: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..texts.len()).filter(|at| matches(&texts[*at].to_lowercase())).collect()
    };
    let exact = matching(&|text| text == lowercase);
    let prefixed = if typed.is_empty() { Vec::new() } else { matching(&|text| text.starts_with(&lowercase)) };
    match (exact.as_slice(), prefixed.as_slice()) {
        ([at], _) | (_, [at]) => Ok(&choices[*at]),
        (_, [_, _, ..]) => {
            let candidates: Vec<&str> = prefixed.iter().map(|at| texts[*at].as_str()).collect();
            Err(format!(
                "`{typed}` is ambiguous: it could be {}; type more of it or its number",
                candidates.join(" or ")
            ))
        }
        _ => {
            let problem = if typed.is_empty() {
                "no choice was made".to_owned()
            } else {
                format!("`{typed}` is not one of the choices")
            };
            Err(format!("{problem}; type a number from 1 to {}, or {}", choices.len(), texts.join(", ")))
        }
    }
}

/// Returns the index of the choice whose number is typed, as `2` or, as it is shown, `2)`.
fn position(typed: &str, choices: usize) -> Option<usize> {
    let number: usize = typed.strip_suffix(')').unwrap_or(typed).parse().ok()?;
    number.checked_sub(1).filter(|at| *at < choices)
}

/// Returns the error for a text that is one choice and the number of another.
fn ambiguous(texts: &[String], at: usize, other: usize) -> String {
    let (text, numbered) = (&texts[at], |at: usize| format!("`{})` for {}", at + 1, texts[at]));
    format!(
        "`{text}` is ambiguous: it is one choice and the number of another; type {} or {}",
        numbered(at),
        numbered(other)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_is_picked_by_text_number_or_prefix() {
        let choices = [json!("approve"), json!("Ask again"), json!("reject"), json!(3), json!(true)];
        let picked = |typed| pick_choice(&choices, typed).cloned();
        assert_eq!(picked("approve"), Ok(json!("approve")));
        assert_eq!(picked("APP"), Ok(json!("approve")));
        assert_eq!(picked("ask again"), Ok(json!("Ask again")));
        assert_eq!(picked("1"), Ok(json!("approve")));
        insta::assert_snapshot!(picked("3").unwrap_err(), @"`3` is ambiguous: it is one choice and the number of another; type `4)` for 3 or `3)` for reject");
        assert_eq!(picked("3)"), Ok(json!("reject")));
        assert_eq!(picked("4)"), Ok(json!(3)));
        assert_eq!(picked("5"), Ok(json!(true)));
        assert_eq!(picked("t"), Ok(json!(true)));
        insta::assert_snapshot!(picked("a").unwrap_err(), @"`a` is ambiguous: it could be approve or Ask again; type more of it or its number");
        insta::assert_snapshot!(picked("9").unwrap_err(), @"`9` is not one of the choices; type a number from 1 to 5, or approve, Ask again, reject, 3, true");
        assert!(picked("").unwrap_err().starts_with("no choice was made"));
        assert!(picked("0").is_err());
    }

    #[test]
    fn a_schema_that_lists_values_is_a_list_of_choices() {
        let schema = json!({"anyOf": [{"enum": ["small", "large"]}, {"$ref": "#/$defs/none"}],
            "$defs": {"none": {"type": "null"}}});
        let call =
            CallView { kind: COGNITIVE.into(), prompt: "Size?".into(), schema: Some(schema), ..Default::default() };
        let question = format_question(&call, Timestamp::from_millis(0), str::to_owned);
        insta::assert_snapshot!(question, @r"
        ? Size?
          1) small
          2) large
          3) null
        ");
        let parse = |typed| parse_answer(&call, typed);
        assert_eq!(
            [parse("2"), parse("sm"), parse("\"large\""), parse("null")].map(Result::unwrap),
            [json!("large"), json!("small"), json!("large"), json!(null)]
        );
        assert!(parse("huge").unwrap_err().ends_with("type a number from 1 to 3, or small, large, null"));
        assert_eq!(answer_flag(&call), "--text …");
    }

    #[test]
    fn a_form_that_the_terminal_lacks_asks_for_json() {
        let expected = |schema: Json| expected_line(&CallView { schema: Some(schema), ..Default::default() }).unwrap();
        let object = json!({"type": "object", "required": ["n"]});
        let expected_object = r#"expected: an object with "n" (anything) or an integer, as JSON"#;
        assert_eq!(expected(json!({"oneOf": [object, {"type": "integer"}]})), expected_object);
        assert_eq!(expected(json!({"anyOf": [{"type": "string"}, {"type": "null"}]})), "expected: a text or null");
    }

    #[test]
    fn a_number_equal_to_its_own_choice_is_unambiguous() {
        let choices = [json!(1), json!(7), json!("2)")];
        assert_eq!(pick_choice(&choices, "1"), Ok(&choices[0]));
        assert_eq!(pick_choice(&choices, "7"), Ok(&choices[1]));
        assert_eq!(pick_choice(&choices, "2"), Ok(&choices[1]));
        assert!(pick_choice(&choices, "2)").is_err());
    }

    #[test]
    fn an_exact_choice_wins_over_a_longer_one() {
        let choices = [json!("yes"), json!("yes, all")];
        assert_eq!(pick_choice(&choices, "YES"), Ok(&choices[0]));
        assert!(pick_choice(&choices, "y").is_err());
    }
}

//! A question as people see it, and what they may type as its answer.

use runstate::domain::cvm::{COGNITIVE, OpenCall, Schema, TIMER, fit};
use runstate::time::Timestamp;
use serde_json::Value as Json;

use crate::moment::{deadline, to_the_second};
use crate::print::{indented, visible};

/// The question and its numbered choices, what is expected, and until when, as lines.
pub fn question(call: &OpenCall, now: Timestamp, bold: impl Fn(&str) -> String) -> String {
    if call.kind == TIMER {
        let until = call.deadline.map(|at| format!(" until {}", deadline(at, now))).unwrap_or_default();
        return format!("  sleeps{until}\n");
    }
    let mut text = format!("? {}\n", bold(&indented(&visible(&whole(call)), 2)));
    for (number, choice) in (1..).zip(call.choices.iter().flatten()) {
        text += &format!("  {number}) {}\n", indented(&visible(&shown(choice)), 5));
    }
    for line in [expected(call), ends(call, now)].into_iter().flatten() {
        text += &format!("  {}\n", visible(&line));
    }
    text
}

/// What is asked; of tools their name and what they are given.
fn whole(call: &OpenCall) -> String {
    match (call.kind == COGNITIVE, call.args.is_null()) {
        (true, _) => call.prompt.clone(),
        (false, true) => call.kind.clone(),
        (false, false) => format!("{} {}", call.kind, call.args),
    }
}

/// An open call in a line, with its key.
pub fn line(call: &OpenCall) -> String {
    let key = call.key.as_ref().map(|key| format!(" (key {key})")).unwrap_or_default();
    match call.deadline {
        Some(at) if call.kind == TIMER => format!("sleeps until {}", to_the_second(at)),
        _ => format!("{}{key}", whole(call)),
    }
}

/// The flag that an answer to it takes.
pub fn flag(call: &OpenCall) -> String {
    match call.choices.iter().flatten().next() {
        Some(choice) if !choice.is_string() => format!("--json-value {choice}"),
        None if schema(call).is_some() && !takes_text(call) => "--json-value …".to_owned(),
        _ => "--text …".to_owned(),
    }
}

/// What a question with a schema takes.
fn expected(call: &OpenCall) -> Option<String> {
    // Choices say it already.
    let schema = schema(call).filter(|_| call.choices.is_none())?;
    let form = if takes_text(call) { "" } else { ", as JSON" };
    Some(format!("expected: {}{form}", schema.describe()))
}

fn schema(call: &OpenCall) -> Option<Schema> {
    // What cannot be read is for the engine to judge.
    Schema::parse(call.schema.as_ref()?).ok()
}

/// A text is taken as it is typed.
fn takes_text(call: &OpenCall) -> bool {
    call.schema.as_ref().is_some_and(|schema| schema["type"] == "string")
}

/// Until when it may be answered, and what comes then.
fn ends(call: &OpenCall, now: Timestamp) -> Option<String> {
    let at = deadline(call.deadline?, now);
    Some(match &call.default {
        Some(default) => format!("until {at}, then {default}"),
        None => format!("until {at}, then the program is told that nobody answered"),
    })
}

/// A plain value as people read it: text without its quotes.
pub fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The answer that `typed` means: any text where there are no choices, else a choice by its exact text, its number, or a beginning
/// that only one has. With a schema, a text that fits or is JSON that does. `Err`: what is allowed.
pub fn answer(call: &OpenCall, typed: &str) -> Result<Json, String> {
    match &call.choices {
        None => {
            let answer = Json::String(typed.to_owned());
            // What the program gets for it is the engine's to say: here only whether it would.
            fit(schema(call).as_ref(), None, &answer).map_err(|misfit| misfit.to_string())?;
            Ok(answer)
        }
        Some(choices) => pick(choices, typed.trim()).cloned(),
    }
}

fn pick<'a>(choices: &'a [Json], typed: &str) -> Result<&'a Json, String> {
    let folded = typed.to_lowercase();
    let texts: Vec<String> = choices.iter().map(|choice| shown(choice).trim().to_owned()).collect();
    let exact = texts.iter().position(|text| text == typed);
    match (exact, position(typed, choices.len())) {
        (Some(at), Some(other)) if at != other => return Err(ambiguous(&texts, at, other)),
        (Some(at), _) | (None, Some(at)) => return Ok(&choices[at]),
        (None, None) => {}
    }
    let matching = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..texts.len()).filter(|at| fits(&texts[*at].to_lowercase())).collect()
    };
    let exact = matching(&|text| text == folded);
    let begun = if typed.is_empty() { Vec::new() } else { matching(&|text| text.starts_with(&folded)) };
    match (exact.as_slice(), begun.as_slice()) {
        ([at], _) | (_, [at]) => Ok(&choices[*at]),
        (_, [_, _, ..]) => {
            let meant: Vec<&str> = begun.iter().map(|at| texts[*at].as_str()).collect();
            Err(format!("`{typed}` could be {}; type more of it or its number", meant.join(" or ")))
        }
        _ => {
            let what = if typed.is_empty() {
                "no choice was made".to_owned()
            } else {
                format!("`{typed}` is none of the choices")
            };
            Err(format!("{what}; type a number from 1 to {}, or {}", choices.len(), texts.join(", ")))
        }
    }
}

/// The choice whose number is typed, as `2` or, as it is shown, `2)`.
fn position(typed: &str, choices: usize) -> Option<usize> {
    let number: usize = typed.strip_suffix(')').unwrap_or(typed).parse().ok()?;
    number.checked_sub(1).filter(|at| *at < choices)
}

/// What is typed is the text of one choice and the number of another.
fn ambiguous(texts: &[String], at: usize, other: usize) -> String {
    let (text, meant) = (&texts[at], |at: usize| format!("`{})` for {}", at + 1, texts[at]));
    format!("`{text}` is one choice and the number of another; type {} or {}", meant(at), meant(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_is_meant_by_text_number_or_beginning() {
        let choices = [json!("approve"), json!("Ask again"), json!("reject"), json!(3), json!(true)];
        let meant = |typed| pick(&choices, typed).cloned();
        assert_eq!(meant("approve"), Ok(json!("approve")));
        assert_eq!(meant("APP"), Ok(json!("approve")));
        assert_eq!(meant("ask again"), Ok(json!("Ask again")));
        assert_eq!(meant("1"), Ok(json!("approve")));
        insta::assert_snapshot!(meant("3").unwrap_err(), @"`3` is one choice and the number of another; type `4)` for 3 or `3)` for reject");
        assert_eq!(meant("3)"), Ok(json!("reject")));
        assert_eq!(meant("4)"), Ok(json!(3)));
        assert_eq!(meant("5"), Ok(json!(true)));
        assert_eq!(meant("t"), Ok(json!(true)));
        insta::assert_snapshot!(meant("a").unwrap_err(), @"`a` could be approve or Ask again; type more of it or its number");
        insta::assert_snapshot!(meant("9").unwrap_err(), @"`9` is none of the choices; type a number from 1 to 5, or approve, Ask again, reject, 3, true");
        assert!(meant("").unwrap_err().starts_with("no choice was made"));
        assert!(meant("0").is_err());
    }

    #[test]
    fn a_number_that_is_its_own_place_is_not_ambiguous() {
        let choices = [json!(1), json!(7), json!("2)")];
        assert_eq!(pick(&choices, "1"), Ok(&choices[0]));
        assert_eq!(pick(&choices, "7"), Ok(&choices[1]));
        assert_eq!(pick(&choices, "2"), Ok(&choices[1]));
        assert!(pick(&choices, "2)").is_err());
    }

    #[test]
    fn a_choice_that_begins_another_is_meant_by_itself() {
        let choices = [json!("yes"), json!("yes, all")];
        assert_eq!(pick(&choices, "YES"), Ok(&choices[0]));
        assert!(pick(&choices, "y").is_err());
    }
}

//! What a model reads of a run, in at most 64 KB. What is cut is named.

use std::collections::BTreeMap;

use rmcp::ErrorData;
use runstate::domain::cvm::{CallView, ExecutionProgress, ProgramError, Status, WaitsFor};
use runstate::engine::Error;
use runstate::lease::shorten_message;
use runstate::value::json_bytes;
use serde_json::{Value as Json, json};

use crate::session::shell_quote;

/// Most bytes of the result, of the output, and of the open calls, as JSON.
const RESULT_BYTES: usize = 40 * 1024;
const OUTPUT_BYTES: usize = 10 * 1024;
const PENDING_BYTES: usize = 8 * 1024;

/// Most bytes of the arguments of an open call, as JSON.
const ARGUMENT_BYTES: usize = 1024;

/// Most bytes of a message.
const MESSAGE_BYTES: usize = 4 * 1024;

/// Most complaints about a script.
const COMPLAINTS: usize = 40;

/// A run that has failed, or that did not start.
#[derive(Debug)]
pub struct Failed(Json);

impl Failed {
    /// The failure of a script that does not compile. `troubles`: the servers whose tools may be missing.
    pub fn of_script(error: Error, troubles: &BTreeMap<&str, String>) -> Self {
        let Some(found) = error.details["diagnostics"].as_array() else { return error.into() };
        let complaint = |one: &Json| {
            let message = shorten_message(one["message"].as_str().unwrap_or_default(), MESSAGE_BYTES / 4);
            json!({ "line": one["line"], "column": one["column"], "message": message, "hint": one["hint"] })
        };
        let complaints: Vec<Json> = found.iter().take(COMPLAINTS).map(complaint).collect();
        let mut error = complaints.first().cloned().unwrap_or_else(|| json!({ "message": "it does not compile" }));
        (error["kind"], error["name"]) = ("compile".into(), "CompileError".into());
        let mut report = json!({ "status": "failed", "error": error, "complaints": complaints });
        if found.len() > COMPLAINTS {
            report["cut"] = json!([format!("complaints: {COMPLAINTS} of {}", found.len())]);
        }
        if !troubles.is_empty() {
            report["unavailable"] = json!(troubles);
        }
        Self(report)
    }

    pub fn with_hint(mut self, hint: &str) -> Self {
        self.0["error"]["hint"] = hint.into();
        self
    }

    pub fn into_json(self) -> Json {
        self.0
    }

    /// The failure as the error of a request, with all of the report as its data.
    pub fn into_refusal(self) -> ErrorData {
        let error = &self.0["error"];
        let at = error["line"].as_u64().map(|line| format!("line {line}: ")).unwrap_or_default();
        let hint = error["hint"].as_str().map(|hint| format!("; {hint}")).unwrap_or_default();
        let message = format!("{at}{}{hint}", error["message"].as_str().unwrap_or_default());
        ErrorData::invalid_params(message, Some(self.0))
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let message = shorten_message(&error.message, MESSAGE_BYTES);
        Self(json!({ "status": "failed", "error": { "kind": "refused", "name": error.code, "message": message } }))
    }
}

/// The report of a run.
pub fn of_progress(id: &str, progress: ExecutionProgress) -> Result<Json, Failed> {
    let ExecutionProgress { status, lines, more, calls, result, error, .. } = progress;
    let mut cut = Vec::new();
    let mut report = match status {
        Status::Complete => json!({ "status": "complete", "id": id, "result": bound_result(result, &mut cut) }),
        Status::Error => json!({ "status": "failed", "id": id, "error": of_error(error.unwrap_or_default()) }),
        Status::Cancelled => {
            let error = json!({ "kind": "cancelled", "name": "CancelledError", "message": "the run was cancelled" });
            json!({ "status": "failed", "id": id, "error": error })
        }
        Status::Running | Status::WaitingCc | Status::Paused => {
            let reached = if status == Status::Running { "running" } else { "waiting" };
            let pending = bound_calls(calls.iter().map(of_call), PENDING_BYTES);
            if pending.len() < calls.len() {
                cut.push(format!("pending: {} of {} calls", pending.len(), calls.len()));
            }
            let mut report = json!({ "status": reached, "id": id, "pending": pending });
            report["next"] = next_step(id, status, &calls).into();
            report
        }
    };
    report["output"] = json!(bound_lines(lines, more, &mut cut));
    if !cut.is_empty() {
        cut.push(format!("`runstate show {}` and `runstate output` print all", shell_quote(id)));
        report["cut"] = json!(cut);
    }
    if report["status"] == "failed" { Err(Failed(report)) } else { Ok(report) }
}

fn of_error(error: ProgramError) -> Json {
    let kind = if error.limit { "limit" } else { "thrown" };
    let (name, message) = (shorten_message(&error.name, 200), shorten_message(&error.message, MESSAGE_BYTES));
    let mut report = json!({ "kind": kind, "name": name, "message": message });
    if error.line > 0 {
        (report["line"], report["column"]) = (error.line.into(), error.column.into());
    }
    report
}

/// What the model does about a run that waits.
fn next_step(id: &str, status: Status, calls: &[CallView]) -> String {
    let waits = |what| calls.iter().any(|call| call.waits_for == Some(what));
    let id = shell_quote(id);
    let person = match (waits(WaitsFor::Approval), waits(WaitsFor::Person)) {
        _ if status == Status::Paused => {
            format!("The run is paused; a person continues it with `runstate unpause {id}`. ")
        }
        (true, _) => format!("A person decides with `runstate approve {id} --call CALL --by NAME` or `reject`. "),
        (false, true) => format!("A person answers with `runstate answer {id}`. "),
        (false, false) => String::new(),
    };
    format!("{person}Call `result` with the id later.")
}

/// The result, or as a text its beginning.
pub fn bound_result(result: Json, cut: &mut Vec<String>) -> Json {
    match json_bytes(&result) {
        ..=RESULT_BYTES => result,
        _ => cut_text("result", &result.to_string(), RESULT_BYTES, cut).map_or(Json::Null, Json::String),
    }
}

fn bound_lines(lines: Vec<String>, more: bool, cut: &mut Vec<String>) -> Vec<String> {
    match cut_text("output", &lines.join("\n"), OUTPUT_BYTES, cut) {
        Some(text) => text.split('\n').map(str::to_owned).collect(),
        None => {
            cut.extend(more.then(|| format!("output: its first {} lines", lines.len())));
            lines
        }
    }
}

/// The beginning of a text that has more bytes than so many as JSON.
fn cut_text(name: &str, text: &str, bytes: usize, cut: &mut Vec<String>) -> Option<String> {
    if json_bytes(text) <= bytes {
        return None;
    }
    let beginning = beginning(text, bytes);
    cut.push(format!("{name}: the first {} of {} bytes, as a text", beginning.len(), text.len()));
    Some(beginning)
}

/// The beginning of a text that has at most so many bytes as JSON.
fn beginning(text: &str, bytes: usize) -> String {
    let mut end = text.floor_char_boundary(bytes.saturating_sub(2));
    while json_bytes(&text[..end]) > bytes {
        end = text.floor_char_boundary(end * 7 / 8);
    }
    text[..end].to_owned()
}

/// The first calls, as far as they have at most so many bytes together.
pub fn bound_calls(calls: impl Iterator<Item = Json>, most: usize) -> Vec<Json> {
    let mut bytes = 0;
    let fits = |call: &Json| {
        bytes += json_bytes(call) + 1;
        bytes <= most
    };
    calls.take_while(fits).collect()
}

/// The value, or as a text its beginning if it has more bytes than so many as JSON.
pub fn bound_value(value: Json, most: usize) -> Json {
    match json_bytes(&value) {
        bytes if bytes > most => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{}… ({bytes} bytes)", beginning(&text, most)).into()
        }
        _ => value,
    }
}

fn of_call(call: &CallView) -> Json {
    let (kind, name, args) = match call.waits_for {
        Some(WaitsFor::Person) => match &call.choices {
            Some(choices) => ("question", "ask", json!({ "prompt": call.prompt, "choices": choices })),
            None => ("question", "ask", json!({ "prompt": call.prompt })),
        },
        Some(WaitsFor::Time) => ("timer", "sleep", json!({ "until": call.deadline.map(|at| at.to_rfc3339()) })),
        Some(WaitsFor::Approval) => ("approval", call.kind.as_str(), call.args.clone()),
        _ => ("tool", call.kind.as_str(), call.args.clone()),
    };
    let mut report = json!({ "id": call.id, "kind": kind, "name": name });
    report["args"] = bound_value(args, ARGUMENT_BYTES);
    if call.line > 0 {
        report["line"] = call.line.into();
    }
    report["since"] = json!(call.requested_at.map(|at| at.to_rfc3339()));
    if let Some(error) = &call.error {
        report["lastError"] = shorten_message(&error.message, ARGUMENT_BYTES).into();
    }
    report
}

#[cfg(test)]
mod tests {
    use runstate::domain::cvm::CallError;

    use super::*;

    fn progress(status: Status) -> ExecutionProgress {
        let (lines, calls, result, error) = (Vec::new(), Vec::new(), Json::Null, None);
        ExecutionProgress { status, lines, next: 0, more: false, calls, calls_made: 0, wake_at: None, result, error }
    }

    #[test]
    fn a_report_is_bounded_and_names_what_is_cut() {
        let large = [json!("\"\\\n".repeat(100_000)), json!("é".repeat(100_000)), json!(vec!["x"; 100_000])];
        for result in large {
            let lines = vec!["\u{1}".repeat(1_000); 500];
            let report = of_progress("r", ExecutionProgress { result, lines, ..progress(Status::Complete) }).unwrap();
            assert!(report.to_string().len() <= 64 * 1024, "{}", report.to_string().len());
            let cut = report["cut"].to_string();
            assert!(cut.contains("result: the first ") && cut.contains("output: the first "), "{cut}");
        }
        let error = CallError { message: "\"".repeat(100_000), ..of_nothing() };
        let call = CallView { args: json!("\"".repeat(100_000)), error: Some(error), ..CallView::default() };
        let calls = vec![call; 1_000];
        let lines = vec!["x".repeat(1 << 20)];
        let report = of_progress("r", ExecutionProgress { calls, lines, ..progress(Status::WaitingCc) }).unwrap();
        assert!(report.to_string().len() <= 64 * 1024, "{}", report.to_string().len());
        assert!(report["cut"].to_string().contains(" of 1000 calls"), "{}", report["cut"]);
        let small =
            of_progress("r", ExecutionProgress { result: json!({ "n": 1 }), ..progress(Status::Complete) }).unwrap();
        assert_eq!(small, json!({ "status": "complete", "id": "r", "result": { "n": 1 }, "output": [] }));
    }

    fn of_nothing() -> CallError {
        CallError {
            name: None,
            code: None,
            message: String::new(),
            timestamp: runstate::time::Timestamp::default(),
            by: None,
        }
    }
}

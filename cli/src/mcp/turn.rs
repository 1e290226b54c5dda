//! Turns: what a client reads of an execution that has run, and waiting for it with a limit.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use runstate::Cvm;
use runstate::client::RunChanges;
use runstate::domain::cvm::{ExecutionProgress, NO_LINES, Status, WaitsFor};
use runstate::engine::{Engine, Error};
use runstate::value::json_bytes;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::code::report::{bound_calls, bound_result, bound_value};
use super::plain::document;
use crate::operations;
use crate::time_format::duration_millis;

/// How long a request waits, by default and at most, in milliseconds.
const DEFAULT_WAIT_MS: u64 = 20_000;
pub const LONGEST_WAIT_MS: u64 = 60_000;

/// Most questions in a turn. `questions` lists all.
const TURN_QUESTIONS: usize = 20;

/// Most bytes of the questions of a turn together, and of its warnings or a member of a question or an error, as JSON.
/// So a turn has at most 64 KB.
const QUESTION_BYTES: usize = 48 * 1024;
const MEMBER_BYTES: usize = 10 * 1024;

/// Waits until an execution has come so far, the time is over, or the client cancels its request. `is_reached` is asked
/// after each change, as long as the wait goes on.
pub async fn wait_for(
    cvm: &Cvm,
    id: &str,
    wait_ms: Option<u64>,
    context: &RequestContext<RoleServer>,
    mut is_reached: impl FnMut(&ExecutionProgress) -> bool,
) -> Result<(), Error> {
    let until = Instant::now() + Duration::from_millis(wait_ms.unwrap_or(DEFAULT_WAIT_MS).min(LONGEST_WAIT_MS));
    let mut changes = RunChanges::new(cvm.engine(), Some(id));
    loop {
        let progress = cvm.progress(id, NO_LINES).await?;
        if Instant::now() >= until || context.ct.is_cancelled() || is_reached(&progress) {
            return Ok(());
        }
        let left = duration_millis(until.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = changes.wait(RunChanges::RECHECK.min(left)) => {}
            () = context.ct.cancelled() => {}
        }
    }
}

/// Whether an execution goes on only with the client.
pub fn is_reached(progress: &ExecutionProgress) -> bool {
    let asks = progress.calls.iter().any(|call| call.waits_for == Some(WaitsFor::Person));
    asks || progress.status.has_ended() || progress.status == Status::Paused
}

/// The state of an execution after it has run: what it asks, or its result or error.
pub async fn turn(engine: &Engine, id: &str) -> Result<Json, Error> {
    let parameters = document(json!({ "id": id, "from": NO_LINES }));
    let mut progress = operations::call(engine, "cvm.progress", parameters).await?;
    let calls = progress["calls"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let (all, mut cut) = (calls.len(), Vec::new());
    let question = |mut call: Json| {
        if let Some(members) = call.as_object_mut() {
            members.retain(|name, value| name != "variables" && !value.is_null());
        }
        bound_members("a question", &mut call, &mut cut);
        call
    };
    let questions = bound_calls(calls.into_iter().take(TURN_QUESTIONS).map(question), QUESTION_BYTES);
    let more = all - questions.len();
    bound_members("the error", &mut progress["error"], &mut cut);
    progress["result"] = bound_result(progress["result"].take(), &mut cut);
    let mut turn = json!({ "id": id, "status": progress["status"].take(), "questions": questions });
    if more > 0 {
        turn["moreQuestions"] = more.into();
    }
    for name in ["result", "error", "wakeAt"] {
        let value = progress.get_mut(name).map(Json::take).unwrap_or_default();
        if !value.is_null() {
            turn[name] = value;
        }
    }
    if !cut.is_empty() {
        cut.push("`questions` and `show` return all".to_owned());
        turn["cut"] = json!(cut);
    }
    Ok(turn)
}

/// Bounds each member of an object.
fn bound_members(of: &str, object: &mut Json, cut: &mut Vec<String>) {
    for (name, value) in object.as_object_mut().into_iter().flatten() {
        if json_bytes(&*value) > MEMBER_BYTES {
            cut.push(format!("the `{name}` of {of}: its beginning, as a text"));
            *value = bound_value(value.take(), MEMBER_BYTES);
        }
    }
}

/// The turn after a command that is committed. If it cannot be read, the result of the command says what was reached.
pub async fn turn_after(engine: &Engine, mut result: Json) -> Json {
    let Ok(mut turn) = turn(engine, result["id"].as_str().unwrap_or_default()).await else { return result };
    if let Some(warnings) = result.get_mut("warnings").filter(|warnings| !warnings.is_null()) {
        turn["warnings"] = bound_value(warnings.take(), MEMBER_BYTES);
    }
    turn
}

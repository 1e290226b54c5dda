//! Turns: what a client reads of an execution that has run, and waiting for it with a limit.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use runstate::Cvm;
use runstate::domain::cvm::{CC_HISTORY, EXECUTIONS, ExecutionProgress, NO_LINES, Status};
use runstate::engine::{ChangeFilter, Engine, Error};
use runstate::store::Position;
use runstate::time::Millis;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::plain::document;
use crate::operations;
use crate::time_format::duration_millis;

/// How long a request waits, by default and at most, in milliseconds.
const DEFAULT_WAIT_MS: u64 = 20_000;
const LONGEST_WAIT_MS: u64 = 60_000;

/// The time after which an execution is read again without a change: a change may be lost.
pub const RECHECK: Duration = Duration::from_secs(2);

/// Most questions in a turn. `questions` lists all.
const TURN_QUESTIONS: usize = 20;

/// Whether an execution has ended.
pub fn has_ended(status: Status) -> bool {
    matches!(status, Status::Complete | Status::Error | Status::Cancelled)
}

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
    let mut changes = Changes::of(cvm.engine(), id);
    loop {
        let progress = cvm.progress(id, NO_LINES).await?;
        if Instant::now() >= until || context.ct.is_cancelled() || is_reached(&progress) {
            return Ok(());
        }
        let wait = RECHECK.min(until.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = changes.wait(wait) => {}
            () = context.ct.cancelled() => {}
        }
    }
}

/// The state of an execution after it has run: what it asks, or its result or error.
pub async fn turn(engine: &Engine, id: &str) -> Result<Json, Error> {
    let parameters = document(json!({ "id": id, "from": NO_LINES }));
    let mut progress = operations::call(engine, "cvm.progress", parameters).await?;
    let mut questions = progress["calls"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let more = questions.len().saturating_sub(TURN_QUESTIONS);
    questions.truncate(TURN_QUESTIONS);
    for question in questions.iter_mut().filter_map(Json::as_object_mut) {
        question.retain(|name, value| name != "variables" && !value.is_null());
    }
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
    Ok(turn)
}

/// The turn after a command that is committed. If it cannot be read, the result of the command says what was reached.
pub async fn turn_after(engine: &Engine, mut result: Json) -> Json {
    let Ok(mut turn) = turn(engine, result["id"].as_str().unwrap_or_default()).await else { return result };
    if let Some(warnings) = result.get_mut("warnings").filter(|warnings| !warnings.is_null()) {
        turn["warnings"] = warnings.take();
    }
    turn
}

/// Changes of an execution and of its calls, from the first wait on.
pub struct Changes {
    engine: Engine,
    filter: ChangeFilter,
    /// The position up to which they were read; `None`: the next wait ends at once.
    position: Option<Position>,
}

impl Changes {
    pub fn of(engine: &Engine, execution: &str) -> Self {
        let collections = [&EXECUTIONS, &CC_HISTORY].map(|collection| collection.name.to_owned());
        let (collections, subjects) = (Some(collections.to_vec()), Some(vec![execution.to_owned()]));
        let filter = ChangeFilter { collections, subjects, ..ChangeFilter::default() };
        Self { engine: engine.clone(), filter, position: None }
    }

    /// Waits for a change since the last wait, at most for `wait`.
    pub async fn wait(&mut self, wait: Duration) {
        let span = if self.position.is_some() { duration_millis(wait) } else { Millis(0) };
        match self.engine.changes(self.position.take(), &self.filter, span).await {
            Ok(changes) => self.position = Some(changes.next),
            // The store has no changes, or no longer those since the last wait.
            Err(_) => tokio::time::sleep(wait).await,
        }
    }
}

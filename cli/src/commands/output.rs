//! `output`: prints the output of an execution. With `--follow` it prints new lines until the execution ends.

use std::time::Duration;

use runstate::domain::cvm::{EXECUTIONS, ExecutionProgress, Status};
use runstate::schema::Key;
use runstate::store::{Position, StoreError};
use runstate::time::Millis;

use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt;
use crate::session::Session;

/// Prints the output, and with `follow` new lines too. For programs, each line is a JSON string.
pub async fn print_output(session: &Session, id: &str, follow: bool) -> Result<CliExit, CliError> {
    let id = &session.execution_id(id).await?;
    if follow {
        return follow_output(session, id).await;
    }
    print_lines(session, &session.cvm.output(id).await?)?;
    Ok(CliExit::Done)
}

fn print_lines(session: &Session, lines: &[String]) -> Result<(), CliError> {
    if session.out.is_json() { session.out.values(lines) } else { session.out.lines(lines) }
}

/// How long to wait for a change before the execution is polled anyway.
const CHANGE_TIMEOUT: Millis = Millis::seconds(30);

/// The poll interval on a store without a change feed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The largest number of changes in one read.
const CHANGE_LIMIT: usize = 1_000;

pub async fn follow_output(session: &Session, id: &str) -> Result<CliExit, CliError> {
    interrupt::exit_on_ctrl_c();
    // The position is read before each poll, so that output between the two is not missed.
    let mut position = current_position(session).await?;
    let (head, mut next, mut last_reason) = (Key::new(&EXECUTIONS, id), 0, None);
    loop {
        let progress = session.cvm.progress(id, next).await?;
        next = progress.next;
        print_lines(session, &progress.lines)?;
        if progress.more {
            continue;
        }
        if progress.status.has_ended() {
            session.remark_status(id, &progress);
            return Ok(CliExit::from_status(progress.status));
        }
        let reason = idle_reason(id, &progress);
        if last_reason != reason {
            reason.iter().for_each(|reason| session.out.remark(reason));
            last_reason = reason;
        }
        // Every turn, and every end of a step, writes the head document.
        position = wait_for_change(session, position, |key| *key == head).await?;
    }
}

/// Returns why the execution prints nothing for now.
fn idle_reason(id: &str, progress: &ExecutionProgress) -> Option<String> {
    match (progress.status, progress.calls.first()) {
        (Status::WaitingCc, Some(call)) => Some(format!("{id} waits for an answer: {}", call.prompt)),
        (Status::Paused, _) => Some(format!("{id} is paused")),
        _ => None,
    }
}

/// Returns the position after all commits so far. `None`: the store has no change feed.
pub async fn current_position(session: &Session) -> Result<Option<Position>, CliError> {
    match session.engine.store().changes(None, 1, Millis(0)).await {
        Ok(changes) => Ok(Some(changes.next)),
        Err(StoreError::Unsupported { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Waits until a document that is awaited is written, or for a limited time. Returns the next position.
pub async fn wait_for_change(
    session: &Session,
    from: Option<Position>,
    is_awaited: impl Fn(&Key) -> bool,
) -> Result<Option<Position>, CliError> {
    let Some(mut from) = from else {
        tokio::time::sleep(POLL_INTERVAL).await;
        return Ok(None);
    };
    loop {
        match session.engine.store().changes(Some(from), CHANGE_LIMIT, CHANGE_TIMEOUT).await {
            Ok(changes) => {
                if changes.events.is_empty() || changes.events.iter().any(|event| is_awaited(&event.key)) {
                    return Ok(Some(changes.next));
                }
                from = changes.next;
            }
            // Too much was written since then: the next poll reads all of it.
            Err(StoreError::PositionExpired) => return current_position(session).await,
            Err(error) => return Err(failed(error)),
        }
    }
}

fn failed(error: StoreError) -> CliError {
    runstate::engine::Error::from(error).into()
}

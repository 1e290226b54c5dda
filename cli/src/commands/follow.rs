//! `output --follow`: lines as they are printed, until the execution has ended.

use std::time::Duration;

use runstate::domain::cvm::{EXECUTIONS, Seen, Status};
use runstate::store::{Error as StoreError, Position};
use runstate::time::Millis;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::session::Session;

/// How long to wait for a change before the execution is looked at anyway.
const WAIT: Millis = Millis::seconds(30);

/// Between two looks where the store tells no changes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Changes that are taken at once.
const CHANGES: usize = 1_000;

/// Follows it.
pub async fn execute(session: &Session, id: &str) -> Result<Exit, Failure> {
    interrupt::ends_the_process();
    // A position is taken before each look, so that what is printed between the two is told.
    let mut position = now(session).await?;
    let (mut next, mut stood) = (0, None);
    loop {
        let seen = session.cvm.glance(id, next).await?;
        next = seen.next;
        session.print(&seen.lines)?;
        if seen.more {
            continue;
        }
        if matches!(seen.status, Status::Complete | Status::Error | Status::Cancelled) {
            session.remark_on(id, &seen);
            return Ok(Exit::of(seen.status));
        }
        let stands = standing(id, &seen);
        if stood != stands {
            stands.iter().for_each(|stands| session.out.remark(stands));
            stood = stands;
        }
        position = changed(session, position, id).await?;
    }
}

/// Why there is nothing more to read for now.
fn standing(id: &str, seen: &Seen) -> Option<String> {
    match (seen.status, seen.calls.first()) {
        (Status::WaitingCc, Some(call)) => Some(format!("{id} waits for an answer: {}", call.prompt)),
        (Status::Paused, _) => Some(format!("{id} is paused")),
        _ => None,
    }
}

/// After all that was committed so far. `None`: the store tells no changes.
pub async fn now(session: &Session) -> Result<Option<Position>, Failure> {
    match session.engine.store().changes(None, 1, Millis(0)).await {
        Ok(changes) => Ok(Some(changes.next)),
        Err(StoreError::Unsupported { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Waits until the execution was written, or for some time; where to go on.
pub async fn changed(session: &Session, from: Option<Position>, id: &str) -> Result<Option<Position>, Failure> {
    let Some(mut from) = from else {
        tokio::time::sleep(LOOK_AGAIN).await;
        return Ok(None);
    };
    loop {
        // Every turn writes the head.
        match session.engine.store().changes(Some(from), CHANGES, WAIT).await {
            Ok(changes) => {
                let head = |key: &runstate::schema::Key| key.collection == EXECUTIONS.name && &*key.id == id;
                if changes.events.is_empty() || changes.events.iter().any(|event| head(&event.key)) {
                    return Ok(Some(changes.next));
                }
                from = changes.next;
            }
            // Too much was written since: the next look sees all of it.
            Err(StoreError::PositionExpired) => return now(session).await,
            Err(error) => return Err(failed(error)),
        }
    }
}

fn failed(error: StoreError) -> Failure {
    runstate::engine::Error::from(error).into()
}

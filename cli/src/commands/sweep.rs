//! `sweep`: what has expired, and executions that ended long ago.

use std::io::{self, IsTerminal};

use runstate::engine::Due;
use runstate::time::Timestamp;
use serde_json::json;

use crate::args::Sweeping;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::lines::Lines;
use crate::moment::to_the_second;
use crate::session::Session;

/// Rows and executions that are removed at once.
const AT_ONCE: u32 = 256;

/// What is left of a sweep that is interrupted.
const KEPT: &str = "what was removed is gone; the same command again goes on there";

/// Removes it, or counts.
pub async fn execute(session: &Session, sweeping: &Sweeping) -> Result<Exit, Failure> {
    let now = session.engine.now();
    let kept = session.engine.settings().retention.map(|span| now - span);
    // What was said counts, and what is kept no longer anyway.
    let before = sweeping.finished_before.map(|before| before.at(now)).max(kept);
    if sweeping.dry_run {
        return count(session, now, before).await;
    }
    if let Some(before) = before
        && !sweeping.yes
        && io::stdin().is_terminal()
        && !confirmed(session, before).await?
    {
        session.out.remark("nothing was removed");
        return Ok(Exit::Rejected);
    }
    interrupt::unless(KEPT, remove(session, now, before)).await
}

async fn count(session: &Session, now: Timestamp, before: Option<Timestamp>) -> Result<Exit, Failure> {
    let expired = session.engine.expired(now).await?;
    let finished = match before {
        Some(before) => Some(session.cvm.count_finished(before).await?),
        None => None,
    };
    if session.out.json() {
        let rows: serde_json::Map<_, _> =
            expired.iter().map(|(name, rows)| ((*name).to_owned(), json!(rows))).collect();
        session.out.value(&json!({"dryRun": true, "expired": rows, "executions": finished}))?;
        return Ok(Exit::Done);
    }
    for (name, rows) in &expired {
        session.out.line(&format!("{name}: {rows} expired"))?;
    }
    if let (Some(finished), Some(before)) = (finished, before) {
        session.out.line(&format!("executions that ended before {}: {finished}", to_the_second(before)))?;
    }
    if expired.is_empty() && finished.unwrap_or_default() == 0 {
        session.out.remark("there is nothing to remove");
    }
    Ok(Exit::Done)
}

async fn confirmed(session: &Session, before: Timestamp) -> Result<bool, Failure> {
    let finished = session.cvm.count_finished(before).await?;
    if finished == 0 {
        return Ok(true);
    }
    let which = format!("Delete {finished} executions that ended before {}", to_the_second(before));
    session.out.ask(&format!("{which} for ever, with all output, questions and answers? [y/N]"))?;
    let answer = Lines::default().next().await?.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

async fn remove(session: &Session, now: Timestamp, before: Option<Timestamp>) -> Result<Exit, Failure> {
    let mut rows = 0;
    loop {
        let swept = session.engine.sweep(now, AT_ONCE as usize).await?;
        rows += swept;
        if swept == 0 {
            break;
        }
    }
    let mut done = Due::default();
    while let Some(before) = before {
        let deleted = done.deleted;
        (done.more, done.failed) = (false, Vec::new());
        let limit = deleted.saturating_add(AT_ONCE);
        session.cvm.delete_finished(before, limit, &mut done).await?;
        if !done.more || done.deleted == deleted {
            break;
        }
    }
    for still in &done.failed {
        session.out.remark(&format!("{} could not be deleted: {}", still.execution, still.error));
    }
    if session.out.json() {
        let failed: Vec<_> = done.failed.iter().map(|s| json!({"execution": s.execution, "error": s.error})).collect();
        session.out.value(&json!({"swept": rows, "deleted": done.deleted, "failed": failed}))?;
    } else {
        session.out.line(&format!("{rows} expired rows removed, {} executions deleted", done.deleted))?;
    }
    Ok(if done.failed.is_empty() { Exit::Done } else { Exit::Store })
}

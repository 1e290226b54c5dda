//! `sweep`: deletes expired rows, and executions that ended long ago.

use std::io::{self, IsTerminal};

use runstate::engine::DueReport;
use runstate::time::Timestamp;
use serde_json::json;

use crate::args::SweepArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt;
use crate::session::Session;
use crate::stdin_lines::StdinLines;
use crate::time_format::format_seconds;

/// The rows or executions that are removed in one step.
const BATCH_ROWS: u32 = 256;

/// The state after an interrupted sweep.
const INTERRUPTED_NOTE: &str = "what was removed stays removed; repeat the command to continue";

/// Deletes the rows, or counts them.
pub async fn execute(session: &Session, sweeping: &SweepArgs) -> Result<CliExit, CliError> {
    let now = session.engine.now();
    let kept = session.engine.settings().retention.map(|span| now - span);
    // The flag and the retention both apply: the later time wins.
    let before = sweeping.finished_before.map(|before| before.resolve(now)).max(kept);
    if sweeping.dry_run {
        return count(session, now, before).await;
    }
    if let Some(before) = before
        && !sweeping.yes
        && io::stdin().is_terminal()
        && !confirm(session, before).await?
    {
        session.out.remark("nothing was removed");
        return Ok(CliExit::Rejected);
    }
    interrupt::run_interruptible(INTERRUPTED_NOTE, remove(session, now, before)).await
}

async fn count(session: &Session, now: Timestamp, before: Option<Timestamp>) -> Result<CliExit, CliError> {
    let expired = session.engine.count_expired(now).await?;
    let finished = match before {
        Some(before) => Some(session.cvm.count_finished(before).await?),
        None => None,
    };
    if session.out.is_json() {
        let rows: serde_json::Map<_, _> =
            expired.iter().map(|(name, rows)| ((*name).to_owned(), json!(rows))).collect();
        session.out.value(&json!({"dryRun": true, "expired": rows, "executions": finished}))?;
        return Ok(CliExit::Done);
    }
    for (name, rows) in &expired {
        session.out.line(&format!("{name}: {rows} expired"))?;
    }
    if let (Some(finished), Some(before)) = (finished, before) {
        session.out.line(&format!("executions that ended before {}: {finished}", format_seconds(before)))?;
    }
    if expired.is_empty() && finished.unwrap_or_default() == 0 {
        session.out.remark("there is nothing to remove");
    }
    Ok(CliExit::Done)
}

async fn confirm(session: &Session, before: Timestamp) -> Result<bool, CliError> {
    let finished = session.cvm.count_finished(before).await?;
    if finished == 0 {
        return Ok(true);
    }
    let which = format!("Permanently delete {finished} executions that ended before {}", format_seconds(before));
    session.out.ask(&format!("{which}, with all output, questions and answers? [y/N]"))?;
    let answer = StdinLines::default().next().await?.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

async fn remove(session: &Session, now: Timestamp, before: Option<Timestamp>) -> Result<CliExit, CliError> {
    let mut rows = 0;
    loop {
        let swept = session.engine.sweep(now, BATCH_ROWS as usize).await?;
        rows += swept;
        if swept == 0 {
            break;
        }
    }
    let mut done = DueReport::default();
    while let Some(before) = before {
        let deleted = done.deleted;
        (done.more, done.failed) = (false, Vec::new());
        let limit = deleted.saturating_add(BATCH_ROWS);
        session.cvm.delete_finished(before, limit, &mut done).await?;
        if !done.more || done.deleted == deleted {
            break;
        }
    }
    for still in &done.failed {
        session.out.remark(&format!("{} could not be deleted: {}", still.execution, still.error));
    }
    if session.out.is_json() {
        let failed: Vec<_> = done.failed.iter().map(|s| json!({"execution": s.execution, "error": s.error})).collect();
        session.out.value(&json!({"swept": rows, "deleted": done.deleted, "failed": failed}))?;
    } else {
        session.out.line(&format!("{rows} expired rows removed, {} executions deleted", done.deleted))?;
    }
    Ok(if done.failed.is_empty() { CliExit::Done } else { CliExit::Store })
}

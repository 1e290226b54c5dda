//! `tick`: does due work, once or until it is stopped. `sweep`: deletes expired rows, and executions that ended long
//! ago. The report of due work is shared with `work`.

use std::collections::BTreeMap;
use std::io;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use runstate::domain::cvm::{RETENTION, Settings};
use runstate::engine::{DueFailure, DueReport, Error, ExpiredRows, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::operation::DueRule;
use runstate::store::Freshness;
use runstate::time::Timestamp;
use runstate::work::WorkerEvent;
use serde_json::{Value as Json, json};

use super::verify::format_bytes;
use crate::args::SweepArgs;
use crate::error::{CliError, usage};
use crate::exit::CliExit;
use crate::interrupt;
use crate::interrupt::StopSignals;
use crate::line_editor::confirm;
use crate::printer::Printer;
use crate::session::Session;
use crate::time_format::format_seconds;

/// The largest number of due executions in one pass.
const DUE_LIMIT: u32 = 64;

pub async fn do_due_work(session: &Session, follow: bool) -> Result<CliExit, CliError> {
    if follow { run_until_ctrl_c(session).await } else { run_once(session).await }
}

/// Does the work that is due now, but not work that becomes due meanwhile. Otherwise a program that sets one short
/// timer after another would keep the command running forever.
async fn run_once(session: &Session) -> Result<CliExit, CliError> {
    let started = session.engine.now();
    let mut total = DueReport::default();
    loop {
        let due = session.engine.run_due(DUE_LIMIT, RunLimit::Stop).await?;
        let progress = due.encrypted + u64::from(due.resumed + due.deleted) > 0;
        total.resumed += due.resumed;
        total.deleted += due.deleted;
        total.swept += due.swept;
        total.encrypted += due.encrypted;
        // A damaged entity is in the first report only. What fails otherwise may be done in a later pass.
        total.failed.retain(|failure| failure.error.code == ErrorCode::CORRUPT);
        total.failed.extend(due.failed);
        let next = session.engine.next_due(Freshness::Linearizable).await?;
        if !progress || next.is_none_or(|at| at > started) {
            break;
        }
    }
    let failed = !total.failed.is_empty();
    for failure in &total.failed {
        session.out.remark(&due_failure_text(failure));
    }
    if session.out.is_json() {
        session.out.value(&due_json(&total))?;
    } else {
        session.out.line(&due_text(&total).unwrap_or_else(|| "nothing is due".to_owned()))?;
    }
    Ok(if failed { CliExit::Store } else { CliExit::Done })
}

async fn run_until_ctrl_c(session: &Session) -> Result<CliExit, CliError> {
    session.out.remark("doing due work; ctrl-c stops it");
    let (out, reporter) = (session.out, WorkerReporter::default());
    let worker = session.cvm.worker("tick").on_event(move |event| match event {
        WorkerEvent::Due(due) => reporter.report_due(due, out),
        WorkerEvent::Trouble(error) => reporter.report_error(error, out),
        _ => {}
    });
    let signals = StopSignals::register();
    let stop = async {
        match signals {
            Some(mut signals) => _ = signals.next().await,
            None => std::future::pending().await,
        }
    };
    worker.run(stop).await?;
    Ok(CliExit::Done)
}

/// Reports due work, each failure of an execution once, and each error of the worker once.
#[derive(Default)]
pub struct WorkerReporter {
    reported: Mutex<BTreeMap<String, String>>,
    last_error: Mutex<String>,
}

impl WorkerReporter {
    /// Reports an error that a worker retries, unless it was the last one too.
    pub fn report_error(&self, error: &Error, out: Printer) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        let message = error.to_string();
        if *last != message {
            out.remark(&format!("{message}; retrying"));
            *last = message;
        }
    }

    /// Reports the due work of one pass.
    pub fn report_due(&self, due: &DueReport, out: Printer) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for failure in &due.failed {
            let message = failure.error.to_string();
            if reported.get(&failure.id) != Some(&message) {
                changed = true;
                out.remark(&due_failure_text(failure));
                reported.insert(failure.id.clone(), message);
            }
        }
        if out.is_json() {
            if changed || due_text(due).is_some() {
                // If standard output is closed, due work continues.
                let _ = out.value(&due_json(due));
            }
        } else if let Some(text) = due_text(due) {
            out.remark(&text);
        }
    }
}

fn due_failure_text(DueFailure { id, error }: &DueFailure) -> String {
    format!("due work of {id} failed: {error}")
}

/// Describes the work that was done; `None`: there was none.
fn due_text(due: &DueReport) -> Option<String> {
    let counted = |n: u64, done: &str| (n > 0).then(|| format!("{n} {done}"));
    let rows = if due.swept == 1 { "expired row removed" } else { "expired rows removed" };
    let encrypted = if due.encrypted == 1 { "document encrypted again" } else { "documents encrypted again" };
    let parts = [
        counted(due.resumed.into(), "continued"),
        counted(due.deleted.into(), "deleted"),
        counted(due.swept, rows),
        counted(due.encrypted, encrypted),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { None } else { Some(parts.join(", ")) }
}

fn due_json(due: &DueReport) -> Json {
    let mut json =
        json!({"resumed": due.resumed, "deleted": due.deleted, "swept": due.swept, "failed": failures_json(due)});
    if due.encrypted > 0 {
        json["encrypted"] = due.encrypted.into();
    }
    json
}

fn failures_json(due: &DueReport) -> Vec<Json> {
    due.failed.iter().map(|failure| json!({"execution": failure.id, "error": failure.error})).collect()
}

/// The rows or executions that are removed in one step.
const BATCH_ROWS: u32 = 256;

/// The retention of other domains than that of programs: each rule that applies, with the last timestamp that is due.
fn other_retention(session: &Session, now: Timestamp) -> impl Iterator<Item = (&'static DueRule, Timestamp)> {
    let rules = session.engine.registry().due_rules().filter(|rule| rule.is_retention && rule.name != RETENTION.name);
    rules.filter_map(move |rule| Some((rule, now - (rule.delay)(session.engine.settings())?)))
}

const INTERRUPTED_NOTE: &str = "what was removed stays removed; repeat the command to continue";

/// Deletes the rows, or counts them.
pub async fn sweep_store(session: &Session, args: &SweepArgs) -> Result<CliExit, CliError> {
    let now = session.engine.now();
    let retained_since = session.engine.settings().get::<Settings>().retention.map(|retention| now - retention);
    if let Some(before) = args.finished_before.filter(|before| *before > now) {
        return Err(usage(format!(
            "--finished-before: {} is in the future, so this would delete every execution that has ended. Write an age, such as `5m` for \
             five minutes ago, or a time that has passed",
            format_seconds(before)
        )));
    }
    // The flag and the retention both apply: the later time wins.
    let before = args.finished_before.max(retained_since);
    if args.dry_run {
        return count_expired(session, now, before).await;
    }
    if let Some(before) = before
        && !args.yes
        && io::stdin().is_terminal()
        && !confirm_deletion(session, before).await?
    {
        session.out.remark("nothing was removed");
        return Ok(CliExit::Rejected);
    }
    interrupt::run_interruptible(INTERRUPTED_NOTE, delete_expired(session, now, before)).await
}

async fn count_expired(session: &Session, now: Timestamp, before: Option<Timestamp>) -> Result<CliExit, CliError> {
    let expired = session.engine.measure_expired(now).await?;
    let finished = match before {
        Some(before) => Some(session.cvm.count_finished(before).await?),
        None => None,
    };
    let mut retention = Vec::new();
    for (rule, until) in other_retention(session, now) {
        retention.push((rule.name, session.engine.count_due(rule, until).await?));
    }
    if session.out.is_json() {
        let by_collection = |number: fn(&ExpiredRows) -> u64| -> serde_json::Map<_, _> {
            expired.iter().map(|found| (found.collection.to_owned(), json!(number(found)))).collect()
        };
        let (rows, bytes) = (by_collection(|found| found.rows), by_collection(|found| found.bytes));
        let retention: serde_json::Map<_, _> =
            retention.into_iter().map(|(rule, count)| (rule.to_owned(), json!(count))).collect();
        let output = json!({
            "dryRun": true, "expired": rows, "expiredBytes": bytes, "executions": finished, "retention": retention
        });
        session.out.value(&output)?;
        return Ok(CliExit::Done);
    }
    for ExpiredRows { collection, rows, bytes } in &expired {
        let noun = if *rows == 1 { "row" } else { "rows" };
        session.out.line(&format!("{collection}: {rows} expired {noun}, {}", format_bytes(*bytes)))?;
    }
    if let (Some(finished), Some(before)) = (finished, before) {
        session.out.line(&format!("executions that ended before {}: {finished}", format_seconds(before)))?;
    }
    retention.retain(|(_, count)| *count > 0);
    for (rule, count) in &retention {
        session.out.line(&format!("{rule}: {count} to remove, with all that belongs to them"))?;
    }
    if expired.is_empty() && retention.is_empty() && finished.unwrap_or_default() == 0 {
        session.out.remark("there is nothing to remove");
    }
    Ok(CliExit::Done)
}

async fn confirm_deletion(session: &Session, before: Timestamp) -> Result<bool, CliError> {
    let finished = session.cvm.count_finished(before).await?;
    if finished == 0 {
        return Ok(true);
    }
    let question = format!("Permanently delete {finished} executions that ended before {}", format_seconds(before));
    confirm(session.out, &format!("{question}, with all output, questions and answers?")).await
}

async fn delete_expired(session: &Session, now: Timestamp, before: Option<Timestamp>) -> Result<CliExit, CliError> {
    let mut rows = 0;
    loop {
        let swept = session.engine.sweep(now, BATCH_ROWS as usize).await?;
        rows += swept;
        if swept == 0 {
            break;
        }
    }
    let mut report = DueReport::default();
    let programs = before.map(|before| (&RETENTION, before));
    for (rule, until) in programs.into_iter().chain(other_retention(session, now)) {
        let failed = report.failed.len();
        loop {
            let deleted = report.deleted;
            report.more = false;
            report.failed.truncate(failed);
            session.engine.run_rule(rule, until, BATCH_ROWS, RunLimit::Stop, &mut report).await?;
            if !report.more || report.deleted == deleted {
                break;
            }
        }
    }
    for failure in &report.failed {
        session.out.remark(&format!("{} could not be deleted: {}", failure.id, failure.error));
    }
    if session.out.is_json() {
        let failed = failures_json(&report);
        session.out.value(&json!({"swept": rows, "deleted": report.deleted, "failed": failed}))?;
    } else {
        session.out.line(&format!("{rows} expired rows removed, {} executions deleted", report.deleted))?;
    }
    Ok(if report.failed.is_empty() { CliExit::Done } else { CliExit::Store })
}

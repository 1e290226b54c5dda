//! `tick`: does due work, once or until it is stopped.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use runstate::engine::{DueFailure, DueReport, Error, RunLimit};
use runstate::work::{Worker, WorkerEvent};
use serde_json::{Value as Json, json};

use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::StopSignals;
use crate::printer::Printer;
use crate::session::Session;

/// The largest number of due executions in one pass.
const DUE_LIMIT: u32 = 64;

/// Does due work.
pub async fn execute(session: &Session, follow: bool) -> Result<CliExit, CliError> {
    if follow { run_until_ctrl_c(session).await } else { once(session).await }
}

/// Does the work that is due now, but not work that becomes due meanwhile: a program that sets one short timer after another would keep
/// it running for ever.
async fn once(session: &Session) -> Result<CliExit, CliError> {
    let begun = session.engine.now();
    let mut all = DueReport::default();
    loop {
        let due = session.cvm.run_due(DUE_LIMIT, RunLimit::Stop).await?;
        let progress = due.woken + due.deleted > 0;
        all.woken += due.woken;
        all.deleted += due.deleted;
        all.swept += due.swept;
        all.failed = due.failed;
        let left = session.cvm.next_due().await?.is_some_and(|at| at <= begun);
        if !progress || !left {
            break;
        }
    }
    let failed = !all.failed.is_empty();
    for failure in &all.failed {
        session.out.remark(&due_failure_text(failure));
    }
    if session.out.is_json() {
        session.out.value(&as_json(&all))?;
    } else {
        session.out.line(&due_text(&all).unwrap_or_else(|| "nothing is due".to_owned()))?;
    }
    Ok(if failed { CliExit::Store } else { CliExit::Done })
}

/// Does due work until ctrl-c.
async fn run_until_ctrl_c(session: &Session) -> Result<CliExit, CliError> {
    session.out.remark("doing due work; ctrl-c stops it");
    let (out, reporter) = (session.out, WorkerReporter::default());
    let worker = Worker::new(session.cvm.clone(), "tick").on_event(move |event| match event {
        WorkerEvent::Due(due) => reporter.due(due, out),
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
    trouble: Mutex<String>,
}

impl WorkerReporter {
    /// Reports an error that a worker retries, unless it was the last one too.
    pub fn report_error(&self, error: &Error, out: Printer) {
        let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let why = error.to_string();
        if *last != why {
            out.remark(&format!("{why}; retrying"));
            *last = why;
        }
    }

    /// Reports the due work of one pass.
    pub fn due(&self, due: &DueReport, out: Printer) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = false;
        for failure in &due.failed {
            let why = failure.error.to_string();
            if reported.get(&failure.execution) != Some(&why) {
                news = true;
                out.remark(&due_failure_text(failure));
                reported.insert(failure.execution.clone(), why);
            }
        }
        if out.is_json() {
            if news || due_text(due).is_some() {
                // The reader may be gone; due work continues without it.
                let _ = out.value(&as_json(due));
            }
        } else if let Some(done) = due_text(due) {
            out.remark(&done);
        }
    }
}

fn due_failure_text(DueFailure { execution, error }: &DueFailure) -> String {
    format!("due work of {execution} failed: {error}")
}

/// Describes the work that was done; `None`: there was none.
fn due_text(due: &DueReport) -> Option<String> {
    let many = |n: u64, one: &str, more: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {more}")),
    };
    let parts = [
        many(due.woken.into(), "execution continued", "executions continued"),
        many(due.deleted.into(), "execution was deleted", "executions were deleted"),
        many(due.swept, "expired row was removed", "expired rows were removed"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { None } else { Some(parts.join(", ")) }
}

fn as_json(due: &DueReport) -> Json {
    let failed = |failure: &DueFailure| json!({"execution": failure.execution, "error": failure.error});
    let failed: Vec<Json> = due.failed.iter().map(failed).collect();
    json!({"woken": due.woken, "deleted": due.deleted, "swept": due.swept, "failed": failed})
}

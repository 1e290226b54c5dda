//! `tick`: what is due, once or for as long as somebody wants.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use runstate::engine::{Due, Error, Pace, StillDue};
use runstate::work::{Told, Worker};
use serde_json::{Value as Json, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::StopSignals;
use crate::print::Out;
use crate::session::Session;

/// Executions that are woken in one pass.
const DUE: u32 = 64;

/// Does what is due.
pub async fn execute(session: &Session, follow: bool) -> Result<Exit, Failure> {
    if follow { go_on(session).await } else { once(session).await }
}

/// Does what is due by now. What becomes due by that is for another time: a program that sets one short timer after the other would
/// never let it end.
async fn once(session: &Session) -> Result<Exit, Failure> {
    let begun = session.engine.now();
    let mut all = Due::default();
    loop {
        let due = session.cvm.run_due(DUE, Pace::Stop).await?;
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
    for still in &all.failed {
        session.out.remark(&cannot(still));
    }
    if session.out.json() {
        session.out.value(&as_json(&all))?;
    } else {
        session.out.line(&done(&all).unwrap_or_else(|| "nothing is due".to_owned()))?;
    }
    Ok(if failed { Exit::Store } else { Exit::Done })
}

/// Goes on until ctrl-c.
async fn go_on(session: &Session) -> Result<Exit, Failure> {
    session.out.remark("doing what becomes due; ctrl-c ends");
    let (out, teller) = (session.out, Teller::default());
    let worker = Worker::new(session.cvm.clone(), "tick").on_told(move |told| match told {
        Told::Due(due) => teller.due(due, out),
        Told::Trouble(error) => teller.trouble(error, out),
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
    Ok(Exit::Done)
}

/// Tells what was due, and of each execution for which it cannot be done once why; and once what troubles a worker again and again.
#[derive(Default)]
pub struct Teller {
    told: Mutex<BTreeMap<String, String>>,
    trouble: Mutex<String>,
}

impl Teller {
    /// Tells why a worker waits.
    pub fn trouble(&self, error: &Error, out: Out) {
        let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let why = error.to_string();
        if *last != why {
            out.remark(&format!("{why}; trying again"));
            *last = why;
        }
    }

    /// Tells it.
    pub fn due(&self, due: &Due, out: Out) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = false;
        for still in &due.failed {
            let why = still.error.to_string();
            if told.get(&still.execution) != Some(&why) {
                news = true;
                out.remark(&cannot(still));
                told.insert(still.execution.clone(), why);
            }
        }
        if out.json() {
            if news || done(due).is_some() {
                // Nobody may be there to read it; what is due is done all the same.
                let _ = out.value(&as_json(due));
            }
        } else if let Some(done) = done(due) {
            out.remark(&done);
        }
    }
}

fn cannot(StillDue { execution, error }: &StillDue) -> String {
    format!("{execution} is due, but: {error}")
}

/// What was done, in words; `None`: nothing.
fn done(due: &Due) -> Option<String> {
    let many = |n: u64, one: &str, more: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {more}")),
    };
    let parts = [
        many(due.woken.into(), "execution went on", "executions went on"),
        many(due.deleted.into(), "execution was deleted", "executions were deleted"),
        many(due.swept, "expired row was removed", "expired rows were removed"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { None } else { Some(parts.join(", ")) }
}

fn as_json(due: &Due) -> Json {
    let failed = |still: &StillDue| json!({"execution": still.execution, "error": still.error});
    let failed: Vec<Json> = due.failed.iter().map(failed).collect();
    json!({"woken": due.woken, "deleted": due.deleted, "swept": due.swept, "failed": failed})
}

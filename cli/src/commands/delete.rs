//! `delete`: ended executions, with all their rows.

use std::io::{self, IsTerminal};

use runstate::code::Code;
use serde_json::json;

use super::named::{Named, One};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::lines::Lines;
use crate::progress::Bar;
use crate::session::Session;

/// What is left of a deletion that is interrupted.
pub const KEPT: &str = "what was deleted is gone; the same command again goes on there";

/// What goes with an execution.
const LOST: &str = "with all output, questions and answers";

/// How many ids a question names.
const ASKED: usize = 5;

/// Deletes them; `yes`: without a question.
pub async fn execute(session: &Session, named: Named, yes: bool) -> Result<Exit, Failure> {
    if !yes && io::stdin().is_terminal() && !confirmed(session, "Delete", &named, LOST).await? {
        session.out.remark("nothing was deleted");
        return Ok(Exit::Rejected);
    }
    let bar = Bar::counting(session.out, "deleting", named.all().len());
    let deleted = interrupt::unless(KEPT, each(session, &named, &bar)).await;
    bar.clear();
    deleted
}

/// Whether a person says so.
pub async fn confirmed(session: &Session, act: &str, named: &Named, lost: &str) -> Result<bool, Failure> {
    let ids: Vec<&str> = named.all().iter().take(ASKED).map(|one| one.id.as_str()).collect();
    let others = named.all().len() - ids.len();
    let others = if others > 0 { format!(" and {others} more") } else { String::new() };
    session.out.ask(&format!("{act} {}{others} for ever, {lost}? [y/N]", ids.join(", ")))?;
    let answer = Lines::default().next().await?.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

async fn each(session: &Session, named: &Named, bar: &Bar) -> Result<Exit, Failure> {
    let mut worst = Exit::Done;
    for one in named.all() {
        let exit = match one_of(session, one).await {
            Ok(()) => bar.step(|| said(session, &one.id))?,
            Err(failure) if named.alone().is_some() => return Err(failure),
            Err(failure) => bar.step(|| session.out.refused("execution", &one.id, failure))?,
        };
        worst = worst.graver(exit);
    }
    Ok(worst)
}

async fn one_of(session: &Session, One { id, command }: &One) -> Result<(), Failure> {
    session.cvm.delete(id, command.as_ref()).await.map_err(|error| {
        let cancel = || format!(". Cancel it with: {}", session.invocation("cancel", id, ""));
        Failure::from(error).explain(Code::IllegalTransition, cancel)
    })
}

fn said(session: &Session, id: &str) -> Result<Exit, Failure> {
    if session.out.json() {
        session.out.value(&json!({ "id": id, "deleted": true }))?;
    } else {
        session.out.line(&format!("{id} is deleted"))?;
    }
    Ok(Exit::Done)
}

//! `delete`: deletes ended executions with all their rows.

use std::io::{self, IsTerminal};

use runstate::error_code::ErrorCode;
use serde_json::json;

use super::target::{Target, Targets};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt;
use crate::progress::Bar;
use crate::session::Session;
use crate::stdin_lines::StdinLines;

/// The state after an interrupted deletion.
pub const INTERRUPTED_NOTE: &str = "what was deleted stays deleted; repeat the command to continue";

/// The data that is deleted with an execution.
const LOSS_NOTE: &str = "with all output, questions and answers";

/// The largest number of ids in the confirmation question.
const MAX_IDS_SHOWN: usize = 5;

/// Deletes the executions; `yes`: without confirmation.
pub async fn execute(session: &Session, named: Targets, yes: bool) -> Result<CliExit, CliError> {
    if !yes && io::stdin().is_terminal() && !confirm(session, "Delete", &named, LOSS_NOTE).await? {
        session.out.remark("nothing was deleted");
        return Ok(CliExit::Rejected);
    }
    let bar = Bar::with_total(session.out, "deleting", named.all().len());
    let deleted = interrupt::run_interruptible(INTERRUPTED_NOTE, delete_each(session, &named, &bar)).await;
    bar.clear();
    deleted
}

/// Asks a person for confirmation.
pub async fn confirm(session: &Session, act: &str, named: &Targets, lost: &str) -> Result<bool, CliError> {
    let ids: Vec<&str> = named.all().iter().take(MAX_IDS_SHOWN).map(|one| one.id.as_str()).collect();
    let others = named.all().len() - ids.len();
    let others = if others > 0 { format!(" and {others} more") } else { String::new() };
    session.out.ask(&format!("{act} {}{others} permanently, {lost}? [y/N]", ids.join(", ")))?;
    let answer = StdinLines::default().next().await?.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

async fn delete_each(session: &Session, named: &Targets, bar: &Bar) -> Result<CliExit, CliError> {
    let mut worst = CliExit::Done;
    for one in named.all() {
        let exit = match delete_one(session, one).await {
            Ok(()) => bar.step(|| print_deleted(session, &one.id))?,
            Err(failure) if named.single().is_some() => return Err(failure),
            Err(failure) => bar.step(|| session.out.report_rejection("execution", &one.id, failure))?,
        };
        worst = worst.most_severe(exit);
    }
    Ok(worst)
}

async fn delete_one(session: &Session, Target { id, command }: &Target) -> Result<(), CliError> {
    session.cvm.delete(id, command.as_ref()).await.map_err(|error| {
        let cancel = || format!(". Cancel it with: {}", session.invocation("cancel", id, ""));
        CliError::from(error).explain(ErrorCode::IllegalTransition, cancel)
    })
}

fn print_deleted(session: &Session, id: &str) -> Result<CliExit, CliError> {
    if session.out.is_json() {
        session.out.value(&json!({ "id": id, "deleted": true }))?;
    } else {
        session.out.line(&format!("{id} is deleted"))?;
    }
    Ok(CliExit::Done)
}

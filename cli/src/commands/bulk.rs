//! `pause`, `unpause`, `cancel`, `retry`, and `delete`, which deletes ended executions with all their rows. Each
//! target is handled on its own, with a command id of its own.

use std::io;
use std::io::IsTerminal;

use runstate::domain::cvm::{ExecutionProgress, ExecutionStatus, Status};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::id::{CommandId, hex, sha256};
use serde_json::json;

use crate::error::CliError;
use crate::exit::CliExit;
use crate::input::StdinLines;
use crate::interrupt::Interrupt;
use crate::printer::escape_control;
use crate::progress::Bar;
use crate::session::Session;
use crate::table::one_line;
use crate::{interrupt, prompt};

/// The action of a bulk command.
#[derive(Clone, Copy)]
pub enum BulkAction {
    /// See [`runstate::engine::Cvm::pause`].
    Pause,
    /// See [`runstate::engine::Cvm::unpause`].
    Unpause,
    /// See [`runstate::engine::Cvm::cancel`].
    Cancel,
    /// See [`runstate::engine::Cvm::retry`].
    Retry,
}

/// Applies the action to each target.
pub async fn apply_to_targets(session: &Session, action: BulkAction, targets: Targets) -> Result<CliExit, CliError> {
    let interrupt = action.drives().then(|| Interrupt::watch(session));
    if let Some(target) = targets.single() {
        return run_single(session, action, target, interrupt.as_ref()).await;
    }
    let mut worst = CliExit::Done;
    for target in targets.all() {
        let exit = match run_one_of_several(session, action, target, interrupt.as_ref()).await {
            Ok(exit) => exit,
            Err(failure) => session.out.report_rejection("execution", &target.id, failure)?,
        };
        worst = worst.most_severe(exit);
    }
    Ok(worst)
}

/// Applies the action to a single target, and prints the status as `next` does.
async fn run_single(
    session: &Session,
    action: BulkAction,
    target: &Target,
    interrupt: Option<&Interrupt>,
) -> Result<CliExit, CliError> {
    let Some(interrupt) = interrupt else { return print_status(session, &action.apply(session, target).await?) };
    interrupt.set_driving(&target.id, session.resume_command(&target.id));
    let position = session.output_position(&target.id).await?;
    action.apply(session, target).await?;
    session.show_status(&target.id, position).await
}

/// Applies the action to one of several targets, and prints one line.
async fn run_one_of_several(
    session: &Session,
    action: BulkAction,
    target: &Target,
    interrupt: Option<&Interrupt>,
) -> Result<CliExit, CliError> {
    if let Some(interrupt) = interrupt {
        interrupt.set_driving(&target.id, session.resume_command(&target.id));
    }
    let status = action.apply(session, target).await?;
    if !action.drives() {
        return print_status(session, &status);
    }
    if session.out.is_json() {
        return session.print_json(&target.id).await;
    }
    let progress = session.status(&target.id).await?;
    let (id, status) = (escape_control(&target.id), session.out.paint().status(progress.status.as_str()));
    session.out.styled_lines(&[format!("{id} is {status}{}", one_line(&status_detail(&progress)))])?;
    Ok(CliExit::from_status(progress.status))
}

fn print_status(session: &Session, execution: &ExecutionStatus) -> Result<CliExit, CliError> {
    if session.out.is_json() {
        session.out.value(execution)?;
    } else {
        let (id, status) = (escape_control(&execution.id), session.out.paint().status(execution.status.as_str()));
        session.out.styled_lines(&[format!("{id} is {status}")])?;
    }
    Ok(CliExit::Done)
}

/// Returns the details of a status: the question, the error or the result.
fn status_detail(progress: &ExecutionProgress) -> String {
    match (progress.status, progress.calls.first(), &progress.error) {
        (Status::WaitingCc, Some(call), _) => format!(": {}", call.prompt),
        (Status::Error, _, Some(error)) => {
            format!(" at line {}, column {}: {}: {}", error.line, error.column, error.name, error.message)
        }
        (Status::Complete, ..) if !progress.result.is_null() => {
            format!(" = {}", prompt::display_value(&progress.result))
        }
        _ => String::new(),
    }
}

impl BulkAction {
    /// Whether the action runs the execution.
    fn drives(self) -> bool {
        matches!(self, BulkAction::Unpause | BulkAction::Retry)
    }

    async fn apply(self, session: &Session, Target { id, command }: &Target) -> Result<ExecutionStatus, Error> {
        let (cvm, command) = (&session.cvm, command.as_ref());
        match self {
            BulkAction::Pause => cvm.pause(id, command).await,
            BulkAction::Unpause => cvm.unpause(id, command).await,
            BulkAction::Cancel => cvm.cancel(id, command).await,
            BulkAction::Retry => cvm.retry(id, command).await,
        }
    }
}

/// The state after an interrupted deletion.
pub const INTERRUPTED_NOTE: &str = "what was deleted stays deleted; repeat the command to continue";

/// The data that is deleted with an execution.
const LOSS_NOTE: &str = "with all output, questions and answers";

/// The largest number of ids in the confirmation question.
const MAX_IDS_SHOWN: usize = 5;

/// Deletes the executions; `yes`: without confirmation.
pub async fn delete_executions(session: &Session, targets: Targets, yes: bool) -> Result<CliExit, CliError> {
    if !yes && io::stdin().is_terminal() && !confirm(session, "Delete", &targets, LOSS_NOTE).await? {
        session.out.remark("nothing was deleted");
        return Ok(CliExit::Rejected);
    }
    let bar = Bar::with_total(session.out, "deleting", targets.all().len());
    let deleted = interrupt::run_interruptible(INTERRUPTED_NOTE, delete_each(session, &targets, &bar)).await;
    bar.clear();
    deleted
}

/// Asks a person for confirmation.
pub async fn confirm(session: &Session, action: &str, targets: &Targets, loss: &str) -> Result<bool, CliError> {
    let ids: Vec<&str> = targets.all().iter().take(MAX_IDS_SHOWN).map(|target| target.id.as_str()).collect();
    let others = targets.all().len() - ids.len();
    let others = if others > 0 { format!(" and {others} more") } else { String::new() };
    session.out.ask(&format!("{action} {}{others} permanently, {loss}? [y/N]", ids.join(", ")))?;
    let answer = StdinLines::default().next().await?.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

async fn delete_each(session: &Session, targets: &Targets, bar: &Bar) -> Result<CliExit, CliError> {
    let mut worst = CliExit::Done;
    for target in targets.all() {
        let exit = match delete_one(session, target).await {
            Ok(()) => bar.step(|| print_deleted(session, &target.id))?,
            Err(failure) if targets.single().is_some() => return Err(failure),
            Err(failure) => bar.step(|| session.out.report_rejection("execution", &target.id, failure))?,
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

/// The targets of a bulk command.
pub struct Targets(Vec<Target>);

/// A target.
pub struct Target {
    /// The id of the execution, or the name of the program.
    pub id: String,
    /// The command id, if the caller gave one.
    pub command: Option<CommandId>,
}

impl Targets {
    /// Creates each target once, in the given order. For one target, the command id is `name`. For several, each id is derived from `name` and
    /// the target, so that the command can be repeated with the targets in any order.
    ///
    /// The ids are not [`CommandId::part`]s: commands that drive or delete an execution derive parts, and a part cannot have parts.
    pub fn new(ids: Vec<String>, name: Option<&str>) -> Result<Self, CliError> {
        let mut targets: Vec<Target> = Vec::new();
        let several = ids.iter().any(|id| *id != ids[0]);
        let mut seen = std::collections::HashSet::new();
        for id in ids.into_iter().filter(|id| seen.insert(id.clone())) {
            let command = name.map(|name| match several {
                false => CommandId::new(name),
                true => CommandId::new(name).and_then(|_| CommandId::new(&derive_command_name(name, &id))),
            });
            targets.push(Target { command: command.transpose()?, id });
        }
        Ok(Self(targets))
    }

    /// Returns all targets.
    pub fn all(&self) -> &[Target] {
        &self.0
    }

    /// Returns the target if there is only one.
    pub fn single(&self) -> Option<&Target> {
        if let [target] = self.0.as_slice() { Some(target) } else { None }
    }
}

/// Derives a command id. It contains only a hash of the target, so a target of any length and form fits.
fn derive_command_name(name: &str, id: &str) -> String {
    format!("{name}:{}", hex(&sha256(&[id.as_bytes()])[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(ids: &[&str], name: Option<&str>) -> Vec<(String, Option<String>)> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let text = |command: CommandId| command.as_str().to_owned();
        Targets::new(ids, name).unwrap().0.into_iter().map(|target| (target.id, target.command.map(text))).collect()
    }

    #[test]
    fn a_single_target_keeps_the_command_id() {
        assert_eq!(targets(&["a"], Some("c")), [("a".to_owned(), Some("c".to_owned()))]);
        assert_eq!(targets(&["a", "a"], Some("c")), targets(&["a"], Some("c")));
    }

    #[test]
    fn each_of_several_targets_gets_its_own_command_id_in_any_order() {
        let (forward, backward) = (targets(&["a", "b", "a/1"], Some("c")), targets(&["a/1", "b", "a", "b"], Some("c")));
        assert_eq!(forward, backward.into_iter().rev().collect::<Vec<_>>());
        assert!(forward[0].1.as_deref().is_some_and(|name| name.starts_with("c:")));
        let names: std::collections::HashSet<_> = forward.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), 3);
        assert_eq!(targets(&["a", "b"], None)[1], ("b".to_owned(), None));
    }

    #[test]
    fn a_command_id_too_long_to_derive_from_is_refused_first() {
        assert!(Targets::new(vec!["a".into(), "b".into()], Some(&"x".repeat(188))).is_err());
        assert!(Targets::new(vec!["a".into(), "b".into()], Some("job/1")).is_err());
    }
}

//! `pause`, `unpause`, `cancel`, `retry`: each target is handled on its own.

use runstate::domain::cvm::{ExecutionProgress, ExecutionStatus, Status};
use runstate::engine::Error;

use super::target::{Target, Targets};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::Interrupt;
use crate::printer::escape_control;
use crate::prompt;
use crate::session::Session;
use crate::table::one_line;

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
pub async fn execute(session: &Session, act: BulkAction, named: Targets) -> Result<CliExit, CliError> {
    let interrupt = act.drives().then(|| Interrupt::watch(session));
    if let Some(one) = named.single() {
        return run_single(session, act, one, interrupt.as_ref()).await;
    }
    let mut worst = CliExit::Done;
    for one in named.all() {
        let exit = match run_one_of_several(session, act, one, interrupt.as_ref()).await {
            Ok(exit) => exit,
            Err(failure) => session.out.report_rejection("execution", &one.id, failure)?,
        };
        worst = worst.most_severe(exit);
    }
    Ok(worst)
}

/// Applies the action to a single target, and prints the status as `next` does.
async fn run_single(
    session: &Session,
    act: BulkAction,
    one: &Target,
    interrupt: Option<&Interrupt>,
) -> Result<CliExit, CliError> {
    let Some(interrupt) = interrupt else { return print_status(session, &act.apply(session, one).await?) };
    interrupt.set_driving(&one.id, session.resume_command(&one.id));
    let position = session.output_position(&one.id).await?;
    act.apply(session, one).await?;
    session.show_status(&one.id, position).await
}

/// Applies the action to one of several targets, and prints one line.
async fn run_one_of_several(
    session: &Session,
    act: BulkAction,
    one: &Target,
    interrupt: Option<&Interrupt>,
) -> Result<CliExit, CliError> {
    if let Some(interrupt) = interrupt {
        interrupt.set_driving(&one.id, session.resume_command(&one.id));
    }
    let reached = act.apply(session, one).await?;
    if !act.drives() {
        return print_status(session, &reached);
    }
    if session.out.is_json() {
        return session.print_json(&one.id).await;
    }
    let progress = session.status(&one.id).await?;
    let (id, status) = (escape_control(&one.id), session.out.paint().status(progress.status.as_str()));
    session.out.styled_lines(&[format!("{id} is {status}{}", one_line(&status_detail(&progress)))])?;
    Ok(CliExit::from_status(progress.status))
}

fn print_status(session: &Session, reached: &ExecutionStatus) -> Result<CliExit, CliError> {
    if session.out.is_json() {
        session.out.value(reached)?;
    } else {
        let (id, status) = (escape_control(&reached.id), session.out.paint().status(reached.status.as_str()));
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

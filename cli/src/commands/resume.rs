//! `resume`: continues an execution and runs it to its end.

use runstate::id::CommandId;

use crate::answer_source::AnswerSource;
use crate::args::AnswerSourceArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Continues the execution.
pub async fn resume(
    session: &Session,
    id: &str,
    answering: &AnswerSourceArgs,
    command: Option<CommandId>,
) -> Result<CliExit, CliError> {
    let (mut answers, grants) = (AnswerSource::from_args(answering)?, answering.allow.open_grants()?);
    let interrupt = Interrupt::watch(session);
    interrupt.set_driving(id, session.resume_command(id));
    let position = session.show_recent_output(id).await?;
    session.cvm.resume(id, command.as_ref()).await?;
    session.drive(id, &mut answers, &grants, position).await
}

//! `next`: continues an execution that was left running, to its next stop.

use runstate::id::CommandId;

use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Continues the execution.
pub async fn next(session: &Session, id: &str, command: Option<CommandId>) -> Result<CliExit, CliError> {
    let interrupt = Interrupt::watch(session);
    interrupt.set_driving(id, session.resume_command(id));
    let position = session.output_position(id).await?;
    session.cvm.resume(id, command.as_ref()).await?;
    session.show_status(id, position).await
}

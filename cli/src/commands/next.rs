//! `next`: an execution that was left running, to its next stop.

use runstate::id::CommandId;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Continues it.
pub async fn execute(session: &Session, id: &str, command: Option<CommandId>) -> Result<Exit, Failure> {
    let interrupt = Interrupt::watch(session.out);
    interrupt.driving(id, session.resume(id));
    let seen = session.seen(id).await?;
    session.cvm.next(id, command.as_ref()).await?;
    session.stands(id, seen).await
}

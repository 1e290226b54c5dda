//! `resume`: an execution, from wherever it is to its end.

use runstate::id::CommandId;

use crate::answers::Answers;
use crate::args::Answering;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Goes on with it.
pub async fn execute(
    session: &Session,
    id: &str,
    answering: &Answering,
    command: Option<CommandId>,
) -> Result<Exit, Failure> {
    let (mut answers, grants) = (Answers::of(answering)?, answering.allow.grants()?);
    let interrupt = Interrupt::watch(session.out);
    interrupt.driving(id, session.resume(id));
    let seen = session.recall(id).await?;
    session.cvm.next(id, command.as_ref()).await?;
    session.drive(id, &mut answers, &grants, seen).await
}

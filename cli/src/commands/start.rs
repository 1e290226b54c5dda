//! `start`: a loaded program, to its first stop.

use runstate::code::Code;
use runstate::domain::cvm::{Reached, Start};
use runstate::id::CommandId;
use serde_json::Value as Json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Starts it.
pub async fn execute(
    session: &Session,
    program: String,
    id: Option<String>,
    input: Option<Json>,
    command: Option<CommandId>,
) -> Result<Exit, Failure> {
    let interrupt = Interrupt::watch(session.out);
    let reached = begin(session, &interrupt, program, id, input, command.as_ref()).await?;
    session.stands(&reached.id, 0).await
}

/// Starts an execution and says its id.
pub async fn begin(
    session: &Session,
    interrupt: &Interrupt,
    program: String,
    id: Option<String>,
    input: Option<Json>,
    command: Option<&CommandId>,
) -> Result<Reached, Failure> {
    // The id is made here, so that it is known while the first stop is not reached yet. A command that is named must be the same when it
    // is repeated: there the engine derives it.
    let id = match (id, command) {
        (None, None) => Some(session.engine.new_command_id().as_str().to_owned()),
        (id, _) => id,
    };
    if let Some(id) = &id {
        interrupt.starting(id, session.resume(id));
    }
    let start = Start { id, program, input, log_level: None, parent: None };
    let reached = session.cvm.start(&start, command).await.map_err(|error| {
        let id = start.id.as_deref().unwrap_or_default();
        Failure::from(error).explain(Code::AlreadyExists, || {
            session.resume(id).map_or_else(String::new, |resume| format!(", or go on with it: {resume}"))
        })
    })?;
    interrupt.driving(&reached.id, session.resume(&reached.id));
    session.out.remark(&format!("execution {} of {}", reached.id, start.program));
    Ok(reached)
}

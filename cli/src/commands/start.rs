//! `start`: a loaded program, to its first stop.

use runstate::code::Code;
use runstate::domain::cvm::{Reached, Start};
use runstate::engine::Error;
use runstate::id::CommandId;

use crate::compile;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Starts it.
pub async fn execute(session: &Session, start: Start, command: Option<CommandId>) -> Result<Exit, Failure> {
    let interrupt = Interrupt::watch(session.out);
    let reached = begin(session, &interrupt, start, command.as_ref()).await?;
    session.stands(&reached.id, 0).await
}

/// Starts an execution and says its id.
pub async fn begin(
    session: &Session,
    interrupt: &Interrupt,
    mut start: Start,
    command: Option<&CommandId>,
) -> Result<Reached, Failure> {
    // The id is made here, so that it is known while the first stop is not reached yet. A command that is named must be the same when it
    // is repeated: there the engine derives it.
    if start.id.is_none() && command.is_none() {
        start.id = Some(session.engine.new_command_id().as_str().to_owned());
    }
    if let Some(id) = &start.id {
        interrupt.starting(id, session.resume(id));
    }
    let started = match session.cvm.start(&start, command).await {
        Err(error) if error.code == Code::NeedsRecompile => {
            recompile(session, &start.program, error).await?;
            session.cvm.start(&start, command).await
        }
        started => started,
    };
    let reached = started.map_err(|error| {
        let id = start.id.as_deref().unwrap_or_default();
        Failure::from(error).explain(Code::AlreadyExists, || {
            session.resume(id).map_or_else(String::new, |resume| format!(", or go on with it: {resume}"))
        })
    })?;
    interrupt.driving(&reached.id, session.resume(&reached.id));
    session.out.remark(&format!("execution {} of {}", reached.id, start.program));
    Ok(reached)
}

/// Compiles the source that is kept once more, for the machine of today, and loads it as the next version.
async fn recompile(session: &Session, name: &str, error: Error) -> Result<(), Failure> {
    let program = session.cvm.program(name).await?;
    let version = program.summary.program_version.unwrap_or_default();
    // Old versions of other makers may have none.
    if program.source.is_empty() {
        return Err(error.into());
    }
    let shown = format!("{name} (version {version})");
    let load = compile::source(name, &shown, program.source).inspect_err(|_| {
        let source = session.invocation("program show", name, " --source");
        session.out.remark(&format!(
            "{name} was compiled for an older machine, and its source does not compile any more. Change it and load it again: {source}. \
             Executions that have begun go on as they are"
        ));
    })?;
    let loaded = session.cvm.load(&load, None).await?;
    session.out.remark(&format!(
        "{name} was compiled for an older machine; its source was compiled again, as version {}",
        loaded.program_version
    ));
    Ok(())
}

//! `start`: starts a loaded program and runs it to its first stop.

use runstate::domain::cvm::{ExecutionStatus, Start};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;

use crate::compile;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Starts an execution and prints its status.
pub async fn execute(session: &Session, start: Start, command: Option<CommandId>) -> Result<CliExit, CliError> {
    let interrupt = Interrupt::watch(session);
    let reached = begin(session, &interrupt, start, command.as_ref()).await?;
    session.show_status(&reached.id, 0).await
}

/// Starts an execution and prints its id.
pub async fn begin(
    session: &Session,
    interrupt: &Interrupt,
    mut start: Start,
    command: Option<&CommandId>,
) -> Result<ExecutionStatus, CliError> {
    // The id is generated here, so that it is known before the first stop. Under a command id it must be the same when the command is
    // repeated, so the engine derives it.
    if start.id.is_none() && command.is_none() {
        start.id = Some(session.engine.new_command_id().as_str().to_owned());
    }
    if let Some(id) = &start.id {
        interrupt.set_starting(id, session.resume_command(id));
    }
    let started = match session.cvm.start(&start, command).await {
        Err(error) if error.code == ErrorCode::NeedsRecompile => {
            recompile(session, &start.program, error).await?;
            session.cvm.start(&start, command).await
        }
        started => started,
    };
    let reached = started.map_err(|error| {
        let id = start.id.as_deref().unwrap_or_default();
        CliError::from(error).explain(ErrorCode::AlreadyExists, || {
            session.resume_command(id).map_or_else(String::new, |resume| format!(", or continue it with: {resume}"))
        })
    })?;
    interrupt.set_driving(&reached.id, session.resume_command(&reached.id));
    session.out.remark(&format!("execution {} of {}", reached.id, start.program));
    Ok(reached)
}

/// Compiles the stored source again, for the current machine, and loads it as the next version.
async fn recompile(session: &Session, name: &str, error: Error) -> Result<(), CliError> {
    let program = session.cvm.program(name).await?;
    let version = program.summary.program_version.unwrap_or_default();
    // Programs of other compilers may have no source.
    if program.source.is_empty() {
        return Err(error.into());
    }
    let shown = format!("{name} (version {version})");
    let load = compile::load_from_source(name, &shown, program.source).inspect_err(|_| {
        let source = session.invocation("program show", name, " --source");
        session.out.remark(&format!(
            "{name} was compiled for an older machine, and its source no longer compiles. To change the source and load it again, \
             print it with: {source}. Executions that were started continue unchanged"
        ));
    })?;
    let loaded = session.cvm.load(&load, None).await?;
    session.out.remark(&format!(
        "{name} was compiled for an older machine; its source was compiled again, as version {}",
        loaded.program_version
    ));
    Ok(())
}

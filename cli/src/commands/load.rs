//! `load`: stores a program under its name.

use runstate::domain::cvm::Load;
use runstate::id::CommandId;

use crate::error::CliError;
use crate::exit::CliExit;
use crate::session::Session;

/// Loads a program.
pub async fn load_program(session: &Session, load: &Load, command: Option<&CommandId>) -> Result<CliExit, CliError> {
    let loaded = session.cvm.load(load, command).await?;
    if session.out.is_json() {
        session.out.value(&loaded)?;
    } else {
        session.out.line(&format!("{} (version {})", loaded.name, loaded.program_version))?;
        let hint = || format!("start it with: {}", session.invocation("start", &loaded.name, ""));
        session.out.remark(&session.next_step(hint));
    }
    Ok(CliExit::Done)
}

//! `load`: a program under its name.

use runstate::domain::cvm::Load;
use runstate::id::CommandId;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Loads it.
pub async fn execute(session: &Session, load: &Load, command: Option<&CommandId>) -> Result<Exit, Failure> {
    let loaded = session.cvm.load(load, command).await?;
    if session.out.json() {
        session.out.value(&loaded)?;
    } else {
        session.out.line(&format!("{} (version {})", loaded.name, loaded.program_version))?;
        let hint = || format!("start it with: {}", session.invocation("start", &loaded.name, ""));
        session.out.remark(&session.next_step(hint));
    }
    Ok(Exit::Done)
}

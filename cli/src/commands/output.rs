//! `output`: what an execution has printed.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Prints it: line by line, for programs a JSON text a line.
pub async fn execute(session: &Session, id: &str) -> Result<Exit, Failure> {
    let lines = session.cvm.output(id).await?;
    if session.out.json() {
        lines.iter().try_for_each(|line| session.out.value(line))?;
    } else {
        session.out.lines(&lines)?;
    }
    Ok(Exit::Done)
}

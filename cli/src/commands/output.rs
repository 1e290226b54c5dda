//! `output`: what an execution has printed.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Prints it, and with `follow` what is still to come: line by line, for programs a JSON text a line.
pub async fn execute(session: &Session, id: &str, follow: bool) -> Result<Exit, Failure> {
    if follow {
        return super::follow::execute(session, id).await;
    }
    session.print(&session.cvm.output(id).await?)?;
    Ok(Exit::Done)
}

impl Session {
    /// Lines that an execution printed.
    pub fn print(&self, lines: &[String]) -> Result<(), Failure> {
        if self.out.json() { self.out.values(lines) } else { self.out.lines(lines) }
    }
}

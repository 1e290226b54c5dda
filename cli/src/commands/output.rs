//! `output`: prints the output of an execution.

use crate::error::CliError;
use crate::exit::CliExit;
use crate::session::Session;

/// Prints the output, and with `follow` new lines too. For programs, each line is a JSON string.
pub async fn execute(session: &Session, id: &str, follow: bool) -> Result<CliExit, CliError> {
    if follow {
        return super::follow::follow_output(session, id).await;
    }
    session.print(&session.cvm.output(id).await?)?;
    Ok(CliExit::Done)
}

impl Session {
    /// Prints lines of an execution's output.
    pub fn print(&self, lines: &[String]) -> Result<(), CliError> {
        if self.out.is_json() { self.out.values(lines) } else { self.out.lines(lines) }
    }
}

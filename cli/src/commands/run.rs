//! `run`: from a source to the end of its execution.

use runstate::domain::cvm::Load;
use runstate::id::CommandId;
use serde_json::Value as Json;

use super::start;
use crate::answers::Answers;
use crate::args::{Answering, Starting};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// What is run.
pub struct Run {
    /// The program.
    pub load: Load,
    /// Id of the execution.
    pub id: Option<String>,
    /// The program's `input`.
    pub input: Option<Json>,
    /// What is stored with the execution.
    pub starting: Starting,
    /// Who answers.
    pub answering: Answering,
    /// Names the start. Loading the same source again changes nothing anyway, and an answer names its call.
    pub command: Option<CommandId>,
}

impl Run {
    /// Runs it.
    pub async fn execute(self, session: &Session) -> Result<Exit, Failure> {
        // Read before anything is begun: a file that cannot be read should not leave an execution behind.
        let (mut answers, grants) = (Answers::of(&self.answering)?, self.answering.allow.grants()?);
        let program = session.cvm.load(&self.load, None).await?.name;
        let interrupt = Interrupt::watch(session.out);
        let start = self.starting.start(program, self.id, self.input);
        let reached = start::begin(session, &interrupt, start, self.command.as_ref()).await?;
        session.drive(&reached.id, &mut answers, &grants, 0).await
    }
}

//! `run`: loads a source, starts it and runs it to its end.

use runstate::domain::cvm::Load;
use runstate::id::CommandId;
use serde_json::Value as Json;

use super::start;
use crate::answer_source::AnswerSource;
use crate::args::{AnswerSourceArgs, StartArgs};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// The arguments of `run`.
pub struct RunCommand {
    /// The program.
    pub load: Load,
    /// Id of the execution.
    pub id: Option<String>,
    /// The program's `input`.
    pub input: Option<Json>,
    /// The options that are stored with the execution.
    pub starting: StartArgs,
    /// The source of answers.
    pub answering: AnswerSourceArgs,
    /// The command id of the start. The load needs none, since loading the same source changes nothing; an answer names its call.
    pub command: Option<CommandId>,
}

impl RunCommand {
    /// Runs the program.
    pub async fn execute(self, session: &Session) -> Result<CliExit, CliError> {
        // The answers are read first: an unreadable file must not leave an execution behind.
        let (mut answers, grants) = (AnswerSource::from_args(&self.answering)?, self.answering.allow.open_grants()?);
        let program = session.cvm.load(&self.load, None).await?.name;
        let interrupt = Interrupt::watch(session);
        let start = self.starting.start(program, self.id, self.input);
        let reached = start::begin(session, &interrupt, start, self.command.as_ref()).await?;
        session.drive(&reached.id, &mut answers, &grants, 0).await
    }
}

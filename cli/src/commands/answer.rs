//! `answer`: answers a question and runs to the next stop.

use runstate::domain::cvm::OpenCall;
use runstate::engine::{CallListing, Error};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use serde_json::{Value as Json, json};

use crate::args::{AnswerValueArgs, CallSelector};
use crate::error::{self, CliError};
use crate::exit::CliExit;
use crate::input;
use crate::interrupt::Interrupt;
use crate::prompt;
use crate::session::Session;
use crate::table::fit_line;

/// The width of each question in the list of open calls.
const QUESTION_WIDTH: usize = 100;

/// Returns the answer from the flags.
pub fn answer_value(answer: &AnswerValueArgs) -> Result<Json, CliError> {
    match answer {
        AnswerValueArgs { text: Some(text), .. } => Ok(Json::String(text.clone())),
        AnswerValueArgs { json_value: Some(text), .. } => super::parse_json("--json-value", text),
        AnswerValueArgs { file: Some(file), .. } => input::read_answer(file).map(Json::String),
        AnswerValueArgs { .. } => Err(error::usage("an answer is missing: give --text, --json-value or --file")),
    }
}

/// An answer.
pub struct AnswerCommand {
    /// The call to answer.
    pub call: CallSelector,
    /// The answer.
    pub value: Json,
    /// The name of the person or model that answers.
    pub by: Option<String>,
    /// The id of the command.
    pub command: Option<CommandId>,
}

impl AnswerCommand {
    /// Answers the call and prints the status of the execution.
    pub async fn execute(self, session: &Session, id: &str) -> Result<CliExit, CliError> {
        let interrupt = Interrupt::watch(session);
        interrupt.set_driving(id, session.resume_command(id));
        let position = session.output_position(id).await?;
        let Self { call, value, by, command } = self;
        let result = match &call.key {
            Some(key) => {
                let occurrence = call.occurrence.unwrap_or(1);
                session.cvm.answer_key(id, key, occurrence, value, by, command.as_ref()).await
            }
            None => session.cvm.answer(id, call.call.as_deref(), value, by, command.as_ref()).await,
        };
        match result {
            Ok(_) => {}
            Err(error) if error.code == ErrorCode::AmbiguousCall => {
                return Err(list_open_calls(session, id, position, error).await?.into());
            }
            Err(error) => {
                let show = || format!("; to see the execution: {}", session.invocation("show", id, ""));
                return Err(CliError::from(error).explain(ErrorCode::AlreadyAnswered, show));
            }
        }
        if let Some(key) = &call.key {
            remark_if_early(session, id, key).await?;
        }
        session.show_status(id, position).await
    }
}

/// Remarks that an answer arrived before its question and is stored.
async fn remark_if_early(session: &Session, id: &str, key: &str) -> Result<(), CliError> {
    // The list begins with early answers.
    let listing = CallListing { execution: Some(id.to_owned()), ..CallListing::default() };
    let first = session.cvm.calls(&listing).await?.rows;
    if first.iter().any(|call| call.step.is_none() && call.key.as_deref() == Some(key)) {
        session.out.remark(&format!("the answer under `{key}` is stored until {id} asks for it"));
    }
    Ok(())
}

/// Adds the open calls to the error, each with the command line that answers it.
async fn list_open_calls(session: &Session, id: &str, position: u64, mut error: Error) -> Result<Error, CliError> {
    let open = session.cvm.progress(id, position).await?.calls;
    for call in &open {
        let answer = format!(" --call {} {}", call.call_id, prompt::answer_flag(call));
        let asked = fit_line(&prompt::question_line(call), Some(QUESTION_WIDTH));
        error.message += &format!("\n  {asked}\n    {}", session.invocation("answer", id, &answer));
    }
    let named =
        |call: &OpenCall| json!({"callId": call.call_id, "kind": call.kind, "prompt": call.prompt, "key": call.key});
    let calls: Vec<Json> = open.iter().map(named).collect();
    Ok(error.details(json!({ "calls": calls })))
}

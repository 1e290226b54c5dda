//! `answer`: one question, and on to the next stop.

use runstate::code::Code;
use runstate::id::CommandId;
use serde_json::Value as Json;

use crate::args::Given;
use crate::bounded;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::interrupt::Interrupt;
use crate::session::Session;

/// The answer that the flags give.
pub fn value(answer: &Given) -> Result<Json, Failure> {
    match answer {
        Given { text: Some(text), .. } => Ok(Json::String(text.clone())),
        Given { json_value: Some(text), .. } => super::json("--json-value", text),
        Given { file: Some(file), .. } => bounded::answer(file).map(Json::String),
        Given { .. } => Err(failure::usage("an answer is missing: give --text, --json-value or --file")),
    }
}

/// Answers it.
pub async fn execute(
    session: &Session,
    id: &str,
    call: Option<&str>,
    answer: Json,
    command: Option<CommandId>,
) -> Result<Exit, Failure> {
    let interrupt = Interrupt::watch(session.out);
    interrupt.driving(id, session.resume(id));
    let seen = session.seen(id).await?;
    session.cvm.answer(id, call, answer, None, command.as_ref()).await.map_err(|error| {
        let show = || format!("; {} tells how it stands", session.invocation("show", id, ""));
        Failure::from(error).explain(Code::AlreadyAnswered, show)
    })?;
    session.stands(id, seen).await
}

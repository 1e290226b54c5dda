//! `answer`: one question, and on to the next stop.

use runstate::code::Code;
use runstate::domain::cvm::OpenCall;
use runstate::engine::{CallListing, Error};
use runstate::id::CommandId;
use serde_json::{Value as Json, json};

use crate::args::{Given, Of};
use crate::bounded;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::interrupt::Interrupt;
use crate::prompt;
use crate::session::Session;
use crate::table::fitting;

/// Columns of a question among others that are open.
const SHOWN: usize = 100;

/// The answer that the flags give.
pub fn value(answer: &Given) -> Result<Json, Failure> {
    match answer {
        Given { text: Some(text), .. } => Ok(Json::String(text.clone())),
        Given { json_value: Some(text), .. } => super::json("--json-value", text),
        Given { file: Some(file), .. } => bounded::answer(file).map(Json::String),
        Given { .. } => Err(failure::usage("an answer is missing: give --text, --json-value or --file")),
    }
}

/// An answer.
pub struct Answer {
    /// To which call.
    pub of: Of,
    /// What is answered.
    pub value: Json,
    /// Who answers.
    pub by: Option<String>,
    /// Names the command.
    pub command: Option<CommandId>,
}

impl Answer {
    /// Gives it.
    pub async fn execute(self, session: &Session, id: &str) -> Result<Exit, Failure> {
        let interrupt = Interrupt::watch(session.out);
        interrupt.driving(id, session.resume(id));
        let seen = session.seen(id).await?;
        let Self { of, value, by, command } = self;
        let given = match &of.key {
            Some(key) => {
                let occurrence = of.occurrence.unwrap_or(1);
                session.cvm.answer_key(id, key, occurrence, value, by, command.as_ref()).await
            }
            None => session.cvm.answer(id, of.call.as_deref(), value, by, command.as_ref()).await,
        };
        match given {
            Ok(_) => {}
            Err(error) if error.code == Code::AmbiguousCall => {
                return Err(which(session, id, seen, error).await?.into());
            }
            Err(error) => {
                let show = || format!("; {} tells how it stands", session.invocation("show", id, ""));
                return Err(Failure::from(error).explain(Code::AlreadyAnswered, show));
            }
        }
        if let Some(key) = &of.key {
            kept(session, id, key).await?;
        }
        session.stands(id, seen).await
    }
}

/// Says of an answer that came before its question that it is kept.
async fn kept(session: &Session, id: &str, key: &str) -> Result<(), Failure> {
    // Answers to what was not asked yet come first.
    let listing = CallListing { execution: Some(id.to_owned()), ..CallListing::default() };
    let first = session.cvm.calls(&listing).await?.rows;
    if first.iter().any(|call| call.step.is_none() && call.key.as_deref() == Some(key)) {
        session.out.remark(&format!("an answer under `{key}` is kept until {id} asks for it"));
    }
    Ok(())
}

/// The error, with the calls that may be meant and how to answer each.
async fn which(session: &Session, id: &str, seen: u64, mut error: Error) -> Result<Error, Failure> {
    let open = session.cvm.glance(id, seen).await?.calls;
    for call in &open {
        let answer = format!(" --call {} {}", call.call_id, prompt::flag(call));
        let asked = fitting(&prompt::line(call), Some(SHOWN));
        error.message += &format!("\n  {asked}\n    {}", session.invocation("answer", id, &answer));
    }
    let named =
        |call: &OpenCall| json!({"callId": call.call_id, "kind": call.kind, "prompt": call.prompt, "key": call.key});
    let calls: Vec<Json> = open.iter().map(named).collect();
    Ok(error.details(json!({ "calls": calls })))
}

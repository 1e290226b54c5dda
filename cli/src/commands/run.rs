//! The commands that run an execution. `run` loads a source, starts it and runs it to its end; `start` starts a loaded
//! program and runs it to its first stop. `answer` answers a question and runs to the next stop. `resume` continues an
//! execution and runs it to its end.

use runstate::client::Answer;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{CallView, ExecutionStatus, ListCalls, Load, Start};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use serde_json::{Value as Json, json};

use super::executions::OPEN_CALLS;
use crate::answer_source::AnswerSource;
use crate::args::{AnswerSourceArgs, AnswerValueArgs, CallSelector, StartArgs};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::Interrupt;
use crate::printer::{escape_control, indented};
use crate::session::Session;
use crate::table::fit_line;
use crate::{compile, error, input, prompt};

pub struct RunCommand {
    pub load: Load,
    pub id: Option<String>,
    pub input: Option<Json>,
    /// The options that are stored with the execution.
    pub starting: StartArgs,
    pub answering: AnswerSourceArgs,
    /// The command id of the start. Loading needs none, because loading the same source again changes nothing. Answers
    /// need none, because each names its call.
    pub command: Option<CommandId>,
}

impl RunCommand {
    pub async fn execute(self, session: &Session) -> Result<CliExit, CliError> {
        // The answers are read first: an unreadable file must not leave an execution behind.
        let (mut answers, grants) = (AnswerSource::from_args(&self.answering)?, self.answering.allow.open_grants()?);
        let program = session.cvm.load(&self.load).await?.name;
        let interrupt = Interrupt::watch(session);
        let start = self.starting.start(program, self.id, self.input);
        let started = begin_execution(session, &interrupt, start, self.command.as_ref()).await?;
        session.drive(&started.id, &mut answers, &grants, 0).await
    }
}

/// The width of each question in the list of open calls.
const QUESTION_WIDTH: usize = 100;

pub fn answer_value(answer: &AnswerValueArgs) -> Result<Json, CliError> {
    match answer {
        AnswerValueArgs { text: Some(text), .. } => Ok(Json::String(text.clone())),
        AnswerValueArgs { json_value: Some(text), .. } => super::read_json("--json-value", text),
        AnswerValueArgs { file: Some(file), .. } => input::read_answer(file).map(Json::String),
        AnswerValueArgs { .. } => Err(error::usage("the answer is missing: use --text, --json-value or --file")),
    }
}

pub struct AnswerCommand {
    pub call: CallSelector,
    pub value: Json,
    /// The name of the person or model that answers.
    pub by: Option<String>,
    pub cost: Option<String>,
    pub command: Option<CommandId>,
}

impl AnswerCommand {
    /// Answers the call and prints the status of the execution.
    pub async fn execute(self, session: &Session, id: &str) -> Result<CliExit, CliError> {
        let id = &session.execution_id(id).await?;
        let interrupt = Interrupt::watch(session);
        interrupt.set_driving(id, session.resume_command(id));
        let (position, open) = match session.status(id).await {
            Ok(before) => (before.next, before.calls),
            // The answer says whether it may be sent again later.
            Err(CliError::Error(error)) if error.code == ErrorCode::NOT_FOUND => (0, Vec::new()),
            Err(error) => return Err(error),
        };
        let Self { mut call, value, by, cost, command } = self;
        if let Some(typed) = &mut call.call {
            *typed = session.full_id("cvm.cc_history", typed).await?;
        }
        let asked = call.find(&open).cloned();
        let answered = value.clone();
        let target = match (&call.key, &call.call) {
            (Some(key), _) => call.occurrence.into_iter().fold(Answer::to_key(key), Answer::occurrence),
            (None, Some(call)) => Answer::to_call(call),
            (None, None) => Answer::from(Json::Null),
        };
        let answer = by.into_iter().fold(target.value(value), Answer::by);
        let answer = cost.into_iter().fold(answer, Answer::cost);
        match session.cvm.with_id(command.as_ref()).answer(id, answer).await {
            Ok(_) => {}
            Err(error) if error.code == codes::AMBIGUOUS_CALL => {
                return Err(list_open_calls(session, id, position, error).await?.into());
            }
            Err(error) => {
                let show = || format!("; to see the execution: {}", session.invocation("show", id, ""));
                return Err(CliError::from(error).explain(codes::ALREADY_ANSWERED, show));
            }
        }
        if let Some(asked) = asked.filter(|_| !session.out.is_json()) {
            // A command id that is repeated answers nothing.
            if !session.status(id).await?.calls.iter().any(|call| call.id == asked.id) {
                let (question, answer) = (prompt::question_line(&asked), prompt::display_value(&answered));
                let exchange = format!("? {}\n> {}", indented(&question, 2), indented(&answer, 2));
                session.out.remark(&escape_control(&exchange));
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
    let listing = ListCalls { execution: Some(id.to_owned()), ..ListCalls::default() };
    let first = session.cvm.calls(&listing).await?.items;
    if first.iter().any(|call| call.step.is_none() && call.key.as_deref() == Some(key)) {
        session.out.remark(&format!("the answer under `{key}` is stored until {id} asks for it"));
    }
    Ok(())
}

/// Adds the open calls to the error, each with the command line that answers it.
async fn list_open_calls(session: &Session, id: &str, position: u64, mut error: Error) -> Result<Error, CliError> {
    let open = session.cvm.progress(id, position).await?.calls;
    for call in open.iter().take(OPEN_CALLS) {
        let asked = fit_line(&prompt::question_line(call), Some(QUESTION_WIDTH));
        error.message += &format!("\n  {asked}\n    {}", session.answer_command(call));
    }
    if open.len() > OPEN_CALLS {
        let all = session.invocation("calls", id, " --open");
        error.message += &format!("\n  and {} more; to see them: {all}", open.len() - OPEN_CALLS);
    }
    let named = |call: &CallView| json!({"id": call.id, "kind": call.kind, "prompt": call.prompt, "key": call.key});
    let calls: Vec<Json> = open.iter().map(named).collect();
    Ok(error.details(json!({ "calls": calls })))
}

/// Continues the execution to its end, or until no answer is left.
pub async fn resume_execution(
    session: &Session,
    id: &str,
    answering: &AnswerSourceArgs,
    command: Option<CommandId>,
) -> Result<CliExit, CliError> {
    let id = &session.execution_id(id).await?;
    let (mut answers, grants) = (AnswerSource::from_args(answering)?, answering.allow.open_grants()?);
    let interrupt = Interrupt::watch(session);
    interrupt.set_driving(id, session.resume_command(id));
    let position = session.show_recent_output(id).await?;
    session.cvm.with_id(command.as_ref()).resume(id).await?;
    session.drive(id, &mut answers, &grants, position).await
}

/// Starts an execution and prints its status.
pub async fn start_program(session: &Session, start: Start, command: Option<CommandId>) -> Result<CliExit, CliError> {
    let interrupt = Interrupt::watch(session);
    let started = begin_execution(session, &interrupt, start, command.as_ref()).await?;
    session.show_status(&started.id, 0).await
}

/// Starts an execution and prints its id.
pub async fn begin_execution(
    session: &Session,
    interrupt: &Interrupt,
    mut start: Start,
    command: Option<&CommandId>,
) -> Result<ExecutionStatus, CliError> {
    // The id is generated here, so that ctrl-c can print it before the first stop. With a command id, the engine
    // derives the same id each time the command is repeated.
    if start.id.is_none() && command.is_none() {
        start.id = Some(session.engine.new_command_id().as_str().to_owned());
    }
    if let Some(id) = &start.id {
        interrupt.set_starting(id, session.resume_command(id));
    }
    let result = match session.cvm.with_id(command).start(&start).await {
        Err(error) if error.code == codes::NEEDS_RECOMPILE => {
            recompile(session, &start.program, error).await?;
            session.cvm.with_id(command).start(&start).await
        }
        result => result,
    };
    let started = result.map_err(|error| {
        let id = start.id.as_deref().unwrap_or_default();
        CliError::from(error).explain(ErrorCode::ALREADY_EXISTS, || {
            session.resume_command(id).map_or_else(String::new, |resume| format!(", or continue it with: {resume}"))
        })
    })?;
    interrupt.set_driving(&started.id, session.resume_command(&started.id));
    session.out.remark(&format!("execution {} of {}", started.id, start.program));
    session.out.warnings(&started.warnings);
    Ok(started.into())
}

/// Compiles the stored source for the current machine, and loads it as the next version.
async fn recompile(session: &Session, name: &str, error: Error) -> Result<(), CliError> {
    let program = session.cvm.program(name).await?;
    let version = program.program_version;
    // Programs of other compilers may have no source.
    if program.source.is_empty() {
        return Err(error.into());
    }
    let label = format!("{name} (version {version})");
    let load = compile::load_from_stored(program, &label).inspect_err(|_| {
        let source = session.invocation("program show", name, " --source");
        session.out.remark(&format!(
            "{name} was compiled for an older machine, and its source no longer compiles. To change the source and load it again, \
             print it with: {source}. Executions that were started continue unchanged"
        ));
    })?;
    let loaded = session.cvm.load(&load).await?;
    session.out.remark(&format!(
        "{name} was compiled for an older machine; its source was compiled again, as version {}",
        loaded.program_version
    ));
    Ok(())
}

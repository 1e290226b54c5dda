//! The sources of answers: a list from a file, a command, a person at the terminal, or lines from a pipe.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use runstate::domain::cvm::{COGNITIVE, OpenCall};
use runstate::engine::Error;
use serde_json::Value as Json;

use crate::args::AnswerSourceArgs;
use crate::error::{self, CliError};
use crate::exec::{self, Exec, ExecError, ExecRequest};
use crate::input;
use crate::printer::{Printer, indented};
use crate::prompt;
use crate::stdin_lines::StdinLines;

/// How long a pipe may stay silent before its first line. After that it counts as empty: some programs start others with a pipe that
/// they never write to.
const FIRST_LINE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest line that a terminal passes on. It drops the rest of a longer line without an error.
const TERMINAL_LINE_BYTES: usize = 4095;

/// How many answers of a command may be rejected before that is an error.
const MAX_REJECTIONS: u32 = 3;

/// A question to answer.
#[derive(Clone, Copy)]
pub struct AnswerRequest<'a> {
    /// The question.
    pub call: &'a OpenCall,
    /// The id of the execution that asks.
    pub execution: &'a str,
    /// The name of its program.
    pub program: &'a str,
    /// The index of the call among those that a list answers, from 0.
    pub ordinal: usize,
    /// How to answer with more than a line.
    pub file_hint: &'a str,
}

/// A source of answers.
pub enum AnswerSource {
    /// The answers in the order of the execution's calls.
    List(Vec<Json>),
    /// A command.
    Command(CommandSource),
    /// A person.
    Terminal(StdinLines),
    /// Lines of standard input.
    Pipe {
        /// The lines.
        lines: StdinLines,
        /// A line has been received.
        received_any: bool,
    },
}

/// A command that answers.
pub struct CommandSource {
    exec: Exec,
    plain: bool,
    rejected: Option<RejectedAnswer>,
}

/// An answer of the command that was rejected.
struct RejectedAnswer {
    call: String,
    why: String,
    times: u32,
}

impl AnswerSource {
    /// Returns the source that the arguments name, else standard input.
    pub fn from_args(answering: &AnswerSourceArgs) -> Result<Self, CliError> {
        exec::check(answering.answer_with.as_deref(), "--answer-with")?;
        if let Some(line) = &answering.answer_with {
            let exec = Exec { line: line.clone(), timeout: answering.timeout };
            return Ok(Self::Command(CommandSource { exec, plain: answering.plain, rejected: None }));
        }
        match &answering.answers {
            Some(file) => read_answer_list(file).map(Self::List),
            None if io::stdin().is_terminal() => Ok(Self::Terminal(StdinLines::default())),
            None => Ok(Self::Pipe { lines: StdinLines::default(), received_any: false }),
        }
    }

    /// Whether this source answers calls of this kind. Only a list answers tool calls: it has the answers of all calls but timers and files.
    pub fn serves(&self, kind: &str) -> bool {
        kind == COGNITIVE || matches!(self, Self::List(_))
    }

    /// Returns the answer to a question; `None`: there is no answer. Prints the conversation to `out`.
    pub async fn answer(&mut self, asked: AnswerRequest<'_>, out: Printer) -> Result<Option<Json>, CliError> {
        let AnswerRequest { call, ordinal: nth, .. } = asked;
        match self {
            Self::Command(asking) => asking.answer(asked, out).await.map(Some),
            Self::List(list) => {
                let Some(answer) = list.get(nth) else { return Ok(None) };
                show(call, answer, out)?;
                Ok(Some(answer.clone()))
            }
            Self::Terminal(lines) => ask_at_terminal(lines, asked, out).await,
            Self::Pipe { lines, received_any } => {
                let line = if *received_any { lines.next().await? } else { first_line(lines).await? };
                let Some(line) = line else { return Ok(None) };
                *received_any = true;
                let answer = prompt::parse_answer(call, &line)
                    .map_err(|allowed| error::invalid_answer(rejection_message(call, &allowed)))?;
                show(call, &answer, out)?;
                Ok(Some(answer))
            }
        }
    }

    /// Handles an answer that the engine rejected. A person and a command get the reason and are asked again. For other sources it is an
    /// error that names the question.
    pub fn handle_rejection(&mut self, call: &OpenCall, error: Error, out: Printer) -> Result<(), CliError> {
        match self {
            Self::Command(asking) => asking.handle_rejection(call, &error.message, out),
            Self::Terminal(_) => out.say(&format!("{error}\n")),
            Self::List(_) | Self::Pipe { .. } => {
                let message = rejection_message(call, &error.message);
                Err(Error { message, ..error }.into())
            }
        }
    }
}

impl CommandSource {
    async fn answer(&mut self, asked: AnswerRequest<'_>, out: Printer) -> Result<Json, CliError> {
        let AnswerRequest { call, execution, program, .. } = asked;
        let rejected = self.rejected.as_ref().filter(|rejected| rejected.call == call.call_id);
        let wanted = ExecRequest {
            call,
            execution,
            program,
            attempt: rejected.map_or(1, |rejected| rejected.times + 1),
            error: rejected.map(|rejected| rejected.why.as_str()),
            plain: self.plain,
        };
        let mut given = wanted.input();
        if let Some(rejected) = rejected {
            given.stdin += &format!("\nYour last answer was rejected: {}\n", rejected.why);
        }
        let on_stderr_line = |line: &str| out.stderr_line(&format!("{execution} call {} | {line}", call.step));
        let answer = self.exec.answer(&given, on_stderr_line).await.map_err(|unanswered| {
            let (ExecError::Failed(why) | ExecError::CannotRun(why)) = unanswered;
            error::usage(format!("--answer-with: {why}; the question was `{}`", call.prompt))
        })?;
        let answer = Json::String(answer);
        show(call, &answer, out)?;
        Ok(answer)
    }

    fn handle_rejection(&mut self, call: &OpenCall, why: &str, out: Printer) -> Result<(), CliError> {
        let before = self.rejected.take().filter(|rejected| rejected.call == call.call_id);
        let times = before.map_or(0, |rejected| rejected.times) + 1;
        if times > MAX_REJECTIONS {
            let asked = format!("--answer-with: the command gave no valid answer in {times} attempts");
            return Err(error::usage(format!("{asked}; {}", rejection_message(call, why))));
        }
        out.remark(&format!("{why}; the command is asked again"));
        self.rejected = Some(RejectedAnswer { call: call.call_id.clone(), why: why.to_owned(), times });
        Ok(())
    }
}

fn rejection_message(call: &OpenCall, why: &str) -> String {
    format!("the question was `{}`: {why}", call.prompt)
}

/// Returns the first line of a pipe, if it arrives within the timeout.
async fn first_line(lines: &mut StdinLines) -> Result<Option<String>, CliError> {
    tokio::time::timeout(FIRST_LINE_TIMEOUT, lines.next()).await.unwrap_or(Ok(None))
}

/// Asks a person until the answer is valid.
async fn ask_at_terminal(
    lines: &mut StdinLines,
    AnswerRequest { call, file_hint: by_file, .. }: AnswerRequest<'_>,
    out: Printer,
) -> Result<Option<Json>, CliError> {
    out.question(call)?;
    loop {
        out.say("> ")?;
        let Some(line) = lines.next().await? else {
            out.say("\n")?;
            return Ok(None);
        };
        if line.len() >= TERMINAL_LINE_BYTES {
            out.say(&format!(
                "nothing was sent: the terminal cuts lines at {TERMINAL_LINE_BYTES} bytes; answer with {by_file}\n"
            ))?;
            continue;
        }
        match prompt::parse_answer(call, &line) {
            Ok(answer) => return Ok(Some(answer)),
            Err(allowed) => out.say(&format!("{allowed}\n"))?,
        }
    }
}

/// Prints a question together with its answer from another source. Programs read answers from the history instead.
fn show(call: &OpenCall, answer: &Json, out: Printer) -> Result<(), CliError> {
    if out.is_json() {
        return Ok(());
    }
    out.question(call)?;
    out.say(&format!("> {}\n", indented(&prompt::display_value(answer), 2)))
}

fn read_answer_list(file: &Path) -> Result<Vec<Json>, CliError> {
    let text = input::read_answers(file)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let wrong = |what: String| error::usage(format!("{}: {what}; it must be a JSON array of answers", file.display()));
    match serde_json::from_str(text) {
        Ok(Json::Array(answers)) => Ok(answers),
        Ok(_) => Err(wrong("the JSON value is not an array".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

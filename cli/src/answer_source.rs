//! The sources of answers: a list from a file, a command, a person at the terminal, or lines from a pipe. The ordinal
//! of a question is the index of its answer in a list. Each call is counted once, however many calls an execution
//! makes.

use std::io;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use runstate::client::Cvm;
use runstate::domain::cvm::{CC_HISTORY, COGNITIVE, CallView, TIMER};
use runstate::engine::Error;
use runstate::schema::Filter;
use serde_json::Value as Json;

use super::input::StdinLines;
use crate::args::AnswerSourceArgs;
use crate::error::CliError;
use crate::exec::{Exec, ExecError, ExecRequest};
use crate::line_editor::{LineEditor, Typed};
use crate::printer::{Printer, indented};
use crate::sandbox::FILE_CALL_KINDS;
use crate::{error, exec, input, prompt};

/// How long to wait for the first line of a pipe. After that the pipe counts as empty: some programs start others with
/// a pipe that they never write to.
const FIRST_LINE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest line that a terminal passes on. It drops the end of a longer line without an error.
const TERMINAL_LINE_BYTES: usize = 4095;

/// How many answers of a command may be rejected before that is an error.
const MAX_REJECTIONS: u32 = 3;

#[derive(Clone, Copy)]
pub struct AnswerRequest<'a> {
    pub call: &'a CallView,
    /// The index of the call among those that a list answers, from 0.
    pub ordinal: usize,
    /// How to answer with more than a line.
    pub file_hint: &'a str,
}

pub enum AnswerSource {
    /// The answers in the order of the execution's calls.
    List(Vec<Json>),
    Command(CommandSource),
    /// A person.
    Terminal(LineEditor),
    /// Lines of standard input.
    Pipe {
        lines: StdinLines,
        /// A line has been received.
        received_any: bool,
    },
}

pub struct CommandSource {
    exec: Exec,
    plain: bool,
    rejected: Option<RejectedAnswer>,
}

struct RejectedAnswer {
    call: String,
    reason: String,
    times: u32,
}

impl AnswerSource {
    /// Returns the source that the arguments name, else standard input.
    pub fn from_args(args: &AnswerSourceArgs) -> Result<Self, CliError> {
        exec::check(args.answer_with.as_deref(), "--answer-with")?;
        if let Some(line) = &args.answer_with {
            let exec = Exec { line: line.clone(), timeout: args.timeout };
            return Ok(Self::Command(CommandSource { exec, plain: args.plain, rejected: None }));
        }
        match &args.answers {
            Some(file) => read_answer_list(file).map(Self::List),
            None if io::stdin().is_terminal() => Ok(Self::Terminal(LineEditor::default())),
            None => Ok(Self::Pipe { lines: StdinLines::default(), received_any: false }),
        }
    }

    /// Whether this source answers calls of this kind. Only a list answers tool calls: it has the answers of all calls
    /// but timers and files.
    pub fn serves(&self, kind: &str) -> bool {
        kind == COGNITIVE || matches!(self, Self::List(_))
    }

    /// Returns the answer to a question; `None`: there is no answer. Prints question and answer to `out`.
    pub async fn answer(&mut self, request: AnswerRequest<'_>, out: Printer) -> Result<Option<Json>, CliError> {
        let AnswerRequest { call, ordinal, .. } = request;
        match self {
            Self::Command(command) => command.answer(request, out).await.map(Some),
            Self::List(list) => {
                let Some(answer) = list.get(ordinal) else { return Ok(None) };
                show_exchange(call, answer, out)?;
                Ok(Some(answer.clone()))
            }
            Self::Terminal(editor) => ask_at_terminal(editor, request, out).await,
            Self::Pipe { lines, received_any } => {
                let line = if *received_any { lines.next().await? } else { first_line(lines).await? };
                let Some(line) = line else { return Ok(None) };
                *received_any = true;
                let answer = prompt::parse_answer(call, &line)
                    .map_err(|allowed| error::invalid_answer(rejection_message(call, &allowed)))?;
                show_exchange(call, &answer, out)?;
                Ok(Some(answer))
            }
        }
    }

    /// Stops asking: the question has ended without an answer.
    pub async fn end_question(&mut self) {
        if let Self::Terminal(editor) = self {
            editor.end_question().await;
        }
    }

    /// Handles an answer that the engine rejected. A person and a command get the reason and are asked again. For other
    /// sources it is an error that names the question.
    pub fn handle_rejection(&mut self, call: &CallView, error: Error, out: Printer) -> Result<(), CliError> {
        match self {
            Self::Command(command) => command.handle_rejection(call, &error.message, out),
            Self::Terminal(_) => out.say(&format!("{error}\n")),
            Self::List(_) | Self::Pipe { .. } => {
                let message = rejection_message(call, &error.message);
                Err(Error { message, ..error }.into())
            }
        }
    }
}

impl CommandSource {
    async fn answer(&mut self, request: AnswerRequest<'_>, out: Printer) -> Result<Json, CliError> {
        let call = request.call;
        let rejected = self.rejected.as_ref().filter(|rejected| rejected.call == call.id);
        let request = ExecRequest {
            call,
            attempt: rejected.map_or(1, |rejected| rejected.times + 1),
            error: rejected.map(|rejected| rejected.reason.as_str()),
            plain: self.plain,
        };
        let mut input = request.input();
        if let Some(rejected) = rejected {
            input.stdin += &format!("\nYour last answer was rejected: {}\n", rejected.reason);
        }
        let on_stderr_line = |line: &str| out.stderr_line(&format!("{} | {line}", call.label()));
        let answer = self.exec.answer(&input, on_stderr_line).await.map_err(|failure| {
            let (ExecError::Failed(reason) | ExecError::CannotRun(reason)) = failure;
            error::usage(format!("--answer-with: {reason}; the question was `{}`", call.prompt))
        })?;
        let answer = Json::String(answer);
        show_exchange(call, &answer, out)?;
        Ok(answer)
    }

    fn handle_rejection(&mut self, call: &CallView, reason: &str, out: Printer) -> Result<(), CliError> {
        let previous = self.rejected.take().filter(|rejected| rejected.call == call.id);
        let times = previous.map_or(0, |rejected| rejected.times) + 1;
        if times > MAX_REJECTIONS {
            let failure = format!(
                "--answer-with: the command returned no valid answer in {times} attempts; check its output, or answer by hand with `answer`"
            );
            return Err(error::usage(format!("{failure}; {}", rejection_message(call, reason))));
        }
        out.remark(&format!("{reason}; the command is asked again"));
        self.rejected = Some(RejectedAnswer { call: call.id.clone(), reason: reason.to_owned(), times });
        Ok(())
    }
}

fn rejection_message(call: &CallView, reason: &str) -> String {
    format!("the question was `{}`: {reason}", call.prompt)
}

/// Returns the first line of a pipe, if it arrives within the timeout.
async fn first_line(lines: &mut StdinLines) -> Result<Option<String>, CliError> {
    tokio::time::timeout(FIRST_LINE_TIMEOUT, lines.next()).await.unwrap_or(Ok(None))
}

/// Asks a person until the answer is valid.
async fn ask_at_terminal(
    editor: &mut LineEditor,
    AnswerRequest { call, file_hint, .. }: AnswerRequest<'_>,
    out: Printer,
) -> Result<Option<Json>, CliError> {
    editor.begin_question(out).await?;
    out.question(call)?;
    loop {
        if editor.is_plain() {
            out.say("> ")?;
        }
        let line = match editor.read("> ").await? {
            Typed::Text(line) => line,
            Typed::End => {
                out.say("\n")?;
                return Ok(None);
            }
            Typed::Interrupted => return Err(CliError::Interrupted("saved work is kept")),
        };
        if editor.is_plain() && line.len() >= TERMINAL_LINE_BYTES {
            out.say(&format!(
                "nothing was sent: the terminal cuts lines at {TERMINAL_LINE_BYTES} bytes; answer with {file_hint}\n"
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
fn show_exchange(call: &CallView, answer: &Json, out: Printer) -> Result<(), CliError> {
    if out.is_json() {
        return Ok(());
    }
    out.question(call)?;
    out.say(&format!("> {}\n", indented(&prompt::display_value(answer), 2)))
}

fn read_answer_list(file: &Path) -> Result<Vec<Json>, CliError> {
    let text = input::read_answers(file)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let invalid =
        |reason: String| error::usage(format!("{}: {reason}; it must be a JSON array of answers", file.display()));
    match serde_json::from_str(text) {
        Ok(Json::Array(answers)) => Ok(answers),
        Ok(_) => Err(invalid("it contains JSON that is not an array".to_owned())),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// Counts the calls of an execution that need an answer. Timers and file calls do not.
#[derive(Debug, Default)]
pub struct Ordinals {
    /// Calls of earlier steps than this one are counted.
    step: u64,
    /// The number of counted calls that need an answer.
    counted: usize,
}

impl Ordinals {
    /// Returns the ordinal of `call` among the calls that need an answer, from 0.
    pub async fn ordinal(&mut self, cvm: &Cvm, execution: &str, call: &CallView) -> Result<usize, Error> {
        let steps = self.take_uncounted(call.step.unwrap_or_default());
        let uncounted = if steps.is_empty() { 0 } else { count_calls(cvm, execution, &steps).await? };
        Ok(self.add(&steps, uncounted))
    }

    /// Returns the steps before `step` that are not counted yet.
    fn take_uncounted(&mut self, step: u64) -> Range<u64> {
        // Open calls may be answered in any order. After an earlier step, counting starts again.
        if step < self.step {
            *self = Self::default();
        }
        self.step..step
    }

    /// Adds the count of `steps` and returns the total.
    fn add(&mut self, steps: &Range<u64>, calls: usize) -> usize {
        self.step = steps.end;
        self.counted += calls;
        self.counted
    }
}

async fn count_calls(cvm: &Cvm, execution: &str, steps: &Range<u64>) -> Result<usize, Error> {
    let excluded = FILE_CALL_KINDS.into_iter().chain([TIMER]).map(Json::from).collect();
    let filter = Filter::And(vec![
        Filter::Eq("executionId".to_owned(), execution.into()),
        Filter::Gte("step".to_owned(), steps.start.into()),
        Filter::Lt("step".to_owned(), steps.end.into()),
        Filter::Not(Box::new(Filter::In("kind".to_owned(), excluded))),
    ]);
    let calls = cvm.engine().documents().count(&CC_HISTORY, filter).await?;
    Ok(usize::try_from(calls).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod ordinal_tests {
    use super::*;

    /// Returns the ordinals of the calls at the steps `calls`, of which even ones need an answer, and the number of
    /// counted rows.
    fn ordinals(calls: impl IntoIterator<Item = u64>) -> (Vec<usize>, u64) {
        let (mut ordinals, mut rows) = (Ordinals::default(), 0);
        let found = calls.into_iter().map(|step| {
            let steps = ordinals.take_uncounted(step);
            rows += steps.end - steps.start;
            let even = steps.clone().filter(|step| step % 2 == 0).count();
            ordinals.add(&steps, even)
        });
        (found.collect(), rows)
    }

    #[test]
    fn each_call_is_counted_once() {
        let (found, rows) = ordinals(0..4_000);
        assert_eq!(rows, 3_999);
        assert_eq!((found[1], found[2], found[3_999]), (1, 1, 2_000));
    }

    #[test]
    fn calls_answered_in_any_order_have_the_same_ordinals() {
        assert_eq!(ordinals([7, 2, 3, 3, 9]).0, [4, 1, 2, 2, 5]);
    }
}

//! Who answers: a list that was given, a command, a person at the terminal, or lines from a pipe.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use runstate::domain::cvm::{COGNITIVE, OpenCall};
use runstate::engine::Error;
use serde_json::Value as Json;

use crate::args::Answering;
use crate::bounded;
use crate::exec::{self, Exec, Unanswered, Wanted};
use crate::failure::{self, Failure};
use crate::lines::Lines;
use crate::print::{Out, indented};
use crate::prompt;

/// How long a pipe may stay silent before the first answer until it counts as nobody. Some programs start others with a pipe that
/// they never write to.
const FIRST_LINE: Duration = Duration::from_secs(5);

/// A terminal gives no longer line, whatever was typed: the rest is lost without a word.
const TERMINAL_LINE: usize = 4095;

/// How often a command is told that its answer does not fit before that is an error.
const MISFITS: u32 = 3;

/// A question that is to be answered.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The question.
    pub call: &'a OpenCall,
    /// The execution that asks.
    pub execution: &'a str,
    /// Its program.
    pub program: &'a str,
    /// The how-manyth it is of those that a list answers, from 0.
    pub nth: usize,
    /// How to answer it with more than a line.
    pub by_file: &'a str,
}

/// Who answers.
pub enum Answers {
    /// The answers in the order of the execution's calls.
    List(Vec<Json>),
    /// A command.
    Command(Asking),
    /// A person.
    Terminal(Lines),
    /// Whoever writes to standard input.
    Pipe {
        /// What they write.
        lines: Lines,
        /// They have written something.
        heard: bool,
    },
}

/// A command that is asked.
pub struct Asking {
    exec: Exec,
    plain: bool,
    misfit: Option<Misfit>,
}

/// An answer of the command that did not fit.
struct Misfit {
    call: String,
    why: String,
    times: u32,
}

impl Answers {
    /// What the command line says, else standard input.
    pub fn of(answering: &Answering) -> Result<Self, Failure> {
        exec::check(answering.answer_with.as_deref(), "--answer-with")?;
        if let Some(line) = &answering.answer_with {
            let exec = Exec { line: line.clone(), timeout: answering.timeout };
            return Ok(Self::Command(Asking { exec, plain: answering.plain, misfit: None }));
        }
        match &answering.answers {
            Some(file) => list(file).map(Self::List),
            None if io::stdin().is_terminal() => Ok(Self::Terminal(Lines::default())),
            None => Ok(Self::Pipe { lines: Lines::default(), heard: false }),
        }
    }

    /// Whether calls of this kind are answered here. A list has all that somebody answers; nobody else knows what a tool does.
    pub fn serves(&self, kind: &str) -> bool {
        kind == COGNITIVE || matches!(self, Self::List(_))
    }

    /// The answer to what is asked; `None`: nobody answers. The conversation is shown by `out`.
    pub async fn answer(&mut self, asked: Asked<'_>, out: Out) -> Result<Option<Json>, Failure> {
        let Asked { call, nth, .. } = asked;
        match self {
            Self::Command(asking) => asking.answer(asked, out).await.map(Some),
            Self::List(list) => {
                let Some(answer) = list.get(nth) else { return Ok(None) };
                show(call, answer, out)?;
                Ok(Some(answer.clone()))
            }
            Self::Terminal(lines) => ask(lines, asked, out).await,
            Self::Pipe { lines, heard } => {
                let line = if *heard { lines.next().await? } else { first(lines).await? };
                let Some(line) = line else { return Ok(None) };
                *heard = true;
                let answer =
                    prompt::answer(call, &line).map_err(|allowed| failure::invalid_answer(refused(call, &allowed)))?;
                show(call, &answer, out)?;
                Ok(Some(answer))
            }
        }
    }

    /// What becomes of an answer that the engine did not take: a person and a command are told and asked again, else it is an error that names the
    /// question.
    pub fn refused(&mut self, call: &OpenCall, error: Error, out: Out) -> Result<(), Failure> {
        match self {
            Self::Command(asking) => asking.refused(call, &error.message, out),
            Self::Terminal(_) => out.say(&format!("{error}\n")),
            Self::List(_) | Self::Pipe { .. } => {
                let message = refused(call, &error.message);
                Err(Error { message, ..error }.into())
            }
        }
    }
}

impl Asking {
    async fn answer(&mut self, asked: Asked<'_>, out: Out) -> Result<Json, Failure> {
        let Asked { call, execution, program, .. } = asked;
        let misfit = self.misfit.as_ref().filter(|misfit| misfit.call == call.call_id);
        let wanted = Wanted {
            call,
            execution,
            program,
            attempt: misfit.map_or(1, |misfit| misfit.times + 1),
            error: misfit.map(|misfit| misfit.why.as_str()),
            plain: self.plain,
        };
        let mut given = wanted.given();
        if let Some(misfit) = misfit {
            given.stdin += &format!("\nYour last answer was not taken: {}\n", misfit.why);
        }
        let heard = |line: &str| out.aside(&format!("{execution} call {} | {line}", call.step));
        let answer = self.exec.answer(&given, heard).await.map_err(|unanswered| {
            let (Unanswered::Failed(why) | Unanswered::CannotRun(why)) = unanswered;
            failure::usage(format!("--answer-with: {why}; the question was `{}`", call.prompt))
        })?;
        let answer = Json::String(answer);
        show(call, &answer, out)?;
        Ok(answer)
    }

    fn refused(&mut self, call: &OpenCall, why: &str, out: Out) -> Result<(), Failure> {
        let before = self.misfit.take().filter(|misfit| misfit.call == call.call_id);
        let times = before.map_or(0, |misfit| misfit.times) + 1;
        if times > MISFITS {
            let asked = format!("--answer-with: no answer of the command fits, asked {times} times");
            return Err(failure::usage(format!("{asked}; {}", refused(call, why))));
        }
        out.remark(&format!("{why}; the command is asked again"));
        self.misfit = Some(Misfit { call: call.call_id.clone(), why: why.to_owned(), times });
        Ok(())
    }
}

fn refused(call: &OpenCall, why: &str) -> String {
    format!("the question was `{}`: {why}", call.prompt)
}

/// The first line of a pipe, if it comes before long.
async fn first(lines: &mut Lines) -> Result<Option<String>, Failure> {
    tokio::time::timeout(FIRST_LINE, lines.next()).await.unwrap_or(Ok(None))
}

/// Asks a person until the answer is one.
async fn ask(lines: &mut Lines, Asked { call, by_file, .. }: Asked<'_>, out: Out) -> Result<Option<Json>, Failure> {
    out.question(call)?;
    loop {
        out.say("> ")?;
        let Some(line) = lines.next().await? else {
            out.say("\n")?;
            return Ok(None);
        };
        if line.len() >= TERMINAL_LINE {
            out.say(&format!(
                "nothing was sent: the terminal cuts lines at {TERMINAL_LINE} bytes; answer with {by_file}\n"
            ))?;
            continue;
        }
        match prompt::answer(call, &line) {
            Ok(answer) => return Ok(Some(answer)),
            Err(allowed) => out.say(&format!("{allowed}\n"))?,
        }
    }
}

/// Shows a question together with the answer it got from elsewhere; programs read the answers in the history.
fn show(call: &OpenCall, answer: &Json, out: Out) -> Result<(), Failure> {
    if out.json() {
        return Ok(());
    }
    out.question(call)?;
    out.say(&format!("> {}\n", indented(&prompt::shown(answer), 2)))
}

fn list(file: &Path) -> Result<Vec<Json>, Failure> {
    let text = bounded::answers(file)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let wrong =
        |what: String| failure::usage(format!("{}: {what}; it must be a JSON array of answers", file.display()));
    match serde_json::from_str(text) {
        Ok(Json::Array(answers)) => Ok(answers),
        Ok(_) => Err(wrong("this is JSON, but no array".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

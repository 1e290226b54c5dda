//! Who answers: a list that was given, a person at the terminal, or lines from a pipe.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use runstate::domain::cvm::OpenCall;
use runstate::engine::Error;
use serde_json::Value as Json;

use crate::bounded;
use crate::failure::{self, Failure};
use crate::lines::Lines;
use crate::print::Out;
use crate::prompt;

/// How long a pipe may stay silent before the first answer until it counts as nobody. Some programs start others with a pipe that
/// they never write to.
const FIRST_LINE: Duration = Duration::from_secs(5);

/// A terminal gives no longer line, whatever was typed: the rest is lost without a word.
const TERMINAL_LINE: usize = 4095;

/// A question that is to be answered.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The question.
    pub call: &'a OpenCall,
    /// How many were answered before.
    pub answered: usize,
    /// How to answer it with more than a line.
    pub by_file: &'a str,
}

/// Who answers.
pub enum Answers {
    /// The answers in the order of the execution's calls.
    List(Vec<Json>),
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

impl Answers {
    /// The answers of a file, else standard input.
    pub fn of(file: Option<&Path>) -> Result<Self, Failure> {
        match file {
            Some(file) => list(file).map(Self::List),
            None if io::stdin().is_terminal() => Ok(Self::Terminal(Lines::default())),
            None => Ok(Self::Pipe { lines: Lines::default(), heard: false }),
        }
    }

    /// The answer to what is asked; `None`: nobody answers. The conversation is shown by `out`.
    pub async fn answer(&mut self, asked: Asked<'_>, out: Out) -> Result<Option<Json>, Failure> {
        let Asked { call, answered, .. } = asked;
        match self {
            Self::List(list) => {
                let Some(answer) = list.get(answered) else { return Ok(None) };
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

    /// What becomes of an answer that the engine did not take: a person is told and asked again, else it is an error that names the
    /// question.
    pub fn refused(&self, call: &OpenCall, error: Error, out: Out) -> Result<(), Failure> {
        match self {
            Self::Terminal(_) => out.say(&format!("{error}\n")),
            Self::List(_) | Self::Pipe { .. } => {
                let message = refused(call, &error.message);
                Err(Error { message, ..error }.into())
            }
        }
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
    out.say(&format!("> {}\n", prompt::shown(answer)))
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

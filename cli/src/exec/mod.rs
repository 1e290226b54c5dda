//! Commands that answer calls: a model, a tool, a script. They read the question from standard input and print the answer.
//!
//! Each runs in a process group of its own: ctrl-c at the terminal does not reach it, and what it has started goes with it. Where this process
//! itself is killed outright nothing can: such commands go on until they end by themselves.

mod child;
mod group;
mod question;

use std::process::ExitStatus;
use std::time::Duration;

use runstate::limits::PLAIN_VALUE_BYTES;
use serde_json::Value as Json;

use crate::failure::{self, Failure};

pub use group::end_all;
pub use question::{Given, Wanted};

/// How much of what a command says on standard error is told when it fails.
const TAIL: usize = 2 * 1024;

/// A command, as a shell reads it.
#[derive(Clone, Debug)]
pub struct Exec {
    /// The line.
    pub line: String,
    /// How long it may take.
    pub timeout: Duration,
}

/// Why a command gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It failed; another time it may not.
    Failed(String),
    /// There is no such command, or it may not be executed.
    CannotRun(String),
}

/// What a command did.
struct Ran {
    /// How it ended; `None`: it took too long.
    status: Option<ExitStatus>,
    printed: Vec<u8>,
    /// It printed more than an answer may have.
    too_much: bool,
    /// The end of what it said on standard error.
    tail: String,
}

impl Exec {
    /// What the command prints for this question, without its last line end. What it says on standard error goes to `heard`, line by line.
    pub async fn answer(&self, given: &Given, heard: impl FnMut(&str)) -> Result<String, Unanswered> {
        let ran = child::run(self, given, heard).await?;
        let failed = |what: String| Err(Unanswered::Failed(what + &ran.said()));
        if ran.too_much {
            return failed(format!("the command printed more than {PLAIN_VALUE_BYTES} bytes"));
        }
        match ran.status {
            None => return failed(format!("the command did not end within {} s", self.timeout.as_secs_f32())),
            Some(status) if matches!(status.code(), Some(126 | 127)) => {
                return Err(Unanswered::CannotRun(format!("`{}` cannot be run{}", self.line, ran.said())));
            }
            Some(status) if !status.success() => return failed(format!("the command ended with {}", words(status))),
            Some(_) => {}
        }
        match String::from_utf8(ran.printed) {
            Ok(text) => Ok(without_line_end(text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to() + 1;
                let what = "the command printed no text in UTF-8";
                Err(Unanswered::Failed(format!("{what}: byte {at} is the first that is not")))
            }
        }
    }
}

impl Ran {
    /// What it said in the end, behind what there is to say of it.
    fn said(&self) -> String {
        let tail = self.tail.trim();
        if tail.is_empty() { String::new() } else { format!(": {tail}") }
    }
}

/// A command that is none answers everything with nothing: most often a variable that is not set.
pub fn check(line: Option<&str>, flag: &str) -> Result<(), Failure> {
    match line {
        Some(line) if line.trim().is_empty() => Err(failure::usage(format!("{flag} is empty; it must be a command"))),
        _ => Ok(()),
    }
}

/// What a tool's command has printed as a value: JSON where it is that, else text.
pub fn value(printed: String) -> Json {
    serde_json::from_str(&printed).unwrap_or(Json::String(printed))
}

fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

fn words(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        // Unix says by which signal.
        None => status.to_string(),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// Longer than any of these commands takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn answer_within(timeout: Duration, line: &str) -> (Result<String, Unanswered>, Vec<String>) {
        let exec = Exec { line: line.to_owned(), timeout };
        let given = Given { stdin: "a question\n".to_owned(), env: Vec::new() };
        let mut heard = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(exec.answer(&given, |line| heard.push(line.to_owned())));
        (answer, heard)
    }

    fn answer(line: &str) -> Result<String, Unanswered> {
        answer_within(PATIENCE, line).0
    }

    fn failed(line: &str) -> String {
        match answer(line) {
            Err(Unanswered::Failed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until a process has ended, whether or not its parent has noticed.
    fn wait_for_the_end_of(pid: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
            if state.is_empty() || state.starts_with(b"Z") {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "process {pid} still runs");
        }
    }

    #[test]
    fn the_answer_is_what_is_printed_without_its_last_line_end() {
        assert_eq!(answer("cat; echo; printf 'x\\r\\n'"), Ok("a question\n\nx".to_owned()));
        assert_eq!(answer("true"), Ok(String::new()), "who does not read is right too");
    }

    #[test]
    fn what_goes_wrong_is_told_with_the_end_of_what_was_said() {
        assert_eq!(failed("echo why >&2; exit 3"), "the command ended with exit code 3: why");
        assert!(failed("kill -9 $$").contains("signal: 9"));
        assert!(failed("printf '\\377'").contains("UTF-8"));
        let long = failed("i=0; while [ $i -lt 2000 ]; do echo $i >&2; i=$((i+1)); done; exit 1");
        assert!(long.len() < TAIL + 100 && long.ends_with("1998\n1999"), "{long}");
    }

    #[test]
    fn lines_on_standard_error_are_heard_as_they_come() {
        let (answer, heard) = answer_within(PATIENCE, "echo one >&2; echo two >&2; printf three >&2; echo yes");
        assert_eq!((answer, heard), (Ok("yes".to_owned()), ["one", "two", "three"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_command_that_is_not_there_is_told_apart() {
        let Err(Unanswered::CannotRun(why)) = answer("no-such-command-anywhere --flag") else { panic!() };
        assert!(why.contains("no-such-command-anywhere"), "{why}");
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_all_it_started() {
        // A busy machine may take longer to start the command than the command may take.
        for (millis, seconds) in [(300, "0.3"), (3_000, "3"), (30_000, "30")] {
            let (answer, heard) = answer_within(Duration::from_millis(millis), "sleep 1000 & echo $! >&2; sleep 1000");
            let Err(Unanswered::Failed(why)) = answer else { panic!("{answer:?}") };
            assert!(why.starts_with(&format!("the command did not end within {seconds} s")), "{why}");
            if let Some(pid) = heard.first() {
                return wait_for_the_end_of(pid);
            }
        }
        panic!("the command did not start");
    }

    #[test]
    fn a_command_that_never_stops_printing_is_ended() {
        assert!(failed("yes").contains("printed more than 1048576 bytes"));
    }

    #[test]
    fn what_a_command_leaves_behind_is_ended_with_it() {
        // The process left behind holds the output open.
        wait_for_the_end_of(&answer("sleep 1000 & echo $!").unwrap());
    }

    #[test]
    fn what_a_tool_prints_is_json_where_it_can_be() {
        assert_eq!(value("{\"a\": 1}".to_owned()), serde_json::json!({"a": 1}));
        assert_eq!(value("7".to_owned()), serde_json::json!(7));
        assert_eq!(value("it is 7".to_owned()), serde_json::json!("it is 7"));
        assert_eq!(value(String::new()), serde_json::json!(""));
    }
}

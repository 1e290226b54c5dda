//! Commands that answer calls: a model, a tool, a script. They read the question from standard input and print the
//! answer.
//!
//! Each runs in its own process group: ctrl-c at the terminal does not reach it, and its child processes end with it.
//! If this process is killed with SIGKILL, such commands continue until they end by themselves.

mod child;
mod request;

use std::process::ExitStatus;
use std::time::Duration;

use runstate::limits::PLAIN_VALUE_BYTES;
use serde_json::Value as Json;

use crate::error::{self, CliError};
use crate::input::{not_utf8_message, without_line_end};
pub use child::{ProcessGroup, kill_all_groups, read_stderr};
pub use request::{ExecInput, ExecRequest};

/// How much of the end of a command's standard error is reported when it fails.
const STDERR_TAIL_BYTES: usize = 2 * 1024;

/// A command, as a shell reads it.
#[derive(Clone, Debug)]
pub struct Exec {
    pub line: String,
    pub timeout: Duration,
}

/// Why a command gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecError {
    /// It failed; a retry may succeed.
    Failed(String),
    /// There is no such command, or it may not be executed.
    CannotRun(String),
}

/// The result of one run.
struct ExecOutput {
    /// The exit status; `None`: it exceeded its timeout.
    status: Option<ExitStatus>,
    stdout: Vec<u8>,
    /// It printed more than the largest answer.
    exceeded_limit: bool,
    /// The end of its standard error.
    stderr_tail: String,
}

impl Exec {
    /// Returns what the command prints for this question, without its last line end. Passes each line of its standard
    /// error to `on_stderr_line`.
    pub async fn answer(&self, input: &ExecInput, on_stderr_line: impl FnMut(&str)) -> Result<String, ExecError> {
        let output = child::run(self, input, on_stderr_line).await?;
        let failed = |reason: String| Err(ExecError::Failed(reason + &output.stderr_suffix()));
        if output.exceeded_limit {
            return failed(format!("the command printed more than {PLAIN_VALUE_BYTES} bytes"));
        }
        match output.status {
            None => return failed(format!("the command did not end within {} s", self.timeout.as_secs_f32())),
            Some(status) if matches!(status.code(), Some(126 | 127)) => {
                return Err(ExecError::CannotRun(format!("`{}` cannot be run{}", self.line, output.stderr_suffix())));
            }
            Some(status) if !status.success() => {
                return failed(format!("the command ended with {}", describe_status(status)));
            }
            Some(_) => {}
        }
        String::from_utf8(without_line_end(output.stdout)).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            ExecError::Failed(not_utf8_message("the output of the command", at))
        })
    }
}

impl ExecOutput {
    /// Formats the end of its standard error, to append to a message.
    fn stderr_suffix(&self) -> String {
        let tail = self.stderr_tail.trim();
        if tail.is_empty() { String::new() } else { format!(": {tail}") }
    }
}

/// Refuses an empty command, most often an unset variable: it would answer everything with an empty text.
pub fn check(line: Option<&str>, flag: &str) -> Result<(), CliError> {
    match line {
        Some(line) if line.trim().is_empty() => Err(error::usage(format!("{flag} is empty; give it a shell command"))),
        _ => Ok(()),
    }
}

/// Parses the output of a tool's command: as JSON if it is valid JSON, else as text.
pub fn parse_value(output: String) -> Json {
    serde_json::from_str(&output).unwrap_or(Json::String(output))
}

fn describe_status(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        // On Unix, this names the signal.
        None => status.to_string(),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// Longer than any of these commands takes on a busy machine, except those that hang.
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn answer_within(timeout: Duration, line: &str) -> (Result<String, ExecError>, Vec<String>) {
        let exec = Exec { line: line.to_owned(), timeout };
        let input = ExecInput { stdin: "a question\n".to_owned(), env: Vec::new() };
        let mut lines = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(exec.answer(&input, |line| lines.push(line.to_owned())));
        (answer, lines)
    }

    fn answer(line: &str) -> Result<String, ExecError> {
        answer_within(TIMEOUT, line).0
    }

    fn failed(line: &str) -> String {
        match answer(line) {
            Err(ExecError::Failed(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until a process has ended, whether or not its parent has noticed.
    fn wait_for_the_end_of(pid: &str) {
        let deadline = std::time::Instant::now() + TIMEOUT;
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
        assert_eq!(answer("true"), Ok(String::new()), "a command need not read the question");
    }

    #[test]
    fn a_failure_includes_the_tail_of_standard_error() {
        assert_eq!(failed("echo why >&2; exit 3"), "the command ended with exit code 3: why");
        assert!(failed("kill -9 $$").contains("signal: 9"));
        assert!(failed("printf '\\377'").contains("UTF-8"));
        let long = failed("i=0; while [ $i -lt 2000 ]; do echo $i >&2; i=$((i+1)); done; exit 1");
        assert!(long.len() < STDERR_TAIL_BYTES + 100 && long.ends_with("1998\n1999"), "{long}");
    }

    #[test]
    fn standard_error_lines_are_passed_on_as_they_arrive() {
        let (answer, lines) = answer_within(TIMEOUT, "echo one >&2; echo two >&2; printf three >&2; echo yes");
        assert_eq!((answer, lines), (Ok("yes".to_owned()), ["one", "two", "three"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_missing_command_is_a_distinct_error() {
        let Err(ExecError::CannotRun(why)) = answer("no-such-command-anywhere --flag") else { panic!() };
        assert!(why.contains("no-such-command-anywhere"), "{why}");
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_all_it_started() {
        // A busy machine may take longer to start the command than the command may take.
        for (millis, seconds) in [(300, "0.3"), (3_000, "3"), (30_000, "30")] {
            let (answer, lines) = answer_within(Duration::from_millis(millis), "sleep 1000 & echo $! >&2; sleep 1000");
            let Err(ExecError::Failed(why)) = answer else { panic!("{answer:?}") };
            assert!(why.starts_with(&format!("the command did not end within {seconds} s")), "{why}");
            if let Some(pid) = lines.first() {
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
    fn background_processes_of_a_command_are_killed() {
        // The process left behind holds the output open.
        wait_for_the_end_of(&answer("sleep 1000 & echo $!").unwrap());
    }

    #[test]
    fn tool_output_is_parsed_as_json_where_it_is_valid() {
        assert_eq!(parse_value("{\"a\": 1}".to_owned()), serde_json::json!({"a": 1}));
        assert_eq!(parse_value("7".to_owned()), serde_json::json!(7));
        assert_eq!(parse_value("it is 7".to_owned()), serde_json::json!("it is 7"));
        assert_eq!(parse_value(String::new()), serde_json::json!(""));
    }
}

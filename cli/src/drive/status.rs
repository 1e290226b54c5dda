//! Reports of the status of an execution.

use std::collections::VecDeque;

use runstate::domain::cvm::{
    COGNITIVE, CallView, ExecutionProgress, NO_LINES, Program, ProgramError, Show, ShowVersionOf, Status, TIMER,
    WaitsFor,
};
use runstate::error_code::ErrorCode;
use runstate::operation::EntityQueries as _;
use serde_json::json;

use crate::error::CliError;
use crate::exit::CliExit;
use crate::operations;
use crate::printer::escape_control;
use crate::prompt;
use crate::sandbox::{self, FILE_CALL_KINDS};
use crate::session::{Session, shell_quote};
use crate::table::one_line;
use crate::time_format::format_seconds;

/// How many earlier lines of output `resume` prints again.
const RECALLED_LINES: usize = 10;

pub fn format_location(error: &ProgramError) -> String {
    match &error.file {
        Some(file) => format!("{file}:{}:{}", error.line, error.column),
        None => format!("line {}, column {}", error.line, error.column),
    }
}

impl Session {
    /// Prints the status of an execution after a command that drove it. Output before `position` was printed earlier.
    pub async fn show_status(&self, id: &str, position: u64) -> Result<CliExit, CliError> {
        let progress = self.show_new_lines(id, position).await?;
        if let Some(call) = open_question(&progress) {
            self.show_question(call)?;
        }
        self.print_result(id, &progress).await
    }

    /// Returns the status of an execution and its open calls, without its output.
    pub async fn status(&self, id: &str) -> Result<ExecutionProgress, CliError> {
        Ok(self.cvm.progress(id, NO_LINES).await?)
    }

    /// Returns the position after the output so far, for callers that do not print it again.
    pub async fn output_position(&self, id: &str) -> Result<u64, CliError> {
        Ok(self.status(id).await?.next)
    }

    /// Prints the last lines of earlier output for `resume`, and returns the position after them.
    pub async fn show_recent_output(&self, id: &str) -> Result<u64, CliError> {
        let (mut next, mut count, mut last) = (0, 0, VecDeque::new());
        loop {
            let progress = self.cvm.progress(id, next).await?;
            (next, count) = (progress.next, count + progress.lines.len());
            last.extend(progress.lines);
            last.drain(..last.len().saturating_sub(RECALLED_LINES));
            if !progress.more {
                break;
            }
        }
        if !self.out.is_json() {
            let earlier = count - last.len();
            if earlier > 0 {
                self.out.remark(&format!("({earlier} earlier lines: {})", self.invocation("output", id, "")));
            }
            self.out.lines(last.make_contiguous())?;
        }
        Ok(next)
    }

    /// Returns a sentence that says how to continue an execution.
    pub(super) fn resume_hint(&self, id: &str) -> String {
        self.next_step(|| format!("Continue with: {}", self.invocation("resume", id, "")))
    }

    /// Prints the output since `position` for people, and returns the progress after it.
    pub(super) async fn show_new_lines(&self, id: &str, position: u64) -> Result<ExecutionProgress, CliError> {
        if self.out.is_json() {
            return self.status(id).await;
        }
        let mut progress = self.cvm.progress(id, position).await?;
        self.out.lines(&progress.lines)?;
        while progress.more {
            progress = self.cvm.progress(id, progress.next).await?;
            self.out.lines(&progress.lines)?;
        }
        Ok(progress)
    }

    /// Prints an open question for people.
    pub(super) fn show_question(&self, call: &CallView) -> Result<(), CliError> {
        if self.out.is_json() { Ok(()) } else { self.out.question(call) }
    }

    /// Ends a command that drives: prints one object for programs, the status for people.
    pub(super) async fn print_result(&self, id: &str, progress: &ExecutionProgress) -> Result<CliExit, CliError> {
        if self.out.is_json() {
            return self.print_json(id).await;
        }
        if progress.status == Status::Complete && !progress.result.is_null() {
            self.out.line(&format!("= {}", prompt::display_value(&progress.result)))?;
        }
        self.remark_status(id, progress);
        if progress.status == Status::Error {
            self.remark_newer_version(id).await?;
        }
        Ok(CliExit::from_status(progress.status))
    }

    /// Remarks how a failed execution continues in a version of its program that was loaded later.
    async fn remark_newer_version(&self, id: &str) -> Result<(), CliError> {
        let own = self.engine.query(&ShowVersionOf { id: id.to_owned() }).await?;
        let newest = match self.engine.query(&Program::show(&own.program_id)).await {
            Ok(program) => program.program_version,
            Err(error) if error.code == ErrorCode::NOT_FOUND => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if newest > own.program_version {
            let retry = self.invocation("retry", id, &format!(" --program-version {newest}"));
            self.out.remark(&format!("version {newest} of its program is loaded. Continue in it with: {retry}"));
        }
        Ok(())
    }

    /// Prints an execution as one object for programs, like `show` but without its machine.
    pub async fn print_json(&self, id: &str) -> Result<CliExit, CliError> {
        let view = self.engine.query(&Show { machine: Some(false), ..Show::all(id, false) }).await?;
        self.out.value(&operations::json_result("cvm.show", json!(view))?)?;
        Ok(CliExit::from_status(view.status))
    }

    /// Prints the status of one of several executions that a command drove: one object for programs, one line for
    /// people.
    pub async fn print_line(&self, id: &str) -> Result<CliExit, CliError> {
        if self.out.is_json() {
            return self.print_json(id).await;
        }
        let progress = self.status(id).await?;
        let detail = match (progress.status, progress.calls.first(), &progress.error) {
            (Status::WaitingCc, Some(CallView { refusal: Some(refusal), .. }), _) => format!(": {}", refusal.message),
            (Status::WaitingCc, Some(call), _) => format!(": {}", call.prompt),
            (Status::Error, _, Some(error)) => {
                format!(" at {}: {}: {}", format_location(error), error.name, error.message)
            }
            (Status::Complete, ..) if !progress.result.is_null() => {
                format!(" = {}", prompt::display_value(&progress.result))
            }
            _ => String::new(),
        };
        let (id, status) = (escape_control(id), self.out.paint().status(progress.status.as_str()));
        self.out.styled_lines(&[format!("{id} is {status}{}", one_line(&detail))])?;
        Ok(CliExit::from_status(progress.status))
    }

    /// Remarks the status of an execution and how to continue it.
    pub fn remark_status(&self, id: &str, progress: &ExecutionProgress) {
        let out = self.out;
        match (progress.status, &progress.error) {
            (Status::Error, Some(error)) => {
                out.remark(&format!("{id} failed at {}: {}: {}", format_location(error), error.name, error.message));
                error.stack.iter().for_each(|frame| out.remark(&format!("  {frame}")));
            }
            (Status::WaitingCc, _) => out.remark(&self.waiting_hint(id, progress)),
            (status, _) => out.remark(&format!("{id} is {}", status.as_str())),
        }
    }

    fn waiting_hint(&self, id: &str, progress: &ExecutionProgress) -> String {
        if let Some(call) = open_question(progress) {
            let answer = || format!("{}\n  or answer it with: {}", self.resume_hint(id), self.answer_command(call));
            let next = self.next_step(answer);
            return format!("{id} waits for an answer{}. {next}", open_questions(progress));
        }
        let calls = || progress.calls.iter();
        if let Some(call) = calls().find(|call| awaits_approval(call)) {
            let approve = || format!("Approve it with: {}", self.answer_command(call));
            let question = one_line(&prompt::question_line(call));
            return format!("{id} waits for an approval: {question}. {}", self.next_step(approve));
        }
        if let Some(refusal) = calls().find_map(|call| call.refusal.as_ref()) {
            return format!("{id} waits for a budget: {}", refusal.message);
        }
        if let Some(tool) = calls().find(|call| call.kind != TIMER && !FILE_CALL_KINDS.contains(&call.kind.as_str())) {
            let work = format!("work --kind {} --exec CMD", shell_quote(&tool.kind));
            let start = || format!("Start one with: {}", self.command_line(&work));
            return format!("{id} waits for a worker. {}", self.next_step(start));
        }
        if let Some(file) = calls().find(|call| call.kind != TIMER) {
            let flag = sandbox::required_flag(&file.kind);
            let resume = || format!("Continue with: {}", self.invocation("resume", id, &format!(" {flag} DIR")));
            return format!("{id} waits for {}. {}", file.kind, self.next_step(resume));
        }
        match calls().filter_map(|call| call.deadline).min() {
            Some(until) => format!("{id} sleeps until {}. {}", format_seconds(until), self.resume_hint(id)),
            None => format!("{id} waits. {}", self.resume_hint(id)),
        }
    }

    /// Returns the command line that answers an open call, or approves it.
    pub fn answer_command(&self, call: &CallView) -> String {
        let (command, flag) = match awaits_approval(call) {
            true => ("approve", "--by NAME".to_owned()),
            false => ("answer", prompt::answer_flag(call)),
        };
        // Without the call, a second person would answer the next question.
        self.invocation(command, &call.execution_id, &format!(" --call {} {flag}", shell_quote(&call.id)))
    }
}

/// Says how many questions are open, if that is not one.
fn open_questions(progress: &ExecutionProgress) -> String {
    match progress.calls.iter().filter(|call| is_question(call)).count() {
        0 | 1 => String::new(),
        questions => format!(" to the first of {questions} questions that are open"),
    }
}

fn open_question(progress: &ExecutionProgress) -> Option<&CallView> {
    let waits = progress.status == Status::WaitingCc;
    progress.calls.iter().find(|call| waits && is_question(call))
}

fn awaits_approval(call: &CallView) -> bool {
    call.waits_for == Some(WaitsFor::Approval)
}

fn is_question(call: &CallView) -> bool {
    call.kind == COGNITIVE && !awaits_approval(call)
}

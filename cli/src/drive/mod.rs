//! Drives an execution: prints its output, gets its calls answered, performs its file calls in granted folders, and
//! continues it. It waits for timers, and for workers that have claimed open calls. Reports of its status are in
//! `status.rs`.

mod status;

use std::time::Duration;

use runstate::client::Answer;
use runstate::domain::cvm::Work;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{CallView, ExecutionProgress, Fail, Status, TIMER, WaitsFor};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::time::{Millis, Timestamp};
use serde_json::Value as Json;

use super::answer_source::Ordinals;
use crate::answer_source::{AnswerRequest, AnswerSource};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt;
use crate::sandbox::{FILE_CALL_KINDS, FileCallError, Grants};
use crate::session::Session;
use crate::time_format::format_seconds;
pub use status::format_location;

/// The interval between two polls of an execution that another process drives.
const RUNNING_POLL_INTERVAL: Duration = Duration::from_millis(50);

pub struct ExecutionDriver<'a> {
    session: &'a Session,
    id: &'a str,
    answers: &'a mut AnswerSource,
    grants: &'a Grants,
    /// The last remark about what the execution waits for.
    wait_remark: Option<String>,
    ordinals: Ordinals,
}

enum NextAction {
    /// Apply a deadline that has passed: that of a call, or of the execution.
    Wake,
    /// Perform the file call at this index.
    File(usize),
    /// Ask the answer source about the call at this index.
    Ask(usize),
    /// Wait for a timer, or for workers that have claimed the calls.
    Wait,
    /// Stop: a worker is needed, and none has claimed the call.
    Stop,
}

enum QuestionOutcome {
    /// It is answered, by this process or another.
    Answered,
    /// It is open: the answer was rejected, or its deadline has passed.
    Open,
    /// The source has no answer.
    Unanswered,
}

impl Session {
    /// Drives `id` to its end, or until no answer is left. Output before `position` was printed earlier.
    pub async fn drive(
        &self,
        id: &str,
        answers: &mut AnswerSource,
        grants: &Grants,
        position: u64,
    ) -> Result<CliExit, CliError> {
        let driver =
            ExecutionDriver { session: self, id, answers, grants, wait_remark: None, ordinals: Ordinals::default() };
        match driver.drive_to_end(position).await {
            // A person has pressed ctrl-c instead of answering.
            Err(CliError::Interrupted(_)) => {
                interrupt::report_driven(self.out, id, self.resume_command(id));
                Ok(CliExit::Interrupted)
            }
            result => result.map_err(|failure| failure.while_driving(id, self.resume_hint(id))),
        }
    }

    /// Sleeps until that time; forever if there is none.
    async fn sleep_until(&self, at: Option<Timestamp>) {
        let Some(at) = at else { return std::future::pending().await };
        let millis = at.since(self.engine.now()).0;
        tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or_default())).await;
    }
}

impl ExecutionDriver<'_> {
    async fn drive_to_end(mut self, mut position: u64) -> Result<CliExit, CliError> {
        let session = self.session;
        loop {
            let progress = session.show_new_lines(self.id, position).await?;
            position = progress.next;
            match progress.status {
                Status::WaitingCc => {}
                // Another process has just answered, and runs it.
                Status::Running => {
                    tokio::time::sleep(RUNNING_POLL_INTERVAL).await;
                    session.cvm.resume(self.id).await?;
                    continue;
                }
                _ => return session.print_result(self.id, &progress).await,
            }
            if let Some(exit) = self.answer_open_calls(progress).await? {
                return Ok(exit);
            }
        }
    }

    /// Gets the open calls answered. `Some`: driving ends with this exit. `None`: read the execution again.
    async fn answer_open_calls(&mut self, mut progress: ExecutionProgress) -> Result<Option<CliExit>, CliError> {
        let session = self.session;
        let mut answered = false;
        loop {
            let at = match self.next_action(&progress) {
                NextAction::Wake => {
                    session.cvm.run_due_execution(self.id).await?;
                    return Ok(None);
                }
                NextAction::File(at) => {
                    self.perform_file_call(&progress.calls[at]).await?;
                    return Ok(None);
                }
                NextAction::Ask(at) => at,
                // Other processes may have answered since the calls were read.
                NextAction::Wait | NextAction::Stop if answered => return Ok(None),
                NextAction::Wait => {
                    self.wait(&progress).await;
                    return Ok(None);
                }
                NextAction::Stop => return session.show_status(self.id, progress.next).await.map(Some),
            };
            match self.ask(&progress.calls[at], &progress).await? {
                QuestionOutcome::Unanswered => {
                    return self.report_unanswered(&progress.calls[at], &progress).await.map(Some);
                }
                // A list answers at once: the other calls need not be read again after each answer.
                QuestionOutcome::Answered if matches!(self.answers, AnswerSource::List(_)) => {}
                QuestionOutcome::Answered | QuestionOutcome::Open => return Ok(None),
            }
            progress.calls.remove(at);
            answered = true;
        }
    }

    fn next_action(&self, progress: &ExecutionProgress) -> NextAction {
        let (calls, now) = (&progress.calls, self.session.engine.now());
        if progress.wake_at.is_some_and(|at| at <= now) {
            return NextAction::Wake;
        }
        let is_file = |call: &CallView| FILE_CALL_KINDS.contains(&call.kind.as_str()) && call.owner(now).is_none();
        let files = || calls.iter().position(|call| is_file(call) && is_released(call));
        let is_asked = |call: &CallView| needs_answer(call) && self.answers.serves(&call.kind);
        let asks = || calls.iter().position(|call| is_asked(call) && is_released(call));
        if let Some(at) = files() {
            return NextAction::File(at);
        }
        match asks() {
            Some(at) => NextAction::Ask(at),
            None if calls.iter().all(|call| is_queued(call) || call.kind == TIMER || call.owner(now).is_some()) => {
                NextAction::Wait
            }
            None => NextAction::Stop,
        }
    }

    async fn ask(&mut self, call: &CallView, progress: &ExecutionProgress) -> Result<QuestionOutcome, CliError> {
        let session = self.session;
        let file_hint = match session.resume_command(self.id) {
            Some(_) => session.invocation("answer", self.id, &format!(" --call {} --file F", call.id)),
            None => "a shorter text, or use a file store: --store file:DIR".to_owned(),
        };
        let ordinal = match self.answers {
            AnswerSource::List(_) => self.ordinals.ordinal(&session.cvm, self.id, call).await?,
            _ => 0,
        };
        let request = AnswerRequest { call, ordinal, file_hint: &file_hint };
        let answer = tokio::select! {
            answer = self.answers.answer(request, session.out) => answer?,
            () = session.sleep_until(progress.wake_at) => {
                self.answers.end_question().await;
                let is_due = call.deadline.is_some_and(|at| at <= session.engine.now());
                let passed = if is_due { "the deadline of the question" } else { "another deadline" };
                session.out.remark(&format!("\n{passed} has passed; continuing"));
                return Ok(QuestionOutcome::Open);
            }
        };
        let Some(answer) = answer else { return Ok(QuestionOutcome::Unanswered) };
        self.answer(call, answer).await
    }

    async fn answer(&mut self, call: &CallView, answer: Json) -> Result<QuestionOutcome, CliError> {
        let out = self.session.out;
        match self.session.cvm.answer(self.id, Answer::to_call(&call.id).value(answer)).await {
            Ok(_) => return Ok(QuestionOutcome::Answered),
            Err(error) if error.code == codes::ALREADY_ANSWERED => {
                out.remark("the question was already answered elsewhere; continuing");
                return Ok(QuestionOutcome::Answered);
            }
            Err(error) if error.code == codes::DEADLINE_PASSED => {
                out.remark("the answer was too late: the deadline of the question has passed; continuing");
            }
            Err(error) if error.code == codes::INVALID_ANSWER => self.answers.handle_rejection(call, error, out)?,
            Err(error) => return Err(error.into()),
        }
        Ok(QuestionOutcome::Open)
    }

    async fn report_unanswered(&self, call: &CallView, progress: &ExecutionProgress) -> Result<CliExit, CliError> {
        // A person at the terminal has already read it.
        if !matches!(self.answers, AnswerSource::Terminal(_)) {
            self.session.show_question(call)?;
        }
        self.session.print_result(self.id, progress).await
    }

    /// Performs a call, unless another process has claimed it. A refusal completes the call with an error for the
    /// program.
    pub(super) async fn perform_file_call(&self, call: &CallView) -> Result<(), CliError> {
        let cvm = &self.session.cvm;
        let Some(work) = cvm.claim_call(&call.id, "files", LEASE).await? else { return Ok(()) };
        let result = match self.grants.perform(&call.kind, &call.args).await {
            Ok(value) => cvm.complete(&work.claimed, value).await.map(|_| ()),
            Err(refusal) => cvm.fail(&failure_of(&work, refusal)).await.map(|_| ()),
        };
        match result {
            Err(error) if !is_closed_by_another(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Waits until a deadline, but at most one poll interval, and remarks once what it waits for.
    pub(super) async fn wait(&mut self, progress: &ExecutionProgress) {
        let session = self.session;
        let now = session.engine.now();
        let deadline = progress.calls.iter().filter_map(|call| call.deadline).min();
        let owner = progress.calls.iter().find_map(|call| call.owner(now));
        let remark = match (owner, deadline) {
            (Some(owner), _) => format!("{owner} works on a call of {}", self.id),
            (None, Some(deadline)) => {
                format!("{} sleeps until {}; ctrl-c stops waiting for it", self.id, format_seconds(deadline))
            }
            (None, None) => format!("{} waits", self.id),
        };
        if self.wait_remark.as_ref() != Some(&remark) {
            session.out.remark(&remark);
            self.wait_remark = Some(remark);
        }
        tokio::select! {
            () = session.sleep_until(progress.wake_at) => {}
            // Another process may cancel or pause it, or complete a call.
            () = tokio::time::sleep(WORKER_POLL_INTERVAL) => {}
        }
    }
}

/// Whether the call waits for an earlier one.
fn is_queued(call: &CallView) -> bool {
    call.waits_for == Some(WaitsFor::Queue)
}

/// Whether the call waits neither for an approval nor for an earlier call.
fn is_released(call: &CallView) -> bool {
    call.waits_for != Some(WaitsFor::Approval) && !is_queued(call)
}

/// Whether a person, a model or a tool must answer the call.
fn needs_answer(call: &CallView) -> bool {
    call.kind != TIMER && !FILE_CALL_KINDS.contains(&call.kind.as_str())
}

/// The lease of a file call: other processes may claim the call after it.
const LEASE: Millis = Millis::minutes(1);

/// Returns the error for the program. The call is not retried, because a retry would fail in the same way.
fn failure_of(work: &Work, refusal: FileCallError) -> Fail {
    Fail {
        execution: work.claimed.execution.clone(),
        call: work.claimed.call.clone(),
        token: work.claimed.token,
        message: refusal.message,
        name: Some(refusal.name.as_str().to_owned()),
        ..Fail::default()
    }
}

fn is_closed_by_another(error: &Error) -> bool {
    matches!(error.code, ErrorCode::STALE_CLAIM | codes::ALREADY_ANSWERED | codes::DEADLINE_PASSED)
}

/// The interval between two polls while a worker may complete a call.
const WORKER_POLL_INTERVAL: Duration = Duration::from_secs(1);

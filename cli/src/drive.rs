//! Driving an execution: show what it printed, have its question answered, go on; and telling where it stands in the end.

use std::time::Duration;

use runstate::code::Code;
use runstate::domain::cvm::{ExecutionView, OpenCall, Status};

use crate::answers::Answers;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::prompt;
use crate::session::Session;
use crate::told::Told;

/// How many of the lines printed before are shown again to somebody who resumes.
const SHOWN_AGAIN: usize = 10;

/// Between two looks at an execution that another process drives.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Session {
    /// Drives `id` to its end, or until nobody answers. The first `seen` lines of its output have been shown.
    pub async fn drive(&self, id: &str, answers: &mut Answers, mut seen: usize) -> Result<Exit, Failure> {
        loop {
            let view = self.cvm.show(id).await?;
            self.new_lines(&view, seen)?;
            seen = view.output.len();
            let call = match (view.status, view.calls.first()) {
                (Status::WaitingCc, Some(call)) => call,
                // Another process answered a moment ago, and runs it.
                (Status::Running, _) => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    self.cvm.next(id, None).await?;
                    continue;
                }
                _ => return self.tell(&view),
            };
            let asked = usize::try_from(view.metrics.cc_calls_count).unwrap_or(usize::MAX);
            let answered = asked.saturating_sub(view.calls.len());
            let Some(answer) = answers.answer(call, answered, self.out).await? else {
                // A person at the terminal has it before them.
                if !matches!(answers, Answers::Terminal(_)) {
                    self.question(&view)?;
                }
                return self.tell(&view);
            };
            match self.cvm.answer(id, Some(&call.call_id), answer, None, None).await {
                Ok(_) => {}
                Err(error) if error.code == Code::AlreadyAnswered => {
                    self.out.remark("somebody else answered that question meanwhile; going on");
                }
                Err(error) if error.code == Code::InvalidAnswer => answers.refused(call, error, self.out)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Tells how an execution stands after a command that drove it, when `seen` lines of its output were there before.
    pub async fn stands(&self, id: &str, seen: usize) -> Result<Exit, Failure> {
        let view = self.cvm.show(id).await?;
        self.new_lines(&view, seen)?;
        self.question(&view)?;
        self.tell(&view)
    }

    /// How many lines an execution has printed, where they are going to be shown.
    pub async fn seen(&self, id: &str) -> Result<usize, Failure> {
        if self.out.json() { Ok(0) } else { Ok(self.cvm.output(id).await?.len()) }
    }

    /// Shows somebody who resumes the last lines of what was printed before; how many lines there are.
    pub async fn recall(&self, id: &str) -> Result<usize, Failure> {
        if self.out.json() {
            return Ok(0);
        }
        let lines = self.cvm.output(id).await?;
        let earlier = lines.len().saturating_sub(SHOWN_AGAIN);
        if earlier > 0 {
            self.out.remark(&format!("({earlier} earlier lines: {})", self.invocation("output", id, "")));
        }
        self.out.lines(&lines[earlier..])?;
        Ok(lines.len())
    }

    /// How to go on with an execution here.
    pub fn resume(&self, id: &str) -> String {
        self.invocation("resume", id, "")
    }

    fn new_lines(&self, view: &ExecutionView, seen: usize) -> Result<(), Failure> {
        if self.out.json() { Ok(()) } else { self.out.lines(view.output.get(seen..).unwrap_or_default()) }
    }

    /// Shows people the question that is open.
    fn question(&self, view: &ExecutionView) -> Result<(), Failure> {
        match view.calls.first() {
            Some(call) if !self.out.json() && view.status == Status::WaitingCc => {
                self.out.say(&prompt::question(call, |text| self.out.bold(text)))
            }
            _ => Ok(()),
        }
    }

    /// The end of a command that drives: one object for programs, a status for people.
    fn tell(&self, view: &ExecutionView) -> Result<Exit, Failure> {
        if self.out.json() {
            self.out.value(&Told::from(view))?;
        } else {
            self.tell_people(view)?;
        }
        Ok(Exit::of(view.status))
    }

    fn tell_people(&self, view: &ExecutionView) -> Result<(), Failure> {
        let out = self.out;
        match (view.status, &view.error) {
            (Status::Complete, _) => {
                if !view.result.is_null() {
                    out.line(&format!("= {}", prompt::shown(&view.result)))?;
                }
                out.remark(&format!("{} is complete", view.id));
            }
            (Status::Error, Some(error)) => {
                out.remark(&format!(
                    "{} failed at line {}, column {}: {}: {}",
                    view.id, error.line, error.column, error.name, error.message
                ));
                error.stack.iter().for_each(|frame| out.remark(&format!("  {frame}")));
            }
            (Status::WaitingCc, _) => out.remark(&self.waiting(view)),
            (status, _) => out.remark(&format!("{} is {}", view.id, status.as_str())),
        }
        Ok(())
    }

    fn waiting(&self, view: &ExecutionView) -> String {
        let answer = view.calls.first().map_or_else(String::new, |call| self.answering(&view.id, call));
        format!("{} waits for an answer. Go on with: {}{answer}", view.id, self.resume(&view.id))
    }

    /// How to answer a call from a script.
    fn answering(&self, id: &str, call: &OpenCall) -> String {
        let how = match call.choices.iter().flatten().next() {
            Some(choice) if !choice.is_string() => format!(" --json-value {choice}"),
            _ => " --text …".to_owned(),
        };
        format!("\n  or answer it with: {}", self.invocation("answer", id, &how))
    }
}

//! Driving an execution: show what it printed, have its question answered, go on; and telling where it stands in the end.

use std::time::Duration;

use runstate::code::Code;
use runstate::domain::cvm::{ExecutionView, OpenCall, Status};

use crate::answers::{Answers, Asked};
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
    /// Drives `id` to its end, or until nobody answers. What it printed before the look that said `seen` has been shown.
    pub async fn drive(&self, id: &str, answers: &mut Answers, seen: u64) -> Result<Exit, Failure> {
        self.turns(id, answers, seen).await.map_err(|failure| failure.driving(id, self.go_on(id)))
    }

    async fn turns(&self, id: &str, answers: &mut Answers, mut seen: u64) -> Result<Exit, Failure> {
        loop {
            let glance = self.cvm.glance(id, seen).await?;
            self.new_lines(&glance.lines)?;
            seen = glance.next;
            let call = match (glance.status, glance.calls.first()) {
                (Status::WaitingCc, Some(call)) => call,
                // Another process answered a moment ago, and runs it.
                (Status::Running, _) => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    self.cvm.next(id, None).await?;
                    continue;
                }
                _ => return self.tell(&self.cvm.show(id).await?),
            };
            let asked = usize::try_from(glance.asked).unwrap_or(usize::MAX);
            let answered = asked.saturating_sub(glance.calls.len());
            let by_file = match self.resume(id) {
                Some(_) => self.invocation("answer", id, " --file F"),
                None => "less, or from a store on files: --store file:DIR".to_owned(),
            };
            let asked = Asked { call, answered, by_file: &by_file };
            let Some(answer) = answers.answer(asked, self.out).await? else {
                let view = self.cvm.show(id).await?;
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

    /// Tells how an execution stands after a command that drove it, when what it printed before `seen` has been shown.
    pub async fn stands(&self, id: &str, seen: u64) -> Result<Exit, Failure> {
        self.new_lines(&self.cvm.glance(id, seen).await?.lines)?;
        let view = self.cvm.show(id).await?;
        self.question(&view)?;
        self.tell(&view)
    }

    /// What an execution has printed so far, where it is not going to be shown again.
    pub async fn seen(&self, id: &str) -> Result<u64, Failure> {
        Ok(self.cvm.glance(id, 0).await?.next)
    }

    /// Shows somebody who resumes the last lines of what was printed before; up to where that is.
    pub async fn recall(&self, id: &str) -> Result<u64, Failure> {
        let glance = self.cvm.glance(id, 0).await?;
        if !self.out.json() {
            let earlier = glance.lines.len().saturating_sub(SHOWN_AGAIN);
            if earlier > 0 {
                self.out.remark(&format!("({earlier} earlier lines: {})", self.invocation("output", id, "")));
            }
            self.out.lines(&glance.lines[earlier..])?;
        }
        Ok(glance.next)
    }

    /// How to go on with an execution, as a sentence.
    fn go_on(&self, id: &str) -> String {
        self.next_step(|| format!("Go on with: {}", self.invocation("resume", id, "")))
    }

    fn new_lines(&self, lines: &[String]) -> Result<(), Failure> {
        if self.out.json() { Ok(()) } else { self.out.lines(lines) }
    }

    /// Shows people the question that is open.
    fn question(&self, view: &ExecutionView) -> Result<(), Failure> {
        match view.calls.first() {
            Some(call) if !self.out.json() && view.status == Status::WaitingCc => self.out.question(call),
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
        if view.status == Status::Complete && !view.result.is_null() {
            self.out.line(&format!("= {}", prompt::shown(&view.result)))?;
        }
        self.remark_on(view);
        Ok(())
    }

    /// Remarks where an execution stands, and how to go on with it.
    pub fn remark_on(&self, view: &ExecutionView) {
        let out = self.out;
        match (view.status, &view.error) {
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
    }

    fn waiting(&self, view: &ExecutionView) -> String {
        let answer = || view.calls.first().map_or_else(String::new, |call| self.answering(&view.id, call));
        let next = self.next_step(|| format!("{}{}", self.go_on(&view.id), answer()));
        format!("{} waits for an answer. {next}", view.id)
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

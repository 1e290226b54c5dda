//! Where an execution stands, for whoever drove it or asks.

use std::collections::VecDeque;

use runstate::domain::cvm::{COGNITIVE, NO_LINES, OpenCall, Seen, Show, Status, TIMER};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::granted::KINDS;
use crate::moment::to_the_second;
use crate::prompt;
use crate::session::{Session, quoted};
use crate::told::Told;

/// How many of the lines printed before are shown again to somebody who resumes.
const SHOWN_AGAIN: usize = 10;

impl Session {
    /// Tells how an execution stands after a command that drove it, when what it printed before `seen` has been shown.
    pub async fn stands(&self, id: &str, seen: u64) -> Result<Exit, Failure> {
        let glance = self.show_new_lines(id, seen).await?;
        if let Some(call) = asked(&glance) {
            self.question(call)?;
        }
        self.tell(id, &glance).await
    }

    /// The status of an execution and its open calls, without reading what it printed.
    pub async fn status(&self, id: &str) -> Result<Seen, Failure> {
        Ok(self.cvm.glance(id, NO_LINES).await?)
    }

    /// What an execution has printed so far, where it is not going to be shown again.
    pub async fn seen(&self, id: &str) -> Result<u64, Failure> {
        Ok(self.status(id).await?.next)
    }

    /// Shows somebody who resumes the last lines of what was printed before; up to where that is.
    pub async fn recall(&self, id: &str) -> Result<u64, Failure> {
        let (mut next, mut count, mut last) = (0, 0, VecDeque::new());
        loop {
            let glance = self.cvm.glance(id, next).await?;
            (next, count) = (glance.next, count + glance.lines.len());
            last.extend(glance.lines);
            last.drain(..last.len().saturating_sub(SHOWN_AGAIN));
            if !glance.more {
                break;
            }
        }
        if !self.out.json() {
            let earlier = count - last.len();
            if earlier > 0 {
                self.out.remark(&format!("({earlier} earlier lines: {})", self.invocation("output", id, "")));
            }
            self.out.lines(last.make_contiguous())?;
        }
        Ok(next)
    }

    /// How to go on with an execution, as a sentence.
    pub(super) fn go_on(&self, id: &str) -> String {
        self.next_step(|| format!("Go on with: {}", self.invocation("resume", id, "")))
    }

    /// Shows people what an execution printed since `seen`; how it stands after that.
    pub(super) async fn show_new_lines(&self, id: &str, seen: u64) -> Result<Seen, Failure> {
        if self.out.json() {
            return self.status(id).await;
        }
        let mut glance = self.cvm.glance(id, seen).await?;
        self.out.lines(&glance.lines)?;
        while glance.more {
            glance = self.cvm.glance(id, glance.next).await?;
            self.out.lines(&glance.lines)?;
        }
        Ok(glance)
    }

    /// Shows people a question that is open.
    pub(super) fn question(&self, call: &OpenCall) -> Result<(), Failure> {
        if self.out.json() { Ok(()) } else { self.out.question(call) }
    }

    /// The end of a command that drives: one object for programs, a status for people.
    pub(super) async fn tell(&self, id: &str, glance: &Seen) -> Result<Exit, Failure> {
        if self.out.json() {
            return self.reply(id).await;
        }
        if glance.status == Status::Complete && !glance.result.is_null() {
            self.out.line(&format!("= {}", prompt::shown(&glance.result)))?;
        }
        self.remark_on(id, glance);
        Ok(Exit::of(glance.status))
    }

    /// Prints an execution as one object for programs, as `show` does, but without its machine.
    pub async fn reply(&self, id: &str) -> Result<Exit, Failure> {
        let view = self.engine.ask(&Show { id: id.to_owned(), hash: true, machine: None }).await?;
        self.out.value(&Told::from(&view))?;
        Ok(Exit::of(view.status))
    }

    /// Remarks where an execution stands, and how to go on with it.
    pub fn remark_on(&self, id: &str, glance: &Seen) {
        let out = self.out;
        match (glance.status, &glance.error) {
            (Status::Error, Some(error)) => {
                out.remark(&format!(
                    "{id} failed at line {}, column {}: {}: {}",
                    error.line, error.column, error.name, error.message
                ));
                error.stack.iter().for_each(|frame| out.remark(&format!("  {frame}")));
            }
            (Status::WaitingCc, _) => out.remark(&self.waiting(id, glance)),
            (status, _) => out.remark(&format!("{id} is {}", status.as_str())),
        }
    }

    fn waiting(&self, id: &str, glance: &Seen) -> String {
        if let Some(call) = asked(glance) {
            let next = self.next_step(|| format!("{}{}", self.go_on(id), self.answering(id, glance, call)));
            return format!("{id} waits for an answer. {next}");
        }
        let calls = || glance.calls.iter();
        if let Some(tool) = calls().find(|call| call.kind != TIMER && !KINDS.contains(&call.kind.as_str())) {
            let work = || self.line(&format!("work --kind {} --exec CMD", quoted(&tool.kind)));
            return format!("{id} waits for a worker: {}", self.next_step(work));
        }
        if let Some(file) = calls().find(|call| call.kind != TIMER) {
            let resume = || format!("Go on with: {}", self.invocation("resume", id, " --allow-read DIR"));
            return format!("{id} waits for {}. {}", file.kind, self.next_step(resume));
        }
        match calls().filter_map(|call| call.deadline).min() {
            Some(until) => format!("{id} sleeps until {}. {}", to_the_second(until), self.go_on(id)),
            None => format!("{id} waits. {}", self.go_on(id)),
        }
    }

    /// How to answer a call from a script.
    fn answering(&self, id: &str, glance: &Seen, call: &OpenCall) -> String {
        let named = if glance.calls.len() > 1 { format!(" --call {}", call.call_id) } else { String::new() };
        let how = format!("{named} {}", prompt::flag(call));
        format!("\n  or answer it with: {}", self.invocation("answer", id, &how))
    }
}

/// The question that is open, or the first of them.
fn asked(glance: &Seen) -> Option<&OpenCall> {
    let waits = glance.status == Status::WaitingCc;
    glance.calls.iter().find(|call| waits && call.kind == COGNITIVE)
}

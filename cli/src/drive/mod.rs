//! Driving an execution: show what it printed, have what it asks answered, go on. Telling where it stands is in `standing.rs`.

mod files;
mod ordinal;
mod rest;
mod standing;

use std::time::Duration;

use runstate::code::Code;
use runstate::domain::cvm::{OpenCall, Seen, ShowCall, Status, TIMER};
use runstate::time::Timestamp;
use serde_json::Value as Json;

use crate::answers::{Answers, Asked};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::granted::{Grants, KINDS};
use crate::session::Session;
use ordinal::Ordinals;

/// Between two looks at an execution that another process drives.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Who drives an execution, and with what.
pub struct Driver<'a> {
    session: &'a Session,
    id: &'a str,
    answers: &'a mut Answers,
    grants: &'a Grants,
    /// The program's name, once it was asked for.
    program: Option<String>,
    /// What was said last of what is waited for.
    waits_for: Option<String>,
    ordinals: Ordinals,
}

/// What is to be done next about the open calls.
enum Next {
    /// Their deadlines have passed.
    Wake,
    /// A file is to be read or written.
    File(usize),
    /// Somebody here is asked.
    Ask(usize),
    /// A timer, or others who are at it.
    Rest,
    /// Somebody else is to do something, and nobody does.
    Stop,
}

/// What became of a question.
enum Outcome {
    /// It is answered, here or elsewhere.
    Answered,
    /// It is open: the answer was refused, or its deadline has passed.
    Open,
    /// No answer came.
    Unanswered,
}

impl Session {
    /// Drives `id` to its end, or until nobody answers. What it printed before the look that said `seen` has been shown.
    pub async fn drive(&self, id: &str, answers: &mut Answers, grants: &Grants, seen: u64) -> Result<Exit, Failure> {
        let driver = Driver {
            session: self,
            id,
            answers,
            grants,
            program: None,
            waits_for: None,
            ordinals: Ordinals::default(),
        };
        driver.turns(seen).await.map_err(|failure| failure.driving(id, self.go_on(id)))
    }
}

impl Driver<'_> {
    async fn turns(mut self, mut seen: u64) -> Result<Exit, Failure> {
        let session = self.session;
        loop {
            let glance = session.show_new_lines(self.id, seen).await?;
            seen = glance.next;
            match glance.status {
                Status::WaitingCc => {}
                // Another process answered a moment ago, and runs it.
                Status::Running => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    session.cvm.next(self.id, None).await?;
                    continue;
                }
                _ => return session.tell(self.id, &glance).await,
            }
            if let Some(exit) = self.turn(glance).await? {
                return Ok(exit);
            }
        }
    }

    /// Has the open calls answered. `Some`: driving ends so; `None`: the execution is to be looked at again.
    async fn turn(&mut self, mut glance: Seen) -> Result<Option<Exit>, Failure> {
        let session = self.session;
        let mut answered = false;
        loop {
            let at = match self.next(&glance) {
                Next::Wake => {
                    session.cvm.wake(self.id).await?;
                    return Ok(None);
                }
                Next::File(at) => {
                    self.file(&glance.calls[at]).await?;
                    return Ok(None);
                }
                Next::Ask(at) => at,
                // Others may have answered since the calls were read.
                Next::Rest | Next::Stop if answered => return Ok(None),
                Next::Rest => {
                    self.rest(&glance).await;
                    return Ok(None);
                }
                Next::Stop => return session.stands(self.id, glance.next).await.map(Some),
            };
            match self.ask(&glance.calls[at], &glance).await? {
                Outcome::Unanswered => return self.nobody_answers(&glance.calls[at], &glance).await.map(Some),
                // A list answers at once: the calls that were asked together need not be read again for each answer.
                Outcome::Answered if matches!(self.answers, Answers::List(_)) => {}
                Outcome::Answered | Outcome::Open => return Ok(None),
            }
            glance.calls.remove(at);
            answered = true;
        }
    }

    fn next(&self, glance: &Seen) -> Next {
        let (calls, now) = (&glance.calls, self.session.engine.now());
        if calls.iter().any(|call| call.deadline.is_some_and(|at| at <= now)) {
            return Next::Wake;
        }
        let files = || calls.iter().position(|call| KINDS.contains(&call.kind.as_str()) && !call.is_held(now));
        let asks = || calls.iter().position(|call| is_asked(call) && self.answers.serves(&call.kind));
        if let Some(at) = files() {
            return Next::File(at);
        }
        match asks() {
            Some(at) => Next::Ask(at),
            None if calls.iter().all(|call| call.kind == TIMER || call.is_held(now)) => Next::Rest,
            None => Next::Stop,
        }
    }

    /// Has a question answered.
    async fn ask(&mut self, call: &OpenCall, glance: &Seen) -> Result<Outcome, Failure> {
        let session = self.session;
        let by_file = match session.resume(self.id) {
            Some(_) => session.invocation("answer", self.id, " --file F"),
            None => "less, or from a store on files: --store file:DIR".to_owned(),
        };
        let program = self.program(call).await?;
        let nth = match self.answers {
            Answers::List(_) => self.ordinals.of(&session.cvm, self.id, call).await?,
            _ => 0,
        };
        let asked = Asked { call, execution: self.id, program: &program, nth, by_file: &by_file };
        let due = glance.calls.iter().filter_map(|call| call.deadline).min();
        let answer = tokio::select! {
            answer = self.answers.answer(asked, session.out) => answer?,
            () = session.until(due) => {
                session.out.remark("\nthe time for an answer is over; going on");
                return Ok(Outcome::Open);
            }
        };
        let Some(answer) = answer else { return Ok(Outcome::Unanswered) };
        self.answer(call, answer).await
    }

    async fn answer(&mut self, call: &OpenCall, answer: Json) -> Result<Outcome, Failure> {
        let out = self.session.out;
        match self.session.cvm.answer(self.id, Some(&call.call_id), answer, None, None).await {
            Ok(_) => return Ok(Outcome::Answered),
            Err(error) if error.code == Code::AlreadyAnswered => {
                out.remark("somebody else answered that question meanwhile; going on");
                return Ok(Outcome::Answered);
            }
            Err(error) if error.code == Code::DeadlinePassed => {
                out.remark("that answer came too late: the time for it was over; going on");
            }
            Err(error) if error.code == Code::InvalidAnswer => self.answers.refused(call, error, out)?,
            Err(error) => return Err(error.into()),
        }
        Ok(Outcome::Open)
    }

    async fn nobody_answers(&self, call: &OpenCall, glance: &Seen) -> Result<Exit, Failure> {
        // A person at the terminal has it before them.
        if !matches!(self.answers, Answers::Terminal(_)) {
            self.session.question(call)?;
        }
        self.session.tell(self.id, glance).await
    }

    async fn program(&mut self, call: &OpenCall) -> Result<String, Failure> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let shown = self.session.engine.ask(&ShowCall { id: call.call_id.clone() }).await?;
        Ok(self.program.insert(shown.program_name).clone())
    }
}

/// Whether somebody is asked: a person, a model, a tool.
fn is_asked(call: &OpenCall) -> bool {
    call.kind != TIMER && !KINDS.contains(&call.kind.as_str())
}

impl Session {
    /// Comes back at that moment, or never.
    async fn until(&self, at: Option<Timestamp>) {
        let Some(at) = at else { return std::future::pending().await };
        let span = at.since(self.engine.now()).0;
        tokio::time::sleep(Duration::from_millis(u64::try_from(span).unwrap_or_default())).await;
    }
}

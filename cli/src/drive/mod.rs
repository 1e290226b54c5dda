//! Driving an execution: show what it printed, have what it asks answered, go on. Telling where it stands is in `standing.rs`.

mod files;
mod rest;
mod standing;

use std::time::Duration;

use runstate::code::Code;
use runstate::domain::cvm::{CC_HISTORY, OpenCall, Seen, ShowCall, Status, TIMER};
use runstate::schema::{Accumulator, Aggregate, Filter};
use runstate::time::Timestamp;
use serde_json::Value as Json;

use crate::answers::{Answers, Asked};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::granted::{Grants, KINDS};
use crate::session::Session;

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
}

/// What is to be done next about the open calls.
enum Next<'a> {
    /// Their deadlines have passed.
    Wake,
    /// A file is to be read or written.
    File(&'a OpenCall),
    /// Somebody here is asked.
    Ask(&'a OpenCall),
    /// A timer, or others who are at it.
    Rest,
    /// Somebody else is to do something, and nobody does.
    Stop,
}

impl Session {
    /// Drives `id` to its end, or until nobody answers. What it printed before the look that said `seen` has been shown.
    pub async fn drive(&self, id: &str, answers: &mut Answers, grants: &Grants, seen: u64) -> Result<Exit, Failure> {
        let driver = Driver { session: self, id, answers, grants, program: None, waits_for: None };
        driver.turns(seen).await.map_err(|failure| failure.driving(id, self.go_on(id)))
    }
}

impl Driver<'_> {
    async fn turns(mut self, mut seen: u64) -> Result<Exit, Failure> {
        let session = self.session;
        loop {
            let glance = session.cvm.glance(self.id, seen).await?;
            session.new_lines(&glance.lines)?;
            seen = glance.next;
            match glance.status {
                Status::WaitingCc => {}
                // Another process answered a moment ago, and runs it.
                Status::Running => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    session.cvm.next(self.id, None).await?;
                    continue;
                }
                _ => return session.tell(&session.cvm.show(self.id).await?),
            }
            match self.next(&glance) {
                Next::Wake => session.cvm.wake(self.id).await?,
                Next::File(call) => self.file(call).await?,
                Next::Ask(call) => {
                    if !self.ask(call, &glance).await? {
                        return self.nobody_answers(call).await;
                    }
                }
                Next::Rest => self.rest(&glance).await,
                Next::Stop => return session.stands(self.id, seen).await,
            }
        }
    }

    fn next<'b>(&self, glance: &'b Seen) -> Next<'b> {
        let (calls, now) = (&glance.calls, self.session.engine.now());
        if calls.iter().any(|call| call.deadline.is_some_and(|at| at <= now)) {
            return Next::Wake;
        }
        let files = || calls.iter().find(|call| KINDS.contains(&call.kind.as_str()) && !call.is_held(now));
        let asks = || calls.iter().find(|call| is_asked(call) && self.answers.serves(&call.kind));
        if let Some(call) = files() {
            return Next::File(call);
        }
        match asks() {
            Some(call) => Next::Ask(call),
            None if calls.iter().all(|call| call.kind == TIMER || call.is_held(now)) => Next::Rest,
            None => Next::Stop,
        }
    }

    /// Has a question answered; `false`: nobody answers.
    async fn ask(&mut self, call: &OpenCall, glance: &Seen) -> Result<bool, Failure> {
        let session = self.session;
        let by_file = match session.resume(self.id) {
            Some(_) => session.invocation("answer", self.id, " --file F"),
            None => "less, or from a store on files: --store file:DIR".to_owned(),
        };
        let program = self.program(call).await?;
        let nth = match self.answers {
            Answers::List(_) => self.nth(call).await?,
            _ => 0,
        };
        let asked = Asked { call, execution: self.id, program: &program, nth, by_file: &by_file };
        let due = glance.calls.iter().filter_map(|call| call.deadline).min();
        let answer = tokio::select! {
            answer = self.answers.answer(asked, session.out) => answer?,
            () = session.until(due) => {
                session.out.remark("\nthe time for an answer is over; going on");
                return Ok(true);
            }
        };
        let Some(answer) = answer else { return Ok(false) };
        self.answer(call, answer).await?;
        Ok(true)
    }

    async fn answer(&mut self, call: &OpenCall, answer: Json) -> Result<(), Failure> {
        let out = self.session.out;
        match self.session.cvm.answer(self.id, Some(&call.call_id), answer, None, None).await {
            Ok(_) => {}
            Err(error) if error.code == Code::AlreadyAnswered => {
                out.remark("somebody else answered that question meanwhile; going on");
            }
            Err(error) if error.code == Code::DeadlinePassed => {
                out.remark("that answer came too late: the time for it was over; going on");
            }
            Err(error) if error.code == Code::InvalidAnswer => self.answers.refused(call, error, out)?,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn nobody_answers(&self, call: &OpenCall) -> Result<Exit, Failure> {
        // A person at the terminal has it before them.
        if !matches!(self.answers, Answers::Terminal(_)) {
            self.session.question(call)?;
        }
        self.session.tell(&self.session.cvm.show(self.id).await?)
    }

    async fn program(&mut self, call: &OpenCall) -> Result<String, Failure> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let shown = self.session.engine.ask(&ShowCall { id: call.call_id.clone() }).await?;
        Ok(self.program.insert(shown.program_name).clone())
    }

    /// How many calls before this one were asked of somebody: timers and files answer themselves.
    async fn nth(&self, call: &OpenCall) -> Result<usize, Failure> {
        let themselves = KINDS.into_iter().chain([TIMER]).map(Json::from).collect();
        let before = Aggregate {
            collection: CC_HISTORY.name.to_owned(),
            filter: Filter::And(vec![
                Filter::Eq("executionId".to_owned(), self.id.into()),
                Filter::Lt("step".to_owned(), call.step.into()),
                Filter::Not(Box::new(Filter::In("kind".to_owned(), themselves))),
            ]),
            group_by: Vec::new(),
            accumulators: vec![("asked".to_owned(), Accumulator::Count)],
        };
        let store = self.session.engine.store();
        let rows = store.aggregate(&before).await.map_err(runstate::engine::Error::from)?;
        let asked = rows.first().and_then(|row| row.get("asked")).and_then(Json::as_u64).unwrap_or_default();
        Ok(usize::try_from(asked).unwrap_or(usize::MAX))
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

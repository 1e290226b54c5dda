//! Who plays a script: an engine on a simulated host, what it has started and claimed, and chance.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::Script;
use super::act::Act;
use super::seen;
use super::step::{ScriptStep, StepOutcome};
use crate::code::Code;
use crate::domain;
use crate::domain::cvm::{Backoff, Claimed, Fail, Load, Of, OpenCall, Start};
use crate::engine::{Cvm, Engine, Error, Pace};
use crate::id::CommandId;
use crate::limits::Settings;
use crate::store::Store;
use crate::testing::{SimHost, SimIds};
use crate::time::Millis;
use crate::value::{Json, canonical};

/// How many executions there are at once.
const RUNS: usize = 12;

/// How long a claim is held, and what a heartbeat adds.
const LEASE: Millis = Millis::seconds(20);

/// A step that changed something: it may be repeated.
type Sent = (String, Done);

/// What was sent, so that it can be sent once more.
#[derive(Clone)]
enum Done {
    Start(Start),
    Answer { run: String, call: Option<String>, answer: Json },
    AnswerKey { run: String, key: &'static str, answer: Json },
}

pub(super) struct Player<'a> {
    script: &'a Script,
    store: Arc<dyn Store>,
    host: SimHost,
    cvm: Cvm,
    chance: SimIds,
    /// The execution that the step is about.
    run: String,
    /// The step under way.
    n: u32,
    held: Vec<Claimed>,
    sent: Vec<Sent>,
}

impl<'a> Player<'a> {
    pub async fn on(store: Arc<dyn Store>, script: &'a Script) -> Result<Self, Error> {
        let host = SimHost { ids: SimIds::new(script.seed.wrapping_add(1)), ..SimHost::default() };
        let cvm = engine(&store, &host).await?.cvm();
        for (n, load) in script.programs.iter().enumerate() {
            cvm.load(load, Some(&command(&format!("load-{n}"))?)).await?;
        }
        let (run, n, held, sent) = Default::default();
        Ok(Self { script, store, host, cvm, chance: SimIds::new(script.seed), run, n, held, sent })
    }

    /// Does the next step.
    pub async fn step(&mut self, number: u32) -> Result<ScriptStep, Error> {
        self.n = number;
        self.host.clock.advance(Millis::seconds(1));
        let act = Act::by_chance(&self.chance);
        self.run = format!("run-{}", self.chance.below(RUNS));
        let outcome = match self.act(act).await {
            Ok(Some(result)) => StepOutcome::Applied { result: canonical(&result) },
            Ok(None) => StepOutcome::Idle,
            // What is refused is refused alike everywhere; what failed would have to be looked at.
            Err(error) if is_trouble(error.code) => return Err(error),
            Err(error) => StepOutcome::Rejected { code: error.code.as_str().to_owned(), message: error.message },
        };
        let (status, state_hash) = match self.cvm.show(&self.run).await {
            Ok(view) => (Some(view.status), view.state_hash),
            Err(error) if error.code == Code::NotFound => (None, None),
            Err(error) => return Err(error),
        };
        Ok(ScriptStep { number, act, execution: self.run.clone(), outcome, status, state_hash })
    }

    /// `None`: there is nothing to do.
    async fn act(&mut self, act: Act) -> Result<Option<Json>, Error> {
        let (cvm, run, id) = (self.cvm.clone(), self.run.clone(), command(&format!("step-{}", self.n))?);
        let id = Some(&id);
        match act {
            Act::Load => self.load_another(id).await,
            Act::Start => self.start().await,
            Act::Next => result(cvm.next(&run, id).await),
            Act::Answer => self.answer_some_call().await,
            Act::AnswerKey => {
                let (key, answer) = (["k", "k", "x", "nobody asks"][self.chance.below(4)], self.something());
                self.send(Done::AnswerKey { run, key, answer }).await
            }
            Act::AnswerWrong => {
                let call = self.some_call().await?.map(|call| call.call_id);
                result(cvm.answer(&run, call.as_deref(), json!({"no": ["answer"]}), None, id).await)
            }
            Act::Pause => result(cvm.pause(&run, id).await),
            Act::Unpause => result(cvm.unpause(&run, id).await),
            Act::Cancel => result(cvm.cancel(&run, id).await),
            Act::Retry => result(cvm.retry(&run, id).await),
            Act::Delete => result(cvm.delete(&run, id).await),
            Act::Claim => self.claim(id).await,
            Act::Heartbeat | Act::Complete | Act::Fail | Act::FailAgain | Act::Release => self.work(act, id).await,
            Act::RunDue => {
                let due = cvm.run_due(50, if self.n.is_multiple_of(3) { Pace::Slice } else { Pace::Stop }).await?;
                if due.is_nothing() { Ok(None) } else { result(Ok(due)) }
            }
            Act::Pass => {
                let spans = [1, 900, 5_000, 21_000, 61_000, 3_700_000, 90_000_000];
                result(Ok(self.host.clock.advance(Millis(spans[self.chance.below(spans.len())]))))
            }
            Act::Repeat => match self.chance.below(self.sent.len().max(1)) {
                which if which < self.sent.len() => {
                    let (id, sent) = self.sent[which].clone();
                    self.submit(&sent, &command(&id)?).await
                }
                _ => Ok(None),
            },
            Act::Look => seen::look(&cvm, self.chance.below(seen::LOOKS)).await.map(Some),
            Act::Restart => {
                self.cvm = engine(&self.store, &self.host).await?.cvm();
                Ok(Some(Json::Null))
            }
        }
    }

    /// One of the programs with another source, which is its next version.
    async fn load_another(&mut self, id: Option<&CommandId>) -> Result<Option<Json>, Error> {
        let Some(load) = self.some_program().cloned() else { return Ok(None) };
        result(self.cvm.load(&Load { source: format!("{}// {}\n", load.source, self.n), ..load }, id).await)
    }

    fn some_program(&self) -> Option<&Load> {
        self.script.programs.get(self.chance.below(self.script.programs.len()))
    }

    async fn start(&mut self) -> Result<Option<Json>, Error> {
        let program = self.some_program().map_or("missing", |program| &program.name).to_owned();
        let start = Start::of(&program).id(&self.run).input(self.something());
        self.send(Done::Start(start)).await
    }

    /// Answers a call as it wants to be answered.
    async fn answer_some_call(&mut self) -> Result<Option<Json>, Error> {
        let (call, answer) = match self.some_call().await? {
            Some(call) => (Some(call.call_id.clone()), self.fitting(&call)),
            None => (None, self.something()),
        };
        self.send(Done::Answer { run: self.run.clone(), call, answer }).await
    }

    async fn send(&mut self, sent: Done) -> Result<Option<Json>, Error> {
        let id = format!("step-{}", self.n);
        self.sent.push((id.clone(), sent.clone()));
        self.submit(&sent, &command(&id)?).await
    }

    async fn submit(&self, sent: &Done, id: &CommandId) -> Result<Option<Json>, Error> {
        let id = Some(id);
        match sent {
            Done::Start(start) => result(self.cvm.start(start, id).await),
            Done::Answer { run, call, answer } => {
                result(self.cvm.answer(run, call.as_deref(), answer.clone(), None, id).await)
            }
            Done::AnswerKey { run, key, answer } => {
                result(self.cvm.answer_key(run, key, 1, answer.clone(), Some("early".to_owned()), id).await)
            }
        }
    }

    async fn claim(&mut self, id: Option<&CommandId>) -> Result<Option<Json>, Error> {
        let kinds: &[&str] = [&["cc"][..], &["search"], &["cc", "search", "write"]][self.chance.below(3)];
        let of = Of::Kinds(kinds.iter().map(|kind| (*kind).to_owned()).collect());
        let work = self.cvm.claim_as(of, &format!("worker-{}", self.chance.below(2)), LEASE, id).await?;
        let Some(work) = work else { return Ok(None) };
        self.run.clone_from(&work.claimed.execution);
        self.held.push(work.claimed.clone());
        result(Ok(work.claimed))
    }

    /// What a worker does with something it has claimed, some time ago perhaps.
    async fn work(&mut self, act: Act, id: Option<&CommandId>) -> Result<Option<Json>, Error> {
        let recent = self.held.len().saturating_sub(4);
        let Some(claimed) = self.held.get(recent + self.chance.below(self.held.len() - recent)).cloned() else {
            return Ok(None);
        };
        self.run.clone_from(&claimed.execution);
        match act {
            Act::Heartbeat => result(self.cvm.heartbeat(&claimed, LEASE).await),
            Act::Release => result(self.cvm.release(&claimed).await),
            Act::Complete => {
                let calls = self.cvm.show(&self.run).await?.calls;
                let call = calls.into_iter().find(|call| call.call_id == claimed.call);
                let answer = call.map_or(Json::Null, |call| self.fitting(&call));
                result(self.cvm.complete(&claimed, answer, Some("worker".to_owned()), id).await)
            }
            _ => {
                let backoff = Backoff { attempts: 2, initial: Millis::seconds(4), longest: Millis::minutes(1) };
                let Claimed { execution, call, token, .. } = claimed;
                let message = "it broke".to_owned();
                let retry = (act == Act::FailAgain).then_some(backoff);
                result(self.cvm.fail(&Fail { execution, call, token, message, name: None, retry, by: None }, id).await)
            }
        }
    }

    /// An open call of the execution.
    async fn some_call(&self) -> Result<Option<OpenCall>, Error> {
        let mut calls = match self.cvm.show(&self.run).await {
            Ok(view) => view.calls,
            Err(error) if error.code == Code::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let which = self.chance.below(calls.len());
        Ok((which < calls.len()).then(|| calls.swap_remove(which)))
    }

    fn fitting(&self, call: &OpenCall) -> Json {
        match &call.choices {
            Some(choices) => choices.get(self.chance.below(choices.len())).cloned().unwrap_or_default(),
            None if call.schema.is_some() => json!(self.chance.below(1_000)),
            None => self.something(),
        }
    }

    /// A plain value, of those that are written differently where somebody is careless.
    fn something(&self) -> Json {
        let n = self.chance.below(1_000_000);
        match n % 9 {
            0 => json!(f64::from(u32::try_from(n).unwrap_or_default()) / 7.0),
            1 => json!({"z": n, "a": {"\u{e9}": [true, null], "\u{1f980}": "\u{2028}"}}),
            2 => json!([1e21, 5e-324, -1.5, 9_007_199_254_740_991_i64]),
            3 => json!("tab\t \"quoted\" \u{1f980}\u{0}"),
            4 => json!("x".repeat(n % 700)),
            5 => Json::Null,
            _ => json!(format!("answer {n}")),
        }
    }
}

/// What the engine returned, as JSON.
fn result<T: Serialize>(result: Result<T, Error>) -> Result<Option<Json>, Error> {
    seen::told(result).map(Some)
}

async fn engine(store: &Arc<dyn Store>, host: &SimHost) -> Result<Engine, Error> {
    let catalog = domain::catalog().map_err(|e| Error::internal(e.to_string()))?;
    // Slices are a choice of the host; here all choose the same, and small ones, so that there are some.
    let settings = Settings { slice_instructions: 500, retention: Some(Millis::days(1)), ..Settings::default() };
    Engine::new(store.clone(), Arc::new(host.clone()), catalog, settings).await
}

fn command(id: &str) -> Result<CommandId, Error> {
    CommandId::new(id).map_err(|e| Error::internal(e.to_string()))
}

/// Whether the store or the engine failed, rather than the command was refused.
fn is_trouble(code: Code) -> bool {
    use Code::{Corrupt, Full, Internal, Io, NewerVersion, ReadOnly, Unavailable, Unknown, Unsupported};
    matches!(code, Corrupt | Full | Internal | Io | NewerVersion | ReadOnly | Unavailable | Unknown | Unsupported)
}

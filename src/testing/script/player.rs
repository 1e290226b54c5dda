//! The player of a script: an engine on a simulated host, its claims and sent commands, and a source of random choices.

use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::CommandId;
use runstate_core::lease::ClaimTarget;
use runstate_core::operation::Backoff;
use runstate_domain_cvm::Settings;
use runstate_domain_cvm::{CallView, Cancel, ClaimedCall, Fail, Load, Start};
use runstate_engine::testing::SimHost;
use runstate_engine::{Engine, Error, RunLimit};
use runstate_store::Store;
use runstate_store::testing::SimIds;
use runstate_value::time::Millis;
use runstate_value::{Json, canonical_json};
use serde::Serialize;
use serde_json::json;

use super::{QUERIES, Script, ScriptAction, ScriptStep, StepOutcome, run_query, to_json};
use crate::client::Answer;
use crate::client::Cvm;
use crate::domain;

/// Number of distinct executions.
const EXECUTIONS: usize = 12;

/// The lease of a claim, and of a heartbeat.
const LEASE: Millis = Millis::seconds(20);

/// A command that was sent, with its id, so that it can be repeated.
type SentCommand = (String, RepeatableCommand);

/// A command that can be repeated.
#[derive(Clone)]
enum RepeatableCommand {
    Start(Start),
    Answer { execution: String, call: Option<String>, answer: Json },
    AnswerKey { execution: String, key: &'static str, answer: Json },
}

pub(super) struct Player<'a> {
    script: &'a Script,
    store: Arc<dyn Store>,
    host: SimHost,
    cvm: Cvm,
    random: SimIds,
    /// The execution of the current step.
    execution: String,
    /// The current step.
    step_number: u32,
    claims: Vec<ClaimedCall>,
    sent_commands: Vec<SentCommand>,
}

impl<'a> Player<'a> {
    pub async fn new(store: Arc<dyn Store>, script: &'a Script) -> Result<Self, Error> {
        let host = SimHost { ids: SimIds::new(script.seed.wrapping_add(1)), ..SimHost::default() };
        let cvm = Cvm::new(&engine(&store, &host).await?);
        for (n, load) in script.programs.iter().enumerate() {
            cvm.with_id(&command_id(&format!("load-{n}"))?).load(load).await?;
        }
        let (execution, step_number, claims, sent_commands) = Default::default();
        Ok(Self {
            script,
            store,
            host,
            cvm,
            random: SimIds::new(script.seed),
            execution,
            step_number,
            claims,
            sent_commands,
        })
    }

    /// Performs the next step.
    pub async fn step(&mut self, number: u32) -> Result<ScriptStep, Error> {
        self.step_number = number;
        self.host.clock.advance(Millis::seconds(1));
        let action = ScriptAction::random(&self.random);
        self.execution = format!("run-{}", self.random.below(EXECUTIONS));
        let outcome = match self.perform(action).await {
            Ok(Some(result)) => StepOutcome::Applied { result: canonical_json(&result) },
            Ok(None) => StepOutcome::Idle,
            // A rejection is the same on every store. A failure of the infrastructure ends the script.
            Err(error) if is_infrastructure_error(error.code) => return Err(error),
            Err(error) => StepOutcome::Rejected { code: error.code.as_str().to_owned(), message: error.message },
        };
        let (status, state_hash) = match self.cvm.show(&self.execution).await {
            Ok(view) => (Some(view.status), view.state_hash),
            Err(error) if error.code == ErrorCode::NOT_FOUND => (None, None),
            Err(error) => return Err(error),
        };
        Ok(ScriptStep { number, act: action, execution: self.execution.clone(), outcome, status, state_hash })
    }

    /// Performs an action. `None`: it is not applicable.
    async fn perform(&mut self, action: ScriptAction) -> Result<Option<Json>, Error> {
        let (cvm, execution, id) =
            (self.cvm.clone(), self.execution.clone(), command_id(&format!("step-{}", self.step_number))?);
        let id = Some(&id);
        match action {
            ScriptAction::Load => self.load_another(id).await,
            ScriptAction::Start => self.start().await,
            ScriptAction::Next => to_result(cvm.with_id(id).resume(&execution).await),
            ScriptAction::Answer => self.answer_random_call().await,
            ScriptAction::AnswerKey => {
                let (key, answer) = (["k", "k", "x", "unasked"][self.random.below(4)], self.random_value());
                self.send(RepeatableCommand::AnswerKey { execution, key, answer }).await
            }
            ScriptAction::AnswerWrong => {
                let call = self.random_call().await?.map(|call| call.id);
                to_result(
                    cvm.with_id(id).answer(&execution, answer_to(call.as_deref(), json!({"no": ["answer"]}))).await,
                )
            }
            ScriptAction::Pause => to_result(cvm.with_id(id).pause(&execution).await),
            ScriptAction::Unpause => to_result(cvm.with_id(id).unpause(&execution).await),
            ScriptAction::Cancel => {
                let cancel = Cancel { graceful: self.step_number.is_multiple_of(2), ..Cancel::new(&execution) };
                to_result(cvm.with_id(id).cancel_with(&cancel).await)
            }
            ScriptAction::Retry => to_result(cvm.with_id(id).retry(&execution).await),
            ScriptAction::Delete => to_result(cvm.with_id(id).delete(&execution).await),
            ScriptAction::Claim => self.claim(id).await,
            ScriptAction::Heartbeat
            | ScriptAction::Complete
            | ScriptAction::Fail
            | ScriptAction::FailAgain
            | ScriptAction::Release => self.work(action, id).await,
            ScriptAction::RunDue => {
                let due = cvm
                    .engine()
                    .run_due(50, if self.step_number.is_multiple_of(3) { RunLimit::Slice } else { RunLimit::Stop })
                    .await?;
                if due.is_empty() { Ok(None) } else { to_result(Ok(due)) }
            }
            ScriptAction::Pass => {
                let spans = [1, 900, 5_000, 21_000, 61_000, 3_700_000, 90_000_000];
                to_result(Ok(self.host.clock.advance(Millis(spans[self.random.below(spans.len())]))))
            }
            ScriptAction::Repeat => match self.random.below(self.sent_commands.len().max(1)) {
                number if number < self.sent_commands.len() => {
                    let (id, command) = self.sent_commands[number].clone();
                    self.submit(&command, &command_id(&id)?).await
                }
                _ => Ok(None),
            },
            ScriptAction::Look => run_query(&cvm, self.random.below(QUERIES)).await.map(Some),
            ScriptAction::Restart => {
                self.cvm = Cvm::new(&engine(&self.store, &self.host).await?);
                Ok(Some(Json::Null))
            }
        }
    }

    /// Loads one of the programs with another source, which becomes its next version.
    async fn load_another(&mut self, id: Option<&CommandId>) -> Result<Option<Json>, Error> {
        let Some(load) = self.random_program().cloned() else { return Ok(None) };
        to_result(
            self.cvm
                .with_id(id)
                .load(&Load { source: format!("{}// {}\n", load.source, self.step_number), ..load })
                .await,
        )
    }

    fn random_program(&self) -> Option<&Load> {
        self.script.programs.get(self.random.below(self.script.programs.len()))
    }

    async fn start(&mut self) -> Result<Option<Json>, Error> {
        let program = self.random_program().map_or("missing", |program| &program.name).to_owned();
        let start = Start::new(&program).id(&self.execution).input(self.random_value());
        self.send(RepeatableCommand::Start(start)).await
    }

    /// Answers a random call with a valid answer.
    async fn answer_random_call(&mut self) -> Result<Option<Json>, Error> {
        let (call, answer) = match self.random_call().await? {
            Some(call) => (Some(call.id.clone()), self.valid_answer(&call)),
            None => (None, self.random_value()),
        };
        self.send(RepeatableCommand::Answer { execution: self.execution.clone(), call, answer }).await
    }

    async fn send(&mut self, command: RepeatableCommand) -> Result<Option<Json>, Error> {
        let id = format!("step-{}", self.step_number);
        self.sent_commands.push((id.clone(), command.clone()));
        self.submit(&command, &command_id(&id)?).await
    }

    async fn submit(&self, command: &RepeatableCommand, id: &CommandId) -> Result<Option<Json>, Error> {
        let id = Some(id);
        match command {
            RepeatableCommand::Start(start) => {
                to_result(self.cvm.with_id(id).start(start).await.map(runstate_domain_cvm::ExecutionStatus::from))
            }
            RepeatableCommand::Answer { execution, call, answer } => {
                to_result(self.cvm.with_id(id).answer(execution, answer_to(call.as_deref(), answer.clone())).await)
            }
            RepeatableCommand::AnswerKey { execution, key, answer } => to_result(
                self.cvm
                    .with_id(id)
                    .answer(execution, Answer::to_key(*key).by("early".to_owned()).value(answer.clone()))
                    .await,
            ),
        }
    }

    async fn claim(&mut self, id: Option<&CommandId>) -> Result<Option<Json>, Error> {
        let kinds: &[&str] = [&["cc"][..], &["search"], &["cc", "search", "write"]][self.random.below(3)];
        let target = ClaimTarget::Kinds(kinds.iter().map(|kind| (*kind).to_owned()).collect());
        let work =
            self.cvm.with_id(id).claim_target(target, &format!("worker-{}", self.random.below(2)), LEASE).await?;
        let Some(work) = work else { return Ok(None) };
        self.execution.clone_from(&work.claimed.execution);
        self.claims.push(work.claimed.clone());
        to_result(Ok(work.claimed))
    }

    /// Performs a worker's action on a recent claim, which may have expired.
    async fn work(&mut self, action: ScriptAction, id: Option<&CommandId>) -> Result<Option<Json>, Error> {
        let recent = self.claims.len().saturating_sub(4);
        let Some(claimed) = self.claims.get(recent + self.random.below(self.claims.len() - recent)).cloned() else {
            return Ok(None);
        };
        self.execution.clone_from(&claimed.execution);
        match action {
            ScriptAction::Heartbeat => to_result(self.cvm.heartbeat(&claimed, LEASE).await),
            ScriptAction::Release => to_result(self.cvm.release(&claimed).await),
            ScriptAction::Complete => {
                let calls = self.cvm.show(&self.execution).await?.calls;
                let call = calls.into_iter().find(|call| call.id == claimed.call);
                let answer = call.map_or(Json::Null, |call| self.valid_answer(&call));
                to_result(self.cvm.with_id(id).complete(&claimed, Answer::from(answer).by("worker".to_owned())).await)
            }
            _ => {
                let backoff = Backoff { attempts: 2, initial: Millis::seconds(4), longest: Millis::minutes(1) };
                let ClaimedCall { execution, call, token, .. } = claimed;
                let message = "it broke".to_owned();
                let retry = (action == ScriptAction::FailAgain).then_some(backoff);
                let fail = Fail { execution, call, token, message, retry, ..Fail::default() };
                to_result(self.cvm.with_id(id).fail(&fail).await)
            }
        }
    }

    /// A random open call of the execution.
    async fn random_call(&self) -> Result<Option<CallView>, Error> {
        let mut calls = match self.cvm.show(&self.execution).await {
            Ok(view) => view.calls,
            Err(error) if error.code == ErrorCode::NOT_FOUND => return Ok(None),
            Err(error) => return Err(error),
        };
        let index = self.random.below(calls.len());
        Ok((index < calls.len()).then(|| calls.swap_remove(index)))
    }

    fn valid_answer(&self, call: &CallView) -> Json {
        match &call.choices {
            Some(choices) => choices.get(self.random.below(choices.len())).cloned().unwrap_or_default(),
            None if call.schema.is_some() => json!(self.random.below(1_000)),
            None => self.random_value(),
        }
    }

    /// A plain value. Some of these are encoded differently by a careless encoder.
    fn random_value(&self) -> Json {
        let n = self.random.below(1_000_000);
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

/// The engine's result as JSON.
fn to_result<T: Serialize>(result: Result<T, Error>) -> Result<Option<Json>, Error> {
    to_json(result).map(Some)
}

async fn engine(store: &Arc<dyn Store>, host: &SimHost) -> Result<Engine, Error> {
    // The host chooses the slice size. All hosts use the same size here, a small one, so that programs need several
    // slices.
    let settings = Settings { slice_instructions: 500, retention: Some(Millis::days(1)), ..Settings::default() };
    Engine::with_settings(store.clone(), Arc::new(host.clone()), domain::ALL, settings).await
}

fn command_id(id: &str) -> Result<CommandId, Error> {
    CommandId::new(id).map_err(|e| Error::internal(e.to_string()))
}

/// Whether the store or the engine failed, as opposed to a rejected command.
fn is_infrastructure_error(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CORRUPT
            | ErrorCode::FULL
            | ErrorCode::INTERNAL
            | ErrorCode::IO
            | ErrorCode::NEWER_VERSION
            | ErrorCode::READ_ONLY
            | ErrorCode::UNAVAILABLE
            | ErrorCode::UNKNOWN_OUTCOME
            | ErrorCode::UNSUPPORTED
    )
}

/// An answer to this call, or to the only open one.
fn answer_to(call: Option<&str>, value: impl Into<Json>) -> Answer {
    call.map_or_else(|| Answer::from(Json::Null), Answer::to_call).value(value)
}

//! The commands of workers. A worker claims a step by its name, for the duration of a lease, and completes or fails it.

use runstate_core::lease::{
    Claim, ClaimSelection, ClaimTarget, LEASE, Leased, NextAvailable, check_retry_after, claimed, next_attempt_after,
    shorten_message,
};
use runstate_core::prelude::*;
use serde_json::json;

use super::work::StepWork;
use super::{QueuedStep, Step, StepEvent};
use crate::codes;
use crate::configuration::{FieldDefinition, schema_mismatch};
use crate::execution::{AppExecution, AppExecutionSummary, ExecutionDocuments, check_bytes};
use crate::secret::{GuardedValue, SecretTexts};
use crate::settings::AppsSettings;

/// Longest message or name of an error that is kept, in bytes.
const MESSAGE_BYTES: usize = 4 * 1024;

pub(super) fn execution_of(step: &str) -> Key {
    Key::new(&AppExecution::COLLECTION, parse_id(step).0)
}

/// The execution and the number of a step. An id that is not one of a step has no documents, so the number does not
/// matter.
fn parse_id(step: &str) -> (&str, Option<i64>) {
    let (execution, number) = step.rsplit_once(':').unwrap_or((step, ""));
    (execution, number.parse().ok())
}

fn reads(view: &View, step: &str) -> ReadSet {
    let (execution, number) = parse_id(step);
    ExecutionDocuments::reads(view, execution, number)
}

/// Claims one step of the given names that is ready, for a worker until its lease ends. The result is null if there is
/// none.
///
/// Errors: `limit` (more than 16 names).
#[derive(Debug, Operation)]
#[operation(name = QueuedStep::NAMES.claim, command = Claim<QueuedStep>, result = Option<StepWork>)]
pub struct ClaimStep {
    /// The names of steps, at most 16.
    names: Vec<String>,
    /// The name of the worker, for people.
    owner: String,
    /// How long the claim lasts without a heartbeat, in milliseconds, from 1 second to 30 days; by default 30 seconds.
    #[operation(name = "leaseMs", default = LEASE)]
    lease: Millis,
    /// Only steps of the app with this number.
    app_id: Option<i64>,
    /// Whether to take the step that may be claimed for the longest time. By default it is one of the oldest, so that
    /// workers hinder each other less.
    oldest_first: bool,
}

impl From<ClaimStep> for Claim<QueuedStep> {
    fn from(ClaimStep { names, owner, lease, app_id, oldest_first }: ClaimStep) -> Self {
        let selection = ClaimSelection { only: app_id.map(QueuedStep::of_app), oldest_first };
        Self::new(ClaimTarget::Kinds(names), owner, lease).select(selection)
    }
}

/// Completes a claimed step with its output. The steps that depend on it may be claimed then.
///
/// Errors: `stale_claim`, `invalid_output` (it does not have the declared fields, or does not match its schema, or the
/// metadata do not), `limit` (its size), `key_missing` (it has secrets, and the store has no keys).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.step.complete")]
pub struct CompleteStep {
    /// The id of the step.
    #[operation(subject)]
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The output.
    #[operation(json)]
    pub output: Option<Json>,
    /// Further information, which replaces that of an earlier attempt.
    pub metadata: Option<Document>,
}

impl Command for CompleteStep {
    type Output = AppExecutionSummary;

    fn subject(&self) -> Option<Key> {
        Some(execution_of(&self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AppExecutionSummary>> {
        let queued = claimed::<QueuedStep>(view, &self.id, self.token)?;
        let step_id = queued.entity.step_id;
        let mut documents = ExecutionDocuments::load(view, ctx, &queued.entity.execution_id)?;
        let output = self.output.clone().unwrap_or_default();
        check_bytes("an output", &output, &AppsSettings::of(ctx))?;
        let definition = documents.definition(step_id)?.clone();
        let metadata = self.metadata.clone().map(Json::Object);
        if step_id > 0 {
            let declared = definition.output.as_deref();
            let mut mismatch = declared.and_then(|fields| FieldDefinition::mismatch(fields, "output", &output));
            if mismatch.is_none() {
                mismatch = schema_mismatch(view, definition.output_schema.as_ref(), "output", &output)?;
            }
            if let Some(metadata) = metadata.as_ref().filter(|_| mismatch.is_none()) {
                mismatch = schema_mismatch(view, definition.metadata_schema.as_ref(), "metadata", metadata)?;
            }
            if let Some((path, reason)) = mismatch {
                let message = format!("{path} of step `{}` {reason}; nothing was changed", self.id);
                return Err(Rejection::Domain { code: codes::INVALID_OUTPUT, message, details: json!({"path": path}) });
            }
        }
        let step = documents.step(step_id)?;
        if let Some(metadata) = metadata {
            let metadata = step.guard(view, definition.metadata_schema.as_ref(), "metadata", metadata)?;
            step.metadata = metadata.redacted.as_object().cloned().unwrap_or_default();
            step.secret_metadata = metadata.clear;
        }
        let guard = |output| step.guard(view, definition.output_schema.as_ref(), "output", output);
        let output = self.output.clone().map(guard).transpose()?;
        let item = queued.key().clone();
        documents.complete(queued, output)?;
        Ok(documents.decide()?.with_item(item))
    }
}

/// Reports that a worker failed to do a step. It is tried again later as its configuration says. After the last attempt
/// it has failed, and its execution fails or continues with other steps.
///
/// Errors: `stale_claim`, `invalid` (the wait).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.step.fail")]
pub struct FailStep {
    /// The id of the step.
    #[operation(subject)]
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The message of the error.
    pub message: String,
    /// The name of the error.
    pub name: Option<String>,
    /// The output so far, which is kept.
    #[operation(json)]
    pub output: Option<Json>,
    /// Whether another attempt is useless.
    pub permanent: bool,
    /// The shortest wait until the next attempt, in milliseconds, at most a day; by default the configuration decides alone.
    #[operation(name = "retryAfterMs")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Millis>,
}

/// A step after a failed attempt.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct FailedStep {
    /// When it may be claimed again; null: it has failed for the last time.
    pub retry_at: Option<Timestamp>,
    /// Its execution.
    pub execution: AppExecutionSummary,
}

impl Step {
    /// Guards a value that its worker reports: the secrets of its schema, and those of the input that it repeats.
    fn guard(&self, view: &View, schema: Option<&Document>, name: &str, value: Json) -> Result<GuardedValue> {
        let guarded = GuardedValue { redacted: value, clear: None };
        let schema = schema.filter(|_| self.step_id > 0);
        let guarded = guarded.guard(schema).hide(&SecretTexts::of(&self.guarded_input()));
        guarded.check_keys(view, &format!("the {name} of step `{}`", self.id)).map(|()| guarded)
    }
}

/// The decision that the attempt of a claimed step has failed.
pub(super) fn end_attempt(
    view: &View,
    ctx: &Ctx,
    mut queued: LoadedEntity<QueuedStep>,
    error: Json,
    output: Option<&Json>,
    permanent: bool,
    retry_after: Option<Millis>,
) -> Result<Decision<FailedStep>> {
    let (step_id, attempts) = (queued.entity.step_id, queued.entity.lease.attempts);
    let mut documents = ExecutionDocuments::load(view, ctx, &queued.entity.execution_id)?;
    let definition = documents.definition(step_id)?;
    let retry = documents.configuration.retry(definition, definition.undo(step_id));
    let schema = definition.output_schema.clone();
    // Without the row of the step the error has no input to repeat.
    let found = view.find_entity::<Step>(&queued.entity.id)?.map(|found| found.entity);
    let mut error = found.map_or_else(Default::default, |step| SecretTexts::of(&step.guarded_input())).redact(error);
    // After that: the beginning of a secret would not be found.
    for text in error.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        if let Json::String(text) = text {
            *text = shorten_message(text, MESSAGE_BYTES);
        }
    }
    if let Some(output) = output {
        let step = documents.step(step_id)?;
        let output = step.guard(view, schema.as_ref(), "output", output.clone())?;
        step.set_output(Some(output));
    }
    if documents.is_closed(step_id)? {
        // Without the row of the step the execution must end too.
        if view.find_entity::<Step>(&queued.entity.id)?.is_some() {
            let step = documents.step(step_id)?;
            step.apply(StepEvent::FailAttempt)?;
            step.error = Some(error);
            step.retry_count += 1;
        }
        documents.close(queued)?;
        return Ok(documents.decide()?.map(|execution| FailedStep { retry_at: None, execution }));
    }
    let step = documents.step(step_id)?;
    if permanent || retry.max_attempts.is_some_and(|most| attempts >= most) {
        documents.fail(queued, error)?;
        return Ok(documents.decide()?.map(|execution| FailedStep { retry_at: None, execution }));
    }
    step.apply(StepEvent::FailAttempt)?;
    step.error = Some(error);
    step.retry_count += 1;
    let [a, b, c, d, ..] = ctx.seed("jitter");
    let random = f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX);
    let retry_at = next_attempt_after(ctx.now + retry.wait(attempts, random), ctx.now, retry_after);
    queued.entity.make_available(retry_at);
    let execution = documents.head.entity.summary();
    documents.decide_free_step(step_id, queued, FailedStep { retry_at: Some(retry_at), execution })
}

impl Command for FailStep {
    type Output = FailedStep;

    fn check(&self) -> Result<()> {
        check_retry_after(self.retry_after)
    }

    fn subject(&self) -> Option<Key> {
        Some(execution_of(&self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<FailedStep>> {
        let queued = claimed::<QueuedStep>(view, &self.id, self.token)?;
        if let Some(output) = &self.output {
            check_bytes("an output", output, &AppsSettings::of(ctx))?;
        }
        let mut error = json!({"message": self.message});
        if let Some(name) = &self.name {
            error["name"] = name.as_str().into();
        }
        let item = queued.key().clone();
        let decision = end_attempt(view, ctx, queued, error, self.output.as_ref(), self.permanent, self.retry_after)?;
        Ok(decision.with_item(item))
    }
}

/// Returns the time from which a step of these names may be claimed; null: none is open. A time in the past means now.
/// A claimed step is not open.
///
/// The result may miss recent commits of other processes. Errors: `limit` (more than 16 names).
#[derive(Debug, Operation)]
#[operation(name = QueuedStep::NAMES.next_available, query, command = NextAvailable<QueuedStep>)]
pub struct NextAvailableStep {
    /// The names of steps, at most 16.
    names: Vec<String>,
    /// Only steps of the app with this number.
    app_id: Option<i64>,
}

impl From<NextAvailableStep> for NextAvailable<QueuedStep> {
    fn from(parameters: NextAvailableStep) -> Self {
        Self::new(&parameters.names).only(parameters.app_id.map(QueuedStep::of_app))
    }
}

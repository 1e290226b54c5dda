//! The commands of workers. A worker claims a step by its name, for the duration of a lease, and completes or fails it.
//! Its fencing token distinguishes it from a worker that had claimed the step before.

use std::any::Any;

use runstate_core::decision::{
    AnyCommand, Command, Ctx, Decision, DomainQuery, Lifecycle, LoadedEntity, Ports, ReadSet, Rejection, TypedQuery,
    View,
};
use runstate_core::lease::{self, KIND_QUERIES, LEASE};
use runstate_core::operation::Operation;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Entity, Filter, Freshness, Key, Query};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::work::StepWork;
use super::{QueuedStep, Step, StepEvent};
use crate::codes;
use crate::configuration::FieldDefinition;
use crate::execution::{AppExecution, AppExecutionSummary, ExecutionDocuments, check_bytes};
use crate::settings::AppsSettings;

/// The kinds of items, in messages.
const NAMES: &str = "names of steps";

/// How long a step is kept whose execution is missing.
const ORPHAN_KEPT: Millis = Millis::days(1);

/// Longest message of an error that is kept, in bytes.
const MESSAGE_BYTES: usize = 4 * 1024;

/// The key of the execution of a step.
fn execution_of(step: &str) -> Key {
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

/// The row of a step that a worker has claimed under this token.
fn claimed(view: &View, step: &str, token: u64) -> Result<LoadedEntity<QueuedStep>, Rejection> {
    let queued = view.find_entity::<QueuedStep>(step)?.ok_or_else(|| QueuedStep::stale_claim(step, token))?;
    queued.entity.require_claim(token)?;
    Ok(queued)
}

/// Claims one step of the given names that is ready, for a worker until its lease ends. The result is null if there is
/// none.
///
/// Errors: `limit` (more than 16 names).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.step.claim", result = Option<StepWork>)]
pub struct ClaimStep {
    /// The names of steps, at most 16.
    pub names: Vec<String>,
    /// The name of the worker, for people.
    pub owner: String,
    /// How long the claim lasts without a heartbeat, in milliseconds, from 1 second to 30 days; by default 30 seconds.
    #[operation(name = "leaseMs", default = LEASE)]
    pub lease: Millis,
}

/// The result of a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepClaim {
    /// The claim; `None`: no step is ready.
    pub claimed: Option<ClaimedStep>,
    /// The claimed step, if this attempt claimed it. A repeat reads it.
    #[serde(skip)]
    pub step: Option<Box<Step>>,
}

/// A claimed step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedStep {
    /// Its id.
    pub id: String,
    /// Its execution.
    pub execution_id: String,
    /// Its number.
    pub step_id: i64,
    /// Its name.
    pub step_name: String,
    /// The fencing token, which completing the step needs.
    pub token: u64,
    /// The end of the lease.
    pub until: Timestamp,
    /// Number of attempts, this one included.
    pub attempts: u32,
}

/// Reads a claimed step for a repeated claim.
struct ClaimedStepDetails {
    id: String,
}

impl DomainQuery for ClaimedStepDetails {
    const NAME: &'static str = "apps.claimed_step";
    type Output = Option<Step>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Step>(&self.id)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<Step>, Rejection> {
        Ok(view.find_entity(&self.id)?.map(|found| found.entity))
    }
}

/// Lets a step wait that cannot be claimed, ever longer. One whose execution is missing is removed after a day: an
/// import inserts it before its execution.
fn pass_over(
    decision: Decision<StepClaim>,
    mut queued: LoadedEntity<QueuedStep>,
    is_orphan: bool,
    now: Timestamp,
) -> Result<Decision<StepClaim>, Rejection> {
    let row = &mut queued.entity;
    let since = *row.skipped_since.get_or_insert(now);
    if is_orphan && now.since(since) >= ORPHAN_KEPT {
        return Ok(decision.change(queued.delete()));
    }
    row.available_at = Some(lease::skipped_until(since, now));
    decision.save(queued, now)
}

impl ClaimStep {
    /// The claim of this step.
    fn claim_step(
        &self,
        view: &View,
        ctx: &Ctx,
        mut queued: LoadedEntity<QueuedStep>,
    ) -> Result<Decision<StepClaim>, Rejection> {
        let mut documents = ExecutionDocuments::load(view, ctx, &queued.entity.execution_id)?;
        let step_id = queued.entity.step_id;
        let input = documents.input(step_id)?;
        let timeout = documents.configuration.timeout(documents.definition(step_id)?);
        let step = documents.step(step_id)?;
        step.apply(StepEvent::Claim(ctx.now))?;
        if let Err(too_large) = check_bytes("an input", &input, &AppsSettings::of(ctx)) {
            documents.fail(queued, json!({"message": too_large.to_string(), "name": "InputTooLarge"}))?;
            return Ok(documents.decide()?.map(|_| StepClaim::default()));
        }
        step.input = Some(input);
        let (row, step) = (&mut queued.entity, step.clone());
        row.attempts = row.attempts.saturating_add(1);
        row.token = lease::next_token(row.token, ctx.now);
        row.owner = Some(self.owner.clone());
        (row.available_at, row.skipped_since) = (None, None);
        row.timeout_at = timeout.map(|timeout| ctx.now + timeout);
        let claimed = ClaimedStep {
            id: row.id.clone(),
            execution_id: row.execution_id.clone(),
            step_id,
            step_name: row.step_name.clone(),
            token: row.token,
            until: row.extend(ctx.now + self.lease),
            attempts: row.attempts,
        };
        let result = StepClaim { claimed: Some(claimed), step: Some(Box::new(step)) };
        documents.decide_step(step_id, queued, result)
    }
}

impl Command for ClaimStep {
    const NAME: &'static str = "apps.step_claim";
    type Output = StepClaim;

    fn check(&self) -> Result<(), Rejection> {
        lease::check_lease(self.lease)?;
        lease::check_kinds(NAMES, &self.names)
    }

    fn reads(&self, view: &View) -> ReadSet {
        let available = |name: &str| {
            Query::of(&QueuedStep::COLLECTION)
                .eq("step_name", name)
                .filter(Filter::Lte("available_at".to_owned(), view.now().as_millis().into()))
                .sort("available_at", Ascending)
                .limit(view.spread())
                .with_unreadable()
        };
        KIND_QUERIES
            .iter()
            .zip(&self.names)
            .fold(ReadSet::empty(), |reads, (query, name)| reads.query(query, available(name)))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<StepClaim>, Rejection> {
        let mut ready = view.readable_entities::<QueuedStep>(&KIND_QUERIES);
        ready.retain(|queued| lease::has_next_token(queued.entity.token));
        let mut skipped = Decision::new(StepClaim::default());
        while !ready.is_empty() && skipped.changes.len() < lease::MOST_PASSED_OVER {
            let queued = ready.swap_remove(lease::pick(ctx, ready.len()));
            match self.claim_step(view, ctx, queued.clone()) {
                Ok(mut claimed) => {
                    claimed.include(skipped);
                    return Ok(claimed);
                }
                Err(unread @ (Rejection::Unread(_) | Rejection::Torn(_))) => return Err(unread),
                // Another step may be claimed, and this one later.
                Err(_) => {
                    // The executions of the next ones are read at once.
                    let next = ready.iter().rev().take(lease::MOST_PASSED_OVER);
                    view.require_entities::<AppExecution>(next.map(|queued| &queued.entity.execution_id))?;
                    let execution = view.find_entity::<AppExecution>(&queued.entity.execution_id);
                    skipped = pass_over(skipped, queued, matches!(execution, Ok(None)), ctx.now)?;
                }
            }
        }
        Ok(skipped)
    }

    fn next(&self, output: &StepClaim, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        let StepClaim { claimed: Some(claimed), step: None } = output else { return None };
        Some(TypedQuery::boxed(ClaimedStepDetails { id: claimed.id.clone() }))
    }

    fn absorb(&self, output: &mut StepClaim, part: Box<dyn Any>) {
        if let Ok(step) = part.downcast::<Option<Step>>() {
            output.step = step.map(Box::new);
        }
    }

    fn reply(&self, output: &StepClaim) -> Result<Json, serde_json::Error> {
        serde_json::to_value(Option::<StepWork>::from(output.clone()))
    }
}

/// Reports that a worker still works on a step, and renews its lease.
///
/// Errors: `stale_claim` (the worker must stop: its claim has ended).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.step.heartbeat")]
pub struct HeartbeatStep {
    /// The id of the step.
    #[operation(subject)]
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// How long the claim lasts from now on, in milliseconds, from 1 second to 30 days; by default 30 seconds. It ends
    /// at the timeout of the step.
    #[operation(name = "leaseMs", default = LEASE)]
    pub lease: Millis,
}

impl Command for HeartbeatStep {
    const NAME: &'static str = "apps.step_heartbeat";
    type Output = Timestamp;

    fn check(&self) -> Result<(), Rejection> {
        lease::check_lease(self.lease)
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<QueuedStep>(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Timestamp>, Rejection> {
        let mut queued = claimed(view, &self.id, self.token)?;
        let until = queued.entity.extend(ctx.now + self.lease);
        Decision::new(until).save(queued, ctx.now)
    }
}

/// Completes a claimed step with its output. The steps that depend on it may be claimed then.
///
/// Errors: `stale_claim`, `invalid_output` (it does not have the declared fields), `limit` (its size).
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
    const NAME: &'static str = "apps.step_complete";
    type Output = AppExecutionSummary;

    fn subject(&self) -> Option<Key> {
        Some(execution_of(&self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AppExecutionSummary>, Rejection> {
        let queued = claimed(view, &self.id, self.token)?;
        let step_id = queued.entity.step_id;
        let mut documents = ExecutionDocuments::load(view, ctx, &queued.entity.execution_id)?;
        let output = self.output.clone().unwrap_or_default();
        check_bytes("an output", &output, &AppsSettings::of(ctx))?;
        let declared = documents.definition(step_id)?.output.as_deref().filter(|_| step_id > 0);
        if let Some((path, reason)) = declared.and_then(|fields| FieldDefinition::mismatch(fields, "output", &output)) {
            let message = format!("{path} of step `{}` {reason}; nothing was changed", self.id);
            return Err(Rejection::Domain { code: codes::INVALID_OUTPUT, message, details: json!({"path": path}) });
        }
        if let Some(metadata) = &self.metadata {
            documents.step(step_id)?.metadata.clone_from(metadata);
        }
        documents.complete(queued, self.output.clone())?;
        documents.decide()
    }
}

/// Reports that a worker failed to do a step. It is tried again later as its configuration says. After the last attempt
/// it has failed, and its execution fails or continues with other steps.
///
/// Errors: `stale_claim`.
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
}

/// A step after a failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedStep {
    /// When it may be claimed again; null: it has failed for the last time.
    pub retry_at: Option<Timestamp>,
    /// Its execution.
    pub execution: AppExecutionSummary,
}

/// The decision that the attempt of a claimed step has failed.
fn fail(
    view: &View,
    ctx: &Ctx,
    mut queued: LoadedEntity<QueuedStep>,
    error: Json,
    output: Option<&Json>,
    permanent: bool,
) -> Result<Decision<FailedStep>, Rejection> {
    let (step_id, attempts) = (queued.entity.step_id, queued.entity.attempts);
    let mut documents = ExecutionDocuments::load(view, ctx, &queued.entity.execution_id)?;
    let retry = documents.configuration.retry(documents.definition(step_id)?);
    let step = documents.step(step_id)?;
    if let Some(output) = output {
        step.output = Some(output.clone());
    }
    if permanent || retry.max_attempts.is_some_and(|most| attempts >= most) {
        documents.fail(queued, error)?;
        return Ok(documents.decide()?.map(|execution| FailedStep { retry_at: None, execution }));
    }
    step.apply(StepEvent::FailAttempt)?;
    step.error = Some(error);
    step.retry_count += 1;
    let [a, b, c, d, ..] = ctx.seed("jitter");
    let random = f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX);
    let retry_at = ctx.now + retry.wait(attempts, random);
    queued.entity.make_available(retry_at);
    let execution = documents.head.entity.summary();
    documents.decide_step(step_id, queued, FailedStep { retry_at: Some(retry_at), execution })
}

impl Command for FailStep {
    const NAME: &'static str = "apps.step_fail";
    type Output = FailedStep;

    fn subject(&self) -> Option<Key> {
        Some(execution_of(&self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<FailedStep>, Rejection> {
        let queued = claimed(view, &self.id, self.token)?;
        if let Some(output) = &self.output {
            check_bytes("an output", output, &AppsSettings::of(ctx))?;
        }
        let message = &self.message[..self.message.floor_char_boundary(MESSAGE_BYTES)];
        let mut error = json!({"message": message});
        if let Some(name) = &self.name {
            error["name"] = name[..name.floor_char_boundary(MESSAGE_BYTES)].into();
        }
        fail(view, ctx, queued, error, self.output.as_ref(), self.permanent)
    }
}

/// Ends the claim of a step whose lease has ended or whose time is over. It counts as a failed attempt.
#[derive(Clone, Debug, Serialize)]
pub struct ExpireStep {
    /// The id of the step.
    pub id: String,
}

impl Command for ExpireStep {
    const NAME: &'static str = "apps.step_expire";
    type Output = ();

    fn subject(&self) -> Option<Key> {
        Some(execution_of(&self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let queued = view.find_entity::<QueuedStep>(&self.id)?;
        let Some(queued) = queued.filter(|queued| queued.entity.due_at.is_some_and(|due| due <= ctx.now)) else {
            return Err(Rejection::Stale { what: format!("step `{}` is not due; nothing was changed", self.id) });
        };
        let is_timeout = queued.entity.timeout_at.is_some_and(|timeout| timeout <= ctx.now);
        let error = match is_timeout {
            true => json!({"message": "the step took longer than its timeout", "name": "Timeout"}),
            false => {
                json!({"message": "its worker sent no heartbeat until the end of its lease", "name": "LeaseExpired"})
            }
        };
        if view.find_entity::<AppExecution>(&queued.entity.execution_id)?.is_none() {
            // The next claim passes over it.
            let mut queued = queued;
            queued.entity.make_available(ctx.now);
            return Decision::new(()).save(queued, ctx.now);
        }
        Ok(fail(view, ctx, queued, error, None, false)?.map(|_| ()))
    }
}

/// Releases a claimed step, which others may claim at once. The attempt does not count.
///
/// Errors: `stale_claim`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.step.release")]
pub struct ReleaseStep {
    /// The id of the step.
    #[operation(subject)]
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
}

impl Command for ReleaseStep {
    const NAME: &'static str = "apps.step_release";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<QueuedStep>(&self.id).with_entity::<Step>(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let mut queued = claimed(view, &self.id, self.token)?;
        let mut step = view.entity::<Step>(&self.id)?;
        step.entity.apply(StepEvent::Release)?;
        queued.entity.make_available(ctx.now);
        queued.entity.attempts = queued.entity.attempts.saturating_sub(1);
        Decision::new(()).save(step, ctx.now)?.save(queued, ctx.now)
    }
}

/// Returns the time from which a step of these names may be claimed; null: none is open. A time in the past means now.
/// A claimed step is not open.
///
/// The result may miss recent commits of other processes. Errors: `limit` (more than 16 names).
#[derive(Clone, Debug, Default, Operation)]
#[operation(name = "apps.step.nextAvailable", query)]
pub struct NextStepAvailable {
    /// The names of steps, at most 16.
    pub names: Vec<String>,
}

impl DomainQuery for NextStepAvailable {
    const NAME: &'static str = "apps.next_step_available";
    type Output = Option<Timestamp>;

    fn check(&self) -> Result<(), Rejection> {
        lease::check_kinds(NAMES, &self.names)
    }

    fn reads(&self, _: &View) -> ReadSet {
        let first = |name: &str| {
            Query::of(&QueuedStep::COLLECTION)
                .eq("step_name", name)
                .filter(Filter::Gte("available_at".to_owned(), i64::MIN.into()))
                .sort("available_at", Ascending)
                .limit(1)
                .with_unreadable()
        };
        let reads = ReadSet::empty().with_freshness(Freshness::Session);
        KIND_QUERIES.iter().zip(&self.names).fold(reads, |reads, (query, name)| reads.query(query, first(name)))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<Timestamp>, Rejection> {
        Ok(lease::first_available(view, &KIND_QUERIES, "available_at"))
    }
}

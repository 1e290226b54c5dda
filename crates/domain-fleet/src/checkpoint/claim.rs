//! The commands of workers that verify checkpoints. A worker claims one for the duration of a lease, and completes or
//! fails it.

use runstate_core::decision::{Command, Ctx, Decision, DomainQuery, Lifecycle, LoadedEntity, ReadSet, Rejection, View};
use runstate_core::lease::{self, LEASE};
use runstate_core::operation::Operation;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Entity, Filter, Freshness, Key, Query};
use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::queue::stale_claim;
use super::{Checkpoint, CheckpointSummary, CheckpointWork, QueuedVerification, VerificationEvent};
use crate::project::Project;

/// Number of attempts after which a checkpoint counts as damaged.
const MAX_ATTEMPTS: u32 = 5;

/// Longest message of an error that is kept, in bytes.
const MESSAGE_BYTES: usize = 4_096;

/// The name of the query for checkpoints that may be claimed.
const READY: &str = "ready";

fn shorten(message: &str) -> String {
    message[..message.floor_char_boundary(MESSAGE_BYTES)].to_owned()
}

fn claimed(view: &View, checkpoint: &str, token: u64) -> Result<LoadedEntity<QueuedVerification>, Rejection> {
    let queued = view.find_entity::<QueuedVerification>(checkpoint)?.ok_or_else(|| stale_claim(checkpoint, token))?;
    queued.entity.require_claim(token)?;
    Ok(queued)
}

/// Claims one checkpoint that waits for its verification, for a worker until its lease ends. The result is null if
/// there is none.
///
/// Errors: `invalid` (the lease).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.verification.claim", result = Option<CheckpointWork>)]
pub struct ClaimVerification {
    /// The name of the worker, for people.
    pub owner: String,
    /// How long the claim lasts without a heartbeat, in milliseconds, from 1 second to 30 days; by default 30 seconds.
    #[operation(name = "leaseMs", default = LEASE)]
    pub lease: Millis,
}

/// The result of a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VerificationClaim {
    /// The claim; `None`: no checkpoint waits.
    pub claimed: Option<CheckpointWork>,
}

impl From<VerificationClaim> for Option<CheckpointWork> {
    fn from(claim: VerificationClaim) -> Self {
        claim.claimed
    }
}

impl Command for ClaimVerification {
    const NAME: &'static str = "fleet.verification_claim";
    type Output = VerificationClaim;

    fn check(&self) -> Result<(), Rejection> {
        lease::check_lease(self.lease)
    }

    fn reads(&self, view: &View) -> ReadSet {
        let now = Filter::Lte("available_at".to_owned(), view.now().as_millis().into());
        let ready = Query::of(&QueuedVerification::COLLECTION).filter(now).sort("available_at", Ascending);
        ReadSet::empty().query(READY, ready.limit(view.spread()).with_unreadable())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<VerificationClaim>, Rejection> {
        let mut ready = view.readable_entities::<QueuedVerification>(&[READY]);
        ready.retain(|queued| lease::has_next_token(queued.entity.token));
        if ready.is_empty() {
            return Ok(Decision::new(VerificationClaim::default()));
        }
        let mut queued = ready.swap_remove(lease::pick(ctx, ready.len()));
        let row = &mut queued.entity;
        row.attempts = row.attempts.saturating_add(1);
        row.token = lease::next_token(row.token, ctx.now);
        row.owner = Some(self.owner.clone());
        row.available_at = None;
        let until = ctx.now + self.lease;
        row.due_at = Some(until);
        let work = CheckpointWork {
            checkpoint_uuid: row.checkpoint_uuid.clone(),
            project_uuid: row.project_uuid.clone(),
            token: row.token,
            until,
            attempts: row.attempts,
        };
        Decision::new(VerificationClaim { claimed: Some(work) }).save(queued, ctx.now)
    }
}

/// Reports that a worker still verifies a checkpoint, and renews its lease.
///
/// Errors: `stale_claim` (the worker must stop: its claim has ended), `invalid` (the lease).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.verification.heartbeat")]
pub struct HeartbeatVerification {
    /// The checkpoint.
    #[operation(subject)]
    pub checkpoint_uuid: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// How long the claim lasts from now on, in milliseconds, from 1 second to 30 days; by default 30 seconds.
    #[operation(name = "leaseMs", default = LEASE)]
    pub lease: Millis,
}

impl Command for HeartbeatVerification {
    const NAME: &'static str = "fleet.verification_heartbeat";
    type Output = Timestamp;

    fn check(&self) -> Result<(), Rejection> {
        lease::check_lease(self.lease)
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<QueuedVerification>(&self.checkpoint_uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Timestamp>, Rejection> {
        let mut queued = claimed(view, &self.checkpoint_uuid, self.token)?;
        let until = ctx.now + self.lease;
        queued.entity.due_at = Some(until);
        Decision::new(until).save(queued, ctx.now)
    }
}

/// Records whether a claimed checkpoint is complete. One that is becomes the current one of its project, unless a newer
/// one is.
///
/// Errors: `stale_claim`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.verification.complete")]
pub struct CompleteVerification {
    /// The checkpoint.
    #[operation(subject)]
    pub checkpoint_uuid: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// Why it is damaged; by default it is complete.
    pub failure: Option<String>,
}

impl Command for CompleteVerification {
    const NAME: &'static str = "fleet.verification_complete";
    type Output = CheckpointSummary;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&Checkpoint::COLLECTION, &self.checkpoint_uuid))
    }

    fn reads(&self, _: &View) -> ReadSet {
        let reads = ReadSet::entity::<QueuedVerification>(&self.checkpoint_uuid);
        reads.with_entity::<Checkpoint>(&self.checkpoint_uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<CheckpointSummary>, Rejection> {
        let queued = claimed(view, &self.checkpoint_uuid, self.token)?;
        let mut checkpoint = view.entity::<Checkpoint>(&self.checkpoint_uuid)?;
        let mut decision = Decision::new(()).change(queued.delete());
        match &self.failure {
            Some(failure) => checkpoint.entity.apply(VerificationEvent::Fail(ctx.now, shorten(failure)))?,
            None => {
                checkpoint.entity.apply(VerificationEvent::Verify(ctx.now))?;
                let mut project = view.entity::<Project>(&checkpoint.entity.project_uuid)?;
                let current = project.entity.current_checkpoint_uuid.as_deref();
                let current = current.map(|id| view.entity::<Checkpoint>(id)).transpose()?;
                if current.is_none_or(|current| current.entity.created_at <= checkpoint.entity.created_at) {
                    project.entity.current_checkpoint_uuid = Some(self.checkpoint_uuid.clone());
                }
                decision = decision.save(project, ctx.now)?;
            }
        }
        let summary = checkpoint.entity.summary();
        Ok(decision.save(checkpoint, ctx.now)?.map(|()| summary))
    }
}

/// Reports that a worker could not verify a checkpoint. It may be claimed again after a minute; after five attempts it
/// counts as damaged.
///
/// Errors: `stale_claim`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.verification.fail")]
pub struct FailVerification {
    /// The checkpoint.
    #[operation(subject)]
    pub checkpoint_uuid: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The message of the error.
    pub message: String,
    /// Whether another attempt is useless.
    pub permanent: bool,
}

/// When a checkpoint is verified again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedVerification {
    /// When it may be claimed again; missing if it counts as damaged.
    pub retry_at: Option<Timestamp>,
}

impl From<FailedVerification> for Option<Timestamp> {
    fn from(failed: FailedVerification) -> Self {
        failed.retry_at
    }
}

/// Ends an attempt that has failed.
fn end_attempt(
    view: &View,
    ctx: &Ctx,
    mut queued: LoadedEntity<QueuedVerification>,
    message: &str,
    permanent: bool,
) -> Result<Decision<FailedVerification>, Rejection> {
    let row = &mut queued.entity;
    if !permanent && row.attempts < MAX_ATTEMPTS {
        let retry_at = ctx.now + Millis::minutes(1);
        row.make_available(retry_at);
        row.error = Some(shorten(message));
        return Decision::new(FailedVerification { retry_at: Some(retry_at) }).save(queued, ctx.now);
    }
    let mut checkpoint = view.entity::<Checkpoint>(&row.checkpoint_uuid)?;
    checkpoint.entity.apply(VerificationEvent::Fail(ctx.now, shorten(message)))?;
    let decision = Decision::new(FailedVerification { retry_at: None }).change(queued.delete());
    decision.save(checkpoint, ctx.now)
}

impl Command for FailVerification {
    const NAME: &'static str = "fleet.verification_fail";
    type Output = FailedVerification;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<QueuedVerification>(&self.checkpoint_uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<FailedVerification>, Rejection> {
        let queued = claimed(view, &self.checkpoint_uuid, self.token)?;
        end_attempt(view, ctx, queued, &self.message, self.permanent)
    }
}

/// Releases a claimed checkpoint, which others may claim at once. The attempt does not count.
///
/// Errors: `stale_claim`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.verification.release")]
pub struct ReleaseVerification {
    /// The checkpoint.
    #[operation(subject)]
    pub checkpoint_uuid: String,
    /// The fencing token of the claim.
    pub token: u64,
}

impl Command for ReleaseVerification {
    const NAME: &'static str = "fleet.verification_release";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<QueuedVerification>(&self.checkpoint_uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let mut queued = claimed(view, &self.checkpoint_uuid, self.token)?;
        queued.entity.attempts = queued.entity.attempts.saturating_sub(1);
        queued.entity.make_available(ctx.now);
        Decision::new(()).save(queued, ctx.now)
    }
}

/// Ends the claim of a verification whose lease has ended. It counts as a failed attempt.
#[derive(Clone, Debug, Serialize)]
pub struct ExpireVerification {
    /// The checkpoint.
    pub checkpoint_uuid: String,
}

impl Command for ExpireVerification {
    const NAME: &'static str = "fleet.verification_expire";
    type Output = FailedVerification;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<QueuedVerification>(&self.checkpoint_uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<FailedVerification>, Rejection> {
        let queued = view.find_entity::<QueuedVerification>(&self.checkpoint_uuid)?;
        let is_due = |row: &QueuedVerification| row.due_at.is_some_and(|at| at <= ctx.now);
        let queued = queued.filter(|found| is_due(&found.entity));
        let queued = queued.ok_or_else(|| Rejection::Stale {
            what: format!("the claim of checkpoint `{}` is not due; nothing was changed", self.checkpoint_uuid),
        })?;
        end_attempt(view, ctx, queued, "its worker sent no heartbeat until the end of its lease", false)
    }
}

/// Finds when a checkpoint may be claimed next; null: none waits. It may miss recent commits of other processes.
#[derive(Clone, Debug, Operation)]
#[operation(name = "fleet.verification.nextAvailable", query)]
pub struct NextVerification {}

impl DomainQuery for NextVerification {
    const NAME: &'static str = "fleet.verification_next";
    type Output = Option<Timestamp>;

    fn reads(&self, _: &View) -> ReadSet {
        let any = Filter::Gte("available_at".to_owned(), i64::MIN.into());
        let first = Query::of(&QueuedVerification::COLLECTION).filter(any).sort("available_at", Ascending).limit(1);
        ReadSet::empty().query(READY, first.with_unreadable()).with_freshness(Freshness::Session)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<Timestamp>, Rejection> {
        Ok(lease::first_available(view, &[READY], "available_at"))
    }
}

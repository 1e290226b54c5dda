//! The commands of workers that verify checkpoints. A worker claims one for the duration of a lease, and completes or
//! fails it.

use runstate_core::lease::{
    Claim, ClaimTarget, LEASE, Leased, NextAvailable, check_retry_after, claimed, next_attempt_after, shorten_message,
};
use runstate_core::prelude::*;

use super::{Checkpoint, CheckpointSummary, CheckpointWork, QueuedVerification, VerificationEvent};
use crate::project::Project;

/// Number of attempts after which a checkpoint counts as damaged.
const MAX_ATTEMPTS: u32 = 5;

/// Longest message of an error that is kept, in bytes.
const MESSAGE_BYTES: usize = 4_096;

/// Claims one checkpoint that waits for its verification, for a worker until its lease ends. The result is null if
/// there is none.
///
/// Errors: `invalid` (the lease).
#[derive(Debug, Operation)]
#[operation(
    name = QueuedVerification::NAMES.claim,
    command = Claim<QueuedVerification>,
    result = Option<CheckpointWork>
)]
pub struct ClaimVerification {
    /// The name of the worker, for people.
    owner: String,
    /// How long the claim lasts without a heartbeat, in milliseconds, from 1 second to 30 days; by default 30 seconds.
    #[operation(name = "leaseMs", default = LEASE)]
    lease: Millis,
}

impl From<ClaimVerification> for Claim<QueuedVerification> {
    fn from(ClaimVerification { owner, lease }: ClaimVerification) -> Self {
        Self::new(ClaimTarget::Kinds(Vec::new()), owner, lease)
    }
}

/// Records whether a claimed checkpoint is complete. One that is becomes the current one of its project, unless a newer
/// one is.
///
/// Errors: `stale_claim`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.verification.complete", contends(Checkpoint::COLLECTION, uuid))]
pub struct CompleteVerification {
    /// The checkpoint.
    #[operation(subject)]
    pub uuid: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// Why it is damaged; by default it is complete.
    pub failure: Option<String>,
}

impl Command for CompleteVerification {
    type Output = CheckpointSummary;

    fn reads(&self, _: &View) -> ReadSet {
        let reads = ReadSet::entity::<QueuedVerification>(&self.uuid);
        reads.with_entity::<Checkpoint>(&self.uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<CheckpointSummary>> {
        let queued = claimed::<QueuedVerification>(view, &self.uuid, self.token)?;
        let mut checkpoint = view.entity::<Checkpoint>(&self.uuid)?;
        let mut decision = Decision::new(()).change(queued.delete());
        match &self.failure {
            Some(failure) => {
                checkpoint.entity.apply(VerificationEvent::Fail(ctx.now, shorten_message(failure, MESSAGE_BYTES)))?
            }
            None => {
                checkpoint.entity.apply(VerificationEvent::Verify(ctx.now))?;
                let mut project = view.entity::<Project>(&checkpoint.entity.project_uuid)?;
                let current = project.entity.current_checkpoint_uuid.as_deref();
                let current = current.map(|id| view.entity::<Checkpoint>(id)).transpose()?;
                if current.is_none_or(|current| current.entity.created_at <= checkpoint.entity.created_at) {
                    project.entity.current_checkpoint_uuid = Some(self.uuid.clone());
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
/// Errors: `stale_claim`, `invalid` (the wait).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.verification.fail")]
pub struct FailVerification {
    /// The checkpoint.
    #[operation(subject)]
    pub uuid: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The message of the error.
    pub message: String,
    /// Whether another attempt is useless.
    pub permanent: bool,
    /// The shortest wait until the next attempt, in milliseconds, at most a day; by default a minute.
    #[operation(name = "retryAfterMs")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Millis>,
}

/// When a checkpoint is verified again.
#[derive(Wire, Clone, Debug, PartialEq)]
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
pub(super) fn end_attempt(
    view: &View,
    ctx: &Ctx,
    mut queued: LoadedEntity<QueuedVerification>,
    message: &str,
    permanent: bool,
    retry_after: Option<Millis>,
) -> Result<Decision<FailedVerification>> {
    let (row, message) = (&mut queued.entity, shorten_message(message, MESSAGE_BYTES));
    if !permanent && row.lease.attempts < MAX_ATTEMPTS {
        let retry_at = next_attempt_after(ctx.now + Millis::minutes(1), ctx.now, retry_after);
        row.make_available(retry_at);
        row.error = Some(message);
        return Decision::new(FailedVerification { retry_at: Some(retry_at) }).save(queued, ctx.now);
    }
    let mut checkpoint = view.entity::<Checkpoint>(&row.checkpoint_uuid)?;
    checkpoint.entity.apply(VerificationEvent::Fail(ctx.now, message))?;
    let decision = Decision::new(FailedVerification { retry_at: None }).change(queued.delete());
    decision.save(checkpoint, ctx.now)
}

impl Command for FailVerification {
    type Output = FailedVerification;

    fn check(&self) -> Result<()> {
        check_retry_after(self.retry_after)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<FailedVerification>> {
        let queued = claimed::<QueuedVerification>(view, &self.uuid, self.token)?;
        end_attempt(view, ctx, queued, &self.message, self.permanent, self.retry_after)
    }
}

/// Finds when a checkpoint may be claimed next; null: none waits. It may miss recent commits of other processes.
#[derive(Debug, Operation)]
#[operation(name = QueuedVerification::NAMES.next_available, query, command = NextAvailable<QueuedVerification>)]
pub struct NextAvailableVerification {}

impl From<NextAvailableVerification> for NextAvailable<QueuedVerification> {
    fn from(_: NextAvailableVerification) -> Self {
        Self::new(&[])
    }
}

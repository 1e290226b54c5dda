//! The checkpoints that wait for their verification or are verified. A row exists from the commit that creates a
//! checkpoint until the commit that ends its verification.

use runstate_core::lease::{Claim, ClaimResult, LEASE_EXPIRED, Lease, LeaseNames, Leased, StoredLease};
use runstate_core::lease_names;
use runstate_core::prelude::*;

use super::claim::end_attempt;
use super::{Checkpoint, CheckpointWork};

/// A checkpoint that waits for its verification, or is verified.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.checkpoint_verification_queue", version = 1, noun = "verification")]
#[index(queued_at)]
#[index(available_at)]
#[index(due_at)]
pub struct QueuedVerification {
    /// The checkpoint.
    #[entity(id, shard, part_of = "fleet.checkpoints", format = uuid)]
    pub checkpoint_uuid: String,
    /// The project.
    #[entity(references = "fleet.projects", format = uuid)]
    pub project_uuid: String,
    /// When the checkpoint was created.
    pub queued_at: Timestamp,
    /// Its lease.
    #[entity(flatten)]
    pub lease: StoredLease,
    /// The error of the last attempt.
    #[entity(max = 4_096)]
    pub error: Option<String>,
}

impl QueuedVerification {
    /// A checkpoint that may be claimed at once.
    pub fn new(checkpoint: &str, project: &str, now: Timestamp) -> Self {
        Self {
            checkpoint_uuid: checkpoint.to_owned(),
            project_uuid: project.to_owned(),
            queued_at: now,
            lease: StoredLease::available(now),
            error: None,
        }
    }
}

impl Leased for QueuedVerification {
    type Work = CheckpointWork;
    type Claimed = CheckpointWork;

    const NAMES: LeaseNames = lease_names!("fleet.verification");

    fn lease(&self) -> Option<Lease> {
        self.lease.get()
    }

    fn set_lease(&mut self, lease: Lease) {
        self.lease.set(lease);
    }

    fn claim(
        view: &View,
        ctx: &mut Ctx,
        mut row: LoadedEntity<Self>,
        claim: &Claim<Self>,
    ) -> Result<Decision<ClaimResult<Self>>> {
        _ = view.entity::<Checkpoint>(&row.entity.checkpoint_uuid)?;
        let lease = claim.begin(&mut row.entity, ctx.now)?;
        let work = CheckpointWork {
            uuid: row.entity.checkpoint_uuid.clone(),
            project_uuid: row.entity.project_uuid.clone(),
            token: lease.token,
            until: lease.available_at,
            attempts: lease.attempts,
        };
        Decision::new(ClaimResult::new(work.clone(), work)).save(row, ctx.now)
    }

    fn work(_: &View, claimed: &CheckpointWork) -> Result<Option<CheckpointWork>> {
        Ok(Some(claimed.clone()))
    }

    fn document(&self) -> Key {
        Key::new(&Checkpoint::COLLECTION, &self.checkpoint_uuid)
    }

    fn contradiction(&self) -> Option<&'static str> {
        self.lease.contradiction()
    }

    fn skip(&mut self, _: &View, ctx: &mut Ctx, _: &Rejection, is_orphan: bool) -> Result<bool> {
        Ok(self.lease.skip(is_orphan, ctx.now))
    }

    fn expire(view: &View, ctx: &mut Ctx, row: LoadedEntity<Self>) -> Result<Decision<()>> {
        Ok(end_attempt(view, ctx, row, LEASE_EXPIRED, false, None)?.map(drop))
    }
}

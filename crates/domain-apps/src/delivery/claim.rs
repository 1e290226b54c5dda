//! The commands of workers. A worker claims a delivery for the duration of a lease, and completes or fails it. Its
//! fencing token distinguishes it from a worker that had claimed the delivery before. Callers by name have none of
//! these commands: a claim holds the secret.

use std::collections::{BTreeMap, BTreeSet};

use runstate_core::decision::{Command, Ctx, Decision, DomainQuery, LoadedEntity, ReadSet, Rejection, View};
use runstate_core::lease;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Entity, Filter, Freshness, Query};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use super::work::DeliveryWork;
use super::{DELIVERED_KEPT, Delivery, DeliveryState, stale_claim};
use crate::subscription::Subscription;

/// Deliveries of one subscription that run at once, about: workers that claim at the same moment do not see each other.
/// So a receiver that never responds occupies a few places of the workers, and the others serve other receivers.
const RUNNING_PER_SUBSCRIPTION: usize = 4;

/// Largest number of running deliveries that a claim counts.
const COUNTED_RUNNING: u32 = 1_000;

/// The names of the queries for deliveries that are claimed, and for those that may be.
const RUNNING: &str = "running";
const READY: &str = "ready";

/// The queries for deliveries that may be claimed, without those of subscriptions of which enough run.
fn queue_reads(view: &View, available: Filter, limit: u32) -> ReadSet {
    let claimed = Filter::Gte("due_at".to_owned(), i64::MIN.into());
    let mut running = Query::of(&Delivery::COLLECTION).filter(claimed).sort("due_at", Ascending).limit(COUNTED_RUNNING);
    running.projection = vec!["subscription_id".to_owned()];
    let reads = ReadSet::empty().query(RUNNING, running);
    let Some(rows) = view.rows(RUNNING) else { return reads };
    let mut counts = BTreeMap::<&str, usize>::new();
    for id in rows.iter().filter_map(|(_, row)| row.document.get("subscription_id")?.as_str()) {
        *counts.entry(id).or_default() += 1;
    }
    let busy = counts.into_iter().filter(|(_, count)| *count >= RUNNING_PER_SUBSCRIPTION);
    let others = busy.map(|(id, _)| Filter::Ne("subscription_id".to_owned(), id.into()));
    let ready = Query::of(&Delivery::COLLECTION).filter(available).sort("available_at", Ascending).limit(limit);
    let ready = ready.with_unreadable();
    reads.query(READY, others.fold(ready, Query::filter))
}

/// Claims a delivery that is ready, for a worker until its lease ends. Deliveries whose subscription is paused or
/// removed become dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct ClaimDelivery {
    /// The name of the worker, for people.
    pub owner: String,
    /// How long the claim lasts without a heartbeat.
    pub lease: Millis,
}

/// The result of a claim.
// The ledger keeps no secret, so a repeat has no work: the delivery is claimed again when the lease has ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeliveryClaim {
    /// The claimed delivery; `None`: none is ready.
    #[serde(skip)]
    pub work: Option<Box<DeliveryWork>>,
}

impl From<DeliveryClaim> for Option<DeliveryWork> {
    fn from(claim: DeliveryClaim) -> Self {
        claim.work.map(|work| *work)
    }
}

impl Command for ClaimDelivery {
    const NAME: &'static str = "apps.delivery_claim";
    type Output = DeliveryClaim;

    fn check(&self) -> Result<(), Rejection> {
        lease::check_lease(self.lease)
    }

    fn reads(&self, view: &View) -> ReadSet {
        let now = Filter::Lte("available_at".to_owned(), view.now().as_millis().into());
        let ready = view.readable_entities::<Delivery>(&[READY]).into_iter();
        let subscriptions: BTreeSet<String> = ready.map(|delivery| delivery.entity.subscription_id).collect();
        let reads = queue_reads(view, now, view.spread());
        subscriptions.iter().fold(reads, |reads, id| reads.with_entity::<Subscription>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<DeliveryClaim>, Rejection> {
        let mut decision = Decision::new(DeliveryClaim::default());
        let mut ready = Vec::new();
        let readable = view.readable_entities::<Delivery>(&[READY]).into_iter();
        for mut delivery in readable.filter(|delivery| lease::has_next_token(delivery.entity.token)) {
            let found = view.find_entity::<Subscription>(&delivery.entity.subscription_id)?;
            let reason = match found {
                Some(subscription) if subscription.entity.active => {
                    ready.push((delivery, subscription.entity));
                    continue;
                }
                Some(_) => "the subscription is paused",
                None => "the subscription was removed",
            };
            delivery.entity.fail(ctx, reason, true);
            decision = decision.save(delivery, ctx.now)?;
        }
        if ready.is_empty() {
            return Ok(decision);
        }
        let (mut delivery, subscription) = ready.swap_remove(lease::pick(ctx, ready.len()));
        delivery.entity.attempts = delivery.entity.attempts.saturating_add(1);
        delivery.entity.token = lease::next_token(delivery.entity.token, ctx.now);
        delivery.entity.state = DeliveryState::Running { due_at: ctx.now + self.lease, owner: self.owner.clone() };
        let Subscription { url, secret, .. } = subscription;
        let work = DeliveryWork { delivery: delivery.entity.clone(), url, secret };
        Ok(decision.save(delivery, ctx.now)?.map(|_| DeliveryClaim { work: Some(Box::new(work)) }))
    }
}

/// The delivery that a worker has claimed under this token.
fn claimed(view: &View, id: &str, token: u64) -> Result<LoadedEntity<Delivery>, Rejection> {
    let delivery = view.find_entity::<Delivery>(id)?.ok_or_else(|| stale_claim(id, token))?;
    delivery.entity.require_claim(token)?;
    Ok(delivery)
}

/// Restarts the lease of a claimed delivery.
#[derive(Clone, Debug, Serialize)]
pub struct HeartbeatDelivery {
    /// The delivery.
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// How long the claim lasts from now on.
    pub lease: Millis,
}

impl Command for HeartbeatDelivery {
    const NAME: &'static str = "apps.delivery_heartbeat";
    type Output = ();

    fn check(&self) -> Result<(), Rejection> {
        lease::check_lease(self.lease)
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Delivery>(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let mut delivery = claimed(view, &self.id, self.token)?;
        if let DeliveryState::Running { due_at, .. } = &mut delivery.entity.state {
            *due_at = ctx.now + self.lease;
        }
        Decision::new(()).save(delivery, ctx.now)
    }
}

/// Records that the receiver has confirmed a claimed delivery.
#[derive(Clone, Debug, Serialize)]
pub struct CompleteDelivery {
    /// The delivery.
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The HTTP status of the response, if it is known.
    pub response: Json,
}

impl Command for CompleteDelivery {
    const NAME: &'static str = "apps.delivery_complete";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Delivery>(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let mut delivery = claimed(view, &self.id, self.token)?;
        let (ended_at, expires_at) = (ctx.now, ctx.now + DELIVERED_KEPT);
        delivery.entity.state = DeliveryState::Delivered { ended_at, expires_at };
        delivery.entity.response_status = self.response.as_u64().and_then(|status| u16::try_from(status).ok());
        delivery.entity.error = None;
        Decision::new(()).save(delivery, ctx.now)
    }
}

/// Records that an attempt has failed. The next one follows after a wait. After the last one the delivery is a dead
/// letter.
#[derive(Clone, Debug, Serialize)]
pub struct FailDelivery {
    /// The delivery.
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The message of the error.
    pub message: String,
    /// Whether another attempt is useless.
    pub permanent: bool,
    /// The subscription, if its receiver wants no further message. It is paused.
    pub gone: Option<String>,
}

impl Command for FailDelivery {
    const NAME: &'static str = "apps.delivery_fail";
    type Output = Option<Timestamp>;

    fn reads(&self, _: &View) -> ReadSet {
        let reads = ReadSet::entity::<Delivery>(&self.id);
        self.gone.iter().fold(reads, |reads, id| reads.with_entity::<Subscription>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Option<Timestamp>>, Rejection> {
        let mut delivery = claimed(view, &self.id, self.token)?;
        let retry_at = delivery.entity.fail(ctx, &self.message, self.permanent);
        let decision = Decision::new(retry_at).save(delivery, ctx.now)?;
        let Some(id) = &self.gone else { return Ok(decision) };
        let Some(mut subscription) = view.find_entity::<Subscription>(id)? else { return Ok(decision) };
        subscription.entity.pause(Some("its receiver answered 410: it wants no further message".to_owned()));
        decision.save(subscription, ctx.now)
    }
}

/// Releases a claimed delivery, which others may claim at once. The attempt does not count.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseDelivery {
    /// The delivery.
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
}

impl Command for ReleaseDelivery {
    const NAME: &'static str = "apps.delivery_release";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Delivery>(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let mut delivery = claimed(view, &self.id, self.token)?;
        delivery.entity.attempts = delivery.entity.attempts.saturating_sub(1);
        delivery.entity.state = DeliveryState::Pending { available_at: ctx.now };
        Decision::new(()).save(delivery, ctx.now)
    }
}

/// Ends the claim of a delivery whose lease has ended. It counts as a failed attempt, although the receiver may have
/// got the message.
#[derive(Clone, Debug, Serialize)]
pub struct ExpireDelivery {
    /// The delivery.
    pub id: String,
}

impl Command for ExpireDelivery {
    const NAME: &'static str = "apps.delivery_expire";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Delivery>(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let is_due =
            |delivery: &Delivery| matches!(delivery.state, DeliveryState::Running { due_at, .. } if due_at <= ctx.now);
        let delivery = view.find_entity::<Delivery>(&self.id)?;
        let mut delivery = delivery.filter(|found| is_due(&found.entity)).ok_or_else(|| Rejection::Stale {
            what: format!("the claim of delivery `{}` is not due; nothing was changed", self.id),
        })?;
        delivery.entity.fail(ctx, "its worker sent no heartbeat until the end of its lease", false);
        Decision::new(()).save(delivery, ctx.now)
    }
}

/// Finds when a delivery may be claimed next; `None`: none is open. It may miss recent commits of other processes.
#[derive(Clone, Debug)]
pub struct NextDelivery;

impl DomainQuery for NextDelivery {
    const NAME: &'static str = "apps.next_delivery";
    type Output = Option<Timestamp>;

    fn reads(&self, view: &View) -> ReadSet {
        let any = Filter::Gte("available_at".to_owned(), i64::MIN.into());
        queue_reads(view, any, 1).with_freshness(Freshness::Session)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<Timestamp>, Rejection> {
        Ok(lease::first_available(view, &[READY], "available_at"))
    }
}

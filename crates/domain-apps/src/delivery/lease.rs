//! The leases of deliveries. Callers by name have no commands of workers: a claim holds the secret.

use std::collections::BTreeMap;

use runstate_core::error_code::ErrorCode;
use runstate_core::lease::{Claim, ClaimResult, LEASE_EXPIRED, Lease, LeaseNames, Leased, skipped_until};
use runstate_core::lease_names;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::Ascending;

use super::work::DeliveryWork;
use super::{Delivery, DeliveryState};
use crate::subscription::Subscription;

/// Deliveries of one subscription that run at once, about: workers that claim at the same moment do not see each other.
/// So a receiver that never responds occupies a few places of the workers, and the others serve other receivers.
const RUNNING_PER_SUBSCRIPTION: usize = 4;

/// Largest number of running deliveries that a claim counts.
const COUNTED_RUNNING: u32 = 1_000;

/// The name of the query for deliveries that are claimed.
const RUNNING: &str = "running";

impl Leased for Delivery {
    type Work = DeliveryWork;
    /// Its id, and the token of the claim.
    type Claimed = (String, u64);

    const NAMES: LeaseNames = lease_names!("apps.delivery");

    fn lease(&self) -> Option<Lease> {
        let (owner, available_at) = match &self.state {
            DeliveryState::Pending { available_at } => (None, *available_at),
            DeliveryState::Running { due_at, owner } => (Some(owner.clone()), *due_at),
            DeliveryState::Delivered { .. } | DeliveryState::Dead { .. } => return None,
        };
        Some(Lease { owner, available_at, token: self.token, attempts: self.attempts })
    }

    fn set_lease(&mut self, lease: Lease) {
        let Lease { owner, available_at, token, attempts } = lease;
        (self.token, self.attempts) = (token, attempts);
        self.state = match owner {
            Some(owner) => DeliveryState::Running { due_at: available_at, owner },
            None => DeliveryState::Pending { available_at },
        };
    }

    /// Not of subscriptions of which enough run.
    fn condition(view: &View) -> (ReadSet, Option<Filter>) {
        let claimed = Filter::Gte("due_at".to_owned(), i64::MIN.into());
        let running = Query::of(&Self::COLLECTION).filter(claimed).sort("due_at", Ascending);
        let mut running = running.limit(COUNTED_RUNNING);
        running.projection = vec!["subscription_id".to_owned()];
        let reads = ReadSet::empty().query(RUNNING, running);
        let Some(rows) = view.rows(RUNNING) else { return (reads, None) };
        let mut counts = BTreeMap::<&str, usize>::new();
        for id in rows.iter().filter_map(|(_, row)| row.document.get("subscription_id")?.as_str()) {
            *counts.entry(id).or_default() += 1;
        }
        let busy = counts.into_iter().filter(|(_, count)| *count >= RUNNING_PER_SUBSCRIPTION);
        let others = busy.map(|(id, _)| Filter::Ne("subscription_id".to_owned(), id.into()));
        (reads, Some(others.fold(Filter::All, Filter::and)))
    }

    fn claim(
        view: &View,
        ctx: &mut Ctx,
        mut row: LoadedEntity<Self>,
        claim: &Claim<Self>,
    ) -> Result<Decision<ClaimResult<Self>>> {
        let subscription = view.find_entity::<Subscription>(&row.entity.subscription_id)?;
        let gone = |reason: &str| Rejection::domain(ErrorCode::ILLEGAL_TRANSITION, reason);
        let subscription = subscription.ok_or_else(|| gone("the subscription was removed"))?.entity;
        if !subscription.active {
            return Err(gone("the subscription is paused"));
        }
        let lease = claim.begin(&mut row.entity, ctx.now)?;
        let claimed = (row.entity.id.clone(), lease.token);
        let work = DeliveryWork::new(row.entity.clone(), subscription);
        Decision::new(ClaimResult::new(claimed, work)).save(row, ctx.now)
    }

    fn document(&self) -> Key {
        Key::new(&Subscription::COLLECTION, &self.subscription_id)
    }

    fn work(view: &View, (id, token): &(String, u64)) -> Result<Option<DeliveryWork>> {
        let is_held = |row: &Self| matches!(row.state, DeliveryState::Running { .. }) && row.token == *token;
        let delivery = view.find_entity::<Self>(id)?.filter(|row| is_held(&row.entity));
        let Some(delivery) = delivery else { return Ok(None) };
        let subscription = view.find_entity::<Subscription>(&delivery.entity.subscription_id)?;
        Ok(subscription.map(|subscription| DeliveryWork::new(delivery.entity, subscription.entity)))
    }

    /// Without an active subscription it is a dead letter. A caller may send it again.
    fn skip(&mut self, _: &View, ctx: &mut Ctx, rejection: &Rejection, _: bool) -> Result<bool> {
        if rejection.code() == ErrorCode::ILLEGAL_TRANSITION {
            self.fail(ctx, &rejection.to_string(), true, None);
        } else {
            self.make_available(skipped_until(self.created_at, ctx.now));
        }
        Ok(false)
    }

    /// The receiver may have got the message.
    fn expire(_: &View, ctx: &mut Ctx, mut row: LoadedEntity<Self>) -> Result<Decision<()>> {
        row.entity.fail(ctx, LEASE_EXPIRED, false, None);
        Decision::new(()).save(row, ctx.now)
    }
}

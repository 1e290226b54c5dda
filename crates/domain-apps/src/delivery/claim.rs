//! The commands of workers that end deliveries.

use runstate_core::lease::{check_retry_after, claimed};
use runstate_core::prelude::*;

use super::{DELIVERED_KEPT, Delivery, DeliveryState};
use crate::subscription::Subscription;

/// Records that the receiver has confirmed a claimed delivery.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.delivery.complete")]
pub struct CompleteDelivery {
    /// The delivery.
    pub id: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The HTTP status of the response, if it is known.
    pub response: Json,
}

impl Command for CompleteDelivery {
    type Output = ();

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>> {
        let mut delivery = claimed::<Delivery>(view, &self.id, self.token)?;
        let (ended_at, expires_at) = (ctx.now, ctx.now + DELIVERED_KEPT);
        delivery.entity.state = DeliveryState::Delivered { ended_at, expires_at };
        delivery.entity.response_status = self.response.as_u64().and_then(|status| u16::try_from(status).ok());
        delivery.entity.error = None;
        Decision::new(()).save(delivery, ctx.now)
    }
}

/// Records that an attempt has failed. The next one follows after a wait. After the last one the delivery is a dead
/// letter.
///
/// Errors: `stale_claim`, `invalid` (the wait).
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.delivery.fail")]
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
    pub ended_subscription: Option<String>,
    /// The shortest wait until the next attempt, at most a day; `None`: the waits between attempts decide alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Millis>,
}

impl Command for FailDelivery {
    type Output = Option<Timestamp>;

    fn check(&self) -> Result<()> {
        check_retry_after(self.retry_after)
    }

    fn reads(&self, _: &View) -> ReadSet {
        let reads = ReadSet::entity::<Delivery>(&self.id);
        self.ended_subscription.iter().fold(reads, |reads, id| reads.with_entity::<Subscription>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Option<Timestamp>>> {
        let mut delivery = claimed::<Delivery>(view, &self.id, self.token)?;
        let retry_at = delivery.entity.fail(ctx, &self.message, self.permanent, self.retry_after);
        let decision = Decision::new(retry_at).save(delivery, ctx.now)?;
        let Some(id) = &self.ended_subscription else { return Ok(decision) };
        let Some(mut subscription) = view.find_entity::<Subscription>(id)? else { return Ok(decision) };
        subscription.entity.pause(Some("its receiver answered 410: it wants no further message".to_owned()));
        decision.save(subscription, ctx.now)
    }
}

//! Deliveries as the work of workers.

use runstate_core::operation::{Backoff, Failure, GONE, WebhookSecret, WorkItem};
use runstate_core::prelude::*;
use schemars::JsonSchema;
use serde_json::json;

use super::{CompleteDelivery, Delivery, FailDelivery};
use crate::subscription::Subscription;

/// A delivery that a worker has claimed. Its serialized form has neither the URL nor the secret.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DeliveryWork {
    /// The delivery.
    pub delivery: Delivery,
    /// Where it is sent.
    #[serde(skip)]
    pub url: String,
    /// The key with which it is signed.
    #[serde(skip)]
    pub secret: WebhookSecret,
}

impl DeliveryWork {
    /// The one kind of deliveries.
    pub const KIND: &'static str = "webhook";

    pub(super) fn new(delivery: Delivery, Subscription { url, secret, .. }: Subscription) -> Self {
        Self { delivery, url, secret }
    }

    /// The body of the message, by Standard Webhooks: `{ "type", "timestamp", "data" }`. It is the same in every
    /// attempt.
    pub fn body(&self) -> String {
        let Delivery { event, occurred_at, data, .. } = &self.delivery;
        json!({"type": event, "timestamp": occurred_at.to_rfc3339(), "data": data}).to_string()
    }
}

impl WorkItem for DeliveryWork {
    type Row = Delivery;
    type Status = ();

    fn id(&self) -> &str {
        &self.delivery.id
    }

    fn token(&self) -> u64 {
        self.delivery.token
    }

    fn kind(&self) -> &str {
        Self::KIND
    }

    fn attempts(&self) -> u32 {
        self.delivery.attempts
    }

    /// The answer is the HTTP status of the response.
    fn complete(&self, _: &str, answer: Json) -> impl Command<Output = ()> {
        CompleteDelivery { id: self.delivery.id.clone(), token: self.delivery.token, response: answer }
    }

    /// All deliveries have the same waits, so the numbers of `backoff` are not used.
    fn fail(
        &self,
        _: &str,
        failure: &Failure,
        backoff: Option<Backoff>,
    ) -> impl Command<Output: Into<Option<Timestamp>>> {
        let Delivery { id, token, subscription_id, .. } = self.delivery.clone();
        let ended_subscription = (failure.name.as_deref() == Some(GONE)).then_some(subscription_id);
        FailDelivery {
            id,
            token,
            message: failure.message.clone(),
            permanent: backoff.is_none(),
            ended_subscription,
            retry_after: failure.retry_after,
        }
    }
}

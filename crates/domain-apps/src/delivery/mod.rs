//! Deliveries: one message to one subscription. A worker claims a delivery, sends it, and completes or fails it, so
//! each is sent at least once. Their order is not promised.
//!
//! | file | contents |
//! |---|---|
//! | `lease.rs` | how workers claim deliveries |
//! | `claim.rs` | the commands of workers that end deliveries |
//! | `work.rs` | deliveries as the work of workers |

mod claim;
mod lease;
mod work;

use runstate_core::lease::{next_attempt_after, shorten_message};
use runstate_core::prelude::*;
use runstate_core::schema::State;

pub use claim::{CompleteDelivery, FailDelivery};
pub use work::DeliveryWork;

/// The waits between attempts that Standard Webhooks recommends: three days and three hours in all. Each is longer at
/// random by up to a tenth.
const WAITS: [Millis; 9] = [
    Millis::seconds(5),
    Millis::minutes(5),
    Millis::minutes(30),
    Millis::minutes(2 * 60),
    Millis::minutes(5 * 60),
    Millis::minutes(10 * 60),
    Millis::minutes(14 * 60),
    Millis::minutes(20 * 60),
    Millis::minutes(24 * 60),
];

/// How long a delivery is kept after it was delivered.
const DELIVERED_KEPT: Millis = Millis::days(7);

/// How long a dead letter is kept.
const DEAD_KEPT: Millis = Millis::days(30);

/// Longest message of an error that is kept, in bytes.
const ERROR_BYTES: usize = 1_000;

/// A message to a subscription.
// It outlives its subscription, so its id is not a reference.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.deliveries", version = 1, noun = "delivery", filters(subscription_id, status, event))]
#[index(available_at, when = "exists(available_at)")]
#[index(due_at, when = "exists(due_at)")]
#[index(subscription_id, status)]
#[index(event)]
#[index(created_at desc)]
#[ttl(expires_at, seconds = 0)]
pub struct Delivery {
    /// Its id: that of the message, in every attempt.
    #[entity(id)]
    pub id: String,
    /// The subscription.
    pub subscription_id: String,
    /// The name of the event.
    #[entity(max = 200)]
    pub event: String,
    /// When the event happened.
    pub occurred_at: Timestamp,
    /// The summary of the event for the receiver.
    pub data: Document,
    /// Its status.
    #[entity(state)]
    pub state: DeliveryState,
    /// Number of attempts.
    pub attempts: u32,
    /// The fencing token of the last claim.
    pub token: u64,
    /// The error of the last attempt.
    #[entity(max = 1_000)]
    pub error: Option<String>,
    /// The HTTP status of the response that confirmed it.
    pub response_status: Option<u16>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Status of a delivery.
#[derive(State, Wire, Clone, Debug, PartialEq)]
pub enum DeliveryState {
    /// It waits for a worker or for its next attempt.
    Pending {
        /// When it may be claimed.
        available_at: Timestamp,
    },
    /// A worker has claimed it.
    Running {
        /// When the claim ends.
        due_at: Timestamp,
        /// The worker, for people.
        owner: String,
    },
    /// The receiver has confirmed it.
    Delivered {
        /// When it was confirmed.
        ended_at: Timestamp,
        /// When its row is removed.
        expires_at: Timestamp,
    },
    /// It is a dead letter: it is not sent again, unless a caller redelivers it.
    Dead {
        /// When it was given up.
        ended_at: Timestamp,
        /// When its row is removed.
        expires_at: Timestamp,
    },
}

impl Delivery {
    /// A delivery of this event that may be claimed at once.
    pub(super) fn new(
        ctx: &mut Ctx,
        subscription_id: &str,
        event: &str,
        occurred_at: Timestamp,
        data: Document,
    ) -> Self {
        Self {
            id: ctx.new_id(),
            subscription_id: subscription_id.to_owned(),
            event: event.to_owned(),
            occurred_at,
            data,
            state: DeliveryState::Pending { available_at: ctx.now },
            attempts: 0,
            token: 0,
            error: None,
            response_status: None,
            created_at: ctx.now,
        }
    }

    /// Ends a failed attempt. Returns the time of the next one; `None`: it is a dead letter.
    fn fail(&mut self, ctx: &Ctx, error: &str, permanent: bool, retry_after: Option<Millis>) -> Option<Timestamp> {
        self.error = Some(shorten_message(error, ERROR_BYTES));
        let attempts = usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(wait) = WAITS.get(attempts).filter(|_| !permanent) else {
            self.state = DeliveryState::Dead { ended_at: ctx.now, expires_at: ctx.now + DEAD_KEPT };
            return None;
        };
        let [a, b, ..] = ctx.seed("jitter");
        let jitter = wait.0 / 10 * i64::from(u16::from_be_bytes([a, b])) / i64::from(u16::MAX);
        let available_at = next_attempt_after(ctx.now + Millis(wait.0 + jitter), ctx.now, retry_after);
        self.state = DeliveryState::Pending { available_at };
        Some(available_at)
    }
}

//! Subscriptions: receivers of webhooks, each with the events that it wants. A change that is an event writes one row
//! in its own commit, however many subscriptions there are. Due work makes a delivery of it for each subscription, and
//! a worker sends the deliveries.
//!
//! | file | contents |
//! |---|---|
//! | `commands.rs` | create, pause, resume, remove, test, and sending dead letters again |
//! | `event.rs` | events: how a change records one, and the deliveries of it |

mod commands;
mod event;

use runstate_core::operation::WebhookSecret;
use runstate_core::prelude::*;

pub use commands::{
    CreateSubscription, PauseSubscription, RedeliverDeadLetters, RedeliveryCount, RemoveSubscription,
    ResumeSubscription, SubscriptionSummary, TestSubscription,
};
pub use event::{EVENTS, Event, PublishEvent, event_data, record_event};
pub(super) use event::{EXECUTION_EVENTS, STEP_EVENTS};

/// A receiver of webhooks.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.subscriptions", version = 1, noun = "subscription", filters(active))]
#[index(each(events))]
#[index(active)]
pub struct Subscription {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// Its name, for people.
    #[entity(max = 1_000)]
    pub name: Option<String>,
    /// Where messages are sent.
    #[entity(max = 2_000)]
    pub url: String,
    /// The key with which messages are signed. No operation returns it.
    #[entity(secret, hidden)]
    pub secret: WebhookSecret,
    /// The names of the events that it receives.
    pub events: Vec<String>,
    /// Only events whose data have these values.
    #[entity(omit_default, max = 4_000)]
    pub filter: Document,
    /// Whether it receives events. A paused one does not.
    pub active: bool,
    /// Why it was paused, unless a caller did it.
    #[entity(max = 1_000)]
    pub pause_reason: Option<String>,
    /// The person that created it.
    #[entity(max = 1_000)]
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

impl Subscription {
    /// Whether it receives this event.
    fn receives(&self, event: &Event) -> bool {
        let has = |(field, value): (&String, _)| event.data.get(field) == Some(value);
        self.active && self.events.contains(&event.name) && self.filter.iter().all(has)
    }

    /// Pauses it, if it is active.
    pub(super) fn pause(&mut self, reason: Option<String>) {
        if self.active {
            (self.active, self.pause_reason) = (false, reason);
        }
    }
}

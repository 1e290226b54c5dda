//! The commands of people on subscriptions.

use std::any::Any;

use runstate_core::operation::{WebhookSecret, nearest_name};
use runstate_core::prelude::*;

use super::{EVENTS, Subscription};
use crate::delivery::{Delivery, DeliveryState};

/// Largest number of events of a subscription.
const MAX_EVENTS: usize = 50;

/// Largest number of dead letters that one commit sends again.
const REDELIVERED_PER_COMMIT: u32 = 200;

/// The name of the event that [`TestSubscription`] sends.
const TEST_EVENT: &str = "apps.subscription.test";

/// The name of the query for dead letters.
const DEAD: &str = "dead";

/// A subscription after a command.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSummary {
    /// Its id.
    pub id: String,
    /// Whether it receives events.
    pub active: bool,
}

impl Subscription {
    fn summary(&self) -> SubscriptionSummary {
        SubscriptionSummary { id: self.id.clone(), active: self.active }
    }
}

/// Subscribes a receiver of webhooks to events. Each message is signed with the secret, as in Standard Webhooks.
///
/// The secret is the caller's own: no operation returns it. `whsec_$(openssl rand -base64 32)` makes one.
///
/// Errors: `invalid` (the URL, or the name of an event), `already_exists`, `limit` (more than 50 events).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.subscription.create", creates)]
pub struct CreateSubscription {
    /// Where messages are sent: `https://…`. Workers refuse addresses that are not public, unless they trust the host.
    #[operation(subject)]
    pub url: String,
    /// The key with which messages are signed: `whsec_` and 24 to 64 random bytes in base64.
    pub secret: WebhookSecret,
    /// The names of events, such as `apps.execution.failed`.
    pub events: Vec<String>,
    /// Only events whose data have these values, such as `{"appId": 1}`.
    pub filter: Option<Document>,
    /// A name for people.
    pub name: Option<String>,
    /// The person that creates it.
    pub created_by: Option<String>,
    /// The id of the subscription; by default a new one.
    pub id: Option<String>,
}

/// Rejects a URL to which no worker could send. The addresses of its host are checked when messages are sent. The
/// reason does not contain the URL, which may hold a secret.
fn check_url(url: &str) -> Result<()> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#', '\\']).next());
    match authority {
        None | Some("") => Err(Rejection::invalid("url", "must be `https://` and a host")),
        Some(authority) if authority.contains('@') => {
            Err(Rejection::invalid("url", "contains a user name or password; messages are signed instead"))
        }
        Some(_) if !url.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(Rejection::invalid("url", "contains a character that must be percent-encoded"))
        }
        Some(_) => Ok(()),
    }
}

/// Rejects a name that no event has. Of other domains only the form is known here.
fn check_event(name: &str) -> Result<()> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let known = !name.starts_with("apps.") || EVENTS.contains(&name);
    if known && name.len() <= 200 && name.split('.').count() > 1 && name.split('.').all(is_word) {
        return Ok(());
    }
    let hint = nearest_name(name, &EVENTS).map_or_else(
        || format!("the events of apps are {}", EVENTS.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    let name = &name[..name.floor_char_boundary(200)];
    Err(Rejection::invalid("events", format!("`{name}` is not an event; {hint}")))
}

impl Command for CreateSubscription {
    type Output = SubscriptionSummary;

    fn check(&self) -> Result<()> {
        check_url(&self.url)?;
        if self.events.is_empty() {
            return Err(Rejection::invalid(
                "events",
                format!("is empty; the events of apps are {}", EVENTS.join(", ")),
            ));
        }
        if self.events.len() > MAX_EVENTS {
            return Err(Rejection::Limit {
                what: format!("{} events", self.events.len()),
                limit: format!("at most {MAX_EVENTS}"),
                remedy: "create a second subscription for the others",
            });
        }
        self.events.iter().try_for_each(|name| check_event(name))
    }

    fn reads(&self, _: &View) -> ReadSet {
        self.id.iter().fold(ReadSet::empty(), |reads, id| reads.with_entity::<Subscription>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SubscriptionSummary>> {
        if let Some(id) = &self.id {
            view.check_absent::<Subscription>(id)?;
        }
        let subscription = Subscription {
            id: self.id.clone().unwrap_or_else(|| ctx.new_id()),
            name: self.name.clone(),
            url: self.url.clone(),
            secret: self.secret.clone(),
            events: self.events.clone(),
            filter: self.filter.clone().unwrap_or_default(),
            active: true,
            pause_reason: None,
            created_by: self.created_by.clone(),
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        Decision::new(subscription.summary()).and_insert(&subscription)
    }
}

/// Pauses a subscription: it receives no event that happens until it is resumed. Deliveries that wait become dead
/// letters when their next attempt is due, and may be sent again later.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.subscription.pause")]
pub struct PauseSubscription {
    /// The subscription.
    #[operation(subject)]
    pub id: String,
}

impl Command for PauseSubscription {
    type Output = SubscriptionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SubscriptionSummary>> {
        let mut subscription = view.entity::<Subscription>(&self.id)?;
        subscription.entity.pause(None);
        Decision::new(subscription.entity.summary()).save(subscription, ctx.now)
    }
}

/// Resumes a subscription that is paused. Its dead letters are sent again by `redeliver` only.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.subscription.resume")]
pub struct ResumeSubscription {
    /// The subscription.
    #[operation(subject)]
    pub id: String,
}

impl Command for ResumeSubscription {
    type Output = SubscriptionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SubscriptionSummary>> {
        let mut subscription = view.entity::<Subscription>(&self.id)?;
        (subscription.entity.active, subscription.entity.pause_reason) = (true, None);
        Decision::new(subscription.entity.summary()).save(subscription, ctx.now)
    }
}

/// Removes a subscription with its secret. Deliveries that wait become dead letters when their next attempt is due.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.subscription.remove", cli = "apps subscription delete")]
pub struct RemoveSubscription {
    /// The subscription.
    #[operation(subject)]
    pub id: String,
}

impl Command for RemoveSubscription {
    type Output = SubscriptionSummary;

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<SubscriptionSummary>> {
        let subscription = view.entity::<Subscription>(&self.id)?;
        let summary = SubscriptionSummary { active: false, ..subscription.entity.summary() };
        Ok(Decision::new(summary).change(subscription.delete()))
    }
}

/// The subscription, to which messages are to be sent now.
fn require_active(view: &View, id: &str) -> Result<LoadedEntity<Subscription>> {
    let subscription = view.entity::<Subscription>(id)?;
    if subscription.entity.active {
        return Ok(subscription);
    }
    let key = Key::new(&Subscription::COLLECTION, id);
    Err(Rejection::IllegalTransition { key, from: "paused", command: "send", remedy: Some("resume") })
}

/// Sends a message with the event `apps.subscription.test` to a subscription. The result is the id of the delivery.
///
/// Errors: `not_found`, `illegal_transition` (it is paused).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.subscription.test")]
pub struct TestSubscription {
    /// The subscription.
    #[operation(subject)]
    pub id: String,
}

impl Command for TestSubscription {
    type Output = String;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<String>> {
        let subscription = require_active(view, &self.id)?;
        let data = Document::from_iter([("subscriptionId".to_owned(), Json::from(&*self.id))]);
        let delivery = Delivery::new(ctx, &self.id, TEST_EVENT, ctx.now, data);
        Decision::new(delivery.id.clone()).and_insert(&delivery)?.save(subscription, ctx.now)
    }
}

/// Sends the dead letters of a subscription again, each under the same message id, with as many attempts as a new
/// delivery.
///
/// Errors: `not_found`, `illegal_transition` (the subscription is paused).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.subscription.redeliver")]
pub struct RedeliverDeadLetters {
    /// The subscription.
    #[operation(subject)]
    pub id: String,
    /// Only this delivery; by default all dead letters.
    pub delivery: Option<String>,
    /// The dead letter up to which an earlier part of the command has done so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[operation(skip)]
    pub after: Option<String>,
}

/// The progress of a [`RedeliverDeadLetters`].
#[derive(Wire, Clone, Debug, Default, PartialEq, Eq)]
pub struct RedeliveryCount {
    /// Number of dead letters that are sent again.
    pub deliveries: u64,
    /// The last one, if more may follow.
    pub after: Option<String>,
}

impl Command for RedeliverDeadLetters {
    type Output = RedeliveryCount;

    fn reads(&self, _: &View) -> ReadSet {
        let bounds = [
            self.delivery.iter().map(|id| Filter::Eq("id".to_owned(), (&**id).into())).next(),
            self.after.iter().map(|id| Filter::Gt("id".to_owned(), (&**id).into())).next(),
        ];
        let dead = Query::of(&Delivery::COLLECTION).eq("subscription_id", &*self.id).eq("status", "dead");
        let dead = bounds.into_iter().flatten().fold(dead, Query::filter).limit(REDELIVERED_PER_COMMIT);
        ReadSet::entity::<Subscription>(&self.id).query(DEAD, dead)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RedeliveryCount>> {
        let subscription = require_active(view, &self.id)?;
        let mut dead = view.loaded_entities::<Delivery>(DEAD)?;
        if let Some(id) = self.delivery.as_ref().filter(|_| dead.is_empty()) {
            return Err(Rejection::NotFound {
                what: "dead letter",
                id: id.clone(),
                hint: format!(" of subscription `{}`", self.id),
            });
        }
        // Beside the deliveries: the audit log, the ledger, the check of the subscription.
        let most = ctx.max_writes.saturating_sub(3).max(1);
        let more = view.next_cursor(DEAD).is_some() || dead.len() > most;
        dead.truncate(most);
        let after = dead.last().filter(|_| more).map(|last| last.entity.id.clone());
        let mut decision = Decision::new(RedeliveryCount { deliveries: dead.len() as u64, after });
        for mut delivery in dead {
            delivery.entity.attempts = 0;
            delivery.entity.state = DeliveryState::Pending { available_at: ctx.now };
            decision = decision.save(delivery, ctx.now)?;
        }
        decision.save(subscription, ctx.now)
    }

    fn next(&self, output: &RedeliveryCount, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        let after = Some(output.after.clone()?);
        Some(TypedCommand::boxed(Self { after, ..self.clone() }))
    }

    fn absorb(&self, output: &mut RedeliveryCount, part: Box<dyn Any>) {
        if let Ok(part) = part.downcast::<RedeliveryCount>() {
            output.deliveries += part.deliveries;
            output.after = part.after;
        }
    }
}

//! Events: changes that subscriptions receive. A trigger records one in the commit of the change; a domain of one's own
//! declares such a trigger for its own collections, or for those of others.
//!
//! An event goes to the subscriptions that exist, are active and want it when its deliveries are made. One that was
//! created before the commit of the event is always among them. One that is created between the two is too.

use std::any::Any;

use runstate_core::id::derive_id;
use runstate_core::operation::{ChangedDocument, Trigger};
use runstate_core::prelude::*;
use runstate_core::schema::Kind;
use runstate_value::json_bytes;

use super::Subscription;
use crate::delivery::Delivery;
use crate::execution::{AppExecution, ExecutionError};
use crate::step::Step;

/// The events of this domain.
pub const EVENTS: [&str; 4] =
    ["apps.execution.completed", "apps.execution.failed", "apps.execution.cancelled", "apps.step.failed"];

/// Longest text in the data of an event, in bytes.
const TEXT_BYTES: usize = 1_000;

/// Largest data of an event, in bytes of its JSON. Receivers of webhooks accept about 20 KB.
const DATA_BYTES: usize = 16 * 1024;

/// Largest number of deliveries that one commit makes.
const DELIVERIES_PER_COMMIT: u32 = 200;

/// The name of the query for subscriptions.
const SUBSCRIPTIONS: &str = "subscriptions";

/// A change whose deliveries are not all made.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.events", version = 1)]
#[index(occurred_at)]
pub struct Event {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// Its name: `apps.execution.failed`.
    #[entity(max = 200)]
    pub name: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Its summary for receivers.
    pub data: Document,
    /// The subscription up to which its deliveries are made, in the order of their ids.
    pub made_up_to: Option<String>,
}

/// Records an event in the commit of the change. Deliveries are made from it by due work.
///
/// A trigger of any domain calls it. `name` is `domain.noun.event`; `data` come from [`event_data`].
///
/// ```
/// use runstate::domain::apps::{event_data, record_event};
/// use runstate::domain::cvm::EXECUTIONS;
/// use runstate::operation::{Domain, Trigger};
///
/// /// Programs that fail are events.
/// static PROGRAM_EVENTS: Domain = Domain::new("programs").triggers(&[Trigger {
///     collection: EXECUTIONS.name,
///     concerns: |_| true,
///     run: |change, decision| match change.entered("state.status") {
///         Some("error") => {
///             let data = event_data(&EXECUTIONS, change.after, &["id", "programName"]);
///             record_event(&change, decision, "programs.execution.failed", data)
///         }
///         _ => Ok(()),
///     },
/// }]);
/// ```
pub fn record_event(
    change: &ChangedDocument<'_>,
    decision: &mut Decision<()>,
    name: &str,
    data: Document,
) -> Result<()> {
    // A command changes a document once, so the name and the key distinguish its events.
    let [a, b, c, d, e, f, g, h, ..] = change.ctx.seed(&format!("event {name} {}", change.key));
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let event = Event {
        id: derive_id(change.ctx.now, change.ctx.command(), number),
        name: name.to_owned(),
        occurred_at: change.ctx.now,
        data,
        made_up_to: None,
    };
    decision.changes.push(Change::insert(&event)?);
    Ok(())
}

/// These fields of a document as the data of an event, by their names in results: times as in RFC 3339, long texts cut
/// off. Left out are fields that hold a secret, and those that would make the data too large.
pub fn event_data(collection: &Collection, document: &Document, fields: &[&str]) -> Document {
    let mut data = Document::new();
    for name in fields {
        let declared = collection.fields.iter().find(|field| field.name == *name);
        let Some(value) = document.get(*name).filter(|_| !declared.is_some_and(|field| field.secret)) else { continue };
        let time = value.as_i64().filter(|_| declared.is_some_and(|field| field.kind == Kind::Timestamp));
        let value = match time {
            Some(at) => Timestamp::from_millis(at).to_rfc3339().into(),
            None => shorten(value),
        };
        if json_bytes(&value) + json_bytes(&Json::Object(data.clone())) <= DATA_BYTES {
            data.insert(collection.member_name(name), value);
        }
    }
    data
}

/// The value with long texts cut off.
fn shorten(value: &Json) -> Json {
    match value {
        Json::String(text) => text[..text.floor_char_boundary(TEXT_BYTES)].into(),
        Json::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), shorten(value))).collect::<Document>().into()
        }
        Json::Array(items) => items.iter().map(shorten).collect(),
        other => other.clone(),
    }
}

/// Records the events of executions.
pub const EXECUTION_EVENTS: Trigger =
    Trigger { collection: AppExecution::COLLECTION.name, concerns: |_| true, run: record_execution };

/// Records the events of steps.
pub const STEP_EVENTS: Trigger = Trigger { collection: Step::COLLECTION.name, concerns: |_| true, run: record_step };

const EXECUTION_DATA: &[&str] = &[
    "execution_id",
    "app_id",
    "app_name",
    "sub_app_id",
    "sub_app_name",
    "version",
    "user_id",
    "status",
    "started_at",
    "completed_at",
    "duration_ms",
    "error",
];

const STEP_DATA: &[&str] =
    &["id", "step_id", "step_name", "status", "started_at", "completed_at", "duration_ms", "retry_count", "error"];

fn record_execution(change: ChangedDocument<'_>, decision: &mut Decision<()>) -> Result<()> {
    let name = match change.entered("status") {
        Some("completed") => EVENTS[0],
        Some("failed") => EVENTS[1],
        Some("cancelled") => EVENTS[2],
        _ => return Ok(()),
    };
    let mut data = event_data(&AppExecution::COLLECTION, change.after, EXECUTION_DATA);
    if let Some(error) = data.get_mut("error") {
        *error = ExecutionError(error.take()).into();
    }
    record_event(&change, decision, name, data)
}

/// The data of a step are those of its execution too, so that a subscription may filter by app and user.
fn record_step(change: ChangedDocument<'_>, decision: &mut Decision<()>) -> Result<()> {
    let Some("failed") = change.entered("status") else { return Ok(()) };
    let mut data = event_data(&Step::COLLECTION, change.after, STEP_DATA);
    let execution = change.after.get("execution_id").and_then(Json::as_str).unwrap_or_default();
    if let Some(execution) = decision.current::<AppExecution>(change.view, execution)? {
        let AppExecution { execution_id, app_id, app_name, user_id, .. } = execution;
        data.insert("executionId".to_owned(), execution_id.into());
        data.insert("appId".to_owned(), app_id.into());
        data.insert("appName".to_owned(), shorten(&app_name.into()));
        data.insert("userId".to_owned(), shorten(&user_id.into()));
    }
    record_event(&change, decision, EVENTS[3], data)
}

/// Makes the deliveries of an event, in as many commits as it takes, and removes the event with the last one.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.event.publish")]
pub struct PublishEvent {
    /// The event.
    pub id: String,
}

impl Command for PublishEvent {
    /// Whether more deliveries are to be made.
    type Output = bool;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<Event>(&self.id);
        let Ok(Some(event)) = view.find_entity::<Event>(&self.id) else { return reads };
        let wanted = Filter::Contains("events".to_owned(), event.entity.name.into());
        let query = Query::of(&Subscription::COLLECTION).filter(wanted).limit(DELIVERIES_PER_COMMIT);
        let after = event.entity.made_up_to.map(|id| Filter::Gt("id".to_owned(), id.into()));
        reads.query(SUBSCRIPTIONS, after.into_iter().fold(query, Query::filter))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<bool>> {
        let Some(mut event) = view.find_entity::<Event>(&self.id)? else { return Ok(Decision::new(false)) };
        let mut subscriptions: Vec<Subscription> = view.entities(SUBSCRIPTIONS)?;
        // Beside the deliveries: the event, the audit log, the ledger.
        let most = ctx.max_writes.saturating_sub(3).max(1);
        let more = view.next_cursor(SUBSCRIPTIONS).is_some() || subscriptions.len() > most;
        subscriptions.truncate(most);
        let mut decision = Decision::new(more);
        for subscription in subscriptions.iter().filter(|subscription| subscription.receives(&event.entity)) {
            let Event { name, occurred_at, data, .. } = &event.entity;
            let delivery = Delivery::new(ctx, &subscription.id, name, *occurred_at, data.clone());
            decision = decision.and_insert(&delivery)?;
        }
        if !more {
            return Ok(decision.change(event.delete()));
        }
        event.entity.made_up_to = subscriptions.pop().map(|last| last.id);
        decision.save(event, ctx.now)
    }

    fn next(&self, more: &bool, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        more.then(|| TypedCommand::boxed(self.clone()))
    }

    fn absorb(&self, output: &mut bool, part: Box<dyn Any>) {
        *output = part.downcast().is_ok_and(|more| *more);
    }
}

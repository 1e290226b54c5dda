//! A domain of one's own: one entity, three operations, one due rule. It is called by its types, by JSON calls, and by due work, and described like every
//! other domain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "own_domain/work.rs"]
mod work;

use std::sync::Arc;

use runstate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, TypedCommand, View};
use runstate::engine::{Engine, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::operation::{Domain, DueKind, DueRule, Operation};
use runstate::schema::{Collection, Entity, Filter, State};
use runstate::store::Memory;
use runstate::testing::{SimHost, block_on};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Document, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The domain.
static NOTES: Domain = Domain::new("notes")
    .collections(&[&REMINDERS])
    .operations(&[&AddReminder::OPERATION, &Snooze::OPERATION, &Finish::OPERATION])
    .due(&[&OVERDUE])
    .codes(CODES);

runstate::error_codes! {
    /// The reminder is done already.
    ALREADY_DONE = "already_done",
}

static REMINDERS: Collection = Reminder::COLLECTION;

/// A reminder.
#[derive(Entity, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[entity(collection = "notes.reminders", version = 1)]
#[index(status)]
#[index(due, when = "exists(due)")]
#[ttl(done_at, days = 30)]
struct Reminder {
    #[entity(id)]
    id: String,
    #[entity(max = 1_000)]
    text: String,
    #[entity(state)]
    #[serde(flatten)]
    state: ReminderState,
}

/// A variant owns its fields, so that a status and its time cannot disagree.
#[derive(State, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
enum ReminderState {
    Open { due: Timestamp },
    Overdue,
    Done { done_at: Timestamp },
}

/// Adds a reminder.
#[derive(Serialize, Operation)]
#[operation(name = "notes.reminder.add")]
struct AddReminder {
    /// Its id.
    #[operation(subject)]
    id: String,
    /// The text to remember.
    text: String,
    /// When it is due.
    due: Timestamp,
}

impl Command for AddReminder {
    const NAME: &'static str = "notes.add";
    type Output = Reminder;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Reminder>(&self.id)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Reminder>, Rejection> {
        if view.find_entity::<Reminder>(&self.id)?.is_some() {
            return Err(Rejection::AlreadyExists { what: "reminder", id: self.id.clone() });
        }
        let state = ReminderState::Open { due: self.due };
        let reminder = Reminder { id: self.id.clone(), text: self.text.clone(), state };
        let insert = Change::insert(&reminder)?;
        Ok(Decision::new(reminder).change(insert))
    }
}

/// Puts a reminder off.
#[derive(Serialize, Operation)]
#[operation(name = "notes.reminder.snooze")]
struct Snooze {
    /// The reminder.
    #[operation(subject)]
    id: String,
    /// When it is due instead.
    due: Timestamp,
}

/// Finishes a reminder.
#[derive(Serialize, Operation)]
#[operation(name = "notes.reminder.finish")]
struct Finish {
    /// The reminder.
    #[operation(subject)]
    id: String,
    /// Whether its time has come instead.
    #[operation(skip)]
    overdue: bool,
}

impl Command for Snooze {
    const NAME: &'static str = "notes.snooze";
    type Output = Reminder;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Reminder>(&self.id)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Reminder>, Rejection> {
        change(view, &self.id, |_| Some(ReminderState::Open { due: self.due }))
    }
}

impl Command for Finish {
    const NAME: &'static str = "notes.finish";
    type Output = Reminder;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Reminder>(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reminder>, Rejection> {
        change(view, &self.id, |state| match state {
            ReminderState::Open { due } if self.overdue => (*due <= ctx.now).then_some(ReminderState::Overdue),
            _ => (!self.overdue).then_some(ReminderState::Done { done_at: ctx.now }),
        })
    }
}

/// Changes the state of a reminder that is not done; `None` leaves it as it is.
fn change(
    view: &View,
    id: &str,
    next: impl FnOnce(&ReminderState) -> Option<ReminderState>,
) -> Result<Decision<Reminder>, Rejection> {
    let found = view.entity::<Reminder>(id)?;
    if matches!(found.entity.state, ReminderState::Done { .. }) {
        return Err(Rejection::domain(ALREADY_DONE, format!("reminder `{id}` is done already; nothing was changed")));
    }
    let Some(state) = next(&found.entity.state) else { return Ok(Decision::new(found.entity)) };
    let after = Reminder { state, ..found.entity.clone() };
    let update = found.update(&after)?;
    Ok(Decision::new(after).change(update))
}

/// Reminders whose time has come.
static OVERDUE: DueRule = DueRule {
    name: "notes.overdue",
    collection: &REMINDERS,
    field: "due",
    delay: |_| Some(Millis(0)),
    filter: || Filter::All,
    command: |row| TypedCommand::boxed(Finish { id: row.id.to_owned(), overdue: true }),
    outcome: |_| Some(DueKind::Resumed),
};

/// An engine with this domain, and its host.
fn open() -> (Engine, SimHost) {
    let host = SimHost::default();
    let engine = block_on(Engine::new(Arc::new(Memory::new()), Arc::new(host.clone()), &[&NOTES]));
    (engine.unwrap(), host)
}

fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, runstate::engine::Error> {
    let parameters: Document = parameters.as_object().unwrap().clone();
    block_on(engine.call(name, parameters))
}

#[test]
fn an_operation_is_called_by_its_type() {
    let (engine, host) = open();
    let due = host.clock.now() + Millis::minutes(5);
    let added = block_on(engine.execute(&AddReminder { id: "tea".into(), text: "Drink tea".into(), due })).unwrap();
    assert!(matches!(added.state, ReminderState::Open { due: at } if at == due));
    block_on(engine.execute(&Finish { id: "tea".into(), overdue: false })).unwrap();
    let again = block_on(engine.execute(&Finish { id: "tea".into(), overdue: false })).unwrap_err();
    assert_eq!(again.code, ALREADY_DONE);
}

#[test]
fn an_operation_is_called_by_its_name_with_json() {
    let (engine, _) = open();
    let add = json!({"id": "tea", "text": "Drink tea", "due": 5_000, "commandId": "one"});
    let added = call(&engine, "notes.reminder.add", add.clone()).unwrap();
    assert_eq!(added, json!({"id": "tea", "text": "Drink tea", "status": "open", "due": 5_000}));
    assert_eq!(call(&engine, "notes.reminder.add", add).unwrap(), added, "a repeat gives the first result");
    let found = call(&engine, "documents.query", json!({"collection": "notes.reminders"})).unwrap();
    assert_eq!(found["items"][0]["text"], "Drink tea");
}

#[test]
fn due_work_of_the_domain_is_done_by_the_engine() {
    let (engine, host) = open();
    let due = host.clock.now() + Millis::minutes(5);
    block_on(engine.execute(&AddReminder { id: "tea".into(), text: "Drink tea".into(), due })).unwrap();
    assert_eq!(block_on(engine.next_due(runstate::store::Freshness::Linearizable)).unwrap(), Some(due));
    host.clock.advance(Millis::minutes(6));
    let report = block_on(engine.run_due(10, RunLimit::Stop)).unwrap();
    assert_eq!((report.woken, report.failed.len()), (1, 0));
    let snoozed = block_on(engine.execute(&Snooze { id: "tea".into(), due })).unwrap();
    assert!(matches!(snoozed.state, ReminderState::Open { .. }));
}

#[test]
fn wrong_parameters_are_explained() {
    let (engine, _) = open();
    let message = |name: &str, parameters: Json| {
        let error = call(&engine, name, parameters).unwrap_err();
        assert_eq!(error.code, ErrorCode::USAGE);
        error.message
    };
    insta::assert_snapshot!([
        message("notes.reminder.ad", json!({})),
        message("orchestration.session.create", json!({})),
        message("notes.reminder.add", json!({"id": "tea", "text": "Drink", "dew": 1})),
        message("notes.reminder.add", json!({"id": "tea", "text": ["Drink"], "due": 1})),
        message("notes.reminder.add", json!({"id": "tea"})),
        message("notes.reminder.add", json!({"id": "tea", "text": "Drink", "due": 1, "commandID": "x"})),
        message("notes.reminder.add", json!({"id": "tea", "text": "x".repeat(1_000_000), "due": "today"})),
    ].join("\n"), @r#"
    `notes.reminder.ad` is not an operation; did you mean `notes.reminder.add`?
    `orchestration.session.create` is not an operation; this store was not opened with a domain `orchestration`
    notes.reminder.add has no option `dew`; its options are `id`, `text`, `due`, `commandId`
    notes.reminder.add: `text` must be a string, not ["Drink"]
    notes.reminder.add: `text` is missing; it must be a string
    notes.reminder.add has no option `commandID`; did you mean `commandId`?
    notes.reminder.add: `due` must be a time in milliseconds since 1970, not "today"
    "#);
}

#[test]
fn a_domain_that_declares_something_twice_is_refused_by_name() {
    static TWICE: Domain = Domain::new("twice").codes(CODES);
    static FOREIGN: Domain = Domain::new("foreign").collections(&[&REMINDERS]);
    let refusal = |domains: &[&'static Domain]| {
        let engine = Engine::new(Arc::new(Memory::new()), Arc::new(SimHost::default()), domains);
        block_on(engine).map(drop).unwrap_err().message
    };
    insta::assert_snapshot!([refusal(&[&NOTES, &NOTES]), refusal(&[&NOTES, &TWICE]), refusal(&[&FOREIGN])].join("\n"), @r#"
    the domain `notes` is declared twice: by the domain `notes` and by the domain `notes`
    error code `already_done` is declared twice: by the domain `notes` and by the domain `twice`
    the domain `foreign` declares the collection `notes.reminders`; its name must begin with `foreign.`
    "#);
}

#[test]
fn the_domain_is_described_like_every_other() {
    let (engine, _) = open();
    let signature = engine.signatures().find(|signature| signature.name == "notes.reminder.add").unwrap();
    let description = (signature.description.unwrap())();
    assert_eq!((description.documentation, description.command_line), ("Adds a reminder.", "reminder add"));
    assert_eq!(description.parameters.get("required"), Some(&json!(["id", "text", "due"])));
    assert_eq!(description.parameters.pointer("/properties/due/description"), Some(&json!("When it is due.")));
}

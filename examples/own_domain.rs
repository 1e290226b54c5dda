//! A domain of your own: one entity, three operations and one due rule. The command line, JSON calls, MCP and all
//! checks are derived. `cargo run --example own_domain -- notes reminder add tea --text 'Drink tea' --due +5m`
#![allow(missing_docs)]

use std::process::ExitCode;

use runstate::decision::{Command, Ctx, Decision, LoadedEntity, ReadSet, Rejection, TypedCommand, View};
use runstate::operation::{Domain, DueRule, EntityQueries, Operation};
use runstate::schema::{Entity, State, Wire};
use runstate::time::Timestamp;
use serde::Serialize;

fn main() -> ExitCode {
    runstate_cli::main(&[&NOTES])
}

/// The domain. The names of its collections and operations begin with its name.
pub static NOTES: Domain = Domain::new("notes")
    .collections(&[&Reminder::COLLECTION])
    .operations(&[&AddReminder::OPERATION, &Snooze::OPERATION, &Finish::OPERATION, &Reminder::SHOW, &Reminder::LIST])
    .due(&[&TIME_HAS_COME])
    .codes(CODES);

runstate::error_codes! {
    /// The reminder is done already.
    ALREADY_DONE = "already_done",
}

/// A reminder. It is deleted 30 days after it was done.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "notes.reminders", version = 1, noun = "reminder", filters(status))]
#[index(due, when = "exists(due)")]
#[ttl(done_at, days = 30)]
pub struct Reminder {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// The text to remember.
    #[entity(max = 500)]
    pub text: String,
    #[entity(state)]
    pub state: ReminderState,
}

/// The status of a reminder. A status owns its fields, so that the two cannot disagree.
#[derive(State, Wire, Clone, Debug, PartialEq)]
pub enum ReminderState {
    Open { due: Timestamp },
    Done { done_at: Timestamp },
}

/// Adds a reminder.
#[derive(Serialize, Operation)]
#[operation(name = "notes.reminder.add", creates)]
pub struct AddReminder {
    /// Id of the reminder.
    #[operation(subject)]
    pub id: String,
    /// The text to remember.
    pub text: String,
    /// When it is due.
    pub due: Timestamp,
}

// A command names the documents that it needs, and decides from them alone: no clock, no store. The engine commits the
// decision.
impl Command for AddReminder {
    type Output = Reminder;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Reminder>(&self.id)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Reminder>, Rejection> {
        view.check_absent::<Reminder>(&self.id)?;
        let state = ReminderState::Open { due: self.due };
        Decision::insert(Reminder { id: self.id.clone(), text: self.text.clone(), state })
    }
}

/// Puts a reminder off.
#[derive(Serialize, Operation)]
#[operation(name = "notes.reminder.snooze")]
pub struct Snooze {
    /// Id of the reminder.
    #[operation(subject)]
    pub id: String,
    /// When it is due instead.
    pub due: Timestamp,
}

impl Command for Snooze {
    type Output = Reminder;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Reminder>(&self.id)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Reminder>, Rejection> {
        open_reminder(view, &self.id)?.modify(|reminder| reminder.state = ReminderState::Open { due: self.due })
    }
}

/// Finishes a reminder.
#[derive(Serialize, Operation)]
#[operation(name = "notes.reminder.finish")]
pub struct Finish {
    /// Id of the reminder.
    #[operation(subject)]
    pub id: String,
    /// Only if it is due by this time. It is for due work: another process may have put the reminder off.
    #[operation(skip)]
    pub due_by: Option<Timestamp>,
}

impl Command for Finish {
    type Output = Reminder;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Reminder>(&self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reminder>, Rejection> {
        let reminder = view.entity::<Reminder>(&self.id)?.entity;
        if self.due_by.is_some_and(|by| !matches!(reminder.state, ReminderState::Open { due } if due <= by)) {
            return Ok(Decision::new(reminder));
        }
        open_reminder(view, &self.id)?.modify(|reminder| reminder.state = ReminderState::Done { done_at: ctx.now })
    }
}

fn open_reminder(view: &View, id: &str) -> Result<LoadedEntity<Reminder>, Rejection> {
    let found = view.entity::<Reminder>(id)?;
    match found.entity.state {
        ReminderState::Open { .. } => Ok(found),
        ReminderState::Done { .. } => Err(Rejection::domain(ALREADY_DONE, format!("reminder `{id}` is done already"))),
    }
}

/// A reminder is done when its time has come. Every process finds it by the index of `due`, so a crash loses nothing.
static TIME_HAS_COME: DueRule = DueRule::new("notes.time_has_come", &Reminder::COLLECTION, "due", |row| {
    TypedCommand::boxed(Finish { id: row.id.to_owned(), due_by: Some(row.until) })
});

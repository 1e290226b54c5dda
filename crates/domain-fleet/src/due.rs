//! Due work: machines without a heartbeat, reservations that expire, budgets that roll, claims that end, experiments
//! that end, and upkeep.

use runstate_core::lease::Expire;
use runstate_core::operation::DueRule;
use runstate_core::prelude::*;

use super::budget::{ExpireReservation, ReservationStatus, ResourceBudget, ResourceReservation, RollBudget};
use super::checkpoint::QueuedVerification;
use super::hub::{CompleteExperiment, HubExperiment};
use super::machine::{IntelligentMachine, TerminateSilentMachine};
use super::settings::FleetSettings;
use super::upkeep::UpkeepJob;

pub(super) static RULES: &[&DueRule] =
    &[&MACHINE_SILENT, &RESERVATION, &BUDGET_ROLL, &VERIFICATION_CLAIM, &EXPERIMENT, &UPKEEP];

/// Machines without a heartbeat, which are terminated.
static MACHINE_SILENT: DueRule = DueRule {
    delay: |settings| Some(settings.get::<FleetSettings>().terminate_after),
    ..DueRule::new("fleet.machine_silent", &IntelligentMachine::COLLECTION, "last_heartbeat", |row| {
        TypedCommand::boxed(TerminateSilentMachine { uuid: row.id.to_owned(), silent_since: row.until })
    })
};

/// Reservations whose time is over, which are given back.
static RESERVATION: DueRule = DueRule {
    // One for a shorter time is given back this late at the most; until then it holds more back than it should.
    lead: |_| Millis::seconds(10),
    filter: || Filter::Eq("state".to_owned(), ReservationStatus::Active.as_str().into()),
    ..DueRule::new("fleet.reservation", &ResourceReservation::COLLECTION, "expires_at", |row| {
        TypedCommand::boxed(ExpireReservation { uuid: row.id.to_owned() })
    })
};

/// Budgets whose period has ended, for which the next one is made.
static BUDGET_ROLL: DueRule = DueRule {
    // A period without a budget gets it from the first command too, so it may be found late.
    lead: |_| Millis::minutes(1),
    ..DueRule::new("fleet.budget_roll", &ResourceBudget::COLLECTION, "roll_at", |row| {
        TypedCommand::boxed(RollBudget { uuid: row.id.to_owned() })
    })
};

/// Claimed verifications whose lease has ended. A process that polls may find them later by the lead: nothing depends
/// on the moment.
static VERIFICATION_CLAIM: DueRule = DueRule { lead: |_| Millis::seconds(30), ..Expire::<QueuedVerification>::RULE };

/// Running experiments whose days are over.
static EXPERIMENT: DueRule = DueRule {
    lead: |_| Millis::days(1),
    ..DueRule::new("fleet.experiment", &HubExperiment::COLLECTION, "ends_at", |row| {
        TypedCommand::boxed(CompleteExperiment { uuid: row.id.to_owned() })
    })
};

/// Jobs that run at fixed times.
static UPKEEP: DueRule = DueRule {
    lead: |_| Millis::minutes(1),
    // A job is due in the next month at the latest.
    horizon: Some(Millis::days(32)),
    maintains: UpkeepJob::maintains,
    outcome: UpkeepJob::outcome,
    ..DueRule::new("fleet.upkeep", &UpkeepJob::COLLECTION, "due_at", UpkeepJob::command)
};

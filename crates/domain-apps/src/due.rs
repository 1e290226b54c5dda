//! Due work: claims that have ended, deadlines that have passed, executions, apps and versions to remove, blobs to
//! review, events to publish.

use runstate_core::decision::TypedCommand;
use runstate_core::lease::Expire;
use runstate_core::operation::DueRule;
use runstate_core::schema::Entity as _;
use runstate_value::time::Millis;

use super::artifact::{Blob, ReviewBlob, SHORTEST_REVIEW};
use super::configuration::{
    App, AppConfiguration, ClearApp, DeleteConfiguration, SHORTEST_DEADLINE, SHORTEST_RETENTION,
};
use super::delivery::Delivery;
use super::execution::{AppExecution, PassDeadline, RemoveExecution};
use super::step::QueuedStep;
use super::subscription::{Event, PublishEvent};

pub(super) static RULES: &[&DueRule] =
    &[&STEP_CLAIM, &DEADLINE, &RETENTION, &APP_REMOVAL, &VERSION_REMOVAL, &BLOB_REVIEW, &DELIVERY_CLAIM, &EVENT];

/// Claimed steps whose lease has ended or whose time is over.
static STEP_CLAIM: DueRule = Expire::<QueuedStep>::RULE;

/// Executions whose deadline has passed.
static DEADLINE: DueRule = DueRule {
    lead: |_| SHORTEST_DEADLINE,
    ..DueRule::new("apps.deadline", &AppExecution::COLLECTION, "deadline_at", |row| {
        TypedCommand::boxed(PassDeadline { execution_id: row.id.to_owned() })
    })
};

/// Executions whose retention has ended. The bytes of their artifacts are reviewed after it.
static RETENTION: DueRule = DueRule {
    lead: |_| SHORTEST_RETENTION,
    outcome: RemoveExecution::kind,
    is_retention: true,
    ..DueRule::new("apps.retention", &AppExecution::COLLECTION, "remove_at", |row| {
        TypedCommand::boxed(RemoveExecution { execution_id: row.id.to_owned() })
    })
};

/// Apps whose removal was interrupted. A process that polls may find them later by the lead: nothing waits for it.
static APP_REMOVAL: DueRule = DueRule {
    lead: |_| Millis::minutes(1),
    outcome: ClearApp::kind,
    ..DueRule::new("apps.app_removal", &App::COLLECTION, "remove_at", |row| {
        TypedCommand::boxed(ClearApp { id: row.id.to_owned() })
    })
};

/// Removed versions that no execution may use any more.
static VERSION_REMOVAL: DueRule = DueRule {
    lead: |_| Millis::minutes(60),
    outcome: DeleteConfiguration::kind,
    ..DueRule::new("apps.version_removal", &AppConfiguration::COLLECTION, "remove_at", |row| {
        TypedCommand::boxed(DeleteConfiguration { id: row.id.to_owned() })
    })
};

/// Uploads that did not continue, and stored blobs that may have lost their last artifact.
static BLOB_REVIEW: DueRule = DueRule {
    lead: |_| SHORTEST_REVIEW,
    ..DueRule::new("apps.blob_review", &Blob::COLLECTION, "review_at", |row| {
        TypedCommand::boxed(ReviewBlob { id: row.id.to_owned() })
    })
};

/// Claimed deliveries whose lease has ended. A process that polls may find them later by the lead: nothing depends on
/// the moment.
static DELIVERY_CLAIM: DueRule = DueRule { lead: |_| Millis::seconds(30), ..Expire::<Delivery>::RULE };

/// Events whose deliveries are not all made.
static EVENT: DueRule = DueRule {
    // An event is due at once. A process that polls may publish it later by this time, and reads the store less often.
    lead: |_| Millis::seconds(5),
    ..DueRule::new("apps.event", &Event::COLLECTION, "occurred_at", |row| {
        TypedCommand::boxed(PublishEvent { id: row.id.to_owned() })
    })
};

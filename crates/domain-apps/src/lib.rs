//! Apps: executions of several steps that workers run, as a configuration declares them. Field names, statuses and
//! indexes are those of the schema that this domain continues.
//!
//! | file | contents |
//! |---|---|
//! | `configuration/` | apps and the versions of their configuration: steps, inputs, conditions; save and activate |
//! | `execution/` | executions: entity and lifecycle, progress, start and cancel |
//! | `step/` | steps: entity and lifecycle, the queue from which workers claim them, skip and retry |
//! | `artifact/` | artifacts of steps, and the blobs with their bytes |
//! | `subscription/` | receivers of webhooks, and the events that they get |
//! | `delivery/` | messages to subscriptions, which workers send |
//! | `secret.rs` | values whose secrets people do not see |
//! | `search/` | full-text search of steps and artifacts |
//! | `metrics/` | metrics of executions, a time series |
//! | `cleanup.rs` | the search after an import, and rows whose execution is missing |
//! | `audit.rs` | the row of each command in the audit log |
//! | `due.rs` | ended claims, passed deadlines, executions, apps and versions to remove, blobs, events |
//! | `queries/` | steps in order, failures, rates, durations, reports |
//! | `verification/` | whether the documents agree with each other |

// The derive macros name the library by its path.
extern crate runstate_core as runstate;

mod artifact;
mod audit;
mod cleanup;
pub mod codes;
mod configuration;
mod delivery;
mod due;
mod execution;
mod metrics;
mod queries;
mod search;
mod secret;
mod settings;
mod step;
mod subscription;
mod verification;

use runstate_core::decision::OperationName as _;
use runstate_core::lease::{Heartbeat, Release};
use runstate_core::operation::{Domain, EntityQueries, LifecycleDeclaration, Operation, SettingsDeclaration};
use runstate_core::schema::Entity;

pub use artifact::split_path;
pub use artifact::{
    AbortUpload, Artifact, BeginUpload, BegunUpload, Blob, BlobChunk, BlobEvent, BlobState, ContinueUpload, FindBlob,
    ForgetBlob, GetArtifact, GetChunk, MAX_PARTS, PART_BYTES, PutArtifact, PutChunk, RemoveArtifact, RemoveChunks,
    RemovedBlobs, ReplaceBlob, ReviewBlob, StorageType, StoredArtifact,
};
pub use audit::AuditRow;
pub use cleanup::{CleanUp, CleanUpReport};
pub use configuration::{
    ActivateConfiguration, App, AppConfiguration, AppKey, AppRemoval, ClearApp, Compensation, Condition, Configuration,
    ConfigurationSummary, DeleteConfiguration, FailurePolicy, FieldDefinition, FieldKind, RemoveApp,
    RemoveConfiguration, SaveConfiguration, StepDefaults, StepDefinition, StepInput, StepRetry, ValuePath,
};
pub use delivery::{CompleteDelivery, Delivery, DeliveryState, DeliveryWork, FailDelivery};
pub use execution::{
    AppExecution, AppExecutionEvent, AppExecutionState, AppExecutionStatus, AppExecutionSummary, CancelExecution,
    DeleteExecution, Ending, ExecutionError, GraphProgress, PassDeadline, Removal, RemoveExecution, StartExecution,
    StepProgress,
};
pub use metrics::{
    ExecutionMetrics, ListMetrics, MetricSample, MetricSummary, MetricValues, RecordMetrics, RecordedMetrics,
    SummarizeMetrics,
};
pub use queries::{
    AppSuccess, FailedExecutions, Period, ReportRow, ShowDurations, ShowReport, ShowSteps, ShowSuccess, StepDurations,
};
pub use search::TEXT_BYTES;
pub use search::{Search, SearchEntry, SearchHit, SearchKind, SearchedField, SearchedText};
pub use settings::AppsSettings;
pub use step::{
    ClaimStep, ClaimedStep, CompleteStep, FailStep, FailedStep, NextAvailableStep, QueuedStep, RetryStep, SkipStep,
    Step, StepEvent, StepState, StepStatus, StepWork,
};
pub use subscription::{
    CreateSubscription, EVENTS, Event, PauseSubscription, PublishEvent, RedeliverDeadLetters, RedeliveryCount,
    RemoveSubscription, ResumeSubscription, Subscription, SubscriptionSummary, TestSubscription, event_data,
    record_event,
};

/// The domain.
pub static DOMAIN: Domain = Domain::new("apps")
    .collections(&[
        &App::COLLECTION,
        &AppConfiguration::COLLECTION,
        &AppExecution::COLLECTION,
        &Step::COLLECTION,
        &QueuedStep::COLLECTION,
        &Artifact::COLLECTION,
        &Blob::COLLECTION,
        &BlobChunk::COLLECTION,
        &Subscription::COLLECTION,
        &Event::COLLECTION,
        &Delivery::COLLECTION,
        &SearchEntry::COLLECTION,
        &ExecutionMetrics::COLLECTION,
        &AuditRow::COLLECTION,
    ])
    .definitions(&[&App::COLLECTION, &AppConfiguration::COLLECTION])
    .operations(&[
        &SaveConfiguration::OPERATION,
        &ActivateConfiguration::OPERATION,
        &RemoveConfiguration::OPERATION,
        &AppConfiguration::SHOW,
        &AppConfiguration::LIST,
        &App::LIST,
        &RemoveApp::OPERATION,
        &StartExecution::OPERATION,
        &CancelExecution::OPERATION,
        &DeleteExecution::OPERATION,
        &AppExecution::SHOW,
        &AppExecution::LIST,
        &FailedExecutions::OPERATION,
        &ClaimStep::OPERATION,
        &Heartbeat::<QueuedStep>::OPERATION,
        &CompleteStep::OPERATION,
        &FailStep::OPERATION,
        &Release::<QueuedStep>::OPERATION,
        &SkipStep::OPERATION,
        &RetryStep::OPERATION,
        &NextAvailableStep::OPERATION,
        &Step::SHOW,
        &Step::LIST,
        &ShowSteps::OPERATION,
        &RemoveArtifact::OPERATION,
        &Artifact::SHOW,
        &Artifact::LIST,
        &Search::OPERATION,
        &RecordMetrics::OPERATION,
        &ListMetrics::OPERATION,
        &SummarizeMetrics::OPERATION,
        &ShowSuccess::OPERATION,
        &ShowDurations::OPERATION,
        &ShowReport::OPERATION,
        &CreateSubscription::OPERATION,
        &PauseSubscription::OPERATION,
        &ResumeSubscription::OPERATION,
        &RemoveSubscription::OPERATION,
        &TestSubscription::OPERATION,
        &RedeliverDeadLetters::OPERATION,
        &Subscription::SHOW,
        &Subscription::LIST,
        &Delivery::SHOW,
        &Delivery::LIST,
        &AuditRow::LIST,
        &CleanUp::OPERATION,
    ])
    .due(due::RULES)
    .triggers(&[subscription::EXECUTION_EVENTS, subscription::STEP_EVENTS, search::STEP_ENTRIES])
    .audit(audit::row)
    .completion(CleanUp::NAME, cleanup::search_only)
    .checks(verification::CHECKS)
    .external_bytes(artifact::external_bytes)
    .lifecycles(&[
        LifecycleDeclaration::new::<AppExecution>("an execution of an app"),
        LifecycleDeclaration::new::<Step>("a step"),
        LifecycleDeclaration::new::<Blob>("a blob"),
    ])
    .codes(codes::CODES)
    .settings(&SettingsDeclaration::new::<AppsSettings>());

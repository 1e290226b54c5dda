//! Fleets: projects whose intelligent machines are spawned from checkpoints, the budgets that bind them, and the hubs
//! that spawn them. Field names, values and indexes are those of the schema that this domain continues.
//!
//! | file | contents |
//! |---|---|
//! | `project/` | projects, and their greediness |
//! | `machine/` | intelligent machines, and the choice of their type |
//! | `checkpoint/` | the tree of checkpoints, and their verification by workers |
//! | `budget/` | budgets of projects and of any other owner, and reservations: the rule is a part of each commit |
//! | `usage/` | uses of resources, exchange rates, and removal of old rows |
//! | `hub/` | hubs, their checkpoints, and experiments with them |
//! | `queries/` | the views over usage and machines, also as PostgreSQL keeps them |
//! | `resource.rs`, `numeric.rs` | resources with their units, and exact amounts |
//! | `due.rs`, `upkeep.rs` | due work, and jobs that run at fixed times |
//! | `verification.rs` | whether budgets agree with their reservations and uses |

// The derive macros name the library by its path.
extern crate runstate_core as runstate;

mod budget;
mod checkpoint;
pub mod codes;
mod due;
mod hub;
mod machine;
mod numeric;
mod project;
mod queries;
mod resource;
mod settings;
mod upkeep;
mod usage;
mod verification;
mod writable;

use runstate_core::lease::{Heartbeat, Release};
use runstate_core::operation::{Domain, EntityQueries, LifecycleDeclaration, Operation, SettingsDeclaration};
use runstate_core::schema::Entity;

pub use budget::{
    BudgetAccount, BudgetEvent, BudgetEventKind, BudgetPeriod, BudgetPlan, BudgetSummary, ChangeBudget,
    CommitReservation, CreateBudget, ExpireReservation, ReleaseReservation, ReservationEvent, ReservationState,
    ReservationStatus, ReservationSummary, ReserveBudget, ReservedAmount, ResourceBudget, ResourceReservation,
    RollBudget,
};
pub use checkpoint::{
    Checkpoint, CheckpointSummary, CheckpointTrigger, CheckpointType, CheckpointWork, ClaimVerification,
    CompleteVerification, CreateCheckpoint, DeleteCheckpoint, DeletedCheckpoint, DiffCheckpoints, FailVerification,
    FailedVerification, FileChange, FileChangeKind, FileEntry, NextAvailableVerification, QueuedVerification, ShowPath,
    VerificationEvent, VerificationState, VerificationStatus,
};
pub use hub::{
    AdoptExperiment, AdoptedHub, Arm, ArmData, Better, CompleteExperiment, CreateHubCheckpoint, ExperimentEvent,
    ExperimentResult, ExperimentState, ExperimentStatus, ExperimentSummary, FailExperiment, HubCheckpoint,
    HubCheckpointEvent, HubCheckpointState, HubCheckpointStatus, HubCheckpointSummary, HubCheckpointType, HubEvent,
    HubExperiment, HubInstance, HubState, HubStatus, HubSummary, HubType, MetricData, ObserveExperiment,
    PlanExperiment, PrimaryHub, RegisterHub, SampleMoments, SetHubStatus, StartExperiment, SuccessMetric,
    VerifyHubCheckpoint, WelchTest,
};
pub use machine::{
    ChooseMachineType, IntelligentMachine, IntelligentMachineEvent, IntelligentMachineHeartbeat,
    IntelligentMachineState, IntelligentMachineStatus, IntelligentMachineSummary, MachineActivity, MachineType,
    MachineTypeScore, RegisterMachineType, RegisteredMachineType, SetIntelligentMachineStatus, SpawnMachine,
    TerminateMachine, TerminateSilentMachine, WorkingStatus,
};
pub use numeric::{Amount, CadCost, Numeric};
pub use project::{
    ChangeProject, CreateProject, Greediness, GreedinessChange, Project, ProjectEvent, ProjectShare, ProjectState,
    ProjectStatus, ProjectSummary, RebalanceProject, SetProjectStatus, ShowShare,
};
pub use queries::{
    MACHINE_PERFORMANCE_METRICS, MachinePerformance, PROJECT_RESOURCE_SUMMARY, ProjectUsage, ShowPerformance,
    ShowUsageSummary,
};
pub use resource::{ResourceTotals, ResourceType, Unit};
pub use settings::FleetSettings;
pub use upkeep::{MaintenanceRow, UpkeepJob, UpkeepTask};
pub use usage::{
    CleanUpUsage, CleanedUsage, ExchangeRate, ExchangeRateSummary, RecordUsage, RecordedUsage, ResourceUsage,
    SetExchangeRate,
};

/// The collections of which nothing may be lost: their commits wait for a backup (`BackedUpStore` of the crate
/// `runstate-transfer`). Of checkpoints 15 minutes may be lost, of uses one hour, which a backup that follows the store
/// keeps.
pub const LOSSLESS: &[&str] = &[Project::COLLECTION.name];

/// The domain.
pub static DOMAIN: Domain = Domain::new("fleet")
    .collections(&[
        &Project::COLLECTION,
        &GreedinessChange::COLLECTION,
        &IntelligentMachine::COLLECTION,
        &MachineType::COLLECTION,
        &Checkpoint::COLLECTION,
        &QueuedVerification::COLLECTION,
        &BudgetAccount::COLLECTION,
        &ResourceBudget::COLLECTION,
        &ResourceReservation::COLLECTION,
        &BudgetEvent::COLLECTION,
        &ResourceUsage::COLLECTION,
        &ExchangeRate::COLLECTION,
        &HubInstance::COLLECTION,
        &PrimaryHub::COLLECTION,
        &HubCheckpoint::COLLECTION,
        &HubExperiment::COLLECTION,
        &UpkeepJob::COLLECTION,
        &MaintenanceRow::COLLECTION,
    ])
    .definitions(&[&MachineType::COLLECTION, &ExchangeRate::COLLECTION])
    .operations(&[
        &CreateProject::OPERATION,
        &ChangeProject::OPERATION,
        &SetProjectStatus::OPERATION,
        &RebalanceProject::OPERATION,
        &ShowShare::OPERATION,
        &Project::SHOW,
        &Project::LIST,
        &GreedinessChange::LIST,
        &SpawnMachine::OPERATION,
        &SetIntelligentMachineStatus::OPERATION,
        &IntelligentMachineHeartbeat::OPERATION,
        &TerminateMachine::OPERATION,
        &ShowPerformance::OPERATION,
        &IntelligentMachine::SHOW,
        &IntelligentMachine::LIST,
        &RegisterMachineType::OPERATION,
        &ChooseMachineType::OPERATION,
        &MachineType::SHOW,
        &MachineType::LIST,
        &CreateCheckpoint::OPERATION,
        &DeleteCheckpoint::OPERATION,
        &ShowPath::OPERATION,
        &DiffCheckpoints::OPERATION,
        &Checkpoint::SHOW,
        &Checkpoint::LIST,
        &ClaimVerification::OPERATION,
        &Heartbeat::<QueuedVerification>::OPERATION,
        &CompleteVerification::OPERATION,
        &FailVerification::OPERATION,
        &Release::<QueuedVerification>::OPERATION,
        &NextAvailableVerification::OPERATION,
        &QueuedVerification::LIST,
        &CreateBudget::OPERATION,
        &ChangeBudget::OPERATION,
        &ReserveBudget::OPERATION,
        &ResourceBudget::SHOW,
        &ResourceBudget::LIST,
        &BudgetAccount::LIST,
        &BudgetEvent::LIST,
        &CommitReservation::OPERATION,
        &ReleaseReservation::OPERATION,
        &ResourceReservation::SHOW,
        &ResourceReservation::LIST,
        &RecordUsage::OPERATION,
        &ShowUsageSummary::OPERATION,
        &ResourceUsage::SHOW,
        &ResourceUsage::LIST,
        &SetExchangeRate::OPERATION,
        &ExchangeRate::LIST,
        &RegisterHub::OPERATION,
        &SetHubStatus::OPERATION,
        &HubInstance::SHOW,
        &HubInstance::LIST,
        &CreateHubCheckpoint::OPERATION,
        &VerifyHubCheckpoint::OPERATION,
        &HubCheckpoint::SHOW,
        &HubCheckpoint::LIST,
        &PlanExperiment::OPERATION,
        &StartExperiment::OPERATION,
        &ObserveExperiment::OPERATION,
        &CompleteExperiment::OPERATION,
        &FailExperiment::OPERATION,
        &AdoptExperiment::OPERATION,
        &HubExperiment::SHOW,
        &HubExperiment::LIST,
        &MaintenanceRow::LIST,
    ])
    .due(due::RULES)
    .budgets(&budget::PORT)
    .checks(verification::CHECKS)
    .lifecycles(&[
        LifecycleDeclaration::new::<Project>("a project"),
        LifecycleDeclaration::new::<IntelligentMachine>("an intelligent machine"),
        LifecycleDeclaration::new::<Checkpoint>("a checkpoint"),
        LifecycleDeclaration::new::<ResourceReservation>("a reservation"),
        LifecycleDeclaration::new::<HubInstance>("a hub"),
        LifecycleDeclaration::new::<HubCheckpoint>("a checkpoint of a hub"),
        LifecycleDeclaration::new::<HubExperiment>("an experiment"),
    ])
    .codes(codes::CODES)
    .settings(&SettingsDeclaration::new::<FleetSettings>());

//! Hubs: the programs that spawn and watch machines. At most one is the active primary one.
//!
//! | file | contents |
//! |---|---|
//! | `instance.rs` | register, and status |
//! | `checkpoint.rs` | checkpoints of hubs |
//! | `experiment/` | experiments: plan, start, observe, complete |
//! | `adoption.rs` | making the winner of an experiment the primary hub |
//! | `statistics.rs` | Welch's t-test |

mod adoption;
mod checkpoint;
mod experiment;
mod instance;
mod statistics;

pub use adoption::{AdoptExperiment, AdoptedHub};
pub use checkpoint::{
    CreateHubCheckpoint, HubCheckpoint, HubCheckpointEvent, HubCheckpointState, HubCheckpointStatus,
    HubCheckpointSummary, HubCheckpointType, VerifyHubCheckpoint,
};
pub use experiment::{
    Arm, ArmData, Better, CompleteExperiment, ExperimentEvent, ExperimentResult, ExperimentState, ExperimentStatus,
    ExperimentSummary, FailExperiment, HubExperiment, MetricData, ObserveExperiment, PlanExperiment, StartExperiment,
    SuccessMetric,
};
pub use instance::{
    HubEvent, HubInstance, HubState, HubStatus, HubSummary, HubType, PrimaryHub, RegisterHub, SetHubStatus,
};
pub use statistics::{SampleMoments, WelchTest};

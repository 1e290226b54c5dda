//! Experiments: a hub with a changed configuration beside the original one, until their metrics decide. The commands
//! are in `commands.rs`.

mod commands;

use std::collections::BTreeMap;

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::{FieldType, State};

use super::{SampleMoments, WelchTest};
pub use commands::{CompleteExperiment, FailExperiment, ObserveExperiment, PlanExperiment, StartExperiment};

/// The probability below which a difference counts.
const SIGNIFICANCE: f64 = 0.05;

/// An experiment with a hub.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.hub_experiments", version = 1, noun = "experiment", filters(status))]
#[index(status)]
#[index(started_at)]
#[index(ends_at)]
pub struct HubExperiment {
    /// Its id.
    #[entity(id, format = uuid)]
    pub uuid: String,
    /// Its name.
    #[entity(format = varchar(200))]
    pub name: String,
    /// Its description.
    #[entity(max = 65_536)]
    pub description: Option<String>,
    /// The checkpoint of the original hub from which the experimental one is made.
    #[entity(references = "fleet.hub_checkpoints", format = uuid)]
    pub base_checkpoint_uuid: String,
    /// The original hub.
    #[entity(references = "fleet.hub_instances", format = uuid)]
    pub original_hub_uuid: String,
    /// The experimental hub; missing until it is started.
    #[entity(references = "fleet.hub_instances", format = uuid)]
    pub experimental_hub_uuid: Option<String>,
    /// The changes of the configuration.
    pub configuration_changes: Document,
    /// The metrics that decide.
    #[entity(default)]
    pub success_metrics: Vec<SuccessMetric>,
    /// The observed values, by the names of the metrics.
    #[entity(default)]
    pub performance_data: BTreeMap<String, MetricData>,
    /// Its status.
    #[entity(state)]
    pub state: ExperimentState,
    /// For how many days it runs.
    #[entity(default = 14, format = integer)]
    pub duration_days: u32,
    /// When the document was created.
    pub created_at: Timestamp,
    /// Whether the experimental hub has become the primary one.
    pub adopted_at: Option<Timestamp>,
    /// Further information.
    #[entity(default)]
    pub metadata: Document,
}

/// A metric that decides an experiment.
#[derive(Fields, Wire, Clone, Debug, PartialEq, Parameters)]
pub struct SuccessMetric {
    /// Its name.
    pub name: String,
    /// Which values are better.
    pub better: Better,
    /// The least difference of the means that counts.
    pub min_effect: f64,
    /// Its weight.
    pub weight: f64,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire, Parameter)]
pub enum Better {
    /// Higher ones.
    Higher,
    /// Lower ones.
    Lower,
}

/// One of the two hubs.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, Parameter)]
pub enum Arm {
    /// The original hub.
    Original,
    /// The experimental hub.
    Experimental,
}

/// The observed values of a metric.
#[derive(Fields, Wire, Clone, Debug, Default, PartialEq)]
pub struct MetricData {
    /// Those of the original hub.
    pub original: ArmData,
    /// Those of the experimental hub.
    pub experimental: ArmData,
}

/// The moments of observed values.
#[derive(Fields, Wire, Clone, Debug, Default, PartialEq)]
pub struct ArmData {
    /// Number of values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their variance, with the divisor `count` - 1.
    pub variance: f64,
}

impl ArmData {
    /// Adds a value (B. P. Welford, Technometrics 4, 1962).
    fn add(&mut self, value: f64) {
        let (n, distance) = (self.count as f64, value - self.mean);
        self.count += 1;
        self.mean += distance / self.count as f64;
        if n > 0.0 {
            self.variance = (self.variance * (n - 1.0) + distance * (value - self.mean)) / n;
        }
    }

    fn sample(&self) -> SampleMoments {
        SampleMoments { count: self.count, mean: self.mean, variance: self.variance }
    }
}

/// Status of an experiment.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = ExperimentStatus)]
pub enum ExperimentState {
    /// It has not been started.
    Planned,
    /// Both hubs work.
    Running {
        /// When it was started.
        started_at: Timestamp,
        /// When it is completed.
        ends_at: Timestamp,
    },
    /// Its metrics have decided.
    Completed {
        /// When it was started.
        started_at: Timestamp,
        /// When it was completed.
        completed_at: Timestamp,
        /// The result.
        #[entity(format = varchar(50))]
        result: ExperimentResult,
    },
    /// It was given up.
    Failed {
        /// When it was started; missing: it was not.
        started_at: Option<Timestamp>,
        /// When it was given up.
        completed_at: Timestamp,
        /// Why.
        #[entity(max = 4_096)]
        failure: String,
    },
}

/// The result of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FieldType, Wire)]
pub enum ExperimentResult {
    /// The experimental hub is better.
    ExperimentalWins,
    /// The original hub is better.
    OriginalWins,
    /// Neither is.
    #[default]
    Inconclusive,
}

/// An event of an experiment.
#[derive(Event, Clone, Debug, PartialEq)]
pub enum ExperimentEvent {
    /// See [`StartExperiment`].
    Start {
        /// When it was started.
        at: Timestamp,
        /// When it is completed.
        ends_at: Timestamp,
    },
    /// See [`CompleteExperiment`].
    Complete(Timestamp, ExperimentResult),
    /// See [`FailExperiment`].
    Fail(Timestamp, String),
}

impl Lifecycle for HubExperiment {
    type Event = ExperimentEvent;

    fn transition(state: ExperimentState, event: ExperimentEvent) -> Option<ExperimentState> {
        use ExperimentState::{Completed, Failed, Planned, Running};
        match (state, event) {
            (Planned, ExperimentEvent::Start { at, ends_at }) => Some(Running { started_at: at, ends_at }),
            (Running { started_at, .. }, ExperimentEvent::Complete(completed_at, result)) => {
                Some(Completed { started_at, completed_at, result })
            }
            (Planned, ExperimentEvent::Fail(completed_at, failure)) => {
                Some(Failed { started_at: None, completed_at, failure })
            }
            (Running { started_at, .. }, ExperimentEvent::Fail(completed_at, failure)) => {
                Some(Failed { started_at: Some(started_at), completed_at, failure })
            }
            _ => None,
        }
    }
}

/// An experiment after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ExperimentSummary {
    /// Its id.
    pub uuid: String,
    /// Its status.
    pub status: ExperimentStatus,
    /// The result; missing unless it is completed.
    pub result: Option<ExperimentResult>,
}

impl HubExperiment {
    fn summary(&self) -> ExperimentSummary {
        ExperimentSummary { uuid: self.uuid.clone(), status: self.state.status(), result: self.result() }
    }

    /// The result, if it is completed.
    pub(super) fn result(&self) -> Option<ExperimentResult> {
        match self.state {
            ExperimentState::Completed { result, .. } => Some(result),
            _ => None,
        }
    }

    /// The result that the metrics have now: each one whose means differ significantly, and by its least effect, adds
    /// its weight to the better hub.
    pub fn evaluate(&self) -> ExperimentResult {
        let mut balance = 0.0;
        for SuccessMetric { name, better, min_effect, weight } in &self.success_metrics {
            let Some(data) = self.performance_data.get(name) else { continue };
            let gain = data.experimental.mean - data.original.mean;
            let test = WelchTest::of(data.experimental.sample(), data.original.sample());
            if test.is_some_and(|test| test.p < SIGNIFICANCE) && gain.abs() >= *min_effect {
                let is_better = (gain > 0.0) == (*better == Better::Higher);
                balance += if is_better { *weight } else { -weight };
            }
        }
        match balance {
            balance if balance > 0.0 => ExperimentResult::ExperimentalWins,
            balance if balance < 0.0 => ExperimentResult::OriginalWins,
            _ => ExperimentResult::Inconclusive,
        }
    }
}

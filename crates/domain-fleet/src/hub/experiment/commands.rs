//! The commands on experiments: plan, start, observe, complete and fail.

use std::collections::BTreeMap;

use runstate_core::prelude::*;

use super::{Arm, ExperimentEvent, ExperimentState, ExperimentSummary, HubExperiment, SuccessMetric};
use crate::hub::{HubCheckpoint, HubEvent, HubInstance, HubType};

/// The largest number of metrics.
const MAX_METRICS: usize = 20;

/// Plans an experiment with a hub.
///
/// Errors: `not_found`, `already_exists`, `invalid` (the checkpoint is of another hub; a metric).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.experiment.plan")]
pub struct PlanExperiment {
    /// Its name.
    #[operation(subject)]
    pub name: String,
    /// The checkpoint of the original hub from which the experimental one is made.
    pub base_checkpoint_uuid: String,
    /// The changes of the configuration.
    pub configuration_changes: Document,
    /// The metrics that decide, at most 20.
    pub success_metrics: Vec<SuccessMetric>,
    /// For how many days it runs; by default 14.
    #[operation(default = 14)]
    pub duration_days: u32,
    /// Its description.
    pub description: Option<String>,
    /// Further information.
    pub metadata: Option<Document>,
    /// Its id, a UUID; by default a new one.
    pub uuid: Option<String>,
}

impl Command for PlanExperiment {
    type Output = ExperimentSummary;

    fn check(&self) -> Result<()> {
        if self.success_metrics.len() > MAX_METRICS {
            return Err(Rejection::invalid("successMetrics", format!("has more than {MAX_METRICS} metrics")));
        }
        if !(1..=3_650).contains(&self.duration_days) {
            return Err(Rejection::invalid("durationDays", "must be 1 to 3,650"));
        }
        let is_number = |number: f64| number.is_finite() && number >= 0.0;
        let mut names: Vec<&str> = Vec::new();
        for metric in &self.success_metrics {
            if metric.name.is_empty() || names.contains(&&*metric.name) {
                return Err(Rejection::invalid(
                    "successMetrics",
                    format!("has no or two metrics with the name `{}`", metric.name),
                ));
            }
            if !is_number(metric.min_effect) || !is_number(metric.weight) {
                return Err(Rejection::invalid(
                    "successMetrics",
                    format!("`{}`: minEffect and weight must be 0 or more", metric.name),
                ));
            }
            names.push(&metric.name);
        }
        Ok(())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExperimentSummary>> {
        let base = view.entity::<HubCheckpoint>(&self.base_checkpoint_uuid)?.entity;
        let uuid = self.uuid.clone().unwrap_or_else(|| ctx.new_id());
        view.check_absent::<HubExperiment>(&uuid)?;
        let experiment = HubExperiment {
            uuid,
            name: self.name.clone(),
            description: self.description.clone(),
            base_checkpoint_uuid: base.uuid,
            original_hub_uuid: base.hub_uuid,
            experimental_hub_uuid: None,
            configuration_changes: self.configuration_changes.clone(),
            success_metrics: self.success_metrics.clone(),
            performance_data: BTreeMap::new(),
            state: ExperimentState::Planned,
            duration_days: self.duration_days,
            created_at: ctx.now,
            adopted_at: None,
            metadata: self.metadata.clone().unwrap_or_default(),
        };
        Decision::new(experiment.summary()).and_insert(&experiment)
    }
}

/// Starts an experiment with an inactive hub of type `experimental`.
///
/// Errors: `not_found`, `illegal_transition`, `invalid` (the hub has another type, or is the original one).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.experiment.start")]
pub struct StartExperiment {
    /// The experiment.
    #[operation(subject)]
    pub uuid: String,
    /// The experimental hub.
    pub hub_uuid: String,
}

impl Command for StartExperiment {
    type Output = ExperimentSummary;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<HubExperiment>(&self.uuid).with_entity::<HubInstance>(&self.hub_uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExperimentSummary>> {
        let mut experiment = view.entity::<HubExperiment>(&self.uuid)?;
        let mut hub = view.entity::<HubInstance>(&self.hub_uuid)?;
        if hub.entity.r#type != HubType::Experimental {
            return Err(Rejection::invalid(
                "hubUuid",
                format!("`{}` is not a hub of type `experimental`", self.hub_uuid),
            ));
        }
        if self.hub_uuid == experiment.entity.original_hub_uuid {
            return Err(Rejection::invalid(
                "hubUuid",
                format!("`{}` is the original hub of the experiment", self.hub_uuid),
            ));
        }
        let ends_at = ctx.now + Millis::days(i64::from(experiment.entity.duration_days));
        experiment.entity.apply(ExperimentEvent::Start { at: ctx.now, ends_at })?;
        experiment.entity.experimental_hub_uuid = Some(self.hub_uuid.clone());
        hub.entity.apply(HubEvent::Experiment)?;
        hub.entity.experiment_id = Some(self.uuid.clone());
        hub.entity.parent_hub_uuid = Some(experiment.entity.original_hub_uuid.clone());
        Decision::new(experiment.entity.summary()).save(experiment, ctx.now)?.save(hub, ctx.now)
    }
}

/// Adds observed values of metrics to a running experiment.
///
/// Errors: `not_found`, `illegal_transition` (it does not run), `invalid` (it has no such metric; a value is not
/// finite).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.experiment.observe")]
pub struct ObserveExperiment {
    /// The experiment.
    #[operation(subject)]
    pub uuid: String,
    /// The hub whose values they are.
    pub arm: Arm,
    /// The values by the names of the metrics.
    pub values: BTreeMap<String, f64>,
}

impl Command for ObserveExperiment {
    type Output = ExperimentSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExperimentSummary>> {
        let mut loaded = view.entity::<HubExperiment>(&self.uuid)?;
        let experiment = &mut loaded.entity;
        if !matches!(experiment.state, ExperimentState::Running { .. }) {
            return Err(experiment.illegal("observe", None));
        }
        for (name, value) in &self.values {
            if !experiment.success_metrics.iter().any(|metric| metric.name == *name) {
                return Err(Rejection::invalid("values", format!("the experiment has no metric `{name}`")));
            }
            if !value.is_finite() {
                return Err(Rejection::invalid("values", format!("the value of `{name}` is not finite")));
            }
            let data = experiment.performance_data.entry(name.clone()).or_default();
            match self.arm {
                Arm::Original => data.original.add(*value),
                Arm::Experimental => data.experimental.add(*value),
            }
        }
        Decision::new(experiment.summary()).save(loaded, ctx.now)
    }
}

/// Completes a running experiment: Welch's t-test at 5 percent decides on each metric, and the weights of the metrics
/// decide together. It is done without a caller when the days of the experiment are over.
///
/// Errors: `not_found`, `illegal_transition`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.experiment.complete")]
pub struct CompleteExperiment {
    /// The experiment.
    #[operation(subject)]
    pub uuid: String,
}

impl Command for CompleteExperiment {
    type Output = ExperimentSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExperimentSummary>> {
        let mut experiment = view.entity::<HubExperiment>(&self.uuid)?;
        let result = experiment.entity.evaluate();
        experiment.entity.apply(ExperimentEvent::Complete(ctx.now, result))?;
        Decision::new(experiment.entity.summary()).save(experiment, ctx.now)
    }
}

/// Gives up an experiment.
///
/// Errors: `not_found`, `illegal_transition` (it has ended).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.experiment.fail")]
pub struct FailExperiment {
    /// The experiment.
    #[operation(subject)]
    pub uuid: String,
    /// Why.
    pub reason: String,
}

impl Command for FailExperiment {
    type Output = ExperimentSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExperimentSummary>> {
        let mut experiment = view.entity::<HubExperiment>(&self.uuid)?;
        experiment.entity.apply(ExperimentEvent::Fail(ctx.now, self.reason.clone()))?;
        Decision::new(experiment.entity.summary()).save(experiment, ctx.now)
    }
}

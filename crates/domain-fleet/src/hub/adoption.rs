//! Adopting the winner of an experiment: the experimental hub becomes the primary one, and the original one retires, in
//! one commit.

use runstate_core::prelude::*;

use super::{ExperimentResult, HubEvent, HubExperiment, HubInstance, HubSummary, HubType, PrimaryHub};
use crate::codes;

/// Makes the experimental hub of an experiment that it has won the active primary hub. The original hub retires.
///
/// Errors: `not_found`, `not_adoptable` (it was not won, it was adopted before, or its hub takes part in another one),
/// `primary_exists` (the original hub is not the active primary one any more), `illegal_transition` (a hub has
/// retired).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.experiment.adopt")]
pub struct AdoptExperiment {
    /// The experiment.
    #[operation(subject)]
    pub uuid: String,
}

/// The hubs after an adoption.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct AdoptedHub {
    /// The primary hub.
    pub primary: HubSummary,
    /// The hub that retires.
    pub retired: HubSummary,
}

impl Command for AdoptExperiment {
    type Output = AdoptedHub;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<HubExperiment>(&self.uuid).with_entity::<PrimaryHub>(PrimaryHub::ID)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AdoptedHub>> {
        let mut experiment = view.entity::<HubExperiment>(&self.uuid)?;
        let not_adoptable = |why: &str| {
            let message = format!("experiment `{}` {why}; nothing was changed", self.uuid);
            Err(Rejection::domain(codes::NOT_ADOPTABLE, message))
        };
        if experiment.entity.adopted_at.is_some() {
            return not_adoptable("was adopted before");
        }
        let (Some(ExperimentResult::ExperimentalWins), Some(winner)) =
            (experiment.entity.result(), experiment.entity.experimental_hub_uuid.clone())
        else {
            return not_adoptable("was not won by the experimental hub");
        };
        let original = experiment.entity.original_hub_uuid.clone();
        let mut primary = PrimaryHub::load(view)?;
        if let Some(other) = primary.entity.hub_uuid.as_ref().filter(|holder| **holder != original) {
            let message = format!(
                "hub `{other}` is the active primary one, not the original one of the experiment; nothing was changed"
            );
            return Err(Rejection::domain(codes::PRIMARY_EXISTS, message));
        }
        let (mut old, mut new) = (view.entity::<HubInstance>(&original)?, view.entity::<HubInstance>(&winner)?);
        if new.entity.experiment_id.as_ref() != Some(&self.uuid) {
            return not_adoptable("has a hub that takes part in another one now");
        }
        old.entity.apply(HubEvent::Retire(ctx.now))?;
        new.entity.apply(HubEvent::Activate)?;
        new.entity.r#type = HubType::Primary;
        primary.entity.hub_uuid = Some(winner);
        experiment.entity.adopted_at = Some(ctx.now);
        let adopted = AdoptedHub { primary: new.entity.summary(), retired: old.entity.summary() };
        let decision = Decision::new(adopted).save(experiment, ctx.now)?.save(old, ctx.now)?.save(new, ctx.now)?;
        primary.save(decision, ctx.now)
    }
}

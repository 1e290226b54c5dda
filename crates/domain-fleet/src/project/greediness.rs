//! Greediness: the share of a project among those that are active, and its changes.

use runstate_core::prelude::*;
use runstate_core::schema::{Accumulator, Aggregate, parse_decimal};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::{Greediness, Project, ProjectState, ProjectStatus, ProjectSummary};

/// A change of a project's greediness, with its reasons.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "fleet.greediness_changes",
    version = 1,
    insert_only,
    noun = "greedinessChange",
    filters(project_uuid)
)]
#[index(project_uuid, changed_at desc)]
#[index(changed_at)]
pub struct GreedinessChange {
    /// Its id.
    #[entity(id, format = uuid)]
    pub uuid: String,
    /// The project.
    #[entity(references = "fleet.projects", format = uuid)]
    pub project_uuid: String,
    /// The greediness before.
    pub before: Greediness,
    /// The greediness after.
    pub after: Greediness,
    /// The efficiency from which it was computed.
    pub efficiency: Option<Greediness>,
    /// Why it changed.
    pub reasons: Vec<String>,
    /// When it changed.
    pub changed_at: Timestamp,
}

impl GreedinessChange {
    /// The change that records it, for a project as it is then.
    pub(super) fn record(
        ctx: &mut Ctx,
        project: &Project,
        before: Greediness,
        efficiency: Option<Greediness>,
        reasons: Vec<String>,
    ) -> Result<Change> {
        Change::append(&Self {
            uuid: ctx.new_id(),
            project_uuid: project.uuid.clone(),
            before,
            after: project.greediness,
            efficiency,
            reasons,
            changed_at: ctx.now,
        })
    }
}

/// Adapts the greediness of a project to its efficiency: 80 percent of the efficiency and 20 percent of what it was, at
/// least 0.01 and at most 1.
///
/// Errors: `not_found`, `illegal_transition` (it is not active).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.project.rebalance")]
pub struct RebalanceProject {
    /// The project.
    #[operation(subject)]
    pub uuid: String,
    /// How well it uses its resources, from 0 to 1.
    pub efficiency: Greediness,
    /// Why it has this efficiency, for people.
    pub reasons: Option<Vec<String>>,
}

impl RebalanceProject {
    fn greediness(&self, before: Greediness) -> Option<Greediness> {
        let (eight, two) = (Decimal::new(8, 1), Decimal::new(2, 1));
        let mixed = eight.checked_mul(self.efficiency.decimal())?.checked_add(two.checked_mul(before.decimal())?)?;
        Greediness::round(mixed.clamp(Decimal::new(1, 2), Decimal::ONE))
    }
}

impl Command for RebalanceProject {
    type Output = ProjectSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ProjectSummary>> {
        let mut loaded = view.entity::<Project>(&self.uuid)?;
        let project = &mut loaded.entity;
        if project.state != ProjectState::Active {
            return Err(project.illegal("rebalance", None));
        }
        let before = project.greediness;
        project.greediness = self.greediness(before).unwrap_or(before);
        let mut reasons = self.reasons.clone().unwrap_or_default();
        reasons.push(format!("0.8 × {} + 0.2 × {before}, at least 0.01 and at most 1", self.efficiency));
        let change = GreedinessChange::record(ctx, project, before, Some(self.efficiency), reasons)?;
        Decision::new(project.summary()).change(change).save(loaded, ctx.now)
    }
}

/// The name of the aggregate over the active projects.
const SUM: &str = "sum";

/// Returns the share of a project: its greediness as a part of that of all active projects.
///
/// Errors: `not_found`, `unsupported` (the store does not add up).
#[derive(Clone, Debug, Operation)]
#[operation(name = "fleet.project.share", query)]
pub struct ShowShare {
    /// The project.
    #[operation(subject)]
    pub uuid: String,
}

/// The share of a project.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ProjectShare {
    /// The project.
    pub uuid: String,
    /// Its greediness.
    pub greediness: Greediness,
    /// The greediness of all active projects together, a decimal number.
    pub total: String,
    /// Its part of all, from 0 to 1; 0 unless it is active.
    pub share: f64,
}

impl DomainQuery for ShowShare {
    type Output = ProjectShare;

    fn reads(&self, _: &View) -> ReadSet {
        let active = Filter::Eq("status".to_owned(), ProjectStatus::Active.as_str().into());
        let total = [("total", Accumulator::Sum("greediness".to_owned()))];
        ReadSet::entity::<Project>(&self.uuid).aggregate(SUM, Aggregate::of(&Project::COLLECTION, active, total))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<ProjectShare> {
        let project = view.entity::<Project>(&self.uuid)?.entity;
        let row = view.groups(SUM).and_then(|rows| rows.first());
        let total = row.and_then(|row| row.get("total")).and_then(Json::as_str).and_then(parse_decimal);
        let total = total.unwrap_or_default();
        let is_active = project.state == ProjectState::Active;
        let share =
            project.greediness.decimal().checked_div(total).filter(|_| is_active).and_then(|share| share.to_f64());
        let greediness = project.greediness;
        Ok(ProjectShare { uuid: project.uuid, greediness, total: total.to_string(), share: share.unwrap_or_default() })
    }
}

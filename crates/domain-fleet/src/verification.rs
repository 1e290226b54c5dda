//! Verification: the amounts of a budget agree with each other, with its reservations and with its uses; no checkpoint
//! is before itself.

use runstate_core::decision::TypedQuery;
use runstate_core::lease::lease_check;
use runstate_core::operation::EntityCheck;
use runstate_core::prelude::*;
use runstate_core::schema::{Accumulator, Aggregate, parse_decimal};
use rust_decimal::Decimal;

use super::budget::{ReservationStatus, ResourceBudget, ResourceReservation, owner_uuid};
use super::checkpoint::{Checkpoint, CheckpointPath, QueuedVerification};
use super::usage::ResourceUsage;

pub(super) static CHECKS: &[&EntityCheck] = &[&BUDGET, &CHECKPOINT, &lease_check::<QueuedVerification>()];

static BUDGET: EntityCheck = EntityCheck {
    collection: &ResourceBudget::COLLECTION,
    inspect: |id| TypedQuery::boxed(InspectBudget { id: id.to_owned() }),
    rows: &[],
};

static CHECKPOINT: EntityCheck = EntityCheck {
    collection: &Checkpoint::COLLECTION,
    inspect: |id| TypedQuery::boxed(InspectCheckpoint { id: id.to_owned() }),
    rows: &[],
};

/// The names of the aggregates.
const USED: &str = "used";
const RESERVED: &str = "reserved";

/// Checks a budget with its reservations and uses. Changes nothing.
#[derive(OperationName)]
#[operation(name = "fleet.budget.inspect")]
struct InspectBudget {
    id: String,
}

/// The result of an inspection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct FleetInspection {
    /// The revision that was inspected.
    revision: String,
    /// The problems that were found.
    problems: Vec<String>,
}

fn revision(view: &View, collection: &'static Collection, id: &str) -> String {
    view.get(&Key::new(collection, id)).map(|found| found.revision.to_string()).unwrap_or_default()
}

fn sum_of(collection: &Collection, filter: Filter) -> Aggregate {
    Aggregate::of(collection, filter, [("sum", Accumulator::Sum("amount".to_owned()))])
}

fn sum(view: &View, name: &str) -> Option<Decimal> {
    parse_decimal(view.groups(name)?.first()?.get("sum").and_then(Json::as_str)?)
}

impl DomainQuery for InspectBudget {
    /// `None`: the budget does not exist.
    type Output = Option<FleetInspection>;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<ResourceBudget>(&self.id);
        if !view.can_aggregate() {
            return reads;
        }
        let of = Filter::Contains("budgets".to_owned(), self.id.as_str().into());
        let active = Filter::Eq("state".to_owned(), ReservationStatus::Active.as_str().into());
        reads
            .aggregate(USED, sum_of(&ResourceUsage::COLLECTION, of.clone()))
            .aggregate(RESERVED, sum_of(&ResourceReservation::COLLECTION, Filter::And(vec![of, active])))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Self::Output> {
        let Some(budget) = view.find_entity::<ResourceBudget>(&self.id)? else { return Ok(None) };
        let revision = revision(view, &ResourceBudget::COLLECTION, &self.id);
        let budget = budget.entity;
        let mut problems = Vec::new();
        let (start, end) = budget.budget_period.days(budget.period_start);
        if (start, end) != (budget.period_start, budget.period_end) {
            problems.push(format!("its period should be {start} to {end}"));
        }
        // An older budget has none.
        if !budget.owner.is_empty() && owner_uuid(&budget.owner) != budget.project_uuid {
            problems.push(format!("its `project_uuid` should be that of its owner `{}`", budget.owner));
        }
        let id = ResourceBudget::id_of(&budget.project_uuid, budget.resource_type, budget.budget_period, start);
        if self.id != id {
            problems.push(format!("its id should be `{id}`"));
        }
        let (used, reserved) = (budget.used_amount.decimal(), budget.reserved_amount.decimal());
        let overrun = (used + reserved - budget.allocated_amount.decimal()).max(rust_decimal::Decimal::ZERO);
        if budget.overrun_amount.decimal() != overrun {
            problems.push(format!("its `overrun_amount` is {} where {overrun} is expected", budget.overrun_amount));
        }
        if let Some(rows) = sum(view, USED) {
            let expected = rows + budget.archived_amount.decimal();
            if used != expected {
                problems.push(format!("its `used_amount` is {used} where {expected} is expected"));
            }
        }
        if let Some(expected) = sum(view, RESERVED)
            && reserved != expected
        {
            problems.push(format!("its `reserved_amount` is {reserved} where {expected} is expected"));
        }
        Ok(Some(FleetInspection { revision, problems }))
    }
}

/// Checks the tree above a checkpoint. Changes nothing.
#[derive(OperationName)]
#[operation(name = "fleet.checkpoint.inspect")]
struct InspectCheckpoint {
    id: String,
}

impl DomainQuery for InspectCheckpoint {
    /// `None`: the checkpoint does not exist.
    type Output = Option<FleetInspection>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Checkpoint>(&self.id)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Self::Output> {
        let path = match CheckpointPath::read(view, &self.id) {
            Ok(path) => path,
            Err(unread @ Rejection::Unread(_)) => return Err(unread),
            // A missing or damaged checkpoint has its own finding.
            Err(_) => return Ok(None),
        };
        let problems = path.cycle().map(|id| format!("checkpoint `{id}` is before itself")).into_iter().collect();
        Ok(Some(FleetInspection { revision: revision(view, &Checkpoint::COLLECTION, &self.id), problems }))
    }
}

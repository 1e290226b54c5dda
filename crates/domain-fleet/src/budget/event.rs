//! Events of budgets.

use runstate_core::prelude::*;
use runstate_core::schema::FieldType;

use super::ResourceBudget;
use crate::numeric::Amount;
use crate::resource::ResourceType;

/// Something that a person should know of a budget.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "fleet.budget_events",
    version = 1,
    insert_only,
    noun = "budgetEvent",
    filters(project_uuid, owner, budget_uuid, kind)
)]
#[index(project_uuid, at desc)]
#[index(owner)]
#[index(budget_uuid)]
#[index(kind)]
#[index(at desc)]
#[ttl(at, days = 365)]
pub struct BudgetEvent {
    /// Its id.
    #[entity(id, shard, format = uuid)]
    pub uuid: String,
    /// The UUID of the owner: that of the project, or one that follows from `owner`.
    #[entity(kind = id, format = uuid)]
    pub project_uuid: String,
    /// The id of the owner: that of a project, or any other one.
    #[entity(default, format = varchar(200))]
    pub owner: String,
    /// The budget.
    #[entity(references = "fleet.resource_budgets", format = uuid)]
    pub budget_uuid: String,
    /// The resource.
    pub resource_type: ResourceType,
    /// The kind of the event.
    pub kind: BudgetEventKind,
    /// The amounts of the budget after it.
    pub allocated_amount: Amount,
    /// The used amount.
    pub used_amount: Amount,
    /// The reserved amount.
    pub reserved_amount: Amount,
    /// When it happened.
    pub at: Timestamp,
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire)]
pub enum BudgetEventKind {
    /// 80 percent are used or reserved.
    Warning,
    /// More was used than is allocated.
    Overrun,
}

impl BudgetEvent {
    /// The change that records an event of this budget.
    pub(super) fn record(ctx: &mut Ctx, budget: &ResourceBudget, kind: BudgetEventKind) -> Result<Change> {
        Change::append(&Self {
            uuid: ctx.new_id(),
            project_uuid: budget.project_uuid.clone(),
            owner: budget.owner.clone(),
            budget_uuid: budget.uuid.clone(),
            resource_type: budget.resource_type,
            kind,
            allocated_amount: budget.allocated_amount,
            used_amount: budget.used_amount,
            reserved_amount: budget.reserved_amount,
            at: ctx.now,
        })
    }
}

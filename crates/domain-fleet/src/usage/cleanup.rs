//! Removal of uses that are older than a year. Budgets keep their sum.

use std::collections::BTreeMap;

use runstate_core::prelude::*;
use runstate_core::schema::Direction::Ascending;
use runstate_value::SortedSet;

use super::ResourceUsage;
use crate::budget::ResourceBudget;
use crate::numeric::Amount;
use crate::upkeep::{MaintenanceRow, UpkeepJob, UpkeepTask};
use crate::writable::Writable;

/// Number of rows that one commit removes.
const ROWS: u32 = 100;

/// Writes for each row at most: the row and its budgets.
const WRITES_PER_ROW: usize = 5;

/// The name of the query for old rows.
const OLD: &str = "old";

/// Removes the uses that are older than a year, in as many commits as it takes. The job is last: until then it is due.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "fleet.usage.cleanUp")]
pub struct CleanUpUsage {
    /// When the job was due.
    pub due_at: Timestamp,
}

/// How far the clean-up is.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct CleanedUsage {
    /// Number of rows that were removed so far.
    pub removed: u32,
    /// Whether nothing is left.
    pub done: bool,
}

/// The first moment that is kept: a year ago, UTC.
fn kept_since(now: Timestamp) -> Timestamp {
    let today = Date::of(now);
    let text = today.to_string();
    let (year, rest) = text.split_at(4);
    // The year before has no 29 February.
    let before = year.parse::<i32>().ok().map(|year| format!("{:04}{rest}", year - 1));
    let day = before.as_deref().and_then(Date::parse).unwrap_or_else(|| today.plus_days(-366));
    day.start()
}

impl CleanUpUsage {
    fn log_id(&self) -> String {
        MaintenanceRow::id_of(UpkeepTask::CleanupResourceUsage, self.due_at)
    }
}

impl Command for CleanUpUsage {
    type Output = CleanedUsage;

    fn reads(&self, view: &View) -> ReadSet {
        let old = Filter::Lt("recorded_at".to_owned(), kept_since(view.now()).as_millis().into());
        let rows = Query::of(&ResourceUsage::COLLECTION).filter(old).sort("recorded_at", Ascending).limit(ROWS);
        let reads = ReadSet::entity::<UpkeepJob>(UpkeepTask::CleanupResourceUsage.as_str()).query(OLD, rows);
        let rows: Vec<ResourceUsage> = view.entities(OLD).unwrap_or_default();
        let mut budgets = SortedSet::<String>::default();
        budgets.extend(rows.into_iter().flat_map(|row| row.budgets).map(|id| (id, ())));
        let reads = reads.with_entity::<MaintenanceRow>(&self.log_id());
        budgets.keys().fold(reads, |reads, id| reads.with_entity::<ResourceBudget>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<CleanedUsage>> {
        let mut job = UpkeepJob::load_due(view, ctx, UpkeepTask::CleanupResourceUsage, self.due_at)?;
        let rows = view.loaded_entities::<ResourceUsage>(OLD)?;
        let most = (ctx.max_writes.saturating_sub(3) / WRITES_PER_ROW).max(1);
        let done = rows.len() <= most && view.next_cursor(OLD).is_none();
        let mut archived = BTreeMap::<String, Amount>::new();
        let mut decision = Decision::new(());
        let mut removed = 0;
        for row in rows.into_iter().take(most) {
            for budget in &row.entity.budgets {
                let sum = archived.entry(budget.clone()).or_default();
                *sum = sum.plus(row.entity.amount)?;
            }
            removed += 1;
            decision.changes.push(row.delete());
        }
        for (id, amount) in archived {
            let mut budget = view.entity::<ResourceBudget>(&id)?;
            budget.entity.archived_amount = budget.entity.archived_amount.plus(amount)?;
            decision = decision.save(budget, ctx.now)?;
        }
        let log = || MaintenanceRow::new(UpkeepTask::CleanupResourceUsage, self.due_at, ctx.now);
        let mut log = Writable::load(view, &self.log_id(), log)?;
        log.entity.affected_rows = log.entity.affected_rows.saturating_add(removed);
        log.entity.performed_at = ctx.now;
        let removed = log.entity.affected_rows;
        decision = log.save(decision, ctx.now)?;
        if done {
            job.entity.due_at = job.entity.task.next_after(ctx.now);
        }
        Ok(decision.save(job, ctx.now)?.map(|()| CleanedUsage { removed, done }))
    }

    fn next(&self, output: &CleanedUsage, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        (!output.done).then(|| TypedCommand::boxed(self.clone()))
    }
}

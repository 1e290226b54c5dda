//! Jobs that run at fixed times, and the log of what they did.

use runstate_core::id::natural_uuid;
use runstate_core::operation::{DueKind, DueRow};
use runstate_core::prelude::*;
use runstate_core::schema::FieldType;

use super::usage::CleanUpUsage;
use super::writable::Writable;

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire)]
pub enum UpkeepTask {
    /// Removes uses that are older than a year: on the first of the month at 02:00 UTC.
    CleanupResourceUsage,
    /// Refreshes the views that the store keeps, and creates its partitions: every day at 01:00 UTC.
    RefreshViews,
}

/// All jobs.
const TASKS: [UpkeepTask; 2] = [UpkeepTask::CleanupResourceUsage, UpkeepTask::RefreshViews];

impl UpkeepTask {
    /// The next time at which it is due.
    pub fn next_after(self, now: Timestamp) -> Timestamp {
        match self {
            Self::RefreshViews => {
                let at = Date::of(now).start() + Millis::minutes(60);
                if now < at { at } else { at + Millis::days(1) }
            }
            Self::CleanupResourceUsage => {
                let first = Date::of(now).month_start();
                let at = |day: Date| day.start() + Millis::minutes(2 * 60);
                if now < at(first) { at(first) } else { at(first.month_end().plus_days(1)) }
            }
        }
    }
}

/// A job and the time at which it is due.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.upkeep_jobs", version = 1)]
#[index(due_at)]
pub struct UpkeepJob {
    /// Its id: the name of the job.
    #[entity(id)]
    pub id: String,
    /// The job.
    pub task: UpkeepTask,
    /// When it is due.
    pub due_at: Timestamp,
}

impl UpkeepJob {
    /// The documents that [`UpkeepJob::schedule`] needs.
    pub(super) fn reads(reads: ReadSet) -> ReadSet {
        TASKS.iter().fold(reads, |reads, task| reads.with_entity::<Self>(task.as_str()))
    }

    /// Schedules the jobs, if they are not.
    pub(super) fn schedule<O>(view: &View, ctx: &Ctx, mut decision: Decision<O>) -> Result<Decision<O>> {
        for task in TASKS {
            if view.find_entity::<Self>(task.as_str())?.is_none() {
                let job = Self { id: task.as_str().to_owned(), task, due_at: task.next_after(ctx.now) };
                decision = decision.and_insert(&job)?;
            }
        }
        Ok(decision)
    }

    /// Whether the store does its own work before the command of this job.
    pub(super) fn maintains(document: &Document) -> bool {
        document.get("task").and_then(Json::as_str) == Some(UpkeepTask::RefreshViews.as_str())
    }

    /// The kind of work that a job has done: nothing, if the store keeps no views.
    pub(super) fn outcome(result: &Json) -> Option<DueKind> {
        (!result.is_null()).then_some(DueKind::Resumed)
    }

    /// The command of a job that is due.
    pub(super) fn command(row: DueRow<'_>) -> Box<dyn AnyCommand> {
        let due_at = row.document.get("due_at").and_then(Json::as_i64).unwrap_or_default();
        let due_at = Timestamp::from_millis(due_at);
        if due_at > row.until {
            return TypedCommand::boxed(Reschedule { id: row.id.to_owned() });
        }
        if Self::maintains(row.document) {
            return TypedCommand::boxed(RecordRefresh { due_at, rows: row.refreshed });
        }
        TypedCommand::boxed(CleanUpUsage { due_at })
    }

    /// The job, which is due.
    pub(super) fn load_due(view: &View, ctx: &Ctx, task: UpkeepTask, due_at: Timestamp) -> Result<LoadedEntity<Self>> {
        let job = view.entity::<Self>(task.as_str())?;
        match job.entity.due_at == due_at && due_at <= ctx.now {
            true => Ok(job),
            false => {
                Err(Rejection::Stale { what: format!("the job `{}` is not due; nothing was changed", task.as_str()) })
            }
        }
    }
}

/// Schedules a job again that a clock ahead of time has postponed.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "fleet.upkeep.reschedule")]
struct Reschedule {
    /// The job.
    id: String,
}

impl Command for Reschedule {
    type Output = ();

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>> {
        let mut job = view.entity::<UpkeepJob>(&self.id)?;
        job.entity.due_at = job.entity.due_at.min(job.entity.task.next_after(ctx.now));
        Decision::new(()).save(job, ctx.now)
    }
}

/// Records that the views of the store were refreshed.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "fleet.upkeep.recordRefresh")]
struct RecordRefresh {
    /// When the job was due.
    due_at: Timestamp,
    /// Number of rows of the views; `None`: the store keeps none, and nothing is recorded.
    rows: Option<u64>,
}

impl Command for RecordRefresh {
    /// As `rows`.
    type Output = Option<u64>;

    fn reads(&self, _: &View) -> ReadSet {
        let reads = ReadSet::entity::<UpkeepJob>(UpkeepTask::RefreshViews.as_str());
        reads.with_entity::<MaintenanceRow>(&MaintenanceRow::id_of(UpkeepTask::RefreshViews, self.due_at))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Option<u64>>> {
        let task = UpkeepTask::RefreshViews;
        let mut job = UpkeepJob::load_due(view, ctx, task, self.due_at)?;
        job.entity.due_at = task.next_after(ctx.now);
        let decision = Decision::new(self.rows).save(job, ctx.now)?;
        let Some(rows) = self.rows else { return Ok(decision) };
        // A job that was scheduled again may have run at that time before.
        let row = || MaintenanceRow::new(task, self.due_at, ctx.now);
        let mut row = Writable::load(view, &MaintenanceRow::id_of(task, self.due_at), row)?;
        row.entity.affected_rows = u32::try_from(rows).unwrap_or(u32::MAX);
        row.entity.performed_at = ctx.now;
        row.save(decision, ctx.now)
    }
}

/// The log of one run of a job.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.maintenance_log", version = 1, noun = "maintenance", filters(operation))]
#[index(operation)]
#[index(performed_at)]
pub struct MaintenanceRow {
    /// Its id, which follows from the job and the time at which it was due.
    #[entity(id, format = uuid)]
    pub uuid: String,
    /// The job.
    pub operation: UpkeepTask,
    /// Number of rows that it changed or removed.
    pub affected_rows: u32,
    /// When it ran last.
    pub performed_at: Timestamp,
}

impl MaintenanceRow {
    /// The id of the row of a job that was due at this time.
    pub(super) fn id_of(task: UpkeepTask, due_at: Timestamp) -> String {
        natural_uuid(&["maintenance", task.as_str(), &due_at.as_millis().to_string()])
    }

    /// The row of a job that begins.
    pub(super) fn new(task: UpkeepTask, due_at: Timestamp, now: Timestamp) -> Self {
        Self { uuid: Self::id_of(task, due_at), operation: task, affected_rows: 0, performed_at: now }
    }
}

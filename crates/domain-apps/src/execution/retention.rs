//! How long executions are kept: when one is removed, and its removal with everything that belongs to it.
//!
//! The first commit marks the execution, so that it cannot continue and no artifact is put beside its removal. Its
//! document is deleted with the last rows. A process that dies in between leaves a marked execution that is still due.

use runstate_core::decision::Lifecycle as _;
use runstate_core::operation::DueKind;
use runstate_core::prelude::*;
use runstate_value::sort_by;
use serde_json::Value as Json;

use super::{AppExecution, AppExecutionState, AppExecutionSummary, StepProgress};
use crate::artifact::{Artifact, Blob, BlobEvent, BlobState};
use crate::configuration::Configuration;
use crate::search::SearchEntry;
use crate::step::{QueuedStep, Step};

/// Number of rows that one commit reads, for each collection. Steps have their inputs and outputs.
const ROWS: u32 = 100;

/// Writes for each row at most: the row, its search entry, and its place in the queue or its blob.
const WRITES_PER_ROW: usize = 3;

/// Writes besides those of rows: the execution, the ledger and the audit log.
const OTHER_WRITES: usize = 3;

/// How long before the end of the default retention an execution with steps that never began is removed. Such steps
/// have no time from which they could expire by themselves.
const BEFORE_EXPIRY: Millis = Millis::days(1);

/// The names of the queries for rows.
const STEPS: &str = "steps";
const ARTIFACTS: &str = "artifacts";

impl AppExecution {
    /// When the execution ended.
    fn completed_at(&self) -> Option<Timestamp> {
        match self.state {
            AppExecutionState::Running => None,
            AppExecutionState::Completed { completed_at, .. }
            | AppExecutionState::Failed { completed_at, .. }
            | AppExecutionState::Cancelled { completed_at, .. } => completed_at,
        }
    }

    /// Notes when the execution is removed, if it has ended: after the retention of its configuration. By default it
    /// expires by itself, and is removed only if steps of it never began. Its deadline cannot pass any more.
    pub fn note_end(&mut self, configuration: &Configuration) {
        self.deadline_at = self.deadline_at.filter(|_| self.state == AppExecutionState::Running);
        self.remove_at = self.completed_at().and_then(|ended| {
            let configured = configuration.retention().map(|retention| ended + retention);
            let may_never_begin = |progress| matches!(progress, None | Some(StepProgress::Skipped));
            let never_began = configuration.steps.iter().any(|step| may_never_begin(self.progress.get(step.id)));
            let expiry = Self::COLLECTION.ttl.filter(|_| never_began).map(|ttl| self.started_at + ttl.after);
            configured.into_iter().chain(expiry.map(|expiry| expiry - BEFORE_EXPIRY)).min()
        });
    }
}

/// Removes an execution whose retention has ended, with its steps, artifacts and search entries, in two commits or as
/// many as its rows need. The bytes of artifacts are removed by the review of
/// their blobs, which is due at once.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.execution.remove", contends(AppExecution::COLLECTION, execution_id))]
pub struct RemoveExecution {
    /// The execution.
    pub execution_id: String,
}

/// The result of [`RemoveExecution`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Its retention has not ended, or it does not exist.
    None,
    /// Rows are left.
    Begun,
    /// Nothing is left.
    Done,
}

/// Deletes an execution that has ended, with its steps, artifacts and search entries, before its retention has ended.
///
/// Errors: `not_found`, `illegal_transition` (it runs).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.execution.delete", contends(AppExecution::COLLECTION, execution_id))]
pub struct DeleteExecution {
    /// The execution.
    #[operation(subject)]
    pub execution_id: String,
}

impl Command for DeleteExecution {
    type Output = AppExecutionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AppExecutionSummary>> {
        let mut head: LoadedEntity<AppExecution> = view.entity(&self.execution_id)?;
        if head.entity.state == AppExecutionState::Running {
            return Err(head.entity.illegal("delete", Some("cancel")));
        }
        // From this commit on it is removed, also if this process dies: it is due.
        head.entity.remove_at = head.entity.remove_at.into_iter().chain([ctx.now]).min();
        head.entity.removing = true;
        Decision::new(head.entity.summary()).save(head, ctx.now)
    }

    fn next(&self, _: &AppExecutionSummary, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        Some(TypedCommand::boxed(RemoveExecution { execution_id: self.execution_id.clone() }))
    }
}

impl RemoveExecution {
    /// The kind of due work that was done.
    pub fn kind(output: &Json) -> Option<DueKind> {
        (*output != "none").then_some(DueKind::Deleted)
    }
}

impl Command for RemoveExecution {
    type Output = Removal;

    fn reads(&self, _: &View) -> ReadSet {
        let rows = |query: Query| query.eq("execution_id", self.execution_id.as_str()).limit(ROWS);
        ReadSet::entity::<AppExecution>(&self.execution_id)
            .query(STEPS, rows(Query::of(&Step::COLLECTION)))
            .query(ARTIFACTS, rows(Query::of(&Artifact::COLLECTION)))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Removal>> {
        let Some(mut head) = view.find_entity::<AppExecution>(&self.execution_id)? else {
            return Ok(Decision::new(Removal::None));
        };
        if head.entity.remove_at.is_none_or(|at| at > ctx.now) {
            return Ok(Decision::new(Removal::None));
        }
        let rows_of = |name| view.rows(name).unwrap_or_default();
        let found = rows_of(STEPS).len() + rows_of(ARTIFACTS).len();
        let most = (ctx.max_writes.saturating_sub(OTHER_WRITES) / WRITES_PER_ROW).max(1);
        // An artifact that is put meanwhile only checks the head. So the head is deleted after a commit that marks it.
        let is_marked = head.entity.removing;
        let is_last =
            is_marked && found <= most && [STEPS, ARTIFACTS].iter().all(|name| view.next_cursor(name).is_none());

        let mut decision = Decision::new(if is_last { Removal::Done } else { Removal::Begun });
        decision.continues = is_marked;
        let delete = |key: Key| Change::Delete { key, revision: None };
        for (key, _) in rows_of(STEPS).iter().take(most) {
            let beside = [&QueuedStep::COLLECTION, &SearchEntry::COLLECTION].map(|of| delete(Key::new(of, &key.id)));
            decision.changes.push(delete(key.clone()));
            decision.changes.extend(beside);
        }
        let artifacts = view.loaded_entities::<Artifact>(ARTIFACTS)?;
        let artifacts = artifacts.into_iter().take(most.saturating_sub(rows_of(STEPS).len()));
        let artifacts: Vec<LoadedEntity<Artifact>> = artifacts.collect();
        let mut blobs: Vec<&str> = artifacts.iter().filter_map(|artifact| artifact.entity.blob_id()).collect();
        sort_by(&mut blobs, Ord::cmp);
        blobs.dedup();
        view.require_entities::<Blob>(&blobs)?;
        for id in blobs {
            if let Some(mut blob) = view.find_entity::<Blob>(id)?
                && matches!(blob.entity.state, BlobState::Stored { .. })
            {
                // The review keeps a blob that another artifact has.
                blob.entity.apply(BlobEvent::Keep(ctx.now))?;
                decision = decision.save(blob, ctx.now)?;
            }
        }
        for artifact in artifacts {
            decision.changes.push(delete(Key::new(&SearchEntry::COLLECTION, &artifact.entity.id)));
            decision.changes.push(artifact.delete());
        }
        if is_last {
            return Ok(decision.change(head.delete()));
        }
        // The commit checks an execution that is marked already.
        head.entity.removing = true;
        decision.save(head, ctx.now)
    }

    fn next(&self, output: &Removal, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        (*output == Removal::Begun).then(|| TypedCommand::boxed(self.clone()))
    }
}

//! The steps that may be claimed or are claimed. A row exists from the commit that makes a step ready until the commit
//! that ends it, so a worker reads no step that waits or has ended.

use runstate_core::lease::{Claim, ClaimResult, ItemKind, LEASE_EXPIRED, Lease, LeaseNames, Leased, StoredLease};
use runstate_core::lease_names;
use runstate_core::prelude::*;
use serde_json::json;

use super::claim::{end_attempt, execution_of};
use super::work::{ClaimedStep, StepWork};
use super::{Step, StepEvent, StepStatus};
use crate::configuration::schema_mismatch;
use crate::execution::{AppExecution, ExecutionDocuments, check_bytes};
use crate::search::SearchEntry;
use crate::secret::ValueForm;
use crate::settings::AppsSettings;

/// A step that may be claimed or is claimed.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.step_queue", version = 1)]
#[index(step_name, available_at)]
#[index(due_at)]
pub struct QueuedStep {
    /// The id of the step.
    #[entity(id)]
    pub id: String,
    /// The execution.
    #[entity(part_of = "apps.executions")]
    pub execution_id: String,
    /// The number of the app. Rows of earlier versions lack it.
    pub app_id: Option<i64>,
    /// The number of the step.
    pub step_id: i64,
    /// The name by which workers claim it.
    pub step_name: String,
    /// Its lease. A claim ends at its timeout too.
    #[entity(flatten)]
    pub lease: StoredLease,
    /// When its attempt times out.
    pub timeout_at: Option<Timestamp>,
}

impl QueuedStep {
    /// A step of an execution that may be claimed from `at` on.
    pub fn new(execution: &AppExecution, step_id: i64, step_name: &str, at: Timestamp) -> Self {
        Self {
            id: Step::id_of(&execution.execution_id, step_id),
            execution_id: execution.execution_id.clone(),
            app_id: Some(execution.app_id),
            step_id,
            step_name: step_name.to_owned(),
            lease: StoredLease::available(at),
            timeout_at: None,
        }
    }

    /// The condition for the steps of an app, for [`ClaimSelection`](runstate_core::lease::ClaimSelection).
    pub fn of_app(app_id: i64) -> Filter {
        Filter::Eq("app_id".to_owned(), app_id.into())
    }
}

impl Leased for QueuedStep {
    type Work = StepWork;
    type Claimed = ClaimedStep;

    const NAMES: LeaseNames = lease_names!("apps.step");
    const KIND: Option<ItemKind> = Some(ItemKind { field: "step_name", plural: "names of steps" });

    fn lease(&self) -> Option<Lease> {
        self.lease.get()
    }

    fn set_lease(&mut self, lease: Lease) {
        self.lease.set(lease);
        self.timeout_at = self.timeout_at.filter(|_| self.lease.owner.is_some());
    }

    fn latest_end(&self) -> Option<Timestamp> {
        self.timeout_at
    }

    fn claim(
        view: &View,
        ctx: &mut Ctx,
        mut row: LoadedEntity<Self>,
        claim: &Claim<Self>,
    ) -> Result<Decision<ClaimResult<Self>>> {
        // Its documents are read together. An execution that cannot be read is passed over without the others.
        let (step, entry) =
            (Key::new(&Step::COLLECTION, row.entity.id()), Key::new(&SearchEntry::COLLECTION, row.entity.id()));
        let documents = ExecutionDocuments::load(view, ctx, &row.entity.execution_id);
        let mut documents = documents.map_err(|rejection| match rejection {
            Rejection::Unread(unread) => Rejection::Unread(unread.into_iter().chain([step, entry]).collect()),
            rejection => rejection,
        })?;
        let step_id = row.entity.step_id;
        if documents.is_closed(step_id)? {
            // Only a row that was restored without its execution can be free then.
            documents.close(row)?;
            return Ok(documents.decide()?.map(|_| ClaimResult::default()));
        }
        let input = documents.input(step_id)?;
        let definition = documents.definition(step_id)?;
        let timeout = documents.configuration.timeout(definition, definition.undo(step_id));
        let schema = definition.input_schema.clone().filter(|_| step_id > 0);
        let step = documents.step(step_id)?;
        if row.entity.lease.owner.is_none() && step.state.status() == StepStatus::Running {
            // Documents of the step were missing when its last claim ended, so only the row was freed.
            step.apply(StepEvent::Release)?;
        }
        step.apply(StepEvent::Claim(ctx.now))?;
        let clear = input.get(ValueForm::Clear);
        if let Some((path, reason)) = schema_mismatch(view, schema.as_ref(), "input", clear)? {
            let message = format!("{path} {reason}");
            documents.fail(row, json!({"message": message, "name": "InvalidInput"}))?;
            return Ok(documents.decide()?.map(|_| ClaimResult::default()));
        }
        if let Err(too_large) = check_bytes("an input", clear, &AppsSettings::of(ctx)) {
            documents.fail(row, json!({"message": too_large.to_string(), "name": "InputTooLarge"}))?;
            return Ok(documents.decide()?.map(|_| ClaimResult::default()));
        }
        input.check_keys(view, &format!("the input of step `{}`", row.entity.id))?;
        (step.input, step.secret_input) = (Some(input.redacted), input.clear);
        row.entity.timeout_at = timeout.map(|timeout| ctx.now + timeout);
        let (step, lease) = (step.clone(), claim.begin(&mut row.entity, ctx.now)?);
        let claimed = ClaimedStep {
            id: row.entity.id.clone(),
            execution_id: row.entity.execution_id.clone(),
            step_id,
            step_name: row.entity.step_name.clone(),
            token: lease.token,
            until: lease.available_at,
            attempts: lease.attempts,
        };
        let result = ClaimResult::new(claimed.clone(), StepWork::new(claimed, step));
        documents.decide_step(step_id, row, result)
    }

    fn work(view: &View, claimed: &ClaimedStep) -> Result<Option<StepWork>> {
        let step = view.find_entity::<Step>(&claimed.id)?;
        Ok(step.map(|step| StepWork::new(claimed.clone(), step.entity)))
    }

    fn document(&self) -> Key {
        Key::new(&AppExecution::COLLECTION, &self.execution_id)
    }

    fn contradiction(&self) -> Option<&'static str> {
        self.lease.contradiction()
    }

    fn skip(&mut self, _: &View, ctx: &mut Ctx, _: &Rejection, is_orphan: bool) -> Result<bool> {
        Ok(self.lease.skip(is_orphan, ctx.now))
    }

    fn release(view: &View, ctx: &mut Ctx, row: LoadedEntity<Self>) -> Result<Decision<()>> {
        let mut documents = ExecutionDocuments::load(view, ctx, &row.entity.execution_id)?;
        let step_id = row.entity.step_id;
        documents.step(step_id)?.apply(StepEvent::Release)?;
        if documents.is_closed(step_id)? {
            documents.close(row)?;
            return Ok(documents.decide()?.map(drop));
        }
        documents.decide_free_step(step_id, row, ())
    }

    fn expire(view: &View, ctx: &mut Ctx, row: LoadedEntity<Self>) -> Result<Decision<()>> {
        let error = match row.entity.timeout_at.is_some_and(|timeout| timeout <= ctx.now) {
            true => json!({"message": "the step took longer than its timeout", "name": "Timeout"}),
            false => json!({"message": LEASE_EXPIRED, "name": "LeaseExpired"}),
        };
        Ok(end_attempt(view, ctx, row, error, None, false, None)?.map(drop))
    }

    fn subject(id: &str) -> Option<Key> {
        Some(execution_of(id))
    }
}

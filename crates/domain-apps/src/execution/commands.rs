//! Starting and cancelling executions.

use runstate_core::prelude::*;
use runstate_value::{collect_btree_map, json_bytes};

use super::progress::{NextStep, StepProgress};
use super::{
    AppExecution, AppExecutionEvent, AppExecutionState, AppExecutionStatus, ExecutionDocuments, GraphProgress,
};
use crate::codes;
use crate::configuration::check::check_deadline;
use crate::configuration::{
    AppConfiguration, AppKey, Configuration, FieldDefinition, StepDefinition, VERSION, ValuePath, find_version,
    schema_mismatch,
};
use crate::secret::{GuardedValue, ValueForm};
use crate::settings::AppsSettings;
use crate::step::{QueuedStep, Step, StepEvent};

/// The name of the query for the active version.
const ACTIVE: &str = "active";

/// An execution after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct AppExecutionSummary {
    /// Its id.
    #[entity(id)]
    pub execution_id: String,
    /// Its status.
    pub status: AppExecutionStatus,
}

/// Rejects a value that is larger than the settings allow.
pub fn check_bytes(what: &str, value: &Json, settings: &AppsSettings) -> Result<()> {
    let bytes = json_bytes(value);
    if bytes as u64 <= settings.value_bytes {
        return Ok(());
    }
    Err(Rejection::Limit {
        what: format!("{what} of {bytes} bytes"),
        limit: format!("{} bytes", settings.value_bytes),
        remedy: "store large values elsewhere, and their place here",
    })
}

/// Starts an execution of an app, with all its steps. Those that depend on no other may be claimed at once.
///
/// Errors: `not_found` (the version), `no_active_version`, `already_exists`, `invalid` (the input or the metadata),
/// `limit` (its size), `key_missing` (a schema of the version marks secrets, and the store has no keys).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.execution.start")]
pub struct StartExecution {
    /// The number of the app.
    #[operation(subject)]
    pub app_id: i64,
    /// The number of a part of the app; by default the whole app.
    pub sub_app_id: Option<i64>,
    /// The version of the configuration; by default the active one.
    pub version: Option<String>,
    /// The user for whom it runs.
    pub user_id: String,
    /// Its input; by default an empty object.
    #[operation(json)]
    pub input: Option<Json>,
    /// Further information.
    pub metadata: Option<Document>,
    /// The id of the execution; by default a new one.
    pub id: Option<String>,
    /// The longest time of the execution, in milliseconds, from 1 second to 10 years; by default as its configuration
    /// says. When it is over, the execution fails, and its completed steps are undone.
    #[operation(name = "deadlineMs")]
    pub deadline: Option<Millis>,
}

impl StartExecution {
    fn app(&self) -> AppKey {
        AppKey { app_id: self.app_id, sub_app_id: self.sub_app_id }
    }

    /// The version that it runs.
    fn configuration(&self, view: &View) -> Result<LoadedEntity<AppConfiguration>> {
        match &self.version {
            Some(version) => find_version(view, self.app(), version),
            None => view.loaded_entities::<AppConfiguration>(ACTIVE)?.pop().ok_or_else(|| {
                let app = self.app().app();
                let message = format!("app `{app}` has no active version; save or activate one, or name a version");
                Rejection::domain(codes::NO_ACTIVE_VERSION, message)
            }),
        }
    }
}

impl Command for StartExecution {
    type Output = AppExecutionSummary;

    fn reads(&self, _: &View) -> ReadSet {
        let reads = match &self.version {
            Some(version) => ReadSet::empty().query(VERSION, self.app().version(version)),
            None => ReadSet::empty().query(ACTIVE, self.app().active()),
        };
        self.id.iter().fold(reads, |reads, id| reads.with_entity::<AppExecution>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AppExecutionSummary>> {
        let mut version = self.configuration(view)?;
        if let Some(id) = &self.id {
            view.check_absent::<AppExecution>(id)?;
        }
        let configuration = version.entity.parse()?;
        configuration.check()?;
        configuration.check_keys(view)?;
        if let Some(deadline) = self.deadline {
            check_deadline("deadlineMs", deadline)?;
        }
        let input = self.input.clone().unwrap_or_else(|| Document::new().into());
        check_bytes("an input", &input, &AppsSettings::of(ctx))?;
        let fields = configuration.input.as_deref();
        if let Some((field, reason)) = fields.and_then(|fields| FieldDefinition::mismatch(fields, "input", &input)) {
            return Err(Rejection::Invalid { field, reason });
        }
        let guard = |name: &str, schema: &Option<Document>, value: Json| {
            if let Some((field, reason)) = schema_mismatch(view, schema.as_ref(), name, &value)? {
                return Err(Rejection::Invalid { field, reason });
            }
            let guarded = GuardedValue { redacted: value, clear: None }.guard(schema.as_ref());
            guarded.check_keys(view, &format!("the {name} of an execution")).map(|()| guarded)
        };
        let input = guard("input", &configuration.input_schema, input)?;
        let metadata = Json::Object(self.metadata.clone().unwrap_or_default());
        let metadata = guard("metadata", &configuration.metadata_schema, metadata)?;
        let execution = AppExecution {
            execution_id: self.id.clone().unwrap_or_else(|| ctx.new_id()),
            app_id: self.app_id,
            app_name: version.entity.app_name.clone(),
            sub_app_id: self.sub_app_id,
            sub_app_name: version.entity.sub_app_name.clone(),
            version: Some(version.entity.version.clone()),
            configuration_id: Some(version.entity.id.clone()),
            user_id: self.user_id.clone(),
            state: AppExecutionState::Running,
            started_at: ctx.now,
            input: Some(input.redacted),
            secret_input: input.clear,
            error: None,
            metadata: metadata.redacted.as_object().cloned().unwrap_or_default(),
            secret_metadata: metadata.clear,
            progress: GraphProgress::default(),
            deadline_at: self.deadline.or_else(|| configuration.deadline()).map(|deadline| ctx.now + deadline),
            ending: None,
            remove_at: None,
            removing: false,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        let mut decision = execution.create(&configuration)?;
        if !version.entity.used {
            // Only the first start writes it. From then on it does not change, so no start need check it.
            version.entity.used = true;
            decision = decision.save(version, ctx.now)?;
        }
        Ok(decision)
    }
}

/// Cancels an execution that runs. Its running steps fail and lose their claims, and the others are skipped. Nothing is
/// undone. An execution that has failed already is undone to the end first. Steps with `always` run in each case. The
/// execution is running until then.
///
/// Errors: `not_found`, `illegal_transition` (it has ended).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.execution.cancel", contends(AppExecution::COLLECTION, execution_id))]
pub struct CancelExecution {
    /// The execution.
    #[operation(subject)]
    pub execution_id: String,
}

impl Command for CancelExecution {
    type Output = AppExecutionSummary;

    fn reads(&self, view: &View) -> ReadSet {
        ExecutionDocuments::reads(view, &self.execution_id, None)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AppExecutionSummary>> {
        let mut head: LoadedEntity<AppExecution> = view.entity(&self.execution_id)?;
        if head.entity.configuration_id.is_none() {
            // Another program started it, and its steps are not run here.
            head.entity.apply(AppExecutionEvent::Cancel(ctx.now, ctx.now.since(head.entity.started_at)))?;
            return Decision::new(head.entity.summary()).save(head, ctx.now);
        }
        let mut documents = ExecutionDocuments::load(view, ctx, &self.execution_id)?;
        documents.cancel()?;
        documents.decide()
    }
}

impl AppExecution {
    /// The decision to create it with its steps. Those that wait for no other are open.
    fn create(mut self, configuration: &Configuration) -> Result<Decision<AppExecutionSummary>> {
        let now = self.started_at;
        let new = |step: &StepDefinition| (step.id, Step::new(&self, step.id, &step.name, step.version.clone()));
        let mut steps = collect_btree_map(configuration.steps.iter().map(new));
        let mut changes = Vec::new();
        let input = self.guarded_input();
        // No step has an output yet.
        let value =
            |path: &ValuePath| if path.step.is_none() { path.get(input.get(ValueForm::Clear)) } else { Json::Null };
        let mut holds = |step: &StepDefinition| Ok(step.when.as_ref().is_none_or(|when| when.holds(&value)));
        while let Some(next) = self.progress.next::<Rejection>(configuration, false, &mut holds)? {
            match next {
                NextStep::Open(step) => {
                    changes.push(Change::insert(&QueuedStep::new(&self, step.id, &step.name, now))?);
                    self.progress.set(step.id, StepProgress::Open);
                }
                NextStep::Skip(step) => {
                    if let Some(skipped) = steps.get_mut(&step.id) {
                        skipped.apply(StepEvent::Skip(now))?;
                    }
                    self.progress.set(step.id, StepProgress::Skipped);
                }
            }
        }
        if self.progress.is_complete(configuration) {
            self.apply(AppExecutionEvent::Complete(now, Millis(0)))?;
        }
        self.note_end(configuration);
        let mut decision = Decision::new(self.summary()).and_insert(&self)?;
        for step in steps.values() {
            decision = decision.and_insert(step)?;
        }
        decision.changes.extend(changes);
        Ok(decision)
    }
}

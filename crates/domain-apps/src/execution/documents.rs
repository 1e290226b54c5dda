//! An execution with the documents that change with it. Each command on a step reads its execution, notes the end of
//! the step, and settles what follows, all in one commit.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use runstate_core::decision::CachedValue;
use runstate_core::prelude::*;
use runstate_value::memory_bytes;
use serde_json::json;

use super::progress::{NextStep, StepProgress};
use super::{AppExecution, AppExecutionEvent, AppExecutionState, AppExecutionSummary, Ending, ExecutionError};
use crate::codes;
use crate::configuration::{AppConfiguration, Configuration, StepDefinition, StepInput, ValuePath};
use crate::search::SearchEntry;
use crate::secret::{GuardedValue, ValueForm};
use crate::step::{QueuedStep, Step, StepEvent, StepState, StepStatus};

/// An execution, its configuration, and the steps that a decision changes.
pub struct ExecutionDocuments<'a> {
    view: &'a View,
    now: Timestamp,
    /// The execution.
    pub head: LoadedEntity<AppExecution>,
    /// The configuration that it runs.
    pub configuration: Arc<Configuration>,
    steps: BTreeMap<i64, LoadedEntity<Step>>,
    /// Steps of other workers, which the commit only checks.
    claimed: Vec<LoadedEntity<QueuedStep>>,
    changes: Vec<Change>,
}

impl<'a> ExecutionDocuments<'a> {
    /// The documents that every command on a step reads.
    pub fn reads(view: &View, execution_id: &str, step_id: Option<i64>) -> ReadSet {
        let mut reads = ReadSet::entity::<AppExecution>(execution_id);
        if let Some(step_id) = step_id {
            let id = Step::id_of(execution_id, step_id);
            reads = reads.with_entity::<Step>(&id).with_entity::<QueuedStep>(&id).with_entity::<SearchEntry>(&id);
        }
        // The decision reports an execution that cannot be read.
        let head = view.find_entity::<AppExecution>(execution_id).ok().flatten();
        let configuration = head.and_then(|head| head.entity.configuration_id);
        configuration.iter().fold(reads, |reads, id| reads.with_entity::<AppConfiguration>(id))
    }

    /// The execution with its configuration.
    pub fn load(view: &'a View, ctx: &Ctx, execution_id: &str) -> Result<Self> {
        let head: LoadedEntity<AppExecution> = view.entity(execution_id)?;
        let Some(configuration) = &head.entity.configuration_id else {
            let hint = ": another program has started it, so its steps are not run here".to_owned();
            return Err(Rejection::NotFound {
                what: "the configuration of execution",
                id: execution_id.to_owned(),
                hint,
            });
        };
        let configuration = match view.cached::<Arc<Configuration>>(&configuration_key(configuration)) {
            Some(parsed) => parsed.clone(),
            None => Arc::new(view.entity::<AppConfiguration>(configuration)?.entity.parse()?),
        };
        Ok(Self {
            view,
            now: ctx.now,
            configuration,
            head,
            steps: BTreeMap::new(),
            claimed: Vec::new(),
            changes: Vec::new(),
        })
    }

    fn id_of(&self, step_id: i64) -> String {
        Step::id_of(&self.head.entity.execution_id, step_id)
    }

    /// The documents that a claim only reads, and that the completion of its step needs: a process that has them cached
    /// reads nothing then. The completion writes the execution and the search entry, so its commit detects old ones.
    /// The configuration of an execution never changes ([`AppConfiguration::used`]), and it exists as long as the
    /// execution.
    fn cached_for_completion(&self, step_id: i64) -> Vec<(Key, CachedValue)> {
        let entry = Key::new(&SearchEntry::COLLECTION, &self.id_of(step_id));
        let head = self.head.key().clone();
        let bytes = |key: &Key| self.view.get(key).map_or(0, |read| memory_bytes(&read.document));
        let of_head = CachedValue::new((), bytes(&head)).with_entity(self.head.entity.clone());
        let of_entry = CachedValue::new((), 0);
        let configuration = self.head.entity.configuration_id.as_deref().map(configuration_key);
        let configuration = configuration.map(|key| {
            let parsed = CachedValue::new(self.configuration.clone(), bytes(&key));
            (key, parsed)
        });
        [(head, of_head), (entry, of_entry)].into_iter().chain(configuration).collect()
    }

    /// The definition of the step, or of the step that it undoes.
    pub fn definition(&self, step_id: i64) -> Result<&StepDefinition> {
        self.configuration.step(step_id.abs()).ok_or_else(|| Rejection::NotFound {
            what: "step",
            id: self.id_of(step_id),
            hint: "; the configuration of its execution does not have it".to_owned(),
        })
    }

    /// A step, to change it.
    pub fn step(&mut self, step_id: i64) -> Result<&mut Step> {
        let id = self.id_of(step_id);
        Ok(&mut match self.steps.entry(step_id) {
            Entry::Occupied(step) => step.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(self.view.entity(&id)?),
        }
        .entity)
    }

    /// The row of a step that may be claimed or is claimed; `None`: it waits or has ended.
    pub fn queued(&self, step_id: i64) -> Result<Option<LoadedEntity<QueuedStep>>> {
        let id = self.id_of(step_id);
        self.view.find_entity(&id)
    }

    /// The values of steps. A step that has expired has none.
    fn values(&self, steps: &[i64]) -> Result<StepValues> {
        let others = || steps.iter().filter(|id| !self.steps.contains_key(id));
        self.view.require_entities::<Step>(others().map(|id| self.id_of(*id)))?;
        let mut values = BTreeMap::new();
        for id in steps {
            let step = match self.steps.get(id) {
                Some(step) => Some(step.entity.clone()),
                None => self.view.find_entity::<Step>(&self.id_of(*id))?.map(|found| found.entity),
            };
            values
                .insert(*id, step.map_or_else(Default::default, |step| (step.guarded_input(), step.guarded_output())));
        }
        Ok(values)
    }

    /// The input of a step that begins.
    pub fn input(&self, step_id: i64) -> Result<GuardedValue> {
        let definition = self.definition(step_id)?;
        let input = definition.undo(step_id).map_or(&definition.input, |compensation| &compensation.input);
        let nearest = self.nearest_first(definition, step_id < 0);
        let (steps, sources) = match input {
            Some(StepInput::Mapping(_)) => (input.as_ref().map(StepInput::steps).unwrap_or_default(), Vec::new()),
            Some(StepInput::Fields(_)) => (nearest.clone(), nearest.into_iter().map(Some).chain([None]).collect()),
            None if step_id < 0 => (vec![definition.id], Vec::new()),
            None => (Vec::new(), Vec::new()),
        };
        let (values, own) = (self.values(&steps)?, self.head.entity.guarded_input());
        let resolve = |form| match input {
            Some(input) => input.resolve(&sources, &|path| value(&own, &values, path, form)),
            None => match values.get(&definition.id) {
                Some((input, output)) => json!({"input": input.get(form), "output": output.get(form)}),
                None => own.get(form).clone(),
            },
        };
        let all = values.values().flat_map(|(input, output)| [input, output]).chain([&own]);
        let resolved = match all.into_iter().any(|value| value.clear.is_some()) {
            true => GuardedValue::of(resolve(ValueForm::Redacted), resolve(ValueForm::Clear)),
            false => GuardedValue { redacted: resolve(ValueForm::Clear), clear: None },
        };
        Ok(resolved.guard(definition.input_schema.as_ref().filter(|_| step_id > 0)))
    }

    /// The steps that a step depends on, directly or not, the nearest first; `itself`: it is the first one.
    fn nearest_first(&self, definition: &StepDefinition, itself: bool) -> Vec<i64> {
        let mut steps: Vec<i64> = if itself { vec![definition.id] } else { definition.depends_on.clone() };
        let mut at = 0;
        while let Some(id) = steps.get(at) {
            let further = self.configuration.step(*id).map(|step| step.depends_on.clone()).unwrap_or_default();
            steps.extend(further.iter().filter(|id| !steps.contains(id)).copied().collect::<Vec<_>>());
            at += 1;
        }
        steps
    }

    /// Notes that the step of a claim is completed.
    pub fn complete(&mut self, queued: LoadedEntity<QueuedStep>, output: Option<GuardedValue>) -> Result<()> {
        let (step_id, now) = (queued.entity.step_id, self.now);
        let step = self.step(step_id)?;
        step.apply(StepEvent::Complete(now))?;
        step.set_output(output);
        step.error = None;
        self.end(queued, StepProgress::Completed)
    }

    /// Notes that the step of a claim has failed for the last time.
    pub fn fail(&mut self, queued: LoadedEntity<QueuedStep>, error: Json) -> Result<()> {
        let (step_id, now) = (queued.entity.step_id, self.now);
        let step = self.step(step_id)?;
        step.apply(StepEvent::Fail(now))?;
        step.error = Some(error.clone());
        let head = &mut self.head.entity;
        // A step that runs always after a cancel changes nothing of the execution.
        if step_id > 0 && head.error.is_none() && head.ending != Some(Ending::Cancelled) {
            head.error = Some(ExecutionError::of_step(step_id, &queued.entity.step_name, &error));
        }
        self.end(queued, StepProgress::Failed)
    }

    fn end(&mut self, queued: LoadedEntity<QueuedStep>, progress: StepProgress) -> Result<()> {
        self.head.entity.progress.set(queued.entity.step_id, progress);
        self.changes.push(queued.delete());
        self.settle()
    }

    /// Skips a step that is pending or has failed.
    pub fn skip(&mut self, step_id: i64) -> Result<()> {
        let (now, had_failed) = (self.now, self.continue_after(step_id)?);
        let queued = self.queued(step_id)?;
        self.step(step_id)?.apply(StepEvent::Skip(now))?;
        self.changes.extend(queued.map(LoadedEntity::delete));
        self.head.entity.progress.set(step_id, StepProgress::Skipped);
        self.resume(had_failed)
    }

    /// Tries a step that has failed for the last time again.
    pub fn retry(&mut self, step_id: i64) -> Result<()> {
        let had_failed = self.continue_after(step_id)?;
        let step = self.step(step_id)?;
        step.apply(StepEvent::Retry)?;
        step.error = None;
        step.retry_count += 1;
        self.head.entity.progress.reset(step_id);
        if step_id < 0 {
            self.open(step_id)?;
        }
        self.resume(had_failed)
    }

    /// Rejects a change of a step whose execution was undone after it, or has ended otherwise. Returns whether the
    /// execution had failed.
    fn continue_after(&mut self, step_id: i64) -> Result<bool> {
        let begins = self.begins_while_ending(step_id)?;
        let head = &mut self.head.entity;
        if !begins && head.progress.is_compensating() {
            let id = &head.execution_id;
            let message = format!("steps of execution `{id}` were undone after it failed; start another one");
            return Err(Rejection::domain(codes::COMPENSATED, message));
        }
        head.check_continues()?;
        let had_failed = head.state != AppExecutionState::Running;
        if !begins && head.ending.is_some() {
            if !had_failed {
                return Err(head.illegal("step retry", None));
            }
            // Nothing was undone, so it continues.
            head.ending = None;
        }
        Ok(had_failed)
    }

    /// Whether a step also begins after the execution has failed or was cancelled: it undoes another one, or has
    /// `always`.
    fn begins_while_ending(&self, step_id: i64) -> Result<bool> {
        Ok(step_id < 0 || self.definition(step_id)?.always)
    }

    /// Continues the execution after a failed step was changed by hand.
    fn resume(&mut self, had_failed: bool) -> Result<()> {
        let head = &mut self.head.entity;
        if had_failed {
            head.apply(AppExecutionEvent::Continue)?;
        }
        if !head.progress.has_failed() && head.ending.is_none() && !head.progress.is_compensating() {
            head.error = None;
        }
        self.settle()
    }

    /// Opens a step: a worker may claim it.
    fn open(&mut self, step_id: i64) -> Result<()> {
        let definition = self.definition(step_id)?;
        let name = definition.undo(step_id).map_or(&definition.name, |undo| &undo.name);
        let row = QueuedStep::new(&self.head.entity, step_id, name, self.now);
        self.changes.push(Change::insert(&row)?);
        self.head.entity.progress.set(step_id, StepProgress::Open);
        Ok(())
    }

    /// Opens and skips the steps that need not wait any longer, and ends the execution after the last one.
    pub fn settle(&mut self) -> Result<()> {
        let configuration = self.configuration.clone();
        if self.is_over() {
            self.close_unclaimed()?;
        } else {
            self.open_next(&configuration, false)?;
            let head = &mut self.head.entity;
            if head.progress.is_complete(&configuration) {
                return head.apply(AppExecutionEvent::Complete(self.now, self.now.since(head.started_at)));
            }
        }
        if self.is_open() {
            return Ok(());
        }
        // Nothing is left to do but to undo what is completed, and what runs always.
        if self.head.entity.ending != Some(Ending::Cancelled)
            && let Some(step) = self.head.entity.progress.next_compensation(&configuration)
            && let Some(undo) = &step.compensate
        {
            let id = -step.id;
            self.changes.push(Change::insert(&Step::new(&self.head.entity, id, &undo.name, None))?);
            return self.open(id);
        }
        self.open_next(&configuration, true)?;
        let is_open = self.is_open();
        let head = &mut self.head.entity;
        if is_open {
            head.ending.get_or_insert(Ending::Failed);
            return Ok(());
        }
        let duration = self.now.since(head.started_at);
        // What was not undone can be retried, unless it is cancelled.
        head.apply(match head.ending {
            Some(Ending::Cancelled) => AppExecutionEvent::Cancel(self.now, duration),
            Some(Ending::Undone) if head.progress.is_undone() => AppExecutionEvent::Cancel(self.now, duration),
            _ => AppExecutionEvent::Fail(self.now, duration),
        })
    }

    /// Whether a worker has a step, or may claim one.
    fn is_open(&self) -> bool {
        self.head.entity.progress.with(StepProgress::Open).next().is_some()
    }

    fn open_next(&mut self, configuration: &Configuration, ending: bool) -> Result<()> {
        // The conditions are decided first, so that the steps that are skipped are read at once.
        let mut skipped = Vec::new();
        loop {
            let mut holds = |step: &StepDefinition| self.holds(step);
            match self.head.entity.progress.next(configuration, ending, &mut holds)? {
                None => break,
                Some(NextStep::Open(step)) => self.open(step.id)?,
                Some(NextStep::Skip(step)) => {
                    self.head.entity.progress.set(step.id, StepProgress::Skipped);
                    skipped.push(step.id);
                }
            }
        }
        self.view.require_entities::<Step>(skipped.iter().map(|id| self.id_of(*id)))?;
        for id in skipped {
            let now = self.now;
            self.step(id)?.apply(StepEvent::Skip(now))?;
        }
        Ok(())
    }

    /// Whether the condition of a step holds.
    fn holds(&self, step: &StepDefinition) -> Result<bool> {
        let Some(when) = &step.when else { return Ok(true) };
        let steps: Vec<i64> = when.paths().into_iter().filter_map(|path| ValuePath::parse(path)?.step).collect();
        let values = self.values(&steps)?;
        let own = self.head.entity.guarded_input();
        Ok(when.holds(&|path| value(&own, &values, path, ValueForm::Clear)))
    }

    /// Whether no further step begins, but those that undo others and those with `always`.
    fn is_over(&self) -> bool {
        self.head.entity.is_over(&self.configuration)
    }

    /// Whether no further attempt of this step begins.
    pub fn is_closed(&self, step_id: i64) -> Result<bool> {
        Ok(self.is_over() && !self.begins_while_ending(step_id)?)
    }

    /// Closes the open steps that no worker has: they wait again. What the others do may have effects, so their workers
    /// report it, and the execution waits for them.
    fn close_unclaimed(&mut self) -> Result<()> {
        let open = self.open_ordinary();
        self.require_open(&open)?;
        for id in open {
            match self.queued(id)? {
                Some(queued) if queued.entity.lease.owner.is_some() => self.claimed.push(queued),
                Some(queued) => {
                    self.changes.push(queued.delete());
                    self.head.entity.progress.reset(id);
                }
                None => self.head.entity.progress.reset(id),
            }
        }
        Ok(())
    }

    /// The open steps that do not begin once the execution has failed or was cancelled.
    fn open_ordinary(&self) -> Vec<i64> {
        let open = self.head.entity.progress.with(StepProgress::Open);
        open.filter(|id| self.configuration.step(*id).is_some_and(|step| !step.always)).collect()
    }

    /// Notes that the attempt of a claimed step has ended without a result, after the step
    /// [was closed](Self::is_closed): it waits again.
    pub fn close(&mut self, queued: LoadedEntity<QueuedStep>) -> Result<()> {
        self.head.entity.progress.reset(queued.entity.step_id);
        self.changes.push(queued.delete());
        self.settle()
    }

    fn require_open(&self, open: &[i64]) -> Result<()> {
        self.view.require_entities::<QueuedStep>(open.iter().map(|id| self.id_of(*id)))?;
        self.view.require_entities::<Step>(open.iter().map(|id| self.id_of(*id)))
    }

    /// Fails the execution, because its deadline has passed.
    pub fn pass_deadline(&mut self) -> Result<()> {
        let head = &mut self.head.entity;
        head.deadline_at = None;
        if head.state != AppExecutionState::Running || head.ending.is_some() {
            return Ok(());
        }
        head.ending = Some(Ending::Failed);
        head.error.get_or_insert_with(ExecutionError::deadline_passed);
        self.settle()
    }

    /// Cancels the execution: running steps fail, and those that wait are skipped. One that has failed already is
    /// undone first. Steps with `always` run in each case.
    pub fn cancel(&mut self) -> Result<()> {
        let is_over = self.is_over();
        let head = &mut self.head.entity;
        head.next_state(AppExecutionEvent::Cancel(self.now, self.now.since(head.started_at)))?;
        if is_over {
            let is_cancelled = head.ending == Some(Ending::Cancelled);
            head.ending = Some(if is_cancelled { Ending::Cancelled } else { Ending::Undone });
            return Ok(());
        }
        head.ending = Some(Ending::Cancelled);
        let open = self.open_ordinary();
        let progress = &self.head.entity.progress;
        let ordinary = self.configuration.steps.iter().filter(|step| !step.always).map(|step| step.id);
        let waiting: Vec<i64> = ordinary.filter(|id| progress.get(*id).is_none()).collect();
        self.require_open(&open)?;
        self.view.require_entities::<Step>(waiting.iter().map(|id| self.id_of(*id)))?;
        for id in open.iter().chain(&waiting).copied() {
            let now = self.now;
            let step = self.step(id)?;
            let ends_as = match step.state.status() {
                StepStatus::Running => {
                    step.error = Some(json!({"message": "the execution was cancelled", "name": "Cancelled"}));
                    step.apply(StepEvent::Fail(now))?;
                    StepProgress::Failed
                }
                _ => {
                    step.apply(StepEvent::Skip(now))?;
                    StepProgress::Skipped
                }
            };
            self.head.entity.progress.set(id, ends_as);
        }
        for id in open {
            let queued = self.queued(id)?;
            self.changes.extend(queued.map(LoadedEntity::delete));
        }
        self.settle()
    }

    /// The decision to change one step and its place in the queue. It does not write the execution: that changes with
    /// the end of a step.
    pub fn decide_step<O>(mut self, step_id: i64, queued: LoadedEntity<QueuedStep>, output: O) -> Result<Decision<O>> {
        let mut decision = Decision::new(output).save(queued, self.now)?;
        decision.cached = self.cached_for_completion(step_id);
        match self.steps.remove(&step_id) {
            Some(step) => decision.save(step, self.now),
            None => Ok(decision),
        }
    }

    /// As [`ExecutionDocuments::decide_step`], if no commit has changed the execution meanwhile.
    pub fn decide_free_step<O>(self, step_id: i64, queued: LoadedEntity<QueuedStep>, output: O) -> Result<Decision<O>> {
        let (head, now) = (self.head.clone(), self.now);
        self.decide_step(step_id, queued, output)?.save(head, now)
    }

    /// The decision, with the execution as its output.
    pub fn decide(mut self) -> Result<Decision<AppExecutionSummary>> {
        self.head.entity.note_end(&self.configuration);
        let mut decision = Decision::new(self.head.entity.summary()).save(self.head, self.now)?;
        for step in self.steps.into_values() {
            decision = decision.save(step, self.now)?;
        }
        for queued in self.claimed {
            decision = decision.save(queued, self.now)?;
        }
        decision.changes.extend(self.changes);
        Ok(decision)
    }
}

fn configuration_key(id: &str) -> Key {
    Key::new(&AppConfiguration::COLLECTION, id)
}

/// The input and the output of each step.
type StepValues = BTreeMap<i64, (GuardedValue, GuardedValue)>;

/// The value at a path. `own` is the input of the execution.
fn value(own: &GuardedValue, values: &StepValues, path: &ValuePath, form: ValueForm) -> Json {
    match path.step {
        None => path.get(own.get(form)),
        Some(step) => values.get(&step).map(|(_, output)| path.get(output.get(form))).unwrap_or_default(),
    }
}

impl Step {
    /// A step that waits.
    pub(crate) fn new(execution: &AppExecution, step_id: i64, name: &str, version: Option<String>) -> Self {
        Self {
            id: Self::id_of(&execution.execution_id, step_id),
            execution_id: execution.execution_id.clone(),
            app_id: Some(execution.app_id),
            step_id,
            step_name: name.to_owned(),
            step_version: version,
            state: StepState::Pending,
            input: None,
            secret_input: None,
            output: None,
            secret_output: None,
            error: None,
            retry_count: 0,
            metadata: Default::default(),
            secret_metadata: None,
        }
    }
}

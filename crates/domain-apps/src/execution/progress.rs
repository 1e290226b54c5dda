//! How far an execution is: the status of each step, and which steps it opens next. It is a part of the document of the
//! execution, so every end of a step writes that document, and two ends at once are a conflict.

use std::collections::BTreeMap;

use runstate_core::prelude::*;
use runstate_core::schema::FieldType;

use crate::configuration::{Configuration, StepDefinition};

/// How far an execution is.
#[derive(Fields, Wire, Clone, Debug, Default, PartialEq)]
pub struct GraphProgress {
    /// Its steps, by their ids. A step that waits for others is missing. The step that undoes another one has its
    /// negative id.
    pub steps: BTreeMap<String, StepProgress>,
    /// The steps that are completed, the earliest first. They are undone in reverse order.
    pub completed: Vec<i64>,
}

/// How far a step is.
#[derive(FieldType, Wire, Parameter, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepProgress {
    /// A worker may claim it, or has claimed it.
    Open,
    /// It is completed.
    Completed,
    /// It has failed for the last time.
    Failed,
    /// It was skipped.
    Skipped,
}

/// The next status of a step that waits, once the steps that it depends on have ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NextStep<'a> {
    /// It begins.
    Open(&'a StepDefinition),
    /// It is skipped.
    Skip(&'a StepDefinition),
}

impl NextStep<'_> {
    /// The step.
    pub fn step(&self) -> &StepDefinition {
        match self {
            Self::Open(step) | Self::Skip(step) => step,
        }
    }
}

impl GraphProgress {
    /// How far a step is; `None`: it waits for others.
    pub fn get(&self, step: i64) -> Option<StepProgress> {
        self.steps.get(&step.to_string()).copied()
    }

    /// Sets how far a step is.
    pub fn set(&mut self, step: i64, progress: StepProgress) {
        self.steps.insert(step.to_string(), progress);
        self.completed.retain(|completed| *completed != step);
        if progress == StepProgress::Completed && step > 0 {
            self.completed.push(step);
        }
    }

    /// Makes a step wait.
    pub fn reset(&mut self, step: i64) {
        self.steps.remove(&step.to_string());
    }

    /// The steps with this progress.
    pub fn with(&self, progress: StepProgress) -> impl Iterator<Item = i64> + '_ {
        self.steps.iter().filter(move |(_, one)| **one == progress).filter_map(|(id, _)| id.parse().ok())
    }

    /// Whether a step of the app has failed for the last time.
    pub fn has_failed(&self) -> bool {
        self.with(StepProgress::Failed).any(|step| step > 0)
    }

    /// Whether the steps are being undone, or were.
    pub fn is_compensating(&self) -> bool {
        self.steps.keys().any(|id| id.starts_with('-'))
    }

    /// Whether no step failed to undo another one.
    pub fn is_undone(&self) -> bool {
        self.with(StepProgress::Failed).all(|step| step > 0)
    }

    /// Whether all steps are completed or skipped.
    pub fn is_complete(&self, configuration: &Configuration) -> bool {
        let is_done =
            |step: &StepDefinition| matches!(self.get(step.id), Some(StepProgress::Completed | StepProgress::Skipped));
        configuration.steps.iter().all(is_done)
    }

    /// A step that waits and need not wait any longer. `holds` decides its condition. `ending`: the execution has
    /// failed or is cancelled, and only the steps with `always` are left.
    pub fn next<'a, E>(
        &self,
        configuration: &'a Configuration,
        ending: bool,
        holds: &mut dyn FnMut(&StepDefinition) -> Result<bool, E>,
    ) -> Result<Option<NextStep<'a>>, E> {
        let is_over = |id: &i64| match self.get(*id) {
            Some(StepProgress::Completed | StepProgress::Skipped) => true,
            Some(StepProgress::Failed) => ending,
            Some(StepProgress::Open) => false,
            // It does not begin any more.
            None => ending && configuration.step(*id).is_none_or(|step| !step.always),
        };
        let waits = |step: &&StepDefinition| self.get(step.id).is_none() && (step.always || !ending);
        for step in configuration.steps.iter().filter(waits) {
            if !step.depends_on.iter().all(is_over) {
                continue;
            }
            let is_completed = |id: &i64| self.get(*id) == Some(StepProgress::Completed);
            let runs = match step.when {
                Some(_) => holds(step)?,
                None => step.always || step.depends_on.iter().all(is_completed),
            };
            return Ok(Some(if runs { NextStep::Open(step) } else { NextStep::Skip(step) }));
        }
        Ok(None)
    }

    /// The completed step that is undone next, if any is left.
    pub fn next_compensation<'a>(&self, configuration: &'a Configuration) -> Option<&'a StepDefinition> {
        let is_left = |step: &&StepDefinition| step.compensate.is_some() && self.get(-step.id).is_none();
        self.completed.iter().rev().filter_map(|id| configuration.step(*id)).find(is_left)
    }
}

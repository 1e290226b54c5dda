//! The check of a configuration before it is saved: an execution of it never waits for a step or a value that cannot
//! come.

use std::collections::{BTreeMap, BTreeSet};

use runstate_core::decision::Rejection;
use runstate_core::lease::SHORTEST_LEASE;
use runstate_core::schema::Entity as _;
use runstate_value::time::Millis;

use super::definition::{
    Configuration, FieldDefinition, SHORTEST_DEADLINE, SHORTEST_RETENTION, StepDefinition, StepInput, StepRetry,
};
use super::mapping::{ValuePath, paths};
use crate::codes;
use crate::execution::AppExecution;

/// Largest number of steps. The status of each is in the document of the execution, which every step changes.
pub const MAX_STEPS: usize = 250;

/// Largest id of a step.
const MAX_STEP_ID: i64 = 1_000_000;

/// Longest name of a step, in bytes. It is in an index.
const NAME_BYTES: usize = 200;

/// Largest number of attempts.
const MAX_ATTEMPTS: u32 = 1_000;

/// The longest time of an execution that may be bounded.
const LONGEST_DEADLINE: Millis = Millis::days(3_650);

/// The steps that each step depends on, directly or not.
type Ancestors = BTreeMap<i64, BTreeSet<i64>>;

impl Configuration {
    /// Checks it.
    pub fn check(&self) -> Result<(), Rejection> {
        if self.steps.is_empty() {
            return Err(Rejection::invalid("configuration.steps", "an app needs at least one step"));
        }
        if self.steps.len() > MAX_STEPS {
            return Err(Rejection::Limit {
                what: format!("{} steps", self.steps.len()),
                limit: format!("{MAX_STEPS} steps"),
                remedy: "split the app into several",
            });
        }
        if self.settings.as_ref().is_some_and(|settings| settings.timeout_seconds == Some(0)) {
            return Err(Rejection::invalid("configuration.settings.timeout_seconds", "0 is not valid; use 1 or more"));
        }
        if let Some(deadline) = self.deadline() {
            check_deadline("configuration.settings.deadline_ms", deadline)?;
        }
        let longest = AppExecution::COLLECTION.ttl.map_or(SHORTEST_RETENTION, |ttl| ttl.after);
        if self.retention().is_some_and(|retention| !(SHORTEST_RETENTION..=longest).contains(&retention)) {
            let reason = format!("use 1 to {}; executions are never kept for longer", longest.0 / SHORTEST_RETENTION.0);
            return Err(Rejection::invalid("configuration.settings.retention_days", reason));
        }
        let ids: BTreeSet<i64> = self.steps.iter().map(|step| step.id).collect();
        for (index, step) in self.steps.iter().enumerate() {
            step.check(&ids).map_err(|(field, reason)| {
                Rejection::invalid(format!("configuration.steps[{index}].{field}"), reason)
            })?;
            if self.steps[..index].iter().any(|earlier| earlier.id == step.id) {
                let reason = format!("another step has the id {} too", step.id);
                return Err(Rejection::invalid(format!("configuration.steps[{index}].id"), reason));
            }
        }
        let ancestors = self.ancestors()?;
        for (index, step) in self.steps.iter().enumerate() {
            self.check_sources(step, &ancestors[&step.id]).map_err(|(field, reason)| {
                Rejection::invalid(format!("configuration.steps[{index}].{field}"), reason)
            })?;
        }
        Ok(())
    }

    /// The steps that each step depends on, directly or not.
    fn ancestors(&self) -> Result<Ancestors, Rejection> {
        let mut ancestors: Ancestors = BTreeMap::new();
        let mut open: Vec<&StepDefinition> = self.steps.iter().collect();
        while !open.is_empty() {
            let before = open.len();
            open.retain(|step| {
                let direct: Option<Vec<_>> = step.depends_on.iter().map(|id| ancestors.get(id)).collect();
                let Some(direct) = direct else { return true };
                let all = direct.into_iter().flatten().chain(&step.depends_on).copied().collect();
                ancestors.insert(step.id, all);
                false
            });
            if open.len() == before {
                let ids: Vec<String> = open.iter().map(|step| step.id.to_string()).collect();
                let message =
                    format!("the steps {} depend on each other in a cycle; nothing was changed", ids.join(", "));
                return Err(Rejection::domain(codes::STEP_CYCLE, message));
            }
        }
        Ok(ancestors)
    }

    /// Checks that every value that the step names can be there when it begins.
    fn check_sources(&self, step: &StepDefinition, ancestors: &BTreeSet<i64>) -> Result<(), (String, String)> {
        if let Some(input) = &step.input {
            self.check_input("input", input, ancestors)?;
        }
        for path in step.when.iter().flat_map(|when| when.paths()) {
            self.check_path(path, ancestors).map_err(|reason| ("when".to_owned(), reason))?;
        }
        if let Some(input) = step.compensate.as_ref().and_then(|compensation| compensation.input.as_ref()) {
            // It begins after the step that it undoes.
            let with_step: BTreeSet<i64> = ancestors.iter().copied().chain([step.id]).collect();
            self.check_input("compensate.input", input, &with_step)?;
        }
        Ok(())
    }

    fn check_input(&self, field: &str, input: &StepInput, ancestors: &BTreeSet<i64>) -> Result<(), (String, String)> {
        match input {
            StepInput::Mapping(mapping) => {
                let named =
                    mapping.iter().flat_map(|(name, value)| paths(value).into_iter().map(move |path| (name, path)));
                for (name, path) in named {
                    self.check_path(path, ancestors).map_err(|reason| (format!("{field}.{name}"), reason))?;
                }
                Ok(())
            }
            StepInput::Fields(fields) => {
                for one in fields.iter().filter(|one| !one.optional) {
                    let outputs = ancestors.iter().map(|id| self.step(*id).and_then(|step| step.output.as_deref()));
                    let produces = |fields: Option<&[FieldDefinition]>| declares(fields, &one.name);
                    if !produces(self.input.as_deref()) && !outputs.into_iter().any(produces) {
                        let reason =
                            format!("no step that it depends on produces `{}`, and neither does the input", one.name);
                        return Err((field.to_owned(), reason));
                    }
                }
                Ok(())
            }
        }
    }

    fn check_path(&self, text: &str, ancestors: &BTreeSet<i64>) -> Result<(), String> {
        let Some(path) = ValuePath::parse(text) else {
            let remedy =
                "use `$.input.name` or `$.steps.2.output.name`, and `$$` for a text that begins with a dollar sign";
            return Err(format!("`{text}` is not a path; {remedy}"));
        };
        let Some(id) = path.step else {
            return match path.names.first() {
                Some(name) if !declares(self.input.as_deref(), name) => {
                    Err(format!("`{text}` names `{name}`, which the input of the app does not declare"))
                }
                _ => Ok(()),
            };
        };
        let Some(step) = self.step(id) else { return Err(format!("`{text}` names step {id}, which does not exist")) };
        if !ancestors.contains(&id) {
            return Err(format!(
                "`{text}` names step {id}, on which this step does not depend; add it to `depends_on`"
            ));
        }
        match path.names.first() {
            Some(name) if !declares(step.output.as_deref(), name) => {
                Err(format!("`{text}` names `{name}`, which the output of step {id} does not declare"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether an object with these fields may have the field `name`.
fn declares(fields: Option<&[FieldDefinition]>, name: &str) -> bool {
    fields.is_none_or(|fields| fields.iter().any(|field| field.name == name))
}

/// Rejects a time from the start of an execution that it cannot have.
pub fn check_deadline(field: &str, deadline: Millis) -> Result<(), Rejection> {
    match (SHORTEST_DEADLINE..=LONGEST_DEADLINE).contains(&deadline) {
        true => Ok(()),
        false => {
            let reason = format!("{} is not valid; use {} to {}", deadline.0, SHORTEST_DEADLINE.0, LONGEST_DEADLINE.0);
            Err(Rejection::invalid(field, reason))
        }
    }
}

impl StepRetry {
    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.max_attempts.is_some_and(|attempts| !(1..=MAX_ATTEMPTS).contains(&attempts)) {
            return Err(("max_attempts", format!("use 1 to {MAX_ATTEMPTS}")));
        }
        if !(1.0..=100.0).contains(&self.factor) {
            return Err(("factor", format!("{} is not valid; use 1 to 100", self.factor)));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(("jitter", format!("{} is not valid; use 0 to 1", self.jitter)));
        }
        Ok(())
    }
}

impl StepDefinition {
    fn check(&self, ids: &BTreeSet<i64>) -> Result<(), (String, String)> {
        let reject = |field: &str, reason: String| Err((field.to_owned(), reason));
        if !(1..=MAX_STEP_ID).contains(&self.id) {
            return reject("id", format!("{} is not valid; use 1 to {MAX_STEP_ID}", self.id));
        }
        let names = [("name", Some(&self.name)), ("compensate.name", self.compensate.as_ref().map(|one| &one.name))];
        for (field, name) in names {
            if let Some(name) = name
                && (name.is_empty() || name.len() > NAME_BYTES)
            {
                return reject(field, format!("{} bytes are not valid; use 1 to {NAME_BYTES} bytes", name.len()));
            }
        }
        if let Some(unknown) = self.depends_on.iter().find(|id| !ids.contains(id)) {
            return reject("depends_on", format!("step {unknown} does not exist"));
        }
        if self.always && self.compensate.is_some() {
            let reason = "a step with `always` is not undone; remove one of both";
            return reject("compensate", reason.to_owned());
        }
        let undo = self.compensate.as_ref();
        for (prefix, timeout, retry) in [
            ("", self.timeout_ms, self.retry),
            ("compensate.", undo.and_then(|undo| undo.timeout_ms), undo.and_then(|undo| undo.retry)),
        ] {
            if let Some(timeout) = timeout.filter(|timeout| *timeout < SHORTEST_LEASE) {
                let reason = format!("{} is not valid; use {} or more", timeout.0, SHORTEST_LEASE.0);
                return reject(&format!("{prefix}timeout_ms"), reason);
            }
            if let Some((field, reason)) = retry.and_then(|retry| retry.check().err()) {
                return reject(&format!("{prefix}retry.{field}"), reason);
            }
        }
        Ok(())
    }
}

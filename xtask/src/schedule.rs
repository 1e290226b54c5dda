//! Runs steps concurrently. A step starts when the steps it depends on have ended, and while no other one builds if it builds. So both cores are busy while one compiler
//! runs on a single thread or a test waits for a server.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::report::StepContext;
use crate::error::XtaskError;
use crate::report::{GateStepEvent, RunReport};

/// Maximum number of concurrent steps. More would only compete for memory and cores.
const CONCURRENCY: usize = 2;

type StepFn<'a> = Box<dyn FnOnce(&mut StepContext) -> Result<(), XtaskError> + Send + 'a>;

pub struct ScheduledStep<'a> {
    name: &'static str,
    after: Vec<&'static str>,
    builds: bool,
    act: StepFn<'a>,
}

impl<'a> ScheduledStep<'a> {
    pub fn new(name: &'static str, act: impl FnOnce(&mut StepContext) -> Result<(), XtaskError> + Send + 'a) -> Self {
        Self { name, after: Vec::new(), builds: false, act: Box::new(act) }
    }

    /// Starts this step when these have ended, with success or not.
    pub fn after(mut self, names: &[&'static str]) -> Self {
        self.after.extend(names);
        self
    }

    /// Runs this step while no other one builds. Cargo would make it wait for artifacts in the target folder, and it would occupy a slot meanwhile.
    pub fn builds(mut self) -> Self {
        self.builds = true;
        self
    }
}

/// Runs all steps. Those that come first in the list are preferred. Each writes to a file in `logs`.
pub fn run(tasks: Vec<ScheduledStep<'_>>, logs: &Path, report: &mut RunReport) -> Result<(), XtaskError> {
    let plan = Mutex::new(StepSchedule::new(tasks, report.interrupted.clone())?);
    let ended = Condvar::new();
    let (events, incoming) = channel();
    std::thread::scope(|scope| {
        for _ in 0..CONCURRENCY {
            let events = events.clone();
            scope.spawn(|| run_worker(&plan, &ended, logs, events));
        }
        drop(events);
        report.follow(&incoming);
    });
    Ok(())
}

/// Runs one step after the other until none is left. An interrupted run starts no more.
fn run_worker(plan: &Mutex<StepSchedule<'_>>, ended: &Condvar, logs: &Path, events: Sender<GateStepEvent>) {
    while let Some(task) = wait_for_next(plan, ended) {
        let ScheduledStep { name, builds, act, .. } = task;
        // Sending fails only if the report has failed. The steps run to their end in that case too.
        let _ = events.send(GateStepEvent::Started(name));
        let file = logs.join(format!("{}.log", name.replace([' ', ':', ','], "-").replace("--", "-")));
        let (step, result) = match StepContext::in_file(&file) {
            Ok(mut step) => {
                let result = act(&mut step);
                (step, result)
            }
            Err(error) => (StepContext::on_terminal(), Err(error)),
        };
        let _ = events.send(GateStepEvent::Ended(name, step, result));
        plan.lock().unwrap_or_else(PoisonError::into_inner).end(name, builds);
        ended.notify_all();
    }
}

/// Waits for the next step that can start; `None` when all have been taken.
fn wait_for_next<'a>(plan: &Mutex<StepSchedule<'a>>, ended: &Condvar) -> Option<ScheduledStep<'a>> {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if plan.waiting.is_empty() {
            return None;
        }
        match plan.take() {
            Some(task) => return Some(task),
            None => plan = ended.wait(plan).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

struct StepSchedule<'a> {
    waiting: Vec<ScheduledStep<'a>>,
    building: bool,
    interrupted: Arc<AtomicBool>,
    ended: BTreeSet<&'static str>,
}

impl<'a> StepSchedule<'a> {
    /// Rejects steps that would wait forever: for a step that does not exist, or for each other.
    fn new(waiting: Vec<ScheduledStep<'a>>, interrupted: Arc<AtomicBool>) -> Result<Self, XtaskError> {
        let mut left: Vec<&ScheduledStep> = waiting.iter().collect();
        let mut known = BTreeSet::new();
        loop {
            let before = left.len();
            left.retain(|task| !(task.after.iter().all(|name| known.contains(name)) && known.insert(task.name)));
            if left.is_empty() {
                return Ok(Self { waiting, building: false, interrupted, ended: BTreeSet::new() });
            }
            if left.len() == before {
                let stuck =
                    left.iter().map(|task| format!("step `{}`, after {:?}, can never start", task.name, task.after));
                return Err(XtaskError::RuleViolated(stuck.collect()));
            }
        }
    }

    fn end(&mut self, name: &'static str, builds: bool) {
        self.ended.insert(name);
        self.building &= !builds;
        if self.interrupted.load(Ordering::Relaxed) {
            self.waiting.clear();
        }
    }

    /// Removes the first step that can start.
    fn take(&mut self) -> Option<ScheduledStep<'a>> {
        let can_start = |task: &ScheduledStep| {
            task.after.iter().all(|name| self.ended.contains(name)) && !(task.builds && self.building)
        };
        let at = self.waiting.iter().position(can_start)?;
        let task = self.waiting.remove(at);
        self.building |= task.builds;
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_waits_for_the_steps_it_names_and_for_another_build() {
        let step = |name, after: &[&'static str]| ScheduledStep::new(name, |_| Ok(())).after(after);
        let steps = vec![step("a", &[]).builds(), step("b", &[]).builds(), step("c", &["a"])];
        let mut plan = StepSchedule::new(steps, Arc::default()).unwrap();
        assert_eq!(plan.take().map(|step| step.name), Some("a"));
        assert_eq!(plan.take().map(|step| step.name), None);
        plan.end("a", true);
        assert_eq!(plan.take().map(|step| step.name), Some("b"));
        assert_eq!(plan.take().map(|step| step.name), Some("c"));
        assert!(StepSchedule::new(vec![step("a", &["b"]), step("b", &["a"])], Arc::default()).is_err());
    }
}

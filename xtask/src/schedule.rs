//! Runs steps concurrently. A step starts when the steps it depends on have ended and its locks are free. So both cores are busy while one compiler
//! runs on a single thread or a test waits for a server.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::report::StepContext;
use crate::error::XtaskError;
use crate::report::{GateStepEvent, RunReport};

/// Maximum number of concurrent steps. More would only compete for memory and cores.
const CONCURRENCY: usize = 2;

/// A resource that one step at a time can use. Cargo would make a second step wait, and that step would occupy a slot meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// Artifacts in the target folder. Builds of WebAssembly lock those of native macros too.
    Build,
    /// `pkg/build` and `pkg/dist`.
    Package,
}

type StepFn<'a> = Box<dyn FnOnce(&mut StepContext) -> Result<(), XtaskError> + Send + 'a>;

/// A step to run.
pub struct ScheduledStep<'a> {
    name: &'static str,
    after: Vec<&'static str>,
    locks: Vec<Lock>,
    act: StepFn<'a>,
}

impl<'a> ScheduledStep<'a> {
    pub fn new(name: &'static str, act: impl FnOnce(&mut StepContext) -> Result<(), XtaskError> + Send + 'a) -> Self {
        Self { name, after: Vec::new(), locks: Vec::new(), act: Box::new(act) }
    }

    /// Starts this step when these have ended, with success or not.
    pub fn after(mut self, names: &[&'static str]) -> Self {
        self.after.extend(names);
        self
    }

    /// Prevents other steps that lock one of these from running at the same time.
    pub fn locks(mut self, locks: &[Lock]) -> Self {
        self.locks.extend(locks);
        self
    }
}

/// Runs all steps. Those that come first in the list are preferred. Each writes to a file in `logs`.
pub fn run(tasks: Vec<ScheduledStep<'_>>, logs: &Path, report: &mut RunReport) -> Result<(), XtaskError> {
    let plan = Mutex::new(StepSchedule::new(tasks)?);
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

/// Runs one step after the other until none is left.
fn run_worker(plan: &Mutex<StepSchedule<'_>>, ended: &Condvar, logs: &Path, events: Sender<GateStepEvent>) {
    while let Some(task) = wait_for_next(plan, ended) {
        let ScheduledStep { name, locks, act, .. } = task;
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
        lock(plan).end(name, &locks);
        ended.notify_all();
    }
}

/// Waits for the next step that can start; `None` when all have been taken.
fn wait_for_next<'a>(plan: &Mutex<StepSchedule<'a>>, ended: &Condvar) -> Option<ScheduledStep<'a>> {
    let mut plan = lock(plan);
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

fn lock<'p, 'a>(plan: &'p Mutex<StepSchedule<'a>>) -> MutexGuard<'p, StepSchedule<'a>> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

struct StepSchedule<'a> {
    waiting: Vec<ScheduledStep<'a>>,
    locked: BTreeSet<Lock>,
    ended: BTreeSet<&'static str>,
}

impl<'a> StepSchedule<'a> {
    /// Rejects steps that would wait forever: for a step that does not exist, or for each other.
    fn new(waiting: Vec<ScheduledStep<'a>>) -> Result<Self, XtaskError> {
        let mut left: Vec<&ScheduledStep> = waiting.iter().collect();
        let mut known = BTreeSet::new();
        loop {
            let before = left.len();
            left.retain(|task| !(task.after.iter().all(|name| known.contains(name)) && known.insert(task.name)));
            if left.is_empty() {
                return Ok(Self { waiting, locked: BTreeSet::new(), ended: BTreeSet::new() });
            }
            if left.len() == before {
                let stuck =
                    left.iter().map(|task| format!("step `{}`, after {:?}, can never start", task.name, task.after));
                return Err(XtaskError::RuleViolated(stuck.collect()));
            }
        }
    }

    /// Records that a step has ended, and frees its locks.
    fn end(&mut self, name: &'static str, locks: &[Lock]) {
        self.ended.insert(name);
        self.locked.retain(|lock| !locks.contains(lock));
    }

    /// Removes the first step that can start, and takes its locks.
    fn take(&mut self) -> Option<ScheduledStep<'a>> {
        let at = self.waiting.iter().position(|task| {
            task.after.iter().all(|name| self.ended.contains(name))
                && task.locks.iter().all(|lock| !self.locked.contains(lock))
        })?;
        let task = self.waiting.remove(at);
        self.locked.extend(&task.locks);
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_cannot_end_is_refused() {
        let step = |name, after: &[&'static str]| ScheduledStep::new(name, |_| Ok(())).after(after);
        let refused = |steps| StepSchedule::new(steps).err().unwrap().to_string();
        assert!(refused(vec![step("a", &["b"])]).contains("step `a`"));
        assert!(refused(vec![step("a", &["b"]), step("b", &["a"])]).contains("step `b`"));
        assert!(refused(vec![step("a", &[]), step("a", &[])]).contains("can never start"));
    }

    #[test]
    fn a_step_waits_for_the_steps_it_names_and_for_its_locks() {
        let step = |name, after: &[&'static str]| ScheduledStep::new(name, |_| Ok(())).after(after);
        let steps = vec![step("a", &[]).locks(&[Lock::Build]), step("b", &[]).locks(&[Lock::Build]), step("c", &["a"])];
        let mut plan = StepSchedule::new(steps).unwrap();
        assert_eq!(plan.take().map(|step| step.name), Some("a"));
        assert_eq!(plan.take().map(|step| step.name), None);
        plan.end("a", &[Lock::Build]);
        assert_eq!(plan.take().map(|step| step.name), Some("b"));
        assert_eq!(plan.take().map(|step| step.name), Some("c"));
    }
}

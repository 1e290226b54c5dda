//! Runs steps side by side. A step starts when the steps it comes after have ended and nobody uses what it locks, so that both cores have
//! work while one compiler runs on a single thread or a test waits for a server.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::report::{Event, Report};
use crate::step::Step;

/// How many steps run at once: more would only take memory and cores from each other.
const AT_ONCE: usize = 2;

/// What only one step at a time can use. Cargo would let the second one wait, and a place to run would be lost meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// Native artifacts in the target folder.
    Native,
    /// WebAssembly artifacts in the target folder.
    Wasm,
    /// `pkg/build` and `pkg/dist`.
    Package,
}

type Act<'a> = Box<dyn FnOnce(&mut Step) -> Result<(), Error> + Send + 'a>;

/// A step that is to run.
pub struct Task<'a> {
    name: &'static str,
    after: Vec<&'static str>,
    locks: Vec<Lock>,
    act: Act<'a>,
}

impl<'a> Task<'a> {
    pub fn new(name: &'static str, act: impl FnOnce(&mut Step) -> Result<(), Error> + Send + 'a) -> Self {
        Self { name, after: Vec::new(), locks: Vec::new(), act: Box::new(act) }
    }

    /// It starts when these have ended, however they ended.
    pub fn after(mut self, names: &[&'static str]) -> Self {
        self.after.extend(names);
        self
    }

    /// No other step that locks one of these runs beside it.
    pub fn locks(mut self, locks: &[Lock]) -> Self {
        self.locks.extend(locks);
        self
    }
}

/// Runs all tasks; those that come first in the list are preferred. Each writes to a file in `logs`.
pub fn run(tasks: Vec<Task<'_>>, logs: &Path, report: &mut Report) -> Result<(), Error> {
    let plan = Mutex::new(Plan::new(tasks)?);
    let ended = Condvar::new();
    let (events, incoming) = channel();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let events = events.clone();
            scope.spawn(|| work(&plan, &ended, logs, events));
        }
        drop(events);
        report.follow(&incoming);
    });
    Ok(())
}

/// Takes one task after the other until none is left.
fn work(plan: &Mutex<Plan<'_>>, ended: &Condvar, logs: &Path, events: Sender<Event>) {
    while let Some(task) = next(plan, ended) {
        let Task { name, locks, act, .. } = task;
        // Nobody listens any more only when the report itself has failed; the steps end all the same.
        let _ = events.send(Event::Started(name));
        let file = logs.join(format!("{}.log", name.replace([' ', ':', ','], "-").replace("--", "-")));
        let (step, result) = match Step::in_file(&file) {
            Ok(mut step) => {
                let result = act(&mut step);
                (step, result)
            }
            Err(error) => (Step::on_terminal(), Err(error)),
        };
        let _ = events.send(Event::Ended(name, step, result));
        let mut plan = locked(plan);
        plan.ended.insert(name);
        plan.locked.retain(|lock| !locks.contains(lock));
        ended.notify_all();
    }
}

/// The next task that can start, waited for; None where all have been taken.
fn next<'a>(plan: &Mutex<Plan<'a>>, ended: &Condvar) -> Option<Task<'a>> {
    let mut plan = locked(plan);
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

fn locked<'p, 'a>(plan: &'p Mutex<Plan<'a>>) -> MutexGuard<'p, Plan<'a>> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Plan<'a> {
    waiting: Vec<Task<'a>>,
    locked: BTreeSet<Lock>,
    ended: BTreeSet<&'static str>,
}

impl<'a> Plan<'a> {
    /// Refuses tasks that would wait for ever: for one that is not there, or for each other.
    fn new(waiting: Vec<Task<'a>>) -> Result<Self, Error> {
        let mut left: Vec<&Task> = waiting.iter().collect();
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
                return Err(Error::Broken(stuck.collect()));
            }
        }
    }

    /// Removes the first task that can start, and locks what it locks.
    fn take(&mut self) -> Option<Task<'a>> {
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
    use std::sync::Mutex;

    use super::*;

    type Declared = (&'static str, &'static [&'static str], &'static [Lock]);

    /// Runs tasks and returns the order in which they started. The task `fails` fails.
    fn order(tasks: &[Declared]) -> Result<Vec<&'static str>, Error> {
        let (held, log) = (&Mutex::new(Vec::new()), &Mutex::new(Vec::new()));
        let make = |&(name, after, locks): &Declared| {
            let act = move |_: &mut Step| {
                for lock in locks {
                    assert!(!held.lock().unwrap().contains(lock), "two steps hold {lock:?}");
                    held.lock().unwrap().push(*lock);
                }
                log.lock().unwrap().push(name);
                std::thread::yield_now();
                held.lock().unwrap().retain(|lock| !locks.contains(lock));
                if name == "fails" { Err(Error::Broken(vec!["planned".into()])) } else { Ok(()) }
            };
            Task::new(name, act).after(after).locks(locks)
        };
        let logs = std::env::temp_dir().join(format!("runstate-schedule-{}", std::process::id()));
        run(tasks.iter().map(make).collect(), &logs, &mut Report::quiet())?;
        std::fs::remove_dir_all(&logs).unwrap();
        Ok(log.lock().unwrap().clone())
    }

    #[test]
    fn a_step_starts_after_those_it_names_even_if_they_fail() {
        for _ in 0..50 {
            let order = order(&[("fails", &[], &[]), ("free", &[], &[]), ("last", &["fails", "free"], &[])]).unwrap();
            assert_eq!(order.len(), 3);
            assert_eq!(order[2], "last");
        }
    }

    #[test]
    fn a_lock_is_held_by_one_step_at_a_time() {
        const ONE: &[Lock] = &[Lock::Native];
        const TWO: &[Lock] = &[Lock::Native, Lock::Wasm];
        let all: [Declared; 5] = [("a", &[], ONE), ("b", &[], TWO), ("c", &[], ONE), ("d", &[], TWO), ("e", &[], &[])];
        for _ in 0..50 {
            assert_eq!(order(&all).unwrap().len(), 5);
        }
    }

    #[test]
    fn a_plan_that_cannot_end_is_refused() {
        let refused = |tasks: &[Declared]| order(tasks).unwrap_err().to_string();
        assert!(refused(&[("a", &["b"], &[])]).contains("step `a`"));
        assert!(refused(&[("a", &["b"], &[]), ("b", &["a"], &[])]).contains("step `b`"));
        assert!(refused(&[("a", &[], &[]), ("a", &[], &[])]).contains("can never start"));
    }
}

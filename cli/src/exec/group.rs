//! The process group of a command: it ends as a whole.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::{Child, Command};

/// The groups that run, for the end of this process.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// The group that a command leads. It ends when this is dropped.
pub(super) struct Group(Option<u32>);

impl Group {
    /// Lets `command` lead a group of its own.
    pub fn prepare(command: &mut Command) {
        #[cfg(unix)]
        command.process_group(0);
        command.kill_on_drop(true);
    }

    pub fn of(child: &Child) -> Self {
        let id = child.id();
        running().extend(id);
        Self(id)
    }

    /// Ends all of it.
    pub fn end(&mut self) {
        if let Some(id) = self.0.take() {
            end(id);
            running().remove(&id);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends all groups that run, before this process ends by itself.
pub fn end_all() {
    std::mem::take(&mut *running()).into_iter().for_each(end);
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn end(id: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // Of one that has ended nothing is left to end.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Elsewhere the command itself is ended when its child is dropped.
#[cfg(not(unix))]
fn end(_: u32) {}

//! The process group of a command: it ends as a whole.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::{Child, Command};

/// The groups that run. `None` once this process ends: no further group starts.
static RUNNING: Mutex<Option<BTreeSet<u32>>> = Mutex::new(Some(BTreeSet::new()));

/// The group that a command leads. It ends when this is dropped.
pub(super) struct Group(Option<u32>);

impl Group {
    /// Starts `command` as the leader of a new group. The lock is held from the start to the registration, so that [`end_all`], which another
    /// thread calls, misses no group.
    pub fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        #[cfg(unix)]
        command.process_group(0);
        command.kill_on_drop(true);
        let mut running = running();
        let running = running.as_mut().ok_or(io::ErrorKind::Interrupted)?;
        let child = command.spawn()?;
        let id = child.id();
        running.extend(id);
        Ok((child, Self(id)))
    }

    /// Ends all of it.
    pub fn end(&mut self) {
        if let Some(id) = self.0.take() {
            end(id);
            if let Some(running) = running().as_mut() {
                running.remove(&id);
            }
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
    running().take().into_iter().flatten().for_each(end);
}

fn running() -> MutexGuard<'static, Option<BTreeSet<u32>>> {
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

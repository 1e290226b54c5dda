//! The process group of a command. It is killed as a whole.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::{Child, Command};

/// The groups that run. `None` when this process is ending: no further group starts.
static RUNNING: Mutex<Option<BTreeSet<u32>>> = Mutex::new(Some(BTreeSet::new()));

/// The group that a command leads. It is killed when this is dropped.
pub(super) struct ProcessGroup(Option<u32>);

impl ProcessGroup {
    /// Starts `command` as the leader of a new group. The lock is held from the start to the registration, so that [`kill_all_groups`],
    /// which another thread calls, misses no group.
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

    /// Kills all processes of the group.
    pub fn end(&mut self) {
        if let Some(id) = self.0.take() {
            end(id);
            if let Some(running) = running().as_mut() {
                running.remove(&id);
            }
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.end();
    }
}

/// Kills all groups that run, before this process ends.
pub fn kill_all_groups() {
    running().take().into_iter().flatten().for_each(end);
}

fn running() -> MutexGuard<'static, Option<BTreeSet<u32>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn end(id: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // This fails if the group has ended already.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// On other systems only the command itself is killed, when its child is dropped.
#[cfg(not(unix))]
fn end(_: u32) {}

//! What a decision may know besides its view.

use crate::id::{CommandId, derived, sha256};
use crate::limits::Settings;
use crate::time::Timestamp;

/// Microseconds since some moment. Only differences mean anything.
pub type Stopwatch = fn() -> u64;

/// The surroundings of one decision. Made anew for every attempt, so that a repeated decision names the same things.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The time, fixed when the command came in and the same in every attempt.
    pub now: Timestamp,
    /// What the engine's owner chose.
    pub settings: Settings,
    /// Most writes and checks that one commit takes, for commands which do as much as they may and are then repeated.
    pub most_writes: usize,
    /// Measures how long programs run; no decision may rest on it.
    pub stopwatch: Option<Stopwatch>,
    /// How often it was decided before, on what others have changed since.
    pub attempt: u32,
    command: CommandId,
    ids: u64,
}

impl Ctx {
    /// The surroundings of `command` at `now`.
    pub fn new(command: CommandId, now: Timestamp, settings: Settings) -> Self {
        Self { now, settings, most_writes: usize::MAX, stopwatch: None, attempt: 0, command, ids: 0 }
    }

    /// The command that is decided.
    pub fn command(&self) -> &CommandId {
        &self.command
    }

    /// A new id: a UUIDv7 from `now` and the command's id, different at every call, the same in every attempt.
    pub fn new_id(&mut self) -> String {
        self.ids += 1;
        derived(self.now, &self.command, self.ids)
    }

    /// A random seed for `purpose`, the same in every attempt.
    pub fn seed(&self, purpose: &str) -> [u8; 32] {
        sha256(&[b"seed", purpose.as_bytes(), self.command.as_str().as_bytes()])
    }
}

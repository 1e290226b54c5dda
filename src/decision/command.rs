//! The trait of all commands.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Decision, ReadSet, Rejection, View};
use crate::id::{CommandId, derive_id, sha256};
use crate::limits::Settings;
use crate::marker::MaybeSync;
use crate::schema::Key;
use crate::time::Timestamp;

/// An operation that a caller wants applied. Its serialised form distinguishes a repeat from another command under the same id.
pub trait Command: Serialize + MaybeSync {
    /// The command's name, `domain.verb`, as used by logs and fingerprints.
    const NAME: &'static str;

    /// The result for the caller. The ledger keeps it, so a repeat returns the same result.
    type Output: Serialize + DeserializeOwned + MaybeSync;

    /// The document that commands like this one contend for. Within a process, the engine decides one command per subject at a time.
    fn subject(&self) -> Option<Key> {
        None
    }

    /// The documents and queries that the decision needs. The engine calls it again with what it has read so far, until nothing new is
    /// requested.
    fn reads(&self, view: &View) -> ReadSet;

    /// Decides. Total and deterministic: the same view and context give the same decision. The engine may call it again after a conflict.
    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Self::Output>, Rejection>;
}

/// A clock that returns microseconds since an arbitrary moment. Only differences are meaningful.
pub type Stopwatch = fn() -> u64;

/// The context of one decision. The engine creates it anew for every attempt, so that a repeated decision creates the same ids.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The time when the command arrived. It is the same in every attempt.
    pub now: Timestamp,
    /// The settings of the engine.
    pub settings: Settings,
    /// Largest number of writes and checks in one commit. Commands that do as much as fits and are then repeated use it.
    pub max_writes: usize,
    /// Measures how long programs run. No decision may depend on it.
    pub stopwatch: Option<Stopwatch>,
    /// Number of earlier attempts, which ended in conflicts with other commits.
    pub attempt: u32,
    command: CommandId,
    ids: u64,
}

impl Ctx {
    /// Creates the context of `command` at `now`.
    pub fn new(command: CommandId, now: Timestamp, settings: Settings) -> Self {
        Self { now, settings, max_writes: usize::MAX, stopwatch: None, attempt: 0, command, ids: 0 }
    }

    /// The command that is being decided.
    pub fn command(&self) -> &CommandId {
        &self.command
    }

    /// Returns a new id: a UUIDv7 from `now` and the command's id. It differs at every call and is the same in every attempt.
    pub fn new_id(&mut self) -> String {
        self.ids += 1;
        derive_id(self.now, &self.command, self.ids)
    }

    /// Returns a random seed for `purpose`, the same in every attempt.
    pub fn seed(&self, purpose: &str) -> [u8; 32] {
        sha256(&[b"seed", purpose.as_bytes(), self.command.as_str().as_bytes()])
    }
}

//! What a command is.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Ctx, Decision, ReadSet, Rejection, View};
use crate::marker::MaybeSync;
use crate::schema::Key;

/// Something a caller wants done. Its serialised form tells a repeat from another command under the same id.
pub trait Command: Serialize + MaybeSync {
    /// `domain.verb`, as logs and fingerprints name it.
    const NAME: &'static str;

    /// What the caller is told; kept in the ledger, so that a repeat is told the same.
    type Output: Serialize + DeserializeOwned + MaybeSync;

    /// The document that commands like this one contend for: the engine lets one of them at a time decide, in this process.
    fn subject(&self) -> Option<Key> {
        None
    }

    /// What has to be read to decide. Asked again with what was read so far, until it asks for nothing new.
    fn reads(&self, view: &View) -> ReadSet;

    /// Decides. Total and repeatable: the same view and context give the same decision, and it may be asked again after a conflict.
    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Self::Output>, Rejection>;
}

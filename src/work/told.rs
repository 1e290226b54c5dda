//! What a worker tells of what it does, to whoever listens.

use serde::Serialize;

use super::Failure;
use crate::domain::cvm::Reached;
use crate::engine::{Due, Error, Work};
use crate::marker::MaybeSync;
use crate::time::{Millis, Timestamp};

/// Something that a worker did or met.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "WorkerEvent"))]
pub enum Told<'a> {
    /// A call was claimed; its handler begins.
    Claimed(&'a Work),
    /// A call was answered, and its execution has run on to where it stands now.
    Answered {
        /// The call.
        work: &'a Work,
        /// Where its execution stands.
        reached: &'a Reached,
        /// How long its handler took.
        took: Millis,
    },
    /// A call was not answered.
    Failed {
        /// The call.
        work: &'a Work,
        /// Why.
        failure: &'a Failure,
        /// When it may be tried again; `None`: its program was told.
        retry_at: Option<Timestamp>,
        /// How long its handler took.
        took: Millis,
    },
    /// The claim was lost, or the call was closed by somebody else: whatever the handler did counts no more.
    Lost {
        /// The call.
        work: &'a Work,
        /// What the engine says.
        why: &'a Error,
    },
    /// A call was given back, since the worker ends.
    Released(&'a Work),
    /// What was due was done.
    Due(&'a Due),
    /// The store or the engine failed; the worker goes on after a while.
    Trouble(&'a Error),
}

/// Who listens: any function of one.
pub(super) trait Listener: MaybeSync {
    fn hear(&self, told: &Told<'_>);
}

impl<F: Fn(&Told<'_>) + MaybeSync> Listener for F {
    fn hear(&self, told: &Told<'_>) {
        self(told);
    }
}

//! Progress of an operation on a whole store.

use schemars::JsonSchema;
use serde::Serialize;

/// Progress of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    /// The current phase.
    pub phase: Phase,
    /// Number of documents so far.
    pub done: u64,
    /// Total number of documents, if known.
    pub of: Option<u64>,
}

/// A phase of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The store is read.
    Export,
    /// The source is read and checked; nothing is written yet.
    Check,
    /// The source is compared with the store; nothing is written yet.
    Compare,
    /// Documents are written.
    Write,
    /// Documents are read again and compared.
    Verify,
}

//! Parameters other than those of methods: to open a store, to start a worker, to export and import.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BackoffParams;
use crate::engine::open::MissingStore;
use crate::engine::transfer::{ExportSummary, ImportReport};
use crate::limits::{LogLevel, Settings};
use crate::time::Millis;

/// Default instructions of a slice: about 10 ms, because a page does nothing else meanwhile. The size of a slice does not change an execution's
/// state, only how its rows are split.
const SLICE_INSTRUCTIONS: u64 = 250_000;

/// Default bytes of changed heap in a slice: writing them takes about 50 ms in a page.
const SLICE_BYTES: u64 = 512 * 1024;

/// Options for opening a store.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct OpenParams {
    /// How long a finished execution is kept; missing: forever.
    pub retention_ms: Option<Millis>,
    /// Log level of executions that set none.
    pub log_level: Option<LogLevel>,
    /// Heap limit in bytes of executions that set none; missing: 67,108,864.
    pub heap_bytes: Option<u64>,
    /// Instructions in a slice; missing: 250,000.
    pub slice_instructions: Option<u64>,
    /// Approximate bytes of changed heap after which a slice ends early; missing: 524,288.
    pub slice_bytes: Option<u64>,
    /// Whether opening fails if the store does not exist; missing: false, the store is created.
    pub must_exist: Option<bool>,
}

impl OpenParams {
    /// Whether a missing store is created.
    pub fn missing(&self) -> MissingStore {
        if self.must_exist == Some(true) { MissingStore::Refuse } else { MissingStore::Create }
    }

    /// The settings of the engine.
    pub fn settings(&self) -> Settings {
        let default = Settings::default();
        Settings {
            retention: self.retention_ms,
            log_level: self.log_level.unwrap_or(default.log_level),
            heap_bytes: self.heap_bytes.unwrap_or(default.heap_bytes),
            slice_instructions: self.slice_instructions.unwrap_or(SLICE_INSTRUCTIONS).max(1),
            slice_bytes: self.slice_bytes.unwrap_or(SLICE_BYTES),
            ..default
        }
    }
}

/// Options of a worker.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct WorkerParams {
    /// The worker's name, for people; missing: a generated name.
    pub owner: Option<String>,
    /// The kinds of calls to serve, each with its maximum concurrency.
    pub kinds: BTreeMap<String, usize>,
    /// The lease: how long a claim lasts without a heartbeat; missing: 30 seconds.
    pub lease_ms: Option<Millis>,
    /// The retry policy for failed calls; missing: 5 attempts within some minutes.
    pub backoff: Option<BackoffParams>,
    /// Whether the worker also runs due work; missing: true.
    pub runs_due: Option<bool>,
    /// How long running handlers may continue after the worker was stopped; missing: 30 seconds.
    pub grace_ms: Option<Millis>,
}

/// The failure of a handler.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct HandlerFailure {
    /// The message, which the program can read.
    pub message: String,
    /// The name of the error in the program; missing: `CallError`.
    pub name: Option<String>,
    /// Whether the call is not retried.
    #[serde(rename = "final")]
    pub is_final: Option<bool>,
}

/// Exports a store or one execution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ExportParams {
    /// One execution, with its rows and the program version that it runs; missing: the whole store.
    pub execution: Option<String>,
}

/// The result of an import.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ImportResult {
    /// Counts and hash of the imported data, all of which is in the store now.
    pub summary: ExportSummary,
    /// Number of documents and command results that this import wrote.
    pub written: u64,
    /// Number of those that were already present.
    pub there: u64,
}

impl From<ImportReport> for ImportResult {
    fn from(ImportReport { summary, written, already_present: there }: ImportReport) -> Self {
        Self { summary, written, there }
    }
}

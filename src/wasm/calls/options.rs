//! What a caller gives beside calls by name: to open a store, to serve, to move.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BackoffParams;
use crate::engine::open::Missing;
use crate::engine::transfer::{Imported, Summary};
use crate::limits::{LogLevel, Settings};
use crate::time::Millis;

/// Instructions between two saves where it is not said: some 10 ms, since a page does nothing else meanwhile. What an execution is does not
/// depend on it, how its rows are cut does.
const SLICE: u64 = 250_000;

/// Bytes of changed heap between two saves where it is not said: writing them takes some 50 ms in a page.
const SLICE_BYTES: u64 = 512 * 1024;

/// How to open a store.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct OpenParams {
    /// How long a finished execution is kept; missing: for ever.
    pub retention_ms: Option<Millis>,
    /// What executions log where they do not say themselves.
    pub log_level: Option<LogLevel>,
    /// Bytes that the heap of an execution may take, where it does not say itself; 67,108,864 where it is not said.
    pub heap_bytes: Option<u64>,
    /// Instructions of a program between two of its saves; 250,000 where it is not said.
    pub slice_instructions: Option<u64>,
    /// Bytes of changed heap after which a program is saved sooner, near enough; 524,288 where it is not said.
    pub slice_bytes: Option<u64>,
    /// A store that is not there is an error.
    pub must_exist: Option<bool>,
}

impl OpenParams {
    /// What happens where there is no store.
    pub fn missing(&self) -> Missing {
        if self.must_exist == Some(true) { Missing::Refuse } else { Missing::Create }
    }

    /// As the engine takes it.
    pub fn settings(&self) -> Settings {
        let default = Settings::default();
        Settings {
            retention: self.retention_ms,
            log_level: self.log_level.unwrap_or(default.log_level),
            heap_bytes: self.heap_bytes.unwrap_or(default.heap_bytes),
            slice_instructions: self.slice_instructions.unwrap_or(SLICE).max(1),
            slice_bytes: self.slice_bytes.unwrap_or(SLICE_BYTES),
            ..default
        }
    }
}

/// How to serve calls.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct WorkerParams {
    /// Who works, for people who look; missing: a name is made.
    pub owner: Option<String>,
    /// The kinds that are served, and how many of each at once.
    pub kinds: BTreeMap<String, usize>,
    /// How long a call is held without a word; 30 seconds where it is not said.
    pub lease_ms: Option<Millis>,
    /// When and how often a failed call is tried again; 5 times within some minutes where it is not said.
    pub backoff: Option<BackoffParams>,
    /// Whether it does what is due too; it does where it is not said.
    pub runs_due: Option<bool>,
    /// How long what runs may go on after it was told to stop; 30 seconds where it is not said.
    pub grace_ms: Option<Millis>,
}

/// Why a handler could not answer.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct HandlerFailed {
    /// In words; the program reads them.
    pub message: String,
    /// The name of the error in the program; missing: `CallError`.
    pub name: Option<String>,
    /// It is not tried again.
    #[serde(rename = "final")]
    pub is_final: Option<bool>,
}

/// What to export.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ExportParams {
    /// One execution, with its rows and the version of the program that it runs; missing: all of the store.
    pub execution: Option<String>,
}

/// What an import came to.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ImportResult {
    /// What it held, all of which is in the store now.
    pub summary: Summary,
    /// Documents and results of commands that were written now.
    pub written: u64,
    /// Those that were there already.
    pub there: u64,
}

impl From<Imported> for ImportResult {
    fn from(Imported { summary, written, there }: Imported) -> Self {
        Self { summary, written, there }
    }
}

//! How a store is to be opened.

use serde::Deserialize;

use crate::engine::Error;
use crate::engine::open::Missing;
use crate::limits::{LogLevel, Settings};
use crate::time::Millis;
use crate::wasm::calls;

/// Instructions between two saves where it is not said: some 10 ms, since a page does nothing else meanwhile. What an execution is does not
/// depend on it, how its rows are cut does.
const SLICE: u64 = 250_000;

/// As the caller says it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    /// How long a finished execution is kept; missing: for ever.
    retention_ms: Option<Millis>,
    /// What executions log where they do not say themselves.
    log_level: Option<LogLevel>,
    /// Instructions of a program between two of its saves.
    slice_instructions: Option<u64>,
    /// A store that is not there is an error.
    #[serde(default)]
    must_exist: bool,
}

/// As the engine takes it.
pub(crate) struct OpenOptions {
    pub missing: Missing,
    pub settings: Settings,
}

impl OpenOptions {
    pub fn read(options: &str) -> Result<Self, Error> {
        let Given { retention_ms, log_level, slice_instructions, must_exist } = calls::read("open", options)?;
        let default = Settings::default();
        let log_level = log_level.unwrap_or(default.log_level);
        Ok(Self {
            missing: if must_exist { Missing::Refuse } else { Missing::Create },
            settings: Settings {
                retention: retention_ms,
                log_level,
                slice_instructions: slice_instructions.unwrap_or(SLICE).max(1),
                ..default
            },
        })
    }
}

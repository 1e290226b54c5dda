//! How a store is to be opened.

use serde::Deserialize;

use crate::engine::Error;
use crate::engine::open::Missing;
use crate::limits::{LogLevel, Settings};
use crate::time::Millis;
use crate::wasm::calls;

/// As the caller says it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    /// How long a finished execution is kept; missing: for ever.
    retention_ms: Option<Millis>,
    /// What executions log where they do not say themselves.
    log_level: Option<LogLevel>,
    /// A store that is not there is an error.
    #[serde(default)]
    must_exist: bool,
}

/// As the engine takes it.
pub(super) struct OpenOptions {
    pub missing: Missing,
    pub settings: Settings,
}

impl OpenOptions {
    pub fn read(options: &str) -> Result<Self, Error> {
        let Given { retention_ms, log_level, must_exist } = calls::read("open", options)?;
        let default = Settings::default();
        let log_level = log_level.unwrap_or(default.log_level);
        Ok(Self {
            missing: if must_exist { Missing::Refuse } else { Missing::Create },
            settings: Settings { retention: retention_ms, log_level, ..default },
        })
    }
}

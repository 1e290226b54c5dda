//! Events of `tracing`.

use std::fmt;

use super::Level;

pub(super) fn tell(level: Level, message: fmt::Arguments<'_>) {
    match level {
        Level::Error => tracing::error!("{message}"),
        Level::Warn => tracing::warn!("{message}"),
        Level::Info => tracing::info!("{message}"),
        Level::Debug => tracing::debug!("{message}"),
    }
}

//! `prepare`: makes a store ready for this version. Opening the store does it; no document is read.

use serde_json::json;

use crate::error::CliError;
use crate::exit::CliExit;
use crate::session::Session;

/// Reports that the store is ready, or fails if it is read-only.
pub fn prepare(session: &Session) -> Result<CliExit, CliError> {
    if let Some(why) = session.engine.store().read_only_reason() {
        return Err(runstate::engine::Error::from(why).into());
    }
    if session.out.is_json() {
        session.out.value(&json!({"url": session.url(), "storeId": session.store_id, "ready": true}))?;
    } else {
        session.out.line(&format!("{} is ready", session.url()))?;
    }
    Ok(CliExit::Done)
}

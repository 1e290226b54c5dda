//! `health`: checks that the store can be read and written.

use serde_json::json;

use crate::error::CliError;
use crate::exit::CliExit;
use crate::session::Session;

/// Prints `ok`, or fails with the reason.
pub async fn health(session: &Session) -> Result<CliExit, CliError> {
    if let Some(why) = session.engine.health().await {
        return Err(why.into());
    }
    if session.out.is_json() {
        session.out.value(&json!({"url": session.url(), "storeId": session.store_id, "healthy": true}))?;
    } else {
        session.out.line("ok")?;
    }
    Ok(CliExit::Done)
}

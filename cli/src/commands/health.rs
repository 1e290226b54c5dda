//! `health`: whether the store answers and can be written.

use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Says so; else why not.
pub async fn execute(session: &Session) -> Result<Exit, Failure> {
    if let Some(why) = session.engine.health().await {
        return Err(why.into());
    }
    if session.out.json() {
        session.out.value(&json!({"url": session.url(), "storeId": session.store_id, "healthy": true}))?;
    } else {
        session.out.line(&format!("{} answers and can be written", session.url()))?;
    }
    Ok(Exit::Done)
}

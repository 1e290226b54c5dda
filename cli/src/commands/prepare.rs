//! `prepare`: the store is there, and ready for this version. Opening it has done that; nothing of what is in it is read.

use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Says so, unless it can only be read.
pub fn execute(session: &Session) -> Result<Exit, Failure> {
    if let Some(why) = session.engine.store().health() {
        return Err(runstate::engine::Error::from(why).into());
    }
    if session.out.json() {
        session.out.value(&json!({"url": session.url(), "storeId": session.store_id, "ready": true}))?;
    } else {
        session.out.line(&format!("{} is ready", session.url()))?;
    }
    Ok(Exit::Done)
}

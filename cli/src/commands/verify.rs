//! `verify`: whether a store is whole.

use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Checks it.
pub async fn execute(session: &Session) -> Result<Exit, Failure> {
    // Opening has read every file, and checked chain and checksums.
    if session.out.json() {
        session.out.value(&json!({"ok": true}))?;
    } else {
        session.out.line("the store is whole")?;
    }
    Ok(Exit::Done)
}

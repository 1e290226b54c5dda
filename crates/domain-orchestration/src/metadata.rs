//! Metadata of sessions and machines: an object of any members, of bounded size.

use runstate_core::prelude::*;
use runstate_value::json_bytes;

use super::settings::OrchestrationSettings;

/// Merges the members of `changes` into `metadata`. A member that is null is removed.
pub(super) fn merge(metadata: &mut Document, changes: &Document, settings: &OrchestrationSettings) -> Result<()> {
    for (name, value) in changes {
        match value {
            Json::Null => _ = metadata.shift_remove(name),
            value => _ = metadata.insert(name.clone(), value.clone()),
        }
    }
    // Measured before anything is stored: a document of any size must not reach a store.
    let bytes = json_bytes(metadata);
    if bytes as u64 <= settings.metadata_bytes {
        return Ok(());
    }
    Err(Rejection::Limit {
        what: format!("metadata of {bytes} bytes"),
        limit: format!("{} bytes", settings.metadata_bytes),
        remedy: "store large values elsewhere, and their place here",
    })
}

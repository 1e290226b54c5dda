//! Replaces [`sealed`](super) in builds without encryption: they know no encrypted value.

use super::Collection;
use crate::value::Json;

/// No value is encrypted.
pub fn is_sealed(_: &Json) -> bool {
    false
}

/// Secret fields are fields like others.
pub(super) fn verify(_: &Collection) -> Result<(), String> {
    Ok(())
}

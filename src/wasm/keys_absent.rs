//! Replaces [`keys`](super) in modules without encryption.

use crate::engine::{Error, StoreKeys};
use crate::value::Document;

/// No keys: `keys` stays an unknown option, which is refused.
pub(super) fn take_keys(_: &mut Document) -> Result<StoreKeys, Error> {
    Ok(StoreKeys::default())
}

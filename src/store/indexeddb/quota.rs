//! The storage quota that the browser reports (Storage Standard, `navigator.storage.estimate()`).

use js_sys::Reflect;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

use super::binding::{Estimate, StorageManager, global_object};
use crate::store::StoreError;

/// Size in bytes from which the quota is checked. A check takes about a millisecond. Writing a batch without space takes many, and
/// uses up more of the remaining space.
const CHECKED_FROM_BYTES: usize = 1024 * 1024;

/// Rejects a large batch that exceeds the remaining space. Without an estimate of the browser there is no check.
pub(super) async fn check_space(bytes: usize, database: &str) -> Result<(), StoreError> {
    if bytes < CHECKED_FROM_BYTES {
        return Ok(());
    }
    match remaining_bytes().await {
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^53 bytes")]
        Some(left) if left < bytes as f64 => {
            let left = left.max(0.0);
            Err(StoreError::Full {
                what: format!("{} ({bytes} bytes to write, {left} bytes left)", describe_database(database)),
            })
        }
        _ => Ok(()),
    }
}

/// Returns the error of a database without space.
pub(super) fn full_error(database: &str) -> StoreError {
    StoreError::Full { what: describe_database(database) }
}

fn describe_database(database: &str) -> String {
    format!("the database `{database}` of this browser")
}

/// Returns the remaining bytes of the quota.
async fn remaining_bytes() -> Option<f64> {
    let navigator = Reflect::get(&global_object(), &"navigator".into()).ok()?;
    let storage: StorageManager = Reflect::get(&navigator, &"storage".into()).ok()?.unchecked_into();
    let estimate: Estimate = JsFuture::from(storage.estimate().ok()?).await.ok()?.unchecked_into();
    Some(estimate.quota()? - estimate.usage()?)
}

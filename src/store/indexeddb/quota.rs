//! How much space the browser says is left.

use js_sys::Reflect;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

use super::binding::{Estimate, StorageManager, host};
use crate::store::Error;

/// Bytes of a batch before which the browser is asked for its estimate. Asking takes it about a millisecond; writing a batch that it cannot
/// keep takes it many, and more of the space that is left.
const LARGE: usize = 1024 * 1024;

/// Refuses a large batch that the browser has no space for. A browser that gives no estimate is not asked.
pub(super) async fn check(bytes: usize, database: &str) -> Result<(), Error> {
    if bytes < LARGE {
        return Ok(());
    }
    match remaining_bytes().await {
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^53 bytes")]
        Some(left) if left < bytes as f64 => {
            let left = left.max(0.0);
            Err(Error::Full { what: format!("{} ({bytes} bytes to write, {left} bytes left)", place(database)) })
        }
        _ => Ok(()),
    }
}

/// The error of a database without space.
pub(super) fn full(database: &str) -> Error {
    Error::Full { what: place(database) }
}

fn place(database: &str) -> String {
    format!("the database `{database}` of this browser")
}

/// `navigator.storage.estimate()`: what is left of the quota, in bytes.
async fn remaining_bytes() -> Option<f64> {
    let navigator = Reflect::get(&host(), &"navigator".into()).ok()?;
    let storage: StorageManager = Reflect::get(&navigator, &"storage".into()).ok()?.unchecked_into();
    let estimate: Estimate = JsFuture::from(storage.estimate().ok()?).await.ok()?.unchecked_into();
    Some(estimate.quota()? - estimate.usage()?)
}

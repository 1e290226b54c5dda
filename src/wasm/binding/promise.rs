//! Futures as promises.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::panics;
use super::thrown::thrown;
use crate::engine::Error;
use crate::marker::BoxFuture;

/// The promise of what `future` comes to; errors as JSON text. Nothing begins once the library has met a defect.
pub(crate) fn promised(future: impl Future<Output = Result<JsValue, Error>> + 'static) -> Promise {
    match panics::refuse_broken() {
        Ok(()) => settled(Box::pin(future)),
        Err(error) => Promise::reject(&thrown(error)),
    }
}

/// One for all: what drives a promise is large, and made for every type of future that it is given.
fn settled(future: BoxFuture<'static, Result<JsValue, Error>>) -> Promise {
    future_to_promise(async move { future.await.map_err(thrown) })
}

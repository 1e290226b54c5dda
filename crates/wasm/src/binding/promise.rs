//! Futures as promises.

use js_sys::Promise;
use runstate_core::marker::BoxFuture;
use runstate_engine::Error;
use runstate_js::to_js_error;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

/// Converts a future to a promise, and its errors to their fields. Rejects if the library has panicked before.
pub(crate) fn to_promise(future: impl Future<Output = Result<JsValue, Error>> + 'static) -> Promise {
    match runstate_js::check_not_panicked() {
        Ok(()) => boxed_to_promise(Box::pin(future)),
        Err(error) => Promise::reject(&to_js_error(error)),
    }
}

/// Boxes first, because the code that drives a promise is large and would be instantiated for every type of future.
fn boxed_to_promise(future: BoxFuture<'static, Result<JsValue, Error>>) -> Promise {
    future_to_promise(async move { future.await.map_err(to_js_error) })
}

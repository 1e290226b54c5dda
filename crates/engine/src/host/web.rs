//! A page, a worker or Node as host.

use std::cell::Cell;

use js_sys::{Function, Math, Promise};
use runstate_core::decision::Stopwatch;
use runstate_core::marker::BoxFuture;
use runstate_value::time::{Millis, Timestamp};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::Host;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);

    /// A function of Node and similar hosts.
    #[wasm_bindgen(thread_local_v2, js_name = setImmediate)]
    static SET_IMMEDIATE: Option<Function>;

    type MessageChannel;
    type MessagePort;

    #[wasm_bindgen(constructor)]
    fn new() -> MessageChannel;

    #[wasm_bindgen(method, getter)]
    fn port1(this: &MessageChannel) -> MessagePort;

    #[wasm_bindgen(method, getter)]
    fn port2(this: &MessageChannel) -> MessagePort;

    #[wasm_bindgen(method, setter)]
    fn set_onmessage(this: &MessagePort, callback: &Function);

    #[wasm_bindgen(method, js_name = postMessage)]
    fn post_message(this: &MessagePort, message: &JsValue);

    #[wasm_bindgen(method)]
    fn close(this: &MessagePort);
}

/// Milliseconds that the engine runs before it yields. Short enough that no frame is late.
const YIELD_INTERVAL_MS: f64 = 5.0;

/// The maximum delay of timers in milliseconds, about 25 days. A timer with a longer delay would fire at once.
const MAX_TIMEOUT_MS: f64 = 2_147_483_647.0;

thread_local! {
    /// When the engine last yielded.
    static LAST_YIELD: Cell<f64> = const { Cell::new(0.0) };
}

/// Waits for one turn of the event loop, so that timers, input and drawing run; settled promises are not enough. Not
/// `setTimeout`, which browsers delay for longer than a turn, and for a second in hidden pages.
async fn yield_to_event_loop() {
    if let Some(immediate) = SET_IMMEDIATE.with(Clone::clone) {
        await_callback(|resolve| drop(immediate.call1(&JsValue::NULL, resolve))).await;
        return;
    }
    let channel = MessageChannel::new();
    await_callback(|resolve| {
        channel.port1().set_onmessage(resolve);
        channel.port2().post_message(&JsValue::NULL);
    })
    .await;
    // An open port keeps some hosts running.
    channel.port1().close();
}

/// A timer that is cleared on drop. Node would not exit before an abandoned timer fires.
struct Timer(JsValue);

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.0);
    }
}

/// Completes when the function that `begin` received is called.
async fn await_callback(mut begin: impl FnMut(&Function)) {
    // The promise only resolves, so there is no error to handle.
    drop(JsFuture::from(Promise::new(&mut |resolve, _| begin(&resolve))).await);
}

/// The clock, entropy and timers of JavaScript.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn now(&self) -> Timestamp {
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole and far below 2^53")]
        Timestamp::from_millis(js_sys::Date::now() as i64)
    }

    fn entropy(&self) -> [u8; 10] {
        // Ids need no secrecy.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number from 0 to below 256")]
        runstate_js::random_bytes().unwrap_or_else(|_| std::array::from_fn(|_| (Math::random() * 256.0) as u8))
    }

    fn stopwatch(&self) -> Option<Stopwatch> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds since 1970 fit")]
        Some(|| (js_sys::Date::now() * 1_000.0) as u64)
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        #[expect(clippy::cast_precision_loss, reason = "a span far below 2^53 ms")]
        let ms = (span.0 as f64).min(MAX_TIMEOUT_MS);
        Box::pin(async move {
            let mut timer = None;
            await_callback(|resolve| timer = Some(Timer(set_timeout(resolve, ms)))).await;
        })
    }

    fn yield_now(&self) -> Option<BoxFuture<'_, ()>> {
        let since = js_sys::Date::now() - LAST_YIELD.get();
        // A clock that was set back counts as long ago.
        if (0.0..YIELD_INTERVAL_MS).contains(&since) {
            return None;
        }
        Some(Box::pin(async {
            yield_to_event_loop().await;
            LAST_YIELD.set(js_sys::Date::now());
        }))
    }
}

//! A page, a worker or Node as host.

use std::cell::Cell;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::Host;
use crate::decision::Stopwatch;
use crate::marker::BoxFuture;
use crate::time::{Millis, Timestamp};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn random_values(bytes: &mut [u8]);

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);

    /// Of Node and its like.
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

/// How long, in milliseconds, the engine may go on before it gives way: no frame is late for it.
const TURN: f64 = 5.0;

/// The longest that timers know, some 25 days, in milliseconds: what is longer would end at once.
const LONGEST: f64 = 2_147_483_647.0;

thread_local! {
    /// When it last gave way.
    static GAVE_WAY: Cell<f64> = const { Cell::new(0.0) };
}

/// A turn of the event loop: promises that are settled do not count, timers, input and drawing do. Not `setTimeout`, which browsers hold back
/// for longer than a turn, and in hidden pages for a second.
async fn turn() {
    if let Some(immediate) = SET_IMMEDIATE.with(Clone::clone) {
        resolved(|resolve| drop(immediate.call1(&JsValue::NULL, resolve))).await;
        return;
    }
    let channel = MessageChannel::new();
    resolved(|resolve| {
        channel.port1().set_onmessage(resolve);
        channel.port2().post_message(&JsValue::NULL);
    })
    .await;
    // An open port would keep some hosts alive.
    channel.port1().close();
}

/// A timer that is given up where nobody waits for it any more: Node would wait for it at its end.
struct Timer(JsValue);

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.0);
    }
}

/// Comes back when what `begin` was given is called.
async fn resolved(mut begin: impl FnMut(&Function)) {
    // A promise that only resolves has no error to look at.
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
        let mut bytes = [0u8; 10];
        random_values(&mut bytes);
        bytes
    }

    fn stopwatch(&self) -> Option<Stopwatch> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds since 1970 fit")]
        Some(|| (js_sys::Date::now() * 1_000.0) as u64)
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        #[expect(clippy::cast_precision_loss, reason = "a span far below 2^53 ms")]
        let ms = (span.0 as f64).min(LONGEST);
        Box::pin(async move {
            let mut timer = None;
            resolved(|resolve| timer = Some(Timer(set_timeout(resolve, ms)))).await;
        })
    }

    fn give_way(&self) -> Option<BoxFuture<'_, ()>> {
        let since = js_sys::Date::now() - GAVE_WAY.get();
        // A clock that was put back counts as long ago.
        if (0.0..TURN).contains(&since) {
            return None;
        }
        Some(Box::pin(async {
            turn().await;
            GAVE_WAY.set(js_sys::Date::now());
        }))
    }
}

//! A page, a worker or Node as host.

use js_sys::Promise;
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
    fn set_timeout(callback: &js_sys::Function, ms: f64) -> JsValue;
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
        Box::pin(async move {
            #[expect(clippy::cast_precision_loss, reason = "a span far below 2^53 ms")]
            let promise = Promise::new(&mut |resolve, _| {
                set_timeout(&resolve, span.0 as f64);
            });
            // A promise that only resolves has no error to look at.
            drop(JsFuture::from(promise).await);
        })
    }
}

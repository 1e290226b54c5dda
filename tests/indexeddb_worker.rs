//! Tests of the IndexedDB store in a dedicated worker of a real browser.
#![cfg(all(target_family = "wasm", feature = "compiler", feature = "indexeddb", feature = "testing"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod indexeddb;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

//! Tests of the IndexedDB store in a window of a real browser.
#![cfg(all(target_family = "wasm", feature = "compiler", feature = "indexeddb", feature = "testing"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod indexeddb;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

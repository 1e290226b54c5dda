//! What the WebAssembly modules share: values, bytes, errors and panics across the boundary to JavaScript.
#![cfg(target_family = "wasm")]

mod bytes;
mod errors;
mod value;

use wasm_bindgen::prelude::*;

pub use bytes::{random_bytes, to_bytes};
pub use errors::{check_not_panicked, on_panic, to_js_error};
pub use value::{json_to_js, to_js};

/// The version of this library.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

//! The interface to JavaScript: conversions only. Parameters are JSON text; results, errors and events are values. On WebAssembly it includes the wasm-bindgen exports.

#[cfg(target_family = "wasm")]
mod binding;
#[cfg(feature = "wasm")]
pub mod calls;
#[cfg(feature = "wasm-compiler")]
pub mod compiler;
#[cfg(all(feature = "wasm", feature = "encryption"))]
mod keys;
#[cfg(all(feature = "wasm", not(feature = "encryption")))]
#[path = "keys_absent.rs"]
mod keys;

#[cfg(target_family = "wasm")]
pub use binding::*;

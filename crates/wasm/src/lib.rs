//! The interface to JavaScript: conversions only. Parameters are JSON text; results, errors and events are values. On
//! WebAssembly it has the wasm-bindgen exports.

#[cfg(target_family = "wasm")]
mod binding;
pub mod calls;
#[cfg(feature = "encryption")]
mod keys;
#[cfg(all(feature = "simulation", target_family = "wasm"))]
mod testing;

#[cfg(target_family = "wasm")]
pub use binding::*;

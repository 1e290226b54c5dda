//! The interface to JavaScript: conversions only. Commands and results are JSON text. On WebAssembly it includes the wasm-bindgen exports.

#[cfg(target_family = "wasm")]
mod binding;
#[cfg(feature = "wasm")]
pub mod calls;
#[cfg(feature = "wasm-compiler")]
pub mod compiler;
#[cfg(feature = "typescript")]
pub mod typescript;

#[cfg(target_family = "wasm")]
pub use binding::*;

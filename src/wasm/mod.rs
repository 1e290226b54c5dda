//! What JavaScript calls: conversions only. Commands come in and results go out as JSON text ([`calls`]); on WebAssembly the exports
//! around them.

#[cfg(target_family = "wasm")]
mod binding;
pub mod calls;

#[cfg(target_family = "wasm")]
pub use binding::*;

//! What JavaScript calls: conversions only. Commands come in and results go out as JSON text; on WebAssembly the exports around them.

#[cfg(target_family = "wasm")]
mod binding;
#[cfg(feature = "wasm")]
pub mod calls;
#[cfg(feature = "wasm-compiler")]
pub mod compiling;
#[cfg(feature = "typescript")]
pub mod typescript;

#[cfg(target_family = "wasm")]
pub use binding::*;

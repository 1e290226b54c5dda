//! The wasm-bindgen exports: of the runtime, and of the compiler, which is a WebAssembly of its own.

#[cfg(feature = "wasm-compiler")]
mod compiler;
#[cfg(all(feature = "wasm", feature = "file"))]
mod files;
#[cfg(feature = "wasm")]
mod log;
#[cfg(feature = "wasm")]
mod moving;
#[cfg(feature = "wasm")]
mod opened;
mod panics;
#[cfg(feature = "wasm")]
mod promise;
#[cfg(feature = "wasm")]
mod serving;
mod thrown;

use wasm_bindgen::prelude::*;

#[cfg(feature = "wasm-compiler")]
pub use compiler::compile;
#[cfg(all(feature = "wasm", feature = "file"))]
pub use files::{provide_files, verify_files};
#[cfg(feature = "wasm")]
pub use log::log_to;
#[cfg(feature = "wasm")]
pub use opened::Runstate;
pub use panics::on_panic;
#[cfg(feature = "wasm")]
pub use serving::Serving;

// For what else is exported: the worlds of tests.
#[cfg(all(feature = "wasm", feature = "simulation"))]
pub(crate) use {promise::promised, thrown::thrown};

/// The version of this library.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

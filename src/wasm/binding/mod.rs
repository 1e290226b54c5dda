//! The wasm-bindgen exports: those of the runtime, and those of the compiler, which is a separate WebAssembly module.

#[cfg(all(feature = "wasm", feature = "apps"))]
mod artifacts;
#[cfg(feature = "wasm-compiler")]
mod compiler;
mod errors;
#[cfg(all(feature = "wasm", feature = "file"))]
mod files;
#[cfg(feature = "wasm")]
mod handle;
#[cfg(feature = "wasm")]
mod log;
#[cfg(feature = "wasm")]
mod promise;
#[cfg(feature = "wasm")]
mod transfer;
mod value;
#[cfg(feature = "wasm")]
mod worker;

use wasm_bindgen::prelude::*;

#[cfg(all(feature = "wasm", feature = "apps"))]
pub use artifacts::{ArtifactReaderHandle, ArtifactUploadHandle};
#[cfg(feature = "wasm-compiler")]
pub use compiler::compile;
pub use errors::on_panic;
#[cfg(all(feature = "wasm", feature = "file"))]
pub use files::{provide_files, verify_files};
#[cfg(feature = "wasm")]
pub use handle::Runstate;
#[cfg(feature = "wasm")]
pub use log::log_to;
#[cfg(feature = "wasm")]
pub use worker::WorkerHandle;

// Other exports use these: the simulated hosts of tests.
#[cfg(all(feature = "wasm", feature = "simulation"))]
pub(crate) use {errors::to_js_error, promise::to_promise};

/// The version of this library.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

//! The wasm-bindgen exports.

#[cfg(feature = "apps")]
mod artifacts;
mod export;
#[cfg(feature = "file")]
mod files;
mod handle;
#[cfg(feature = "import")]
mod import;
mod log;
mod promise;
mod worker;

pub use runstate_js::{on_panic, version};

#[cfg(feature = "apps")]
pub use artifacts::{ArtifactReaderHandle, ArtifactUploadHandle};
#[cfg(feature = "file")]
pub use files::{provide_files, verify_files};
pub use handle::Runstate;
pub use log::log_to;
#[cfg(feature = "simulation")]
pub(crate) use promise::to_promise;
pub use worker::WorkerHandle;

//! Exports for tests: simulated hosts, and what only tests and benches call.

#[cfg(all(feature = "testing", feature = "file"))]
mod node;
#[cfg(feature = "testing")]
mod wasm_exports;
mod world;

//! # runstate
//!
//! A state engine that you link into a server or embed as WebAssembly: it runs long-lived executions, programs that stop
//! to ask a model, a tool or a person, and never loses one.

pub mod code;
pub mod decision;
pub mod domain;
pub mod engine;
pub mod id;
#[cfg(feature = "compiler")]
pub mod lang;
pub mod limits;
pub mod marker;
pub mod schema;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod value;
pub mod vm;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod wasm;

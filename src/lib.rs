//! # runstate
//!
//! A state engine that you link into a server or embed as WebAssembly: it runs long-lived executions, programs that stop
//! to ask a model, a tool or a person, and never loses one.

pub mod code;
pub mod decision;
pub mod id;
pub mod limits;
pub mod marker;
pub mod schema;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod value;

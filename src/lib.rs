//! # runstate
//!
//! A state engine that you link into a server or embed as WebAssembly: it runs long-lived executions, programs that stop
//! to ask a model, a tool or a person, and never loses one.

pub mod code;
pub mod decision;
pub mod id;
#[cfg(feature = "compiler")]
pub mod lang;
pub mod limits;
pub mod marker;
pub mod schema;
pub mod store;
pub mod time;
pub mod value;
pub mod vm;

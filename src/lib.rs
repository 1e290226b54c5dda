//! runstate: a state engine that you link or embed.

#[cfg(feature = "compiler")]
pub mod lang;
pub mod vm;

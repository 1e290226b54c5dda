//! What tests of stores and of programs on runstate need: the conformance suite that any store can run, a clock that stands
//! still until it is told, ids that repeat, a disk in memory that fails on request, and running futures without a runtime. Feature `testing`.

mod clock;
pub mod conformance;
mod host;
#[cfg(all(feature = "file", feature = "wasm", target_family = "wasm"))]
pub mod node;
mod notes;
mod run;
mod script;
mod timed;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod transitions;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod world;

#[cfg(feature = "file")]
pub use crate::store::file::fault;
pub use clock::{SimClock, SimIds};
pub use host::SimHost;
pub use notes::Notes;
pub use run::{block_on, join_all, yield_now};
pub use script::{Act, Played, Script, ScriptStep, StepOutcome};
pub use timed::TimedHost;

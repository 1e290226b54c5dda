//! What tests of stores and of programs on runstate need: the conformance suite that any store can run, a clock that stands
//! still until it is told, ids that repeat, a disk in memory that fails on request, and running futures without a runtime. Feature `testing`;
//! simulated time and entropy alone: feature `simulation`.

mod clock;
#[cfg(feature = "testing")]
pub mod conformance;
mod host;
#[cfg(all(feature = "testing", feature = "file", feature = "wasm", target_family = "wasm"))]
pub mod node;
#[cfg(feature = "testing")]
mod notes;
mod run;
#[cfg(feature = "testing")]
mod script;
mod timed;
#[cfg(all(feature = "testing", feature = "wasm", target_family = "wasm"))]
pub mod transitions;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod world;

#[cfg(all(feature = "testing", feature = "file"))]
pub use crate::store::file::fault;
pub use clock::{SimClock, SimIds};
pub use host::SimHost;
#[cfg(feature = "testing")]
pub use notes::Notes;
pub use run::{block_on, join_all, yield_now};
#[cfg(feature = "testing")]
pub use script::{Act, Played, Script, ScriptStep, StepOutcome};
pub use timed::TimedHost;

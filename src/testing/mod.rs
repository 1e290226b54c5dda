//! Tools for tests of stores and programs: the conformance suite for any store, a simulated clock, repeatable ids, an in-memory disk with injected
//! faults, and an executor without a runtime. They need feature `testing`; simulated time and entropy need feature `simulation` only.

mod clock;
#[cfg(feature = "testing")]
pub mod conformance;
mod executor;
mod host;
#[cfg(all(feature = "testing", feature = "file", feature = "wasm", target_family = "wasm"))]
pub mod node;
#[cfg(feature = "testing")]
mod notes;
#[cfg(feature = "testing")]
mod script;
mod timed_host;
#[cfg(all(feature = "testing", feature = "wasm", target_family = "wasm"))]
pub mod transitions;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod world;

#[cfg(all(feature = "testing", feature = "file"))]
pub use crate::store::file::fault;
pub use clock::{SimClock, SimIds};
pub use executor::{block_on, join_all, yield_now};
pub use host::SimHost;
#[cfg(feature = "testing")]
pub use notes::Notes;
#[cfg(feature = "testing")]
pub use script::{Script, ScriptAction, ScriptOutcome, ScriptStep, StepOutcome};
pub use timed_host::TimedHost;

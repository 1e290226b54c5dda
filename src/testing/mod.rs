//! Tools for tests of stores and programs: the conformance suite for any store, a simulated clock, repeatable ids, an
//! in-memory disk with injected faults, and an executor for programs without a runtime.

mod script;

#[doc(inline)]
pub use runstate_engine::testing::{DomainScene, SimHost, TimedHost};
#[doc(inline)]
pub use runstate_store::testing::*;
#[cfg(feature = "file")]
#[doc(inline)]
pub use runstate_store_file::fault;

pub use script::{Script, ScriptAction, ScriptOutcome, ScriptStep, StepOutcome};

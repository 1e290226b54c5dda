//! The machine that runs bytecode: suspended at a question, saved whole, continued by whoever answers.
//!
//! A program is decoded and verified once (`program`); a [`Machine`] runs it in stretches of fuel. Everything is a
//! function of the program, the input, the seed, the answers and the time of each turn.

mod array;
mod ask;
mod builtin;
mod call;
mod callback;
mod circle;
mod class;
mod collect;
mod convert;
mod decode;
mod encode;
mod entry;
mod frame;
mod fuse;
pub mod globals;
mod heap;
mod inspect;
mod interpreter;
mod iterator;
mod json;
mod limits;
mod listing;
mod machine;
mod natives;
pub(crate) mod number;
mod object;
pub mod op;
mod open;
mod pattern;
pub mod program;
mod property;
mod question;
mod quick;
mod raise;
mod random;
mod read;
mod snapshot;
mod sorting;
mod standing;
mod step;
mod table;
#[cfg(all(test, feature = "compiler"))]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod text;
mod timsort;
mod unwind;
mod value;
mod verify;
mod visible;
mod weight;
pub mod wire;

pub use inspect::{Bounds, FrameView, MachineView, ValueView, VariableView};
pub use limits::{Exceeded, Limits, MAX_OPEN_CALLS, MAX_TOGETHER_BYTES};
pub use machine::{CallRequest, Failure, Keyed, Machine, Reply, Stop, Turn};
pub(crate) use pattern::TextPattern;
pub use program::{BYTECODE_VERSION, BytecodeError, Program, WireInstruction};
pub use snapshot::{RestoreError, Saved};
pub use standing::Standing;

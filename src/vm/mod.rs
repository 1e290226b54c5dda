//! The machine that runs bytecode: suspended at a question, saved whole, continued by whoever answers.

mod decode;
pub mod globals;
pub mod op;
pub mod program;
mod verify;
pub mod wire;

pub use program::{BYTECODE_VERSION, BytecodeError, Program, WireInstruction};

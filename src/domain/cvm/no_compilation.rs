//! Loading a program without bytecode, in a build without the compiler.

use crate::decision::Rejection;
use crate::error_code::ErrorCode;
use crate::vm::Instruction;

/// Rejects the source: this build has no compiler.
pub fn compile(name: &str, _: &str) -> Result<Vec<Instruction>, Rejection> {
    let message = format!("program `{name}` cannot be compiled: this build has no compiler. Pass its `bytecode`");
    Err(Rejection::domain(ErrorCode::UNSUPPORTED, message))
}

//! Compiling the source of a program that is loaded without bytecode.

use serde_json::json;

use crate::decision::Rejection;
use crate::error_code::ErrorCode;
use crate::lang::{self, Diagnostic};
use crate::vm::Instruction;

/// Compiles `source`. `name` is the file name in diagnostics. On `compile_error` the rejection's details hold all problems as `diagnostics`.
pub fn compile(name: &str, source: &str) -> Result<Vec<Instruction>, Rejection> {
    lang::compile(name, source).map(|compiled| compiled.bytecode).map_err(|diagnostics| compile_error(&diagnostics))
}

fn compile_error(diagnostics: &[Diagnostic]) -> Rejection {
    let message = match diagnostics {
        [] => "the source does not compile".to_owned(),
        [one] => one.to_string(),
        [first, ..] => format!("{first}\n(and {} more)", diagnostics.len() - 1),
    };
    Rejection::Domain { code: ErrorCode::COMPILE_ERROR, message, details: json!({"diagnostics": diagnostics}) }
}

//! The interface of the compiler to JavaScript: it takes a source, and returns bytecode or diagnostics as JSON text.

use serde::Serialize;
use serde_json::json;

use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::lang::{self, Diagnostic};
use crate::vm::Instruction;

/// The name of this compiler version, recorded with the bytecode.
const COMPILER: &str = concat!("runstate:", env!("CARGO_PKG_VERSION"));

/// A compiled source.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CompiledSource {
    /// The instructions.
    pub bytecode: Vec<Instruction>,
    /// The compiler: `runstate:0.1.0`.
    pub compiler: &'static str,
}

/// Compiles `source`. `name` is the file name in diagnostics. On `compile_error` the error's details hold all problems as `diagnostics`.
pub fn compile_to_json(name: &str, source: &str) -> Result<String, Error> {
    let compiled = lang::compile(name, source).map_err(|diagnostics| compile_error(&diagnostics))?;
    let compiled = CompiledSource { bytecode: compiled.bytecode, compiler: COMPILER };
    serde_json::to_string(&compiled).map_err(|e| Error::internal(format!("cannot serialize the bytecode: {e}")))
}

fn compile_error(diagnostics: &[Diagnostic]) -> Error {
    let message = match diagnostics {
        [] => "the source does not compile".to_owned(),
        [one] => one.to_string(),
        [first, ..] => format!("{first}\n(and {} more)", diagnostics.len() - 1),
    };
    Error::new(ErrorCode::CompileError, message).details(json!({"diagnostics": diagnostics}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;

    #[test]
    fn a_source_compiles_to_bytecode() {
        let text = compile_to_json("hello.ts", "console.log('hello')").unwrap();
        let compiled: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(compiled["compiler"], COMPILER);
        assert_eq!(compiled["bytecode"], json!(lang::compile("hello.ts", "console.log('hello')").unwrap().bytecode));
    }

    #[test]
    fn a_compile_error_has_a_message_and_diagnostics() {
        let error = compile_to_json("hello.ts", "consle.log(1);\nvar é = 1, x = nowhere;").unwrap_err();
        assert_eq!(error.code, ErrorCode::CompileError);
        insta::assert_snapshot!(error.message, @r#"
        hello.ts:1:1: consle is not defined
            consle.log(1);
            hint: did you mean console?
        (and 1 more)
        "#);
        insta::assert_snapshot!(serde_json::to_string_pretty(&error.details).unwrap(), @r#"
        {
          "diagnostics": [
            {
              "column": 1,
              "file": "hello.ts",
              "hint": "did you mean console?",
              "kind": "name",
              "line": 1,
              "message": "consle is not defined",
              "sourceLine": "consle.log(1);"
            },
            {
              "column": 16,
              "file": "hello.ts",
              "kind": "name",
              "line": 2,
              "message": "nowhere is not defined",
              "sourceLine": "var é = 1, x = nowhere;"
            }
          ]
        }
        "#);
    }
}

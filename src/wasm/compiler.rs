//! The interface of the compiler to JavaScript: it takes a source, and returns bytecode or diagnostics.

use schemars::JsonSchema;
use serde::Serialize;

use crate::client;
use crate::engine::Error;
use crate::vm::Instruction;

/// The name of this compiler version, recorded with the bytecode.
const COMPILER: &str = concat!("runstate:", env!("CARGO_PKG_VERSION"));

/// A compiled source.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CompiledSource {
    /// The instructions.
    pub bytecode: Vec<Instruction>,
    /// The compiler: `runstate:0.1.0`.
    pub compiler: &'static str,
}

/// Compiles `source`. `name` is the file name in diagnostics. On `compile_error` the error's details hold all problems as `diagnostics`.
pub fn compile(name: &str, source: &str) -> Result<CompiledSource, Error> {
    Ok(CompiledSource { bytecode: client::compile(name, source)?, compiler: COMPILER })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_code::ErrorCode;
    use crate::lang;

    #[test]
    fn a_source_compiles_to_bytecode() {
        let compiled = compile("hello.ts", "console.log('hello')").unwrap();
        assert_eq!(compiled.compiler, COMPILER);
        assert_eq!(compiled.bytecode, lang::compile("hello.ts", "console.log('hello')").unwrap().bytecode);
    }

    #[test]
    fn a_compile_error_has_a_message_and_diagnostics() {
        let error = compile("hello.ts", "consle.log(1);\nvar é = 1, x = nowhere;").unwrap_err();
        assert_eq!(error.code, ErrorCode::COMPILE_ERROR);
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

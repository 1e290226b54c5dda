//! The compiler as JavaScript calls it: a source comes in, bytecode or what is wrong goes out as JSON text.

use serde::Serialize;
use serde_json::json;

use crate::code::Code;
use crate::engine::Error;
use crate::lang::{self, Diagnostic};
use crate::vm::WireInstruction;

/// What compilers of this version call themselves.
const COMPILER: &str = concat!("runstate:", env!("CARGO_PKG_VERSION"));

/// A compiled source.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CompiledSource {
    /// What it was compiled to.
    pub bytecode: Vec<WireInstruction>,
    /// By what: `runstate:0.1.0`.
    pub compiler: &'static str,
}

/// Compiles `source`; `name` is only named in what is found. `compile_error`: all that is wrong with it stands in the error's details as
/// `diagnostics`.
pub fn compiled(name: &str, source: &str) -> Result<String, Error> {
    let compiled = lang::compile(name, source).map_err(|found| refused(&found))?;
    let compiled = CompiledSource { bytecode: compiled.bytecode, compiler: COMPILER };
    serde_json::to_string(&compiled).map_err(|e| Error::internal(format!("the bytecode cannot be written: {e}")))
}

fn refused(found: &[Diagnostic]) -> Error {
    let message = match found {
        [] => "it does not compile".to_owned(),
        [one] => one.to_string(),
        [first, ..] => format!("{first}\n(and {} more)", found.len() - 1),
    };
    Error::new(Code::CompileError, message).details(json!({"diagnostics": found}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;

    #[test]
    fn a_source_comes_out_as_bytecode() {
        let text = compiled("hello.ts", "console.log('hello')").unwrap();
        let compiled: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(compiled["compiler"], COMPILER);
        assert_eq!(compiled["bytecode"], json!(lang::compile("hello.ts", "console.log('hello')").unwrap().bytecode));
    }

    #[test]
    fn what_is_wrong_is_told_for_people_and_for_programs() {
        let error = compiled("hello.ts", "consle.log(1);\nvar é = 1, x = nowhere;").unwrap_err();
        assert_eq!(error.code, Code::CompileError);
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

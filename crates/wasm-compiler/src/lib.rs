//! The interface of the compiler to JavaScript: it takes a source, and returns bytecode or diagnostics. On WebAssembly
//! it has the wasm-bindgen export.

#[cfg(target_family = "wasm")]
mod binding;

use runstate_core::Error;
use runstate_domain_cvm::{Load, ProgramFile, SourceOptions, compile_source};
use runstate_vm::Instruction;
use schemars::JsonSchema;
use serde::Serialize;

/// A compiled source.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CompiledSource {
    /// The instructions.
    pub bytecode: Vec<Instruction>,
    /// The compiler: `runstate:0.1.0`.
    pub compiler: String,
    /// SHA-256 of the source, its files, its form and its tools, in hexadecimal.
    pub hash: String,
    /// Path of the entry, if it imports files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The files that are imported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ProgramFile>,
    /// What may mean something else than it seems to: each with its file, line and column.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether the source is a script.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub script: bool,
    /// The tools that it uses, if it was compiled for a list of tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
}

/// Compiles `source`, that of the entry if there are files. `name` is the file name in diagnostics of one file. On
/// `compile_error` the error's details hold all problems as `diagnostics`. Of a program that uses a built-in whose
/// source is not in this build, one of them has the name of a file of `built_ins`, as `runstate:intl`.
pub fn compile(
    name: &str,
    source: &str,
    options: SourceOptions,
    built_ins: Vec<ProgramFile>,
) -> Result<CompiledSource, Error> {
    let SourceOptions { entry, mut files, script, tools } = options;
    files.retain(|file| !file.path.starts_with("runstate:"));
    let entry = entry.or_else(|| files.is_empty().then(|| name.to_owned()));
    files.extend(built_ins);
    let load = compile_source(name, source, SourceOptions { entry, files, script, tools })?;
    let hash = load.source_hash();
    let Load { bytecode, compiler, entry, files, warnings, script, tools, .. } = load;
    Ok(CompiledSource { bytecode, compiler, hash, entry, files, warnings, script, tools })
}

#[cfg(test)]
mod tests {
    use runstate_core::error_code::ErrorCode;
    use runstate_lang as lang;

    use super::*;

    #[test]
    fn a_source_compiles_to_bytecode() {
        let compiled = compile("hello.ts", "console.log('hello')", SourceOptions::default(), Vec::new()).unwrap();
        assert_eq!(compiled.compiler, concat!("runstate:", env!("CARGO_PKG_VERSION")));
        assert_eq!(compiled.bytecode, lang::compile("hello.ts", "console.log('hello')").unwrap().bytecode);
    }

    #[test]
    fn only_imported_files_are_returned() {
        let file = |path: &str| ProgramFile { path: path.to_owned(), source: "export const a = 1".to_owned() };
        let files = vec![file("a.ts"), file("b.ts")];
        let compiled = compile(
            "two",
            "import { a } from './a'; a",
            SourceOptions { files: files.clone(), ..SourceOptions::default() },
            Vec::new(),
        )
        .unwrap();
        assert_eq!((compiled.entry.as_deref(), compiled.files), (Some("main.ts"), vec![file("a.ts")]));
        let compiled = compile(
            "one",
            "1",
            SourceOptions { entry: Some("index.ts".to_owned()), files, ..SourceOptions::default() },
            Vec::new(),
        )
        .unwrap();
        assert_eq!((compiled.entry, compiled.files), (None, Vec::new()));
    }

    #[test]
    fn a_schema_that_is_not_supported_is_refused_at_load() {
        let refusal = |source: &str| {
            compile("t.ts", source, SourceOptions::default(), Vec::new()).err().map(|error| error.message)
        };
        let place = "const bad = { not: {} } as const; const p = { properties: { a: bad } };";
        for (source, message) in [
            ("CC('q', { schema: { not: {} } })", "t.ts:1:11: schema.not is not supported; use one of: type,"),
            ("call('t', 1, { schema: { type: 'int' } })", "t.ts:1:16: schema.type must be one of object,"),
            ("const o = { schema: { not: 1 } }; CC('q', o); CC('q', o)", "t.ts:1:13: schema.not is not supported"),
            ("CC.all([{ prompt: 'q', schema: { $ref: 'a' } }])", "t.ts:1:24: schema.$ref is \"a\"; only \"#\" and"),
            ("CC('q', { schema: { format: `color` } })", "t.ts:1:11: schema.format \"color\" is not supported"),
            (&format!("{place} CC('q', {{ schema: p }})"), "t.ts:1:83: schema.properties.a.not is not supported"),
        ] {
            assert!(refusal(source).is_some_and(|found| found.starts_with(message)), "{source}: {:?}", refusal(source));
        }
        for source in [
            "CC('q', { schema: { anyOf: [{ type: 'null' }, { minimum: -1, maxLength: 3 }] } })",
            // These are known only when the program runs.
            "CC('q', { schema: { not: input } })",
            "const s = { not: {} }; delete s.not; CC('q', { schema: s })",
            "let s = { not: {} }; s = {}; CC('q', { schema: s })",
            "const s = { items: s }; CC('q', { schema: s })",
        ] {
            assert_eq!(refusal(source), None, "{source}");
        }
    }

    #[test]
    fn a_compile_error_has_a_message_and_diagnostics() {
        let error =
            compile("hello.ts", "consle.log(1);\nvar é = 1, x = nowhere;", SourceOptions::default(), Vec::new())
                .unwrap_err();
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
              "file": "hello.ts",
              "line": 1,
              "column": 1,
              "kind": "name",
              "message": "consle is not defined",
              "hint": "did you mean console?",
              "sourceLine": "consle.log(1);"
            },
            {
              "file": "hello.ts",
              "line": 2,
              "column": 16,
              "kind": "name",
              "message": "nowhere is not defined",
              "sourceLine": "var é = 1, x = nowhere;"
            }
          ]
        }
        "#);
    }
}

//! Compiling the source of a program that is loaded without bytecode.

use runstate_core::decision::Rejection;
use runstate_core::error_code::ErrorCode;
use runstate_lang::{self as lang, CompileOptions, CompiledProgram, Diagnostic, SchemaLiteral, SourceForm};
use runstate_value::{collect_btree_map, sort_by};
use serde_json::json;

use super::answer_schema::Schema;
use super::program::{DEFAULT_ENTRY, Load, ProgramFile, SourceOptions, WARNINGS_BYTES};

/// Compiles a program of one file, or of several, to the command that loads it. A program of one file has `name` as the
/// file name in diagnostics. The command has only the files that are imported. On `compile_error` the rejection's
/// details hold all problems as `diagnostics`.
pub fn compile(name: &str, source: &str, options: SourceOptions) -> Result<Load, Rejection> {
    let SourceOptions { entry, files, script, tools } = options;
    let path = entry.as_deref().unwrap_or(if files.is_empty() { name } else { DEFAULT_ENTRY });
    let mut files = collect_btree_map(files.into_iter().map(|file| (file.path, file.source)));
    let options = CompileOptions { form: SourceForm::of(script), tools };
    let compiled = lang::compile_for(path, source, &mut |path| Ok(files.remove(path)), &options);
    let load = compiled.and_then(|compiled| loaded(name, source, path, compiled));
    load.map_err(|diagnostics| compile_error(&diagnostics))
}

/// The command that loads a compiled program, whose entry is at `path`.
///
/// # Errors
/// The schemas of calls that are not valid, in source order. A schema that the program computes is checked when it is
/// used.
pub fn loaded(name: &str, source: &str, path: &str, compiled: CompiledProgram) -> Result<Load, Vec<Diagnostic>> {
    let refusal = |literal: &SchemaLiteral| Schema::parse(&literal.schema).err().map(|why| literal.refusal(why));
    let mut refused: Vec<Diagnostic> = compiled.schemas.iter().filter_map(refusal).collect();
    if !refused.is_empty() {
        sort_by(&mut refused, |a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        refused.dedup();
        return Err(refused);
    }
    let files = compiled.files.into_iter().map(|(path, source)| ProgramFile { path, source }).collect();
    let warnings = warning_texts(&compiled.warnings);
    let (script, tools) = (compiled.form == SourceForm::Script, compiled.tools);
    Ok(Load { warnings, script, tools, ..Load::new(name, source, compiled.bytecode).with_files(Some(path), files) })
}

/// The first warnings in words, and the number of the others.
fn warning_texts(found: &[Diagnostic]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut room = WARNINGS_BYTES - 40;
    for Diagnostic { file, line, column, message, hint, .. } in found {
        let text = format!("{file}:{line}:{column}: {message}; {}", hint.as_deref().unwrap_or_default());
        match room.checked_sub(text.len()) {
            Some(left) => room = left,
            None => break,
        }
        texts.push(text);
    }
    if texts.len() < found.len() {
        texts.push(format!("{} more warnings", found.len() - texts.len()));
    }
    texts
}

fn compile_error(diagnostics: &[Diagnostic]) -> Rejection {
    let message = match diagnostics {
        [] => "the source does not compile".to_owned(),
        [one] => one.to_string(),
        [first, ..] => format!("{first}\n(and {} more)", diagnostics.len() - 1),
    };
    Rejection::Domain { code: ErrorCode::COMPILE_ERROR, message, details: json!({"diagnostics": diagnostics}) }
}

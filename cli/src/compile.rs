//! Compiles source files and stored sources to the command that loads them.

use std::fs::File;
use std::path::Path;

use runstate::domain::cvm::Load;
use runstate::lang::{Diagnostic, DiagnosticKind, MAX_SOURCE, compile};

use crate::error::{self, CliError};
use crate::input;

/// The name of the compiler, which is stored with a program.
pub const COMPILER: &str = concat!("runstate:", env!("CARGO_PKG_VERSION"));

/// Describes the first error of a source in one line.
pub fn first_error(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [] => "it does not compile".to_owned(),
        [d, ..] => format!("it does not compile: line {}, column {}: {}", d.line, d.column, d.message),
    }
}

/// Returns the command that loads the program in `file` under `name`, by default the file's stem.
pub fn load_from_file(file: &Path, name: Option<&str>) -> Result<Load, CliError> {
    let stem = || file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.map(str::to_owned).or_else(stem).unwrap_or_default();
    load_from_source(&name, &file.display().to_string(), read(file)?)
}

/// Returns the command that loads `source` under `name`. Diagnostics name the source `file`.
pub fn load_from_source(name: &str, file: &str, source: String) -> Result<Load, CliError> {
    let compiled = compile(file, &source).map_err(CliError::Compile)?;
    let compiler = COMPILER.to_owned();
    Ok(Load {
        name: name.to_owned(),
        source,
        bytecode: compiled.bytecode,
        compiler,
        description: None,
        tags: None,
        id: None,
    })
}

fn read(file: &Path) -> Result<String, CliError> {
    let unreadable = |error| error::io(format!("{} cannot be read", file.display()), &error);
    let open = File::open(file).map_err(unreadable)?;
    let size = open.metadata().map_err(unreadable)?.len();
    let Some(bytes) = input::read_limited(open, MAX_SOURCE).map_err(unreadable)? else {
        let message = format!("the source has {size} bytes; at most {MAX_SOURCE} are compiled");
        return Err(source_error(
            file,
            (1, 1),
            DiagnosticKind::Unsupported,
            message,
            "split the work into several programs",
            "",
        ));
    };
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let before = String::from_utf8_lossy(valid);
        let line = before.split('\n').count();
        let line_start = before.rsplit('\n').next().unwrap_or_default();
        let position = (
            u32::try_from(line).unwrap_or(u32::MAX),
            u32::try_from(line_start.encode_utf16().count() + 1).unwrap_or(u32::MAX),
        );
        let message = "the source is not valid UTF-8 from this byte on".to_owned();
        source_error(file, position, DiagnosticKind::Syntax, message, "save the file as UTF-8", line_start)
    })
}

/// Returns the error for a source that is not passed to the compiler, in the form of a diagnostic.
fn source_error(
    file: &Path,
    (line, column): (u32, u32),
    kind: DiagnosticKind,
    message: String,
    hint: &str,
    source_line: &str,
) -> CliError {
    CliError::Compile(vec![Diagnostic {
        file: file.display().to_string(),
        line,
        column,
        kind,
        message,
        hint: Some(hint.to_owned()),
        source_line: source_line.chars().take(200).collect(),
    }])
}

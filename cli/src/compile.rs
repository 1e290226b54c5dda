//! From a file to bytecode.

use std::fs::File;
use std::path::Path;

use runstate::domain::cvm::Load;
use runstate::lang::{Diagnostic, Kind, MAX_SOURCE, compile};

use crate::bounded;
use crate::failure::{self, Failure};

/// What programs that we compile say of it.
pub const COMPILER: &str = concat!("runstate:", env!("CARGO_PKG_VERSION"));

/// What is wrong with a source, in a line.
pub fn first(found: &[Diagnostic]) -> String {
    match found {
        [] => "it does not compile".to_owned(),
        [d, ..] => format!("it does not compile: line {}, column {}: {}", d.line, d.column, d.message),
    }
}

/// The command that loads the program in `file` under `name`, by default the file's stem.
pub fn program(file: &Path, name: Option<&str>) -> Result<Load, Failure> {
    let stem = || file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.map(str::to_owned).or_else(stem).unwrap_or_default();
    source(&name, &file.display().to_string(), read(file)?)
}

/// The command that loads `source` under `name`; what is wrong with it is told of `shown`.
pub fn source(name: &str, shown: &str, source: String) -> Result<Load, Failure> {
    let compiled = compile(shown, &source).map_err(Failure::Compile)?;
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

fn read(file: &Path) -> Result<String, Failure> {
    let unreadable = |error| failure::io(format!("{} cannot be read", file.display()), &error);
    let open = File::open(file).map_err(unreadable)?;
    let size = open.metadata().map_err(unreadable)?.len();
    let Some(bytes) = bounded::read(open, MAX_SOURCE).map_err(unreadable)? else {
        let message = format!("the source has {size} bytes; at most {MAX_SOURCE} are compiled");
        return Err(refused(file, (1, 1), Kind::Unsupported, message, "split the work into several programs", ""));
    };
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let before = String::from_utf8_lossy(valid);
        let line = before.split('\n').count();
        let begun = before.rsplit('\n').next().unwrap_or_default();
        let place = (
            u32::try_from(line).unwrap_or(u32::MAX),
            u32::try_from(begun.encode_utf16().count() + 1).unwrap_or(u32::MAX),
        );
        let message = "this byte is not UTF-8 text".to_owned();
        refused(file, place, Kind::Syntax, message, "save the file as UTF-8", begun)
    })
}

/// A source that is not even handed to the compiler, told as the compiler tells.
fn refused(
    file: &Path,
    (line, column): (u32, u32),
    kind: Kind,
    message: String,
    hint: &str,
    source_line: &str,
) -> Failure {
    Failure::Compile(vec![Diagnostic {
        file: file.display().to_string(),
        line,
        column,
        kind,
        message,
        hint: Some(hint.to_owned()),
        source_line: source_line.chars().take(200).collect(),
    }])
}

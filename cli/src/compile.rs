//! Compiles source files and stored sources to the command that loads them.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use runstate::domain::cvm::{DEFAULT_ENTRY, Load, Program, load_command};
use runstate::lang::{CompileOptions, Diagnostic, DiagnosticKind, MAX_SOURCE, SourceForm, compile_for};

use crate::args::SourceArgs;
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

/// Returns the command that loads the program at the path, under its name: a file with the files that it imports, or a
/// folder with its entry.
pub fn load_from_path(source: &SourceArgs) -> Result<Load, CliError> {
    let files = ProgramFolder::new(source)?;
    let name = source.name.as_ref().map_or_else(|| files.default_name(), String::clone);
    let file = files.root.join(&files.entry);
    let source = match files.is_folder {
        true => files.read(&files.entry).and_then(|found| found.ok_or_else(|| files.missing_entry())),
        false => return files.compile(&name, read(&file)?),
    };
    files.compile(&name, source.map_err(|message| error::usage(format!("{}: {message}", file.display())))?)
}

/// Returns the command that loads a stored program again. Diagnostics name its source `file`, if it has only one.
pub fn load_from_stored(program: Program, file: &str) -> Result<Load, CliError> {
    let path = program.entry.as_deref().unwrap_or(file);
    let files = &program.files;
    let stored = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.source.clone());
    let options = CompileOptions { form: SourceForm::of(program.metadata.script), tools: program.metadata.tools };
    compile_for(path, &program.source, &mut |path| Ok(stored(path)), &options)
        .and_then(|compiled| load_command(&program.name, &program.source, path, compiled))
        .map_err(CliError::Compile)
}

/// The folder that holds the files of a program.
struct ProgramFolder {
    root: PathBuf,
    /// The path of the entry below the root.
    entry: String,
    /// Whether the program was named by its folder.
    is_folder: bool,
    options: CompileOptions,
}

impl ProgramFolder {
    fn new(source: &SourceArgs) -> Result<Self, CliError> {
        let SourceArgs { file: path, entry, script, tools, .. } = source;
        let options = CompileOptions { form: SourceForm::of(*script), tools: tools.clone() };
        if path.is_dir() {
            let entry = entry.as_ref().map_or_else(|| default_entry(path), |entry| Ok(entry.clone()))?;
            let is_plain = Path::new(&entry).components().all(|part| matches!(part, Component::Normal(_)));
            if !is_plain || entry.contains('\\') {
                let message = format!("the entry `{entry}` is not a path below {}", path.display());
                return Err(error::usage(message));
            }
            return Ok(Self { root: path.clone(), entry, is_folder: true, options });
        }
        if entry.is_some() {
            let message = format!("--entry is for folders, and {} is not a folder", path.display());
            return Err(error::usage(message));
        }
        let root = path.parent().map(Path::to_owned).unwrap_or_default();
        let entry = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { root, entry, is_folder: false, options })
    }

    fn default_name(&self) -> String {
        let folder = self.root.canonicalize().unwrap_or_default();
        let named = if self.is_folder { folder.file_name() } else { Path::new(&self.entry).file_stem() };
        named.unwrap_or_default().to_string_lossy().into_owned()
    }

    fn missing_entry(&self) -> String {
        "the entry was not found. Name another one with --entry".to_owned()
    }

    fn compile(&self, name: &str, source: String) -> Result<Load, CliError> {
        let compiled = compile_for(&self.entry, &source, &mut |path| self.read(path), &self.options);
        let load = compiled.and_then(|compiled| load_command(name, &source, &self.entry, compiled));
        load.map_err(|mut diagnostics| {
            for diagnostic in &mut diagnostics {
                diagnostic.file = self.root.join(&diagnostic.file).display().to_string();
            }
            CliError::Compile(diagnostics)
        })
    }

    /// Reads a file of the program; `None` if it does not exist. Hidden folders, `node_modules` and files outside the
    /// root are refused.
    fn read(&self, relative: &str) -> Result<Option<String>, String> {
        if relative.split('/').any(|part| part.starts_with('.') || part == "node_modules") {
            return Err(format!("{relative} is hidden or in node_modules, which are not read"));
        }
        let root = if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root };
        let unreadable = |error: io::Error| format!("{relative} cannot be read: {error}");
        let path = match root.join(relative).canonicalize() {
            Ok(path) => path,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        if !path.starts_with(root.canonicalize().map_err(unreadable)?) {
            return Err(format!("{relative} is a link to a file outside {}", root.display()));
        }
        let metadata = path.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Ok(None);
        }
        if !metadata.is_file() {
            return Err(format!("{relative} is not a plain file"));
        }
        let bytes = File::open(&path).and_then(|file| input::read_limited(file, MAX_SOURCE)).map_err(unreadable)?;
        let Some(bytes) = bytes else {
            return Err(format!("{relative} has {} bytes; at most {MAX_SOURCE} are compiled", metadata.len()));
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            format!("{relative} is not valid UTF-8 from byte {} on", error.utf8_error().valid_up_to())
        })?;
        Ok(Some(text))
    }
}

/// Returns the entry of a folder: `main.ts`, `index.ts`, or `main` of its `package.json`.
fn default_entry(folder: &Path) -> Result<String, CliError> {
    if let Some(entry) = [DEFAULT_ENTRY, "index.ts"].into_iter().find(|name| folder.join(name).is_file()) {
        return Ok(entry.to_owned());
    }
    let package = File::open(folder.join("package.json")).and_then(|file| input::read_limited(file, MAX_SOURCE));
    let parse = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes);
    let package = package.ok().flatten().map(parse).transpose();
    let package = package
        .map_err(|error| error::usage(format!("{} cannot be read: {error}", folder.join("package.json").display())))?;
    let main = package.as_ref().and_then(|package| package["main"].as_str());
    main.map(|main| main.trim_start_matches("./").to_owned()).ok_or_else(|| {
        let message = format!(
            "{} has neither main.ts, index.ts nor a package.json with `main`. Name the entry with --entry FILE",
            folder.display()
        );
        error::usage(message)
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

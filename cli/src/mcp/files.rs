//! Files that operations read by name: sources of programs and inputs, below the folders of `--allow-read`. Without
//! one, no operation reads a file.

use std::path::PathBuf;

use rmcp::model::JsonObject;
use runstate::decision::OperationName as _;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::lang::{CompileOptions, SourceForm, compile_for};
use serde_json::{Value as Json, json};

use crate::error::CliError;
use crate::sandbox::{ErrorName, Grants, SandboxArgs};

/// A parameter that names a file, in place of one that has its content.
struct PathParameter {
    operation: &'static str,
    name: &'static str,
    replaces: &'static str,
    description: &'static str,
}

static PATH_PARAMETERS: [PathParameter; 2] = [
    PathParameter {
        operation: Load::NAME,
        name: "path",
        replaces: "source",
        description: "File of the source, in place of `source`. The files that it imports are read too.",
    },
    PathParameter {
        operation: Start::NAME,
        name: "inputPath",
        replaces: "input",
        description: "File of the input as JSON, in place of `input`.",
    },
];

/// The folders whose files may be read.
#[derive(Default)]
pub struct ReadableFiles(Option<Grants>);

impl ReadableFiles {
    pub fn open(folders: Vec<PathBuf>) -> Result<Self, CliError> {
        if folders.is_empty() {
            return Ok(Self(None));
        }
        let folders = SandboxArgs { allow_read: folders, ..SandboxArgs::default() };
        folders.open_grants_with(None).map(|grants| Self(Some(grants)))
    }

    /// Adds the parameters that name files to the schema of an operation.
    pub fn declare(&self, operation: &str, schema: &mut Json) {
        let of_operation = PATH_PARAMETERS.iter().filter(|one| self.0.is_some() && one.operation == operation);
        for parameter in of_operation {
            schema["properties"][parameter.name] = json!({ "type": "string", "description": parameter.description });
            if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
                required.retain(|name| name != parameter.replaces);
            }
        }
    }

    /// The names of the parameters that name files.
    pub fn parameters(&self, operation: &str) -> impl Iterator<Item = &'static str> {
        let is_open = self.0.is_some();
        PATH_PARAMETERS.iter().filter(move |one| is_open && one.operation == operation).map(|one| one.name)
    }

    /// Reads the files that arguments name.
    pub fn read(&self, operation: &str, arguments: &mut JsonObject) -> Result<(), Error> {
        let Some(grants) = &self.0 else { return Ok(()) };
        for PathParameter { name, replaces, .. } in PATH_PARAMETERS.iter().filter(|one| one.operation == operation) {
            let Some(path) = arguments.shift_remove(*name) else { continue };
            let Some(path) = path.as_str() else { return Err(usage(format!("{name}: a path is a text"))) };
            if arguments.contains_key(*replaces) {
                return Err(usage(format!("`{name}` and `{replaces}` exclude each other")));
            }
            let text = grants.read_file(path).map_err(|error| usage(format!("{name}: {}", error.message)))?;
            if operation == Load::NAME {
                read_program(grants, path, text, arguments)?;
            } else {
                let value = serde_json::from_str(&text);
                let value = value.map_err(|error| usage(format!("{name}: {path} is not JSON: {error}")))?;
                arguments.insert((*replaces).to_owned(), value);
            }
        }
        Ok(())
    }
}

/// Reads the files that a source imports. The operation compiles all of them again, and reports the errors.
fn read_program(grants: &Grants, path: &str, source: String, arguments: &mut JsonObject) -> Result<(), Error> {
    for name in ["entry", "files"] {
        if arguments.contains_key(name) {
            return Err(usage(format!("`path` and `{name}` exclude each other")));
        }
    }
    let (folder, entry) = path.split_at(path.rfind(std::path::is_separator).map_or(0, |place| place + 1));
    let is_script = arguments.get("script") == Some(&json!(true));
    let mut files: Vec<Json> = Vec::new();
    let mut read = |relative: &str| {
        if relative.split('/').any(|part| part.starts_with('.') || part == "node_modules") {
            return Err(format!("{relative} is hidden or in node_modules, which are not read"));
        }
        match grants.read_file(&format!("{folder}{relative}")) {
            Ok(source) => {
                files.push(json!({ "path": relative, "source": source }));
                Ok(Some(source))
            }
            Err(error) if error.name == ErrorName::NotFound => Ok(None),
            Err(error) => Err(error.message),
        }
    };
    let options = CompileOptions { form: SourceForm::of(is_script), tools: None };
    _ = compile_for(entry, &source, &mut read, &options);
    arguments.insert("source".to_owned(), source.into());
    if !files.is_empty() {
        arguments.insert("entry".to_owned(), entry.into());
        arguments.insert("files".to_owned(), files.into());
    }
    Ok(())
}

fn usage(message: String) -> Error {
    Error::new(ErrorCode::USAGE, message)
}

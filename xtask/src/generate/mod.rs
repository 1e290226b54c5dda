//! Files that are generated from sources and committed: `cargo xtask generate` writes them, `cargo xtask generate --check` and the gate
//! compare them.

mod bytecode_reference;
mod client;
mod command_line;
mod message_list;
mod op_registry;
mod rust_source;
mod table_bytes;
mod unicode_source;
mod unicode_tables;

use std::path::Path;

use serde_json::Value;
use unicode_source::UnicodeSource;

use super::report::StepContext;
use super::test_results::Skip;
use crate::error::XtaskError;
use crate::workspace::Workspace;

/// The version of Unicode that all tables have.
const UNICODE_VERSION: (u8, u8, u8) = (17, 0, 0);

/// The reference that is generated.
const REFERENCE: &str = "docs/reference.md";

/// The files to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum GeneratedSet {
    #[value(skip)]
    All,
    /// Tables of Unicode.
    Unicode,
    /// The reference of bytecode.
    Bytecode,
    /// The list of messages.
    Messages,
    /// The client of the npm package, and the declarations of its command line.
    Client,
    /// The reference of operations, collections and error codes.
    Reference,
}

/// The action for a file that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerateMode {
    Write,
    Check,
}

/// A generated file.
struct GeneratedFile {
    path: &'static str,
    bytes: Vec<u8>,
}

impl GeneratedSet {
    fn has(self, other: Self) -> bool {
        self == Self::All || self == other
    }
}

/// Generates the selected files, and writes or compares them. The current folder is the root of the workspace.
pub fn run(
    workspace: &Workspace,
    selection: GeneratedSet,
    mode: GenerateMode,
    step: &mut StepContext,
) -> Result<(), XtaskError> {
    let root = Path::new("");
    let mut outputs = Vec::new();
    if selection.has(GeneratedSet::Unicode) {
        outputs.extend(unicode(&workspace.metadata, step)?);
    }
    if selection.has(GeneratedSet::Bytecode) {
        let bytes = bytecode_reference::reference(root)?.into_bytes();
        outputs.push(GeneratedFile { path: bytecode_reference::REFERENCE, bytes });
    }
    if selection.has(GeneratedSet::Messages) {
        outputs.push(GeneratedFile { path: message_list::MESSAGES, bytes: message_list::list()? });
    }
    if selection.has(GeneratedSet::Client) {
        let description = client::read_description(workspace)?;
        outputs.push(GeneratedFile { path: client::CLIENT, bytes: client::client(&description)? });
        outputs.push(GeneratedFile { path: command_line::VERBS, bytes: command_line::verbs(&description)? });
    }
    if selection.has(GeneratedSet::Reference) {
        outputs.push(GeneratedFile { path: REFERENCE, bytes: client::describe(workspace, "reference")?.into_bytes() });
    }
    let mut differing = Vec::new();
    for output in &outputs {
        let path = output.path;
        let difference = output.difference(root)?;
        match (&difference, mode) {
            (None, _) => step.say(format_args!("{path}: up to date, {} bytes", output.bytes.len())),
            (Some(_), GenerateMode::Write) => {
                std::fs::write(root.join(path), &output.bytes)
                    .map_err(|source| XtaskError::File { path: path.into(), source })?;
                step.say(format_args!("{path}: written, {} bytes", output.bytes.len()));
            }
            (Some(difference), GenerateMode::Check) => {
                differing.push(format!(
                    "{path} differs from what its sources generate ({difference}); run cargo xtask generate"
                ));
            }
        }
    }
    if differing.is_empty() { Ok(()) } else { Err(XtaskError::RuleViolated(differing)) }
}

fn unicode(metadata: &Value, step: &mut StepContext) -> Result<Vec<GeneratedFile>, XtaskError> {
    let source = UnicodeSource::read(metadata)?;
    let mut outputs = vec![
        GeneratedFile { path: unicode_tables::PROPERTIES, bytes: unicode_tables::properties(&source)? },
        GeneratedFile { path: unicode_tables::CASE_MAPPINGS, bytes: unicode_tables::case_mappings(&source) },
    ];
    if char::UNICODE_VERSION == UNICODE_VERSION {
        outputs.push(GeneratedFile { path: unicode_tables::CASES, bytes: unicode_tables::text_cases() });
    } else {
        let version = |(major, minor, patch): (u8, u8, u8)| format!("{major}.{minor}.{patch}");
        let (table, toolchain) = (version(UNICODE_VERSION), version(char::UNICODE_VERSION));
        let why = format!("it has Unicode {table}, and the standard library of this toolchain has {toolchain}");
        step.skip(Skip { what: unicode_tables::CASES.into(), why });
    }
    Ok(outputs)
}

impl GeneratedFile {
    /// Describes the first difference from the committed file under `root`; `None` if they are equal.
    fn difference(&self, root: &Path) -> Result<Option<String>, XtaskError> {
        let committed = match std::fs::read(root.join(self.path)) {
            Ok(committed) => committed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some("it does not exist".into())),
            Err(source) => return Err(XtaskError::File { path: self.path.into(), source }),
        };
        if committed == self.bytes {
            return Ok(None);
        }
        let (committed_text, text) = (String::from_utf8(committed.clone()), String::from_utf8(self.bytes.clone()));
        if let (Ok(committed_text), Ok(text)) = (committed_text, text) {
            let equal = committed_text.lines().zip(text.lines()).take_while(|(a, b)| a == b).count();
            return Ok(Some(format!("first in line {}", equal + 1)));
        }
        let equal = committed.iter().zip(&self.bytes).take_while(|(a, b)| a == b).count();
        Ok(Some(match (committed.len(), self.bytes.len()) {
            (length, expected) if length == expected => format!("first in byte {equal}"),
            (length, expected) => format!("first in byte {equal}; {length} bytes instead of {expected}"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::process::ProgramCall;

    /// The root of the workspace.
    pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    /// Whether the standard library of this toolchain has the version of Unicode of the tables. If not, `test` is reported as skipped.
    pub fn has_unicode_version(test: &str) -> bool {
        let has = char::UNICODE_VERSION == UNICODE_VERSION;
        if !has {
            println!("skipped: {test}: the standard library has another version of Unicode");
        }
        has
    }

    /// The Unicode data, read once for all tests.
    pub fn unicode_source() -> &'static UnicodeSource {
        static SOURCE: OnceLock<UnicodeSource> = OnceLock::new();
        SOURCE.get_or_init(|| {
            let call = ProgramCall::cargo("metadata --format-version 1 --all-features").folder(Path::new(ROOT));
            UnicodeSource::read(&serde_json::from_str(&call.output().unwrap()).unwrap()).unwrap()
        })
    }

    #[test]
    fn difference_names_the_first_line_or_byte() {
        let folder = std::env::temp_dir().join(format!("runstate-generate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let difference = |committed: &[u8], bytes: &[u8]| {
            std::fs::write(folder.join("file"), committed).unwrap();
            GeneratedFile { path: "file", bytes: bytes.to_vec() }.difference(&folder).unwrap()
        };
        assert_eq!(difference(b"a\nb\n", b"a\nb\n"), None);
        assert_eq!(difference(b"a\nb\n", b"a\nc\n").unwrap(), "first in line 2");
        assert_eq!(difference(b"\xff\0", b"\xff\x01").unwrap(), "first in byte 1");
        assert_eq!(difference(b"\xff\0", b"\xff\x01\x02").unwrap(), "first in byte 1; 2 bytes instead of 3");
        let absent = GeneratedFile { path: "absent", bytes: Vec::new() }.difference(&folder).unwrap();
        assert_eq!(absent.unwrap(), "it does not exist");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

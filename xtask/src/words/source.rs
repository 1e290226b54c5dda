//! The files of the tree, and in each the names and the passages that a person reads.

use std::collections::HashSet;
use std::path::Path;

use super::rules::{ERROR_SNAPSHOTS, EXCLUDED, MACHINE_FOLDERS, UNTRACKED_FOLDERS};
use super::{rust, typescript};
use crate::error::XtaskError;
use crate::process::ProgramCall;

/// One file of the tree, read.
#[derive(Debug, Default)]
pub struct Source {
    /// Its path from the root of the workspace, with `/`.
    pub path: String,
    pub names: Vec<Name>,
    pub passages: Vec<Passage>,
    /// Lines with a path of one machine, each with the folder at its beginning.
    pub machine_paths: Vec<(usize, &'static str)>,
    /// Why its names could not be read. Its comments are checked all the same.
    pub syntax_error: Option<String>,
}

/// A name, where it is declared. Other identifiers are listed once, at their first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub text: String,
    pub line: usize,
    pub kind: NameKind,
}

/// The kind of thing that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    Type {
        /// It is declared under a condition: one of several versions of the same thing in a file.
        conditional: bool,
        /// The hash of what an alias is for. Equal aliases are the same thing.
        alias: Option<u64>,
    },
    Function,
    /// A function that returns its own type, as `from` does.
    Constructor,
    Constant,
    Macro,
    Module,
    /// A test in JavaScript, whose name is a sentence.
    Test,
    /// A field, a variant, a variable, or a use of any name.
    Other,
}

impl NameKind {
    /// Its noun in a message.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Type { .. } => "a type name",
            Self::Function | Self::Constructor => "a function name",
            Self::Constant => "a constant name",
            Self::Macro => "a macro name",
            Self::Module => "a module name",
            Self::Test => "a test name",
            Self::Other => "a name",
        }
    }
}

/// Text in sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Each of its lines is a line of the file.
    pub text: String,
    pub line: usize,
    pub kind: PassageKind,
}

/// Where a passage is, and with it its form: messages are plain text, all others are Markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassageKind {
    Comment,
    DocComment,
    Document,
    Message,
}

impl PassageKind {
    /// Its noun in a message.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Comment => "a comment",
            Self::DocComment => "a doc comment",
            Self::Document => "a document",
            Self::Message => "a message",
        }
    }
}

impl Source {
    /// Reads a file by the extension of its path; `None` where the vocabulary has no rules for such a file.
    pub fn read(path: &str, text: &str) -> Option<Self> {
        let (stem, extension) = path.rsplit_once('.').unwrap_or((path, ""));
        let mut source = Self { path: path.to_owned(), ..Self::default() };
        match extension {
            "rs" => rust::read(text, &mut source),
            "ts" | "tsx" | "mts" | "js" | "jsx" | "mjs" | "cjs" => typescript::read(text, &mut source),
            "md" => source.passage(text.to_owned(), 1, PassageKind::Document),
            "toml" | "sh" | "yml" | "yaml" => source.read_hash_comments(text),
            "css" => source.read_block_comments(text),
            "snap" if ERROR_SNAPSHOTS.iter().any(|word| stem.contains(word)) => source.read_snapshot(text),
            _ if text.starts_with("#!") => source.read_hash_comments(text),
            _ => return None,
        }
        let lines = text.lines().enumerate();
        source.machine_paths.extend(lines.filter_map(|(index, line)| Some((index + 1, machine_folder(line)?))));
        Some(source)
    }

    /// Adds a name that is declared here.
    pub fn name(&mut self, text: &str, line: usize, kind: NameKind) {
        self.names.push(Name { text: text.to_owned(), line, kind });
    }

    pub fn passage(&mut self, text: String, line: usize, kind: PassageKind) {
        self.passages.push(Passage { text, line, kind });
    }

    /// Adds a text literal of three words or more. `body` is its source without the quotes.
    pub fn literal(&mut self, body: &str, line: usize, kind: PassageKind, escapes: bool) {
        let words = body.split([' ', '\n']).filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 2);
        if words.count() >= 3 {
            let text = if escapes { unescape(body) } else { body.to_owned() };
            self.passage(text, line, kind);
        }
    }

    /// Adds a line comment; one that follows another on the line above continues its passage.
    pub fn line_comment(&mut self, text: &str, line: usize, kind: PassageKind, continues: bool) {
        match self.passages.last_mut() {
            Some(last) if continues && last.kind == kind => {
                last.text.push('\n');
                last.text.push_str(text);
            }
            _ => self.passage(text.to_owned(), line, kind),
        }
    }

    /// Adds a block comment, given without its marks.
    pub fn block_comment(&mut self, body: &str, line: usize, kind: PassageKind) {
        let lines: Vec<&str> =
            body.lines().map(|line| line.trim_start().trim_start_matches('*').trim_start()).collect();
        self.passage(lines.join("\n"), line, kind);
    }

    fn read_hash_comments(&mut self, text: &str) {
        let mut last = 0;
        for (index, line) in text.lines().enumerate() {
            if let Some(comment) = line.trim_start().strip_prefix('#').filter(|comment| !comment.starts_with('!')) {
                self.line_comment(comment.trim_start(), index + 1, PassageKind::Comment, last == index && index > 0);
                last = index + 1;
            }
        }
    }

    fn read_block_comments(&mut self, text: &str) {
        let mut from = 0;
        while let Some(start) = text[from..].find("/*").map(|at| from + at + 2) {
            let end = text[start..].find("*/").map_or(text.len(), |at| start + at);
            let line = 1 + text[..start].matches('\n').count();
            self.block_comment(&text[start..end], line, PassageKind::Comment);
            from = end;
        }
    }

    /// A snapshot begins with a header between two lines of dashes. Each of its lines is a message.
    fn read_snapshot(&mut self, text: &str) {
        let header = text.lines().skip(1).position(|line| line == "---").map_or(0, |at| at + 2);
        for (index, line) in text.lines().enumerate().skip(header) {
            self.passage(line.to_owned(), index + 1, PassageKind::Message);
        }
    }
}

/// The folder of one machine that a path in this line begins with.
fn machine_folder(line: &str) -> Option<&'static str> {
    let inside_a_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '~' | '}' | '>' | '$' | '*');
    let begins = |at: usize| line[at..].starts_with(':') || !line[..at].ends_with(inside_a_path);
    let is_sample = |end: usize| line[end..].starts_with("ann");
    let found = |folder: &&str| line.match_indices(*folder).any(|(at, _)| begins(at) && !is_sample(at + folder.len()));
    MACHINE_FOLDERS.iter().copied().find(found)
}

/// The files of the tree, as git lists them; without git all but those in folders that hold output.
pub fn files() -> Result<Vec<String>, XtaskError> {
    let mut paths = Vec::new();
    if ProgramCall::new("git").words("rev-parse --is-inside-work-tree").succeeds() {
        let list = ProgramCall::new("git").words("ls-files -z --cached --others --exclude-standard").output()?;
        paths.extend(list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned));
    } else {
        walk(Path::new("."), &mut paths)?;
    }
    paths.retain(|path| !EXCLUDED.iter().any(|part| path.contains(part)));
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn walk(folder: &Path, paths: &mut Vec<String>) -> Result<(), XtaskError> {
    let failed = |source| XtaskError::File { path: folder.display().to_string(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // Links are not followed: git lists none.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_file() {
            paths.push(path.strip_prefix(".").unwrap_or(&path).to_string_lossy().replace('\\', "/"));
        } else if kind.is_dir() && !UNTRACKED_FOLDERS.iter().any(|name| entry.file_name() == *name) {
            walk(&path, paths)?;
        }
    }
    Ok(())
}

/// Identifiers of a file that are listed once.
#[derive(Default)]
pub struct Identifiers<'s>(HashSet<&'s str>);

impl<'s> Identifiers<'s> {
    pub fn add(&mut self, text: &'s str, line: usize, source: &mut Source) {
        if self.0.insert(text) {
            source.name(text, line, NameKind::Other);
        }
    }
}

/// A literal as it is read, with its lines kept: an escaped line end separates paragraphs, other escapes become spaces.
fn unescape(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push(PARAGRAPH_END),
                Some('\n') => text.push('\n'),
                Some(quote @ ('\'' | '"' | '`')) => text.push(quote),
                _ => text.push(' '),
            },
            c => text.push(c),
        }
    }
    text
}

/// Separates paragraphs of a message without being a line of the file.
pub const PARAGRAPH_END: char = '\u{b}';

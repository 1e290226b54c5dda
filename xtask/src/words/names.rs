//! Checks of names: banned words, whole names that are not nouns or verbs, names of files, lengths, and types that are declared twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::rules::{
    BanIndex, BannedWord, EVERYWHERE, FILE_NAMES, FUNCTION_NAMES, IN_NAMES, MAX_TEST_NAME, NOUNS_IN_ED, STANDARD_TYPES,
    TYPE_NAMES, TYPESCRIPT_FOLDERS, name_parts,
};
use super::source::{Name, NameKind, Source};
use super::{WordFinding, WordRule};

/// The names of the whole tree, checked against each other and the rules.
pub struct NameChecker {
    anywhere: BanIndex,
    types: BanIndex,
    functions: BanIndex,
    files: BanIndex,
}

impl NameChecker {
    pub fn new() -> Self {
        Self {
            anywhere: BanIndex::new(&[EVERYWHERE, IN_NAMES]),
            types: BanIndex::new(&[TYPE_NAMES]),
            functions: BanIndex::new(&[FUNCTION_NAMES]),
            files: BanIndex::new(&[FILE_NAMES]),
        }
    }

    /// The rules that the names of these sources break.
    pub fn check(&self, sources: &[Source]) -> Vec<WordFinding> {
        let mut findings = Vec::new();
        // Declared names of TypeScript, and of Rust.
        let mut declared = [HashSet::new(), HashSet::new()];
        for source in sources {
            let names = source.names.iter().filter(|name| name.kind != NameKind::Other);
            declared[usize::from(is_rust(&source.path))].extend(names.map(|name| name.text.as_str()));
        }
        // Most identifiers are used in many files.
        let mut known: HashMap<&str, bool> = HashMap::new();
        for source in sources {
            findings.extend(self.check_file_name(&source.path));
            let declared = &declared[usize::from(is_rust(&source.path))];
            for name in &source.names {
                let mut is_banned = || {
                    let find = || !self.anywhere.find(&name_parts(&name.text), |_| true).is_empty();
                    *known.entry(&name.text).or_insert_with(find)
                };
                // A name is reported where it is declared, not where it is used.
                if name.kind != NameKind::Other || (!declared.contains(name.text.as_str()) && is_banned()) {
                    self.check_name(&source.path, name, &mut findings);
                }
            }
        }
        findings.extend(find_duplicates(sources, "the Rust workspace", is_rust));
        for folder in TYPESCRIPT_FOLDERS {
            findings.extend(find_duplicates(sources, folder, |path| path.starts_with(folder) && !is_rust(path)));
        }
        findings
    }

    fn check_name(&self, path: &str, name: &Name, findings: &mut Vec<WordFinding>) {
        let Name { text, line, kind } = name;
        let parts = name_parts(text);
        let mut push = |rule, word: &str, why: String| findings.push(WordFinding::new(rule, path, *line, word, why));
        let whole = match kind {
            NameKind::Type { alias, .. } => {
                if STANDARD_TYPES.contains(&text.as_str()) && !(alias.is_some() && text == "Result") {
                    push(
                        WordRule::StandardName,
                        text,
                        format!("the type {text} shadows the standard library: write what it is"),
                    );
                }
                let participle =
                    parts.len() == 1 && parts[0].ends_with("ed") && !NOUNS_IN_ED.contains(&parts[0].as_str());
                if participle {
                    push(
                        WordRule::TypeName,
                        text,
                        format!("\"{text}\" as a type name is a participle: write a noun for the thing"),
                    );
                }
                self.types.find_whole(&parts).filter(|_| !participle).map(|word| (WordRule::TypeName, word))
            }
            NameKind::Constructor if text == "of" => None,
            NameKind::Function | NameKind::Constructor => {
                self.functions.find_whole(&parts).map(|word| (WordRule::FunctionName, word))
            }
            NameKind::Module => self.files.find_whole(&parts).map(|word| (WordRule::FileName, word)),
            NameKind::Constant | NameKind::Macro | NameKind::Test | NameKind::Other => None,
        };
        let banned = self.anywhere.find(&parts, |_| true);
        if let Some((rule, word)) = whole.filter(|_| banned.is_empty()) {
            push(rule, text, format!("\"{text}\" as {}: write {}", kind.noun(), word.instead));
        }
        for word in banned {
            push(
                WordRule::Name,
                text,
                format!("\"{}\" in {} `{text}`: write {}", word.words, kind.noun(), word.instead),
            );
        }
        let length = text.chars().count();
        if length > MAX_TEST_NAME && matches!(kind, NameKind::Function | NameKind::Constructor | NameKind::Test) {
            push(WordRule::TestName, text, format!("`{text}` has {length} characters: at most {MAX_TEST_NAME}"));
        }
    }

    fn check_file_name(&self, path: &str) -> Vec<WordFinding> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.split('.').next().unwrap_or(file);
        let parts = name_parts(stem);
        let mut banned = self.anywhere.find(&parts, |_| true);
        banned.extend(self.files.find_whole(&parts).filter(|_| banned.is_empty()));
        // The name of a snapshot is made of a test's name, which is checked.
        banned.retain(|_| !file.ends_with(".snap"));
        let finding = |word: BannedWord| {
            let why = format!("\"{}\" in a file name: write {}", word.words, word.instead);
            WordFinding::new(WordRule::FileName, path, 0, &word.words, why)
        };
        banned.into_iter().map(finding).collect()
    }
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

/// Where a type is declared.
struct TypeDeclaration<'s> {
    path: &'s str,
    line: usize,
    alias: Option<u64>,
    /// It may be one of several declarations of the same thing in its file.
    merges: bool,
}

/// Types with the same name. Equal aliases are the same thing, and so are versions of a type under conditions in one file and merged
/// declarations in TypeScript.
fn find_duplicates(sources: &[Source], part: &str, includes: impl Fn(&str) -> bool) -> Vec<WordFinding> {
    let mut types: BTreeMap<&str, Vec<TypeDeclaration<'_>>> = BTreeMap::new();
    for source in sources.iter().filter(|source| includes(&source.path)) {
        for Name { text, line, kind } in &source.names {
            let NameKind::Type { conditional, alias } = *kind else { continue };
            if alias.is_some() && text == "Result" {
                continue;
            }
            let merges = conditional || !is_rust(&source.path);
            let same_types = types.entry(text).or_default();
            let is_same = |other: &TypeDeclaration| {
                (alias.is_some() && alias == other.alias) || (source.path == other.path && merges && other.merges)
            };
            if !same_types.iter().any(is_same) {
                same_types.push(TypeDeclaration { path: &source.path, line: *line, alias, merges });
            }
        }
    }
    let mut findings = Vec::new();
    for (name, declarations) in types {
        let [TypeDeclaration { path, line, .. }, others @ ..] = declarations.as_slice() else { continue };
        if !others.is_empty() {
            let others: Vec<String> = others.iter().map(|other| format!("{}:{}", other.path, other.line)).collect();
            let why = format!(
                "the type {name} is declared again in {part}, in {}: give each thing its own name",
                others.join(", ")
            );
            findings.push(WordFinding::new(WordRule::DuplicateType, path, *line, name, why));
        }
    }
    findings
}

//! The vocabulary of the project: `cargo xtask words` checks names, sentences and commit subjects. The rules are in `rules.rs`,
//! the exceptions in `exceptions.rs`.

mod exceptions;
mod names;
mod rules;
mod rust;
mod sentences;
mod source;
#[cfg(test)]
mod tests;
mod typescript;

use std::fmt;

use exceptions::{EXCEPTIONS, WordException};
use names::NameChecker;
use rules::{COMMITS_SINCE, MAX_SENTENCE_WORDS, MAX_SUBJECT};
use sentences::SentenceChecker;
use source::{Passage, PassageKind, Source};

use super::report::StepContext;
use crate::error::XtaskError;
use crate::process::ProgramCall;

/// A rule of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WordRule {
    Name,
    TypeName,
    FunctionName,
    FileName,
    StandardName,
    DuplicateType,
    TestName,
    Sentence,
    SentenceStart,
    MachinePath,
    Commit,
    Exception,
    Syntax,
}

impl WordRule {
    /// The heading of its findings.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name => "banned words in names",
            Self::TypeName => "type names that are not nouns",
            Self::FunctionName => "function names that are not verbs",
            Self::FileName => "file names",
            Self::StandardName => "types that shadow the standard library",
            Self::DuplicateType => "types declared more than once",
            Self::TestName => "long test names",
            Self::Sentence => "banned words in sentences",
            Self::SentenceStart => "sentences with `who` or `what` as the subject",
            Self::MachinePath => "paths of one machine",
            Self::Commit => "commit subjects",
            Self::Exception => "exceptions that match nothing",
            Self::Syntax => "files that cannot be parsed",
        }
    }
}

/// One violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WordFinding {
    pub rule: WordRule,
    /// The path of the file, or the start of a commit's hash.
    pub path: String,
    /// Line 0 is the file or commit as a whole.
    pub line: usize,
    /// The name, type, banned word or hash that an exception can list.
    pub word: String,
    pub message: String,
}

impl WordFinding {
    pub fn new(rule: WordRule, path: &str, line: usize, word: &str, message: String) -> Self {
        Self { rule, path: path.to_owned(), line, word: word.to_owned(), message }
    }
}

impl fmt::Display for WordFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks the tree, and prints the findings by rule.
pub fn run(verbose: bool, step: &mut StepContext) -> Result<(), XtaskError> {
    let mut sources = Vec::new();
    let paths = source::files()?;
    step.say(format_args!("{} files", paths.len()));
    for path in paths {
        // A listed file may have been removed, or may not be text.
        if let Ok(text) = std::fs::read_to_string(&path) {
            sources.extend(Source::read(&path, &text));
        }
    }
    let commits = match read_commits()? {
        Ok(commits) => commits,
        Err(why) => {
            step.say(format_args!("commit subjects are skipped: {why}"));
            Vec::new()
        }
    };
    let mut sentences = SentenceChecker::new();
    let findings = check(&sources, &commits, EXCEPTIONS, &mut sentences);
    step.say(format_args!(
        "{} files checked, {} commits, {} exceptions",
        sources.len(),
        commits.len(),
        EXCEPTIONS.len()
    ));
    if verbose {
        step.say(format_args!("{} sentences have more than {MAX_SENTENCE_WORDS} words", sentences.long));
    }
    print(findings, step)
}

/// A text of three words or more that a person may read.
pub struct Message {
    /// The path of its file.
    pub path: String,
    pub text: String,
}

/// The messages of the sources whose path is accepted, without those of unit tests, in the order of paths and lines.
pub fn messages(is_accepted: fn(&str) -> bool) -> Result<Vec<Message>, XtaskError> {
    let mut messages = Vec::new();
    for path in source::files()?.into_iter().filter(|path| is_accepted(path)) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Some(source) = Source::read(&path, &text) else { continue };
        let shipped_lines = 1 + text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().matches('\n').count();
        let shipped = source.passages.into_iter().filter(|passage| passage.kind == PassageKind::Message);
        let shipped = shipped.filter(|passage| passage.line <= shipped_lines);
        messages.extend(shipped.map(|passage| Message { path: path.clone(), text: passage.text }));
    }
    Ok(messages)
}

/// All findings, by rule and place.
fn check(
    sources: &[Source],
    commits: &[(String, String)],
    exceptions: &[WordException],
    sentences: &mut SentenceChecker,
) -> Vec<WordFinding> {
    let mut findings = NameChecker::new().check(sources);
    for source in sources {
        findings.extend(source.passages.iter().flat_map(|passage| sentences.check(&source.path, passage)));
        findings.extend(source.machine_paths.iter().map(|(line, folder)| {
            let why = format!("`{folder}…` is a path of one machine");
            WordFinding::new(WordRule::MachinePath, &source.path, *line, folder, why)
        }));
        findings.extend(
            source.syntax_error.iter().map(|why| WordFinding::new(WordRule::Syntax, &source.path, 0, "", why.clone())),
        );
    }
    findings.extend(commits.iter().flat_map(|(hash, subject)| check_commit(hash, subject, sentences)));
    let mut findings = exceptions::apply(exceptions, findings);
    findings.sort();
    findings.dedup();
    findings
}

/// Prints sorted findings, and fails if there is any.
fn print(findings: Vec<WordFinding>, step: &mut StepContext) -> Result<(), XtaskError> {
    let mut counts = Vec::new();
    for group in findings.chunk_by(|one, next| one.rule == next.rule) {
        let title = group[0].rule.title();
        step.say(format_args!("{title} ({}):", group.len()));
        for finding in group {
            step.say(format_args!("  {finding}"));
        }
        counts.push(format!("{} {title}", group.len()));
    }
    if counts.is_empty() {
        return Ok(());
    }
    Err(XtaskError::RuleViolated(vec![format!(
        "{}; replace them, or list an exception with its reason",
        counts.join(", ")
    )]))
}

/// The subjects of the commits after the base, each with its hash; or why they cannot be read.
fn read_commits() -> Result<Result<Vec<(String, String)>, String>, XtaskError> {
    let git = |words: &str| ProgramCall::new("git").words(words);
    if !git("rev-parse --is-inside-work-tree").succeeds() {
        return Ok(Err("there is no git history".to_owned()));
    }
    if !git("merge-base --is-ancestor").arg(COMMITS_SINCE).arg("HEAD").succeeds() {
        return Ok(Err(format!("the history does not hold commit {COMMITS_SINCE}")));
    }
    let log = git("log --no-merges --abbrev=12 --format=%h%x09%s").arg(&format!("{COMMITS_SINCE}..HEAD")).output()?;
    let commits = log.lines().filter_map(|line| line.split_once('\t'));
    Ok(Ok(commits.map(|(hash, subject)| (hash.to_owned(), subject.to_owned())).collect()))
}

/// The rules that the subject of a commit breaks.
fn check_commit(hash: &str, subject: &str, sentences: &mut SentenceChecker) -> Vec<WordFinding> {
    let finding = |why: String| WordFinding::new(WordRule::Commit, hash, 0, hash, format!("{why}: \"{subject}\""));
    let passage = Passage { text: subject.to_owned(), line: 0, kind: PassageKind::Message };
    let mut findings = sentences.check(hash, &passage);
    let length = subject.chars().count();
    if length > MAX_SUBJECT {
        findings.push(finding(format!("the subject has {length} characters, and may have {MAX_SUBJECT}")));
    }
    let area = subject.split_once(": ").filter(|(_, thought)| !thought.is_empty()).map(|(area, _)| area);
    let named = |area: &str| area.split(", ").all(|part| !part.is_empty() && !part.contains(char::is_whitespace));
    if !area.is_some_and(named) {
        findings.push(finding("the subject does not begin with an area, as `store/mongodb: `".to_owned()));
    }
    findings
}

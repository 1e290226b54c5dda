//! Exceptions from the rules, each with its reason. An exception that matches nothing is a finding itself.

use super::{WordFinding, WordRule};

/// One exception.
#[derive(Debug)]
pub struct WordException {
    /// A file, a folder (with `/` at its end) or a commit; empty for all.
    pub path: &'static str,
    /// The whole name or type, or in a sentence or file name the banned word; empty for all.
    pub word: &'static str,
    /// Why the rule does not hold here.
    pub reason: &'static str,
}

/// The file with the list.
const FILE: &str = "xtask/src/words/exceptions.rs";

/// All exceptions.
pub const EXCEPTIONS: &[WordException] = &[
    WordException {
        path: "",
        word: "woken",
        reason: "a JSON member of the due report, which the package's users read",
    },
    WordException { path: "", word: "thing", reason: "a JSON member of a change, which the package's users read" },
    WordException {
        path: "",
        word: "things",
        reason: "a public option and parameter, which the package's users write",
    },
    WordException {
        path: "src/client/answer.rs",
        word: "by",
        reason: "the option of an answer, in Rust, JavaScript and on the command line",
    },
    WordException { path: "benches/heartbeats.rs", word: "UsageWho", reason: "a type of the crate nix" },
    WordException { path: "cli/tests/cli/hostile_programs.rs", word: "UsageWho", reason: "a type of the crate nix" },
    WordException { path: "tests/language/programs/", word: "who", reason: "a program whose printed text is compared" },
    WordException {
        path: "tests/language/programs/",
        word: "patient",
        reason: "a program whose printed text is compared",
    },
    WordException {
        path: "tests/language/programs/",
        word: "over",
        reason: "a program whose printed text is compared",
    },
    WordException {
        path: "tests/language/programs/",
        word: "Named",
        reason: "a program whose printed text is compared",
    },
    WordException { path: "src/store/file/tests/faults.rs", word: "faults", reason: "the file injects faults" },
    WordException { path: "tests/store_mongodb/faults.rs", word: "faults", reason: "the file injects faults" },
    WordException {
        path: "src/engine/host/native.rs",
        word: "SystemHost",
        reason: "one of two versions of one type: each target has its own file",
    },
    WordException {
        path: "cli/src/session.rs",
        word: "Session",
        reason: "an open store in the command line; the domain has the word of its specification",
    },
    WordException {
        path: "crates/vm/src/machine.rs",
        word: "Machine",
        reason: "the machine of programs; the one of src/domain/orchestration is a host, by the word of its specification",
    },
    WordException {
        path: "src/domain/orchestration/task/mod.rs",
        word: "Task",
        reason: "a document, by the word of its specification; the task of a worker is in src/work",
    },
];

impl WordException {
    fn matches(&self, finding: &WordFinding) -> bool {
        let path = self.path.is_empty()
            || if self.path.ends_with('/') { finding.path.starts_with(self.path) } else { finding.path == self.path };
        path && (self.word.is_empty() || finding.word == self.word)
    }

    /// Whether it has a reason, and a path or a word.
    fn is_complete(&self) -> bool {
        let has_place = !self.path.is_empty() || !self.word.is_empty();
        has_place && !self.reason.trim().is_empty()
    }
}

/// Removes the findings that are excepted, and adds one for each exception that matches none or gives no reason.
pub fn apply(exceptions: &[WordException], mut findings: Vec<WordFinding>) -> Vec<WordFinding> {
    let mut wrong = Vec::new();
    for exception in exceptions {
        let WordException { path, word, .. } = exception;
        let mut push = |why: &str| {
            wrong.push(WordFinding::new(
                WordRule::Exception,
                FILE,
                0,
                word,
                format!("the exception for path \"{path}\" and word \"{word}\" {why}"),
            ));
        };
        if !exception.is_complete() {
            push("needs a reason, and a path or a word");
        } else if !findings.iter().any(|finding| exception.matches(finding)) {
            push("matches nothing: remove it");
        }
    }
    findings
        .retain(|finding| !exceptions.iter().any(|exception| exception.is_complete() && exception.matches(finding)));
    findings.extend(wrong);
    findings
}

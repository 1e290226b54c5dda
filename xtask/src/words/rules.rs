//! The rules of the vocabulary: banned words with their replacements, limits, and the files that are not checked.
//!
//! A row holds banned words, separated by `|`, and the replacement to suggest. A word of several parts (`goes on`) matches these parts
//! in a row: `goes on` in a sentence, `run_goes_on` and `runGoesOn` in a name.

use std::collections::HashMap;

/// Banned words, separated by `|`, and the suggested replacement.
pub type BanRow = (&'static str, &'static str);

/// Banned in names and in sentences.
pub const EVERYWHERE: &[BanRow] = &[
    ("told|tells", "report, return, print or send"),
    ("stands|stood", "is, exists or status"),
    ("goes on|go on|going on|went on", "continue or resume"),
    ("gives way|give way|giving way|gave way", "yield or back off"),
    ("somebody|nobody|nobodys", "a process, a caller, a reader, none or never"),
    ("whoever", "the caller, a worker or a process"),
    ("manyth", "number, index or ordinal"),
    ("courtesy", "contention or backoff request"),
    ("illness", "read-only reason"),
    ("gravity|graver", "severity"),
    ("aloud", "redact or unredacted"),
    ("turnover", "migration or replacement"),
    ("afterlife|lifeline", "the name of the thing that is shown"),
];

/// Banned in names only: in a sentence these words may be right.
pub const IN_NAMES: &[BanRow] = &[
    ("came|quietly", "replayed, outcome or silent"),
    ("tell|telling|teller|tellers", "report, record or notify"),
    ("hear|hears|heard|heed", "observe, receive or listen"),
    ("lent", "borrowed"),
    ("glance|glances", "poll or progress"),
    ("pane|panes|wish|wishes|wished", "deferred read or prefetch"),
    ("crowd|crowded", "contention"),
    ("thing|things", "the kind of thing: item, subject, document"),
    ("island|islands", "orphan"),
    ("unfit|misfit|misfits", "error, invalid or rejected"),
    ("woken|awoken|still due", "due"),
    ("standing", "status, state or legacy"),
    ("stretch|stretches", "slice or range"),
    ("deed|deeds", "action or command"),
    ("pulse", "poller"),
    ("patience|patient|patiently", "timeout or retry limit"),
    ("who", "caller, worker, writer or owner"),
    ("his", "the owner's role"),
    ("somewhere|wherever", "the place that is meant"),
    ("said|saying", "print, output or message"),
    ("to go|is as|much checked", "the field's term"),
    ("asks for absence", "reads missing documents"),
    ("sign in|signs in|signed in", "check the schema fingerprint"),
    ("illnesses|doubted", "read-only reason"),
    ("stir|stirs|stirred|stroll", "wait, run or walk"),
];

/// Banned in sentences only.
pub const IN_SENTENCES: &[BanRow] = &[("again and again", "repeatedly"), ("fixme", "the limit, or its issue")];

/// A sentence must not begin with one of these words, unless it is a question.
pub const SENTENCE_STARTS: &[&str] = &["who", "whoever", "what", "whatever"];

/// `is no` is right before a comparative; `there is no` is right too.
pub const AFTER_IS_NO: &[&str] = &[
    "better", "earlier", "faster", "fewer", "greater", "larger", "later", "less", "longer", "more", "newer", "older",
    "shorter", "slower", "smaller", "worse",
];

/// Banned as a whole type name. A name of one word that ends in `ed` is banned as well: it is a participle.
pub const TYPE_NAMES: &[BanRow] = &[
    ("place|places", "Position, Location, Cursor or Path"),
    ("from|of|by|on|to|within|without|until|since|before|behind|up to|upon|over|under|out", "a noun for the thing"),
    ("who|what|which|when|where|why|this|that|these|those|there|here|then|such|is", "a noun for the thing"),
    ("all|another|any|each|few|many|one|other|others|own|ours|same|several|some|only", "a noun for the thing"),
    ("again|asleep|early|later|live|near|past|quick|restless|together|warm|whole", "a noun for the thing"),
    ("told|found|given|kept|written|seen|came|lent|held|known|sent|taken|bent|begun|broken", "a noun for the thing"),
    ("done|gone|left|lost|made|meant|met|put|ran|said|shown|stood|thrown|woken|awoken", "a noun for the thing"),
    ("adding|asking|calling|changing|checking|claiming|deciding|ending|exporting|failing", "a noun for the thing"),
    ("gathering|judging|keeping|leading|looking|making|moving|opening|passing|reading|resting", "a noun for the thing"),
    ("running|saying|searching|serving|sorting|starting|stopping|sweeping|taking|telling", "a noun for the thing"),
    ("waiting|walking|working|writing|yielding", "a noun for the thing"),
    ("ask|look|raise|stops|treat|unpark|wake|wish|prepare", "a noun for the thing"),
    ("happened|reached|standing|stands|resting|rested|glance", "an event, a status or an outcome"),
    ("lines|spread|thing|things|trouble|turn|turns|way|ways|words|worth|pace|fate", "the field's term"),
];

/// One-word types that end in `ed` and are nouns.
pub const NOUNS_IN_ED: &[&str] = &["feed", "seed", "speed", "bed", "need", "embed", "shed", "red"];

/// Types of the standard library that a type must not shadow. An alias `type Result<T>` is idiomatic and allowed.
pub const STANDARD_TYPES: &[&str] = &[
    "Box", "Clone", "Copy", "Debug", "Default", "Display", "Drop", "Eq", "Fn", "From", "Hash", "HashMap", "HashSet",
    "Into", "Iterator", "Option", "Ord", "Ordering", "Rc", "Arc", "Result", "Send", "String", "Sync", "Vec",
];

/// Banned as a whole function name. `of` is right in a constructor.
pub const FUNCTION_NAMES: &[BanRow] = &[
    (
        "again|asked|look|looks|hear|tell|told|go on|take over|give way|stands|stand|standing",
        "a verb that names one operation",
    ),
    (
        "of|by|over|under|beside|behind|among|against|above|between|through|until|unless",
        "a verb that names one operation",
    ),
    (
        "who|what|which|whose|why|whatever|this|these|there|here|theirs|ours|others|another",
        "a verb that names one operation",
    ),
    (
        "alike|aloud|ahead|aside|alone|backwards|briefly|meanwhile|onward|otherwise|patiently",
        "a verb that names one operation",
    ),
    ("plainly|quietly|soon|together|well|somewhere|nobody|something|courtesy", "a verb that names one operation"),
    (
        "begun|came|gone|given|heard|held|kept|known|lent|lost|made|meant|met|said|saw|seen|shown",
        "a verb that names one operation",
    ),
    ("spoken|stood|taken|thrown|took|went|woken|written|wrong", "a verb that names one operation"),
    ("asking|saying|standing|telling|waiting|walking|watching|writing", "a verb that names one operation"),
    (
        "attend|heed|illness|judge|meddle|obedient|patience|place|places|sift|stir|stroll|truth|trouble|wish",
        "the field's term",
    ),
];

/// Banned as a whole name of a file or module: a file is named after the noun it defines.
pub const FILE_NAMES: &[BanRow] = &[
    (
        "again|ahead|alike|early|each|few|here|later|live|quick|same|several|small|there|together|twice|warm|whole",
        "the noun",
    ),
    (
        "asked|bounded|changed|carried|damaged|filled|given|granted|halved|kept|known|masked|named|offered|opened",
        "the noun",
    ),
    (
        "overtaken|pushed|replaced|rested|seen|slimmed|staged|taken|told|thrown|timed|traced|waited|watched|written",
        "the noun",
    ),
    ("asking|carrying|cleaning|compiling|loading|moving|serving|waiting|walking", "the noun"),
    ("ask|attend|close|judge|raise|sift|stir|walk|unwind", "the noun"),
    (
        "courtesy|crowd|facts|faults|fence|glance|holds|islands|look|moment|place|pulse|span|standing|turns",
        "the field's term",
    ),
    ("afterlife|lifeline|salvage|halves|plain|defect", "the field's term"),
];

/// The longest name of a function or test.
pub const MAX_TEST_NAME: usize = 70;

/// The longest subject of a commit.
pub const MAX_SUBJECT: usize = 72;

/// The longest sentence, in words. Longer ones are counted, not refused.
pub const MAX_SENTENCE_WORDS: usize = 25;

/// The commit after which subjects are checked.
pub const COMMITS_SINCE: &str = "5f1929bc0b6fa22e95d0446eca572a189caab8d2";

/// Folders of one machine, which no file names. Home folders in samples belong to the user `ann`.
pub const MACHINE_FOLDERS: &[&str] = &["/home/", "/Users/", ":\\Users\\", "/root/", "/work/"];

/// Folders that are not walked where git does not list the files.
pub const UNTRACKED_FOLDERS: &[&str] = &[".git", "target", "node_modules", "dist", "build"];

/// A path with one of these parts is not checked: fixtures, generated and vendored files, and the tables and tests of these rules.
pub const EXCLUDED: &[&str] = &[
    "tests/fixtures/",
    "node_modules/",
    "/dist/",
    "pkg/src/generated.ts",
    "pkg/src/cli-generated.ts",
    "test262/",
    "xtask/src/words/rules.rs",
    "xtask/src/words/exceptions.rs",
    "xtask/src/words/tests.rs",
];

/// A snapshot with one of these words in its path holds error messages. Other snapshots are not checked.
pub const ERROR_SNAPSHOTS: &[&str] =
    &["error", "rejected", "refused", "bad_input", "wrong_use", "explained", "message"];

/// Folders with sources in TypeScript, in each of which a type is declared once.
pub const TYPESCRIPT_FOLDERS: &[&str] = &["pkg/src/", "www/src/"];

/// A table of the rules, ready to be searched.
#[derive(Default)]
pub struct BanIndex {
    /// By its first part: all parts, and the suggestion.
    rows: HashMap<&'static str, Vec<(Vec<&'static str>, &'static str)>>,
}

/// A banned word that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannedWord {
    pub words: String,
    pub instead: &'static str,
    /// Where it begins, and how many parts it has.
    pub at: usize,
    pub len: usize,
}

impl BanIndex {
    pub fn new(tables: &[&[BanRow]]) -> Self {
        let mut index = Self::default();
        for (words, instead) in tables.iter().copied().flatten() {
            for word in words.split('|') {
                let parts: Vec<&str> = word.split(' ').collect();
                if let Some(first) = parts.first() {
                    index.rows.entry(first).or_default().push((parts, instead));
                }
            }
        }
        index
    }

    /// The banned words within `parts`, from the left. `joined(i)` is whether part `i` directly follows the previous one.
    pub fn find(&self, parts: &[String], joined: impl Fn(usize) -> bool) -> Vec<BannedWord> {
        let mut found = Vec::new();
        for at in 0..parts.len() {
            for (words, instead) in self.rows.get(parts[at].as_str()).into_iter().flatten() {
                let matches = parts[at..].starts_with_words(words) && (at + 1..at + words.len()).all(&joined);
                if matches {
                    found.push(BannedWord { words: words.join(" "), instead, at, len: words.len() });
                }
            }
        }
        found
    }

    /// The banned word that is exactly these parts.
    pub fn find_whole(&self, parts: &[String]) -> Option<BannedWord> {
        self.find(parts, |_| true).into_iter().find(|word| word.at == 0 && word.len == parts.len())
    }
}

trait StartsWithWords {
    fn starts_with_words(&self, words: &[&str]) -> bool;
}

impl StartsWithWords for [String] {
    fn starts_with_words(&self, words: &[&str]) -> bool {
        self.len() >= words.len() && self.iter().zip(words).all(|(part, word)| part == word)
    }
}

/// The parts of a name in lower case: `runGoesOn`, `run_goes_on` and `run-goes-on` have the same three.
pub fn name_parts(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut parts = vec![String::new()];
    for (at, &c) in chars.iter().enumerate() {
        let separator = !c.is_alphanumeric();
        let after_lower = at > 0 && (chars[at - 1].is_lowercase() || chars[at - 1].is_numeric());
        let before_lower = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        let begins = c.is_uppercase() && (after_lower || (before_lower && at > 0 && chars[at - 1].is_uppercase()));
        if separator || begins {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut().filter(|_| !separator) {
            last.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

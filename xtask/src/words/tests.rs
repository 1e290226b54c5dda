//! Each rule finds what breaks it, and nothing else.

use super::WordRule;
use super::exceptions::WordException;
use super::rules::name_parts;
use super::sentences::SentenceChecker;
use super::source::Source;

/// The findings in files and commits: the rule, the place and the word.
fn found(files: &[(&str, &str)], subjects: &[&str], exceptions: &[WordException]) -> Vec<(WordRule, String, String)> {
    let sources: Vec<Source> = files.iter().filter_map(|(path, text)| Source::read(path, text)).collect();
    assert_eq!(sources.len(), files.len(), "each file has rules");
    let commits: Vec<(String, String)> = subjects.iter().map(|subject| ("5f1929b".into(), (*subject).into())).collect();
    let findings = super::check(&sources, &commits, exceptions, &mut SentenceChecker::new());
    findings
        .into_iter()
        .map(|finding| (finding.rule, format!("{}:{}", finding.path, finding.line), finding.word))
        .collect()
}

/// One planted example: a file, its text, and the only finding.
type Planted = (&'static str, &'static str, (WordRule, usize, &'static str));

const PLANTED: &[Planted] = &[
    // Banned words in names.
    ("a.rs", "\nstruct WorkerTold;", (WordRule::Name, 2, "WorkerTold")),
    ("a.rs", "enum Kind {\n    BaseStands,\n}", (WordRule::Name, 2, "BaseStands")),
    ("a.rs", "struct Row {\n    /// Its number.\n    how_manyth: u32,\n}", (WordRule::Name, 3, "how_manyth")),
    ("a.rs", "fn run_goes_on() {}", (WordRule::Name, 1, "run_goes_on")),
    ("a.rs", "const GAVE_WAY: u32 = 1;", (WordRule::Name, 1, "GAVE_WAY")),
    ("a.rs", "macro_rules! tell { () => {} }", (WordRule::Name, 1, "tell")),
    ("a.rs", "fn run() {\n    let heard = 1;\n    drop(heard);\n}", (WordRule::Name, 2, "heard")),
    (
        "a.rs",
        "mod tests {\n    #[test]\n    fn whoever_loses_waits() {}\n}",
        (WordRule::Name, 3, "whoever_loses_waits"),
    ),
    (
        "a.rs",
        "macro_rules! define {\n    ($name:ident) => { fn nobody_reads() {} };\n}",
        (WordRule::Name, 2, "nobody_reads"),
    ),
    ("a.ts", "export interface ToldCall { id: string }", (WordRule::Name, 1, "ToldCall")),
    ("a.tsx", "const call = {\n  isLent: true,\n};\nexport { call };", (WordRule::Name, 2, "isLent")),
    ("a.mjs", "class Feed { #courtesy = 1; }", (WordRule::Name, 1, "courtesy")),
    ("a.mjs", "test('who answers last wins', () => {});", (WordRule::Name, 1, "who answers last wins")),
    // Whole names.
    ("a.rs", "pub struct Of<'a>(&'a str);", (WordRule::TypeName, 1, "Of")),
    ("a.rs", "pub type Place = u64;", (WordRule::TypeName, 1, "Place")),
    ("a.rs", "pub enum Carried {}", (WordRule::TypeName, 1, "Carried")),
    ("a.ts", "type Given = string;", (WordRule::TypeName, 1, "Given")),
    ("a.rs", "impl Log { fn again(&self) {} }", (WordRule::FunctionName, 1, "again")),
    ("a.rs", "fn of(name: &str) -> u32 { 1 }", (WordRule::FunctionName, 1, "of")),
    ("a.ts", "const of = (name: string) => name;", (WordRule::FunctionName, 1, "of")),
    ("src/quick.rs", "struct FastPath;", (WordRule::FileName, 0, "quick")),
    ("pkg/src/worker-told.ts", "", (WordRule::FileName, 0, "told")),
    ("a.rs", "mod written {\n}", (WordRule::FileName, 1, "written")),
    ("a.rs", "enum Ordering {}", (WordRule::StandardName, 1, "Ordering")),
    ("a.rs", "struct A;\n#[cfg(test)]\nmod tests {\n    struct A;\n}", (WordRule::DuplicateType, 1, "A")),
    (
        "a.rs",
        LONG_TEST,
        (WordRule::TestName, 2, "a_test_with_a_name_that_is_much_longer_than_the_seventy_characters_of_the_rule"),
    ),
    // Paths.
    ("a.rs", "\nconst A: &str = \"/home/bob/store\";", (WordRule::MachinePath, 2, "/home/")),
    ("a.rs", "// file:/work/x", (WordRule::MachinePath, 1, "/work/")),
    ("a.ts", "// at C:\\Users\\x", (WordRule::MachinePath, 1, ":\\Users\\")),
    ("a.sh", "ls /root/.cargo", (WordRule::MachinePath, 1, "/root/")),
    // Sentences.
    ("a.rs", "// FIXME later", (WordRule::Sentence, 1, "fixme")),
    ("a.rs", "// The call\n// stands in the log.", (WordRule::Sentence, 2, "stands")),
    ("a.rs", "let a = 1; // somebody reads it", (WordRule::Sentence, 1, "somebody")),
    ("a.rs", "/// A row.\n///\n/// - It tells the\n///   result.\nstruct A;", (WordRule::Sentence, 3, "tells")),
    ("a.rs", "/** A row.\n * It goes\n * on. */\nstruct A;", (WordRule::Sentence, 2, "goes on")),
    ("a.rs", "#[error(\"{url} is no store URL\")]\nstruct A;", (WordRule::Sentence, 1, "is no")),
    ("a.rs", "fn a() { print(\"one line\\ntold by the worker\") }", (WordRule::Sentence, 1, "told")),
    ("a.rs", "const A: &str = \"the first line \\\n    nobody reads\";", (WordRule::Sentence, 2, "nobody")),
    ("a.rs", "const A: &str = r#\"\nit gives way\"#;", (WordRule::Sentence, 2, "gives way")),
    ("a.rs", "/// The row. What a worker\n/// reports.\nstruct A;", (WordRule::SentenceStart, 1, "what")),
    ("a.rs", "// who commits first\n// wins.", (WordRule::SentenceStart, 1, "who")),
    ("a.ts", "/** The state.\n * Whoever waits reads it. */\nconst a = 1;", (WordRule::Sentence, 2, "whoever")),
    ("a.ts", "const a = `${b} is told ${c} again`;", (WordRule::Sentence, 1, "told")),
    ("a.tsx", "const a = (\n  <p>\n    The run goes on later\n  </p>\n);", (WordRule::Sentence, 3, "goes on")),
    ("README.md", "# Runs\n\n| a | b |\n|---|---|\n| it stands | c |\n", (WordRule::Sentence, 5, "stands")),
    ("README.md", "How-many and\nhow-manyth.\n", (WordRule::Sentence, 2, "manyth")),
    ("Cargo.toml", "# A feature that\n# nobody uses.\n[features]", (WordRule::Sentence, 2, "nobody")),
    ("a.css", "a { b: c; }\n/* It stands\n * above. */", (WordRule::Sentence, 2, "stands")),
    ("snapshots/errors.snap", "---\nsource: told\n---\n`x` is no number", (WordRule::Sentence, 4, "is no")),
];

const LONG_TEST: &str =
    "#[test]\nfn a_test_with_a_name_that_is_much_longer_than_the_seventy_characters_of_the_rule() {}";

#[test]
fn each_planted_example_is_the_only_finding() {
    for (path, text, (rule, line, word)) in PLANTED {
        let mut findings = found(&[(path, text)], &[], &[]);
        // `Whoever` breaks two rules.
        findings.retain(|finding| *word != "whoever" || finding.0 != WordRule::SentenceStart);
        assert_eq!(findings, [(*rule, format!("{path}:{line}"), (*word).to_owned())], "{text}");
    }
}

const GOOD: &[(&str, &str)] = &[
    (
        "src/retry.rs",
        "//! Retries. `told` and [`Told`] are code.\n\npub struct Backoff { attempt: u32 }\nimpl Backoff { fn of(n: u32) -> Self { Self { attempt: n } } }",
    ),
    (
        "src/clock.rs",
        "/// Is it due? There is no rule. It is no longer due.\n///\n/// ```\n/// told();\n/// ```\npub type Result<T> = std::result::Result<T, StoreError>;",
    ),
    ("src/seed.rs", "pub struct Feed;\nimpl Reader for Feed { type From = u8; fn look(&self) -> *const u8 { x } }"),
    (
        "src/host.rs",
        "#[cfg(unix)]\nstruct Host;\n#[cfg(windows)]\nstruct Host;\nfn f() -> impl Iterator<Item = u8> { \"What is it?\"; \"told\"; 'a'; }",
    ),
    ("src/scan.rs", "const ASK: &str = \"What do you see?\";\nconst CODE: &str = \"write `told` and {told} here\";"),
    (
        "pkg/src/a.ts",
        "export class Page { static of(a: string): Page { return new Page(); } }\ndeclare global { interface Window { x: string } }",
    ),
    (
        "www/src/b.ts",
        "interface Page { items: string[] }\ninterface Window { a: string }\nconst place = 1; export { place };",
    ),
    (
        "docs/a.md",
        "# Why it works\n\nThe `told` file.\n\n```\nwho goes on\n```\n\n    what stands\n\nWhat is a call? A request.\n",
    ),
    ("a.rs", "// ~/work/x, fixtures/work/x, file:./data, /tmp, /home/ann/store and /home"),
    ("examples/told.json.snap", "---\nsource: x\n---\n"),
];

#[test]
fn good_examples_have_no_finding() {
    // The snapshot is not one of errors, so it has no rules.
    let files = &GOOD[..GOOD.len() - 1];
    assert_eq!(found(files, &["store/mongodb, cli: retry commits after a failover"], &[]), []);
    assert!(Source::read(GOOD[GOOD.len() - 1].0, GOOD[GOOD.len() - 1].1).is_none());
}

#[test]
fn types_are_declared_once_in_a_workspace_and_in_a_package() {
    let rust = [("src/a.rs", "struct Page;"), ("cli/src/b.rs", "enum Page {}")];
    assert_eq!(found(&rust, &[], &[]), [(WordRule::DuplicateType, "src/a.rs:1".into(), "Page".into())]);
    let aliases = [("a.rs", "type BoxError = Box<dyn Error>;"), ("b.rs", "type BoxError = Box<dyn Error>;")];
    assert_eq!(found(&aliases, &[], &[]), []);
    let package =
        [("pkg/src/a.ts", "class Page {}"), ("pkg/src/b.ts", "type Page = 1;"), ("www/src/a.ts", "class Page {}")];
    assert_eq!(found(&package, &[], &[]), [(WordRule::DuplicateType, "pkg/src/a.ts:1".into(), "Page".into())]);
}

#[test]
fn commit_subjects_are_short_and_name_their_area() {
    let long = format!("store: {}", "x".repeat(66));
    for subject in [&long, "retry commits", "a thought: two", "store: ", ": x"] {
        assert_eq!(
            found(&[], &[subject], &[]),
            [(WordRule::Commit, "5f1929b:0".into(), "5f1929b".into())],
            "{subject}"
        );
    }
    assert_eq!(
        found(&[], &["cli: report what is told"], &[]),
        [(WordRule::Sentence, "5f1929b:0".into(), "told".into())]
    );
}

#[test]
fn an_exception_removes_its_findings_and_must_match_one() {
    let file = [("src/a.rs", "struct Told;\n// It stands.")];
    let exception = |path, word, reason| WordException { path, word, reason };
    let told = (WordRule::Name, "src/a.rs:1".to_owned(), "Told".to_owned());
    let stands = (WordRule::Sentence, "src/a.rs:2".to_owned(), "stands".to_owned());
    let both = [told.clone(), stands.clone()];
    for (path, word, left) in [("src/a.rs", "stands", &both[..1]), ("src/", "Told", &both[1..]), ("src/a.rs", "", &[])]
    {
        assert_eq!(found(&file, &[], &[exception(path, word, "a quotation")]), left);
    }
    for stale in [exception("src/b.rs", "told", "r"), exception("", "told", " "), exception("", "", "all")] {
        let wrong = (WordRule::Exception, "xtask/src/words/exceptions.rs:0".to_owned(), stale.word.to_owned());
        assert_eq!(found(&file, &[], &[stale]), [told.clone(), stands.clone(), wrong]);
    }
}

#[test]
fn names_are_split_at_case_and_marks() {
    for (name, parts) in [
        ("how_manyth", ["how", "manyth"].as_slice()),
        ("HTTPServer2x", &["http", "server2x"]),
        ("GAVE_WAY", &["gave", "way"]),
        ("#readPage", &["read", "page"]),
        ("call-dot", &["call", "dot"]),
    ] {
        assert_eq!(name_parts(name), parts, "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_parsed_is_named() {
    let findings = found(&[("a.ts", "class {{{")], &[], &[]);
    assert_eq!(findings.iter().map(|finding| finding.0).collect::<Vec<_>>(), [WordRule::Syntax]);
}

//! The language compared with Node. The programs of `language/programs` and generated ones run in the machine and in one Node
//! process. They must print the same lines, make the same calls and end the same way. The same programs also run with saves and
//! restores every few instructions.
#![cfg(feature = "compiler")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "language/async_generator.rs"]
mod async_generator;
#[path = "language/program_generator.rs"]
mod program_generator;
#[path = "language/runner.rs"]
mod runner;
#[path = "language/value_generator.rs"]
mod value_generator;

use runner::{LanguageCase, LanguageEnd, LanguageOutcome};

fn load_cases() -> Vec<LanguageCase> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/language/programs");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for part in text.split("//// ").skip(1) {
            let (head, body) = part.split_once('\n').unwrap_or((part, ""));
            match (head.split_once(": "), cases.last_mut()) {
                (Some(("answers", json)), Some(LanguageCase { answers, source, .. })) => {
                    *answers = serde_json::from_str(json).unwrap();
                    source.push_str(body);
                }
                (Some(("input", json)), Some(LanguageCase { input, source, .. })) => {
                    *input = serde_json::from_str(json).unwrap();
                    source.push_str(body);
                }
                (None, Some(LanguageCase { node_source: node, .. })) if head == "node" => *node = Some(body.to_owned()),
                _ => cases.push(LanguageCase {
                    name: format!("{stem}: {head}"),
                    source: body.to_owned(),
                    ..LanguageCase::default()
                }),
            }
        }
    }
    cases
}

/// Compares all cases with Node, and reports all differences at once. `excuses` accepts a difference. Returns the number of equal
/// cases.
fn compare(test: &str, cases: &[LanguageCase], excuses: impl Fn(&LanguageOutcome, &LanguageOutcome) -> bool) -> usize {
    let Some(expected) = runner::run_in_node(cases) else {
        println!("skipped: language::{test}: there is no node on this machine");
        assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
        return cases.len();
    };
    let (mut wrong, mut same) = (Vec::new(), 0);
    for (case, expected) in cases.iter().zip(&expected) {
        let found = runner::run_in_machine(case);
        if found == *expected {
            same += 1;
        } else if !excuses(expected, &found) {
            wrong.push(difference(case, expected, &found));
        }
    }
    let shown: Vec<&str> = wrong.iter().take(12).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} of {} programs differ from Node\n{}", wrong.len(), cases.len(), shown.join("\n"));
    same
}

/// A program may be refused, or end where only promises could continue. The lines before must be the same.
fn is_refusal(expected: &LanguageOutcome, found: &LanguageOutcome) -> bool {
    match &found.end {
        LanguageEnd::Refused(_) => true,
        LanguageEnd::Failed(message) => {
            message.starts_with("UnsupportedError") && expected.lines.starts_with(&found.lines)
        }
        LanguageEnd::Complete(_) => false,
    }
}

/// Limits are tighter than in Node. The lines before must be the same.
fn is_earlier_stop(expected: &LanguageOutcome, found: &LanguageOutcome) -> bool {
    let limit = matches!(&found.end, LanguageEnd::Failed(message) if message.starts_with("LimitError"));
    limit && expected.lines.starts_with(&found.lines)
}

fn difference(case: &LanguageCase, expected: &LanguageOutcome, found: &LanguageOutcome) -> String {
    let at = expected.lines.iter().zip(&found.lines).position(|(a, b)| a != b);
    let at = at.unwrap_or(expected.lines.len().min(found.lines.len()));
    let line = |outcome: &LanguageOutcome| {
        outcome.lines.get(at).cloned().unwrap_or_else(|| format!("(end) {:?}", outcome.end))
    };
    let shown = std::env::var_os("RUNSTATE_SHOW").is_some();
    let source = if shown { case.source.as_str() } else { "(RUNSTATE_SHOW=1 shows the source)" };
    format!("--- {} line {}\n  node: {}\n  here: {}\n{source}", case.name, at + 1, line(expected), line(found))
}

#[test]
fn programs_behave_as_in_node() {
    compare("programs_behave_as_in_node", &load_cases(), is_earlier_stop);
}

#[test]
fn generated_programs_behave_as_in_node() {
    let seed = seed();
    let cases: Vec<LanguageCase> = (0..1_500u64)
        .map(|number| LanguageCase {
            name: format!("seed {seed} program {number}"),
            source: program_generator::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            answers: vec!["a".into(), "7".into(), String::new()],
            ..LanguageCase::default()
        })
        .collect();
    compare("generated_programs_behave_as_in_node", &cases, is_earlier_stop);
}

#[test]
fn generated_async_programs_behave_as_in_node_or_are_rejected() {
    let seed = seed();
    let cases: Vec<LanguageCase> = (0..600u64)
        .map(|number| LanguageCase {
            name: format!("seed {seed} async program {number}"),
            source: async_generator::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            ..LanguageCase::default()
        })
        .collect();
    let same = compare("generated_async_programs_behave_as_in_node_or_are_rejected", &cases, is_refusal);
    assert!(same > cases.len() / 5, "only {same} of {} programs equal Node", cases.len());
}

fn seed() -> u64 {
    let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261);
    println!("seed {seed} (RUNSTATE_SEED=… runs others)");
    seed
}

#[test]
fn console_log_prints_what_node_prints() {
    let seed = seed();
    let cases: Vec<LanguageCase> = (0..400u64)
        .map(|number| LanguageCase {
            name: format!("seed {seed} values {number}"),
            source: value_generator::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            ..LanguageCase::default()
        })
        .collect();
    compare("console_log_prints_what_node_prints", &cases, is_earlier_stop);
}

#[test]
fn program_saved_and_restored_anywhere_behaves_the_same() {
    for case in load_cases() {
        let whole = runner::run_in_machine(&case);
        if matches!(whole.end, LanguageEnd::Refused(_)) {
            continue;
        }
        // About 70 and 19 stops per program. Their positions differ between programs, so stops occur at all kinds of instructions.
        for fuel in [whole.instructions / 70 + 1, whole.instructions / 19 + 2] {
            let parts = runner::run_in_slices(&case, fuel);
            assert_eq!((&parts.lines, &parts.end), (&whole.lines, &whole.end), "{} in parts of {fuel}", case.name);
        }
    }
}

#[test]
fn limit_error_names_its_limit_and_cannot_be_caught() {
    let cases = [
        ("for (;;) {}", "instruction"),
        ("let s = 'x'; for (;;) s = s + s", "string length"),
        ("const f = () => f() + 1; f()", "call depth"),
        ("const l = []; for (;;) l.push({})", "heap"),
        ("for (;;) console.log('a line of output')", "output"),
        (
            "let o = 1; for (let n = 0; n < 3; n++) { const p = {}; for (let i = 0; i < 300; i++) p['k' + i] = o; o = p } console.log(o)",
            "heap",
        ),
    ];
    for (source, limit) in cases {
        let source =
            format!("try {{ {source} }} catch (e) {{ console.log('caught', e) }} finally {{ console.log('finally') }}");
        let case = LanguageCase { name: limit.to_owned(), source, ..LanguageCase::default() };
        let outcome = runner::run_with_limits(&case);
        let LanguageEnd::Failed(message) = &outcome.end else { panic!("{limit}: {:?}", outcome.end) };
        assert!(message.starts_with("LimitError") && message.contains(limit), "{limit}: {message}");
        assert!(!outcome.lines.iter().any(|line| line.contains("caught") || line == "finally"), "{limit} was caught");
    }
}

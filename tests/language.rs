//! What programs mean, against Node: every program of `language/programs`, and generated ones, run here and in one Node
//! process, and must print the same lines, ask the same questions and end the same way. Then the same programs again,
//! stopped, saved and restored at every few instructions.
#![cfg(feature = "compiler")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "language/asynchronous.rs"]
mod asynchronous;
#[path = "language/generate.rs"]
mod generate;
#[path = "language/run.rs"]
mod run;
#[path = "language/values.rs"]
mod values;

use run::{Case, Ending, Outcome};

fn table() -> Vec<Case> {
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
                (Some(("answers", json)), Some(Case { answers, source, .. })) => {
                    *answers = serde_json::from_str(json).unwrap();
                    source.push_str(body);
                }
                (Some(("input", json)), Some(Case { input, source, .. })) => {
                    *input = serde_json::from_str(json).unwrap();
                    source.push_str(body);
                }
                (None, Some(Case { node, .. })) if head == "node" => *node = Some(body.to_owned()),
                _ => cases.push(Case { name: format!("{stem}: {head}"), source: body.to_owned(), ..Case::default() }),
            }
        }
    }
    cases
}

/// Compares all cases with Node and reports every difference at once. `excuses` says which are none. Gives how many are the same.
fn compare(test: &str, cases: &[Case], excuses: impl Fn(&Outcome, &Outcome) -> bool) -> usize {
    let Some(expected) = run::node(cases) else {
        println!("skipped: language::{test}: there is no node on this machine");
        assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
        return cases.len();
    };
    let (mut wrong, mut same) = (Vec::new(), 0);
    for (case, expected) in cases.iter().zip(&expected) {
        let found = run::here(case);
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

/// A program may be refused, or end where only promises lead on: what came before must be the same.
fn refused(expected: &Outcome, found: &Outcome) -> bool {
    match &found.ending {
        Ending::Refused(_) => true,
        Ending::Failed(message) => message.starts_with("UnsupportedError") && expected.lines.starts_with(&found.lines),
        Ending::Complete(_) => false,
    }
}

/// Limits are tighter here than in Node: what came before must be the same.
fn stopped_earlier(expected: &Outcome, found: &Outcome) -> bool {
    let limit = matches!(&found.ending, Ending::Failed(message) if message.starts_with("LimitError"));
    limit && expected.lines.starts_with(&found.lines)
}

fn difference(case: &Case, expected: &Outcome, found: &Outcome) -> String {
    let at = expected.lines.iter().zip(&found.lines).position(|(a, b)| a != b);
    let at = at.unwrap_or(expected.lines.len().min(found.lines.len()));
    let line =
        |outcome: &Outcome| outcome.lines.get(at).cloned().unwrap_or_else(|| format!("(end) {:?}", outcome.ending));
    let shown = std::env::var_os("RUNSTATE_SHOW").is_some();
    let source = if shown { case.source.as_str() } else { "(RUNSTATE_SHOW=1 shows the source)" };
    format!("--- {} line {}\n  node: {}\n  here: {}\n{source}", case.name, at + 1, line(expected), line(found))
}

#[test]
fn programs_mean_what_node_means() {
    compare("programs_mean_what_node_means", &table(), stopped_earlier);
}

#[test]
fn generated_programs_mean_what_node_means() {
    let seed = seed();
    let cases: Vec<Case> = (0..1_500u64)
        .map(|number| Case {
            name: format!("seed {seed} program {number}"),
            source: generate::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            answers: vec!["a".into(), "7".into(), String::new()],
            ..Case::default()
        })
        .collect();
    compare("generated_programs_mean_what_node_means", &cases, stopped_earlier);
}

#[test]
fn generated_async_programs_mean_what_node_means_or_are_refused() {
    let seed = seed();
    let cases: Vec<Case> = (0..600u64)
        .map(|number| Case {
            name: format!("seed {seed} async program {number}"),
            source: asynchronous::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            ..Case::default()
        })
        .collect();
    let same = compare("generated_async_programs_mean_what_node_means_or_are_refused", &cases, refused);
    assert!(same > cases.len() / 5, "only {same} of {} programs are not refused", cases.len());
}

fn seed() -> u64 {
    let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261);
    println!("seed {seed} (RUNSTATE_SEED=… runs others)");
    seed
}

#[test]
fn console_log_prints_what_node_prints() {
    let seed = seed();
    let cases: Vec<Case> = (0..400u64)
        .map(|number| Case {
            name: format!("seed {seed} values {number}"),
            source: values::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            ..Case::default()
        })
        .collect();
    compare("console_log_prints_what_node_prints", &cases, stopped_earlier);
}

#[test]
fn a_program_stopped_anywhere_goes_on_as_if_it_had_not() {
    for case in table() {
        let whole = run::here(&case);
        if matches!(whole.ending, Ending::Refused(_)) {
            continue;
        }
        // Some 70 stops each: where they fall differs from program to program, so that all kinds of places are met.
        for fuel in [whole.instructions / 70 + 1, whole.instructions / 19 + 2] {
            let parts = run::in_parts(&case, fuel);
            assert_eq!(
                (&parts.lines, &parts.ending),
                (&whole.lines, &whole.ending),
                "{} in parts of {fuel}",
                case.name
            );
        }
    }
}

#[test]
fn a_limit_names_itself_and_cannot_be_caught() {
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
        let case = Case { name: limit.to_owned(), source, ..Case::default() };
        let outcome = run::limited(&case);
        let Ending::Failed(message) = &outcome.ending else { panic!("{limit}: {:?}", outcome.ending) };
        assert!(message.starts_with("LimitError") && message.contains(limit), "{limit}: {message}");
        assert!(!outcome.lines.iter().any(|line| line.contains("caught") || line == "finally"), "{limit} was caught");
    }
}

//! The language compared with Node. The programs of `language/programs` and generated ones run in the machine and in
//! one Node process. They must print the same lines, make the same calls and end the same way. The same programs also
//! run with saves and restores every few instructions.

mod async_generator;
mod date_generator;
mod hostile;
mod hostile_generator;
mod program_generator;
mod shrink;
mod value_generator;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use runstate::lang;
use runstate::time::Timestamp;
use runstate::vm::globals::{FUNCTIONS, METHODS};
use runstate::vm::op::Op;
use runstate::vm::{
    CallRecord, CallRequest, Instruction, Limits, Machine, MachineSnapshot, PendingCall, Reply, StopReason,
    TurnContext, VerifiedProgram,
};
use serde_json::{Value as Json, json};

use crate::settings::{is_full_run, seed};

/// The number of generated programs in the short and in the long form. Each run of the gate has another seed.
fn cases([short, full]: [u64; 2]) -> u64 {
    if is_full_run() { full } else { short }
}

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
                (Some(("order", seed)), Some(LanguageCase { order, source, .. })) => {
                    *order = Some(seed.trim().parse().unwrap());
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

/// Compares all cases with Node, and reports all differences at once, the first one also shrunk. `excuses` accepts a
/// difference. Returns the number of equal cases.
fn compare(test: &str, cases: &[LanguageCase], excuses: impl Fn(&LanguageOutcome, &LanguageOutcome) -> bool) -> usize {
    let (mut differences, mut first, mut same, mut too_long) = (Vec::new(), None, 0, 0);
    for part in cases.chunks(PROGRAMS_OF_A_PROCESS) {
        let Some(expected) = run_in_node(part) else {
            println!("skipped: language::{test}: there is no node on this machine");
            assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
            return cases.len();
        };
        for (case, expected) in part.iter().zip(&expected) {
            let Some((expected, took)) = expected else {
                println!("{}: not compared, it runs in Node for more than {MOST_TIME_IN_NODE:?}", case.name);
                too_long += 1;
                continue;
            };
            let is_long = *took > LONGEST_IN_NODE;
            let found = run_in_machine(case, if is_long { MOST_INSTRUCTIONS / 100 } else { MOST_INSTRUCTIONS });
            let is_beginning = is_long && found.end == does_not_end() && expected.lines.starts_with(&found.lines);
            if found == *expected {
                same += 1;
            } else if !is_beginning && !excuses(expected, &found) {
                differences.push(difference(case, expected, &found));
                // The text for Node of a program with types is another one.
                first = first.or(case.node_source.is_none().then_some(case));
            }
        }
    }
    assert!(too_long <= cases.len().div_ceil(100), "{too_long} of {} programs are not compared", cases.len());
    let mut shown: Vec<&str> = differences.iter().take(12).map(String::as_str).collect();
    let shrunk = first.map(|case| shrink(case, &excuses)).unwrap_or_default();
    shown.push(&shrunk);
    assert!(
        differences.is_empty(),
        "{} of {} programs differ from Node\n{}",
        differences.len(),
        cases.len(),
        shown.join("\n")
    );
    same
}

/// The lines of a program that are enough to make it differ from Node. Only a program that compiles, and that ends
/// here, also runs in Node.
fn shrink(case: &LanguageCase, excuses: impl Fn(&LanguageOutcome, &LanguageOutcome) -> bool) -> String {
    let with = |source: &String| LanguageCase { source: source.clone(), node_source: None, ..case.clone() };
    let fails = |sources: &[String]| {
        let found: Vec<_> =
            sources.iter().map(|source| run_in_machine(&with(source), MOST_INSTRUCTIONS / 1_000)).collect();
        let ends =
            |found: &&LanguageOutcome| !matches!(found.end, LanguageEnd::Refused(_)) && found.end != does_not_end();
        let ending: Vec<LanguageCase> =
            sources.iter().zip(&found).filter(|(_, found)| ends(found)).map(|(source, _)| with(source)).collect();
        let mut expected = run_in_node(&ending).unwrap_or_default().into_iter();
        let differs = |found: &LanguageOutcome| {
            ends(&found) && expected.next().flatten().is_some_and(|(one, _)| one != *found && !excuses(&one, found))
        };
        found.iter().map(differs).collect()
    };
    format!("--- {} in its smallest form\n{}", case.name, shrink::shrink_lines(&case.source, fails))
}

/// Limits are tighter than in Node. The lines before must be the same.
fn is_earlier_stop(expected: &LanguageOutcome, found: &LanguageOutcome) -> bool {
    let limit = matches!(&found.end, LanguageEnd::Failed(message) if message.contains(" limit reached: "));
    limit && expected.lines.starts_with(&found.lines)
}

/// A program that has settled its result leaves out the calls whose answers change nothing any more. Node makes them.
fn leaves_out_calls(expected: &LanguageOutcome, found: &LanguageOutcome) -> bool {
    let mut rest = found.lines.iter().peekable();
    let mut is_settled = false;
    let is_excused = |line: &String| {
        let is_equal = rest.next_if_eq(&line).is_some();
        is_settled |= is_equal && line == SETTLED;
        is_equal || (is_settled && line.starts_with("CC "))
    };
    expected.end == found.end && expected.lines.iter().all(is_excused) && rest.next().is_none()
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

/// The last step of the recipe in CONTRIBUTING.md. What `console.time` prints differs in each run.
#[test]
fn every_built_in_occurs_in_a_program() {
    let programs: String = load_cases().into_iter().map(|case| case.source).collect();
    let ends = |rest: &str| !rest.starts_with(char::is_alphanumeric);
    let occurs = |name: &str| programs.match_indices(name).any(|(at, _)| ends(&programs[at + name.len()..]));
    let methods = METHODS.iter().flat_map(|(_, names)| names.iter().map(|name| format!(".{name}")));
    let mut missing: Vec<String> = FUNCTIONS.iter().map(|name| (*name).to_owned()).chain(methods).collect();
    missing.retain(|name| !occurs(name) && !name.starts_with("console.time"));
    assert_eq!(missing, Vec::<String>::new(), "no program calls them");
}

/// The programs of `authors`, with the text that Node runs.
fn load_programs_of_authors() -> Vec<LanguageCase> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/authors");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|extension| extension == "ts")).collect();
    files.sort();
    let sources: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let stripped = run_script("strip.mjs", &json!(sources));
    let stripped: Vec<String> = serde_json::from_value(stripped.expect("Node is installed")).unwrap();
    let case = |((file, source), stripped): ((&PathBuf, String), String)| {
        let answers = source.lines().next().and_then(|line| line.strip_prefix("// answers: "));
        LanguageCase {
            name: file.file_stem().unwrap().to_string_lossy().into_owned(),
            answers: answers.map_or_else(Vec::new, |json| serde_json::from_str(json).unwrap()),
            node_source: Some(stripped),
            source,
            ..LanguageCase::default()
        }
    };
    files.iter().zip(sources).zip(stripped).map(case).collect()
}

/// Programs as authors write them, without knowing what stays out: each behaves as in Node, or says what it needs.
#[test]
fn programs_of_authors_run_or_say_what_they_need() {
    let mut refused = String::new();
    let (mut equal, mut cases) = (Vec::new(), load_programs_of_authors());
    for case in cases.drain(..) {
        match run_in_machine(&case, MOST_INSTRUCTIONS).end {
            LanguageEnd::Refused(reason) => writeln!(refused, "{}: {reason}", case.name).unwrap(),
            LanguageEnd::Failed(reason) if reason.starts_with("UnsupportedError") => {
                writeln!(refused, "{}: {reason}", case.name).unwrap();
            }
            _ => equal.push(case),
        }
    }
    compare("programs_of_authors_run_or_say_what_they_need", &equal, |_, _| false);
    insta::assert_snapshot!(refused);
}

#[test]
fn generated_programs_behave_as_in_node() {
    let seed = seed();
    let cases: Vec<LanguageCase> = (0..cases([400, 2_500]))
        .map(|number| LanguageCase {
            name: format!("seed {seed} program {number}"),
            source: program_generator::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            answers: vec!["a".into(), "7".into(), "".into()],
            ..LanguageCase::default()
        })
        .collect();
    compare("generated_programs_behave_as_in_node", &cases, is_earlier_stop);
}

#[test]
fn generated_async_programs_behave_as_in_node() {
    let seed = seed();
    let cases: Vec<LanguageCase> = (0..cases([500, 2_500]))
        .map(|number| LanguageCase {
            name: format!("seed {seed} async program {number}"),
            source: async_generator::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            answers: vec!["a".into(), "!CallError: no".into(), "7".into()],
            order: u32::try_from(number).ok(),
            ..LanguageCase::default()
        })
        .collect();
    let excuses = |expected: &LanguageOutcome, found: &LanguageOutcome| {
        is_earlier_stop(expected, found) || leaves_out_calls(expected, found)
    };
    let same = compare("generated_async_programs_behave_as_in_node", &cases, excuses);
    assert!(same > cases.len() * 9 / 10, "only {same} of {} programs equal Node", cases.len());
}

#[test]
fn console_log_prints_what_node_prints() {
    let seed = seed();
    let cases: Vec<LanguageCase> = (0..cases([60, 500]))
        .map(|number| LanguageCase {
            name: format!("seed {seed} values {number}"),
            source: value_generator::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            ..LanguageCase::default()
        })
        .collect();
    compare("console_log_prints_what_node_prints", &cases, is_earlier_stop);
}

#[test]
fn dates_behave_as_in_node() {
    let seed = seed();
    let cases: Vec<LanguageCase> = (0..cases([25, 150]))
        .map(|number| LanguageCase {
            name: format!("seed {seed} dates {number}"),
            source: date_generator::program(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            ..LanguageCase::default()
        })
        .collect();
    compare("dates_behave_as_in_node", &cases, is_earlier_stop);
}

/// All choices of forms for the fields of a date and of a time, except those that are refused.
#[test]
fn dates_for_en_us_match_node_over_a_grid_of_options() {
    // The short form has two of the dates, others with each seed.
    let mut dates =
        ["0", "Date.UTC(2024, 2, 5, 15, 4, 9)", "Date.UTC(1905, 11, 31, 0, 40, 30)", "Date.UTC(12024, 8, 18, 12)"];
    dates.rotate_left((seed() % 4) as usize);
    let dates = dates[..if is_full_run() { 4 } else { 2 }].join(", ");
    let prelude = format!("const dates = [{dates}].map((time) => new Date(time));
const texts = (options) => console.log(JSON.stringify(options), dates.map((date) => [date.toLocaleString('en-US', options), date.toLocaleDateString(undefined, options), date.toLocaleTimeString([], options)].join(' | ')).join(' ! '));
const digits = [undefined, 'numeric', '2-digit'], names = [undefined, 'long', 'short', 'narrow'], months = ['numeric', '2-digit', 'long', 'short', 'narrow'];
");
    let dates = "for (const weekday of names) for (const year of digits) for (const month of [undefined, ...months]) for (const day of digits) {
  const full = month !== undefined && day !== undefined, count = [weekday, year, month, day].filter((x) => x !== undefined).length;
  if (full || count === 1 || (weekday === undefined && month !== undefined) || (year === undefined && month === undefined)) ";
    let sources = [
        format!("{dates}texts({{ weekday, year, month, day }}); }}"),
        format!("{dates}for (const zone of ['short', 'long']) texts({{ day, month, year, weekday, timeZoneName: zone, timeZone: 'utc' }}); }}"),
        format!("{dates}for (const hour12 of [undefined, false]) texts({{ weekday, year, month, day, hour12, hour: 'numeric', minute: '2-digit' }}); }}"),
        format!("{dates}texts({{ weekday, year, month, day, hour: '2-digit' }}); }}"),
        "for (const hour of digits) for (const minute of digits) for (const second of digits) for (const cycle of [{}, { hour12: true }, { hour12: false }, { hourCycle: 'h11' }, { hourCycle: 'h12' }, { hourCycle: 'h23' }, { hourCycle: 'h24' }, { hourCycle: 'h23', hour12: true }]) for (const timeZoneName of [undefined, 'short', 'long']) for (const weekday of [undefined, 'short']) {
  if (hour && (second || timeZoneName) && !minute) continue;
  texts({ weekday, hour, minute, second, ...cycle, timeZoneName });
}".to_owned(),
        "const styles = [undefined, 'full', 'long', 'medium', 'short']; for (const dateStyle of styles) for (const timeStyle of styles) for (const hour12 of [undefined, true, false]) for (const date of dates) {
  console.log(date.toLocaleString('en-US', { dateStyle, timeStyle, hour12 }));
  if (!timeStyle) console.log(date.toLocaleDateString('en-US', { dateStyle, hour12 }));
  if (!dateStyle) console.log(date.toLocaleTimeString('en-US', { timeStyle, hour12 }));
}".to_owned(),
    ];
    let case = |source| LanguageCase { source: format!("{prelude}{source}"), ..LanguageCase::default() };
    compare("dates_for_en_us_match_node_over_a_grid_of_options", &sources.map(case), |_, _| false);
}

#[test]
fn program_saved_and_restored_anywhere_behaves_the_same() {
    let (mut single_stops, turn) = (0, seed());
    for (number, case) in (0..).zip(load_cases()) {
        let unsliced = run_in_machine(&case, MOST_INSTRUCTIONS);
        if matches!(unsliced.end, LanguageEnd::Refused(_)) {
            continue;
        }
        // After every instruction; a long program about 70 and 19 times. Positions differ between programs. In the
        // short form three of four programs, others with each seed, are interrupted about 11 times.
        let is_rare = !is_full_run() && !turn.wrapping_add(number).is_multiple_of(4);
        let is_short = !is_rare && unsliced.instructions <= if is_full_run() { 600 } else { 150 };
        single_stops += usize::from(is_short);
        for fuel in match (is_short, is_rare) {
            (true, _) => vec![1],
            (_, true) => vec![unsliced.instructions / 11 + 1],
            _ => vec![unsliced.instructions / 70 + 1, unsliced.instructions / 19 + 2],
        } {
            let parts = run_in_slices(&case, fuel);
            assert_eq!(
                (&parts.lines, &parts.end),
                (&unsliced.lines, &unsliced.end),
                "{} in parts of {fuel}",
                case.name
            );
        }
    }
    assert!(
        single_stops >= if is_full_run() { 400 } else { 90 },
        "{single_stops} programs were interrupted after every instruction"
    );
    println!("{single_stops} programs were interrupted after every instruction");
}

#[test]
fn limit_error_names_its_limit_and_the_machine_enforces_its_own() {
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
        let outcome = run_with_limits(&case);
        if matches!(limit, "string length" | "call depth") {
            let is_caught =
                outcome.lines.first().is_some_and(|line| line.starts_with(&format!("caught RangeError: {limit}")));
            assert!(is_caught && outcome.lines.last().is_some_and(|line| line == "finally"), "{limit}: {outcome:?}");
            continue;
        }
        let LanguageEnd::Failed(message) = &outcome.end else { panic!("{limit}: {:?}", outcome.end) };
        assert!(message.starts_with("LimitError") && message.contains(limit), "{limit}: {message}");
        assert!(!outcome.lines.iter().any(|line| line.contains("caught") || line == "finally"), "{limit} was caught");
    }
}

/// A program with its input and answers.
#[derive(Clone, Debug, Default)]
struct LanguageCase {
    name: String,
    source: String,
    /// The program without types, if it has some. Node runs this text.
    node_source: Option<String>,
    input: Json,
    answers: Vec<Json>,
    /// The seed of the order in which open calls are answered. Without a seed, the oldest call is answered first.
    order: Option<u32>,
}

/// The last line of a program with an order of answers. From then on the oldest call is answered first, and has no
/// answer of its own, so that the calls that only Node makes change nothing for the others.
const SETTLED: &str = "settled";

impl LanguageCase {
    /// The program with the line that shows when it settles.
    fn with_end(&self, source: &str) -> String {
        let end = self.order.map_or_else(String::new, |_| format!("\nconsole.log('{SETTLED}');"));
        format!("{source}{end}")
    }
}

/// Chooses the open call that is answered next, as the program for Node does.
struct AnswerOrder {
    order: Option<u32>,
    /// The numbers of all calls, in the order of their lines.
    shown: Vec<u64>,
}

impl AnswerOrder {
    fn choose<'a>(&self, calls: &'a [PendingCall], is_settled: bool) -> Option<&'a PendingCall> {
        let Some(order) = self.order.filter(|_| !is_settled) else { return calls.first() };
        let place = |call: &PendingCall| self.shown.iter().position(|number| *number == call.number);
        let rank = |place: usize| (order ^ place as u32).wrapping_mul(2_654_435_761);
        calls.iter().min_by_key(|call| place(call).map(rank))
    }
}

/// The outcome of a program.
#[derive(Debug)]
struct LanguageOutcome {
    lines: Vec<String>,
    end: LanguageEnd,
    instructions: u64,
}

impl PartialEq for LanguageOutcome {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines && self.end == other.end
    }
}

#[derive(Debug, PartialEq)]
enum LanguageEnd {
    Complete(Json),
    Failed(String),
    Refused(String),
}

const TURN: TurnContext = TurnContext { now_ms: 1_790_000_000_000 };

/// Instructions after which a program counts as one that does not end.
const MOST_INSTRUCTIONS: u64 = 200_000_000;

/// A generated program may double a text in nested loops. One that takes Node longer than this takes the unoptimized
/// machine many minutes, so only its beginning is compared.
const LONGEST_IN_NODE: Duration = Duration::from_secs(4);

/// A generated program may also search a text of hundreds of millions of units for each of them. The machine ends it at
/// the limit of a text, and Node goes on for minutes. It is ended, and nothing of it is compared.
const MOST_TIME_IN_NODE: Duration = Duration::from_secs(20);

/// A process of Node keeps what its programs leave behind.
const PROGRAMS_OF_A_PROCESS: usize = 500;

/// Runs all cases in Node, each with the time that it took, `None` for one that takes too long. Returns `None` if there
/// is no Node.
fn run_in_node(cases: &[LanguageCase]) -> Option<Vec<Option<(LanguageOutcome, Duration)>>> {
    let mut outcomes = Vec::new();
    while outcomes.len() < cases.len() {
        let list: Vec<Json> = cases[outcomes.len()..]
            .iter()
            .map(|case| {
                let source = case.with_end(case.node_source.as_ref().unwrap_or(&case.source));
                json!({ "source": source, "opened": opened_calls(&source), "input": case.input, "answers": case.answers, "order": case.order })
            })
            .collect();
        let mut node = start_script("node.mjs", &json!(list))?;
        let stdout = BufReader::new(node.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || stdout.lines().try_for_each(|line| sender.send(line.unwrap())));
        for _ in 0..list.len() {
            match receiver.recv_timeout(MOST_TIME_IN_NODE) {
                Ok(line) => {
                    let json: Json = serde_json::from_str(&line).unwrap();
                    let took = Duration::from_secs_f64(json["ms"].as_f64().unwrap() / 1_000.0);
                    outcomes.push(Some((parse_outcome(&json), took)));
                }
                Err(RecvTimeoutError::Timeout) => {
                    node.kill().unwrap();
                    outcomes.push(None);
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => panic!("node.mjs: {}", node.wait().unwrap()),
            }
        }
        node.wait().unwrap();
    }
    Some(outcomes)
}

/// The calls of a program that give promises: line, column, and whether the promise is awaited at once.
fn opened_calls(source: &str) -> Vec<(u32, u32, bool)> {
    let bytecode = lang::compile("case.ts", source).map(|compiled| compiled.bytecode).unwrap_or_default();
    let is = |instruction: &Instruction, op: Op| instruction.op == u64::from(op.code());
    let mut calls: Vec<(u32, u32, bool)> = bytecode
        .iter()
        .enumerate()
        // A function of a tool has no line, and is a promise in Node too.
        .filter(|(_, one)| is(one, Op::Open) && one.line > 0)
        .map(|(at, one)| {
            let is_awaited = bytecode.get(at + 1).is_some_and(|next| is(next, Op::Await));
            (one.line, one.column.unwrap_or_default(), is_awaited)
        })
        .collect();
    calls.sort_unstable();
    calls.dedup();
    calls
}

/// Runs a script of the folder in Node, from JSON to JSON. Returns `None` if there is no Node.
fn run_script(name: &str, input: &Json) -> Option<Json> {
    let output = start_script(name, input)?.wait_with_output().unwrap();
    Some(serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {}, {error}", output.status)))
}

/// Starts a script of the folder in Node with its input. Returns `None` if there is no Node.
fn start_script(name: &str, input: &Json) -> Option<Child> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language").join(name);
    let mut node = Command::new("node");
    let mut child = node.env("TZ", "UTC").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let text = input.to_string();
    // A script that fails closes its input; its error says more.
    std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    Some(child)
}

fn parse_outcome(json: &Json) -> LanguageOutcome {
    let lines = json["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    let ending = match json.get("error") {
        Some(error) => LanguageEnd::Failed(error.as_str().unwrap().to_owned()),
        None => LanguageEnd::Complete(json["result"].clone()),
    };
    LanguageOutcome { lines, end: ending, instructions: 0 }
}

/// Runs a program without saving it.
fn run_in_machine(case: &LanguageCase, most: u64) -> LanguageOutcome {
    let program = match compile(case) {
        Ok(program) => program,
        Err(refused) => return refused,
    };
    let mut machine = match Machine::start(program, &case.input, [7; 32], Limits::default()) {
        Ok(machine) => machine,
        Err(failure) => panic!("{}: {failure:?}", case.name),
    };
    drive(&mut machine, case, most / 4, most, |_| None)
}

/// Runs a program in slices of `fuel` instructions. After each slice the machine is saved, restored, and saved again to
/// the same bytes.
fn run_in_slices(case: &LanguageCase, fuel: u64) -> LanguageOutcome {
    let Ok(program) = compile(case) else { panic!("{} compiled before", case.name) };
    let mut machine = Machine::start(Arc::clone(&program), &case.input, [7; 32], Limits::default()).unwrap();
    drive(&mut machine, case, fuel, MOST_INSTRUCTIONS, |machine| Some(save_and_restore(machine, &program, &case.name)))
}

/// Returns the text over which the state hash is computed.
fn state_text(machine: &Machine) -> String {
    let mut text = String::new();
    machine.write_state(&mut text);
    text
}

fn save_and_restore(machine: &Machine, program: &Arc<VerifiedProgram>, name: &str) -> Machine {
    save_and_restore_within(machine, program, &Limits::default(), name)
}

fn save_and_restore_within(machine: &Machine, program: &Arc<VerifiedProgram>, limits: &Limits, name: &str) -> Machine {
    let saved = machine.save();
    let pages = |machine: &Machine| -> Vec<String> {
        (0..machine.page_count()).map(|page| machine.encode_page(page)).collect()
    };
    let text = pages(machine);
    let parsed = text.iter().map(|page| Ok(serde_json::from_str(page).unwrap()));
    let mut restored = match Machine::restore(Arc::clone(program), &saved, parsed, limits.clone()) {
        Ok(restored) => restored,
        Err(error) => panic!("{name}: {error:?}\n{}", serde_json::to_string(&saved.scopes).unwrap()),
    };
    restored.mark_clean();
    let once_more = restored.save();
    let bytes = |saved: &MachineSnapshot| serde_json::to_string(saved).unwrap();
    assert_eq!(bytes(&saved), bytes(&once_more), "{name}: the head saves to other bytes");
    assert_eq!(pages(&restored), text, "{name}: pages save to other bytes");
    assert_eq!(state_text(machine), state_text(&restored), "{name}: the hash differs");
    restored
}

/// Runs a program with tight limits.
fn run_with_limits(case: &LanguageCase) -> LanguageOutcome {
    let Ok(program) = compile(case) else { panic!("{} does not compile", case.name) };
    let limits = Limits {
        instructions: 3_000_000,
        frames: 1_000,
        heap_bytes: 4 << 20,
        text_units: 1 << 16,
        output_bytes: 1 << 16,
        ..Limits::default()
    };
    let mut machine = Machine::start(program, &case.input, [7; 32], limits).unwrap();
    drive(&mut machine, case, u64::MAX, MOST_INSTRUCTIONS, |_| None)
}

fn compile(case: &LanguageCase) -> Result<Arc<VerifiedProgram>, LanguageOutcome> {
    let compiled = match lang::compile("case.ts", &case.with_end(&case.source)) {
        Ok(compiled) => compiled,
        Err(found) => {
            let all: Vec<String> =
                found.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect();
            return Err(LanguageOutcome {
                lines: Vec::new(),
                end: LanguageEnd::Refused(all.join("; ")),
                instructions: 0,
            });
        }
    };
    match VerifiedProgram::decode(&compiled.bytecode) {
        Ok(program) => Ok(Arc::new(program)),
        Err(error) => panic!("{}: {error}", case.name),
    }
}

fn does_not_end() -> LanguageEnd {
    LanguageEnd::Failed("it does not end".to_owned())
}

fn drive(
    machine: &mut Machine,
    case: &LanguageCase,
    fuel: u64,
    most: u64,
    stopped: impl Fn(&Machine) -> Option<Machine>,
) -> LanguageOutcome {
    let mut answers = case.answers.iter();
    let mut order = AnswerOrder { order: case.order, shown: Vec::new() };
    // By the number of the call. The answers go to the calls in the order of their lines.
    let mut replies = BTreeMap::new();
    let mut lines = Vec::new();
    let ending = loop {
        let stop = machine.run(fuel, &TURN);
        lines.extend(machine.take_output().iter().map(|line| without_traces(line)));
        match stop {
            StopReason::Fuel if machine.instructions() > most => break does_not_end(),
            StopReason::Fuel => {}
            StopReason::Complete(result) => break LanguageEnd::Complete(normalize_numbers(result)),
            StopReason::Failed(failure) if failure.name == "Uncaught" => {
                break LanguageEnd::Failed(format!("Uncaught: {}", failure.message));
            }
            StopReason::Failed(failure) if failure.name == "DeadlockError" => break LanguageEnd::Failed(failure.name),
            StopReason::Failed(failure) => break LanguageEnd::Failed(format!("{}: {}", failure.name, failure.message)),
            StopReason::Waiting(calls) => {
                if let Some(other) = stopped(machine) {
                    *machine = other;
                }
                assert_eq!(
                    machine.run(fuel, &TURN),
                    StopReason::Waiting(calls.clone()),
                    "{}: it waits otherwise",
                    case.name
                );
                let is_settled = lines.iter().any(|line| line == SETTLED);
                if is_settled {
                    answers = [].iter();
                }
                for call in calls.iter().filter(|call| call.record.is_none()) {
                    lines.push(call_line(&call.request));
                    order.shown.push(call.number);
                    replies.insert(call.number, reply(&call.request, &mut answers));
                    let (id, requested_at) = (call.number.to_string(), Timestamp::from_millis(TURN.now_ms));
                    machine.record_calls([(call.number, CallRecord { id, requested_at, deadline: None })]);
                }
                let blocking = calls.iter().filter(|call| call.is_blocking);
                let mut chosen: Vec<_> = blocking.collect();
                if chosen.is_empty() {
                    chosen.extend(order.choose(&calls, is_settled));
                }
                for call in chosen {
                    machine.settle(call.number, &replies[&call.number]).unwrap();
                }
            }
        }
        if let Some(other) = stopped(machine) {
            *machine = other;
        }
    };
    LanguageOutcome { lines, end: ending, instructions: machine.instructions() }
}

/// Returns a printed line without the stack traces of errors (`at f (3:5)`), which differ. Text after a trace on the
/// same line is kept.
fn without_traces(line: &str) -> String {
    let mut text = String::new();
    for part in line.split_inclusive('\n') {
        match trace_end(part) {
            Some(end) => {
                text.truncate(text.trim_end_matches('\n').len());
                text.push_str(&part[end..]);
            }
            None => text.push_str(part),
        }
    }
    text
}

/// Returns the end of a position in a stack trace: `    at f (3:5)`.
fn trace_end(part: &str) -> Option<usize> {
    part.trim_start_matches(' ').strip_prefix("at ").filter(|_| part.starts_with(' '))?;
    part.match_indices(')').map(|(end, _)| end).find_map(|end| {
        let position = &part[part[..end].rfind('(')? + 1..end];
        if position.strip_prefix("index ").is_some_and(|index| index.parse::<u32>().is_ok()) {
            return Some(end + 1);
        }
        let (line, column) = position.split_once(':')?;
        (line.parse::<u32>().is_ok() && column.parse::<u32>().is_ok()).then_some(end + 1)
    })
}

/// Formats a call as both sides print it.
fn call_line(request: &CallRequest) -> String {
    let mut line = match request.kind.as_str() {
        "cc" => format!("CC {}", request.prompt),
        "timer" => "timer".to_owned(),
        kind => format!("{kind} {}", request.args),
    };
    if !request.options.is_null() {
        line += &format!(" {}", request.options);
    }
    if let Some(keyed) = &request.key {
        line += &format!(" #{}", keyed.occurrence);
    }
    line
}

/// Returns the reply to a call: the next answer, or nothing for timers and file writes. `!Name: message` is an error.
fn reply<'a>(request: &CallRequest, answers: &mut impl Iterator<Item = &'a Json>) -> Reply {
    if request.kind == "timer" || request.kind == "fs.writeFile" {
        return Reply::Nothing;
    }
    let answer = answers.next().cloned().unwrap_or_else(|| json!("no answer"));
    match answer.as_str().and_then(|text| text.strip_prefix('!')).and_then(|error| error.split_once(": ")) {
        Some((name, message)) => Reply::Error { name: name.to_owned(), message: message.to_owned(), code: Json::Null },
        None => Reply::Value(answer),
    }
}

/// Normalizes numbers, so that whole numbers compare equal in every JSON spelling.
fn normalize_numbers(json: Json) -> Json {
    serde_json::from_str(&json.to_string().replace(".0,", ",").replace(".0]", "]").replace(".0}", "}")).unwrap_or(json)
}

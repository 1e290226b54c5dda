//! Runs a conformance suite of the language, such as test262, from a copy outside the project: `cargo run --release
//! --features compiler --example test262 -- DIR [--filter PART] [--node]`.
//!
//! Every test is compiled as a module, with the helpers of `prelude.ts` in place of the suite's. It passes, is refused
//! (the compiler or the machine names what stays out), or is wrong. With `--node`, Node runs the wrong ones as modules
//! too, and a test that fails there as well is not counted: it needs a script, or another version of the standard.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use runstate::lang::{self, DiagnosticKind};
use runstate::vm::{Limits, Machine, MachineFailure, StopReason, TurnContext, VerifiedProgram};

/// Assertions and helpers of tests.
const PRELUDE: &str = include_str!("prelude.ts");

/// Helper files of the suite that the prelude replaces.
const REPLACED: [&str; 6] =
    ["assert.js", "sta.js", "compareArray.js", "asyncHelpers.js", "doneprintHandle.js", "promiseHelper.js"];

/// Errors of TypeScript that are none of JavaScript.
const TYPESCRIPT_ERRORS: [&str; 1] = ["A 'set' accessor cannot have an initializer."];

/// The line that an asynchronous test prints at its end.
const ASYNC_END: &str = "Test262:AsyncTestComplete";

/// The longest test, in instructions.
const INSTRUCTIONS: u64 = 50_000_000;

type SuiteError = Box<dyn std::error::Error + Send + Sync>;

/// The header of a test.
#[derive(Default)]
struct TestHeader {
    flags: Vec<String>,
    includes: Vec<String>,
    /// The phase and the type of the expected error.
    negative: Option<(String, String)>,
}

/// The outcome of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TestOutcome {
    Pass,
    /// It needs what stays out.
    Refused(String),
    Wrong(String),
    /// It is not for strict code.
    Skipped,
}

/// Numbers of outcomes.
#[derive(Default, Clone, Copy)]
struct OutcomeCount {
    pass: usize,
    refused: usize,
    wrong: usize,
    /// Wrong in Node too.
    excused: usize,
    skipped: usize,
}

impl OutcomeCount {
    fn add(&mut self, outcome: &TestOutcome, is_excused: bool) {
        match outcome {
            TestOutcome::Pass => self.pass += 1,
            TestOutcome::Refused(_) => self.refused += 1,
            TestOutcome::Wrong(_) if is_excused => self.excused += 1,
            TestOutcome::Wrong(_) => self.wrong += 1,
            TestOutcome::Skipped => self.skipped += 1,
        }
    }
}

impl fmt::Display for OutcomeCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pass, refused, wrong, excused, skipped } = self;
        write!(f, "{pass:>7} {refused:>8} {wrong:>6} {excused:>8} {skipped:>8}")
    }
}

fn main() -> Result<(), SuiteError> {
    let (mut folder, mut filter, mut uses_node) = (None, None, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--node" => uses_node = true,
            "--filter" => filter = words.next(),
            _ => folder = Some(PathBuf::from(word)),
        }
    }
    let folder = folder.ok_or("usage: test262 DIR [--filter TEXT] [--node]")?;
    let root = folder.join("test");
    let mut files = Vec::new();
    list_tests(&root, &mut files)?;
    files.retain(|file| filter.as_ref().is_none_or(|filter| file.to_string_lossy().contains(filter.as_str())));
    files.sort();
    // A panic is the outcome of its test.
    panic::set_hook(Box::new(|_| {}));
    let outcomes = run_all(&folder, &files);
    let excused: Vec<bool> = files
        .iter()
        .zip(&outcomes)
        .map(|(file, outcome)| uses_node && matches!(outcome, TestOutcome::Wrong(_)) && !passes_in_node(&folder, file))
        .collect();
    report(&root, &files, &outcomes, &excused)
}

fn list_tests(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), SuiteError> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            list_tests(&path, files)?;
        } else if name.ends_with(".js") && !name.contains("_FIXTURE") {
            files.push(path);
        }
    }
    Ok(())
}

fn run_all(folder: &Path, files: &[PathBuf]) -> Vec<TestOutcome> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![TestOutcome::Skipped; files.len()]));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let run = || {
                while let Some((index, file)) = take_next(&next, files) {
                    let outcome = panic::catch_unwind(|| run_test(folder, file));
                    let outcome = outcome.unwrap_or_else(|_| TestOutcome::Wrong("panic".to_owned()));
                    if let Ok(mut done) = done.lock() {
                        done[index] = outcome;
                    }
                }
            };
            // The compiler descends with the source.
            let _ = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, run);
        }
    });
    done.into_inner().unwrap_or_default()
}

fn take_next<'f>(next: &AtomicUsize, files: &'f [PathBuf]) -> Option<(usize, &'f PathBuf)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    if index.is_multiple_of(2_000) {
        let _ = writeln!(std::io::stderr(), "{index} of {} tests", files.len());
    }
    files.get(index).map(|file| (index, file))
}

fn parse_header(source: &str) -> TestHeader {
    let mut header = TestHeader::default();
    let Some((_, rest)) = source.split_once("/*---") else { return header };
    let Some((text, _)) = rest.split_once("---*/") else { return header };
    let list = |value: &str| -> Vec<String> {
        let items = value.trim().trim_start_matches('[').trim_end_matches(']').split(',');
        items.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    };
    let mut section = "";
    for line in text.lines() {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let is_indented = line.starts_with([' ', '\t']);
        if !is_indented {
            section = key.trim();
        }
        match (section, is_indented, key.trim()) {
            ("flags", false, _) => header.flags = list(value),
            ("includes", false, _) => header.includes = list(value),
            ("includes" | "flags", true, item) => {
                let items = if section == "flags" { &mut header.flags } else { &mut header.includes };
                items.push(item.trim_start_matches("- ").to_owned());
            }
            ("negative", false, _) => header.negative = Some(Default::default()),
            ("negative", true, "phase") => {
                header.negative.get_or_insert_default().0 = value.trim().to_owned();
            }
            ("negative", true, "type") => {
                header.negative.get_or_insert_default().1 = value.trim().to_owned();
            }
            _ => {}
        }
    }
    header
}

/// The test with its helpers. `None`: a helper file is missing.
fn whole_source(folder: &Path, source: &str, header: &TestHeader) -> Option<String> {
    let mut whole = String::new();
    if !header.flags.iter().any(|flag| flag == "raw") {
        whole.push_str(PRELUDE);
    }
    for name in header.includes.iter().filter(|name| !REPLACED.contains(&name.as_str())) {
        whole.push_str(&fs::read_to_string(folder.join("harness").join(name)).ok()?);
        whole.push('\n');
    }
    whole.push_str(source);
    // A function cannot have properties here, so the assertions have names of their own.
    Some(whole.replace("assert.", "assert_"))
}

fn run_test(folder: &Path, file: &Path) -> TestOutcome {
    let Ok(source) = fs::read_to_string(file) else {
        return TestOutcome::Refused("a source that is not UTF-8".to_owned());
    };
    let header = parse_header(&source);
    let has = |flag: &str| header.flags.iter().any(|one| one == flag);
    if has("noStrict") {
        return TestOutcome::Skipped;
    }
    let Some(whole) = whole_source(folder, &source, &header) else {
        return TestOutcome::Refused("a helper that is missing".to_owned());
    };
    let expects_early = header.negative.as_ref().is_some_and(|(phase, _)| phase != "runtime");
    let compiled = match lang::compile("test.ts", &whole) {
        Ok(compiled) => compiled,
        Err(found) => {
            let Some(first) = found.first() else { return TestOutcome::Wrong("refused without a reason".to_owned()) };
            return match (first.kind, expects_early) {
                (DiagnosticKind::Syntax, true) => TestOutcome::Pass,
                (DiagnosticKind::Syntax, false) if TYPESCRIPT_ERRORS.contains(&first.message.as_str()) => {
                    TestOutcome::Refused(first.message.clone())
                }
                (DiagnosticKind::Syntax, false) => TestOutcome::Wrong(format!("SyntaxError: {}", first.message)),
                _ => TestOutcome::Refused(first.message.clone()),
            };
        }
    };
    if expects_early {
        return TestOutcome::Wrong("it compiles".to_owned());
    }
    let (end, lines) = run_program(&compiled.bytecode);
    match (end, &header.negative) {
        // An unhandled rejection that a test leaves behind ends the program, as in Node.
        _ if has("async") && lines.iter().any(|line| line == ASYNC_END) => TestOutcome::Pass,
        (RunEnd::Refused(reason), _) => TestOutcome::Refused(reason),
        (RunEnd::Failed(failure), Some((_, name))) if failure.name == *name => TestOutcome::Pass,
        (RunEnd::Failed(failure), _) => {
            let at = failure.stack.first().map_or("", |line| line.trim());
            TestOutcome::Wrong(format!("{}: {} {at}", failure.name, failure.message))
        }
        (RunEnd::Complete, Some((_, name))) => TestOutcome::Wrong(format!("no {name}")),
        (RunEnd::Complete, None) if has("async") => TestOutcome::Wrong(format!("async: {:?}", lines.last())),
        (RunEnd::Complete, None) => TestOutcome::Pass,
    }
}

/// The end of a program.
enum RunEnd {
    Complete,
    Failed(Box<MachineFailure>),
    Refused(String),
}

fn run_program(bytecode: &[runstate::vm::program::Instruction]) -> (RunEnd, Vec<String>) {
    let mut lines = Vec::new();
    let end = run_to_end(bytecode, &mut lines);
    (end, lines)
}

fn run_to_end(bytecode: &[runstate::vm::program::Instruction], lines: &mut Vec<String>) -> RunEnd {
    let program = match VerifiedProgram::decode(bytecode) {
        Ok(program) => std::sync::Arc::new(program),
        Err(error) => return RunEnd::Refused(format!("bytecode: {error:?}")),
    };
    let limits = Limits { instructions: INSTRUCTIONS, ..Limits::default() };
    let mut machine = match Machine::start(program, &serde_json::Value::Null, [7; 32], limits) {
        Ok(machine) => machine,
        Err(failure) => return RunEnd::Failed(Box::new(failure)),
    };
    loop {
        let stop = machine.run(1_000_000, &TurnContext { now_ms: 1_700_000_000_000 });
        lines.extend(machine.take_output());
        match stop {
            StopReason::Fuel => {}
            StopReason::Complete(_) => return RunEnd::Complete,
            StopReason::Failed(failure) if failure.limit => return RunEnd::Refused(failure.message.clone()),
            StopReason::Failed(failure) if failure.name == "UnsupportedError" => {
                return RunEnd::Refused(failure.message.clone());
            }
            StopReason::Failed(failure) => return RunEnd::Failed(Box::new(failure)),
            StopReason::Waiting(calls) => {
                // Only timers can be settled.
                let Some(call) = calls.iter().find(|call| call.request.kind == "timer") else {
                    return RunEnd::Refused("a call of the host".to_owned());
                };
                if machine.settle(call.number, &runstate::vm::Reply::Nothing).is_err() {
                    return RunEnd::Refused("a call that cannot be settled".to_owned());
                }
            }
        }
    }
}

/// Whether a test that is wrong here passes in Node as a module.
fn passes_in_node(folder: &Path, file: &Path) -> bool {
    let Ok(source) = fs::read_to_string(file) else { return false };
    let header = parse_header(&source);
    let Some(whole) = whole_source(folder, &source, &header) else { return false };
    let Ok(output) = Command::new("node").args(["--input-type=module", "-e", &whole]).output() else { return false };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match &header.negative {
        Some((_, name)) => !output.status.success() && err.contains(name.as_str()),
        None if header.flags.iter().any(|flag| flag == "async") => out.lines().any(|line| line == ASYNC_END),
        None => output.status.success(),
    }
}

/// The folder of a test below the root, at most three names deep.
fn group_of(root: &Path, file: &Path) -> String {
    let below = file.strip_prefix(root).unwrap_or(file);
    let parents: Vec<_> = below.parent().into_iter().flat_map(Path::components).take(3).collect();
    parents.iter().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn report(root: &Path, files: &[PathBuf], outcomes: &[TestOutcome], excused: &[bool]) -> Result<(), SuiteError> {
    let mut out = std::io::stdout().lock();
    let (mut groups, mut reasons, mut all) =
        (BTreeMap::<String, OutcomeCount>::new(), BTreeMap::<String, usize>::new(), OutcomeCount::default());
    for ((file, outcome), is_excused) in files.iter().zip(outcomes).zip(excused) {
        groups.entry(group_of(root, file)).or_default().add(outcome, *is_excused);
        all.add(outcome, *is_excused);
        match outcome {
            TestOutcome::Refused(reason) => *reasons.entry(reason.clone()).or_default() += 1,
            TestOutcome::Wrong(reason) if !is_excused => {
                let name = file.strip_prefix(root).unwrap_or(file).display();
                writeln!(out, "wrong: {name}: {}", reason.replace('\n', " "))?;
            }
            _ => {}
        }
    }
    writeln!(out, "\n{:<60} {:>7} {:>8} {:>6} {:>8} {:>8}", "folder", "pass", "refused", "wrong", "excused", "sloppy")?;
    for (name, count) in &groups {
        writeln!(out, "{name:<60} {count}")?;
    }
    writeln!(out, "{:<60} {all}", "all")?;
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    writeln!(out, "\nrefused for")?;
    for (reason, count) in reasons.iter().take(60) {
        writeln!(out, "{count:>7} {reason}")?;
    }
    match all.wrong {
        0 => Ok(()),
        wrong => Err(format!("{wrong} tests are wrong").into()),
    }
}

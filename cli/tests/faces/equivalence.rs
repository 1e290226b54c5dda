//! Equivalence of all hosts: one script of hundreds of commands, in memory, on files natively, on files in Node, and on
//! IndexedDB in Chromium. Every step has the same outcome, and the final documents are equal.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use runstate::domain::cvm::{Load, Status};
use runstate::store::Memory;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::testing::{Script, ScriptAction, ScriptOutcome, StepOutcome, block_on};

use crate::settings::{is_full_run, seed};

/// The number of commands in the long form, and of the script that applies every action.
const STEPS: u32 = 1_000;

/// The seed if `RUNSTATE_SEED` is not set.
const DEFAULT_SEED: u64 = 20_261;

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn script() -> Script {
    let mut programs: Vec<Load> = Vec::new();
    for entry in std::fs::read_dir(checkout("tests/equivalence")).unwrap() {
        let path = entry.unwrap().path();
        let (name, source) = (path.file_stem().unwrap().to_str().unwrap(), std::fs::read_to_string(&path).unwrap());
        let compiled = runstate::lang::compile(name, &source).unwrap_or_else(|found| panic!("{name}: {found:?}"));
        programs.push(Load::new(name, &source, compiled.bytecode));
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Script { seed: seed(), steps: if is_full_run() { STEPS } else { STEPS / 2 }, programs }
}

fn play_on_memory(script: &Script) -> ScriptOutcome {
    block_on(script.play(Arc::new(Memory::new()))).unwrap()
}

/// Plays the script on another host, and compares the outcomes. At the first step that differs, it also reports the
/// documents that differ, as a hint to the cause.
#[track_caller]
fn expect_same_outcome(name: &str, script: &Script, play: impl Fn(&Script) -> ScriptOutcome) {
    let (here, played) = (play_on_memory(script), play(script));
    let Some(difference) = here.first_difference(&played) else {
        println!("{name}: {} steps, {} documents, as on memory", played.steps.len(), played.documents.len());
        return;
    };
    let until = here.steps.iter().zip(&played.steps).take_while(|(ours, theirs)| ours == theirs).count();
    let until = Script { steps: u32::try_from(until + 1).unwrap().min(script.steps), ..script.clone() };
    let here = ScriptOutcome { steps: vec![], ..play_on_memory(&until) };
    let documents = here.first_difference(&ScriptOutcome { steps: vec![], ..play(&until) });
    panic!("{name} differs from memory: {difference}\n{}", documents.unwrap_or_default());
}

/// Plays the script with a program that reads it from stdin and writes the outcome to stdout.
fn play_by_command(mut command: Command, script: &Script) -> ScriptOutcome {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string(script).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} failed ({}); seed {}", output.status, script.seed);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An environment variable that `cargo xtask test` sets; `None`, and a skip line, if it is not set.
fn xtask_variable(test: &str, name: &str) -> Option<std::ffi::OsString> {
    let value = std::env::var_os(name);
    if value.is_none() {
        println!("skipped: equivalence::{test}: {name} is not set; run `cargo xtask test`");
        assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
    }
    value
}

/// The default script applies every action: an action that it does not apply is not compared on any host.
#[test]
fn script_of_the_default_seed_applies_each_act() {
    let script = Script { seed: DEFAULT_SEED, steps: STEPS, ..script() };
    let played = play_on_memory(&script);
    assert_eq!(played, play_on_memory(&script), "the seed alone determines the outcome");
    // For each action: how often it was applied, was not applicable, and was rejected.
    let mut outcomes: BTreeMap<ScriptAction, [u32; 3]> = ScriptAction::all().map(|act| (act, [0; 3])).collect();
    let mut codes: BTreeMap<&str, u32> = BTreeMap::new();
    for step in &played.steps {
        let [applied, idle, rejected] = outcomes.get_mut(&step.act).unwrap();
        match &step.outcome {
            StepOutcome::Applied { .. } => *applied += 1,
            StepOutcome::Idle => *idle += 1,
            StepOutcome::Rejected { code, .. } => {
                *rejected += 1;
                *codes.entry(code).or_default() += 1;
            }
        }
    }
    println!("{outcomes:?}\n{codes:?}\n{} documents", played.documents.len());
    let never: Vec<ScriptAction> = ScriptAction::all().filter(|act| outcomes[act][0] == 0).collect();
    assert!(never.is_empty(), "never applied: {never:?}; {outcomes:?}");
    for code in ["already_answered", "illegal_transition", "invalid_answer", "not_found", "stale_claim"] {
        assert!(codes.contains_key(code), "never rejected as {code}: {codes:?}");
    }
    for status in [Status::WaitingCc, Status::Paused, Status::Complete, Status::Error, Status::Cancelled] {
        assert!(played.steps.iter().any(|step| step.status == Some(status)), "never {status:?}");
    }
}

#[test]
fn native_files_equal_memory() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    expect_same_outcome("files", &script(), |script| {
        let folder = tempfile::tempdir().unwrap();
        let store = block_on(FileStore::open(folder.path(), FileStoreOptions::default())).unwrap();
        block_on(script.play(Arc::new(store))).unwrap()
    });
}

#[test]
fn node_files_equal_memory() {
    let Some(package) = xtask_variable("files_in_node", "RUNSTATE_NODE_PACKAGE") else { return };
    expect_same_outcome("files in Node", &script(), |script| {
        let folder = tempfile::tempdir().unwrap();
        let mut node = Command::new("node");
        node.arg(checkout("tests/node/script.mjs")).arg(&package).arg(format!("file:{}", folder.path().display()));
        play_by_command(node, script)
    });
}

#[test]
fn chromium_indexeddb_equals_memory() {
    let Some(package) = xtask_variable("indexeddb_in_chromium", "RUNSTATE_NODE_PACKAGE") else { return };
    let Some(chromium) = xtask_variable("indexeddb_in_chromium", "RUNSTATE_CHROMIUM") else { return };
    expect_same_outcome("IndexedDB in Chromium", &script(), |script| {
        let mut node = Command::new("node");
        node.arg(checkout("tests/browser/script.mjs")).arg(&package).env("RUNSTATE_CHROMIUM", &chromium);
        play_by_command(node, script)
    });
}

//! The same everywhere: one script of a thousand commands, on memory and on files natively, on files in Node, and on a page's database in
//! Chromium, comes to the same at every step, and to equal documents in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use runstate::domain::cvm::{Load, Status};
use runstate::store::Memory;
use runstate::store::file::{FileStore, Options};
use runstate::testing::{Act, Played, Script, StepOutcome, block_on};

const STEPS: u32 = 1_000;

/// The seed where `RUNSTATE_SEED` names none.
const DEFAULT_SEED: u64 = 20_261;

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn script() -> Script {
    let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_SEED);
    println!("seed {seed} (RUNSTATE_SEED=… runs others)");
    let mut programs: Vec<Load> = Vec::new();
    for entry in std::fs::read_dir(checkout("tests/same")).unwrap() {
        let path = entry.unwrap().path();
        let (name, source) = (path.file_stem().unwrap().to_str().unwrap(), std::fs::read_to_string(&path).unwrap());
        let compiled = runstate::lang::compile(name, &source).unwrap_or_else(|found| panic!("{name}: {found:?}"));
        programs.push(Load::new(name, &source, compiled.bytecode));
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Script { seed, steps: STEPS, programs }
}

fn on_memory(script: &Script) -> Played {
    block_on(script.play(Arc::new(Memory::new()))).unwrap()
}

/// Plays it there too, and compares. Of a step that differs the documents are told that differ then: they say why.
#[track_caller]
fn same(place: &str, script: &Script, there: impl Fn(&Script) -> Played) {
    let (here, played) = (on_memory(script), there(script));
    let Some(difference) = here.first_difference(&played) else {
        println!("{place}: {} steps, {} documents, as on memory", played.steps.len(), played.documents.len());
        return;
    };
    let until = here.steps.iter().zip(&played.steps).take_while(|(ours, theirs)| ours == theirs).count();
    let until = Script { steps: u32::try_from(until + 1).unwrap().min(STEPS), ..script.clone() };
    let here = Played { steps: vec![], ..on_memory(&until) };
    let documents = here.first_difference(&Played { steps: vec![], ..there(&until) });
    panic!("{place}, beside memory: {difference}\n{}", documents.unwrap_or_default());
}

/// Plays it by a program that takes the script on its stdin and says what it came to.
fn by(mut command: Command, script: &Script) -> Played {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string(script).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} failed ({}); seed {}", output.status, script.seed);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `cargo xtask test` tells these tests; None and a word about it where it did not.
fn told(test: &str, name: &str) -> Option<std::ffi::OsString> {
    let value = std::env::var_os(name);
    if value.is_none() {
        println!("skipped: same::{test}: {name} is not set; `cargo xtask test` does");
        assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
    }
    value
}

/// The same script in every run: what it does not do is not compared anywhere.
#[test]
fn the_script_of_the_default_seed_applies_each_act() {
    let script = Script { seed: DEFAULT_SEED, ..script() };
    let played = on_memory(&script);
    assert_eq!(played, on_memory(&script), "it follows from its seed alone");
    // Of each act how often it was applied, found nothing to do, and was rejected.
    let mut outcomes: BTreeMap<Act, [u32; 3]> = Act::all().map(|act| (act, [0; 3])).collect();
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
    let never: Vec<Act> = Act::all().filter(|act| outcomes[act][0] == 0).collect();
    assert!(never.is_empty(), "never applied: {never:?}; {outcomes:?}");
    for code in ["already_answered", "illegal_transition", "invalid_answer", "not_found", "stale_claim"] {
        assert!(codes.contains_key(code), "never rejected as {code}: {codes:?}");
    }
    for status in [Status::WaitingCc, Status::Paused, Status::Complete, Status::Error, Status::Cancelled] {
        assert!(played.steps.iter().any(|step| step.status == Some(status)), "never {status:?}");
    }
}

#[test]
fn files_natively() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    same("files", &script(), |script| {
        let folder = tempfile::tempdir().unwrap();
        let store = block_on(FileStore::open(folder.path(), Options::default())).unwrap();
        block_on(script.play(Arc::new(store))).unwrap()
    });
}

#[test]
fn files_in_node() {
    let Some(package) = told("files_in_node", "RUNSTATE_NODE_PACKAGE") else { return };
    same("files in Node", &script(), |script| {
        let folder = tempfile::tempdir().unwrap();
        let mut node = Command::new("node");
        node.arg(checkout("tests/node/script.mjs")).arg(&package).arg(format!("file:{}", folder.path().display()));
        by(node, script)
    });
}

#[test]
fn indexeddb_in_chromium() {
    let Some(package) = told("indexeddb_in_chromium", "RUNSTATE_NODE_PACKAGE") else { return };
    let Some(chromium) = told("indexeddb_in_chromium", "RUNSTATE_CHROMIUM") else { return };
    same("IndexedDB in Chromium", &script(), |script| {
        let mut node = Command::new("node");
        node.arg(checkout("tests/browser/script.mjs")).arg(&package).env("RUNSTATE_CHROMIUM", &chromium);
        by(node, script)
    });
}

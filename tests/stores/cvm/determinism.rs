//! Determinism: cached or loaded, in slices of any size, in memory or on files, a program has the same documents,
//! output and state hash.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::Status;
use runstate::store::Memory;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::testing::block_on;
use runstate::value::Json;

use crate::cvm::scene::{Scene, is_full_run};

const PROGRAMS: &[&str] = &[
    r#"
    const all = [];
    function ask(n) { const a = CC(`n=${n}`); all.push({ n, a, at: all.length }); return a; }
    for (let i = 0; i < 4; i++) { const a = ask(i); console.log(i, a, all.length); }
    console.log(JSON.stringify(all));
    "#,
    r#"
    const makers = [];
    for (let i = 0; i < 3; i++) { let n = i * 10; makers.push(() => { n += 1; return n + ":" + CC("m" + n); }); }
    for (const m of makers) { console.log(m()); console.log(m()); }
    "#,
    r#"
    function deep(n) { if (n === 0) return CC("bottom?"); try { return deep(n - 1) + n; } finally { console.log("up", n); } }
    try { console.log(deep(5)); throw new Error(CC("throw?")); } catch (e) { console.log(e.message); }
    console.log(Math.random() < 1, Math.floor(Math.random() * 1000), Date.now());
    "#,
    r#"
    const words = ["b", "a", "c"].map((w) => w + CC(w)).sort();
    for (const k in { x: 1, y: 2 }) console.log(k, CC(k));
    let o = { self: null, n: NaN, z: -0, inf: Infinity, u: undefined, list: words };
    o.self = o;
    console.log(words.join(), CC("last"), o.self.self.n, 1 / o.z, o.inf, o.u);
    "#,
    r#"
    let garbage = null;
    for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 3000; i++) garbage = { i, text: "x".repeat(i % 7), before: i % 50 === 0 ? null : garbage };
        console.log(round, garbage.i, CC("round " + round));
    }
    "#,
];

/// A factor for the size of slices, so that a program of many instructions has as many slices as the others.
fn slice_scale(program: usize) -> u64 {
    if PROGRAMS[program].contains("garbage") { 200 } else { 1 }
}

/// The trace of a run: the state hash at each stop, the output, all documents with their revisions.
type RunTrace = (Vec<Option<String>>, Vec<String>, Vec<(String, (String, Json))>);

/// Runs a program to its end.
fn run(mut scene: Scene, source: &str, answers: &[String]) -> RunTrace {
    scene.load(source);
    scene.start(Json::Null).unwrap();
    let mut hashes = vec![scene.show().state_hash];
    for n in 0.. {
        if scene.show().status != Status::WaitingCc {
            break;
        }
        scene.answer(answers[n % answers.len()].as_str());
        hashes.push(scene.show().state_hash);
    }
    let view = scene.show();
    assert_eq!(view.status, Status::Complete, "{view:?}");
    (hashes, view.output, scene.dump().into_iter().collect())
}

fn memory_scene(slice: u64) -> Scene {
    bounded_scene(slice, u64::MAX)
}

fn bounded_scene(slice_instructions: u64, slice_bytes: u64) -> Scene {
    Scene::with_store(Arc::new(Memory::new()), Settings { slice_instructions, slice_bytes, ..Settings::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if is_full_run() { 60 } else { 8 }))]

    #[test]
    fn cached_and_loaded_machines_decide_identically(
        program in 0..PROGRAMS.len(),
        slice in prop_oneof![20u64..300, Just(1_000_000)],
        bytes in prop_oneof![Just(0u64), 10_000u64..200_000, Just(u64::MAX)],
        answers in prop::collection::vec("[a-z\u{e9}\u{1f980}]{0,8}", 1..4),
    ) {
        let slice = slice * slice_scale(program);
        let warm = run(bounded_scene(slice, bytes), PROGRAMS[program], &answers);
        let cold = run(bounded_scene(slice, bytes).cold(), PROGRAMS[program], &answers);
        prop_assert_eq!(warm, cold);
    }

    #[test]
    fn slice_size_changes_neither_output_nor_state_hash(
        program in 0..PROGRAMS.len(),
        slice in 1u64..200,
        answers in prop::collection::vec("[a-z]{0,8}", 1..4),
    ) {
        let unsliced = run(memory_scene(u64::MAX), PROGRAMS[program], &answers);
        let sliced = run(memory_scene(slice * slice_scale(program)), PROGRAMS[program], &answers);
        prop_assert_eq!((&unsliced.0, &unsliced.1), (&sliced.0, &sliced.1));
        let by_bytes = run(bounded_scene(u64::MAX, slice * 500), PROGRAMS[program], &answers);
        prop_assert_eq!((unsliced.0, unsliced.1), (by_bytes.0, by_bytes.1));
    }
}

/// Fills its heap, and makes a call.
const FILLS: &str = r#"
    const all = [];
    for (let i = 0; i < 20000; i++) all.push({ i, text: "text " + i });
    CC(`${all.length}?`);
"#;

#[test]
fn a_slice_ends_where_enough_of_the_heap_has_changed() {
    let limit = 256 * 1024;
    let filled = |bytes: u64| {
        let mut scene = bounded_scene(u64::MAX, bytes);
        scene.load(FILLS);
        scene.start(Json::Null).unwrap();
        scene.expect(Status::WaitingCc);
        // Grouped by the command that wrote them, which is part of their versions.
        let mut written: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, row) in
            scene.dump().into_iter().filter(|(key, _)| key.starts_with("cvm.heap_pages")).map(|(_, row)| row)
        {
            *written.entry(row["version"].as_u64().unwrap() >> 8).or_default() += row.to_string().len();
        }
        (scene.show().state_hash, written)
    };
    let (hash, at_once) = filled(u64::MAX);
    assert_eq!(at_once.len(), 1);
    let (same, written) = filled(limit);
    assert_eq!(same, hash);
    assert!(written.len() > 4, "{written:?}");
    // A slice may exceed the limit by the changes of a few thousand instructions, and sizes are approximate.
    assert!(written.values().all(|bytes| *bytes < 2 * limit as usize), "{written:?}");
}

#[test]
fn files_hold_the_same_documents_as_memory() {
    for source in PROGRAMS {
        let answers = ["one".to_owned(), "two".to_owned()];
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _entered = runtime.enter();
        let store = block_on(FileStore::open(folder.path(), FileStoreOptions::default())).unwrap();
        let on_files = run(Scene::with_store(Arc::new(store), Settings::default()).cold(), source, &answers);
        assert_eq!(on_files, run(memory_scene(1_000_000), source, &answers));
    }
}

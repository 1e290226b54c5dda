//! The questions that are asked again and again, cell by cell, on memory and on files; and that nothing damaged hides the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::code::Code;
use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, Load, PROGRAMS, Start};
use runstate::engine::{CallListing, CallRow, Paging, Summary};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::schema::{Catalog, Collection, Key};
use runstate::store::file::{FileStore, Options};
use runstate::store::{Batch, Expect, Memory, Op, Store, Write};
use runstate::testing::block_on;
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use serde_json::json;

use crate::scene::{Scene, code};

/// `test` on a fresh store in memory and on one on files.
pub fn on_both(test: impl Fn(Arc<dyn Store>)) {
    test(Arc::new(Memory::new()));
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    test(Arc::new(block_on(FileStore::open(folder.path(), Options::default())).unwrap()));
}

/// Loads `source` under `name`.
pub fn load(scene: &Scene, name: &str, source: &str) {
    let bytecode = runstate::lang::compile("program.ts", source).unwrap_or_else(|d| panic!("{d:?}")).bytecode;
    let load = Load { tags: Some(vec!["test".to_owned()]), ..Load::new(name, source, bytecode) };
    block_on(scene.cvm().load(&load, None)).unwrap();
}

/// Starts `program` under `id`, a second after what was before.
pub fn start(scene: &Scene, program: &str, id: &str) {
    scene.host.clock.advance(Millis::seconds(1));
    block_on(scene.cvm().start(&Start::of(program).id(id), None)).unwrap();
}

/// Answers what `execution` asks, `after` so many milliseconds.
pub fn answer(scene: &Scene, execution: &str, after: i64) {
    scene.host.clock.advance(Millis(after));
    let by = Some(format!("{execution}'s friend"));
    block_on(scene.cvm().answer(execution, None, "yes".into(), by, None)).unwrap();
}

const ASKS: &str = r#"CC("one?"); console.log("half"); CC("two?", { choices: ["yes", "no"] })"#;

/// Executions of three programs, in all that can become of them but running.
fn scene(store: Arc<dyn Store>) -> Scene {
    let scene = Scene::on(store, Settings::default());
    load(&scene, "quick", r#"console.log("done")"#);
    load(&scene, "fails", r#"throw new Error("no")"#);
    load(&scene, "asks", "CC(\"never asked\")");
    load(&scene, "asks", ASKS);
    for id in ["ended", "waits", "rests", "stopped"] {
        start(&scene, "asks", id);
    }
    start(&scene, "quick", "quick");
    start(&scene, "fails", "fails");
    // The first questions were asked at seconds 1 to 4, and it is second 6 now.
    answer(&scene, "ended", 1_000);
    answer(&scene, "ended", 4_000);
    answer(&scene, "waits", 500);
    block_on(scene.cvm().pause("rests", None)).unwrap();
    block_on(scene.cvm().cancel("stopped", None)).unwrap();
    scene
}

fn ids(found: &[Summary]) -> Vec<&str> {
    found.iter().map(|summary| summary.id.as_str()).collect()
}

fn numbers<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected.into_iter().map(|(name, n)| (name.to_owned(), n)).collect()
}

#[test]
fn what_is_active_and_what_was_are_told_newest_first() {
    on_both(|store| {
        let cvm = scene(store).cvm();
        let active = block_on(cvm.active(10)).unwrap();
        assert_eq!(ids(&active), ["rests", "waits"]);
        assert_eq!((active[0].status.as_str(), active[0].prompt.as_deref()), ("paused", Some("one?")));
        assert_eq!((active[1].status.as_str(), active[1].prompt.as_deref()), ("waiting_cc", Some("two?")));
        assert_eq!(ids(&block_on(cvm.active(1)).unwrap()), ["rests"]);
        let history = block_on(cvm.history("asks", 3)).unwrap();
        assert_eq!(ids(&history), ["stopped", "rests", "waits"]);
        assert_eq!(history[0].program_version, 2);
        assert_eq!(block_on(cvm.history("nobody", 3)).unwrap(), []);
    });
}

#[test]
fn every_status_is_counted_zeros_included() {
    on_both(|store| {
        let scene = scene(store);
        let cvm = scene.cvm();
        let all = [("running", 0), ("waiting_cc", 1), ("paused", 1), ("complete", 2), ("error", 1), ("cancelled", 1)];
        assert_eq!(block_on(cvm.statuses(None)).unwrap(), numbers(all));
        let asks = [("running", 0), ("waiting_cc", 1), ("paused", 1), ("complete", 1), ("error", 0), ("cancelled", 1)];
        assert_eq!(block_on(cvm.statuses(Some("asks"))).unwrap(), numbers(asks));
        assert!(block_on(cvm.statuses(Some("nobody"))).unwrap().values().eq(&[0; 6]));
        // What is being deleted is gone, though its rows are not yet.
        block_on(scene.engine().execute(&runstate::domain::cvm::Delete { id: "ended".into() })).unwrap();
        assert_eq!(block_on(cvm.statuses(Some("asks"))).unwrap()["complete"], 0);
        assert_eq!(ids(&block_on(cvm.history("asks", 9)).unwrap()), ["stopped", "rests", "waits"]);
    });
}

#[test]
fn latency_is_of_answers_and_outcomes_are_of_all_calls() {
    on_both(|store| {
        let cvm = scene(store).cvm();
        let latency = block_on(cvm.latency(Some("asks"))).unwrap();
        // Asked at seconds 1, 7 and 2; answered at 7, 11 and 11.5.
        let took = [6_000, 4_000, 9_500];
        assert_eq!((latency.calls, latency.answered), (6, 3));
        assert_eq!(latency.avg_ms, Some(6_500.0));
        assert_eq!((latency.max_ms, latency.p50_ms), (Some(Millis(took[2])), Some(Millis(took[0]))));
        assert_eq!(latency.p95_ms, Some(Millis(took[2])));
        let outcomes =
            [("answered", 3), ("defaulted", 0), ("timed_out", 0), ("failed", 0), ("cancelled", 1), ("open", 2)];
        assert_eq!(latency.outcomes, numbers(outcomes));
        assert_eq!(block_on(cvm.latency(None)).unwrap(), latency);
        assert_eq!(block_on(cvm.latency_by_program()).unwrap(), BTreeMap::from([("asks".to_owned(), latency.clone())]));
        assert_eq!(block_on(cvm.latency_by_kind(None)).unwrap(), BTreeMap::from([("cc".to_owned(), latency)]));
        let nobody = block_on(cvm.latency(Some("nobody"))).unwrap();
        assert_eq!((nobody.calls, nobody.avg_ms, nobody.p95_ms, nobody.outcomes["open"]), (0, None, None, 0));
    });
}

#[test]
fn a_program_in_numbers_joins_them() {
    on_both(|store| {
        let cvm = scene(store).cvm();
        let stats = block_on(cvm.stats(Some("asks"))).unwrap();
        assert_eq!((stats.executions, stats.statuses["paused"], stats.latency.answered), (4, 1, 3));
        let runs = ["ended", "waits", "rests", "stopped"].map(|id| block_on(cvm.show(id)).unwrap().metrics);
        let instructions = runs.map(|metrics| metrics.instructions_executed as i64);
        assert_eq!(stats.instructions.max, instructions.iter().max().copied());
        assert_eq!(stats.instructions.avg, Some(instructions.iter().sum::<i64>() as f64 / 4.0));
        assert_eq!(stats.execution_time_ms.max, runs.iter().map(|metrics| metrics.execution_time_ms).max());
        let wire = serde_json::to_value(&stats).unwrap();
        assert_eq!((&wire["latency"]["p95Ms"], &wire["program"]), (&json!(9_500), &json!("asks")));
        let nobody = block_on(cvm.stats(Some("nobody"))).unwrap();
        assert_eq!((nobody.executions, nobody.instructions.avg, nobody.instructions.max), (0, None, None));
    });
}

#[test]
fn the_slowest_answers_are_told_with_their_questions() {
    on_both(|store| {
        let cvm = scene(store).cvm();
        let slowest = block_on(cvm.slowest(Some("asks"), 2)).unwrap();
        let cells = |row: &CallRow| (row.execution_id.clone(), row.prompt.clone().unwrap(), row.latency_ms.unwrap().0);
        let expected = [("waits", "one?", 9_500), ("ended", "one?", 6_000)];
        assert!(slowest.iter().map(cells).eq(expected.map(|(id, prompt, ms)| (id.to_owned(), prompt.to_owned(), ms))));
        assert_eq!((slowest[0].by.as_deref(), slowest[0].kind.as_str()), (Some("waits's friend"), "cc"));
        assert_eq!(slowest[0].answered_at, slowest[0].asked_at.map(|asked| asked + Millis(9_500)));
        assert_eq!(block_on(cvm.slowest(None, 100)).unwrap().len(), 3);
        assert_eq!(block_on(cvm.slowest(Some("quick"), 100)).unwrap(), []);
    });
}

#[test]
fn calls_are_listed_by_what_is_asked_for_page_by_page() {
    on_both(|store| {
        let cvm = scene(store).cvm();
        let cells = |rows: Vec<CallRow>| {
            let cell = |row: CallRow| format!("{} {}", row.execution_id, row.step.unwrap());
            rows.into_iter().map(cell).collect::<Vec<_>>().join(", ")
        };
        let told = |listing: CallListing| {
            let page = block_on(cvm.calls(&listing)).unwrap();
            (cells(page.rows), page.next.is_some())
        };
        let of = |execution: &str| CallListing { execution: Some(execution.to_owned()), ..CallListing::default() };
        assert_eq!(told(of("ended")), ("ended 1, ended 2".to_owned(), false));
        assert_eq!(told(of("nobody")), (String::new(), false));
        assert_eq!(told(CallListing { open: true, ..of("waits") }), ("waits 2".to_owned(), false));
        let open = CallListing { open: true, ..CallListing::default() };
        assert_eq!(told(open.clone()), ("rests 1, waits 2".to_owned(), false));
        let of_kind = |kind: &str| CallListing { kind: Some(kind.to_owned()), ..open.clone() };
        assert_eq!((told(of_kind("cc")).0, told(of_kind("mail")).0), ("rests 1, waits 2".to_owned(), String::new()));
        let of_program = |name: &str| CallListing { program: Some(name.to_owned()), ..open.clone() };
        assert_eq!(
            (told(of_program("asks")).0.as_str(), told(of_program("quick")).0.as_str()),
            ("rests 1, waits 2", "")
        );

        let mut paged = CallListing { program: Some("asks".to_owned()), limit: Some(4), ..CallListing::default() };
        let page = block_on(cvm.calls(&paged)).unwrap();
        assert_eq!(cells(page.rows), "waits 2, ended 2, stopped 1, rests 1");
        paged.cursor = page.next;
        assert_eq!(told(paged.clone()), ("waits 1, ended 1".to_owned(), false));
        paged.cursor = Some("no cursor".to_owned());
        assert_eq!(code(block_on(cvm.calls(&paged))), Code::Invalid);

        let row = block_on(cvm.calls(&of("ended"))).unwrap().rows.remove(1);
        assert_eq!((row.choices, row.outcome.as_deref()), (Some(json!(["yes", "no"])), Some("answered")));
        assert_eq!((row.result, row.line, row.program_name.as_str()), (Some(json!("yes")), Some(1), "asks"));
    });
}

#[test]
fn a_log_is_read_in_order_and_goes_on_when_more_is_written() {
    on_both(|store| {
        let scene = scene(store);
        let cvm = scene.cvm();
        let whole = block_on(cvm.logs("waits", None, None)).unwrap();
        assert!(whole.rows.is_sorted_by_key(|row| (row.timestamp, row.id.clone())));
        assert_eq!((whole.rows.is_empty(), whole.more), (false, false));
        let mut paged = Vec::new();
        let mut page = block_on(cvm.logs("waits", None, Some(1))).unwrap();
        while page.more {
            paged.append(&mut page.rows);
            page = block_on(cvm.logs("waits", page.next.as_deref(), Some(1))).unwrap();
        }
        paged.append(&mut page.rows);
        assert_eq!((&paged, &page.next), (&whole.rows, &whole.next));
        // Nothing more yet; then what was written since.
        let end = block_on(cvm.logs("waits", whole.next.as_deref(), None)).unwrap();
        assert_eq!((end.rows.len(), &end.next, end.more), (0, &whole.next, false));
        answer(&scene, "waits", 1_000);
        let rest = block_on(cvm.logs("waits", end.next.as_deref(), None)).unwrap().rows;
        assert_eq!(rest.last().unwrap().event, "complete");
        let all = block_on(cvm.logs("waits", None, None)).unwrap().rows;
        assert_eq!(all, [whole.rows, rest].concat());
        let nobody = block_on(cvm.logs("nobody", None, None)).unwrap();
        assert_eq!((nobody.rows.len(), nobody.next, nobody.more), (0, None, false));
        assert_eq!(code(block_on(cvm.logs("waits", Some("nowhere"), None))), Code::Invalid);
    });
}

#[test]
fn programs_and_their_versions_are_told() {
    on_both(|store| {
        let cvm = scene(store).cvm();
        let mut paging = Paging { limit: Some(2), cursor: None };
        let first = block_on(cvm.programs(&paging)).unwrap();
        assert_eq!(first.rows.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["asks", "fails"]);
        let asks = &first.rows[0];
        assert_eq!((asks.program_version, asks.tags.as_slice()), (Some(2), ["test".to_owned()].as_slice()));
        assert!(asks.bytecode_version.is_some() && asks.compiler.is_some() && asks.created <= asks.modified);
        paging.cursor = first.next.clone();
        let second = block_on(cvm.programs(&paging)).unwrap();
        assert_eq!((second.rows.len(), second.rows[0].name.as_str(), second.next), (1, "quick", None));

        let tagged = |tag: &str| block_on(cvm.programs_tagged(tag, &Paging::default())).unwrap().rows;
        assert_eq!((tagged("test").len(), tagged("test")[0] == *asks, tagged("tes").len()), (3, true, 0));

        let program = block_on(cvm.program("asks")).unwrap();
        assert_eq!((&program.summary, program.source.as_str()), (asks, ASKS));
        assert!(program.bytecode.as_array().is_some_and(|bytecode| !bytecode.is_empty()));
        let versions = block_on(cvm.versions("asks", &Paging::default())).unwrap().rows;
        assert_eq!(versions.iter().map(|v| v.program_version).collect::<Vec<_>>(), [Some(2), Some(1)]);
        let old = block_on(cvm.version("asks", 1)).unwrap();
        assert_eq!((&old.summary, old.source.as_str()), (&versions[1], "CC(\"never asked\")"));
        assert_ne!(old.bytecode, program.bytecode);

        let gone = block_on(cvm.version("asks", 9)).unwrap_err();
        assert_eq!((gone.code, gone.message.contains("newest version is 2")), (Code::NotFound, true), "{gone}");
        assert_eq!(code(block_on(cvm.program("nobody"))), Code::NotFound);
        assert_eq!(code(block_on(cvm.versions("nobody", &Paging::default()))), Code::NotFound);
    });
}

/// Writes documents as a program that knows no fields would: damaged, or of another time.
fn write(store: &dyn Store, rows: Vec<(&'static Collection, &str, Json)>) {
    const LOOSE: [Collection; 4] = [
        Collection::new("cvm.cc_history", 1),
        Collection::new("cvm.executions", 1),
        Collection::new("cvm.programs", 1),
        Collection::new("cvm.execution_logs", 1),
    ];
    static LOOSELY: [&Collection; 4] = [&LOOSE[0], &LOOSE[1], &LOOSE[2], &LOOSE[3]];
    block_on(store.migrate(&Catalog::new(&LOOSELY).unwrap())).unwrap();
    let writes = rows.into_iter().map(|(collection, id, document)| {
        let document = Arc::new(document.as_object().unwrap().clone());
        Write { key: Key::new(collection, id), expect: Expect::Absent, op: Op::Put { version: 1, document } }
    });
    let batch = Batch {
        command: CommandId::new("by hand").unwrap(),
        fingerprint: "f".to_owned(),
        at: Timestamp::from_millis(0),
        result: Json::Null,
        writes: writes.collect(),
        checks: vec![],
    };
    block_on(store.commit(batch)).unwrap();
}

#[test]
fn what_is_damaged_or_newer_is_shown_as_far_as_it_goes_and_hides_nothing() {
    on_both(|store| {
        write(
            &*store,
            vec![
                (&EXECUTIONS, "bare", json!({"state": {"status": "waiting_cc"}})),
                (
                    &EXECUTIONS,
                    "naps",
                    json!({"programName": "asks", "state": {"status": "napping"}, "started": "soon"}),
                ),
                (&EXECUTIONS, "empty", json!({})),
                (&CC_HISTORY, "bare", json!({"request": 7})),
                (&CC_HISTORY, "odd", json!({"programName": "asks", "outcome": "shrugged", "request": {"prompt": 1}})),
                (&PROGRAMS, "bare", json!({"name": "bare", "tags": "none"})),
                (&EXECUTION_LOGS, "bare", json!({"executionId": "waits"})),
            ],
        );
        let scene = scene(store);
        let cvm = scene.cvm();
        assert_eq!(ids(&block_on(cvm.active(9)).unwrap()), ["rests", "waits", "bare"]);
        assert_eq!(block_on(cvm.history("asks", 9)).unwrap().len(), 5);
        let statuses = block_on(cvm.statuses(None)).unwrap();
        assert_eq!((statuses["waiting_cc"], statuses["napping"], statuses["unknown"]), (2, 1, 1));
        assert_eq!(block_on(cvm.stats(None)).unwrap().executions, 9);
        let latency = block_on(cvm.latency(None)).unwrap();
        assert_eq!((latency.calls, latency.avg_ms, latency.outcomes["shrugged"]), (8, Some(6_500.0), 1));
        assert_eq!(block_on(cvm.calls(&CallListing::default())).unwrap().rows.len(), 8);
        let open = block_on(cvm.calls(&CallListing { open: true, ..CallListing::default() })).unwrap().rows;
        assert_eq!(open.iter().map(|row| row.id == "bare").collect::<Vec<_>>(), [true, false, false]);
        let programs = block_on(cvm.programs(&Paging::default())).unwrap().rows;
        assert_eq!((programs.len(), programs[1].name.as_str(), programs[1].created), (4, "bare", None));
        assert_eq!(block_on(cvm.program("bare")).unwrap().bytecode, Json::Null);
        assert!(block_on(cvm.logs("waits", None, None)).unwrap().rows.iter().all(|row| row.id != "bare"));
    });
}

#[test]
fn what_calls_may_have_is_shown_and_an_early_answer_is_no_open_call() {
    on_both(|store| {
        let full = json!({
            "executionId": "e", "programName": "p", "step": 1, "kind": "mail", "key": "k", "availableAt": 7,
            "request": {"prompt": "?", "instructionId": 0, "timestamp": 5, "args": [null], "schema": {"type": "string"},
                "deadline": 9, "default": null},
            "claim": {"owner": "w", "token": 3, "until": 7, "attempts": 2}, "context": {"line": 4},
        });
        let early = json!({"executionId": "e", "programName": "p", "kind": "mail", "key": "next",
            "response": {"result": null, "timestamp": 6}});
        let failed = json!({"executionId": "e", "programName": "p", "step": 2, "kind": "mail", "outcome": "failed",
            "request": {"prompt": "!", "timestamp": 6}, "error": {"message": "no such address", "timestamp": 8}});
        let slept = json!({"executionId": "e", "programName": "p", "step": 3, "kind": "timer", "outcome": "answered",
            "request": {"prompt": "", "timestamp": 6}, "response": {"result": null, "latencyMs": 86_400_000}});
        let late = json!({"executionId": "e", "programName": "p", "step": 4, "kind": "mail", "outcome": "defaulted",
            "request": {"prompt": "", "timestamp": 6}, "response": {"result": 1, "latencyMs": 60_000}});
        let rows = [("full", full), ("early", early), ("failed", failed), ("slept", slept), ("late", late)];
        write(&*store, rows.into_iter().map(|(id, row)| (&CC_HISTORY, id, row)).collect());
        let cvm = Scene::on(store, Settings::default()).cvm();
        let of_one = CallListing { execution: Some("e".to_owned()), ..CallListing::default() };
        let rows = block_on(cvm.calls(&of_one)).unwrap().rows;
        assert_eq!(
            rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
            ["early", "full", "failed", "slept", "late"]
        );
        assert_eq!(
            serde_json::to_value(&rows[..3]).unwrap(),
            json!([
                {"id": "early", "executionId": "e", "programName": "p", "kind": "mail", "key": "next", "result": null,
                    "answeredAt": 6},
                {"id": "full", "executionId": "e", "programName": "p", "step": 1, "kind": "mail", "key": "k",
                    "prompt": "?", "args": [null], "schema": {"type": "string"}, "default": null, "line": 4, "askedAt": 5,
                    "availableAt": 7, "deadline": 9, "claim": {"owner": "w", "until": 7, "attempts": 2}},
                {"id": "failed", "executionId": "e", "programName": "p", "step": 2, "kind": "mail", "prompt": "!",
                    "askedAt": 6, "outcome": "failed", "error": "no such address"},
            ])
        );
        let open = block_on(cvm.calls(&CallListing { open: true, ..of_one })).unwrap().rows;
        assert_eq!(open.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["full"]);
        // A timer is nobody's latency, nor is what was never answered.
        let latency = block_on(cvm.latency(Some("p"))).unwrap();
        assert_eq!((latency.calls, latency.answered, latency.max_ms), (3, 0, None));
        let outcomes =
            [("answered", 0), ("defaulted", 1), ("timed_out", 0), ("failed", 1), ("cancelled", 0), ("open", 1)];
        assert_eq!(latency.outcomes, numbers(outcomes));
        assert_eq!(block_on(cvm.slowest(None, 9)).unwrap(), []);
        let by_kind = block_on(cvm.latency_by_kind(Some("p"))).unwrap();
        assert_eq!((by_kind["mail"].calls, by_kind["timer"].max_ms), (3, Some(Millis::days(1))));
    });
}

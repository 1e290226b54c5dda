//! The queries that are repeated most, value by value, in memory and on files.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{
    CallOutcome, CallView, Execution, ExecutionHead, ExecutionSummary, Fail, HEAP_PAGES, ListCalls, ListLogs,
    ListVersions, Load, LogRow, Program, ProgramFile, ProgramSummary, SourceOptions, Start, Status, VersionSummary,
    compile_source,
};
use runstate::engine::RunLimit;
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::operation::{EntityQueries as _, ListEntities};
use runstate::schema::{Page, Query};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Freshness, Memory, Store};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::time::Millis;
use serde_json::json;

use crate::cvm::scene::{Scene, error_code, program};

/// Runs `test` on a new store in memory and on one on files.
pub fn on_memory_and_files(test: impl Fn(Arc<dyn Store>)) {
    test(Arc::new(Memory::new()));
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    test(Arc::new(block_on(FileStore::open(folder.path(), FileStoreOptions::default())).unwrap()));
}

/// Loads `source` under `name`.
pub fn load(scene: &Scene, name: &str, source: &str) {
    let load = Load { tags: Some(vec!["test".to_owned()]), ..program(name, source) };
    block_on(scene.cvm().load(&load)).unwrap();
}

/// Starts `program` under `id`, a second after the last event.
pub fn start(scene: &Scene, program: &str, id: &str) {
    scene.host.clock.advance(Millis::seconds(1));
    block_on(scene.cvm().start(&Start::new(program).id(id))).unwrap();
}

/// Answers the open call of `execution` after so many milliseconds.
pub fn answer(scene: &Scene, execution: &str, after: i64) {
    scene.host.clock.advance(Millis(after));
    block_on(scene.cvm().answer(execution, Answer::from("yes").by(format!("{execution}'s friend")))).unwrap();
}

const ASKS: &str = r#"CC("one?"); console.log("half"); CC("two?", { choices: ["yes", "no"] })"#;

/// Executions of three programs, in every status but `running`.
pub fn scene(store: Arc<dyn Store>) -> Scene {
    let scene = Scene::with_store(store, Settings::default());
    load(&scene, "quick", r#"console.log("done")"#);
    load(&scene, "fails", r#"throw new Error("no")"#);
    load(&scene, "asks", "CC(\"never asked\")");
    load(&scene, "asks", ASKS);
    for id in ["ended", "waits", "rests", "stopped"] {
        start(&scene, "asks", id);
    }
    start(&scene, "quick", "quick");
    start(&scene, "fails", "fails");
    // The first calls were made at seconds 1 to 4, and it is second 6 now.
    answer(&scene, "ended", 1_000);
    answer(&scene, "ended", 4_000);
    answer(&scene, "waits", 500);
    block_on(scene.cvm().pause("rests")).unwrap();
    block_on(scene.cvm().cancel("stopped")).unwrap();
    scene
}

/// The ids of a list.
pub fn ids(found: &Page<ExecutionSummary>) -> Vec<&str> {
    found.items.iter().map(|summary| summary.id.as_str()).collect()
}

/// The list of executions that have not ended.
pub fn active() -> ListEntities<ExecutionHead> {
    ExecutionHead::list().filter("state.status", vec!["running", "waiting_cc", "paused"])
}

/// The list of the executions of a program.
pub fn history(program: &str) -> ListEntities<ExecutionHead> {
    ExecutionHead::list().filter("programName", program)
}

/// Names with their counts.
pub fn count_map<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected.into_iter().map(|(name, n)| (name.to_owned(), n)).collect()
}

#[test]
fn active_and_history_are_listed_newest_first() {
    on_memory_and_files(|store| {
        let cvm = scene(store).cvm();
        let active = block_on(cvm.list(&self::active())).unwrap();
        assert_eq!(ids(&active), ["rests", "waits"]);
        assert_eq!((active.items[0].status.as_str(), active.items[0].prompt.as_deref()), ("paused", Some("one?")));
        assert_eq!((active.items[1].status.as_str(), active.items[1].prompt.as_deref()), ("waiting_cc", Some("two?")));
        assert_eq!(ids(&block_on(cvm.list(&self::active().limit(1))).unwrap()), ["rests"]);
        let found = block_on(cvm.list(&history("asks").limit(3))).unwrap();
        assert_eq!(ids(&found), ["stopped", "rests", "waits"]);
        assert_eq!(found.items[0].program_version, 2);
        assert_eq!(block_on(cvm.list(&history("missing"))).unwrap().items, []);
    });
}

#[test]
fn every_status_is_counted_zeros_included() {
    on_memory_and_files(|store| {
        let scene = scene(store);
        let cvm = scene.cvm();
        let all = [("running", 0), ("waiting_cc", 1), ("paused", 1), ("complete", 2), ("error", 1), ("cancelled", 1)];
        assert_eq!(block_on(cvm.statuses(None)).unwrap(), count_map(all));
        let asks = [("running", 0), ("waiting_cc", 1), ("paused", 1), ("complete", 1), ("error", 0), ("cancelled", 1)];
        assert_eq!(block_on(cvm.statuses(Some("asks"))).unwrap(), count_map(asks));
        assert!(block_on(cvm.statuses(Some("missing"))).unwrap().values().eq(&[0; 6]));
        // An execution that is being deleted does not count, though its rows still exist.
        scene.execute_part(&runstate::domain::cvm::Delete::new("ended"));
        assert_eq!(block_on(cvm.statuses(Some("asks"))).unwrap()["complete"], 0);
        assert_eq!(ids(&block_on(cvm.list(&history("asks"))).unwrap()), ["stopped", "rests", "waits"]);
    });
}

#[test]
fn latency_counts_answers_and_outcomes_count_all_calls() {
    on_memory_and_files(|store| {
        let cvm = scene(store).cvm();
        let latency = block_on(cvm.latency(Some("asks"))).unwrap();
        // Made at seconds 1, 7 and 2; answered at 7, 11 and 11.5.
        let took = [6_000, 4_000, 9_500];
        assert_eq!((latency.calls, latency.answered), (6, 3));
        assert_eq!(latency.avg_ms, Some(6_500.0));
        assert_eq!((latency.max_ms, latency.p50_ms), (Some(Millis(took[2])), Some(Millis(took[0]))));
        assert_eq!(latency.p95_ms, Some(Millis(took[2])));
        let outcomes =
            [("answered", 3), ("defaulted", 0), ("timed_out", 0), ("failed", 0), ("cancelled", 1), ("open", 2)];
        assert_eq!(latency.outcomes, count_map(outcomes));
        assert_eq!(block_on(cvm.latency(None)).unwrap(), latency);
        assert_eq!(block_on(cvm.latency_by_program()).unwrap(), BTreeMap::from([("asks".to_owned(), latency.clone())]));
        assert_eq!(block_on(cvm.latency_by_kind(None)).unwrap(), BTreeMap::from([("cc".to_owned(), latency)]));
        let unknown = block_on(cvm.latency(Some("missing"))).unwrap();
        assert_eq!((unknown.calls, unknown.avg_ms, unknown.p95_ms, unknown.outcomes["open"]), (0, None, None, 0));
    });
}

#[test]
fn stats_of_a_program_join_its_executions_and_calls() {
    on_memory_and_files(|store| {
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
        let unknown = block_on(cvm.stats(Some("missing"))).unwrap();
        assert_eq!((unknown.executions, unknown.instructions.avg, unknown.instructions.max), (0, None, None));
    });
}

#[test]
fn slowest_answers_are_listed_with_their_prompts() {
    on_memory_and_files(|store| {
        let cvm = scene(store).cvm();
        let slowest = block_on(cvm.slowest(Some("asks"), 2)).unwrap().items;
        let latency = |row: &CallView| row.response.as_ref().unwrap().latency_ms.unwrap();
        let cells = |row: &CallView| (row.execution_id.clone(), row.prompt.clone(), latency(row).0);
        let expected = [("waits", "one?", 9_500), ("ended", "one?", 6_000)];
        assert!(slowest.iter().map(cells).eq(expected.map(|(id, prompt, ms)| (id.to_owned(), prompt.to_owned(), ms))));
        let response = slowest[0].response.as_ref().unwrap();
        assert_eq!((response.by.as_deref(), slowest[0].kind.as_str()), (Some("waits's friend"), "cc"));
        assert_eq!(Some(response.timestamp), slowest[0].requested_at.map(|requested| requested + Millis(9_500)));
        assert_eq!(block_on(cvm.slowest(None, 100)).unwrap().items.len(), 3);
        assert_eq!(block_on(cvm.slowest(Some("quick"), 100)).unwrap().items, []);
    });
}

#[test]
fn calls_are_listed_by_filter_and_page() {
    on_memory_and_files(|store| {
        let cvm = scene(store).cvm();
        let cells = |rows: Vec<CallView>| {
            let cell = |row: CallView| format!("{} {}", row.execution_id, row.step.unwrap());
            rows.into_iter().map(cell).collect::<Vec<_>>().join(", ")
        };
        let list_calls = |listing: ListCalls| {
            let page = block_on(cvm.calls(&listing)).unwrap();
            (cells(page.items), page.next.is_some())
        };
        let of = |execution: &str| ListCalls { execution: Some(execution.to_owned()), ..ListCalls::default() };
        assert_eq!(list_calls(of("ended")), ("ended 1, ended 2".to_owned(), false));
        assert_eq!(list_calls(of("missing")), (String::new(), false));
        assert_eq!(list_calls(ListCalls { open: true, ..of("waits") }), ("waits 2".to_owned(), false));
        let open = ListCalls { open: true, ..ListCalls::default() };
        assert_eq!(list_calls(open.clone()), ("rests 1, waits 2".to_owned(), false));
        let of_kind = |kind: &str| ListCalls { kind: Some(kind.to_owned()), ..open.clone() };
        assert_eq!(
            (list_calls(of_kind("cc")).0, list_calls(of_kind("mail")).0),
            ("rests 1, waits 2".to_owned(), String::new())
        );
        let of_program = |name: &str| ListCalls { program: Some(name.to_owned()), ..open.clone() };
        assert_eq!(
            (list_calls(of_program("asks")).0.as_str(), list_calls(of_program("quick")).0.as_str()),
            ("rests 1, waits 2", "")
        );

        let mut paged = ListCalls { program: Some("asks".to_owned()), limit: Some(4), ..ListCalls::default() };
        let page = block_on(cvm.calls(&paged)).unwrap();
        assert_eq!(cells(page.items), "waits 2, ended 2, stopped 1, rests 1");
        paged.cursor = page.next;
        assert_eq!(list_calls(paged.clone()), ("waits 1, ended 1".to_owned(), false));
        paged.cursor = Some("no cursor".to_owned());
        assert_eq!(error_code(block_on(cvm.calls(&paged))), ErrorCode::INVALID);

        let row = block_on(cvm.calls(&of("ended"))).unwrap().items.remove(1);
        assert_eq!((row.choices, row.outcome), (Some(vec![json!("yes"), json!("no")]), Some(CallOutcome::Answered)));
        assert_eq!((row.response.unwrap().result, row.line, row.program_name.as_str()), (json!("yes"), 1, "asks"));
    });
}

const EVERY_END: &str = r#"
    CC("one?"); CC("two?", { key: "known" });
    try { call("mail", { to: "ada" }) } catch (e) { console.log(e.name) }
    CC("three?", { timeoutMs: 1000, default: "none" });
    try { CC("four?", { timeoutMs: 1000 }) } catch (e) { console.log(e.name) }
    sleep(1000);
    CC.all(["five?", "six?"]);
"#;

#[test]
fn calls_are_distinguished_by_their_outcome() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        let cvm = scene.cvm();
        load(&scene, "ends", EVERY_END);
        start(&scene, "ends", "run");
        block_on(cvm.answer("run", Answer::to_key("known").value("early"))).unwrap();
        let of_run = ListCalls { execution: Some("run".to_owned()), ..ListCalls::default() };
        let rows = block_on(cvm.calls(&of_run)).unwrap().items;
        let cells = rows.iter().map(|row| (row.key.as_deref(), row.step, row.prompt.as_str()));
        assert_eq!(cells.collect::<Vec<_>>(), [(Some("known"), None, ""), (None, Some(1), "one?")]);
        answer(&scene, "run", 3_000);
        let claimed =
            block_on(cvm.claim(&["mail".to_owned()], "postman", Millis::seconds(30))).unwrap().unwrap().claimed;
        let mail = ListCalls { kind: Some("mail".to_owned()), open: true, ..ListCalls::default() };
        let row = block_on(cvm.calls(&mail)).unwrap().items.remove(0);
        assert_eq!((row.args, row.claim.unwrap().owner.as_deref()), (json!({"to": "ada"}), Some("postman")));
        let fail = Fail {
            execution: "run".to_owned(),
            call: claimed.call,
            token: claimed.token,
            message: "unknown here".to_owned(),
            ..Fail::default()
        };
        block_on(cvm.fail(&fail)).unwrap();
        for _ in 0..3 {
            scene.host.clock.advance(Millis::seconds(1));
            assert_eq!(block_on(cvm.engine().run_due(9, RunLimit::Stop)).unwrap().resumed, 1);
        }
        let rows = block_on(cvm.calls(&of_run)).unwrap().items;
        let cells = rows.iter().map(|row| {
            format!("{} {}", row.kind, row.outcome.map_or(json!("open"), |outcome| json!(outcome)).as_str().unwrap())
        });
        let expected =
            "cc answered, cc answered, mail failed, cc defaulted, cc timed_out, timer defaulted, cc open, cc open";
        assert_eq!(cells.collect::<Vec<_>>().join(", "), expected);
        assert_eq!(rows[2].error.as_ref().map(|error| error.message.as_str()), Some("unknown here"));
        let open = block_on(cvm.calls(&ListCalls { open: true, ..of_run })).unwrap().items;
        assert_eq!(open, rows[6..]);
        let latency = block_on(cvm.latency(Some("ends"))).unwrap();
        let outcomes =
            [("answered", 2), ("defaulted", 1), ("timed_out", 1), ("failed", 1), ("cancelled", 0), ("open", 2)];
        assert_eq!((latency.calls, latency.outcomes), (7, count_map(outcomes)));
        // An early answer took no time.
        assert_eq!(
            (latency.p50_ms, latency.max_ms, latency.avg_ms),
            (Some(Millis(0)), Some(Millis(3_000)), Some(1_500.0))
        );
        assert_eq!(
            block_on(cvm.latency_by_kind(None)).unwrap().into_keys().collect::<Vec<_>>(),
            ["cc", "mail", "timer"]
        );
    });
}

#[test]
fn log_continues_after_any_row_in_order() {
    on_memory_and_files(|store| {
        let scene = scene(store);
        let cvm = scene.cvm();
        let logs = |after: Option<&LogRow>, limit| {
            let cursor = after.map(LogRow::cursor);
            block_on(cvm.logs(&ListLogs { cursor, limit, ..ListLogs::of_execution("waits") })).unwrap()
        };
        let whole = logs(None, None);
        assert!(whole.items.is_sorted_by_key(|row| (row.timestamp, row.id.clone())));
        assert_eq!((whole.items.is_empty(), &whole.next), (false, &None));
        // Page by page, with the cursor of the page before or after its last row.
        let mut listing = ListLogs { limit: Some(1), ..ListLogs::of_execution("waits") };
        let (mut paged, mut after_rows) = (Vec::new(), Vec::new());
        loop {
            let page = block_on(cvm.logs(&listing)).unwrap();
            assert_eq!(page, logs(after_rows.last(), Some(1)));
            after_rows.extend(page.items.clone());
            paged.extend(page.items);
            listing.cursor = page.next;
            if listing.cursor.is_none() {
                break;
            }
        }
        assert_eq!((&paged, paged.len() > 1), (&whole.items, true));
        // The cursor of a list that begins after a row continues after its own page.
        listing = ListLogs { cursor: paged.first().map(LogRow::cursor), limit: Some(1), ..ListLogs::default() };
        listing.cursor = block_on(cvm.logs(&listing)).unwrap().next;
        let all = block_on(cvm.logs(&ListLogs::default())).unwrap().items;
        let at = all.iter().position(|row| row.id == paged[0].id).unwrap();
        assert_eq!(block_on(cvm.logs(&listing)).unwrap().items, all[at + 2..at + 3]);
        // No more rows yet; then the rows written since.
        let last = whole.items.last();
        assert_eq!(logs(last, None), Page::new(vec![], None));
        answer(&scene, "waits", 1_000);
        let rest = logs(last, None).items;
        assert_eq!(rest.last().unwrap().event, "complete");
        assert_eq!(logs(None, None).items, [whole.items, rest].concat());
        assert_eq!(block_on(cvm.logs(&ListLogs::of_execution("missing"))).unwrap(), Page::new(vec![], None));
        let nowhere = ListLogs { cursor: Some("nowhere".to_owned()), ..ListLogs::default() };
        assert_eq!(error_code(block_on(cvm.logs(&nowhere))), ErrorCode::INVALID);
    });
}

#[test]
fn programs_and_their_versions_are_listed() {
    on_memory_and_files(|store| {
        let cvm = scene(store).cvm();
        let first = block_on(cvm.programs(&Program::list().limit(2))).unwrap();
        assert_eq!(first.items.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["asks", "fails"]);
        let asks = &first.items[0];
        assert_eq!((asks.program_version, asks.tags.as_slice()), (2, ["test".to_owned()].as_slice()));
        assert!(asks.metadata.version > 0 && !asks.metadata.compiler.is_empty() && asks.created <= asks.modified);
        let next = Program::list().limit(2).after(first.next.as_deref().unwrap());
        let second = block_on(cvm.programs(&next)).unwrap();
        assert_eq!((second.items.len(), second.items[0].name.as_str(), second.next), (1, "quick", None));

        let tagged = |tag: &str| block_on(cvm.programs(&Program::list().filter("tags", tag))).unwrap().items;
        assert_eq!((tagged("test").len(), tagged("test")[0] == *asks, tagged("tes").len()), (3, true, 0));

        let program = block_on(cvm.program("asks")).unwrap();
        let summary: ProgramSummary = runstate::value::from_value(&json!(program)).unwrap();
        assert_eq!((&summary, program.source.as_str()), (asks, ASKS));
        assert!(!program.bytecode.is_empty());
        let of_program = |name: &str| ListVersions { name: name.to_owned(), ..ListVersions::default() };
        let versions = block_on(cvm.versions(&of_program("asks"))).unwrap().items;
        assert_eq!(versions.iter().map(|v| v.program_version).collect::<Vec<_>>(), [2, 1]);
        let old = block_on(cvm.version("asks", 1)).unwrap();
        let summary: VersionSummary = runstate::value::from_value(&json!(old)).unwrap();
        assert_eq!((&summary, old.source.as_str()), (&versions[1], "CC(\"never asked\")"));
        assert_ne!(old.bytecode, program.bytecode);

        let gone = block_on(cvm.version("asks", 9)).unwrap_err();
        assert_eq!((gone.code, gone.message.contains("newest version is 2")), (ErrorCode::NOT_FOUND, true), "{gone}");
        let running = &block_on(cvm.list(&history("asks").limit(1))).unwrap().items[0].id;
        assert_eq!(block_on(cvm.version_of(running)).unwrap(), block_on(cvm.version("asks", 2)).unwrap());
        assert_eq!(error_code(block_on(cvm.version_of("missing"))), ErrorCode::NOT_FOUND);
        assert_eq!(error_code(block_on(cvm.program("missing"))), ErrorCode::NOT_FOUND);
        assert_eq!(error_code(block_on(cvm.versions(&of_program("missing")))), ErrorCode::NOT_FOUND);
    });
}

#[test]
fn a_list_is_read_page_by_page() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        load(&scene, "asks", ASKS);
        // Several of the same time, in the order of their ids.
        for id in ["b", "a", "d", "c"] {
            block_on(scene.cvm().start(&Start::new("asks").id(id))).unwrap();
        }
        start(&scene, "asks", "later");
        start(&scene, "asks", "latest");
        let page = |status: Option<Status>, cursor: Option<String>| {
            let listing = cursor.iter().fold(ExecutionHead::list().limit(2), |list, cursor| list.after(cursor));
            let listing = status.iter().fold(listing, |list, status| list.filter("state.status", status.as_str()));
            let page = block_on(scene.cvm().list(&listing)).unwrap();
            (page.items.into_iter().map(|row| row.id).collect::<Vec<_>>(), page.next)
        };
        for status in [None, Some(Status::WaitingCc)] {
            let (mut found, mut next) = page(status, None);
            while next.is_some() {
                let (rows, after) = page(status, next);
                found.extend(rows);
                next = after;
            }
            assert_eq!(found, ["latest", "later", "a", "b", "c", "d"]);
        }
        // A list continues after a row that was read, also when that row is gone or newer rows exist.
        let (seen, next) = page(None, None);
        assert_eq!(seen, ["latest", "later"]);
        block_on(scene.cvm().cancel("later")).unwrap();
        block_on(scene.cvm().delete("later")).unwrap();
        start(&scene, "asks", "newest");
        assert_eq!(page(None, next).0, ["a", "b"]);
        assert_eq!(error_code(block_on(scene.cvm().summary("later"))), ErrorCode::NOT_FOUND);
    });
}

#[test]
fn show_without_state_hash_does_not_read_the_heap() {
    let scene = Scene::program(
        r#"const all = []; for (let i = 0; i < 5000; i++) all.push({ i }); console.log("so far"); CC("on?");"#,
    );
    let (hashed, plain) = (scene.show(), block_on(scene.cvm().show_head("run")).unwrap());
    assert!(hashed.state_hash.is_some() && hashed.heap_pages > 50);
    assert_eq!(plain, Execution { state_hash: None, machine: None, ..hashed });
    // A damaged heap does not affect queries that do not read it.
    let rows = block_on(scene.store.query(&Query::of(&HEAP_PAGES).limit(1), Freshness::Linearizable)).unwrap().items;
    let damage = batch(CommandId::new("damage").unwrap()).delete(&HEAP_PAGES, &rows[0].id);
    block_on(scene.store.commit(damage)).unwrap();
    let cold = Cvm::new(&scene.cold_engine());
    assert!(block_on(cold.show("run")).is_err());
    assert_eq!(block_on(cold.show_head("run")).unwrap(), plain);
}

/// The program `main.ts` with the file `a.ts`.
fn program_of_two_files(a: &str) -> Load {
    let source = "import { a } from './a';\nconsole.log(a);";
    let files = ["a.ts", "unused.ts"].map(|path| ProgramFile { path: path.to_owned(), source: a.to_owned() });
    compile_source("two", source, SourceOptions { files: files.into(), ..SourceOptions::default() }).unwrap()
}

#[test]
fn changed_file_of_a_program_is_a_new_version() {
    let scene = Scene::new();
    let load = |load: &Load| block_on(scene.cvm().load(load)).unwrap();
    let program = program_of_two_files("export const a = 1");
    let first = load(&program);
    assert_eq!((first.program_version, first.changed), (1, true));
    let before = scene.dump();
    assert!(!load(&program_of_two_files("export const a = 1")).changed);
    assert_eq!(before, scene.dump());
    let second = load(&program_of_two_files("export const a = 2"));
    assert_eq!((second.program_version, second.changed), (2, true));
    let view = block_on(scene.cvm().program("two")).unwrap();
    let file = ProgramFile { path: "a.ts".to_owned(), source: "export const a = 2".to_owned() };
    assert_eq!((view.entry.as_deref(), &view.files), (Some("main.ts"), &vec![file]));
    // Another path of the entry changes the places in stack traces.
    assert!(load(&Load { entry: Some("index.ts".to_owned()), ..program_of_two_files("export const a = 2") }).changed);
    // A program of one file has no list of files, so it is stored as before.
    assert!(load(&Load::new("two", "1", program.bytecode.clone())).changed);
    let view = block_on(scene.cvm().program("two")).unwrap();
    assert_eq!((view.entry, view.files), (None, vec![]));
    scene.check();
}

#[test]
fn files_of_a_program_have_plain_paths_that_occur_once() {
    let scene = Scene::new();
    for path in ["../a.ts", "/etc/passwd", "a//b.ts", "./a.ts", "", "main.ts"] {
        let file = ProgramFile { path: path.to_owned(), source: String::new() };
        let load = program("two", "1").with_files(None, vec![file]);
        assert_eq!(error_code(block_on(scene.cvm().load(&load))), ErrorCode::INVALID, "{path}");
    }
    let file = ProgramFile { path: "a.ts".to_owned(), source: String::new() };
    let load = program("two", "1").with_files(None, vec![file.clone(), file]);
    assert_eq!(error_code(block_on(scene.cvm().load(&load))), ErrorCode::INVALID);
}

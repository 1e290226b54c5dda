//! Data of an execution besides its head: the machine's position, its variables; programs by id; the log of all
//! executions. Rows that are damaged or from a newer version are listed as damaged, and hide no other rows.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, Load, PROGRAMS, Show, Start};
use runstate::domain::cvm::{ExecutionHead, ListCalls, ListLogs, Program};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::operation::EntityQueries as _;
use runstate::schema::{Catalog, Collection, Page};
use runstate::store::{Memory, Store};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::value::Json;
use runstate::vm::FrameView;
use serde_json::json;

use crate::cvm::queries::{active, answer, count_map, history, ids, load, on_memory_and_files, scene, start};
use crate::cvm::scene::{Scene, error_code};

const ORDER: &str = r#"
const order = { items: new Map([["tea", 2]]), total: NaN, none: undefined };
function price(item, missing) {
  const given = CC("price of " + item + "?");
  return missing.rate * given;
}
price("tea", null);"#;

fn variable_texts(frame: &FrameView) -> Vec<String> {
    frame.variables.iter().map(|variable| format!("{}={}", variable.name, variable.value.text)).collect()
}

#[test]
fn variables_of_every_call_are_shown_until_the_end_and_after_a_failure() {
    let mut scene = Scene::program(ORDER);
    let variables = |scene: &Scene, name| block_on(scene.cvm().variables("run", name, false));
    let waits = variables(&scene, None).unwrap();
    assert_eq!((waits[0].function.as_str(), waits[0].line), ("price", 4));
    assert_eq!(variable_texts(&waits[0]), ["item='tea'", "missing=null", "given=<not yet assigned>"]);
    let order = "order={ items: Map(1) { 'tea' => 2 }, total: NaN, none: undefined }";
    assert!(variable_texts(&waits[1]).contains(&order.to_owned()), "{:?}", variable_texts(&waits[1]));
    assert_eq!(block_on(Cvm::new(&scene.cold_engine()).variables("run", None, false)).unwrap(), waits, "cold and warm");

    scene.answer("3");
    let failed = variables(&scene, Some("given")).unwrap();
    assert_eq!((failed.len(), variable_texts(&failed[0])), (1, vec!["given='3'".to_owned()]));
    assert_eq!((failed[0].line, failed[0].variables[0].value.value.clone()), (5, json!("3")));
    let missing = variables(&scene, Some("nothing")).unwrap_err();
    assert_eq!(missing.code, ErrorCode::NOT_FOUND);
    assert!(
        missing.message.starts_with("variable `nothing` does not exist; execution `run` has item, missing, given"),
        "{missing}"
    );
    assert_eq!(error_code(block_on(scene.cvm().variables("missing", None, false))), ErrorCode::NOT_FOUND);
}

#[test]
fn variables_of_built_ins_that_are_written_in_the_language_are_not_shown() {
    let source = r#"
        const total = new Intl.NumberFormat("en-US").format(1234.5), { $id } = { $id: 1 };
        const url = new URL("http://a/").host;
        CC("?");"#;
    let scene = Scene::program(source);
    let shown = scene.show();
    let frame = shown.machine.unwrap().frames.remove(0);
    let names: Vec<String> = frame.variables.into_iter().map(|variable| variable.name).collect();
    assert_eq!(names, ["input", "total", "$id", "url"]);
    assert_eq!(shown.calls[0].variables, json!({"input": null, "total": "1,234.5", "$id": 1, "url": "a"}));
    assert_eq!(error_code(block_on(scene.cvm().variables("run", Some("Intl"), false))), ErrorCode::NOT_FOUND);
}

#[test]
fn show_returns_input_parent_and_machine_position() {
    let mut scene = Scene::new();
    scene.load("const list = Array.from({ length: 200 }, (_, i) => i);\nCC('?' + input.n);");
    let child = Start { parent: Some("parent".to_owned()), ..Start::new("program").id("run").input(json!({"n": 7})) };
    block_on(scene.cvm().start(&child)).unwrap();
    let shown = scene.show();
    assert_eq!((shown.input, shown.parent_id.as_deref()), (Some(json!({"n": 7})), Some("parent")));
    let machine = shown.machine.unwrap();
    assert_eq!((machine.line, machine.frames.len(), machine.cut), (2, 1, true));
    let full = block_on(scene.engine().query(&Show::all("run", true))).unwrap().machine.unwrap();
    let list = full.frames[0].variables.iter().find(|variable| variable.name == "list").unwrap();
    assert_eq!((full.cut, list.value.value.as_array().unwrap().len()), (false, 200));
    assert_eq!(block_on(scene.cvm().show_head("run")).unwrap().machine, None);
}

#[test]
fn a_program_is_loaded_under_an_id_of_its_own_and_found_by_it() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, runstate::domain::cvm::Settings::default());
        let bytecode = |source: &str| runstate::lang::compile("p.ts", source).unwrap().bytecode;
        let of = |name: &str, source: &str, id: Option<&str>| Load {
            id: id.map(str::to_owned),
            ..Load::new(name, source, bytecode(source))
        };
        let cvm = scene.cvm();
        let load = |load: Load| block_on(cvm.load(&load));
        assert_eq!(load(of("one", "1", Some("p1"))).unwrap().id, "p1");
        assert!(!load(of("one", "1", Some("p1"))).unwrap().changed);
        assert_eq!(load(of("one", "2", None)).unwrap().program_version, 2);
        let found = block_on(cvm.program_by_id("p1")).unwrap();
        assert_eq!((found.name.as_str(), found.source.as_str()), ("one", "2"));
        assert_eq!(error_code(block_on(cvm.program_by_id("p2"))), ErrorCode::NOT_FOUND);
        assert_eq!(error_code(load(of("two", "1", Some("p1")))), ErrorCode::ALREADY_EXISTS);
        let other = load(of("one", "1", Some("p2"))).unwrap_err();
        assert!(other.code == ErrorCode::ALREADY_EXISTS && other.message.contains("under the id `p1`"), "{other}");
        assert_eq!(error_code(load(of("two", "1", Some("a\nb")))), ErrorCode::INVALID);
        assert_eq!(block_on(cvm.start(&Start::new("one"))).unwrap().status.as_str(), "complete");
    });
}

#[test]
fn the_log_of_all_executions_is_read_by_event_and_time() {
    on_memory_and_files(|store| {
        let scene = scene(store);
        let cvm = scene.cvm();
        let logs = |listing: &ListLogs| block_on(cvm.logs(listing)).unwrap();
        let all = logs(&ListLogs::default()).items;
        assert!(all.is_sorted_by_key(|row| (row.timestamp, row.id.clone())));
        assert!(["ended", "waits", "fails", "quick"].iter().all(|id| all.iter().any(|row| row.execution_id == *id)));
        let of = |event: &str| ListLogs { event: Some(event.to_owned()), ..ListLogs::default() };
        let errors = logs(&of("error")).items;
        assert_eq!(errors.iter().map(|row| row.execution_id.as_str()).collect::<Vec<_>>(), ["fails"]);
        assert_eq!(logs(&of("complete")).items.len(), all.iter().filter(|row| row.event == "complete").count());

        let middle = all[all.len() / 2].timestamp;
        let since = logs(&ListLogs { since: Some(middle), ..ListLogs::default() }).items;
        let before = logs(&ListLogs { before: Some(middle), ..ListLogs::default() }).items;
        assert_eq!([before, since].concat(), all);
        let mut listing = ListLogs { limit: Some(2), ..ListLogs::default() };
        let mut paged = Vec::new();
        loop {
            let page = logs(&listing);
            paged.extend(page.items);
            listing.cursor = page.next;
            if listing.cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, all);
        answer(&scene, "waits", 1_000);
        assert_eq!(logs(&ListLogs { execution: Some("waits".to_owned()), ..of("complete") }).items.len(), 1);
    });
}

#[test]
fn a_store_that_is_closed_is_not_healthy() {
    let store = Arc::new(Memory::new());
    let scene = Scene::with_store(store.clone(), runstate::domain::cvm::Settings::default());
    load(&scene, "quick", "1");
    start(&scene, "quick", "run");
    assert_eq!(block_on(scene.engine().health()), None);
    block_on(store.close()).unwrap();
    assert_eq!(block_on(scene.engine().health()).map(|why| why.code), Some(ErrorCode::CLOSED));
}

#[test]
fn poll_returns_large_output_in_pages_of_whole_lines() {
    // A line of 3 MiB spans several rows, also where a page would end.
    let scene = Scene::program(
        "for (let i = 0; i < 40; i++) console.log(i + 'x'.repeat(i % 14 === 13 ? 3 << 20 : 200_000)); CC('more?')",
    );
    let output = block_on(scene.cvm().output("run")).unwrap();
    assert_eq!(output.len(), 40);
    let (mut lines, mut next, mut pages) = (Vec::new(), 0, 0);
    loop {
        let progress = block_on(scene.cvm().progress("run", next)).unwrap();
        let bytes: usize = progress.lines.iter().map(String::len).sum();
        assert!(bytes <= 17 << 20 && !progress.calls.is_empty(), "{bytes}");
        (next, pages) = (progress.next, pages + 1);
        lines.extend(progress.lines);
        if !progress.more {
            break;
        }
    }
    assert!(lines == output && pages > 2, "{} lines in {pages} pages", lines.len());
}

/// Writes documents as a program without declarations could: damaged, or from another version.
fn write_undeclared(store: &dyn Store, rows: Vec<(&'static Collection, &str, Json)>) {
    const UNDECLARED: [Collection; 4] = [
        Collection::new("cvm.cc_history", 1),
        Collection::new("cvm.executions", 1),
        Collection::new("cvm.programs", 1),
        Collection::new("cvm.execution_logs", 1),
    ];
    static UNDECLARED_REFS: [&Collection; 4] = [&UNDECLARED[0], &UNDECLARED[1], &UNDECLARED[2], &UNDECLARED[3]];
    block_on(store.migrate(&Catalog::new(&UNDECLARED_REFS).unwrap())).unwrap();
    let empty = batch(CommandId::new("by hand").unwrap());
    let batch =
        rows.into_iter().fold(empty, |batch, (collection, id, document)| batch.insert(collection, id, document));
    block_on(store.commit(batch)).unwrap();
}

/// The ids of the rows that cannot be read, in order.
fn damaged<T>(page: &Page<T>) -> Vec<&str> {
    let mut ids: Vec<&str> = page.damaged.iter().map(|row| row.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn damaged_or_newer_rows_are_listed_as_damaged_and_hide_no_others() {
    on_memory_and_files(|store| {
        write_undeclared(
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
        let found = block_on(cvm.list(&active())).unwrap();
        assert_eq!((ids(&found), damaged(&found)), (vec!["rests", "waits"], vec!["bare"]));
        let found = block_on(cvm.list(&history("asks"))).unwrap();
        assert_eq!((found.items.len(), damaged(&found)), (4, vec!["naps"]));
        assert_eq!(damaged(&block_on(cvm.list(&ExecutionHead::list())).unwrap()), ["bare", "empty", "naps"]);
        let statuses = block_on(cvm.statuses(None)).unwrap();
        assert_eq!((statuses["waiting_cc"], statuses["napping"], statuses["unknown"]), (2, 1, 1));
        assert_eq!(block_on(cvm.stats(None)).unwrap().executions, 9);
        let latency = block_on(cvm.latency(None)).unwrap();
        assert_eq!((latency.calls, latency.avg_ms, latency.outcomes["shrugged"]), (8, Some(6_500.0), 1));
        let calls = block_on(cvm.calls(&ListCalls::default())).unwrap();
        assert_eq!((calls.items.len(), damaged(&calls)), (6, vec!["bare", "odd"]));
        let open = block_on(cvm.calls(&ListCalls { open: true, ..ListCalls::default() })).unwrap();
        assert_eq!((open.items.len(), damaged(&open)), (2, vec!["bare"]));
        let programs = block_on(cvm.programs(&Program::list())).unwrap();
        assert_eq!((programs.items.len(), damaged(&programs)), (3, vec!["bare"]));
        assert_eq!(error_code(block_on(cvm.program("bare"))), ErrorCode::CORRUPT);
        assert!(block_on(cvm.logs(&ListLogs::of_execution("waits"))).unwrap().items.iter().all(|row| row.id != "bare"));
    });
}

#[test]
fn call_rows_show_all_fields_and_early_answers_are_not_open() {
    on_memory_and_files(|store| {
        let full = json!({
            "id": "full", "executionId": "e", "programName": "p", "step": 1, "kind": "mail", "key": "k", "availableAt": 7,
            "request": {"prompt": "?", "instructionId": 0, "timestamp": 5, "args": [null], "schema": {"type": "string"},
                "deadline": 9, "default": null},
            "claim": {"owner": "w", "token": 3, "until": 7, "attempts": 2}, "context": {"line": 4},
        });
        let early = json!({"id": "early", "executionId": "e", "programName": "p", "kind": "mail", "key": "next",
            "response": {"result": null, "timestamp": 6}});
        let failed = json!({"id": "failed", "executionId": "e", "programName": "p", "step": 2, "kind": "mail", "outcome": "failed",
            "request": {"prompt": "!", "timestamp": 6}, "error": {"message": "no such address", "timestamp": 8}});
        let slept = json!({"id": "slept", "executionId": "e", "programName": "p", "step": 3, "kind": "timer", "outcome": "defaulted",
            "request": {"prompt": "", "timestamp": 6}, "response": {"result": null, "timestamp": 7, "latencyMs": 86_400_000}});
        let late = json!({"id": "late", "executionId": "e", "programName": "p", "step": 4, "kind": "mail", "outcome": "defaulted",
            "request": {"prompt": "", "timestamp": 6}, "response": {"result": 1, "timestamp": 7, "latencyMs": 60_000}});
        let rows = [("full", full), ("early", early), ("failed", failed), ("slept", slept), ("late", late)];
        write_undeclared(&*store, rows.into_iter().map(|(id, row)| (&CC_HISTORY, id, row)).collect());
        let cvm = Scene::with_store(store, Settings::default()).cvm();
        let of_one = ListCalls { execution: Some("e".to_owned()), ..ListCalls::default() };
        let rows = block_on(cvm.calls(&of_one)).unwrap().items;
        assert_eq!(
            rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
            ["early", "full", "failed", "slept", "late"]
        );
        let row = |own: Json| {
            let mut row = json!({
                "executionId": "e", "programName": "p", "step": null, "kind": "mail", "key": null, "prompt": "",
                "args": null, "choices": null, "schema": null, "cost": null, "requestedAt": null, "availableAt": null,
                "deadline": null, "claim": null, "refusal": null, "error": null, "outcome": null, "response": null,
                "line": 0, "variables": null, "stack": [],
            });
            row.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
            row
        };
        assert_eq!(
            serde_json::to_value(&rows[..3]).unwrap(),
            json!([
                row(json!({"id": "early", "key": "next",
                    "response": {"result": null, "timestamp": 6, "latencyMs": null, "by": null}})),
                row(
                    json!({"id": "full", "step": 1, "key": "k", "prompt": "?", "args": [null], "schema": {"type": "string"},
                    "default": null, "line": 4, "requestedAt": 5, "availableAt": 7, "deadline": 9, "waitsFor": "worker",
                    "claim": {"owner": "w", "token": 3, "until": 7, "attempts": 2, "reservation": null}})
                ),
                row(json!({"id": "failed", "step": 2, "prompt": "!", "requestedAt": 6, "outcome": "failed",
                    "error": {"name": null, "code": null, "message": "no such address", "timestamp": 8, "by": null}})),
            ])
        );
        let open = block_on(cvm.calls(&ListCalls { open: true, ..of_one })).unwrap().items;
        assert_eq!(open.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["full"]);
        // Neither a timer nor a call without an answer counts in the latency.
        let latency = block_on(cvm.latency(Some("p"))).unwrap();
        assert_eq!((latency.calls, latency.answered, latency.max_ms), (3, 0, None));
        let outcomes =
            [("answered", 0), ("defaulted", 1), ("timed_out", 0), ("failed", 1), ("cancelled", 0), ("open", 1)];
        assert_eq!(latency.outcomes, count_map(outcomes));
        assert_eq!(block_on(cvm.slowest(None, 9)).unwrap().items, []);
        let by_kind = block_on(cvm.latency_by_kind(Some("p"))).unwrap();
        assert_eq!((by_kind["mail"].calls, by_kind["timer"].outcomes["defaulted"]), (3, 1));
    });
}

//! Data of an execution besides its head: the machine's position, its variables; programs by id; the log of all executions.

use std::sync::Arc;

use runstate::domain::cvm::{Load, Show, Start};
use runstate::engine::LogListing;
use runstate::error_code::ErrorCode;
use runstate::store::{Memory, Store};
use runstate::testing::block_on;
use runstate::vm::{FrameView, InspectBounds};
use serde_json::json;

use crate::queries::{answer, load, on_memory_and_files, scene, start};
use crate::scene::{Scene, error_code};

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
    assert_eq!(block_on(scene.cold_engine().cvm().variables("run", None, false)).unwrap(), waits, "cold and warm");

    scene.answer("3");
    let failed = variables(&scene, Some("given")).unwrap();
    assert_eq!((failed.len(), variable_texts(&failed[0])), (1, vec!["given='3'".to_owned()]));
    assert_eq!((failed[0].line, failed[0].variables[0].value.value.clone()), (5, json!("3")));
    let missing = variables(&scene, Some("nothing")).unwrap_err();
    assert_eq!(missing.code, ErrorCode::NotFound);
    assert!(
        missing.message.starts_with("variable `nothing` does not exist; execution `run` has item, missing, given"),
        "{missing}"
    );
    assert_eq!(error_code(block_on(scene.cvm().variables("missing", None, false))), ErrorCode::NotFound);
}

#[test]
fn show_returns_input_parent_and_machine_position() {
    let mut scene = Scene::new();
    scene.load("const list = Array.from({ length: 200 }, (_, i) => i);\nCC('?' + input.n);");
    let child = Start { parent: Some("parent".to_owned()), ..Start::new("program").id("run").input(json!({"n": 7})) };
    block_on(scene.cvm().start(&child, None)).unwrap();
    let shown = scene.show();
    assert_eq!((shown.input, shown.parent_id.as_deref()), (Some(json!({"n": 7})), Some("parent")));
    let machine = shown.machine.unwrap();
    assert_eq!((machine.line, machine.frames.len(), machine.cut), (2, 1, true));
    let full = block_on(scene.engine().query(&Show::all("run", InspectBounds::full()))).unwrap().machine.unwrap();
    let list = full.frames[0].variables.iter().find(|variable| variable.name == "list").unwrap();
    assert_eq!((full.cut, list.value.value.as_array().unwrap().len()), (false, 200));
    assert_eq!(block_on(scene.cvm().show_head("run")).unwrap().machine, None);
}

#[test]
fn a_program_is_loaded_under_an_id_of_its_own_and_found_by_it() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, runstate::limits::Settings::default());
        let bytecode = |source: &str| runstate::lang::compile("p.ts", source).unwrap().bytecode;
        let of = |name: &str, source: &str, id: Option<&str>| Load {
            id: id.map(str::to_owned),
            ..Load::new(name, source, bytecode(source))
        };
        let cvm = scene.cvm();
        let load = |load: Load| block_on(cvm.load(&load, None));
        assert_eq!(load(of("one", "1", Some("p1"))).unwrap().id, "p1");
        assert!(!load(of("one", "1", Some("p1"))).unwrap().changed);
        assert_eq!(load(of("one", "2", None)).unwrap().program_version, 2);
        let found = block_on(cvm.program_by_id("p1")).unwrap();
        assert_eq!((found.summary.name.as_str(), found.source.as_str()), ("one", "2"));
        assert_eq!(error_code(block_on(cvm.program_by_id("p2"))), ErrorCode::NotFound);
        assert_eq!(error_code(load(of("two", "1", Some("p1")))), ErrorCode::AlreadyExists);
        let other = load(of("one", "1", Some("p2"))).unwrap_err();
        assert!(other.code == ErrorCode::AlreadyExists && other.message.contains("under the id `p1`"), "{other}");
        assert_eq!(error_code(load(of("two", "1", Some("a\nb")))), ErrorCode::Invalid);
        assert_eq!(block_on(cvm.start(&Start::new("one"), None)).unwrap().status.as_str(), "complete");
    });
}

#[test]
fn the_log_of_all_executions_is_read_by_event_and_time() {
    on_memory_and_files(|store| {
        let scene = scene(store);
        let cvm = scene.cvm();
        let logs = |listing: &LogListing| block_on(cvm.list_logs(listing)).unwrap();
        let all = logs(&LogListing::default()).rows;
        assert!(all.is_sorted_by_key(|row| (row.timestamp, row.id.clone())));
        assert!(["ended", "waits", "fails", "quick"].iter().all(|id| all.iter().any(|row| row.execution_id == *id)));
        let of = |event: &str| LogListing { event: Some(event.to_owned()), ..LogListing::default() };
        let errors = logs(&of("error")).rows;
        assert_eq!(errors.iter().map(|row| row.execution_id.as_str()).collect::<Vec<_>>(), ["fails"]);
        assert_eq!(logs(&of("complete")).rows.len(), all.iter().filter(|row| row.event == "complete").count());

        let middle = all[all.len() / 2].timestamp;
        let since = logs(&LogListing { since: Some(middle), ..LogListing::default() }).rows;
        let before = logs(&LogListing { before: Some(middle), ..LogListing::default() }).rows;
        assert_eq!([before, since].concat(), all);
        let mut listing = LogListing { limit: Some(2), ..LogListing::default() };
        let mut paged = Vec::new();
        loop {
            let page = logs(&listing);
            paged.extend(page.rows);
            listing.after = page.next;
            if !page.more {
                break;
            }
        }
        assert_eq!(paged, all);
        answer(&scene, "waits", 1_000);
        assert_eq!(logs(&LogListing { execution: Some("waits".to_owned()), ..of("complete") }).rows.len(), 1);
    });
}

#[test]
fn a_store_that_is_closed_is_not_healthy() {
    let store = Arc::new(Memory::new());
    let scene = Scene::with_store(store.clone(), runstate::limits::Settings::default());
    load(&scene, "quick", "1");
    start(&scene, "quick", "run");
    assert_eq!(block_on(scene.engine().health()), None);
    block_on(store.close()).unwrap();
    assert_eq!(block_on(scene.engine().health()).map(|why| why.code), Some(ErrorCode::Closed));
}

#[test]
fn poll_returns_large_output_in_pages_of_whole_lines() {
    // A line of 3 MiB spans several rows, also where a page would end.
    let scene = Scene::program(
        "for (let i = 0; i < 40; i++) console.log(i + 'x'.repeat(i % 14 === 13 ? 3 << 20 : 200_000)); CC('more?')",
    );
    let whole = block_on(scene.cvm().output("run")).unwrap();
    assert_eq!(whole.len(), 40);
    let (mut lines, mut next, mut pages) = (Vec::new(), 0, 0);
    loop {
        let seen = block_on(scene.cvm().progress("run", next)).unwrap();
        let bytes: usize = seen.lines.iter().map(String::len).sum();
        assert!(bytes <= 17 << 20 && !seen.calls.is_empty(), "{bytes}");
        (next, pages) = (seen.next, pages + 1);
        lines.extend(seen.lines);
        if !seen.more {
            break;
        }
    }
    assert!(lines == whole && pages > 2, "{} lines in {pages} pages", lines.len());
}

//! Rows that are damaged, unusual or from a newer version: their readable fields are shown, and they hide no other rows.

use std::sync::Arc;

use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, PROGRAMS};
use runstate::engine::{CallListing, PageRequest};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::schema::{Catalog, Collection, Key};
use runstate::store::{Batch, Expectation, Store, Write, WriteOp};
use runstate::testing::block_on;
use runstate::time::Timestamp;
use runstate::value::Json;
use serde_json::json;

use crate::queries::{count_map, ids, on_memory_and_files, scene};
use crate::scene::Scene;

/// Writes documents as a program without declarations could: damaged, or from another version.
fn write_undeclared(store: &dyn Store, rows: Vec<(&'static Collection, &str, Json)>) {
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
        Write { key: Key::new(collection, id), expect: Expectation::Absent, op: WriteOp::Put { version: 1, document } }
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
fn damaged_or_newer_rows_are_shown_partly_and_hide_no_others() {
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
        let programs = block_on(cvm.programs(&PageRequest::default())).unwrap().rows;
        assert_eq!((programs.len(), programs[1].name.as_str(), programs[1].created), (4, "bare", None));
        assert_eq!(block_on(cvm.program("bare")).unwrap().bytecode, Json::Null);
        assert!(block_on(cvm.logs("waits", None, None)).unwrap().rows.iter().all(|row| row.id != "bare"));
    });
}

#[test]
fn call_rows_show_all_fields_and_early_answers_are_not_open() {
    on_memory_and_files(|store| {
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
        let slept = json!({"executionId": "e", "programName": "p", "step": 3, "kind": "timer", "outcome": "defaulted",
            "request": {"prompt": "", "timestamp": 6}, "response": {"result": null, "latencyMs": 86_400_000}});
        let late = json!({"executionId": "e", "programName": "p", "step": 4, "kind": "mail", "outcome": "defaulted",
            "request": {"prompt": "", "timestamp": 6}, "response": {"result": 1, "latencyMs": 60_000}});
        let rows = [("full", full), ("early", early), ("failed", failed), ("slept", slept), ("late", late)];
        write_undeclared(&*store, rows.into_iter().map(|(id, row)| (&CC_HISTORY, id, row)).collect());
        let cvm = Scene::with_store(store, Settings::default()).cvm();
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
                    "availableAt": 7, "deadline": 9, "claim": {"owner": "w", "token": 3, "until": 7, "attempts": 2}},
                {"id": "failed", "executionId": "e", "programName": "p", "step": 2, "kind": "mail", "prompt": "!",
                    "askedAt": 6, "outcome": "failed", "error": {"message": "no such address", "timestamp": 8}},
            ])
        );
        let open = block_on(cvm.calls(&CallListing { open: true, ..of_one })).unwrap().rows;
        assert_eq!(open.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["full"]);
        // Neither a timer nor a call without an answer counts in the latency.
        let latency = block_on(cvm.latency(Some("p"))).unwrap();
        assert_eq!((latency.calls, latency.answered, latency.max_ms), (3, 0, None));
        let outcomes =
            [("answered", 0), ("defaulted", 1), ("timed_out", 0), ("failed", 1), ("cancelled", 0), ("open", 1)];
        assert_eq!(latency.outcomes, count_map(outcomes));
        assert_eq!(block_on(cvm.slowest(None, 9)).unwrap(), []);
        let by_kind = block_on(cvm.latency_by_kind(Some("p"))).unwrap();
        assert_eq!((by_kind["mail"].calls, by_kind["timer"].outcomes["defaulted"]), (3, 1));
    });
}

//! Lists and statistics as operations with JSON parameters, and the number of store calls that each costs.

use std::sync::Arc;

use runstate::domain::cvm::Settings;
use runstate::engine::Engine;
use runstate::error_code::ErrorCode;
use runstate::store::Memory;
use runstate::store::layer::Method;
use runstate::testing::CountingStore;
use runstate::testing::block_on;
use runstate::value::Json;
use serde_json::json;

use crate::cvm::queries::{load, on_memory_and_files, scene, start};
use crate::cvm::scene::{Scene, error_code};

fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, runstate::engine::Error> {
    let Json::Object(parameters) = parameters else { panic!("{parameters} is not an object") };
    block_on(engine.call(name, parameters))
}

fn ids(page: &Json) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn every_list_is_a_page_whose_cursor_continues_it() {
    on_memory_and_files(|store| {
        let engine = scene(store).engine();
        for (name, parameters) in [
            ("cvm.list", json!({})),
            ("cvm.list", json!({"status": ["waiting_cc", "paused"]})),
            ("cvm.list", json!({"program": "asks"})),
            ("cvm.calls", json!({})),
            ("cvm.calls", json!({"open": true})),
            ("cvm.slowest", json!({})),
            ("cvm.logs", json!({})),
            ("cvm.logs", json!({"execution": "ended"})),
            ("cvm.programs", json!({})),
            ("cvm.versions", json!({"name": "asks"})),
        ] {
            let whole = call(&engine, name, parameters.clone()).unwrap();
            assert_eq!(whole.get("next"), None, "{name}: {whole}");
            let (mut found, mut cursor) = (Vec::new(), Json::Null);
            loop {
                let mut parameters = parameters.clone();
                (parameters["limit"], parameters["cursor"]) = (1.into(), cursor);
                let page = call(&engine, name, parameters).unwrap();
                assert_eq!(page["items"].as_array().unwrap().len(), 1, "{name}");
                found.extend(page["items"].as_array().unwrap().clone());
                let Some(next) = page.get("next") else { break };
                cursor = next.clone();
            }
            assert_eq!((found.len() > 1, Json::from(found)), (true, whole["items"].clone()), "{name}");
            let mut foreign = parameters;
            foreign["cursor"] = "nowhere".into();
            assert_eq!(error_code(call(&engine, name, foreign)), ErrorCode::INVALID, "{name}");
        }
    });
}

#[test]
fn the_log_continues_after_a_row() {
    on_memory_and_files(|store| {
        let engine = scene(store).engine();
        let logs = call(&engine, "cvm.logs", json!({})).unwrap();
        let first = &logs["items"][0];
        let cursor = format!("{}:{}", first["timestamp"], first["id"].as_str().unwrap());
        let rest = call(&engine, "cvm.logs", json!({"cursor": cursor})).unwrap();
        assert_eq!(ids(&rest), ids(&logs)[1..]);
    });
}

#[test]
fn overview_has_counts_and_the_oldest_and_newest_executions() {
    on_memory_and_files(|store| {
        let empty = Scene::with_store(Arc::new(Memory::new()), Settings::default()).engine();
        let nothing = json!({"executions": {}, "oldest": null, "newest": null, "oldestWaiting": null});
        assert_eq!(call(&empty, "cvm.overview", json!({})).unwrap(), nothing);
        let engine = scene(store).engine();
        let overview = call(&engine, "cvm.overview", json!({})).unwrap();
        let counts = json!({"waiting_cc": 1, "paused": 1, "complete": 2, "error": 1, "cancelled": 1});
        assert_eq!(overview["executions"], counts);
        let named = ["oldest", "newest", "oldestWaiting"].map(|name| overview[name]["id"].as_str().unwrap());
        assert_eq!(named, ["ended", "fails", "waits"]);
        assert_eq!(overview["newest"], call(&engine, "cvm.summary", json!({"id": "fails"})).unwrap());
    });
}

#[test]
fn finished_executions_are_counted_as_the_retention_rule_finds_them() {
    on_memory_and_files(|store| {
        let scene = scene(store);
        let engine = scene.engine();
        let ended = |id: &str| block_on(scene.cvm().show(id)).unwrap().completed.unwrap();
        let count = |before: Json| call(&engine, "cvm.countFinished", json!({"before": before})).unwrap();
        assert_eq!((count(json!(ended("quick"))), count(json!(ended("fails")))), (json!(1), json!(2)));
        assert_eq!((count(json!(0)), count(json!(scene.host.clock.now()))), (json!(0), json!(4)));
        let expired = json!({"rule": "cvm.retention", "before": ended("fails")});
        assert_eq!(call(&engine, "due.run", expired).unwrap()["deleted"], 2);
        assert_eq!(count(json!(scene.host.clock.now())), json!(2));
    });
}

#[test]
fn next_available_is_the_earliest_time_over_all_kinds() {
    on_memory_and_files(|store| {
        let scene = Scene::with_store(store, Settings::default());
        load(&scene, "asks", r#"CC.all(["a?", { tool: "search" }])"#);
        start(&scene, "asks", "run");
        let engine = scene.engine();
        let next = |kinds: Json| call(&engine, "cvm.nextAvailable", json!({"kinds": kinds}));
        let now = json!(scene.host.clock.now());
        block_on(scene.cvm().claim(&["cc".to_owned()], "worker", runstate::time::Millis::minutes(1))).unwrap();
        assert_eq!(next(json!(["cc", "search"])).unwrap(), now);
        assert!(next(json!(["cc"])).unwrap().as_i64() > now.as_i64());
        assert_eq!((next(json!(["mail"])).unwrap(), next(json!([])).unwrap()), (Json::Null, Json::Null));
        assert_eq!(error_code(next(json!(vec!["cc"; 17]))), ErrorCode::LIMIT);
    });
}

#[test]
fn lists_read_no_document_twice_and_check_no_incarnation() {
    let store = Arc::new(CountingStore::new(Memory::new()));
    let engine = scene(store.clone()).engine();
    for (name, parameters, [gets, queries, aggregates]) in [
        ("cvm.list", json!({}), [0, 1, 0]),
        ("cvm.list", json!({"status": ["running", "paused"], "program": "asks"}), [0, 1, 0]),
        ("cvm.summary", json!({"id": "ended"}), [1, 0, 0]),
        ("cvm.calls", json!({"open": true}), [0, 1, 0]),
        ("cvm.slowest", json!({}), [0, 1, 0]),
        ("cvm.nextAvailable", json!({"kinds": ["cc", "mail"]}), [0, 2, 0]),
        ("cvm.logs", json!({"execution": "ended"}), [0, 2, 0]),
        ("cvm.logs", json!({"event": "error"}), [0, 1, 0]),
        ("cvm.programs", json!({"tag": "test"}), [0, 1, 0]),
        ("cvm.program", json!({"name": "asks"}), [0, 1, 0]),
        ("cvm.versions", json!({"name": "asks"}), [0, 2, 0]),
        ("cvm.version", json!({"name": "asks", "version": 1}), [0, 2, 0]),
        // Its version belongs to the execution that was read only if that execution still exists.
        ("cvm.versionOf", json!({"id": "ended"}), [2, 0, 0]),
        ("cvm.statuses", json!({}), [0, 0, 1]),
        ("cvm.stats", json!({"program": "asks"}), [0, 0, 3]),
        ("cvm.latency", json!({}), [0, 0, 1]),
        ("cvm.latencyByProgram", json!({}), [0, 0, 1]),
        ("cvm.latencyByKind", json!({}), [0, 0, 1]),
        ("cvm.countFinished", json!({"before": 0}), [0, 0, 1]),
        ("cvm.overview", json!({}), [0, 3, 1]),
    ] {
        store.reset();
        call(&engine, name, parameters).unwrap();
        let counts = store.reset();
        let calls = |method| counts.get(&method).map_or(0, |counts| counts.calls);
        let found = [Method::Get, Method::Query, Method::Aggregate].map(calls);
        assert_eq!(
            (found, counts.values().map(|counts| counts.calls).sum()),
            ([gets, queries, aggregates], gets + queries + aggregates),
            "{name}"
        );
    }
    let asks = call(&engine, "cvm.program", json!({"name": "asks"})).unwrap();
    store.reset();
    assert_eq!(call(&engine, "cvm.programById", json!({"id": asks["id"]})).unwrap(), asks);
    assert_eq!((store.calls(Method::Get).calls, store.calls(Method::Query).calls), (1, 0));
}

//! Metrics of executions: samples, lists, summaries and retention.

use std::io::{BufReader, Cursor};
use std::sync::Arc;

use runstate::domain::apps::{DOMAIN, MetricValues, RecordMetrics, StepWork};
use runstate::engine::Engine;
use runstate::id::CommandId;
use runstate::schema::Catalog;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Memory, Store};
use runstate::testing::{TimedHost, block_on};
use runstate::time::Millis;
use runstate::transfer::mirror::{Mirror, MirrorOptions};
use runstate::transfer::{LineReader, LineWriter, check};
use runstate::work::{Task, Worker};
use serde_json::{Value as Json, json};

use super::scene::AppScene;

/// An execution `e` of one step.
fn scene() -> AppScene {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    scene.start(json!({}));
    scene
}

fn now(scene: &AppScene) -> i64 {
    scene.host.clock.now().as_millis()
}

fn samples(scene: &AppScene, parameters: Json) -> Vec<Json> {
    scene.ok("metrics.list", parameters)["items"].as_array().unwrap().clone()
}

#[test]
fn samples_of_an_execution_are_listed_by_their_times() {
    let scene = scene();
    let start = now(&scene);
    let seed = json!({
        "memory_usage_mb": 512, "cpu_usage_percent": 75.5, "network_bytes_sent": 1024, "network_bytes_received": 2048,
        "active_threads": 10
    });
    let recorded = scene.ok("metrics.record", json!({"executionId": "e", "metrics": seed}));
    assert_eq!(recorded, json!({"samples": 1}));
    let earlier = |ms: i64, n: i64| json!({"timestamp": start - ms, "metrics": {"n": n}});
    let several = json!({"executionId": "e", "samples": [earlier(1, 1), earlier(3_000, 3), earlier(2_000, 2)]});
    assert_eq!(scene.ok("metrics.record", several), json!({"samples": 3}));
    let all = samples(&scene, json!({"executionId": "e"}));
    let numbers: Vec<&Json> = all.iter().map(|one| &one["metrics"]).collect();
    assert_eq!(numbers, [&json!({"n": 3}), &json!({"n": 2}), &json!({"n": 1}), &seed]);
    assert_eq!((&all[3]["timestamp"], &all[3]["executionId"]), (&json!(start), &json!("e")));
    assert_eq!(all[3].as_object().unwrap().len(), 4, "the fields of the schema, and the id: {}", all[3]);
    let page = scene.ok("metrics.list", json!({"executionId": "e", "descending": true, "limit": 3}));
    assert_eq!(page["items"], json!([all[3], all[2], all[1]]));
    let rest = json!({"executionId": "e", "descending": true, "limit": 3, "cursor": page["next"]});
    assert_eq!(samples(&scene, rest), [all[0].clone()]);
    let range = json!({"executionId": "e", "since": start - 2_000, "before": start});
    assert_eq!(samples(&scene, range), [all[1].clone(), all[2].clone()]);
    assert_eq!(samples(&scene, json!({"executionId": "other"})), Vec::<Json>::new());
    scene.check();
}

#[test]
fn a_repeat_records_nothing_and_another_command_is_refused() {
    let scene = scene();
    let record = |n: i64| json!({"executionId": "e", "metrics": {"n": n}, "commandId": "c"});
    scene.ok("metrics.record", record(1));
    scene.host.clock.advance(Millis::seconds(1));
    scene.ok("metrics.record", record(1));
    assert_eq!(scene.code("metrics.record", record(2)), "command_id_reused");
    assert_eq!(samples(&scene, json!({"executionId": "e"})).len(), 1);
    let audited = scene.ok("audit.list", json!({"command": "apps.metrics.record"}));
    assert_eq!(audited["items"], json!([]), "rows of a time series are committed alone");
}

#[test]
fn invalid_samples_are_refused_with_their_reason() {
    let scene = scene();
    let now = now(&scene);
    let refuse = |parameters: Json, expected: &str| {
        let mut parameters = parameters;
        parameters["executionId"] = "e".into();
        let error = scene.call("metrics.record", parameters.clone()).unwrap_err();
        assert!(error.to_string().contains(expected), "{parameters}: {error}");
    };
    let named = |name: &str| json!({"metrics": {name: 1}});
    refuse(json!({}), "is missing");
    refuse(json!({"timestamp": now}), "is missing");
    refuse(json!({"metrics": {}}), "has 0 numbers");
    refuse(json!({"metrics": {"n": "1"}}), "`n` is not a finite number");
    refuse(json!({"metrics": [1]}), "must be an object of numbers");
    for name in ["", "a.b", "$a", "1a", "ü", "a b", &"a".repeat(101)] {
        refuse(named(name), "is not a valid name");
    }
    let many: serde_json::Map<String, Json> = (0..101).map(|n| (format!("m{n}"), n.into())).collect();
    refuse(json!({"metrics": many}), "has 101 numbers");
    refuse(json!({"samples": vec![json!({"metrics": {"n": 1}}); 501]}), "501 samples");
    for timestamp in [now - 30 * 86_400_000, now + 86_400_001, 1, -1] {
        refuse(json!({"metrics": {"n": 1}, "timestamp": timestamp}), "samples are kept for 30 days");
    }
    let unknown = json!({"executionId": "none", "metrics": {"n": 1}});
    assert_eq!(scene.code("metrics.record", unknown), "not_found");
    assert_eq!(samples(&scene, json!({"executionId": "e"})), Vec::<Json>::new());
    let largest: Vec<Json> =
        (0..500).map(|at| json!({"timestamp": now - at, "metrics": {"a".repeat(100): at}})).collect();
    scene.ok("metrics.record", json!({"executionId": "e", "samples": largest}));
    // A value that is not finite comes from Rust only.
    let infinite = RecordMetrics::new("e", [("n", f64::INFINITY)]);
    assert_eq!(block_on(scene.engine.execute(&infinite)).unwrap_err().code.as_str(), "invalid");
}

#[test]
fn a_summary_has_the_numbers_of_each_metric_and_span() {
    let scene = scene();
    scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": "f"}));
    let hour = 3_600_000;
    let start = now(&scene) / hour * hour - 2 * hour;
    let sample = |at: i64, n: i64| json!({"timestamp": start + at, "metrics": {"n": n, "half": n as f64 / 2.0}});
    let first: Vec<Json> = (1..=20).map(|n| sample(n, n)).collect();
    scene.ok("metrics.record", json!({"executionId": "e", "samples": first}));
    scene.ok("metrics.record", json!({"executionId": "e", "samples": [sample(hour, 7)]}));
    scene.ok("metrics.record", json!({"executionId": "f", "samples": [sample(30, 40)]}));
    let row = |name: &str, at: i64, [min, avg, max, p95]: [f64; 4]| json!({"name": name, "timestamp": start + at, "min": min, "avg": avg, "max": max, "p95": p95});
    let of_execution = scene.ok("metrics.summary", json!({"executionId": "e"}));
    let expected = [
        row("half", 0, [0.5, 5.25, 10.0, 9.5]),
        row("half", hour, [3.5; 4]),
        row("n", 0, [1.0, 10.5, 20.0, 19.0]),
        row("n", hour, [7.0; 4]),
    ];
    assert_eq!(of_execution, json!(expected));
    let named = json!({"executionId": "e", "names": ["n", "other"], "hours": 4, "spanSeconds": 7200});
    assert_eq!(
        scene.ok("metrics.summary", named).as_array().unwrap().iter().filter(|one| one["name"] != "n").count(),
        0
    );
    let of_app = scene.ok("metrics.summary", json!({"appId": 1, "names": ["n"]}));
    assert_eq!(of_app, json!([row("n", 0, [1.0, 250.0 / 21.0, 40.0, 20.0]), row("n", hour, [7.0; 4])]));
    for none in [json!({"appId": 2}), json!({"executionId": "none"}), json!({"appId": 1, "subAppId": 3})] {
        assert_eq!(scene.ok("metrics.summary", none), json!([]));
    }
    for (parameters, code) in [
        (json!({}), "invalid"),
        (json!({"executionId": "e", "appId": 1}), "invalid"),
        (json!({"executionId": "e", "subAppId": 1}), "invalid"),
        (json!({"executionId": "e", "spanSeconds": 0}), "invalid"),
        (json!({"executionId": "e", "names": ["a.b"]}), "invalid"),
        (json!({"executionId": "e", "spanSeconds": 60}), "limit"),
        (json!({"executionId": "e", "names": vec!["n"; 21]}), "limit"),
    ] {
        assert_eq!(scene.code("metrics.summary", parameters.clone()), code, "{parameters}");
    }
}

#[test]
fn samples_expire_after_thirty_days_in_memory_and_on_files() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    let files = block_on(FileStore::open(folder.path().join("store"), FileStoreOptions::default())).unwrap();
    for store in [Arc::new(Memory::new()) as Arc<dyn Store>, Arc::new(files)] {
        let scene = AppScene::with_store(store);
        scene.save("1", json!({"steps": [{"id": 1, "name": "a"}]}));
        scene.start(json!({}));
        scene.ok("metrics.record", json!({"executionId": "e", "metrics": {"n": 1}}));
        scene.host.clock.advance(Millis::days(1));
        scene.ok("metrics.record", json!({"executionId": "e", "metrics": {"n": 2}}));
        scene.host.clock.advance(Millis::days(29));
        let expired = block_on(scene.engine.measure_expired(scene.host.clock.now())).unwrap();
        let of_metrics = expired.iter().find(|found| found.collection == "apps.execution_metrics").unwrap();
        assert_eq!(of_metrics.rows, 1);
        block_on(scene.engine.sweep(scene.host.clock.now(), 100)).unwrap();
        let left = samples(&scene, json!({"executionId": "e"}));
        assert_eq!(left.iter().map(|one| &one["metrics"]["n"]).collect::<Vec<_>>(), [&json!(2)]);
        scene.check();
    }
}

#[test]
fn an_export_has_the_metrics_and_an_import_the_same_ones() {
    let scene = scene();
    for n in 0..3 {
        scene.host.clock.advance(Millis::seconds(1));
        scene.ok("metrics.record", json!({"executionId": "e", "metrics": {"n": n}}));
    }
    let mut lines = Vec::new();
    block_on(runstate::transfer::export(&scene.engine, &mut LineWriter::new(&mut lines, "a store"), |_| {})).unwrap();
    let other = AppScene::new();
    let catalog = runstate::engine::catalog(&Catalog::new(DOMAIN.collections).unwrap()).unwrap();
    let import = || {
        let mut source = LineReader::new(BufReader::new(Cursor::new(&lines)), "an export", catalog.clone());
        let checked = check(&mut source, &catalog, |_| {}).unwrap();
        block_on(runstate::transfer::import(&other.engine, &mut source, &checked, |_| {})).unwrap();
    };
    import();
    import();
    let of_e = json!({"executionId": "e"});
    assert_eq!(samples(&other, of_e.clone()), samples(&scene, of_e));
    other.check();
}

#[test]
fn a_worker_records_metrics_of_its_step() {
    let host = TimedHost::default();
    let engine = host.block_on(Engine::new(Arc::new(Memory::new()), Arc::new(host.clone()), &[&DOMAIN])).unwrap();
    let call = |name: &str, parameters: Json| {
        host.block_on(engine.call(&format!("apps.{name}"), parameters.as_object().unwrap().clone())).unwrap()
    };
    let configuration = json!({"steps": [{"id": 1, "name": "a"}]});
    let version =
        json!({"appId": 1, "appName": "suite", "version": "1", "configuration": configuration, "activate": true});
    call("configuration.save", version);
    call("execution.start", json!({"appId": 1, "userId": "u", "id": "e"}));
    let metrics = engine.clone();
    let worker = Worker::new(&engine, "w").handle("a", 1, move |task: Task<StepWork>| {
        let metrics = metrics.clone();
        async move {
            let used = MetricValues::from([("memory_usage_mb", 512.0), ("cpu_usage_percent", 75.5)]);
            metrics.execute(&RecordMetrics::new(task.work.claimed.execution_id, used)).await.unwrap();
            Ok(Json::Null)
        }
    });
    host.block_on(worker.drain()).unwrap();
    let listed = call("metrics.list", json!({"executionId": "e"}));
    assert_eq!(listed["items"][0]["metrics"], json!({"memory_usage_mb": 512.0, "cpu_usage_percent": 75.5}));
}

#[test]
fn ids_of_samples_follow_from_the_command_and_their_times() {
    let ids = |command: &str| {
        let scene = scene();
        let timestamp = scene.host.clock.now() - Millis::seconds(5);
        let record = RecordMetrics { timestamp: Some(timestamp), ..RecordMetrics::new("e", [("n", 1)]) };
        scene.host.clock.advance(Millis::seconds(command.len() as i64));
        let id = CommandId::new("c").unwrap();
        block_on(scene.engine.execute_as(&record, Some(&id))).unwrap();
        samples(&scene, json!({"executionId": "e"}))[0]["id"].clone()
    };
    assert_eq!(ids("now"), ids("a while later"));
}

#[test]
fn samples_are_mirrored_at_first_and_at_the_end() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let primary = AppScene::with_store(store.clone());
    primary.save("1.0.0", json!({"steps": [{"id": 1, "name": "a"}]}));
    primary.start(json!({}));
    let mirror = |secondary: &Arc<dyn Store>| {
        let (host, options) = (Arc::new(primary.host.clone()), MirrorOptions::default());
        block_on(Mirror::open(store.clone(), secondary.clone(), host, &[&DOMAIN], options)).unwrap()
    };
    let record = |n: i64| {
        primary.host.clock.advance(Millis(1));
        primary.ok("metrics.record", json!({"executionId": "e", "metrics": {"n": n}}));
    };
    let secondary: Arc<dyn Store> = Arc::new(Memory::new());
    let beside = primary.reopen(secondary.clone());
    let mirrored = || {
        samples(&beside, json!({"executionId": "e"})).iter().map(|one| one["metrics"]["n"].clone()).collect::<Vec<_>>()
    };
    record(1);
    block_on(mirror(&secondary).catch_up(Millis(0), |_| {})).unwrap();
    assert_eq!(mirrored(), [1]);
    record(2);
    block_on(mirror(&secondary).catch_up(Millis(0), |_| {})).unwrap();
    assert_eq!(mirrored(), [1], "samples are not in the change feed");
    record(3);
    let comparison = block_on(mirror(&secondary).finish(10, |_| {})).unwrap();
    assert!(comparison.is_equal(), "{comparison:?}");
    assert_eq!(mirrored(), [1, 2, 3]);
    beside.check();
}

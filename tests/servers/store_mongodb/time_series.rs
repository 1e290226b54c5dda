//! Time series: the collections of the server, their options and those that are refused; rows beside transactions;
//! repeats after a crash.

use std::sync::Arc;

use mongodb::Database;
use mongodb::bson::{Document, doc};
use runstate::domain::apps::{DOMAIN, RecordMetrics};
use runstate::engine::{Engine, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::id::uuid_v7;
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Accumulator, Aggregate, Catalog, Collection, Field, Filter, Freshness, Index, Key, TimeSeries};
use runstate::schema::{Query, Ttl};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Store, StoreAdmin};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use serde_json::json;

use super::apps::{export, import};
use super::artifacts::call;
use super::foreign::database;
use crate::support::batches::{batch, insert};
use crate::support::domain_layout::{domain_database, seed_layout};
use crate::support::mongodb::{fresh_url, indexes, run_command, run_on_server};

const SAMPLES: Collection = Collection::new("t.samples", 1)
    .fields(&[Field::id("id"), Field::timestamp("at"), Field::text("by"), Field::int("n")])
    .indexes(&[Index::ordered(&[("by", Ascending), ("at", Ascending)])])
    .ttl(Ttl { field: "at", after: Millis::days(2), partial: None })
    .detached(TimeSeries { time: "at", meta: "by" });
const KEPT_LONGER: Collection = SAMPLES.ttl(Ttl { field: "at", after: Millis::days(3), partial: None });
const KEPT: Collection = Collection { ttl: None, ..SAMPLES };

const START: i64 = 1_705_744_800_000;

fn id(n: i64) -> String {
    uuid_v7(Timestamp::from_millis(START + n), [1; 10])
}

/// A batch of these samples.
fn samples(command: &str, numbers: std::ops::Range<i64>) -> Batch {
    let row = |n| insert(&SAMPLES, &id(n), json!({"id": id(n), "at": START + n, "by": "a", "n": n}));
    batch(command, numbers.map(row).collect())
}

async fn open(url: &str) -> Mongo {
    Mongo::open(url, MongoOptions::default()).await.unwrap()
}

async fn open_series(url: &str) -> Mongo {
    let store = open(url).await;
    store.migrate(&Catalog::new(&[&SAMPLES]).unwrap()).await.unwrap();
    store
}

/// The rows on the server, each as often as it is stored.
async fn stored(database: &Database) -> Vec<i64> {
    let mut cursor = database.collection::<Document>("t.samples").find(doc! {}).sort(doc! {"at": 1}).await.unwrap();
    let mut numbers = Vec::new();
    while cursor.advance().await.unwrap() {
        numbers.push(cursor.deserialize_current().unwrap().get_i32("n").unwrap().into());
    }
    numbers
}

/// The options of a collection as the server lists them; `None`: it does not exist.
async fn options(url: &str, collection: &str) -> Option<(String, Document)> {
    let reply = run_command(url, doc! {"listCollections": 1, "filter": {"name": collection}}).await;
    let first = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap().first().cloned()?;
    let entry = first.as_document().unwrap().clone();
    Some((entry.get_str("type").unwrap().to_owned(), entry.get_document("options").unwrap().clone()))
}

async fn open_engine(url: &str) -> Engine {
    Engine::new(Arc::new(open(url).await), Arc::new(SystemHost), &[&DOMAIN]).await.unwrap()
}

#[test]
fn metrics_are_a_time_series_with_the_indexes_of_the_schema() {
    run_on_server(async {
        let (one, several) = (fresh_url(), fresh_url());
        open_engine(&one).await;
        open_engine(&seed_layout(&several)).await;
        let bare = domain_database(&several, "apps");
        for (url, collection) in [(one, "apps.execution_metrics"), (bare, "execution_metrics")] {
            let (kind, options) = options(&url, collection).await.unwrap();
            let series = doc! {
                "timeField": "timestamp", "metaField": "execution_id", "granularity": "seconds", "bucketMaxSpanSeconds": 3_600
            };
            assert_eq!(kind, "timeseries");
            assert_eq!(options.get_document("timeseries").unwrap(), &series);
            assert_eq!(i64::from(options.get_i32("expireAfterSeconds").unwrap_or_default()), 0, "{options}");
            assert_eq!(options.get_i64("expireAfterSeconds").unwrap(), 30 * 86_400);
            let keys: Vec<Document> = indexes(&url, collection)
                .await
                .iter()
                .map(|index| index.get_document("key").unwrap().clone())
                .collect();
            assert_eq!(keys, [doc! {"execution_id": 1, "timestamp": 1}, doc! {"timestamp": -1}]);
        }
    });
}

#[test]
fn an_unsuitable_collection_is_refused_and_nothing_is_changed() {
    run_on_server(async {
        let series = |time: &str, meta: &str| doc! {"timeField": time, "metaField": meta};
        let days = |days: i64| days * 86_400;
        let cases = [
            (doc! {}, Some("an ordinary collection")),
            (doc! {"viewOn": "other"}, Some("a view")),
            (doc! {"timeseries": series("end", "by"), "expireAfterSeconds": days(2)}, Some("timeField `end`")),
            (doc! {"timeseries": series("at", "source"), "expireAfterSeconds": days(2)}, Some("metaField `source`")),
            (doc! {"timeseries": {"timeField": "at"}, "expireAfterSeconds": days(2)}, Some("timeField `at`, expiring")),
            (doc! {"timeseries": series("at", "by")}, Some("without expiry")),
            (doc! {"timeseries": series("at", "by"), "expireAfterSeconds": days(9)}, Some("after 777600 seconds")),
            (doc! {"timeseries": series("at", "by"), "expireAfterSeconds": days(2)}, None),
        ];
        for (existing, refused) in cases {
            let url = fresh_url();
            let mut create = doc! {"create": "t.samples"};
            create.extend(existing);
            run_command(&url, create).await;
            let before = options(&url, "t.samples").await;
            const OTHER: Collection = Collection::new("t.other", 1);
            let store = open(&url).await;
            let migrated = store.migrate(&Catalog::new(&[&OTHER, &SAMPLES]).unwrap()).await;
            let Some(refused) = refused else {
                migrated.unwrap();
                store.commit(samples("c", 0..1)).await.unwrap();
                continue;
            };
            let error = migrated.unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), (ErrorCode::UNSUPPORTED, false), "{error}");
            let text = error.to_string();
            let parts =
                ["t.samples exists as", refused, "timeField `at` and metaField `by`", "nothing was changed", "drop it"];
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            assert_eq!(options(&url, "t.samples").await, before);
            assert_eq!(options(&url, "t.other").await, None);
            assert_eq!(store.commit(samples("c", 0..1)).await.unwrap_err().code(), ErrorCode::INVALID);
        }
    });
}

#[test]
fn a_changed_time_to_live_changes_the_collection_of_the_store() {
    run_on_server(async {
        let url = fresh_url();
        let store = open_series(&url).await;
        store.commit(samples("c", 0..2)).await.unwrap();
        for (collection, seconds) in [(&KEPT_LONGER, Some(259_200)), (&KEPT, None), (&SAMPLES, Some(172_800))] {
            store.migrate(&Catalog::new(&[collection]).unwrap()).await.unwrap();
            let (_, options) = options(&url, "t.samples").await.unwrap();
            assert_eq!(options.get_i64("expireAfterSeconds").ok(), seconds, "{options}");
        }
        assert_eq!(stored(&database(&url).await).await, [0, 1]);
        assert!(store.inspect(&Catalog::new(&[&SAMPLES]).unwrap()).await.unwrap().findings.is_empty());
        let findings = store.inspect(&Catalog::new(&[&KEPT_LONGER]).unwrap()).await.unwrap().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].why.contains("expiring after 259200 seconds"), "{findings:?}");
    });
}

#[test]
fn a_repeat_after_a_crash_inserts_only_the_missing_rows() {
    run_on_server(async {
        let url = fresh_url();
        let (store, server) = (open_series(&url).await, database(&url).await);
        // As a process leaves them that dies between the rows and the ledger, or among the rows.
        store.commit(samples("c", 0..2)).await.unwrap();
        let ledger = server.collection::<Document>("runstate.commands");
        ledger.delete_one(doc! {"_id": "c"}).await.unwrap();
        let repeated = samples("c", 0..5);
        assert!(!store.commit(repeated.clone()).await.unwrap().replayed);
        assert_eq!(stored(&server).await, [0, 1, 2, 3, 4]);
        assert!(store.commit(repeated).await.unwrap().replayed);
        assert_eq!(stored(&server).await, [0, 1, 2, 3, 4]);
        // Another command has other ids. One with the same id and another row conflicts, and writes nothing.
        let mut other = samples("d", 4..6);
        other.writes[0] = insert(&SAMPLES, &id(4), json!({"id": id(4), "at": START + 4, "by": "b", "n": 4}));
        assert_eq!(store.commit(other).await.unwrap_err().code(), ErrorCode::CONFLICT);
        assert_eq!(stored(&server).await, [0, 1, 2, 3, 4]);
        assert_eq!(ledger.count_documents(doc! {}).await.unwrap(), 1);
    });
}

#[test]
fn a_row_that_is_stored_twice_is_read_once() {
    run_on_server(async {
        let url = fresh_url();
        let (store, server) = (open_series(&url).await, database(&url).await);
        store.commit(samples("c", 0..40)).await.unwrap();
        let rows = server.collection::<Document>("t.samples");
        for n in [0, 7, 7, 39] {
            let row = rows.find_one(doc! {"_id": id(n)}).await.unwrap().unwrap();
            rows.insert_one(row).await.unwrap();
        }
        assert_eq!(stored(&server).await.len(), 44);
        let expected: Vec<String> = (0..40).map(id).collect();
        for (direction, limit) in [(None, 1), (None, 7), (Some(Ascending), 3), (Some(Descending), 39), (None, 1_000)] {
            let query = Query::of(&SAMPLES).limit(limit);
            let mut query = direction.into_iter().fold(query, |query, direction| query.sort("at", direction));
            let mut found = Vec::new();
            loop {
                let page = store.query(&query, Freshness::Linearizable).await.unwrap();
                found.extend(page.items.iter().map(|row| row.id.to_string()));
                let Some(next) = page.next else { break };
                query = query.after(Some(next));
            }
            if direction == Some(Descending) {
                found.reverse();
            }
            assert_eq!(found, expected, "{direction:?} {limit}");
        }
        let found = store.get(&[Key::new(&SAMPLES, &id(7))], Freshness::Session).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().document["n"], 7);
        let numbers = |accumulators: &[(&str, Accumulator)]| Aggregate {
            collection: "t.samples".to_owned(),
            filter: Filter::All,
            group_by: Vec::new(),
            accumulators: accumulators.iter().map(|(name, one)| ((*name).to_owned(), one.clone())).collect(),
        };
        let on_server = numbers(&[("count", Accumulator::Count), ("sum", Accumulator::Sum("n".to_owned()))]);
        assert_eq!(json!(store.aggregate(&on_server).await.unwrap()), json!([{"count": 40, "sum": 780}]));
        let here = numbers(&[("p50", Accumulator::Percentile("n".to_owned(), 50.0))]);
        assert_eq!(json!(store.aggregate(&here).await.unwrap()), json!([{"p50": 19}]));
    });
}

#[test]
fn a_row_of_another_program_is_refused_by_its_id() {
    run_on_server(async {
        let url = fresh_url();
        let (store, server) = (open_series(&url).await, database(&url).await);
        let at = mongodb::bson::DateTime::from_millis(START);
        let foreign = doc! {"_id": "65abf9a0", "_rev": "1-000000000000", "_v": 1, "at": at, "by": "a", "n": 1};
        server.collection("t.samples").insert_one(foreign).await.unwrap();
        let error = store.query(&Query::of(&SAMPLES), Freshness::Session).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::CORRUPT);
        assert!(error.to_string().contains("`_id` does not begin with its time"), "{error}");
    });
}

#[test]
fn metrics_are_recorded_while_commands_change_their_execution() {
    run_on_server(async {
        let url = fresh_url();
        let engine = open_engine(&url).await;
        let steps: Vec<Json> = (1..=20).map(|id| json!({"id": id, "name": "a"})).collect();
        let version = json!({
            "appId": 1, "appName": "suite", "version": "1", "configuration": {"steps": steps}, "activate": true
        });
        call(&engine, "configuration.save", version).await;
        call(&engine, "execution.start", json!({"appId": 1, "userId": "u", "id": "e"})).await;
        let recorder = engine.clone();
        let recording = tokio::spawn(async move {
            for n in 0..40 {
                recorder.execute(&RecordMetrics::new("e", [("n", n)])).await.unwrap();
            }
        });
        for _ in 0..20 {
            let work = call(&engine, "step.claim", json!({"names": ["a"], "owner": "w"})).await;
            let claim = &work["claimed"];
            call(&engine, "step.complete", json!({"id": claim["id"], "token": claim["token"]})).await;
        }
        recording.await.unwrap();
        assert_eq!(call(&engine, "execution.show", json!({"id": "e"})).await["status"], "completed");
        let listed = call(&engine, "metrics.list", json!({"executionId": "e"})).await;
        let mut numbers: Vec<i64> =
            listed["items"].as_array().unwrap().iter().map(|one| one["metrics"]["n"].as_i64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..40).collect::<Vec<_>>());
        let summary = call(&engine, "metrics.summary", json!({"appId": 1, "spanSeconds": 86_400})).await;
        assert_eq!((&summary[0]["name"], &summary[0]["min"]), (&json!("n"), &json!(0.0)));
        let findings = engine.verify(|_| {}).await.unwrap().findings;
        assert!(findings.is_empty(), "{findings:?}");
        engine.sweep(engine.now() + Millis::days(60), 100).await.unwrap();
        let events = engine.changes(None, &Default::default(), Millis(0)).await.unwrap();
        assert!(events.events.is_empty());
    });
}

#[test]
fn metrics_are_the_same_after_an_export_to_files_and_back() {
    run_on_server(async {
        let (url, back) = (fresh_url(), fresh_url());
        let engine = open_engine(&url).await;
        let version = json!({
            "appId": 1, "appName": "suite", "version": "1", "configuration": {"steps": [{"id": 1, "name": "a"}]},
            "activate": true
        });
        call(&engine, "configuration.save", version).await;
        call(&engine, "execution.start", json!({"appId": 1, "userId": "u", "id": "e"})).await;
        let now = engine.now().as_millis();
        for part in 0..3 {
            let sample =
                |n: i64| json!({"timestamp": now - 1_000 * n - part, "metrics": {"n": n, "half": n as f64 / 2.0}});
            let samples: Vec<Json> = (0..100).map(sample).collect();
            call(&engine, "metrics.record", json!({"executionId": "e", "samples": samples})).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let files = FileStore::open(folder.path().join("store"), FileStoreOptions::default()).await.unwrap();
        let files = Engine::new(Arc::new(files), Arc::new(SystemHost), &[&DOMAIN]).await.unwrap();
        let again = open_engine(&back).await;
        let exported = export(&engine).await;
        import(&files, &exported).await;
        import(&again, &export(&files).await).await;
        // A repeat finds what it has written.
        import(&again, &exported).await;
        assert_eq!(metrics(&export(&again).await), metrics(&exported));
        assert_eq!(metrics(&exported).len(), 300);
        for engine in [&files, &again] {
            let findings = engine.verify(|_| {}).await.unwrap().findings;
            assert!(findings.is_empty(), "{findings:?}");
        }
    });
}

/// The lines of an export with metrics.
fn metrics(lines: &[u8]) -> Vec<String> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    lines
        .filter(|line| line.contains("apps.execution_metrics") && line.contains("\"half\""))
        .map(str::to_owned)
        .collect()
}

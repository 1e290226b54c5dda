//! Collections of other programs: they are read, checked and imported, and come back to MongoDB with every byte.

use std::io::Cursor;
use std::sync::Arc;

use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use mongodb::{Client, Database};
use runstate::domain::{apps, orchestration};
use runstate::engine::{Engine, Error, Host, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::operation::Domain;
use runstate::schema::{Catalog, Key};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Freshness, Memory, Store};
use runstate::transfer::foreign::{ForeignSource, InvalidDocument, read_server};
use runstate::transfer::{ImportReport, LineReader, check};
use serde_json::{Value as Json, json};

use super::apps::{bytes, examples, export};
use crate::support::domain_layout::{domain_database, seed_layout};
use crate::support::mongodb::{database_name, fresh_url, run_on_server};

static DOMAINS: &[&Domain] = &[&apps::DOMAIN, &orchestration::DOMAIN];

pub async fn database(url: &str) -> Database {
    Client::with_uri_str(url).await.unwrap().database(&database_name(url).unwrap())
}

async fn engine_over(store: impl Store + 'static) -> Engine {
    Engine::new(Arc::new(store), Arc::new(SystemHost), DOMAINS).await.unwrap()
}

async fn read(url: &str, domain: &'static Domain) -> Result<(ForeignSource, Vec<InvalidDocument>), Error> {
    let mut invalid = Vec::new();
    let source = read_server(url, domain, SystemHost.now(), |one| invalid.push(one), |_| {}).await?;
    Ok((source, invalid))
}

/// Imports the collections of `domain` in the database at `url`. All its documents are valid.
async fn import_foreign(engine: &Engine, url: &str, domain: &'static Domain) -> Result<ImportReport, Error> {
    let (ForeignSource { mut source, collections, invalid: 0 }, _) = read(url, domain).await? else {
        panic!("documents are not valid");
    };
    let checked = check(&mut source, &engine.catalog(), |_| {})?;
    let counted: u64 = collections.iter().map(|one| one.documents).sum();
    assert_eq!(counted, checked.summary().documents());
    runstate::transfer::import(engine, &mut source, &checked, |_| {}).await
}

async fn ok(engine: &Engine, name: &str, parameters: Json) -> Json {
    engine.call(name, parameters.as_object().unwrap().clone()).await.unwrap()
}

/// Imports the examples into a store on files, moves them to MongoDB with the collections' own names, and compares them
/// there.
async fn round_trip(domain: &'static Domain, examples: &[(&'static str, Document)]) -> (Engine, String) {
    let (url, back) = (fresh_url(), fresh_url());
    let source = database(&url).await;
    for (collection, document) in examples {
        source.collection::<Document>(collection).insert_one(document).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let files =
        engine_over(FileStore::open(folder.path().join("store"), FileStoreOptions::default()).await.unwrap()).await;
    let report = import_foreign(&files, &url, domain).await.unwrap();
    assert_eq!((report.written, report.already_present), (examples.len() as u64, 0));
    let again = import_foreign(&files, &url, domain).await.unwrap();
    assert_eq!((again.written, again.already_present), (0, examples.len() as u64));
    let findings = files.verify(|_| {}).await.unwrap().findings;
    assert!(findings.is_empty(), "{findings:?}");

    let engine = engine_over(Mongo::open(&seed_layout(&back), MongoOptions::default()).await.unwrap()).await;
    let lines = export(&files).await;
    let mut exported = LineReader::new(Cursor::new(lines), "an export", Catalog::clone(&engine.catalog()));
    let checked = check(&mut exported, &engine.catalog(), |_| {}).unwrap();
    runstate::transfer::import(&engine, &mut exported, &checked, |_| {}).await.unwrap();
    let moved = database(&domain_database(&back, domain.name)).await;
    for (collection, document) in examples {
        let found = moved.collection::<Document>(collection).find_one(doc! {}).await.unwrap().unwrap();
        assert_eq!(bytes(&found), bytes(document), "{collection}: {found}");
        // Nothing was changed at the source.
        let left = source.collection::<Document>(collection).find_one(doc! {}).await.unwrap();
        assert_eq!(left.as_ref(), Some(document));
    }
    (engine, url)
}

#[test]
fn documents_of_apps_are_imported_and_come_back_byte_for_byte() {
    run_on_server(async {
        let (engine, url) = round_trip(&apps::DOMAIN, &examples()).await;
        let execution = "7b0c4d1e-58a2-4c0f-9a53-6f5d9a1c2e33";
        let shown = ok(&engine, "apps.execution.show", json!({"id": execution})).await;
        assert_eq!((&shown["status"], &shown["durationMs"]), (&json!("completed"), &json!(300_000)));
        let step = ok(&engine, "apps.step.show", json!({"id": format!("{execution}:1")})).await;
        assert_eq!((&step["executionId"], &step["metadata"]["cpu_usage_percent"]), (&json!(execution), &json!(45.2)));
        let configuration = ok(&engine, "apps.configuration.show", json!({"id": "03".repeat(12)})).await;
        assert_eq!(configuration["active"], true);

        // A document that has changed at the source since is updated, and a new one is imported.
        let source = database(&url).await.collection::<Document>("execution_steps");
        source.update_one(doc! {}, doc! {"$set": {"retry_count": 1}}).await.unwrap();
        let report = import_foreign(&engine, &url, &apps::DOMAIN).await.unwrap();
        assert_eq!((report.written, report.updated, report.already_present), (1, 1, 2));
        let step = ok(&engine, "apps.step.show", json!({"id": format!("{execution}:1")})).await;
        assert_eq!(step["retryCount"], 1);
        source.delete_many(doc! {}).await.unwrap();
        source.insert_one(examples()[1].1.clone()).await.unwrap();
        let (_, mut added) = examples().into_iter().nth(1).unwrap();
        added.extend(doc! {"_id": ObjectId::from_bytes([9; 12]), "step_id": 2.0, "execution_id": execution});
        source.insert_one(added).await.unwrap();
        let report = import_foreign(&engine, &url, &apps::DOMAIN).await.unwrap();
        assert_eq!((report.written, report.updated, report.already_present), (2, 1, 2));
    });
}

/// A session, its task and its machine as Mongoose writes them.
fn tracked() -> [(&'static str, Document); 3] {
    let date = |text: &str| DateTime::parse_rfc3339_str(text).unwrap();
    let (at, then) = (date("2024-05-01T10:00:00Z"), date("2024-05-01T10:30:00.250Z"));
    let session = doc! {
        "_id": ObjectId::from_bytes([1; 12]), "session_id": "0d6e6f2a-1c56-4a8e-9d61-9b3a0f6c1d10",
        "project_id": "PVT_kwDOA", "machine_id": "worker-1", "docker_slot": 2, "status": "completed",
        "last_heartbeat": then, "current_task_id": Bson::Null, "started_at": at, "completed_at": then,
        "metadata": {"vscode_version": "1.89.0", "load": 0.75, "flags": ["a", 1, true, Bson::Null]},
        "created_at": at, "updated_at": then, "__v": 0
    };
    let task = doc! {
        "_id": ObjectId::from_bytes([2; 12]), "task_id": "5f0c7a52-0f0b-4e08-9a35-0c1d7f6a7b11",
        "session_id": "0d6e6f2a-1c56-4a8e-9d61-9b3a0f6c1d10", "project_id": "PVT_kwDOA", "github_issue_id": "42",
        "task_name": "Fix the parser", "status": "failed", "started_at": at, "completed_at": then,
        "error_message": "it does not compile", "created_at": at, "updated_at": then, "__v": 0
    };
    let machine = doc! {
        "_id": ObjectId::from_bytes([3; 12]), "machine_id": "worker-1", "hostname": "worker-1.local",
        "docker_slots": [1, 2, 3], "active_sessions": [], "status": "online", "last_heartbeat": then,
        "metadata": {"cpu": 8, "memory_gb": 31.5}, "created_at": at, "updated_at": then, "__v": 0
    };
    [("sessions", session), ("tasks", task), ("machines", machine)]
}

#[test]
fn sessions_tasks_and_machines_are_imported_and_come_back() {
    run_on_server(async {
        let (engine, _) = round_trip(&orchestration::DOMAIN, &tracked()).await;
        let session = json!({"id": "0d6e6f2a-1c56-4a8e-9d61-9b3a0f6c1d10"});
        assert_eq!(ok(&engine, "orchestration.session.show", session).await["dockerSlot"], 2);
        let free = ok(&engine, "orchestration.machine.free", json!({})).await;
        assert_eq!(free["items"][0]["id"], "worker-1");
    });
}

#[test]
fn invalid_documents_of_another_program_are_reported_one_by_one() {
    run_on_server(async {
        let url = fresh_url();
        let executions = database(&url).await.collection::<Document>("executions");
        let (_, valid) = examples().into_iter().next().unwrap();
        let with = |n: u8, fields: Document| {
            let mut document = valid.clone();
            document.extend(doc! {"_id": ObjectId::from_bytes([n; 12]), "execution_id": format!("e{n}")});
            document.extend(fields);
            document
        };
        executions
            .insert_many([
                valid.clone(),
                with(2, doc! {"status": "waiting"}),
                with(3, doc! {"started_at": "2024-01-01"}),
                with(4, doc! {"metadata": {"score": f64::NAN}}),
                with(5, doc! {"execution_id": "twin"}),
                with(6, doc! {"execution_id": "twin"}),
                with(9, doc! {"metadata": {"order": {"snowflake": 1_795_759_492_759_123_457_i64}}}),
                with(7, doc! {"_rev": "1-000000000000", "_v": 1}),
                // A reference by ObjectId, numbers of other types, a date that is not declared.
                with(
                    8,
                    doc! {
                        "execution_id": ObjectId::from_bytes([8; 12]), "app_id": 1_i64, "duration_ms": 5.0,
                        "metadata": {"seen": DateTime::from_millis(7)},
                    },
                ),
            ])
            .await
            .unwrap();
        let (ForeignSource { mut source, collections, invalid }, reported) = read(&url, &apps::DOMAIN).await.unwrap();
        assert_eq!((collections[0].documents, invalid), (2, 7));
        let reported: Vec<String> =
            reported.iter().map(|one| format!("{}/{}: {}", one.collection, one.id, one.reason)).collect();
        insta::assert_snapshot!(reported.join("\n"), @r"
        apps.executions/020202020202020202020202: status: is not one of running, completed, failed, cancelled
        apps.executions/030303030303030303030303: `started_at` is declared as a timestamp and holds String
        apps.executions/040404040404040404040404: `metadata` in `score` holds NaN, which is not a finite number
        apps.executions/070707070707070707070707: it was written by runstate; `export` its store instead
        apps.executions/090909090909090909090909: `metadata.order.snowflake` holds 1795759492759123457, which would be rounded: integers reach to 2^53
        apps.executions/twin: 2 documents have this id
        ");
        let engine = engine_over(Memory::new()).await;
        let checked = check(&mut source, &engine.catalog(), |_| {}).unwrap();
        runstate::transfer::import(&engine, &mut source, &checked, |_| {}).await.unwrap();
        let key =
            Key::new(Catalog::new(apps::DOMAIN.collections).unwrap().get("apps.executions").unwrap(), &"08".repeat(12));
        let found = engine.store().get(&[key], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
        assert_eq!(
            (&found.document["app_id"], &found.document["duration_ms"], &found.document["metadata"]["seen"]),
            (&json!(1), &json!(5), &json!(7))
        );
    });
}

#[test]
fn a_database_without_collections_of_the_domain_is_refused() {
    run_on_server(async {
        let url = fresh_url();
        database(&url).await.collection("programs").insert_one(doc! {"name": "p"}).await.unwrap();
        let error = read(&url, &apps::DOMAIN).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::NOT_FOUND);
        assert!(error.message.contains("the domain `apps` (collections apps, app_configurations,"), "{error}");
    });
}

//! The collections of apps as other programs know them: the indexes of the schema that the domain continues, and
//! documents in its form.

use std::io::{BufReader, Cursor};
use std::sync::Arc;

use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use mongodb::{Client, Database};
use runstate::domain::apps::DOMAIN;
use runstate::engine::{Engine, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::schema::Catalog;
use runstate::store::Store;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::transfer::{LineReader, LineWriter, check};
use runstate::value::Json;
use serde_json::json;

use crate::support::domain_layout::{domain_database, seed_layout};
use crate::support::mongodb::{database_name, fresh_url, indexes, run_on_server};

/// The indexes of a collection besides that of `_id`.
pub struct ExpectedIndexes {
    pub collection: &'static str,
    /// Those that the schema names.
    pub schema: &'static [&'static str],
    /// Those that are added to them.
    pub added: &'static [&'static str],
}

/// Years and months count as the library counts them: 365, 183 and 92 days.
const EXPECTED_INDEXES: &[ExpectedIndexes] = &[
    ExpectedIndexes {
        collection: "executions",
        schema: &[
            r#"{"execution_id":1} {"unique":true}"#,
            r#"{"app_id":1,"sub_app_id":1} {}"#,
            r#"{"user_id":1} {}"#,
            r#"{"status":1} {}"#,
            r#"{"started_at":-1} {}"#,
        ],
        // The schema keeps executions for a year. Those with a shorter retention have the time of their removal.
        added: &[
            r#"{"remove_at":1} {"partialFilterExpression":{"remove_at":{"$exists":true}}}"#,
            r#"{"deadline_at":1} {"partialFilterExpression":{"deadline_at":{"$exists":true}}}"#,
            r#"{"configuration_id":1} {}"#,
            r#"{"started_at":1} {"expireAfterSeconds":31536000,"partialFilterExpression":{"status":{"$in":["completed","failed","cancelled"]}}}"#,
        ],
    },
    ExpectedIndexes {
        collection: "execution_steps",
        schema: &[
            r#"{"execution_id":1,"step_id":1} {"unique":true}"#,
            r#"{"execution_id":1} {}"#,
            r#"{"status":1} {}"#,
            r#"{"step_name":1} {}"#,
            r#"{"started_at":-1} {}"#,
        ],
        // The schema keeps steps for six months.
        added: &[
            r#"{"started_at":1} {"expireAfterSeconds":15811200,"partialFilterExpression":{"status":{"$in":["completed","failed","skipped"]}}}"#,
        ],
    },
    ExpectedIndexes {
        collection: "app_configurations",
        schema: &[r#"{"app_id":1,"sub_app_id":1,"version":1} {"unique":true}"#, r#"{"active":1} {}"#],
        added: &[r#"{"remove_at":1} {"partialFilterExpression":{"remove_at":{"$exists":true}}}"#],
    },
    ExpectedIndexes {
        collection: "execution_artifacts",
        schema: &[r#"{"execution_id":1,"step_id":1} {}"#, r#"{"artifact_type":1} {}"#, r#"{"created_at":-1} {}"#],
        // The schema keeps artifacts for three months.
        added: &[r#"{"sha256":1} {}"#, r#"{"created_at":1} {"expireAfterSeconds":7948800}"#],
    },
    // Collections that the schema does not have.
    // A time series has no index on `_id`, and expires by an option.
    ExpectedIndexes {
        collection: "execution_metrics",
        schema: &[r#"{"execution_id":1,"timestamp":1} {}"#, r#"{"timestamp":-1} {}"#],
        added: &[],
    },
    ExpectedIndexes {
        collection: "apps",
        schema: &[],
        added: &[
            r#"{"app_id":1,"sub_app_id":1} {}"#,
            r#"{"remove_at":1} {"partialFilterExpression":{"remove_at":{"$exists":true}}}"#,
        ],
    },
    ExpectedIndexes {
        collection: "step_queue",
        schema: &[],
        added: &[r#"{"step_name":1,"available_at":1} {}"#, r#"{"due_at":1} {}"#],
    },
    ExpectedIndexes {
        collection: "blobs",
        schema: &[],
        added: &[
            r#"{"sha256":1,"storage_path":1} {"partialFilterExpression":{"sha256":{"$exists":true}}}"#,
            r#"{"review_at":1} {"partialFilterExpression":{"review_at":{"$exists":true}}}"#,
            r#"{"remove_at":1} {"partialFilterExpression":{"remove_at":{"$exists":true}}}"#,
        ],
    },
    ExpectedIndexes { collection: "blob_chunks", schema: &[], added: &[r#"{"blob":1} {}"#] },
    ExpectedIndexes { collection: "subscriptions", schema: &[], added: &[r#"{"events":1} {}"#, r#"{"active":1} {}"#] },
    ExpectedIndexes { collection: "events", schema: &[], added: &[r#"{"occurred_at":1} {}"#] },
    ExpectedIndexes {
        collection: "deliveries",
        schema: &[],
        added: &[
            r#"{"available_at":1} {"partialFilterExpression":{"available_at":{"$exists":true}}}"#,
            r#"{"due_at":1} {"partialFilterExpression":{"due_at":{"$exists":true}}}"#,
            r#"{"subscription_id":1,"status":1} {}"#,
            r#"{"event":1} {}"#,
            r#"{"created_at":-1} {}"#,
            r#"{"expires_at":1} {"expireAfterSeconds":0}"#,
        ],
    },
    ExpectedIndexes {
        collection: "search_entries",
        schema: &[],
        added: &[
            r#"{"_fts":"text","_ftsx":1} {"default_language":"none","language_override":"_language","textIndexVersion":3,"weights":{"words":1}}"#,
            r#"{"execution_id":1} {}"#,
            r#"{"expires_at":1} {"expireAfterSeconds":0}"#,
        ],
    },
    ExpectedIndexes {
        collection: "audit_log",
        schema: &[],
        added: &[
            r#"{"at":-1} {}"#,
            r#"{"target":1,"at":1} {}"#,
            r#"{"actor":1,"at":1} {}"#,
            r#"{"step":1,"at":1} {"partialFilterExpression":{"step":{"$exists":true}}}"#,
            r#"{"at":1} {"expireAfterSeconds":31536000}"#,
        ],
    },
];

/// The fields of an index in their order, and its options in the order of their names.
pub fn describe_index(index: &Document) -> String {
    let mut options = index.clone();
    let key = serde_json::to_string(&options.remove("key").unwrap()).unwrap();
    for name in ["v", "name"] {
        options.remove(name).unwrap();
    }
    let mut options = serde_json::to_value(&options).unwrap();
    options.sort_all_objects();
    format!("{key} {options}")
}

async fn open_engine(url: &str) -> Engine {
    engine_over(Arc::new(Mongo::open(url, MongoOptions::default()).await.unwrap())).await
}

async fn engine_over(store: Arc<dyn Store>) -> Engine {
    Engine::new(store, Arc::new(SystemHost), &[&DOMAIN]).await.unwrap()
}

#[test]
fn the_indexes_are_those_of_the_schema_and_the_listed_additions() {
    run_on_server(async {
        let (one, several) = (fresh_url(), fresh_url());
        open_engine(&one).await;
        open_engine(&seed_layout(&several)).await;
        assert_eq!(EXPECTED_INDEXES.len(), DOMAIN.collections.len());
        for ExpectedIndexes { collection, schema, added } in EXPECTED_INDEXES {
            let mut expected: Vec<&str> = [*schema, *added].concat();
            expected.extend((*collection != "execution_metrics").then_some(r#"{"_id":1} {}"#));
            expected.sort_unstable();
            let in_one = indexes(&one, &format!("apps.{collection}")).await;
            let bare = indexes(&domain_database(&several, "apps"), collection).await;
            for found in [in_one, bare] {
                let mut found: Vec<String> = found.iter().map(describe_index).collect();
                found.sort_unstable();
                assert_eq!(found, expected, "{collection}");
            }
        }
    });
}

/// The examples of the schema. Their parts refer to each other.
pub fn examples() -> [(&'static str, Document); 3] {
    let date = |text: &str| DateTime::parse_rfc3339_str(text).unwrap();
    let id = |n: u8| ObjectId::from_bytes([n; 12]);
    let execution = doc! {
        "_id": id(1),
        "execution_id": "7b0c4d1e-58a2-4c0f-9a53-6f5d9a1c2e33",
        "app_id": 1,
        "app_name": "data_quality",
        "sub_app_id": 1,
        "sub_app_name": "dq_profiling",
        "user_id": "user_identifier",
        "status": "completed",
        "started_at": date("2024-01-01T00:00:00Z"),
        "completed_at": date("2024-01-01T00:05:00Z"),
        "duration_ms": 300_000,
        "error": Bson::Null,
        "metadata": {
            "ip_address": "192.168.1.1",
            "user_agent": "Mozilla/5.0...",
            "version": "1.0.0",
            "environment": "production"
        },
        "created_at": date("2024-01-01T00:00:00Z"),
        "updated_at": date("2024-01-01T00:05:00Z")
    };
    let step = doc! {
        "_id": id(2),
        "execution_id": "7b0c4d1e-58a2-4c0f-9a53-6f5d9a1c2e33",
        "step_id": 1,
        "step_name": "element_extraction_using_python_playwright",
        "step_version": "1.0.0",
        "status": "completed",
        "started_at": date("2024-01-01T00:00:00Z"),
        "completed_at": date("2024-01-01T00:01:00Z"),
        "duration_ms": 60_000,
        "input": { "web_page_url": "https://example.com" },
        "output": {
            "extracted_elements": [{
                "id": "elem_1",
                "type": "button",
                "selector": "#submit-button",
                "text": "Submit",
                "attributes": { "class": "btn btn-primary", "disabled": false }
            }]
        },
        "error": Bson::Null,
        "retry_count": 0,
        "metadata": { "memory_usage_mb": 256, "cpu_usage_percent": 45.2 }
    };
    let configuration = doc! {
        "_id": id(3),
        "app_id": 1,
        "app_name": "ui_web_auto_testing",
        "sub_app_id": Bson::Null,
        "sub_app_name": Bson::Null,
        "version": "1.0.0",
        "configuration": {
            "steps": [{
                "id": 1,
                "name": "element_extraction_using_python_playwright",
                "input": [{ "name": "web_page_url", "type": "string" }],
                "output": [{ "name": "extracted_elements", "type": "array" }],
                "depends_on": []
            }],
            "description": "Automated testing framework for web applications.",
            "settings": { "timeout_seconds": 300, "max_retries": 3 }
        },
        "active": true,
        "created_at": date("2024-01-01T00:00:00Z"),
        "created_by": "admin"
    };
    [("executions", execution), ("execution_steps", step), ("app_configurations", configuration)]
}

/// The database of the domain, as another program opens it.
async fn plain_database(url: &str) -> Database {
    let url = domain_database(url, "apps");
    Client::with_uri_str(&url).await.unwrap().database(&database_name(&url).unwrap())
}

/// The fields that the store reserves for itself. All others are those of the document.
const RESERVED: [&str; 3] = ["_id", "_rev", "_v"];

/// The bytes of a document without the reserved fields, with the fields of each object in the order of their names.
pub fn bytes(document: &Document) -> Vec<u8> {
    fn ordered(value: &Bson) -> Bson {
        match value {
            Bson::Document(object) => {
                let mut names: Vec<&String> = object.keys().collect();
                names.sort();
                names
                    .into_iter()
                    .map(|name| (name.clone(), ordered(&object[name.as_str()])))
                    .collect::<Document>()
                    .into()
            }
            Bson::Array(items) => Bson::Array(items.iter().map(ordered).collect()),
            other => other.clone(),
        }
    }
    let mut document = document.clone();
    for name in RESERVED {
        document.remove(name);
    }
    ordered(&document.into()).as_document().unwrap().to_vec().unwrap()
}

async fn call(engine: &Engine, name: &str, parameters: Json) -> Json {
    let parameters = parameters.as_object().unwrap().clone();
    engine.call(&format!("apps.{name}"), parameters).await.unwrap()
}

pub async fn export(engine: &Engine) -> Vec<u8> {
    let mut lines = Vec::new();
    runstate::transfer::export(engine, &mut LineWriter::new(&mut lines, "a store"), |_| {}).await.unwrap();
    lines
}

pub async fn import(engine: &Engine, lines: &[u8]) {
    let catalog = runstate::engine::catalog(&Catalog::new(DOMAIN.collections).unwrap()).unwrap();
    let mut source = LineReader::new(BufReader::new(Cursor::new(lines)), "an export", catalog.clone());
    let checked = check(&mut source, &catalog, |_| {}).unwrap();
    runstate::transfer::import(engine, &mut source, &checked, |_| {}).await.unwrap();
}

#[test]
fn documents_of_another_program_are_refused_until_they_are_copied() {
    run_on_server(async {
        let url = fresh_url();
        let database = plain_database(&url).await;
        for (collection, document) in examples() {
            database.collection(collection).insert_one(document).await.unwrap();
        }
        let store = Mongo::open(&seed_layout(&url), MongoOptions::default()).await.unwrap();
        let refused = Engine::new(Arc::new(store), Arc::new(SystemHost), &[&DOMAIN]).await.err().unwrap();
        assert_eq!(refused.code, ErrorCode::UNSUPPORTED);
        assert!(refused.message.contains("documents of another program"), "{refused}");
        assert!(refused.message.contains("`import`"), "{refused}");
        // Nothing was changed.
        for ExpectedIndexes { collection, .. } in EXPECTED_INDEXES {
            if examples().iter().any(|(name, _)| name == collection) {
                assert_eq!(indexes(&domain_database(&url, "apps"), collection).await.len(), 1, "{collection}");
            }
        }
        for (collection, document) in examples() {
            let found = database.collection::<Document>(collection).find_one(doc! {}).await.unwrap();
            assert_eq!(found, Some(document));
        }
    });
}

#[test]
fn copied_documents_keep_every_other_byte_over_files_and_back() {
    run_on_server(async {
        let (url, back) = (fresh_url(), fresh_url());
        let database = plain_database(&url).await;
        for (collection, document) in examples() {
            // An execution is stored under its own id, other documents under the text of theirs.
            let id = document.get_str("execution_id").ok().filter(|_| collection == "executions");
            let id = id.map_or_else(|| document.get_object_id("_id").unwrap().to_hex(), str::to_owned);
            let mut copy = doc! {"_id": id, "_rev": "1-000000000000", "_v": 1};
            copy.extend(document.into_iter().filter(|(name, _)| name != "_id"));
            database.collection(collection).insert_one(copy).await.unwrap();
        }
        let engine = open_engine(&seed_layout(&url)).await;
        let execution = json!({"id": "7b0c4d1e-58a2-4c0f-9a53-6f5d9a1c2e33"});
        let shown = call(&engine, "execution.show", execution.clone()).await;
        assert_eq!(
            (&shown["status"], &shown["startedAt"], &shown["durationMs"]),
            (&json!("completed"), &json!(1_704_067_200_000_i64), &json!(300_000))
        );
        let steps = call(&engine, "execution.steps", execution).await;
        assert_eq!(steps[0]["output"]["extracted_elements"][0]["attributes"]["disabled"], false);
        assert_eq!(
            (&steps[0]["id"], &steps[0]["metadata"]["cpu_usage_percent"]),
            (&json!("02".repeat(12)), &json!(45.2))
        );
        for (name, filter) in [
            ("execution.list", json!({"user": "user_identifier"})),
            ("step.list", json!({"stepName": "element_extraction_using_python_playwright"})),
            ("configuration.list", json!({"active": true})),
        ] {
            assert_eq!(call(&engine, name, filter).await["items"].as_array().unwrap().len(), 1, "{name}");
        }
        let findings = engine.verify(|_| {}).await.unwrap().findings;
        assert!(findings.is_empty(), "{findings:?}");

        let folder = tempfile::tempdir().unwrap();
        let files = FileStore::open(folder.path().join("store"), FileStoreOptions::default()).await.unwrap();
        let files = engine_over(Arc::new(files)).await;
        import(&files, &export(&engine).await).await;
        let again = open_engine(&seed_layout(&back)).await;
        import(&again, &export(&files).await).await;
        let database = plain_database(&back).await;
        for (collection, document) in examples() {
            let found = database.collection::<Document>(collection).find_one(doc! {}).await.unwrap().unwrap();
            assert_eq!(bytes(&found), bytes(&document), "{collection}: {found}");
        }

        // An execution of the configuration marks it as used. A field that is null is missing then.
        let started =
            call(&again, "execution.start", json!({"appId": 1, "userId": "u", "input": {"web_page_url": "u"}})).await;
        assert_eq!(started["status"], "running");
        let found = database.collection::<Document>("app_configurations").find_one(doc! {}).await.unwrap().unwrap();
        let (_, before) = examples().into_iter().nth(2).unwrap();
        let mut expected: Document = before.into_iter().filter(|(_, value)| *value != Bson::Null).collect();
        expected.insert("used", true);
        expected.insert("id", found.get_str("_id").unwrap());
        assert_eq!(bytes(&found), bytes(&expected), "{found}");
    });
}

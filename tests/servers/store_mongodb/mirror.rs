//! A store on files that is mirrored to MongoDB, and back.

use std::sync::Arc;

use runstate::domain;
use runstate::engine::{Engine, SystemHost};
use runstate::store::Store;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::time::Millis;
use runstate::transfer::mirror::{Mirror, MirrorOptions, MirroredStore, MirroringOptions};
use serde_json::{Value as Json, json};

use crate::support::domain_layout::seed_layout;
use crate::support::mongodb::{fresh_url, run_on_server};

async fn call(engine: &Engine, name: &str, parameters: Json) -> Json {
    engine.call(name, parameters.as_object().unwrap().clone()).await.unwrap()
}

async fn mirror(primary: &Arc<dyn Store>, secondary: &Arc<dyn Store>) -> Mirror {
    let options = MirrorOptions { source: "primary".to_owned(), replace: false };
    Mirror::open(primary.clone(), secondary.clone(), Arc::new(SystemHost), domain::ALL, options).await.unwrap()
}

/// Runs commands over the mirrored primary, and ends the mirror.
async fn run_mirrored(primary: Arc<dyn Store>, secondary: Arc<dyn Store>, first: u32) {
    let options = MirroringOptions { longest_delay: Millis::minutes(1), ..MirroringOptions::default() };
    let mirror = Arc::new(mirror(&primary, &secondary).await);
    let store = Arc::new(MirroredStore::new(primary, mirror.clone(), options));
    let engine = Engine::new(store, Arc::new(SystemHost), domain::ALL).await.unwrap();
    for n in first..first + 2 {
        let steps = json!({"steps": [{"id": 1, "name": "s"}, {"id": 2, "name": "t", "depends_on": [1]}]});
        let version = json!({
            "appId": 1, "appName": "suite", "version": n.to_string(), "configuration": steps, "activate": true
        });
        call(&engine, "apps.configuration.save", version).await;
        call(&engine, "apps.execution.start", json!({"appId": 1, "userId": "u", "id": format!("e{n}"), "input": {}}))
            .await;
        let claimed = call(&engine, "apps.step.claim", json!({"names": ["s"], "owner": "w"})).await["claimed"].clone();
        let end = json!({"id": claimed["id"], "token": claimed["token"], "output": {"ratio": 0.25, "none": null}});
        call(&engine, "apps.step.complete", end).await;
    }
    // Both stores have it.
    let comparison = mirror.compare(10, |_| {}).await.unwrap();
    assert!(comparison.is_equal(), "{comparison:#?}");
    let comparison = mirror.finish(10, |_| {}).await.unwrap();
    assert!(comparison.is_equal(), "{comparison:#?}");
    assert!(comparison.collections.len() > 5, "{comparison:#?}");
}

#[test]
fn a_store_on_files_is_mirrored_to_mongodb_and_back() {
    run_on_server(async {
        let folder = tempfile::tempdir().unwrap();
        let files = async |name: &str| {
            let store = FileStore::open(folder.path().join(name), FileStoreOptions::default()).await.unwrap();
            Arc::new(store) as Arc<dyn Store>
        };
        let server: Arc<dyn Store> =
            Arc::new(Mongo::open(&seed_layout(&fresh_url()), MongoOptions::default()).await.unwrap());
        run_mirrored(files("first").await, server.clone(), 0).await;
        run_mirrored(server, files("second").await, 2).await;
    });
}

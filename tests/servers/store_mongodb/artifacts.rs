//! Artifacts in GridFS.

use std::ops::Range;
use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::{Binary, Document, doc, spec::BinarySubtype};
use runstate::blob::{Artifacts, GridFs, NewArtifact};
use runstate::domain::apps::{DOMAIN, PART_BYTES};
use runstate::engine::{Engine, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::value::Json;
use serde_json::json;

use crate::support::domain_layout::{domain_database, seed_layout, tested_layouts};
use crate::support::mongodb::{database_name, fresh_url, run_on_server};

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

async fn put(artifacts: &Artifacts, bytes: &[u8]) -> String {
    let new = NewArtifact::of_step("e", 1).named("screenshot", "page.png", "image/png");
    let mut upload = artifacts.put(new).await.unwrap();
    upload.write(bytes).await.unwrap();
    upload.finish().await.unwrap()
}

async fn read(artifacts: &Artifacts, id: &str, range: Range<u64>) -> Result<Vec<u8>, runstate::engine::Error> {
    let mut reader = artifacts.read(id, range).await?;
    let mut bytes = Vec::new();
    while let Some(part) = reader.next().await? {
        bytes.extend(part);
    }
    Ok(bytes)
}

pub async fn call(engine: &Engine, name: &str, parameters: Json) -> Json {
    engine.call(&format!("apps.{name}"), parameters.as_object().unwrap().clone()).await.unwrap()
}

/// Stores, reads, changes and removes artifacts in the store at `url`, whose domain has the database of `domain_url`.
async fn round_trip(url: &str, domain_url: &str) {
    let store = Arc::new(Mongo::open(url, MongoOptions::default()).await.unwrap());
    let engine = Engine::new(store, Arc::new(SystemHost), &[&DOMAIN]).await.unwrap();
    let steps = json!({"steps": [{"id": 1, "name": "a"}]});
    let version = json!({"appId": 1, "appName": "a", "version": "1", "configuration": steps, "activate": true});
    call(&engine, "configuration.save", version).await;
    call(&engine, "execution.start", json!({"appId": 1, "userId": "u", "id": "e"})).await;
    let artifacts = Artifacts::new(&engine, GridFs::open(url).await.unwrap());
    let client = Client::with_uri_str(domain_url).await.unwrap();
    let database = client.database(&database_name(domain_url).unwrap());
    let (files, chunks) =
        (database.collection::<Document>("artifacts.files"), database.collection::<Document>("artifacts.chunks"));
    let mut ids = Vec::new();
    for bytes in [0, 1, 255 * 1024, PART_BYTES, PART_BYTES + 300_000] {
        let (expected, end) = (content(bytes), bytes as u64);
        let id = put(&artifacts, &expected).await;
        for range in [0..end, 1..end, 261_100..261_200, end + 5..end + 9] {
            let slice = |at: u64| at.min(end) as usize;
            let expected = expected.get(slice(range.start)..slice(range.end)).unwrap_or_default();
            assert!(read(&artifacts, &id, range.clone()).await.unwrap() == expected, "{bytes} {range:?}");
        }
        ids.push(id);
    }
    let row = call(&engine, "artifact.show", json!({"id": ids[1]})).await;
    assert_eq!(row["storageType"], "gridfs");
    let blob = row["storagePath"].as_str().unwrap().strip_prefix("gridfs://artifacts/").unwrap();
    // The driver reads what runstate wrote.
    let file = files.find_one(doc! {"_id": blob}).await.unwrap().unwrap();
    assert_eq!(file.get_i64("length").unwrap(), 1);
    let changed = Binary { subtype: BinarySubtype::Generic, bytes: vec![77] };
    chunks.update_one(doc! {"files_id": blob}, doc! {"$set": {"data": changed}}).await.unwrap();
    assert_eq!(read(&artifacts, &ids[1], 0..1).await.unwrap_err().code, ErrorCode::CORRUPT);
    chunks.delete_one(doc! {"files_id": blob}).await.unwrap();
    assert_eq!(read(&artifacts, &ids[1], 0..1).await.unwrap_err().code, ErrorCode::CORRUPT);
    // An upload that a crash has ended leaves chunks without a file.
    files.delete_one(doc! {"_id": blob}).await.unwrap();
    chunks
        .insert_one(doc! {"files_id": blob, "n": 0, "data": Binary { subtype: BinarySubtype::Generic, bytes: vec![1] }})
        .await
        .unwrap();
    for id in &ids {
        artifacts.remove(id).await.unwrap();
    }
    assert_eq!(artifacts.collect().await.unwrap().removed as usize, ids.len());
    let left = (files.count_documents(doc! {}).await.unwrap(), chunks.count_documents(doc! {}).await.unwrap());
    assert_eq!(left, (0, 0));
}

#[test]
fn gridfs_keeps_bytes_in_both_layouts() {
    run_on_server(async {
        for is_divided in tested_layouts() {
            let url = fresh_url();
            match is_divided {
                true => round_trip(&seed_layout(&url), &domain_database(&url, "apps")).await,
                false => round_trip(&url, &url).await,
            }
        }
    });
}

//! Lost keys, and stores that are opened without keys.

use runstate::engine::Error;
use serde_json::json;

use super::scene::{SECRET, SecretScene, ask, find, patch, put, read};

fn expect_missing(error: &Error, text: &str) {
    assert!(error.code.as_str() == "key_missing" && error.message.contains(text), "{error}");
}

#[tokio::test]
async fn a_lost_key_costs_only_the_values_under_it() {
    let scene = SecretScene::on_memory();
    put(&scene.with_keys("k1").await, "a", json!({"tag": "t", "note": SECRET})).await.unwrap();
    let before = scene.raw("a").await;
    let engine = scene.with_keys("k2").await;
    put(&engine, "b", json!({"tag": "t", "note": "two"})).await.unwrap();
    expect_missing(&read(&engine, "a").await.unwrap_err(), "`k1`");
    assert_eq!(read(&engine, "b").await.unwrap()["note"], "two");
    // A list has the others, and the value as it is at rest.
    let list =
        ask(&engine, "documents.query", json!({"collection": "vault", "where": {"eq": ["tag", "t"]}})).await.unwrap();
    assert_eq!((&list["items"][0]["note"]["key"], &list["items"][1]["note"]), (&json!("k1"), &json!("two")));
    // Nothing is overwritten: neither by a command that reads the document, nor by one that got the value from a list,
    // nor by rotation.
    expect_missing(&patch(&engine, "a", json!({"tag": "u"})).await.unwrap_err(), "`k1`");
    expect_missing(&put(&engine, "c", json!({"note": list["items"][0]["note"]})).await.unwrap_err(), "still encrypted");
    let rotation = engine.rotate(100).await.unwrap();
    assert_eq!((rotation.encrypted, rotation.more, rotation.failed.len()), (0, false, 0));
    assert_eq!(scene.raw("a").await, before);
    let report = engine.verify(|_| {}).await.unwrap();
    let found = report.damage().unwrap();
    assert!(found.at == "documents.vault/a" && found.why.contains("`k1`"), "{found:?}");
    assert_eq!(report.findings.len(), 1, "{report:?}");
    // The key is found again.
    assert_eq!(read(&scene.with_keys("k2,k1").await, "a").await.unwrap()["note"], SECRET);
}

#[tokio::test]
async fn without_keys_no_secret_is_read_or_written_beside_encrypted_ones() {
    let scene = SecretScene::on_memory();
    put(&scene.with_keys("k1").await, "a", json!({"tag": "t", "note": SECRET})).await.unwrap();
    let engine = scene.engine(None).await;
    expect_missing(&read(&engine, "a").await.unwrap_err(), "`k1`");
    expect_missing(&put(&engine, "b", json!({"note": "plain"})).await.unwrap_err(), "without keys");
    expect_missing(&put(&engine, "b", json!({"token": "plain"})).await.unwrap_err(), "searchable");
    expect_missing(&find(&engine, json!({"eq": ["token", "x"]})).await.unwrap_err(), "searchable");
    put(&engine, "b", json!({"tag": "u"})).await.unwrap();
    // Another field of the collection has no encrypted value yet, so this one still is in plain text.
    put(&engine, "c", json!({"auth": {"pin": 5}})).await.unwrap();
    assert!(!scene.dump().await.contains("plain"));
    let keyed = scene.with_keys("k1").await;
    assert_eq!(read(&keyed, "c").await.unwrap(), json!({"auth": {"pin": 5}}));
    assert_eq!(keyed.rotate(100).await.unwrap().encrypted, 1);
    assert!(scene.raw("c").await.document["auth"]["pin"].get("sealed").is_some());
}

#[tokio::test]
async fn a_field_becomes_secret_and_its_older_values_are_encrypted() {
    let scene = SecretScene::on_memory();
    let engine = scene.engine(Some(super::scene::keys("k1"))).await;
    let declare = |version: u32, secret: bool| json!({"collection": "vault", "version": version, "fields": [{"name": "note", "kind": "text", "secret": secret}]});
    ask(&engine, "documents.declare", declare(1, false)).await.unwrap();
    for id in ["a", "b"] {
        put(&engine, id, json!({"note": SECRET})).await.unwrap();
    }
    let same_version = ask(
        &engine,
        "documents.declare",
        json!({"collection": "vault", "fields": [{"name": "note", "kind": "text", "secret": true}]}),
    )
    .await;
    assert!(same_version.is_err(), "other programs would write plain text");
    ask(&engine, "documents.declare", declare(2, true)).await.unwrap();
    assert_eq!(read(&engine, "a").await.unwrap()["note"], SECRET);
    let report = engine.run_due(100, runstate::engine::RunLimit::Stop).await.unwrap();
    assert_eq!((report.encrypted, report.more, report.failed.len()), (2, false, 0));
    assert!(!scene.dump().await.contains(SECRET));
    assert_eq!(read(&engine, "b").await.unwrap()["note"], SECRET);
    let public = ask(&engine, "documents.declare", declare(3, false)).await.unwrap_err();
    assert!(public.message.contains("is secret"), "{public}");
}

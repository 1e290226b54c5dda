//! Lost keys, and stores that are opened without keys.

use std::sync::Arc;

use runstate::decision::{Ctx, DomainQuery, EngineSettings, OperationName, ReadSet, Rejection, View};
use runstate::domain::apps;
use runstate::encryption::{EncryptedStore, Keys, SecretKey};
use runstate::engine::{Engine, Error, SystemHost};
use runstate::id::CommandId;
use runstate::operation::Domain;
use runstate::schema::{Entity, Query};
use runstate::store::Severity;
use runstate::testing::{BatchExt as _, batch};
use serde_json::{Value as Json, json};

use super::scene::{SECRET, SecretScene, ask, find, keys, patch, put, read, vault};

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
    for mut write in [json!({"put": {"tag": "u"}}), json!({"patch": {"note": null}}), json!({"delete": true})] {
        (write["collection"], write["id"]) = (json!("vault"), json!("a"));
        let refused = ask(&engine, "documents.commit", json!({"writes": [write]})).await;
        expect_missing(&refused.unwrap_err(), "`k1`");
    }
    expect_missing(&put(&engine, "c", json!({"note": list["items"][0]["note"]})).await.unwrap_err(), "still encrypted");
    let rotation = engine.rotate(100).await.unwrap();
    assert_eq!((rotation.encrypted, rotation.more, rotation.failed.len()), (0, false, 0));
    assert_eq!(scene.raw("a").await, before);
    let report = engine.verify(|_| {}).await.unwrap();
    let found = report.damage().unwrap();
    assert_eq!((&*found.at, found.severity), ("documents.vault/a", Severity::KeyMissing));
    assert!(found.why.contains("`k1`"), "{found:?}");
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

#[tokio::test]
async fn another_key_under_a_known_id_is_refused_when_a_store_is_opened() {
    let scene = SecretScene::on_memory();
    let key = |byte| SecretKey::new([byte; 32]);
    let open = async |keys: Keys| {
        let store = Arc::new(EncryptedStore::new(scene.backend.clone(), Some(Arc::new(keys))));
        Engine::new(store, Arc::new(SystemHost), &[]).await
    };
    let first = || Keys::new("k1", key(1)).with_hash_key(key(9));
    ask(&open(first()).await.unwrap(), "documents.declare", vault()).await.unwrap();
    let before = scene.dump().await;
    for (keys, named) in [
        (Keys::new("k1", key(2)), "key `k1`"),
        (Keys::new("k2", key(3)).with_older("k1", key(2)), "key `k1`"),
        (Keys::new("k1", key(1)).with_hash_key(key(8)), "key of hashes"),
    ] {
        let store = Arc::new(EncryptedStore::new(scene.backend.clone(), Some(Arc::new(keys.clone()))));
        expect_missing(
            &Engine::for_reading(store, Arc::new(SystemHost), &[], EngineSettings::default()).await.err().unwrap(),
            named,
        );
        expect_missing(&open(keys).await.err().unwrap(), named);
        assert_eq!(scene.dump().await, before);
    }
    open(first()).await.unwrap();
    open(Keys::new("k1", key(1))).await.unwrap();
    assert_eq!(scene.dump().await, before);
    // A new key of hashes comes with a new key.
    open(Keys::new("k2", key(3)).with_older("k1", key(1)).with_hash_key(key(8))).await.unwrap();
    expect_missing(&open(Keys::new("k2", key(4))).await.err().unwrap(), "key `k2`");
}

#[tokio::test]
async fn a_list_names_the_key_that_is_missing() {
    let scene = SecretScene::on_memory();
    let open = async |keys| {
        let store = Arc::new(EncryptedStore::new(scene.backend.clone(), keys));
        Engine::new(store, Arc::new(SystemHost), &[&apps::DOMAIN]).await.unwrap()
    };
    let secret = format!("whsec_{}", "A".repeat(32));
    let parameters =
        json!({"id": "s", "url": "https://example.com/", "secret": secret, "events": ["apps.execution.failed"]});
    ask(&open(Some(keys("k1"))).await, "apps.subscription.create", parameters).await.unwrap();
    let engine = open(None).await;
    let list = ask(&engine, "apps.subscription.list", json!({})).await.unwrap();
    let reason = "secret: is encrypted under the key `k1`, which was not given";
    assert_eq!(list["damaged"], json!([{"id": "s", "code": "key_missing", "reason": reason}]));
    expect_missing(&ask(&engine, "apps.subscription.show", json!({"id": "s"})).await.unwrap_err(), "`k1`");
}

/// A lock with a secret of any kind.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "test.locks", version = 1)]
struct Lock {
    #[entity(id)]
    id: String,
    #[entity(kind = json, secret)]
    code: Option<Json>,
}

static LOCKS: Domain = Domain::new("test").collections(&[&Lock::COLLECTION]);

/// Reads two locks by their ids, and all by a query.
#[derive(OperationName)]
#[operation(name = "test.lock.read")]
struct ReadLocks;

impl DomainQuery for ReadLocks {
    type Output = Json;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query("all", Query::of(&Lock::COLLECTION))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Json, Rejection> {
        view.require_entities::<Lock>(["a", "b"])?;
        let read = |id: &str| match view.find_entity::<Lock>(id) {
            Ok(lock) => lock.and_then(|lock| lock.entity.code).unwrap_or_default(),
            Err(rejection) => rejection.code().as_str().into(),
        };
        let to_change = view
            .loaded_entities::<Lock>("all")
            .map_or_else(|rejection| rejection.code().as_str().into(), |all| json!(all.len()));
        Ok(json!([read("a"), read("b"), to_change, view.entities::<Lock>("all")?.len()]))
    }
}

/// The value of a secret that may be of any kind is never the one at rest.
#[tokio::test]
async fn a_decision_is_rejected_only_by_the_document_whose_key_is_missing() {
    let scene = SecretScene::on_memory();
    let open = async |name: &str| {
        let store = Arc::new(EncryptedStore::new(scene.backend.clone(), Some(keys(name))));
        Engine::new(store, Arc::new(SystemHost), &[&LOCKS]).await.unwrap()
    };
    for (key, id) in [("k1", "a"), ("k2", "b")] {
        let insert =
            batch(CommandId::new(id).unwrap()).insert(&Lock::COLLECTION, id, json!({"id": id, "code": {"of": id}}));
        open(key).await.store().commit(insert).await.unwrap();
    }
    let read = open("k2").await.query(&ReadLocks).await.unwrap();
    assert_eq!(read, json!(["key_missing", {"of": "b"}, "key_missing", 2]));
    let read = open("k2,k1").await.query(&ReadLocks).await.unwrap();
    assert_eq!(read, json!([{"of": "a"}, {"of": "b"}, 2, 2]));
}

//! Values at rest, and attempts to change or move them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use runstate::encryption::EncryptedStore;
use runstate::engine::{Engine, SystemHost};
use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Entity, Field, Key};
use runstate::store::Encryption as _;
use runstate::store::{Freshness, Memory, Store, StoreAdmin, StoreError};
use runstate::testing::{BatchExt as _, batch};
use serde_json::{Value as Json, json};

use super::scene::{SECRET, SecretScene, ask, keys, patch, put, read};

/// Records all that is logged in this process.
struct LogRecorder;

static LOGGED: Mutex<String> = Mutex::new(String::new());

impl log::Log for LogRecorder {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOGGED.lock().unwrap().push_str(&format!("{}\n", record.args()));
    }

    fn flush(&self) {}
}

/// The bytes of all files below a folder.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { all_bytes(&path) } else { std::fs::read(path).unwrap() }).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn no_plain_text_of_a_secret_is_in_files_or_logs() {
    log::set_logger(&LogRecorder).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let folder = tempfile::tempdir().unwrap();
    let scene = SecretScene::on_files(folder.path()).await;
    let engine = scene.with_keys("k1").await;
    put(&engine, "a", json!({"tag": "seen", "token": SECRET, "note": [SECRET, {"deep": SECRET}]})).await.unwrap();
    put(&engine, "b", json!({"tag": "b", "token": "other"})).await.unwrap();
    // Refused commits: a second document with the value, values that are too long or of another kind.
    assert_eq!(put(&engine, "c", json!({"token": SECRET})).await.unwrap_err().code.as_str(), "unique_violation");
    let long = put(&engine, "c", json!({"token": SECRET.repeat(9)})).await.unwrap_err();
    assert!(long.code.as_str() == "invalid" && !long.message.contains(SECRET), "{long}");
    assert_eq!(put(&engine, "c", json!({"token": [SECRET]})).await.unwrap_err().code.as_str(), "invalid");
    patch(&engine, "b", json!({"note": SECRET, "auth": {"pin": 90_210_777}})).await.unwrap();
    patch(&engine, "b", json!({"tag": SECRET.len().to_string()})).await.unwrap();
    engine.rotate(100).await.unwrap();
    ask(&engine, "documents.query", json!({"collection": "vault", "where": {"eq": ["token", SECRET]}})).await.unwrap();
    assert_eq!(
        read(&engine, "b").await.unwrap(),
        json!({"tag": "21", "token": "other", "note": SECRET, "auth": {"pin": 90_210_777}})
    );
    engine.store().close().await.unwrap();
    let bytes = all_bytes(folder.path());
    assert!(contains(&bytes, "seen") && contains(&bytes, "sealed"), "the files hold the documents");
    for secret in [SECRET, "90210777"] {
        assert!(!contains(&bytes, secret));
        assert!(!LOGGED.lock().unwrap().contains(secret));
    }
    assert!(
        LOGGED.lock().unwrap().contains("documents.commit") || !LOGGED.lock().unwrap().is_empty(),
        "something is logged"
    );
    // Another process, with the same keys.
    let again = SecretScene::on_files(folder.path()).await.with_keys("k1").await;
    assert_eq!(
        read(&again, "a").await.unwrap(),
        json!({"tag": "seen", "token": SECRET, "note": [SECRET, {"deep": SECRET}]})
    );
}

#[tokio::test]
async fn each_value_is_read_as_it_was_written() {
    let scene = SecretScene::on_memory();
    let engine = scene.with_keys("k1").await;
    for (at, note) in [json!(null), json!(1.5), json!(-3), json!(""), json!({}), json!([[null]]), json!({"key": "k1"})]
        .into_iter()
        .enumerate()
    {
        let id = format!("d{at}");
        let document = json!({"token": id, "note": note, "auth": {"pin": 1, "other": 2}});
        put(&engine, &id, document.clone()).await.unwrap();
        assert_eq!(read(&engine, &id).await.unwrap(), document);
        assert!(scene.raw(&id).await.document["note"].get("sealed").is_some(), "null is encrypted too");
    }
    // Changes inside, around and beside a secret.
    put(&engine, "x", json!({"note": {"a": 1, "b": [1, 2]}, "auth": {"pin": 1, "other": 2}})).await.unwrap();
    patch(&engine, "x", json!({"note": {"a": null, "c": 3}})).await.unwrap();
    patch(&engine, "x", json!({"auth": {"pin": null}})).await.unwrap();
    assert_eq!(read(&engine, "x").await.unwrap(), json!({"note": {"b": [1, 2], "c": 3}, "auth": {"other": 2}}));
    patch(&engine, "x", json!({"auth": null, "note": null})).await.unwrap();
    assert_eq!(read(&engine, "x").await.unwrap(), json!({}));
    patch(&engine, "x", json!({"auth": {"pin": 7}, "tag": "t"})).await.unwrap();
    assert_eq!(read(&engine, "x").await.unwrap(), json!({"auth": {"pin": 7}, "tag": "t"}));
    assert!(engine.verify(|_| {}).await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn equal_values_have_different_ciphertexts() {
    let scene = SecretScene::on_memory();
    let engine = scene.with_keys("k1").await;
    put(&engine, "a", json!({"note": SECRET})).await.unwrap();
    let first = scene.raw("a").await.document["note"]["sealed"].clone();
    patch(&engine, "a", json!({"tag": "new"})).await.unwrap();
    assert_ne!(scene.raw("a").await.document["note"]["sealed"], first);
}

#[tokio::test]
async fn changed_and_moved_values_are_damage() {
    let scene = SecretScene::on_memory();
    let engine = scene.with_keys("k1").await;
    put(&engine, "a", json!({"token": SECRET, "note": "one"})).await.unwrap();
    put(&engine, "b", json!({"token": "b", "note": "two"})).await.unwrap();
    let (a, b) = (scene.raw("a").await, scene.raw("b").await);
    let mut number = 0;
    let mut tamper = async |field: &str, value: Json| {
        number += 1;
        let mut document = (*b.document).clone();
        document.insert(field.to_owned(), value);
        let command = CommandId::new(&format!("tamper-{number}")).unwrap();
        let tampered = batch(command).put(&super::scene::RAW, "b", Json::Object(document));
        scene.backend.commit(tampered).await.unwrap();
        let error = read(&scene.with_keys("k1").await, "b").await.unwrap_err();
        assert!(error.code.as_str() == "corrupt" && error.message.contains(field), "{error}");
        assert!(!error.message.contains("two"));
    };
    let flipped = |at: usize| {
        let mut value = b.document["note"].clone();
        let mut text: Vec<u8> = value["sealed"].as_str().unwrap().into();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        value["sealed"] = String::from_utf8(text).unwrap().into();
        value
    };
    tamper("note", flipped(0)).await;
    tamper("note", flipped(20)).await;
    tamper("note", json!({"key": "k1", "sealed": "AAAA"})).await;
    tamper("note", json!({"key": "k1", "sealed": "%"})).await;
    // Of another document, and of another field of this one.
    tamper("note", a.document["note"].clone()).await;
    tamper("note", b.document["token"].clone()).await;
    let report = scene.with_keys("k1").await.verify(|_| {}).await.unwrap();
    assert!(report.findings.iter().any(|found| found.at == "documents.vault/b"), "{report:?}");
    assert_eq!(read(&engine, "a").await.unwrap()["note"], "one");
}

#[tokio::test]
async fn a_repeated_command_is_recognised_after_a_rotation() {
    let scene = SecretScene::on_memory();
    let commit = |token: &str| json!({"writes": [{"collection": "vault", "id": "a", "put": {"token": token}}], "commandId": "once"});
    let first = ask(&scene.with_keys("k1").await, "documents.commit", commit("1234")).await.unwrap();
    let rotated = scene.with_keys("k2,k1").await;
    rotated.rotate(10).await.unwrap();
    let repeated = ask(&rotated, "documents.commit", commit("1234")).await.unwrap();
    assert_eq!((&repeated["revisions"], &repeated["replayed"]), (&first["revisions"], &json!(true)));
    let other = ask(&rotated, "documents.commit", commit("1235")).await.unwrap_err();
    assert_eq!(other.code.as_str(), "command_id_reused");
    // The fingerprint is keyed, so values cannot be guessed from it.
    let plain = SecretScene::on_memory();
    let engine = plain.engine(None).await;
    ask(&engine, "documents.declare", json!({"collection": "vault"})).await.unwrap();
    ask(&engine, "documents.commit", commit("1234")).await.unwrap();
    let fingerprint = |dump: String| dump.lines().find(|row| row.starts_with("once")).unwrap().to_owned();
    let of = |row: &str| row.split("fingerprint\":\"").nth(1).unwrap()[..32].to_owned();
    assert_ne!(of(&fingerprint(scene.dump().await)), of(&fingerprint(plain.dump().await)));
}

/// A hook with a key.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "test.hooks", version = 1, insert_only)]
#[index(key)]
struct KeyedHook {
    #[entity(id)]
    id: String,
    #[entity(secret, searchable, max = 40)]
    key: String,
    #[entity(secret)]
    headers: Option<std::collections::BTreeMap<String, String>>,
}

#[tokio::test]
async fn an_entity_declares_secrets() {
    let backend: Arc<dyn Store> = Arc::new(Memory::new());
    let store = |names| EncryptedStore::new(backend.clone(), Some(keys(names)));
    let catalog = Catalog::new(&[&KeyedHook::COLLECTION]).unwrap();
    let (first, rotated) = (store("k1"), store("k2,k1"));
    first.migrate(&catalog).await.unwrap();
    rotated.migrate(&catalog).await.unwrap();
    let hook =
        KeyedHook { id: "h".into(), key: SECRET.into(), headers: Some([("a".to_owned(), "b".to_owned())].into()) };
    let insert = batch(CommandId::new("c").unwrap()).insert(
        &KeyedHook::COLLECTION,
        "h",
        Json::Object(hook.to_document().unwrap()),
    );
    first.commit(insert).await.unwrap();
    let update =
        batch(CommandId::new("d").unwrap()).put(&KeyedHook::COLLECTION, "h", Json::Object(hook.to_document().unwrap()));
    assert!(matches!(first.commit(update).await, Err(StoreError::Invalid { .. })), "it stays insert-only");
    // Rotation changes no document, so it may encrypt this one again.
    let report = rotated.rotate(runstate::time::Timestamp::from_millis(0), 10).await.unwrap();
    assert!(report.encrypted > 0 && report.failed.is_empty(), "{report:?}");
    let key = [Key::new(&KeyedHook::COLLECTION, "h")];
    let raw = backend.get(&key, Freshness::Linearizable).await.unwrap().remove(0).unwrap();
    assert_eq!((&raw.document["key"]["key"], &raw.document["headers"]["key"]), (&json!("k2"), &json!("k2")));
    let found = rotated.get(&key, Freshness::Linearizable).await.unwrap().remove(0).unwrap();
    assert_eq!(KeyedHook::from_document(&found.document).unwrap(), hook);
}

#[test]
fn declarations_that_read_a_secret_are_refused() {
    use runstate::schema::Direction::Ascending;
    use runstate::schema::Index;
    const INDEXED: Collection =
        Collection::new("t.t", 1).fields(&[Field::text("a").secret()]).indexes(&[Index::ordered(&[("a", Ascending)])]);
    const WORDS: Collection = Collection::new("t.t", 1)
        .fields(&[Field::text("a").secret().searchable()])
        .indexes(&[Index::text(&[("a", Ascending)])]);
    const PUBLIC: Collection = Collection::new("t.t", 1).fields(&[Field::text("a").searchable()]);
    const DECIMAL: Collection = Collection::new("t.t", 1).fields(&[Field::decimal("a").secret().searchable()]);
    const NESTED: Collection =
        Collection::new("t.t", 1).fields(&[Field::object("a").secret(), Field::text("a.b").secret()]);
    const ID: Collection = Collection::new("t.t", 1).fields(&[Field::id("id").secret()]);
    let problem = |collection: &'static Collection| Catalog::new(&[collection]).unwrap_err().problem;
    insta::assert_snapshot!([&INDEXED, &WORDS, &PUBLIC, &DECIMAL, &NESTED, &ID].map(problem).join("\n"));
}

/// The engine over a store without encryption still works, with secrets in plain text.
#[tokio::test]
async fn without_encryption_a_secret_is_a_field_like_others() {
    let engine = Engine::new(Arc::new(Memory::new()), Arc::new(SystemHost), &[]).await.unwrap();
    ask(&engine, "documents.declare", super::scene::vault()).await.unwrap();
    put(&engine, "a", json!({"token": SECRET})).await.unwrap();
    assert_eq!(super::scene::find(&engine, json!({"eq": ["token", SECRET]})).await.unwrap(), ["a"]);
}

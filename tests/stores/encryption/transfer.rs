//! Exports and imports of stores with secrets.

use std::io::Cursor;

use runstate::engine::{self, Engine, Error};
use runstate::schema::Catalog;
use runstate::transfer::{ImportReport, LineReader, LineWriter, Selection, check};
use serde_json::json;

use super::scene::{SECRET, SecretScene, find, put, read};

async fn export(engine: &Engine) -> (String, String) {
    let mut bytes = Vec::new();
    let summary = runstate::transfer::export(engine, &mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();
    (String::from_utf8(bytes).unwrap(), summary.contents)
}

async fn export_plain_text(engine: &Engine) -> Result<String, Error> {
    let mut bytes = Vec::new();
    runstate::transfer::export_plain_text(engine, &Selection::All, &mut LineWriter::new(&mut bytes, "memory"), |_| {})
        .await?;
    Ok(String::from_utf8(bytes).unwrap())
}

async fn import(engine: &Engine, text: &str) -> Result<ImportReport, Error> {
    let catalog = engine::catalog(&Catalog::new(&[]).unwrap()).unwrap();
    let mut source = LineReader::new(Cursor::new(text.as_bytes()), "export", catalog.clone());
    let checked = check(&mut source, &catalog, |_| {})?;
    runstate::transfer::import(engine, &mut source, &checked, |_| {}).await
}

async fn filled() -> (SecretScene, Engine) {
    let scene = SecretScene::on_memory();
    let engine = scene.with_keys("k1").await;
    put(&engine, "a", json!({"token": SECRET, "note": {"deep": [SECRET]}, "tag": "t"})).await.unwrap();
    put(&engine, "b", json!({"auth": {"pin": 1}})).await.unwrap();
    (scene, engine)
}

#[tokio::test]
async fn an_export_keeps_secrets_encrypted_and_needs_no_key() {
    let (scene, engine) = filled().await;
    let (exported, contents) = export(&engine).await;
    assert!(!exported.contains(SECRET) && exported.contains("sealed"));
    let (without_keys, same) = export(&scene.engine(None).await).await;
    assert_eq!((same, without_keys.lines().count()), (contents.clone(), exported.lines().count()));
    // A store without keys takes it, and one with the keys reads it.
    let target = SecretScene::on_memory();
    let report = import(&target.engine(None).await, &exported).await.unwrap();
    assert_eq!(report.summary.contents, contents);
    let keyed = target.with_keys("k1").await;
    assert_eq!(read(&keyed, "a").await.unwrap(), read(&engine, "a").await.unwrap());
    assert_eq!(find(&keyed, json!({"eq": ["token", SECRET]})).await.unwrap(), ["a"]);
    assert!(keyed.verify(|_| {}).await.unwrap().findings.is_empty());
    // Again, it changes nothing; and a rotation leaves other documents, which are kept.
    assert_eq!(import(&keyed, &exported).await.unwrap().written, 0);
    let rotated = target.with_keys("k2,k1").await;
    rotated.rotate(100).await.unwrap();
    let report = import(&rotated, &exported).await.unwrap();
    assert_eq!((report.written, report.kept), (0, 2));
    assert_eq!(read(&rotated, "a").await.unwrap()["token"], SECRET);
    // A secret that has changed both there and here is not overwritten.
    put(&engine, "a", json!({"token": "another"})).await.unwrap();
    let (exported, _) = export(&engine).await;
    assert_eq!(import(&rotated, &exported).await.unwrap_err().code.as_str(), "already_exists");
}

#[tokio::test]
async fn plain_text_is_exported_only_on_request_and_encrypted_by_an_import() {
    let (scene, engine) = filled().await;
    let exported = export_plain_text(&engine).await.unwrap();
    assert!(exported.contains(SECRET) && !exported.contains("sealed"));
    assert_eq!(export_plain_text(&scene.with_keys("k2").await).await.unwrap_err().code.as_str(), "key_missing");
    let target = SecretScene::on_memory();
    let other = target.with_keys("k9").await;
    import(&other, &exported).await.unwrap();
    assert!(!target.dump().await.contains(SECRET));
    assert_eq!(read(&other, "a").await.unwrap(), read(&engine, "a").await.unwrap());
    assert_eq!(import(&other, &exported).await.unwrap().written, 0, "contents are compared in plain text");
    // A secret that has changed there is encrypted here too.
    put(&engine, "a", json!({"token": "another secret"})).await.unwrap();
    let report = import(&other, &export_plain_text(&engine).await.unwrap()).await.unwrap();
    assert_eq!((report.updated, report.kept), (1, 0));
    assert_eq!(read(&other, "a").await.unwrap()["token"], "another secret");
    assert!(!target.dump().await.contains("another secret"));
}

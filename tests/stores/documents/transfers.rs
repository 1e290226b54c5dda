//! Exports carry declarations, and imports declare them first.

use std::io::{BufReader, Cursor};
use std::sync::{Arc, OnceLock};

use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::store::Memory;
use runstate::testing::SimHost;
use runstate::transfer::disk::{OverwritePolicy, StagedExport, TreeReader, TreeWriter};
use runstate::transfer::{ImportReport, ImportSource, LineReader, LineWriter, check};
use serde_json::json;

use super::cases::{ask, call, engine_of_all_domains as engine_over, notes, notes_with, put};
use super::files;

/// All stores of a test use one source of ids, as all processes do.
fn host() -> &'static SimHost {
    static HOST: OnceLock<SimHost> = OnceLock::new();
    HOST.get_or_init(SimHost::default)
}

async fn memory_engine() -> Engine {
    engine_over(Arc::new(Memory::new()), host()).await
}

/// An engine with two notes.
async fn filled() -> Engine {
    let engine = memory_engine().await;
    ask(&engine, "documents.declare", notes()).await;
    ask(&engine, "documents.commit", json!({"writes": [put("a", "home", 1), put("b", "work", 2)], "commandId": "c"}))
        .await;
    engine
}

async fn lines(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    runstate::transfer::export(engine, &mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();
    bytes
}

async fn import<S: ImportSource>(engine: &Engine, mut source: S) -> Result<ImportReport, Error> {
    // As a program that knows only its domains: the declarations are in the source.
    let catalog = runstate::engine::catalog(&runstate::domain::catalog().unwrap()).unwrap();
    let checked = check(&mut source, &catalog, |_| {})?;
    runstate::transfer::import(engine, &mut source, &checked, |_| {}).await
}

fn line_reader(bytes: &[u8]) -> LineReader<BufReader<Cursor<&[u8]>>> {
    let catalog = runstate::engine::catalog(&runstate::domain::catalog().unwrap()).unwrap();
    LineReader::new(BufReader::new(Cursor::new(bytes)), "memory", catalog)
}

#[tokio::test]
async fn declarations_and_documents_move_with_an_export() {
    let first = filled().await;
    let bytes = lines(&first).await;
    let folder = tempfile::tempdir().unwrap();
    let open = files(folder.path().join("store"));
    let second = engine_over(open().await.unwrap(), host()).await;
    let report = import(&second, line_reader(&bytes)).await.unwrap();
    assert_eq!(report.summary.counts["documents.notes"], 2);
    assert_eq!(import(&second, line_reader(&bytes)).await.unwrap().written, 0);
    assert_eq!(
        ask(&second, "documents.collections", json!({})).await,
        ask(&first, "documents.collections", json!({})).await
    );
    let home = json!({"collection": "notes", "where": {"eq": ["tag", "home"]}, "fields": ["created"]});
    assert_eq!(ask(&second, "documents.query", home).await["items"][0]["created"], 1);
    assert_eq!(second.verify(|_| {}).await.unwrap().findings, []);
    // The form of a folder.
    let staged = StagedExport::new(&folder.path().join("tree"), OverwritePolicy::Keep, [0; 10]).unwrap();
    runstate::transfer::export(&second, &mut TreeWriter::new(&staged, runstate::domain::ALL), |_| {}).await.unwrap();
    staged.publish().unwrap();
    let catalog = runstate::engine::catalog(&runstate::domain::catalog().unwrap()).unwrap();
    let third = memory_engine().await;
    import(&third, TreeReader::open(&folder.path().join("tree"), catalog, runstate::domain::ALL).unwrap())
        .await
        .unwrap();
    assert_eq!(
        runstate::transfer::export(&third, &mut LineWriter::new(Vec::new(), "x"), |_| {}).await.unwrap(),
        report.summary
    );
}

#[tokio::test]
async fn an_import_into_a_newer_declaration_keeps_it() {
    let bytes = lines(&filled().await).await;
    let target = memory_engine().await;
    let mut newer = notes();
    newer["version"] = json!(2);
    newer["fields"].as_array_mut().unwrap().push(json!({"name": "rank", "kind": "int"}));
    ask(&target, "documents.declare", newer).await;
    import(&target, line_reader(&bytes)).await.unwrap();
    assert_eq!(ask(&target, "documents.collections", json!({})).await[0]["version"], 2);
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
}

#[tokio::test]
async fn an_import_keeps_whether_a_version_was_given() {
    for version in [json!(1), json!(null)] {
        let mut declaration = notes();
        declaration["version"] = version.clone();
        let (source, target) = (memory_engine().await, memory_engine().await);
        ask(&source, "documents.declare", declaration).await;
        import(&target, line_reader(&lines(&source).await)).await.unwrap();
        let error = call(&target, "documents.declare", notes_with("rank")).await.err().map(|error| error.code);
        assert_eq!(error, version.is_number().then_some(ErrorCode::NEWER_VERSION));
    }
}

#[tokio::test]
async fn an_import_into_another_declaration_is_refused_before_it_writes() {
    let bytes = lines(&filled().await).await;
    let target = memory_engine().await;
    ask(&target, "documents.declare", json!({"collection": "notes", "fields": [{"name": "tag", "kind": "int"}]})).await;
    let error = import(&target, line_reader(&bytes)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::INVALID, "{error}");
    assert_eq!(ask(&target, "documents.query", json!({"collection": "notes"})).await["items"], json!([]));
}

#[tokio::test]
async fn a_damaged_declaration_in_an_export_is_an_error() {
    let text = String::from_utf8(lines(&filled().await).await).unwrap();
    let damaged = text.replacen("\"kind\":\"timestamp\"", "\"kind\":\"time\"", 1);
    assert_ne!(damaged, text);
    let error = import(&memory_engine().await, line_reader(damaged.as_bytes())).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CORRUPT, "{error}");
}

#[tokio::test]
async fn an_export_without_documents_has_no_declarations() {
    let text = String::from_utf8(lines(&memory_engine().await).await).unwrap();
    assert!(!text.contains("declarations") && !text.contains("runstate.declarations"), "{text}");
}

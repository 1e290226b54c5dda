//! The verification by an import: of its source before it writes, and of the store after it has written. For the
//! latter, a store commits other batches than it receives.

use std::sync::Arc;

use runstate::domain::cvm::{EXECUTIONS, PROGRAMS};
use runstate::engine::Engine;
use runstate::error_code::ErrorCode;
use runstate::id::{CommandId, hex};
use runstate::marker::BoxFuture;
use runstate::schema::{Collection, Key};
use runstate::store::layer;
use runstate::store::{Batch, COMMANDS, Freshness, Memory, Receipt, Store, StoreError, WriteOp};
use runstate::testing::{BatchExt as _, batch};
use runstate::transfer::ImportReport;
use runstate::value::{Document, Json};
use sha2::{Digest, Sha256};

use super::{engine_over, expect_empty, import, memory_engine, three_waiting};
use crate::support::poll::poll_ready;

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

#[tokio::test]
async fn contents_hash_is_over_the_lines_of_all_documents() {
    let (_, bytes, exported) = three_waiting().await;
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let documents = &lines[1..lines.len() - 1];
    assert_eq!(documents.len() as u64, exported.total());
    assert_eq!(exported.contents, hash(&documents.concat()));
}

/// The export with other lines, including the header. The file's checksum is updated; the counts and the hash of the
/// contents are not.
fn alter_export(export: &[u8], alter: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    alter_export_with(export, alter, |_, _| {})
}

/// The same, with a closing line that `close` updates from the new lines.
fn alter_export_with(
    export: &[u8],
    alter: impl FnOnce(&mut Vec<String>),
    close: impl FnOnce(&[String], &mut Json),
) -> Vec<u8> {
    let mut lines: Vec<String> = str::from_utf8(export).unwrap().lines().map(|line| format!("{line}\n")).collect();
    let mut closing: Json = serde_json::from_str(&lines.pop().unwrap()).unwrap();
    alter(&mut lines);
    close(&lines, &mut closing["end"]);
    let text = lines.concat();
    closing["end"]["sha256"] = hash(&text).into();
    format!("{text}{closing}\n").into_bytes()
}

/// Changes the line of one document.
fn edit(lines: &mut [String], collection: &Collection, id: &str, edit: impl FnOnce(&mut Json)) {
    let at = line_of(lines, collection, id);
    let mut record: Json = serde_json::from_str(&lines[at]).unwrap();
    edit(&mut record);
    lines[at] = format!("{record}\n");
}

fn line_of(lines: &[String], collection: &Collection, id: &str) -> usize {
    let is_here = |line: &String| {
        let record: Json = serde_json::from_str(line).unwrap();
        record["collection"] == collection.name && record["id"] == id
    };
    lines.iter().position(is_here).unwrap()
}

type JsonEdit = fn(&mut Json);

#[tokio::test]
async fn altered_contents_are_refused_where_counts_and_file_hash_fit() {
    let (_, bytes, exported) = three_waiting().await;
    let unaltered = alter_export(&bytes, |lines| edit(lines, &EXECUTIONS, "b", |_| {}));
    assert_eq!(import(&memory_engine().await, &unaltered).await.unwrap().summary, exported);
    let alterations: [(&str, &Collection, &str, JsonEdit); 4] = [
        ("a field", &EXECUTIONS, "b", |record| record["document"]["programName"] = "other".into()),
        ("a member more", &EXECUTIONS, "b", |record| record["document"]["more"] = 1.into()),
        ("the id", &EXECUTIONS, "c", |record| record["id"] = "d".into()),
        ("a result", &COMMANDS, "b", |record| record["document"]["result"] = "other".into()),
    ];
    for (name, collection, id, alter) in alterations {
        let store = memory_engine().await;
        let error =
            import(&store, &alter_export(&bytes, |lines| edit(lines, collection, id, alter))).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::CORRUPT, "{name}: {error}");
        assert!(error.message.contains("it was changed after it was exported"), "{name}: {error}");
        expect_empty(&store).await;
    }
}

#[tokio::test]
async fn documents_twice_or_out_of_order_are_refused_with_matching_hashes() {
    let (_, bytes, _) = three_waiting().await;
    let contents = |lines: &[String]| hash(&lines[1..].concat());
    let twice = alter_export_with(
        &bytes,
        |lines| {
            let at = line_of(lines, &EXECUTIONS, "b");
            lines.insert(at, lines[at].clone());
        },
        |lines, end| {
            end["contents"] = contents(lines).into();
            end["counts"][EXECUTIONS.name] = 4.into();
        },
    );
    let out_of_order = alter_export_with(
        &bytes,
        |lines| {
            let at = line_of(lines, &EXECUTIONS, "b");
            lines.swap(at, at + 1);
        },
        |lines, end| end["contents"] = contents(lines).into(),
    );
    for file in [twice, out_of_order] {
        let store = memory_engine().await;
        let error = import(&store, &file).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::CORRUPT, "{error}");
        assert!(error.message.contains("cvm.executions/b occurs twice, or in the wrong position"), "{error}");
        expect_empty(&store).await;
    }
}

fn head() -> Key {
    Key::new(&EXECUTIONS, "b")
}

/// The same execution with another program name.
fn with_program_name(document: &Document, name: &str) -> Arc<Document> {
    let mut document = document.clone();
    document.insert("programName".to_owned(), name.into());
    Arc::new(document)
}

async fn import_altered(
    alter: BatchAlteration,
) -> (Engine, Arc<UnfaithfulStore>, Result<ImportReport, runstate::engine::Error>) {
    let (_, bytes, _) = three_waiting().await;
    let store = Arc::new(UnfaithfulStore::new(alter));
    let engine = engine_over(store.clone()).await;
    let imported = import(&engine, &bytes).await;
    (engine, store, imported)
}

#[tokio::test]
async fn store_that_keeps_other_data_than_acknowledged_is_detected() {
    let faults: [(&str, BatchAlteration); 3] = [
        ("a write is dropped", |_, mut batch| {
            batch.writes.retain(|write| write.key != head());
            Ok(batch)
        }),
        ("a document is another one", |_, mut batch| {
            for write in batch.writes.iter_mut().filter(|write| write.key == head()) {
                let WriteOp::Put { document, .. } = &mut write.op else { panic!("{write:?}") };
                *document = with_program_name(document, "other");
            }
            Ok(batch)
        }),
        ("a result is another one", |_, mut batch| {
            if batch.command.as_str() == "b" {
                batch.result = "other".into();
            }
            Ok(batch)
        }),
    ];
    for (name, alter) in faults {
        let (.., imported) = import_altered(alter).await;
        let error = imported.expect_err(name);
        assert_eq!(error.code, ErrorCode::CONFLICT, "{name}: {error}");
        assert!(error.message.contains("the store differs from memory"), "{name}: {error}");
    }
    let (.., imported) = import_altered(|_, batch| Ok(batch)).await;
    imported.unwrap();
}

/// Another process writes the execution `b` with another program name, unconditionally.
fn write_as_another(store: &Memory, document: &Document) {
    let document = Document::clone(&with_program_name(document, "another"));
    let another = batch(CommandId::new("another").unwrap()).put(&EXECUTIONS, "b", document.into());
    poll_ready(store.commit(another)).unwrap();
}

async fn expect_head_of_another(store: &UnfaithfulStore) {
    let found = store.get(&[head()], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
    assert_eq!(found.document["programName"], "another");
}

#[tokio::test]
async fn document_that_appears_after_the_comparison_is_not_overwritten() {
    let (engine, store, imported) = import_altered(|store, batch| {
        if let Some(document) =
            batch.writes.iter().find(|write| write.key == head()).and_then(|head| head.op.document_after())
        {
            write_as_another(store, document);
        }
        Ok(batch)
    })
    .await;
    let error = imported.unwrap_err();
    assert_eq!((error.code, error.key.as_deref()), (ErrorCode::ALREADY_EXISTS, Some("b")), "{error}");
    expect_head_of_another(&store).await;
    // The rows that the import had written are removed again.
    let info = engine.info().await.unwrap();
    let non_empty = info
        .collections
        .iter()
        .filter(|collection| collection.name.starts_with("cvm.") && collection.documents != Some(0));
    assert_eq!(non_empty.map(|collection| collection.name).collect::<Vec<_>>(), [EXECUTIONS.name]);
}

#[tokio::test]
async fn document_changed_by_others_survives_an_import_rollback() {
    let (_, store, imported) = import_altered(|store, batch| {
        if batch.writes.iter().all(|write| write.key.collection != PROGRAMS.name) {
            return Ok(batch);
        }
        let stored = poll_ready(store.get(&[head()], Freshness::Linearizable)).unwrap().remove(0).unwrap();
        write_as_another(store, &stored.document);
        Err(StoreError::TooLarge { what: "a program".to_owned(), size: "17 MB".to_owned(), limit: 16 })
    })
    .await;
    assert_eq!(imported.unwrap_err().code, ErrorCode::TOO_LARGE);
    expect_head_of_another(&store).await;
    assert_eq!(store.get(&[Key::new(&EXECUTIONS, "a")], Freshness::Linearizable).await.unwrap(), [None]);
}

/// Another process imports the same source at the same time, and is faster with every batch.
#[tokio::test]
async fn documents_of_another_import_of_the_source_survive_a_rollback() {
    let (_, store, imported) = import_altered(|store, batch| {
        poll_ready(store.commit(batch.clone())).unwrap();
        match batch.writes.iter().all(|write| write.key.collection != PROGRAMS.name) {
            true => Ok(batch),
            false => Err(StoreError::TooLarge { what: "a program".to_owned(), size: "17 MB".to_owned(), limit: 16 }),
        }
    })
    .await;
    assert_eq!(imported.unwrap_err().code, ErrorCode::TOO_LARGE);
    let keys = [Key::new(&EXECUTIONS, "a"), head()];
    let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
    assert!(found.iter().all(Option::is_some), "{found:?}");
}

/// The fate of a batch: the batch to commit in its place, or the error.
pub type BatchAlteration = fn(&Memory, Batch) -> Result<Batch, StoreError>;

/// A store in memory whose commits are altered.
pub struct UnfaithfulStore {
    inner: Memory,
    alter: BatchAlteration,
}

impl UnfaithfulStore {
    pub fn new(alter: BatchAlteration) -> Self {
        Self { inner: Memory::new(), alter }
    }
}

/// The output of a future of a store in memory, which is ready at once.
impl layer::StoreLayer for UnfaithfulStore {
    type Inner = Memory;

    fn inner(&self) -> &Self::Inner {
        &self.inner
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        match (self.alter)(&self.inner, batch) {
            Ok(batch) => self.inner.commit(batch),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
}

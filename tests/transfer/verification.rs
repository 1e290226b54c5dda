//! What an import verifies: the contents of its source before it writes, and of the store after it has written.

use std::sync::Arc;

use runstate::code::Code;
use runstate::domain::cvm::{EXECUTIONS, PROGRAMS};
use runstate::engine::Engine;
use runstate::engine::transfer::Imported;
use runstate::id::{CommandId, hex};
use runstate::schema::{Collection, Key};
use runstate::store::{Batch, COMMANDS, Error, Expect, Memory, Op, Store, Write};
use runstate::time::Timestamp;
use runstate::value::{Document, Json};
use sha2::{Digest, Sha256};

use super::unfaithful::{Treat, Unfaithful, now};
use super::{expect_empty, import, memory, over, three};

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

#[tokio::test]
async fn contents_hash_is_over_the_lines_of_all_documents() {
    let (_, bytes, exported) = three().await;
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let documents = &lines[1..lines.len() - 1];
    assert_eq!(documents.len() as u64, exported.total());
    assert_eq!(exported.contents, hash(&documents.concat()));
}

/// The export with other lines, the header among them. The file's hash fits again; counts and the hash of the contents are as they were.
fn altered(export: &[u8], alter: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    altered_with(export, alter, |_, _| {})
}

/// The same, with the closing line brought up to date by `close`, of the new lines.
fn altered_with(
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

type Edit = fn(&mut Json);

#[tokio::test]
async fn altered_contents_are_refused_where_counts_and_file_hash_fit() {
    let (_, bytes, exported) = three().await;
    let unaltered = altered(&bytes, |lines| edit(lines, &EXECUTIONS, "b", |_| {}));
    assert_eq!(import(&memory().await, &unaltered).await.unwrap().summary, exported);
    let alterations: [(&str, &Collection, &str, Edit); 4] = [
        ("a field", &EXECUTIONS, "b", |record| record["document"]["programName"] = "other".into()),
        ("a member more", &EXECUTIONS, "b", |record| record["document"]["more"] = 1.into()),
        ("the id", &EXECUTIONS, "c", |record| record["id"] = "d".into()),
        ("a result", &COMMANDS, "b", |record| record["document"]["result"] = "other".into()),
    ];
    for (what, collection, id, alter) in alterations {
        let store = memory().await;
        let error = import(&store, &altered(&bytes, |lines| edit(lines, collection, id, alter))).await.unwrap_err();
        assert_eq!(error.code, Code::Corrupt, "{what}: {error}");
        assert!(error.message.contains("it was changed after it was exported"), "{what}: {error}");
        expect_empty(&store).await;
    }
}

#[tokio::test]
async fn documents_twice_or_out_of_order_are_refused_where_all_sums_fit() {
    let (_, bytes, _) = three().await;
    let contents = |lines: &[String]| hash(&lines[1..].concat());
    let twice = altered_with(
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
    let out_of_order = altered_with(
        &bytes,
        |lines| {
            let at = line_of(lines, &EXECUTIONS, "b");
            lines.swap(at, at + 1);
        },
        |lines, end| end["contents"] = contents(lines).into(),
    );
    for file in [twice, out_of_order] {
        let store = memory().await;
        let error = import(&store, &file).await.unwrap_err();
        assert_eq!(error.code, Code::Corrupt, "{error}");
        assert!(error.message.contains("cvm.executions/b stands twice, or in the wrong place"), "{error}");
        expect_empty(&store).await;
    }
}

fn head() -> Key {
    Key::new(&EXECUTIONS, "b")
}

/// The same execution under another name of its program.
fn renamed(document: &Document, name: &str) -> Arc<Document> {
    let mut document = document.clone();
    document.insert("programName".to_owned(), name.into());
    Arc::new(document)
}

async fn imported_into(treat: Treat) -> (Engine, Arc<Unfaithful>, Result<Imported, runstate::engine::Error>) {
    let (_, bytes, _) = three().await;
    let store = Arc::new(Unfaithful::new(treat));
    let engine = over(store.clone()).await;
    let imported = import(&engine, &bytes).await;
    (engine, store, imported)
}

#[tokio::test]
async fn store_that_keeps_something_else_than_it_acknowledges_is_found_out() {
    let faults: [(&str, Treat); 3] = [
        ("a write is dropped", |_, mut batch| {
            batch.writes.retain(|write| write.key != head());
            Ok(batch)
        }),
        ("a document is another one", |_, mut batch| {
            for write in batch.writes.iter_mut().filter(|write| write.key == head()) {
                let Op::Put { document, .. } = &mut write.op else { panic!("{write:?}") };
                *document = renamed(document, "other");
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
    for (what, treat) in faults {
        let (.., imported) = imported_into(treat).await;
        let error = imported.expect_err(what);
        assert_eq!(error.code, Code::Conflict, "{what}: {error}");
        assert!(error.message.contains("the store is not what memory holds"), "{what}: {error}");
    }
    let (.., imported) = imported_into(|_, batch| Ok(batch)).await;
    imported.unwrap();
}

/// Another process writes the execution `b` under another name of its program, whatever stands there.
fn write_as_another(store: &Memory, document: &Document) {
    let op = Op::Put { version: EXECUTIONS.version, document: renamed(document, "another") };
    let batch = Batch {
        command: CommandId::new("another").unwrap(),
        fingerprint: "f".to_owned(),
        at: Timestamp::from_millis(0),
        result: Json::Null,
        writes: vec![Write { key: head(), expect: Expect::Any, op }],
        checks: Vec::new(),
    };
    now(store.commit(batch)).unwrap();
}

async fn expect_head_of_another(store: &Unfaithful) {
    let found = store.get(&[head()]).await.unwrap().remove(0).unwrap();
    assert_eq!(found.document["programName"], "another");
}

#[tokio::test]
async fn document_that_appears_after_the_comparison_is_not_overwritten() {
    let (engine, store, imported) = imported_into(|store, batch| {
        if let Some(document) = batch.writes.iter().find(|write| write.key == head()).and_then(|head| head.op.after()) {
            write_as_another(store, document);
        }
        Ok(batch)
    })
    .await;
    let error = imported.unwrap_err();
    assert_eq!((error.code, error.key.as_deref()), (Code::AlreadyExists, Some("b")), "{error}");
    expect_head_of_another(&store).await;
    // What was written before is removed again.
    let info = engine.info().await.unwrap();
    let left = info.collections.iter().filter(|of| of.name.starts_with("cvm.") && of.documents != Some(0));
    assert_eq!(left.map(|of| of.name).collect::<Vec<_>>(), [EXECUTIONS.name]);
}

#[tokio::test]
async fn document_that_others_changed_stays_when_an_import_is_taken_back() {
    let (_, store, imported) = imported_into(|store, batch| {
        if batch.writes.iter().all(|write| write.key.collection != PROGRAMS.name) {
            return Ok(batch);
        }
        let written = now(store.get(&[head()])).unwrap().remove(0).unwrap();
        write_as_another(store, &written.document);
        Err(Error::TooLarge { what: "a program".to_owned(), size: "17 MB".to_owned(), limit: 16 })
    })
    .await;
    assert_eq!(imported.unwrap_err().code, Code::TooLarge);
    expect_head_of_another(&store).await;
    assert_eq!(store.get(&[Key::new(&EXECUTIONS, "a")]).await.unwrap(), [None]);
}

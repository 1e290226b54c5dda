//! Commits of documents together with a command: atomic, replayed as one, and with large turns.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::{Load, Start, Status};
use runstate::engine::{CollectionDeclaration, DocumentExpectation, DocumentWrite, Engine};
use runstate::error_code::ErrorCode;
use runstate::id::{CommandId, Revision};
use runstate::limits;
use runstate::schema::Filter;
use runstate::store::layer::Method;
use runstate::store::{BatchLimits, Memory, Store, StoreError};
use runstate::testing::SimHost;
use runstate::testing::{Fault, FaultStore, LimitedStore};
use runstate::value::{Document, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cases::{ask, call, engine_of_all_domains as engine_over, notes, put};

const PROGRAM: &str = "const name = CC('Who?'); console.log(`Hello, ${name}!`); CC('And?');";

/// An engine with one execution that waits for its first answer, and a collection of notes.
async fn start_waiting(store: Arc<dyn Store>, source: &str) -> (Engine, Cvm) {
    let engine = engine_over(store, &SimHost::default()).await;
    let cvm = Cvm::new(&engine);
    let bytecode = runstate::lang::compile("p.ts", source).unwrap().bytecode;
    cvm.load(&Load::new("p", source, bytecode)).await.unwrap();
    cvm.start(&Start { id: Some("run".into()), ..Start::new("p") }).await.unwrap();
    ask(&engine, "documents.declare", notes()).await;
    (engine, cvm)
}

fn answer_and_note() -> Json {
    let command = json!({"name": "cvm.answer", "parameters": {"id": "run", "answer": "Ada"}});
    json!({"writes": [put("n", "answered", 1)], "command": command, "commandId": "both"})
}

async fn note(engine: &Engine) -> Json {
    ask(engine, "documents.get", json!({"collection": "notes", "ids": ["n"]})).await[0].clone()
}

#[tokio::test]
async fn an_answer_and_a_document_are_one_commit() {
    let (engine, cvm) = start_waiting(Arc::new(Memory::new()), PROGRAM).await;
    let committed = ask(&engine, "documents.commit", answer_and_note()).await;
    assert_eq!(committed["result"]["status"], "waiting_cc");
    assert_eq!(cvm.output("run").await.unwrap(), ["Hello, Ada!"]);
    assert_eq!(note(&engine).await["_rev"], committed["revisions"][0]);
    let changes = engine.store().outcome(&CommandId::new("both").unwrap()).await.unwrap();
    assert!(matches!(changes, runstate::store::Outcome::Committed { .. }));
    // The repeat returns the first result, although the call is answered and the document exists.
    let repeated = ask(&engine, "documents.commit", answer_and_note()).await;
    assert_eq!((&repeated["revisions"], &repeated["replayed"]), (&committed["revisions"], &json!(true)));
    // Both parts belong to the command: another answer or another document is another command.
    for path in ["/writes/0/put/tag", "/command/parameters/answer"] {
        let mut other = answer_and_note();
        *other.pointer_mut(path).unwrap() = json!("other");
        let error = call(&engine, "documents.commit", other).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::COMMAND_ID_REUSED);
    }
}

#[tokio::test]
async fn a_rejection_of_either_part_changes_nothing() {
    let (engine, cvm) = start_waiting(Arc::new(Memory::new()), PROGRAM).await;
    let mut refused = answer_and_note();
    refused["writes"][0]["expect"] = json!("3-0123456789ab");
    assert_eq!(call(&engine, "documents.commit", refused).await.unwrap_err().code, ErrorCode::CONFLICT);
    assert!(cvm.output("run").await.unwrap().is_empty());
    let mut refused = answer_and_note();
    refused["command"]["parameters"]["id"] = json!("none");
    assert_eq!(call(&engine, "documents.commit", refused).await.unwrap_err().code, ErrorCode::NOT_FOUND);
    let mut refused = answer_and_note();
    refused["writes"][0]["put"] = json!({"tag": 1});
    assert_eq!(call(&engine, "documents.commit", refused).await.unwrap_err().code, ErrorCode::INVALID);
    assert_eq!((note(&engine).await, cvm.output("run").await.unwrap().len()), (Json::Null, 0));
    ask(&engine, "documents.commit", answer_and_note()).await;
}

#[tokio::test]
async fn death_around_a_commit_applies_both_parts_or_none() {
    for (fault, is_applied) in [(Fault::DieBefore, false), (Fault::DieAfter, true)] {
        let store = Arc::new(FaultStore::new(Memory::new()));
        let (engine, _) = start_waiting(store.clone(), PROGRAM).await;
        store.plan(Method::Commit, 1, fault);
        call(&engine, "documents.commit", answer_and_note()).await.unwrap_err();
        store.heal();
        let engine = engine_over(store, &SimHost::default()).await;
        let output = Cvm::new(&engine).output("run").await.unwrap();
        assert_eq!((note(&engine).await.is_object(), output.len()), (is_applied, usize::from(is_applied)));
        let committed = ask(&engine, "documents.commit", answer_and_note()).await;
        assert_eq!(committed["replayed"], is_applied);
        assert_eq!(Cvm::new(&engine).output("run").await.unwrap(), ["Hello, Ada!"]);
        assert_eq!(note(&engine).await["_rev"], committed["revisions"][0]);
    }
}

#[tokio::test]
async fn a_lost_answer_of_the_store_is_looked_up() {
    let store = Arc::new(FaultStore::new(Memory::new()));
    let (engine, cvm) = start_waiting(store.clone(), PROGRAM).await;
    let lost = StoreError::UnknownOutcome { command: CommandId::new("both").unwrap(), why: "the line is cut".into() };
    store.plan(Method::Commit, 1, Fault::FailAfter(lost));
    let committed = ask(&engine, "documents.commit", answer_and_note()).await;
    assert_eq!(note(&engine).await["_rev"], committed["revisions"][0]);
    assert_eq!(cvm.output("run").await.unwrap(), ["Hello, Ada!"]);
}

#[tokio::test]
async fn a_turn_larger_than_one_batch_shares_its_deciding_batch() {
    let source = "const name = CC('Who?'); const all = []; for (let i = 0; i < 3000; i++) all.push({ i, name }); CC('And?'); console.log(all.length);";
    let limits = BatchLimits { batch_bytes: 64 * 1024, ..BatchLimits::default() };
    let limited = |store: Arc<dyn Store>| Arc::new(FaultStore::new(LimitedStore::new(store, limits)));
    let disk: Arc<dyn Store> = Arc::new(Memory::new());
    let (engine, _) = start_waiting(disk.clone(), source).await;
    drop(engine);
    let store = limited(disk.clone());
    let engine = engine_over(store.clone(), &SimHost::default()).await;
    let before = store.calls(Method::Commit);
    // The process dies after the first staging batch.
    store.plan(Method::Commit, 2, Fault::DieBefore);
    call(&engine, "documents.commit", answer_and_note()).await.unwrap_err();
    assert!(store.is_dead());
    store.heal();
    let engine = engine_over(store.clone(), &SimHost::default()).await;
    assert_eq!(note(&engine).await, Json::Null);
    ask(&engine, "documents.commit", answer_and_note()).await;
    assert!(store.calls(Method::Commit) - before > 4, "the turn was staged");
    assert_eq!(note(&engine).await["tag"], "answered");
    assert_eq!(Cvm::new(&engine).status("run").await.unwrap().execution.status, Status::WaitingCc);
}

#[tokio::test]
async fn further_parts_of_a_command_run_after_the_shared_commit() {
    let source = "CC('Who?'); let n = 0; for (let i = 0; i < 300000; i++) n += i; console.log(n); CC('And?');";
    let (engine, cvm) = start_waiting(Arc::new(Memory::new()), source).await;
    let committed = ask(&engine, "documents.commit", answer_and_note()).await;
    assert_eq!(committed["result"]["status"], "waiting_cc");
    assert_eq!(cvm.output("run").await.unwrap(), ["44999850000"]);
}

#[tokio::test]
async fn concurrent_commits_without_revisions_are_all_applied() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let host = SimHost::default();
    let engines = [engine_over(store.clone(), &host).await, engine_over(store, &host).await];
    ask(&engines[0], "documents.declare", notes()).await;
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let engine = engines[n % 2].clone();
            tokio::spawn(
                async move { ask(&engine, "documents.commit", json!({"writes": [put("n", "x", n as i64)]})).await },
            )
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let revision = note(&engines[0]).await["_rev"].as_str().and_then(Revision::parse).unwrap();
    assert_eq!(revision.writes(), 40);
}

#[tokio::test]
async fn invalid_commits_name_the_problem() {
    let (engine, _) = start_waiting(Arc::new(Memory::new()), PROGRAM).await;
    let with = |write: Json| json!({"writes": [write]});
    let invalid = [
        json!({"writes": [{"collection": "notes", "id": "a"}]}),
        with(json!({"collection": "notes", "id": "a", "put": {}, "delete": true})),
        with(json!({"collection": "notes", "id": "a", "put": {}, "insertIfAbsent": {}})),
        with(json!({"collection": "notes", "id": "a", "insertIfAbsent": {"tag": "x"}, "expect": "absent"})),
        with(json!({"collection": "notes", "id": "a", "insertIfAbsent": {"tag": "x", "_rev": "3-0123456789ab"}})),
        with(json!({"collection": "notes", "id": "a", "delete": true, "expect": "absent"})),
        with(json!({"collection": "notes", "id": "", "put": {"tag": "x"}})),
        with(json!({"collection": "notes", "id": "a", "put": {"tag": "x", "_id": "b"}})),
        with(json!({"collection": "notes", "id": "a", "put": {"tag": "x", "_rev": "any"}})),
        with(json!({"collection": "notes", "id": "a", "put": {"tag": "x", "_rev": 3}})),
        with(json!({"collection": "notes", "id": "a", "put": {"tag": "x", "_v": 1}})),
        with(json!({"collection": "notes", "id": "a", "put": {"tag": "x", "n": 9_007_199_254_740_993u64}})),
        with(json!({"collection": "notes", "id": "a", "put": {"tag": "x"}, "expect": "1"})),
        with(json!({"collection": "notes", "id": "a", "patch": {"tag": "x"}})),
        json!({"writes": [put("a", "x", 1), put("a", "y", 1)]}),
        json!({"writes": [], "command": {"name": "cvm.anser"}}),
        json!({"writes": [], "command": {"name": "cvm.show", "parameters": {"id": "run"}}}),
        json!({"writes": [], "command": {"name": "cvm.answer", "parameters": {"id": "run", "anser": 1}}}),
    ];
    let mut messages = Vec::new();
    for commit in invalid {
        messages.push(call(&engine, "documents.commit", commit).await.unwrap_err().to_string());
    }
    insta::assert_snapshot!(messages.join("\n"), @r#"
    documents.commit: `writes[0]` needs exactly one of `put`, `insertIfAbsent`, `patch` and `delete`
    documents.commit: `writes[0]` needs exactly one of `put`, `insertIfAbsent`, `patch` and `delete`
    documents.commit: `writes[0]` needs exactly one of `put`, `insertIfAbsent`, `patch` and `delete`
    documents.notes/a: an insertion if the document is absent has no other expectation
    documents.commit: `writes[0]` inserts a document that has a `_rev`; only a stored one has it
    documents.notes/a: a patch or a deletion cannot expect that the document does not exist
    documents.notes/: an id may not be empty
    documents.commit: `writes[0]` puts a document whose `_id` differs from `id`
    documents.commit: `writes[0]` puts a document whose `_rev` is not a revision
    documents.commit: `writes[0]` puts a document whose `_rev` is not a revision
    documents.notes/a: _v: is a reserved name
    documents.notes/a: a value is not exact as a JavaScript number: the integer 9007199254740993 is beyond ±(2^53 - 1); pass it as a string
    documents.commit: `writes[0].expect` must be `absent`, `any` or a revision, such as `3-0123456789ab`, not "1"
    document `documents.notes/a` does not exist; put it instead of patching it
    documents.notes/a: is written twice in one commit; merge the two writes
    documents.commit: `cvm.anser` is not a command of a domain; did you mean `cvm.answer`?
    documents.commit: `cvm.show` is not a command of a domain
    cvm.answer has no option `anser`; did you mean `answer`?
    "#);
}

#[tokio::test]
async fn many_documents_are_written_in_one_commit() {
    let (engine, _) = start_waiting(Arc::new(Memory::new()), PROGRAM).await;
    let writes: Vec<Json> = (0..1_000).map(|n| put(&format!("n{n}"), "x", n)).collect();
    let first = ask(&engine, "documents.commit", json!({"writes": writes})).await;
    let error = call(&engine, "documents.commit", json!({"writes": writes})).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LIMIT, "{error}");
    let expecting = |(mut write, revision): (Json, &Json)| {
        write["expect"] = revision.clone();
        write
    };
    let writes: Vec<Json> = writes.into_iter().zip(first["revisions"].as_array().unwrap()).map(expecting).collect();
    let second = ask(&engine, "documents.commit", json!({"writes": writes})).await;
    let ids: Vec<String> = (0..1_000).map(|n| format!("n{n}")).collect();
    let found = ask(&engine, "documents.get", json!({"collection": "notes", "ids": ids})).await;
    let revisions: Vec<&Json> = found.as_array().unwrap().iter().map(|document| &document["_rev"]).collect();
    assert_eq!(revisions, second["revisions"].as_array().unwrap().iter().collect::<Vec<_>>());
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Note {
    tag: String,
    created: Option<i64>,
}

#[tokio::test]
async fn typed_documents_are_written_and_read_in_rust() {
    let engine = engine_over(Arc::new(Memory::new()), &SimHost::default()).await;
    let documents = engine.documents();
    let notes = documents.declare(&CollectionDeclaration::new("notes")).await.unwrap();
    let note = Note { tag: "home".into(), created: Some(1) };
    let first = documents.put(notes, "a", &note, DocumentExpectation::Absent).await.unwrap();
    let found = documents.get::<Note>(notes, &["a", "b"]).await.unwrap();
    assert_eq!((&found[0].as_ref().unwrap().value, &found[0].as_ref().unwrap().revision), (&note, &first));
    assert!(found[1].is_none());
    let second = documents.put(notes, "a", &note, DocumentExpectation::Revision(first.clone())).await.unwrap();
    let stale = documents.put(notes, "a", &note, DocumentExpectation::Revision(first)).await.unwrap_err();
    assert_eq!(stale.details["found"], second.to_string());
    let other: Document = [("n".to_owned(), Json::from(1))].into_iter().collect();
    documents.commit(vec![DocumentWrite::put(notes, "b", other)], None).await.unwrap();
    assert_eq!(documents.get::<Note>(notes, &["b"]).await.unwrap_err().code, ErrorCode::CORRUPT);
    assert_eq!(documents.insert_if_absent(notes, "a", &note).await.unwrap(), None);
    let third = documents.insert_if_absent(notes, "c", &note).await.unwrap().unwrap();
    let stale = documents.delete(notes, "a", DocumentExpectation::Revision(third.clone())).await.unwrap_err();
    assert_eq!((stale.code, &stale.details["found"]), (ErrorCode::CONFLICT, &json!(second.to_string())));
    documents.delete(notes, "c", DocumentExpectation::Revision(third)).await.unwrap();
    let home = Filter::Eq("tag".into(), "home".into());
    assert_eq!(documents.count(notes, home.clone()).await.unwrap(), 1);
    assert_eq!(documents.drop(notes).await.unwrap(), 2);
    assert_eq!(documents.count(notes, home).await.unwrap(), 0);
    let catalog = engine.catalog();
    let foreign = catalog.get("cvm.executions").unwrap();
    assert_eq!(documents.drop(foreign).await.unwrap_err().code, ErrorCode::INVALID);
}

/// The table of limits in docs/documents.md has the numbers of the code.
#[test]
fn documented_limits_are_those_of_the_code() {
    let of = Memory::new().capabilities();
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    let count = |number: usize| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    let rows = [
        ("a document, as JSON", mib(limits::DOCUMENT_BYTES)),
        ("levels of a document, itself included", count(limits::DOCUMENT_DEPTH)),
        ("an id, in bytes of UTF-8", count(limits::ID_BYTES)),
        (
            "a commit in memory, on files, in IndexedDB",
            format!("{}, {} writes", mib(of.batch_bytes), count(of.batch_writes)),
        ),
        ("writes in a commit with `insertIfAbsent`", count(limits::INSERTS_IF_ABSENT)),
        ("puts and patches in a commit that expect nothing and find a document", count(limits::UNEXPECTED_WRITES)),
        ("documents in one reply of `get` and `query`", count(limits::REPLY_DOCUMENTS as usize)),
        ("documents in one commit of `drop`", count(limits::DROPPED_DOCUMENTS as usize)),
        ("the name of a collection, in bytes", count(limits::COLLECTION_NAME_BYTES)),
        ("the name of a field with its path, in bytes", count(limits::FIELD_NAME_BYTES)),
        ("collections in a store", count(limits::DECLARED_COLLECTIONS)),
        ("fields, indexes of a collection", format!("{}, {}", limits::DECLARED_FIELDS, limits::DECLARED_INDEXES)),
        ("a declaration, as JSON", format!("{} KiB", limits::DECLARATION_BYTES >> 10)),
    ];
    let page = include_str!("../../../docs/documents.md");
    for row in rows.map(|(what, limit)| format!("| {what} | {limit} |")) {
        assert!(page.contains(&row), "docs/documents.md has no row `{row}`");
    }
}

#[tokio::test]
async fn insertions_that_ignore_documents_are_bounded_by_the_ledger() {
    let (engine, _) = start_waiting(Arc::new(Memory::new()), PROGRAM).await;
    let insert = |n: usize| json!({"collection": "notes", "id": format!("n{n}"), "insertIfAbsent": {"tag": "x"}});
    let writes = |to: usize| (0..to).map(insert).collect::<Vec<_>>();
    let every_second: Vec<Json> = (0..limits::INSERTS_IF_ABSENT).step_by(2).map(insert).collect();
    ask(&engine, "documents.commit", json!({"writes": every_second})).await;
    let all = json!({"writes": writes(limits::INSERTS_IF_ABSENT), "commandId": "all"});
    let committed = ask(&engine, "documents.commit", all.clone()).await;
    let kept = committed["revisions"].as_array().unwrap().iter().filter(|revision| revision.is_null()).count();
    assert_eq!(kept, limits::INSERTS_IF_ABSENT / 2);
    assert_eq!(ask(&engine, "documents.commit", all).await["revisions"], committed["revisions"]);
    let more = json!({"writes": writes(limits::INSERTS_IF_ABSENT + 1)});
    assert_eq!(call(&engine, "documents.commit", more).await.unwrap_err().code, ErrorCode::LIMIT);
}

/// The examples of docs/documents.md run as they are.
#[tokio::test]
async fn the_examples_of_the_documentation_run() {
    let engine = engine_over(Arc::new(Memory::new()), &SimHost::default()).await;
    let cvm = Cvm::new(&engine);
    let bytecode = runstate::lang::compile("p.ts", PROGRAM).unwrap().bytecode;
    cvm.load(&Load::new("p", PROGRAM, bytecode)).await.unwrap();
    cvm.start(&Start { id: Some("run".into()), ..Start::new("p") }).await.unwrap();
    let page = include_str!("../../../docs/documents.md");
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut calls = 0;
    for example in blocks.flat_map(|block| block.split("documents.").skip(1)) {
        let (name, parameters) = example.split_at(example.find('{').unwrap());
        let name = format!("documents.{}", name.trim());
        let outcome = call(&engine, &name, serde_json::from_str(parameters).unwrap()).await;
        // The revision in the example is not one of this store.
        let is_expected = |code| code == ErrorCode::CONFLICT && example.contains("0123456789ab");
        assert!(
            outcome.as_ref().is_ok() || outcome.as_ref().is_err_and(|error| is_expected(error.code)),
            "{name}: {outcome:?}"
        );
        calls += 1;
    }
    assert_eq!(calls, 9);
    assert_eq!(cvm.output("run").await.unwrap(), ["Hello, Ada!"]);
}

/// Two processes over one store on files, which share the simulated clock and ids.
async fn two_processes() -> (Engine, Engine, Cvm) {
    let open = super::files(tempfile::tempdir().unwrap().keep());
    let host = SimHost::default();
    let here = engine_over(open().await.unwrap(), &host).await;
    let cvm = Cvm::new(&here);
    let bytecode = runstate::lang::compile("p.ts", PROGRAM).unwrap().bytecode;
    cvm.load(&Load::new("p", PROGRAM, bytecode)).await.unwrap();
    cvm.start(&Start { id: Some("run".into()), ..Start::new("p") }).await.unwrap();
    ask(&here, "documents.declare", notes()).await;
    (here, engine_over(open().await.unwrap(), &host).await, cvm)
}

#[tokio::test]
async fn a_patch_too_large_for_an_older_document_is_decided_on_the_newest() {
    let (here, there, _) = two_processes().await;
    let large = "x".repeat(7 << 20);
    ask(&here, "documents.commit", json!({"writes": [put("n", &large, 1)]})).await;
    ask(&there, "documents.commit", json!({"writes": [put("n", "small", 2)]})).await;
    let patch = json!({"collection": "notes", "id": "n", "patch": {"more": "y".repeat(2 << 20)}});
    ask(&here, "documents.commit", json!({"writes": [patch]})).await;
    let found = note(&here).await;
    assert_eq!((&found["tag"], found["more"].as_str().unwrap().len()), (&json!("small"), 2 << 20));
}

#[tokio::test]
async fn an_answer_in_a_commit_is_for_the_call_that_was_read_here() {
    let (here, there, cvm) = two_processes().await;
    Cvm::new(&there).answer("run", "from there").await.unwrap();
    // The note is not cached here, so the commit reads the store. The open call is still the one that this process has
    // seen.
    assert_eq!(
        call(&here, "documents.commit", answer_and_note()).await.unwrap_err().code,
        runstate::domain::cvm::codes::ALREADY_ANSWERED
    );
    assert_eq!(
        (note(&here).await, cvm.output("run").await.unwrap()),
        (Json::Null, vec!["Hello, from there!".to_owned()])
    );
}

//! The bytes that executions write on files, and those that they keep.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use runstate::client::{Answer, Cvm};
use runstate::domain::cvm::{COLLECTIONS, ListCalls, Load, Settings, Start, Status};
use runstate::engine::Engine;
use runstate::schema::{Collection, Query};
use runstate::store::Freshness;
use runstate::store::file::{FileStore, FileStoreOptions, SnapshotPolicy};
use runstate::testing::SimHost;
use runstate::value::Json;
use serde_json::json;

use crate::settings::is_full_run;

/// An engine on a store without snapshots, which keeps all that is written.
async fn open(folder: &Path, host: &SimHost) -> Engine {
    let options = FileStoreOptions { snapshots: SnapshotPolicy::NEVER, ..FileStoreOptions::default() };
    let store = FileStore::open(folder, options).await.unwrap();
    Engine::with_settings(Arc::new(store), Arc::new(host.clone()), runstate::domain::ALL, Settings::default())
        .await
        .unwrap()
}

async fn start(engine: &Engine, source: &str) -> Cvm {
    start_with(engine, source, Json::Null).await
}

async fn start_with(engine: &Engine, source: &str, input: Json) -> Cvm {
    let cvm = Cvm::new(engine);
    let bytecode = runstate::lang::compile("program.ts", source).unwrap().bytecode;
    cvm.load(&Load::new("program", source, bytecode)).await.unwrap();
    cvm.start(&Start::new("program").id("run").input(input)).await.unwrap();
    cvm
}

/// The bytes of all commits.
fn written(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("commits")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// The bytes of the writes to each collection.
fn written_by_collection(folder: &Path) -> BTreeMap<String, usize> {
    let mut bytes = BTreeMap::new();
    for file in std::fs::read_dir(folder.join("commits")).unwrap() {
        let commit: Json = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        for op in commit["commits"].as_array().unwrap().iter().flat_map(|commit| commit["ops"].as_array().unwrap()) {
            *bytes.entry(op["c"].as_str().unwrap().to_owned()).or_default() += op.to_string().len();
        }
    }
    bytes
}

/// The number of rows and the bytes of all documents of the execution.
async fn kept(engine: &Engine) -> (usize, usize) {
    let (mut rows, mut bytes) = (0, 0);
    let has_execution = |collection: &&&Collection| collection.fields.iter().any(|field| field.name == "executionId");
    for collection in COLLECTIONS.iter().filter(has_execution) {
        let found = engine.store().query(&Query::of(collection), Freshness::Linearizable).await.unwrap().items;
        rows += found.len();
        bytes += found.iter().map(|row| Json::Object((*row.stored.document).clone()).to_string().len()).sum::<usize>();
    }
    (rows, bytes)
}

#[tokio::test]
async fn an_answer_to_one_of_many_calls_writes_what_it_brings() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &SimHost::default()).await;
    let source = r#"
    async function main() {
        const found = await Promise.all(Array.from({ length: 30 }, (_, i) => call("search", { q: "query " + i })));
        return found.flat().length;
    }"#;
    let cvm = start(&engine, source).await;
    let before = written(folder.path());
    let text = "lorem ipsum dolor sit amet ".repeat(6);
    let answer: Json = (0..8).map(|id| json!({ "id": id, "title": format!("title {id}"), "text": text })).collect();
    assert!((1_400..1_600).contains(&answer.to_string().len()));
    for call in cvm.show_head("run").await.unwrap().calls {
        cvm.answer("run", Answer::to_call(&call.id).value(answer.clone())).await.unwrap();
    }
    let written = written(folder.path()) - before;
    assert_eq!(cvm.show("run").await.unwrap().result, json!(240));
    assert!(written <= 200_000, "{written} bytes: {:#?}", written_by_collection(folder.path()));
    cvm.delete("run").await.unwrap();
    assert_eq!(kept(&engine).await, (0, 0));
}

#[tokio::test]
async fn a_waiting_script_of_one_call_saves_little() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &SimHost::default()).await;
    start(&engine, "function main() { return CC('ready?'); }").await;
    let started = std::fs::metadata(folder.path().join("commits/0000000000000003.json")).unwrap().len();
    assert!(started <= 8_000, "{started}");
}

/// About 900 bytes of words, others for each number.
fn words(number: usize) -> String {
    let list =
        ["state", "of", "the", "review", "is", "waiting", "and", "nothing", "file", "has", "changed", "since", "then"];
    let mut state = number as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let words: Vec<String> = (0..140)
        .map(|_| match next() {
            n if n % 5 == 0 => n.to_string(),
            n => list[n as usize % list.len()].to_owned(),
        })
        .collect();
    words.join(" ")
}

/// The history is in the heap, in the open call, and in the row of each call: 190 KB at the end and 10 MB in all calls
/// together. What is written and kept of it is less, in a process that keeps the machine and in those that load it, and
/// each call shows it whole.
#[tokio::test]
async fn the_calls_of_a_conversation_share_its_text() {
    let turns = if is_full_run() { 300 } else { 100 };
    let source = r#"
    async function main() {
        const messages: { role: string; content: string }[] = [];
        for (let turn = 0, question: string = input.question; turn < input.turns; turn++) {
            messages.push({ role: "user", content: question });
            const reply: string[] = await call("model", { prompt: JSON.stringify(messages) });
            messages.push({ role: "assistant", content: reply[0] });
            question = reply[1];
        }
        return messages.length;
    }"#;
    for is_cold in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let host = SimHost::default();
        let mut engine = open(folder.path(), &host).await;
        start_with(&engine, source, json!({ "question": words(0), "turns": turns })).await;
        let mut messages: Vec<Json> = Vec::new();
        for turn in 0..turns {
            if is_cold {
                engine.store().close().await.unwrap();
                engine = open(folder.path(), &host).await;
            }
            messages.push(json!({ "role": "user", "content": words(2 * turn) }));
            let expected = json!({ "prompt": Json::from(messages.clone()).to_string() });
            let call = Cvm::new(&engine).show_head("run").await.unwrap().calls.remove(0);
            assert_eq!(call.args, expected);
            assert_eq!(Cvm::new(&engine).call(&call.id).await.unwrap().args, expected);
            messages.push(json!({ "role": "assistant", "content": words(2 * turn + 1) }));
            let reply = json!([words(2 * turn + 1), words(2 * turn + 2)]);
            Cvm::new(&engine).answer("run", Answer::to_call(&call.id).value(reply)).await.unwrap();
        }
        let cvm = Cvm::new(&engine);
        let shown = cvm.show("run").await.unwrap();
        assert_eq!((shown.status, shown.result), (Status::Complete, json!(2 * turns)));
        let listing = ListCalls { execution: Some("run".into()), ..ListCalls::default() };
        let calls = cvm.calls(&listing).await.unwrap().items;
        messages.truncate(199);
        assert_eq!(calls[99].args, json!({ "prompt": Json::from(messages).to_string() }));
        let (written, (_, kept)) = (written_by_collection(folder.path()), self::kept(&engine).await);
        println!("cold: {is_cold}, {written:#?}, kept {kept}");
        assert!(kept <= turns * 12_000, "{written:#?}, kept {kept}");
        cvm.delete("run").await.unwrap();
        assert_eq!(self::kept(&engine).await, (0, 0));
    }
}

//! The bytes that an execution writes and keeps: 30 calls at once, each answered with 1.5 KB of JSON, and a
//! conversation of 300 turns, each of which passes the whole history as the argument of a call.

use std::path::Path;

use runstate::client::{Answer, Cvm};
use runstate::domain::cvm::Start;
use runstate::store::Store as _;
use runstate::store::file::{FileStoreOptions, SnapshotPolicy};
use runstate::value::Json;
use serde_json::json;

use super::BenchError;
use super::figures::{Figure, Figures};
use super::storage::disk_size;

const TURNS: usize = 300;

const CALLS: &str = r#"
async function main() {
    const found = await Promise.all(Array.from({ length: 30 }, (_, i) => call("search", { q: "query " + i })));
    return found.flat().length;
}"#;

const CONVERSATION: &str = r#"
async function main() {
    const messages: { role: string; content: string }[] = [];
    for (let turn = 0; turn < 300; turn++) {
        messages.push({ role: "user", content: `question ${turn}: ` + `${turn} of many words `.repeat(50) });
        const answer: string = await call("model", { prompt: JSON.stringify(messages) });
        messages.push({ role: "assistant", content: answer });
    }
    return messages.length;
}"#;

pub async fn bench(figures: &mut Figures) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("calls");
    let text = "lorem ipsum dolor sit amet ".repeat(5);
    let answer: Json = (0..8).map(|id| json!({ "id": id, "title": format!("title {id}"), "text": text })).collect();
    let (written, _) = run(&root, CALLS, |_| answer.clone()).await?;
    figures.add(Figure::new("30 calls at once: bytes of the answers' commits", "KB", written / 1e3).at_most(200.0))?;
    let root = folder.path().join("conversation");
    let words = |turn: usize| format!("answer {turn}: {}", format!("{turn} other words ").repeat(60)).into();
    let (written, kept) = run(&root, CONVERSATION, words).await?;
    figures.add(Figure::new(format!("conversation of {TURNS} turns: written"), "KB", written / 1e3))?;
    figures.add(
        Figure::new(format!("conversation of {TURNS} turns: kept, compacted"), "KB", kept / 1e3).at_most(3_000.0),
    )?;
    Ok(())
}

/// Runs a program to its end. Returns the bytes that its answers wrote, and those of the compacted store.
async fn run(root: &Path, source: &str, answer: impl Fn(usize) -> Json) -> Result<(f64, f64), BenchError> {
    let options = FileStoreOptions { snapshots: SnapshotPolicy::NEVER, ..FileStoreOptions::default() };
    let (store, engine) = super::open(root, options, source).await?;
    let cvm = Cvm::new(&engine);
    cvm.start(&Start::new("bench").id("run")).await?;
    let before = disk_size(root).apparent;
    let mut turn = 0;
    while let Some(call) = cvm.show_head("run").await?.calls.first() {
        cvm.answer("run", Answer::to_call(&call.id).value(answer(turn))).await?;
        turn += 1;
    }
    let written = disk_size(root).apparent - before;
    store.compact().await?;
    store.close().await?;
    Ok((written as f64, disk_size(root).apparent as f64))
}

//! Whole runs on files: the disk space of a long run (`storage.rs`), the cost of resuming a run with a long history (`resume.rs`), and the throughput
//! of many concurrent runs (`throughput.rs`). `turn.rs` measures a single turn.

#[path = "../figures/mod.rs"]
mod figures;
mod resume;
mod storage;
mod throughput;

use std::path::Path;
use std::sync::Arc;

use figures::Figures;
use runstate::domain::cvm::Load;
use runstate::engine::{Engine, SystemHost};
use runstate::limits::Settings;
use runstate::store::file::{FileStore, FileStoreOptions, NativeFs};

type BenchError = Box<dyn std::error::Error + Send + Sync>;

/// Runs all parts, or only those that are named: `storage`, `resume`, `together`. The parent process uses `make` to have a store made by a child.
fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let ["make", folder, rows] = words.as_slice() {
        return runtime.block_on(resume::build_store(Path::new(folder), rows.parse()?));
    }
    let asked = |part: &str| words.is_empty() || words.contains(&part);
    let mut figures = Figures::create("file_run")?;
    if asked("storage") {
        runtime.block_on(storage::bench(&mut figures))?;
    }
    if asked("together") {
        runtime.block_on(throughput::bench(&mut figures))?;
    }
    if asked("resume") {
        runtime.block_on(resume::bench(&mut figures))?;
    }
    Ok(())
}

/// Opens a store and an engine, and loads `source` as the program `bench`.
async fn open(
    folder: &Path,
    options: FileStoreOptions,
    source: &str,
) -> Result<(Arc<FileStore<NativeFs>>, Engine), BenchError> {
    let store = Arc::new(FileStore::open(folder, options).await?);
    let catalog = runstate::domain::catalog()?;
    let engine = Engine::new(store.clone(), Arc::new(SystemHost), catalog, Settings::default()).await?;
    let compiled = runstate::lang::compile("bench.ts", source).map_err(|found| format!("{found:?}"))?;
    engine.cvm().load(&Load::new("bench", source, compiled.bytecode), None).await?;
    Ok((store, engine))
}

//! Runs on files as a whole: what a long one takes on disk (`storage.rs`), what it costs to go on with one that has a long history
//! (`resume.rs`), and how many go on at once (`together.rs`). What a single turn costs stands in `turn.rs`.

#[path = "../figures/mod.rs"]
mod figures;
mod resume;
mod storage;
mod together;

use std::path::Path;
use std::sync::Arc;

use figures::Figures;
use runstate::domain::cvm::Load;
use runstate::engine::{Engine, SystemHost};
use runstate::limits::Settings;
use runstate::store::file::{FileStore, NativeFs, Options};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Without arguments everything; with `storage`, `resume` or `together` only that. `make` is how a process makes a store for another one.
fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let ["make", folder, rows] = words.as_slice() {
        return runtime.block_on(resume::make(Path::new(folder), rows.parse()?));
    }
    let asked = |part: &str| words.is_empty() || words.contains(&part);
    let mut figures = Figures::of("file_run")?;
    if asked("storage") {
        runtime.block_on(storage::bench(&mut figures))?;
    }
    if asked("together") {
        runtime.block_on(together::bench(&mut figures))?;
    }
    if asked("resume") {
        runtime.block_on(resume::bench(&mut figures))?;
    }
    Ok(())
}

/// A store, an engine over it, and `source` loaded as the program `bench`.
async fn open(folder: &Path, options: Options, source: &str) -> Result<(Arc<FileStore<NativeFs>>, Engine), Failure> {
    let store = Arc::new(FileStore::open(folder, options).await?);
    let catalog = runstate::domain::catalog()?;
    let engine = Engine::new(store.clone(), Arc::new(SystemHost), catalog, Settings::default()).await?;
    let compiled = runstate::lang::compile("bench.ts", source).map_err(|found| format!("{found:?}"))?;
    engine.cvm().load(&Load::new("bench", source, compiled.bytecode), None).await?;
    Ok((store, engine))
}

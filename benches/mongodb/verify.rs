//! `verify` of apps whose executions have ended, on MongoDB. Beside it, `verify` of the same documents in files.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mongodb::Client;
use runstate::domain::apps::{DOMAIN, StepWork};
use runstate::engine::{Engine, SystemHost};
use runstate::store::Store;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::transfer;
use runstate::work::{Failure, Task, Worker};
use serde_json::json;

use super::BenchError;
use super::command_counter::CommandCounter;
use super::figures::{Figure, Figures};

/// Executions of ten steps. Each is 53 documents.
const EXECUTIONS: usize = 500;
const STEPS: usize = 10;

pub async fn bench(
    counter: &CommandCounter,
    url: &str,
    database: &str,
    figures: &mut Figures,
) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let files = open_files(&folder.path().join("store")).await?;
    fill(&files).await?;
    let store = Mongo::open(&super::with_database(url, database)?, MongoOptions::default()).await?;
    let mongodb = open(Arc::new(store)).await?;
    let mut lines = Vec::new();
    transfer::export(&files, &mut transfer::LineWriter::new(&mut lines, "a bench"), |_| {}).await?;
    let mut source = transfer::LineReader::new(std::io::Cursor::new(lines), "a bench", (*mongodb.catalog()).clone());
    let checked = transfer::check(&mut source, &mongodb.catalog(), |_| {})?;
    transfer::import(&mongodb, &mut source, &checked, |_| {}).await?;

    let begun = counter.server_counts().await?;
    let (documents, seconds) = verify(&mongodb).await?;
    let counts = counter.counts_since(&begun, u32::try_from(documents)?).await?;
    println!("{:<44} {}", format!("commands of one of {documents} documents"), counts.by_name());
    let (in_files, raw) = verify(&files).await?;
    if in_files > documents {
        return Err(format!("{in_files} documents in files, {documents} on MongoDB").into());
    }
    figures.add(Figure::new("verify, commands per document", "", counts.total()))?;
    figures.add(Figure::new("verify, compared with files", "s", seconds).raw(raw).ratio_at_most(2.0))?;
    Ok(Client::with_uri_str(url).await?.database(database).drop().await?)
}

async fn open(store: Arc<dyn Store>) -> Result<Engine, BenchError> {
    Ok(Engine::new(store, Arc::new(SystemHost), &[&DOMAIN]).await?)
}

async fn open_files(folder: &Path) -> Result<Engine, BenchError> {
    open(Arc::new(FileStore::open(folder, FileStoreOptions::default()).await?)).await
}

/// The number of documents, and the seconds.
async fn verify(engine: &Engine) -> Result<(u64, f64), BenchError> {
    let begun = Instant::now();
    let report = engine.verify(|_| {}).await?;
    if !report.findings.is_empty() {
        return Err(format!("{:?}", report.findings).into());
    }
    Ok((report.documents, begun.elapsed().as_secs_f64()))
}

/// Runs executions to their end.
async fn fill(engine: &Engine) -> Result<(), BenchError> {
    let step = |id: usize| json!({"id": id, "name": "work", "depends_on": if id > 1 { vec![id / 2] } else { vec![] }});
    let configuration = json!({"steps": (1..=STEPS).map(step).collect::<Vec<_>>()});
    let version = json!({"appId": 1, "appName": "a", "version": "1", "configuration": configuration, "activate": true});
    let call = async |name: &str, parameters: runstate::value::Json| {
        engine.call(&format!("apps.{name}"), parameters.as_object().cloned().unwrap_or_default()).await
    };
    call("configuration.save", version).await?;
    for n in 0..EXECUTIONS {
        let input = json!({"text": "the input of an execution"});
        call("execution.start", json!({"appId": 1, "userId": "u", "input": input, "id": format!("e{n}")})).await?;
    }
    let handler = async |task: Task<StepWork>| Ok::<_, Failure>(task.work.input);
    Ok(Worker::new(engine, "worker".to_owned()).handle("work", 16, handler).drain().await?)
}

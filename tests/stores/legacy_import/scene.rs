//! An engine over an empty store, and what an import into it has left.

use std::sync::Arc;

use runstate::domain::cvm::{EXECUTIONS, Settings};
use runstate::engine::{Engine, SystemHost};
use runstate::legacy::{LegacyImportReport, SkippedItem};
use runstate::schema::Key;
use runstate::store::{Freshness, Memory, Store};
use runstate::vm::Instruction;
use serde_json::{Value as Json, json};

pub async fn engine() -> Engine {
    engine_over(Arc::new(Memory::new())).await
}

pub async fn engine_over(store: Arc<dyn Store>) -> Engine {
    Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await.unwrap()
}

pub fn compile(name: &str, source: &str) -> Result<(Vec<Instruction>, String), String> {
    match runstate::lang::compile(&format!("{name}.ts"), source) {
        Ok(compiled) => Ok((compiled.bytecode, "test".to_owned())),
        Err(_) => Err("it is not a program".to_owned()),
    }
}

pub fn skipped(report: &LegacyImportReport) -> Vec<(&str, &str)> {
    report.left.iter().map(|SkippedItem { what, id, .. }| (*what, id.as_str())).collect()
}

/// The execution's own document.
pub async fn head(engine: &Engine, id: &str) -> Json {
    let key = Key::new(&EXECUTIONS, id);
    let found = engine.store().get(&[key], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
    json!(*found.document)
}

//! The recovery points of fleets: of projects nothing is lost, of checkpoints at most 15 minutes, of uses at most one
//! hour.

use std::path::Path;
use std::sync::Arc;

use runstate::domain::{self, fleet};
use runstate::engine::{Engine, SystemHost};
use runstate::store::Store;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::time::Millis;
use runstate::transfer::backup::{BackedUpStore, Backup, BackupOptions};
use runstate::value::Json;
use serde_json::json;

use super::killed::{INTERVAL, backup_folder, kill_after};
use super::restore;

/// Names the folder of the process that is killed.
const WRITER: &str = "RUNSTATE_TEST_FLEET_WRITER";

const TEST: &str = "backup::recovery_points::losses_of_a_killed_fleet_are_within_its_recovery_points";

/// The number of documents that are acknowledged before the process is killed.
const KILLED_AFTER: usize = 300;

const PROJECT: &str = "01900000-0000-7000-8000-000000000003";

async fn call(engine: &Engine, name: &str, parameters: Json) -> Json {
    engine.call(&format!("fleet.{name}"), parameters.as_object().unwrap().clone()).await.unwrap()
}

/// Changes the project, creates a checkpoint and records five uses, until it is killed. Prints what is acknowledged,
/// with the time.
async fn write(folder: &Path) {
    let store = FileStore::open(folder.join("store"), FileStoreOptions::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let plain = Engine::new(store.clone(), Arc::new(SystemHost), domain::ALL).await.unwrap();
    let backup = Arc::new(Backup::new(&plain, backup_folder(folder), BackupOptions::new("fleet")).unwrap());
    let store: Arc<dyn Store> = Arc::new(BackedUpStore::new(store, backup.clone(), fleet::LOSSLESS));
    let engine = Engine::new(store, Arc::new(SystemHost), domain::ALL).await.unwrap();
    let follow = async {
        loop {
            backup.catch_up(Millis(0), |_| {}).await.unwrap();
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let write = async {
        call(&engine, "project.create", json!({"name": "p", "id": PROJECT, "greediness": "0.5"})).await;
        let budget = json!({
            "owner": PROJECT, "resourceType": "api_calls", "budgetPeriod": "total", "allocatedAmount": "1000000",
            "unit": "calls",
        });
        call(&engine, "budget.create", budget).await;
        let mut parent = call(&engine, "checkpoint.create", json!({"projectUuid": PROJECT, "type": "genesis"})).await;
        for n in 0.. {
            call(&engine, "project.change", json!({"id": PROJECT, "description": n.to_string()})).await;
            println!("ack projects {n} {}", engine.now().as_millis());
            let checkpoint = json!({"projectUuid": PROJECT, "type": "manual", "parentUuid": parent["id"]});
            parent = call(&engine, "checkpoint.create", checkpoint).await;
            println!("ack checkpoints {} {}", parent["id"].as_str().unwrap(), engine.now().as_millis());
            for _ in 0..5 {
                let usage = json!({"owner": PROJECT, "resourceType": "api_calls", "amount": "1", "unit": "calls"});
                let recorded = call(&engine, "usage.record", usage).await;
                println!("ack resource_usage {} {}", recorded["id"].as_str().unwrap(), engine.now().as_millis());
            }
        }
    };
    tokio::join!(follow, write);
}

#[test]
fn losses_of_a_killed_fleet_are_within_its_recovery_points() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(folder) = std::env::var_os(WRITER) {
        return runtime.block_on(write(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = kill_after(KILLED_AFTER, TEST, WRITER, folder.path());
    std::fs::remove_dir_all(folder.path().join("store")).unwrap();
    let (lost, description) = runtime.block_on(async {
        let store = restore(&backup_folder(folder.path()), None, domain::ALL).await;
        let engine = Engine::new(store, Arc::new(SystemHost), domain::ALL).await.unwrap();
        // Budgets agree with the uses that remain.
        let report = engine.verify(|_| {}).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let last = acknowledged.last().unwrap().2;
        let mut lost = Vec::new();
        for (kind, id, at) in acknowledged.iter().filter(|(kind, ..)| kind != "projects") {
            let name = if kind == "checkpoints" { "checkpoint.show" } else { "usage.show" };
            let parameters = json!({"id": id}).as_object().unwrap().clone();
            match engine.call(&format!("fleet.{name}"), parameters).await {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.code.as_str(), "not_found", "{error}");
                    lost.push((kind.clone(), last - at));
                }
            }
        }
        (lost, call(&engine, "project.show", json!({"id": PROJECT})).await["description"].clone())
    });
    let of = |wanted: &'static str| lost.iter().filter(move |(kind, _)| kind == wanted).map(|(_, age)| *age);
    let change = acknowledged.iter().rfind(|(kind, ..)| kind == "projects").unwrap().1.parse::<u64>().unwrap();
    let restored: u64 = description.as_str().unwrap().parse().unwrap();
    let (checkpoints, uses) = (of("checkpoints").max().unwrap_or(0), of("resource_usage").max().unwrap_or(0));
    println!(
        "{} acknowledged; lost: {} changes of the project, {} checkpoints (at most {checkpoints} ms old), {} uses (at most {uses} ms old)",
        acknowledged.len(),
        change.saturating_sub(restored),
        of("checkpoints").count(),
        of("resource_usage").count(),
    );
    assert!(restored >= change, "{restored} of {change}");
    assert!(checkpoints < 15 * 60 * 1_000, "{checkpoints}");
    assert!(uses < 60 * 60 * 1_000, "{uses}");
}

//! The losses when a process and its store are gone: it is killed with SIGKILL under load, and only its backup remains.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use runstate::engine::{Engine, SystemHost};
use runstate::id::CommandId;
use runstate::objects::ObjectFolder;
use runstate::store::Store;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::testing::{BatchExt as _, batch};
use runstate::time::Millis;
use runstate::transfer::backup::{BackedUpStore, Backup, BackupOptions};
use serde_json::json;

use super::{DEMO_ONLY, LINES, NOTES, documents, restore};
use crate::support::child_test::child_test;

/// Names the folder of the process that is killed.
const WRITER: &str = "RUNSTATE_TEST_BACKUP_WRITER";

const TEST: &str = "backup::killed::a_killed_store_loses_what_its_backup_lacks";

/// The time between two segments.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// The number of lines that are acknowledged before the process is killed.
const KILLED_AFTER: usize = 400;

/// Writes a note, which waits for its backup, and ten lines, which do not, until it is killed. Prints what is
/// acknowledged, with the time.
async fn write(folder: &Path) {
    let store = FileStore::open(folder.join("store"), FileStoreOptions::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let engine = Engine::new(store.clone(), Arc::new(SystemHost), DEMO_ONLY).await.unwrap();
    let backup = Arc::new(Backup::new(&engine, backup_folder(folder), BackupOptions::new("store")).unwrap());
    let store = BackedUpStore::new(store, backup.clone(), &["demo.notes"]);
    let follow = async {
        loop {
            backup.catch_up(Millis(0), |_| {}).await.unwrap();
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let write = async {
        for n in 0.. {
            let note = batch(CommandId::new(&format!("note-{n}")).unwrap());
            store.commit(note.put(&NOTES, &n.to_string(), json!({"title": n.to_string()}))).await.unwrap();
            println!("ack note {n} {}", engine.now().as_millis());
            for line in 0..10 {
                let id = format!("{n}-{line}");
                let batch = batch(CommandId::new(&format!("line-{id}")).unwrap());
                store.commit(batch.insert(&LINES, &id, json!({"n": n}))).await.unwrap();
                println!("ack line {id} {}", engine.now().as_millis());
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(follow, write);
}

/// Runs this test as a writer in a process, and kills it when so many lines were acknowledged. Returns the kind, the id
/// and the time of each.
pub fn kill_after(count: usize, test: &str, variable: &str, folder: &Path) -> Vec<(String, String, i64)> {
    let mut child = child_test(test).env(variable, folder).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let Some((_, ack)) = line.split_once("ack ") else { continue };
        let [kind, id, at] = ack.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        acknowledged.push((kind.to_owned(), id.to_owned(), at.parse::<i64>().unwrap()));
        if acknowledged.len() == count {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acknowledged
}

pub fn backup_folder(folder: &Path) -> Arc<ObjectFolder> {
    Arc::new(ObjectFolder::open(&format!("local:{}", folder.join("backup").display())).unwrap())
}

#[test]
fn a_killed_store_loses_what_its_backup_lacks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(folder) = std::env::var_os(WRITER) {
        return runtime.block_on(write(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = kill_after(KILLED_AFTER, TEST, WRITER, folder.path());
    std::fs::remove_dir_all(folder.path().join("store")).unwrap();
    let restored = runtime.block_on(async {
        let store = restore(&backup_folder(folder.path()), None, DEMO_ONLY).await;
        documents(&store, DEMO_ONLY).await
    });
    let ids = |collection: &str| -> BTreeSet<String> {
        let of = restored.lines().filter(|line| line.contains(collection));
        of.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (notes, lines) = (ids("demo.notes"), ids("demo.lines"));
    let last = acknowledged.last().unwrap().2;
    let lost = |kind: &str, kept: &BTreeSet<String>| -> Vec<i64> {
        let lost = acknowledged.iter().filter(|(of, id, _)| of == kind && !kept.contains(id));
        lost.map(|(.., at)| last - at).collect()
    };
    let (lost_notes, lost_lines) = (lost("note", &notes), lost("line", &lines));
    println!(
        "{} acknowledged; lost: {} notes, {} lines, the oldest {} ms before the kill",
        acknowledged.len(),
        lost_notes.len(),
        lost_lines.len(),
        lost_lines.iter().max().unwrap_or(&0)
    );
    assert!(notes.len() >= KILLED_AFTER / 11, "{}", notes.len());
    assert_eq!(lost_notes.len(), 0, "{lost_notes:?}");
    // The recovery point of the seed for checkpoints is 15 minutes, for usage one hour.
    assert!(lost_lines.iter().all(|age| *age < 15 * 60 * 1_000), "{lost_lines:?}");
}

//! Executions in a file store: stores of earlier versions can be opened and written, and a full disk loses nothing.

use std::path::Path;
use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::{Load, Start, Status};
use runstate::engine::{Engine, SystemHost};
use runstate::store::file::fs::Reason;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::testing::fault::Disk;
use runstate::testing::{SimHost, block_on};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

async fn engine(folder: &Path) -> Engine {
    let store = FileStore::open(folder, FileStoreOptions::default()).await.unwrap();
    Engine::new(Arc::new(store), Arc::new(SimHost::default()), runstate::domain::ALL).await.unwrap()
}

/// Ten commits and no snapshot: one execution is complete, one waits at its first call.
#[tokio::test]
async fn older_store_of_commits_opens_and_is_written() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files-1"), folder.path());
    let engine = engine(folder.path()).await;
    assert_eq!(engine.store().read_only_reason(), None);
    let execution = serde_json::to_value(Cvm::new(&engine).show("r1").await.unwrap()).unwrap();
    assert_eq!(execution["status"], "complete");
    assert_eq!(execution["stateHash"], "687dc6cff2bf1b40e4691f0563f834cadc26b789742d844ea22282d06cff942a");
    let execution = serde_json::to_value(Cvm::new(&engine).show("r2").await.unwrap()).unwrap();
    assert_eq!(execution["stateHash"], "7f2f9d162566d3956b22f4dc033f70b0b5426bca9904f47cab9c42d511ad564c");
    Cvm::new(&engine).answer("r2", "approve").await.unwrap();
    assert_eq!(serde_json::to_value(Cvm::new(&engine).show("r2").await.unwrap()).unwrap()["status"], "waiting_cc");
}

/// A snapshot with indexes, and a later commit that contains its store id: one execution is complete, one waits at its
/// second call.
#[tokio::test]
async fn older_store_with_a_snapshot_opens_and_is_written() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files-1-snapshot"), folder.path());
    let engine = engine(folder.path()).await;
    assert_eq!(engine.store().read_only_reason(), None);
    let show = async |id: &str| serde_json::to_value(Cvm::new(&engine).show(id).await.unwrap()).unwrap();
    assert_eq!(show("r1").await["stateHash"], "22677e0ff9481fc38aebb50eaf746fded0d59159377fbe5aa01ad209e93cf637");
    assert_eq!(show("r2").await["stateHash"], "ccd62c165cd37e19776091eb832a09715d9d64623cc0760dc9bfa932b45b83b6");
    Cvm::new(&engine).answer("r2", "approve").await.unwrap();
    assert_eq!(show("r2").await["status"], "waiting_cc");
}

/// A failed execution of a version in which `error.instruction` was an index. It is read, retried, written again and
/// deleted.
#[tokio::test]
async fn older_store_with_instruction_index_in_errors_is_retried() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files-1-failed"), folder.path());
    let engine = engine(folder.path()).await;
    assert_eq!(engine.store().read_only_reason(), None);
    let show = async || serde_json::to_value(Cvm::new(&engine).show("f1").await.unwrap()).unwrap();
    let before = show().await;
    assert_eq!(before["stateHash"], "0245c618b52bcc845f5959af4cd3a01aeee46da8a708e1739197f4e6aa461800");
    assert_eq!((&before["error"]["pc"], &before["error"]["instruction"]), (&16.into(), &serde_json::Value::Null));
    assert_eq!(before["error"]["message"], "Cannot read properties of null (reading 'name')");
    Cvm::new(&engine).retry("f1").await.unwrap();
    let after = show().await;
    assert_eq!((&after["status"], &after["error"]["pc"]), (&"error".into(), &16.into()));
    assert!(after["error"]["instruction"]["op"].is_u64(), "{after}");
    Cvm::new(&engine).delete("f1").await.unwrap();
}

/// This program first writes the versions of its collections into an older store. That must not prevent reads of a
/// damaged one.
#[tokio::test]
async fn damaged_older_store_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files-1"), folder.path());
    std::fs::write(folder.path().join("commits/0000000000000010.json"), "{}").unwrap();
    let engine = engine(folder.path()).await;
    let execution = serde_json::to_value(Cvm::new(&engine).show("r1").await.unwrap()).unwrap();
    assert_eq!(execution["status"], "complete");
    let error = Cvm::new(&engine).delete("r1").await.unwrap_err();
    assert_eq!(error.code.as_str(), "corrupt", "{error}");
}

/// The execution has the same revision in the original and in the copy, but another answer. The engine has a decoded
/// form of the original.
#[tokio::test]
async fn execution_continues_from_the_copy_that_replaced_its_store() {
    let source = "function main() { return [CC('a?'), CC('b?'), CC('c?')].join(' '); }";
    let [folder, copied] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let open = async |folder: &Path| {
        let store = FileStore::open(folder, FileStoreOptions::default()).await.unwrap();
        Engine::new(Arc::new(store), Arc::new(SystemHost), runstate::domain::ALL).await.unwrap()
    };
    let show = async |engine: &Engine| serde_json::to_value(Cvm::new(engine).show("x").await.unwrap()).unwrap();
    let original = open(folder.path()).await;
    let bytecode = runstate::lang::compile("p.ts", source).unwrap().bytecode;
    Cvm::new(&original).load(&Load::new("p", source, bytecode)).await.unwrap();
    Cvm::new(&original).start(&Start::new("p").id("x")).await.unwrap();
    copy(folder.path(), copied.path());
    let other = open(copied.path()).await;
    Cvm::new(&other).answer("x", "copy").await.unwrap();
    Cvm::new(&original).answer("x", "original").await.unwrap();
    for name in ["commits", "snapshots"] {
        std::fs::remove_dir_all(folder.path().join(name)).unwrap();
    }
    copy(copied.path(), folder.path());

    assert_eq!(show(&original).await["stateHash"], show(&other).await["stateHash"]);
    for answer in ["b", "c"] {
        Cvm::new(&original).answer("x", answer).await.unwrap();
    }
    let ended = show(&original).await;
    assert_eq!(ended["result"], "copy b c");
    let reopened = open(folder.path()).await;
    assert_eq!((reopened.store().read_only_reason(), show(&reopened).await), (None, ended));
}

const PROGRAM: &str = "function main() { const seen = [1, 2, 3]; console.log(CC('continue?')); return seen.length; }";

#[test]
fn full_disk_allows_reads_and_deletions_and_resumes_with_space() {
    let disk = Disk::new();
    let fs = disk.process();
    block_on(async {
        let store = FileStore::open_on(fs.clone(), FileStoreOptions::default()).await.unwrap();
        let host = Arc::new(SimHost::default());
        let engine = Engine::new(Arc::new(store), host, runstate::domain::ALL).await.unwrap();
        let cvm = Cvm::new(&engine);
        let bytecode = runstate::lang::compile("p.ts", PROGRAM).unwrap().bytecode;
        cvm.load(&Load::new("p", PROGRAM, bytecode)).await.unwrap();
        for id in ["done", "waits"] {
            cvm.start(&Start::new("p").id(id)).await.unwrap();
        }
        cvm.answer("done", "yes").await.unwrap();

        disk.refuse(Some(Reason::Full));
        let error = cvm.answer("waits", "yes").await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), ("full", true), "{error}");
        assert!(cvm.start(&Start::new("p")).await.is_err());
        let execution = serde_json::to_value(cvm.show("waits").await.unwrap()).unwrap();
        assert_eq!(execution["status"], "waiting_cc", "it waits as before");

        // The release of the reserve makes space, but only for cancellations and deletions.
        let disk_clone = disk.clone();
        disk.run_before(&fs, "remove", "reserve", move || disk_clone.refuse(None));
        cvm.delete("done").await.unwrap();
        assert_eq!(cvm.show("done").await.unwrap_err().code.as_str(), "not_found");

        cvm.answer("waits", "yes").await.unwrap();
        let execution = serde_json::to_value(cvm.show("waits").await.unwrap()).unwrap();
        assert_eq!((&execution["status"], &execution["result"]), (&"complete".into(), &3.into()));
    });
}

/// A store on a full disk whose executions all wait is emptied.
#[test]
fn full_disk_allows_cancellations_and_deletions_of_what_waits() {
    let disk = Disk::new();
    let fs = disk.process();
    block_on(async {
        let store = FileStore::open_on(fs.clone(), FileStoreOptions::default()).await.unwrap();
        let engine = Engine::new(Arc::new(store), Arc::new(SimHost::default()), runstate::domain::ALL).await.unwrap();
        let cvm = Cvm::new(&engine);
        let bytecode = runstate::lang::compile("p.ts", PROGRAM).unwrap().bytecode;
        cvm.load(&Load::new("p", PROGRAM, bytecode)).await.unwrap();
        cvm.start(&Start::new("p").id("waits")).await.unwrap();
        disk.refuse(Some(Reason::Full));
        for error in [cvm.pause("waits").await.unwrap_err(), cvm.answer("waits", "yes").await.unwrap_err()] {
            assert_eq!(error.code.as_str(), "full");
        }
        let disk_clone = disk.clone();
        disk.run_before(&fs, "remove", "reserve", move || disk_clone.refuse(None));
        cvm.cancel("waits").await.unwrap();
        assert_eq!(cvm.show("waits").await.unwrap().status, Status::Cancelled);
        cvm.delete("waits").await.unwrap();
        assert_eq!(cvm.show("waits").await.unwrap_err().code.as_str(), "not_found");
        // A snapshot has freed the space of older commits, and the reserve is there for the next ones.
        assert_eq!((disk.names("snapshots").len(), disk.file("reserve").is_some()), (1, true));
        assert!(disk.file("commits/0000000000000001.json").is_none());
    });
}

#[test]
fn health_reports_a_disk_that_cannot_be_written() {
    let disk = Disk::new();
    block_on(async {
        let store = FileStore::open_on(disk.process(), FileStoreOptions::default()).await.unwrap();
        let engine = Engine::new(Arc::new(store), Arc::new(SimHost::default()), runstate::domain::ALL).await.unwrap();
        let files = disk.names("commits");
        for (reason, code) in [(Reason::Full, "full"), (Reason::Denied, "read_only"), (Reason::ReadOnly, "read_only")] {
            disk.refuse(Some(reason));
            let health = engine.health().await.expect("it cannot be written");
            assert_eq!(health.code.as_str(), code, "{health}");
            assert_eq!(engine.info().await.unwrap().health.map(|health| health.code.as_str()), Some(code));
        }
        disk.refuse(None);
        assert_eq!((engine.health().await, disk.names("commits")), (None, files));
    });
}

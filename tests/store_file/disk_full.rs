//! A full disk, as the owner of an execution experiences it.
#![cfg(feature = "compiler")]

use std::sync::Arc;

use runstate::domain::cvm::{Load, Start};
use runstate::engine::Engine;
use runstate::limits::Settings;
use runstate::store::file::fs::Reason;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::testing::fault::Disk;
use runstate::testing::{SimHost, block_on};

const PROGRAM: &str = "function main() { const seen = [1, 2, 3]; console.log(CC('continue?')); return seen.length; }";

#[test]
fn full_disk_allows_reads_and_deletions_and_resumes_with_space() {
    let disk = Disk::new();
    let fs = disk.process();
    block_on(async {
        let store = FileStore::open_on(fs.clone(), FileStoreOptions::default()).await.unwrap();
        let catalog = runstate::domain::catalog().unwrap();
        let host = Arc::new(SimHost::default());
        let engine = Engine::new(Arc::new(store), host, catalog, Settings::default()).await.unwrap();
        let cvm = engine.cvm();
        let bytecode = runstate::lang::compile("p.ts", PROGRAM).unwrap().bytecode;
        cvm.load(&Load::new("p", PROGRAM, bytecode), None).await.unwrap();
        for id in ["done", "waits"] {
            cvm.start(&Start::new("p").id(id), None).await.unwrap();
        }
        cvm.answer("done", None, "yes".into(), None, None).await.unwrap();

        disk.refuse(Some(Reason::Full));
        let refused = cvm.answer("waits", None, "yes".into(), None, None).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.retryable), ("full", true), "{refused}");
        assert!(cvm.start(&Start::new("p"), None).await.is_err());
        let shown = serde_json::to_value(cvm.show("waits").await.unwrap()).unwrap();
        assert_eq!(shown["status"], "waiting_cc", "it waits as before");

        // The release of the reserve makes space, but only for deletions.
        let again = disk.clone();
        disk.run_before(&fs, "remove", "reserve", move || again.refuse(None));
        cvm.delete("done", None).await.unwrap();
        assert_eq!(cvm.show("done").await.unwrap_err().code.as_str(), "not_found");

        cvm.answer("waits", None, "yes".into(), None, None).await.unwrap();
        let shown = serde_json::to_value(cvm.show("waits").await.unwrap()).unwrap();
        assert_eq!((&shown["status"], &shown["result"]), (&"complete".into(), &3.into()));
    });
}

//! `verify` of a store on MongoDB, on the replica set that `RUNSTATE_TEST_MONGODB` names: damage done through the
//! driver is found.

#[path = "../stores/verify/damage.rs"]
mod damage;

use std::sync::Arc;

use mongodb::bson::{Document, doc};
use runstate::domain::cvm::Settings;
use runstate::engine::{Engine, SystemHost};
use runstate::store::Store;
use runstate::store::mongodb::{Mongo, MongoOptions};

use crate::support::mongodb::{fresh_url, indexes, run_command, run_on_server};
use damage::{DOMAINS, engine, fill_store, verify_all_domains};

async fn open_store(url: &str) -> Arc<dyn Store> {
    Arc::new(Mongo::open(url, MongoOptions::default()).await.unwrap())
}

async fn finding_lines(url: &str) -> Vec<String> {
    let report = engine(open_store(url).await).await.verify(|_| {}).await.unwrap();
    report.findings.iter().map(|finding| format!("{}: {}", finding.at, finding.why)).collect()
}

/// The findings after the driver has changed one document of an undamaged store.
async fn findings_after(collection: &str, id: &str, change: Document) -> Vec<String> {
    let url = fresh_url();
    fill_store(open_store(&url).await).await;
    let update = doc! {"update": collection, "updates": [{"q": {"_id": id}, "u": change}]};
    assert_eq!(run_command(&url, update).await.get_i32("nModified").unwrap(), 1);
    finding_lines(&url).await
}

#[test]
fn a_whole_store_on_mongodb_has_no_findings() {
    run_on_server(async {
        let url = fresh_url();
        fill_store(open_store(&url).await).await;
        assert_eq!(verify_all_domains(open_store(&url).await).await.findings, []);
    });
}

#[test]
fn each_damage_is_found_on_mongodb() {
    run_on_server(damage::expect_each_damage_found(async || open_store(&fresh_url()).await));
}

#[test]
fn a_field_that_the_driver_changed_is_found() {
    run_on_server(async {
        let found = findings_after("cvm.executions", "done", doc! {"$set": {"programVersion": "one"}}).await;
        assert!(
            found.iter().any(|f| f.starts_with("cvm.executions/done") && f.contains("programVersion")),
            "{found:?}"
        );
    });
}

#[test]
fn a_revision_that_the_driver_changed_is_found_and_the_rest_is_read() {
    run_on_server(async {
        let found = findings_after("cvm.executions", "done", doc! {"$set": {"_rev": "x"}}).await;
        let of_done = found.iter().filter(|f| f.starts_with("cvm.executions/done"));
        assert_eq!(of_done.count(), found.len(), "{found:?}");
        assert!(!found.is_empty());
    });
}

#[test]
fn rows_that_the_driver_deleted_are_found() {
    run_on_server(async {
        let url = fresh_url();
        fill_store(open_store(&url).await).await;
        for collection in ["cvm.outputs", "cvm.heap_pages"] {
            let of_second = doc! {"q": {"executionId": "second"}, "limit": 0};
            let deleted = run_command(&url, doc! {"delete": collection, "deletes": [of_second]}).await;
            assert!(deleted.get_i32("n").unwrap() > 0, "{collection}: {deleted}");
        }
        run_command(&url, doc! {"delete": "cvm.executions", "deletes": [{"q": {"_id": "third"}, "limit": 1}]}).await;
        let found = finding_lines(&url).await;
        for words in ["output has 0 rows", "names cvm.executions/third, which does not exist", "is missing"] {
            assert!(found.iter().any(|finding| finding.contains(words)), "{words}: {found:?}");
        }
    });
}

#[test]
fn a_row_of_the_ledger_that_the_driver_changed_is_found() {
    run_on_server(async {
        let found = findings_after("runstate.commands", "start-done", doc! {"$unset": {"fingerprint": ""}}).await;
        assert_eq!(found, ["runstate.commands/start-done: fingerprint: is missing"]);
    });
}

#[test]
fn an_index_that_the_driver_dropped_is_found_and_not_created_again() {
    run_on_server(async {
        let url = fresh_url();
        fill_store(open_store(&url).await).await;
        let declared = indexes(&url, "cvm.outputs").await;
        run_command(&url, doc! {"dropIndexes": "cvm.outputs", "index": "*"}).await;
        let left = indexes(&url, "cvm.outputs").await;
        assert!(left.len() < declared.len(), "{declared:?}");
        let host = Arc::new(SystemHost);
        let engine = Engine::for_reading(open_store(&url).await, host, DOMAINS, Settings::default()).await.unwrap();
        let report = engine.verify(|_| {}).await.unwrap();
        assert!(report.is_intact());
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert!(report.findings[0].at.starts_with("cvm.outputs."), "{report:?}");
        assert_eq!(indexes(&url, "cvm.outputs").await, left);
    });
}

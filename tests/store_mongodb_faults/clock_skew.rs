//! Processes with wrong clocks. The fencing token decides about a claim, not the clock, and ledger rows expire by the server's clock.

use std::sync::Arc;

use mongodb::bson::{DateTime, Document, doc};
use runstate::domain::cvm::{Start, Status};
use runstate::engine::{Cvm, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::store::Store;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::testing::SimHost;
use runstate::time::{Millis, Timestamp};

use super::load::{batch, catalog, command_id};
use super::server::{Servers, fresh_database, program, wait_until};
use super::workers::{load_program, open_process};

const LEASE: Millis = Millis::minutes(1);

/// A process whose clock is right, and one whose clock is ahead by an hour.
async fn open_two(url: &str) -> [Cvm; 2] {
    let hosts = [SimHost::default(), SimHost::default()];
    hosts[1].clock.advance(Millis::minutes(60));
    let [right, ahead] = hosts.map(Arc::new);
    [open_process(url, right).await, open_process(url, ahead).await]
}

#[tokio::test]
async fn clock_skew_may_cost_a_claim_but_never_an_answer() {
    let Some(program) = program("store_mongodb_faults::skew::clocks_that_are_apart") else { return };
    let servers = Servers::replica_set(program, 1).await;
    let [right, ahead] = open_two(&servers.direct_url(0, &fresh_database("skew"))).await;
    load_program(&right, "program", r#"console.log(CC("who?")); sleep(1000); console.log("woke")"#).await;
    let kinds = ["cc".to_owned()];
    for (n, starts) in [&right, &ahead].into_iter().enumerate() {
        let run = format!("run-{n}");
        starts.start(&Start::new("program").id(&run), None).await.unwrap();
        // By the clock that is ahead, the lease of the other process has long expired.
        let first = right.claim(&kinds, "right", LEASE).await.unwrap();
        let second = ahead.claim(&kinds, "ahead", LEASE).await.unwrap().unwrap();
        assert_eq!(second.claimed.execution, run);
        if let Some(first) = &first {
            assert!(second.claimed.token > first.claimed.token);
            let late = right.complete(&first.claimed, "right".into(), None, None).await.unwrap_err();
            assert_eq!(late.code, ErrorCode::StaleClaim);
        }
        // By the clock that is right, the lease of the other process is far from expired.
        assert!(right.claim(&kinds, "right", LEASE).await.unwrap().is_none());
        ahead.complete(&second.claimed, "ahead".into(), None, None).await.unwrap();
        assert!(right.claim(&kinds, "right", LEASE).await.unwrap().is_none());
        assert!(ahead.claim(&kinds, "ahead", LEASE).await.unwrap().is_none());
        assert_eq!(right.output(&run).await.unwrap(), ["ahead"]);
    }
    // A sleep that began by the clock that is ahead ends by the first clock that reaches its end, and once.
    for cvm in [&ahead, &right, &ahead] {
        cvm.run_due(100, RunLimit::Stop).await.unwrap();
    }
    for run in ["run-0", "run-1"] {
        let output = ahead.output(run).await.unwrap();
        assert!(output == ["ahead"] || output == ["ahead", "woke"], "{output:?}");
        assert_eq!(right.output(run).await.unwrap(), output);
    }
    let status = ahead.status("run-0").await.unwrap().reached.status;
    assert!(matches!(status, Status::Complete | Status::WaitingCc), "{status:?}");
}

#[tokio::test]
async fn command_of_a_host_with_clock_zero_stays_in_the_ledger() {
    let Some(program) = program("store_mongodb_faults::skew::a_command_of_a_host") else { return };
    let servers = Servers::replica_set(program, 1).await;
    let name = fresh_database("nought");
    let url = servers.direct_url(0, &name);
    let [prepares, store] = [Mongo::open(&url, MongoOptions::default()), Mongo::open(&url, MongoOptions::default())];
    let (prepares, store) = (prepares.await.unwrap(), store.await.unwrap());
    prepares.migrate(&catalog()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let at_nought = || {
        let mut batch = batch(command_id(1, 1), Vec::new());
        batch.at = Timestamp::from_millis(0);
        batch
    };
    assert!(!store.commit(at_nought()).await.unwrap().replayed);
    // The TTL monitor deletes expired documents once a second.
    let others = servers.client(0).database(&name).collection::<Document>("others");
    let expires =
        doc! { "createIndexes": "others", "indexes": [{ "name": "at", "key": { "at": 1 }, "expireAfterSeconds": 1 }] };
    servers.command(0, &name, expires).await.unwrap();
    let sweeps = doc! { "setParameter": 1, "ttlMonitorEnabled": true };
    servers.command(0, "admin", sweeps).await.unwrap();
    for _ in 0..2 {
        others.insert_one(doc! { "at": DateTime::from_millis(0) }).await.unwrap();
        wait_until("it is gone", async || (others.count_documents(doc! {}).await.unwrap() == 0).then_some(())).await;
    }
    assert!(store.commit(at_nought()).await.unwrap().replayed);
}

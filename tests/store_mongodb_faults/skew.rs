//! Processes whose clocks are wrong: who claims what is decided by tokens and not by clocks, and the ledger forgets by the server's.

use std::sync::Arc;

use mongodb::bson::{DateTime, Document, doc};
use runstate::code::Code;
use runstate::domain::cvm::{Start, Status};
use runstate::engine::{Cvm, Pace};
use runstate::store::Store;
use runstate::store::mongodb::{Mongo, Options};
use runstate::testing::SimHost;
use runstate::time::{Millis, Timestamp};

use super::load::{batch, catalog, command};
use super::server::{Servers, database, program, until};
use super::workers::{load, process};

const LEASE: Millis = Millis::minutes(1);

/// One whose clock is right, and one whose clock is ahead by an hour.
async fn two(url: &str) -> [Cvm; 2] {
    let hosts = [SimHost::default(), SimHost::default()];
    hosts[1].clock.advance(Millis::minutes(60));
    let [right, ahead] = hosts.map(Arc::new);
    [process(url, right).await, process(url, ahead).await]
}

#[tokio::test]
async fn clocks_that_are_apart_cost_a_claim_and_never_an_answer() {
    let Some(program) = program("store_mongodb_faults::skew::clocks_that_are_apart") else { return };
    let servers = Servers::set(program, 1).await;
    let [right, ahead] = two(&servers.direct(0, &database("skew"))).await;
    load(&right, "program", r#"console.log(CC("who?")); sleep(1000); console.log("woke")"#).await;
    let kinds = ["cc".to_owned()];
    for (n, starts) in [&right, &ahead].into_iter().enumerate() {
        let run = format!("run-{n}");
        starts.start(&Start::of("program").id(&run), None).await.unwrap();
        // What the one claims has long ended by the other's clock.
        let first = right.claim(&kinds, "right", LEASE).await.unwrap();
        let second = ahead.claim(&kinds, "ahead", LEASE).await.unwrap().unwrap();
        assert_eq!(second.claimed.execution, run);
        if let Some(first) = &first {
            assert!(second.claimed.token > first.claimed.token);
            let late = right.complete(&first.claimed, "right".into(), None, None).await.unwrap_err();
            assert_eq!(late.code, Code::StaleClaim);
        }
        // Of the other one's lease it is far too early to take over.
        assert!(right.claim(&kinds, "right", LEASE).await.unwrap().is_none());
        ahead.complete(&second.claimed, "ahead".into(), None, None).await.unwrap();
        assert!(right.claim(&kinds, "right", LEASE).await.unwrap().is_none());
        assert!(ahead.claim(&kinds, "ahead", LEASE).await.unwrap().is_none());
        assert_eq!(right.output(&run).await.unwrap(), ["ahead"]);
    }
    // A sleep that began by the clock that is ahead ends by whatever clock is there first, and once.
    for cvm in [&ahead, &right, &ahead] {
        cvm.run_due(100, Pace::Stop).await.unwrap();
    }
    for run in ["run-0", "run-1"] {
        let output = ahead.output(run).await.unwrap();
        assert!(output == ["ahead"] || output == ["ahead", "woke"], "{output:?}");
        assert_eq!(right.output(run).await.unwrap(), output);
    }
    let status = ahead.stands("run-0").await.unwrap().reached.status;
    assert!(matches!(status, Status::Complete | Status::WaitingCc), "{status:?}");
}

#[tokio::test]
async fn a_command_of_a_host_whose_clock_stands_at_nought_is_remembered() {
    let Some(program) = program("store_mongodb_faults::skew::a_command_of_a_host") else { return };
    let servers = Servers::set(program, 1).await;
    let name = database("nought");
    let url = servers.direct(0, &name);
    let [prepares, store] = [Mongo::open(&url, Options::default()), Mongo::open(&url, Options::default())];
    let (prepares, store) = (prepares.await.unwrap(), store.await.unwrap());
    prepares.migrate(&catalog()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let at_nought = || {
        let mut batch = batch(command(1, 1), Vec::new());
        batch.at = Timestamp::from_millis(0);
        batch
    };
    assert!(!store.commit(at_nought()).await.unwrap().replayed);
    // What is expired goes, once a second.
    let others = servers.client(0).database(&name).collection::<Document>("others");
    let expires =
        doc! { "createIndexes": "others", "indexes": [{ "name": "at", "key": { "at": 1 }, "expireAfterSeconds": 1 }] };
    servers.command(0, &name, expires).await.unwrap();
    let sweeps = doc! { "setParameter": 1, "ttlMonitorEnabled": true };
    servers.command(0, "admin", sweeps).await.unwrap();
    for _ in 0..2 {
        others.insert_one(doc! { "at": DateTime::from_millis(0) }).await.unwrap();
        until("it is gone", async || (others.count_documents(doc! {}).await.unwrap() == 0).then_some(())).await;
    }
    assert!(store.commit(at_nought()).await.unwrap().replayed);
}

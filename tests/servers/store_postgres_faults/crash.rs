//! Clients that are killed with -9 in commits, and a server that crashes and restarts under load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clients::{
    Clients, expect_register_linearizable, expect_set_linearizable, open_two, run_register_client, run_set_client,
};
use super::killed_client::{KilledClient, run_as_worker};
use super::load::{self, CountingLoad, Readers, check};
use super::server::PostgresNode;
use super::{SeededRandom, is_full_run};
use crate::support::wait::{MAX_WAIT, wait_until};

const TEST: &str = "store_postgres_faults::crash::clients_killed_in_turn_lose_and_double_nothing";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_killed_in_turn_lose_and_double_nothing() {
    if run_as_worker().await {
        return;
    }
    let kills = if is_full_run() { 60 } else { 12 };
    let Some(node) = PostgresNode::start_new().await else { return };
    let url = node.url(&node.create_database("crash").await);
    let store = load::open(&url).await;
    let mut random = SeededRandom::seeded();
    // Two clients share a counter.
    let mut workers: Vec<KilledClient> = (0..4).map(|by| KilledClient::start(TEST, &url, by, 0)).collect();
    for _ in 0..kills {
        // The client to be killed has made progress by then.
        let latest = Instant::now() + MAX_WAIT;
        let from = workers[0].next;
        while workers[0].next == from {
            assert!(Instant::now() < latest, "client {} makes no progress", workers[0].by);
            workers.iter_mut().for_each(KilledClient::receive_acknowledged);
            std::thread::sleep(Duration::from_micros(500));
        }
        std::thread::sleep(Duration::from_micros(random.below(20_000)));
        let (by, next, _) = workers.remove(0).kill();
        workers.push(KilledClient::start(TEST, &url, by, next));
    }
    let results: Vec<(u64, u64, Duration)> = workers.into_iter().map(KilledClient::kill).collect();
    let acknowledged: BTreeMap<u64, u64> = results.iter().map(|(by, next, _)| (*by, *next)).collect();
    println!("{kills} clients killed; acknowledged {acknowledged:?}");
    assert!(acknowledged.values().all(|next| *next > 0), "every client made progress: {acknowledged:?}");
    // The server ends the transactions of the last clients, so that the documents no longer change.
    wait_until("no transaction is open", async || {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.ok()?;
        tokio::spawn(connection);
        let open = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()";
        client.query(open, &[]).await.ok()?.is_empty().then_some(())
    })
    .await;
    check(&store, &acknowledged, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_crashes_under_load_lose_and_double_nothing() {
    let (kills, commands) = if is_full_run() { (4, 300) } else { (2, 100) };
    let Some(mut node) = PostgresNode::start_new().await else { return };
    let url = node.url(&node.create_database("restart").await);
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let readers = Readers::start(&stores).await;
    let load = CountingLoad::start(&stores[0], 8);
    for _ in 0..kills {
        load.advance(commands).await;
        node.kill();
        node.start().await;
        load.advance(1).await;
    }
    load.advance(100).await;
    let report = load.stop().await;
    println!("{kills} crashes; one command took at most {:.1?}; {:?}", report.longest, report.error_counts);
    readers.stop(&report.rows).await;
    check(&*stores[0], &report.rows, 0).await;
    // A client that opens the store now finds the same.
    check(&load::open(&url).await, &report.rows, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_are_linearizable_while_the_server_crashes() {
    let Some(mut node) = PostgresNode::start_new().await else { return };
    let mut random = SeededRandom::seeded();
    for round in 0..if is_full_run() { 4 } else { 1 } {
        let url = node.url(&node.create_database(&format!("linear{round}")).await);
        let registers = Clients::start(&open_two([url.clone(), url]).await, &mut random, run_register_client);
        registers.advance(50 + random.below(100)).await;
        node.kill();
        node.start().await;
        registers.advance(50).await;
        expect_register_linearizable(&registers.stop().await);
        // Commands are numbered anew.
        let url = node.url(&node.create_database(&format!("sets{round}")).await);
        let sets = Clients::start(&open_two([url.clone(), url]).await, &mut random, run_set_client);
        sets.advance(50 + random.below(100)).await;
        node.kill();
        node.start().await;
        sets.advance(50).await;
        expect_set_linearizable(&sets.stop().await);
    }
}

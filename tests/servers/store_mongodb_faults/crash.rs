//! Clients in processes of their own that are killed with -9 at any moment. The process is the test's own program: an
//! environment variable makes it a client. In failovers the primary of three nodes is killed, paused or steps down
//! while commands are committed, documents are read and feeds are followed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::bson::doc;

use super::killed_client::{KilledClient, run_as_worker};
use super::load::{CountingLoad, Readers, check};
use super::server::Servers;
use super::{SeededRandom, is_full_run, load};
use crate::support::wait::{MAX_WAIT, fresh_database};

const TEST: &str = "store_mongodb_faults::crash::clients_killed_in_turn_lose_and_double_nothing";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_killed_in_turn_lose_and_double_nothing() {
    if run_as_worker().await {
        return;
    }
    let kills = if is_full_run() { 40 } else { 8 };
    let Some(servers) = Servers::replica_set(1).await else { return };
    // A transaction of a dead client blocks all others until the server aborts it, by default after a minute.
    let lifetime = doc! { "setParameter": 1, "transactionLifetimeLimitSeconds": 1 };
    servers.command(0, "admin", lifetime).await.unwrap();
    let url = servers.direct_url(0, &fresh_database("crash"));
    let store = load::open(&url).await;
    let mut random = SeededRandom::seeded();
    // Two clients share a counter.
    let mut workers: Vec<KilledClient> = (0..4).map(|by| KilledClient::start(TEST, &url, by, 0)).collect();
    let mut longest = Duration::ZERO;
    for _ in 0..kills {
        // The client to be killed has made progress by then.
        let latest = Instant::now() + MAX_WAIT;
        let from = workers[0].next;
        while workers[0].next == from {
            assert!(Instant::now() < latest, "client {} makes no progress", workers[0].by);
            workers.iter_mut().for_each(KilledClient::receive_acknowledged);
            std::thread::sleep(Duration::from_micros(500));
        }
        std::thread::sleep(Duration::from_micros(random.below(50_000)));
        let (by, next, pause) = workers.remove(0).kill();
        longest = longest.max(pause);
        workers.push(KilledClient::start(TEST, &url, by, next));
    }
    let results: Vec<(u64, u64, Duration)> = workers.into_iter().map(KilledClient::kill).collect();
    let acknowledged: BTreeMap<u64, u64> = results.iter().map(|(by, next, _)| (*by, *next)).collect();
    println!("{kills} clients killed; acknowledged {acknowledged:?}; a client waited at most {longest:.1?}");
    assert!(acknowledged.values().all(|next| *next > 0), "every client made progress: {acknowledged:?}");
    // The server aborts the transactions of the last clients, so that the documents no longer change.
    servers.wait_until_no_transaction(0).await;
    check(&store, &acknowledged, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primaries_killed_and_stepped_down_under_load_lose_and_double_nothing() {
    let (kills, commands) = if is_full_run() { (2, 100) } else { (1, 50) };
    let Some(mut servers) = Servers::replica_set(3).await else { return };
    let url = servers.url(&fresh_database("failover"));
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let readers = Readers::start(&stores).await;
    let load = CountingLoad::start(&stores[0], 8);
    let mut stalls = Vec::new();
    for _ in 0..kills {
        load.advance(commands).await;
        let primary = servers.primary().await;
        servers.kill(primary);
        stalls.push(load.advance(1).await);
        load.advance(commands.min(100)).await;
        servers.start(primary);
        servers.wait_until_caught_up(primary).await;
    }
    // A primary that steps down answers its open requests, and continues as a secondary.
    for _ in 0..kills {
        load.advance(commands).await;
        servers.step_down().await;
        stalls.push(load.advance(1).await);
    }
    load.advance(commands.min(100)).await;
    let report = load.stop().await;
    let longest = stalls.iter().max().unwrap();
    println!(
        "{kills} primaries killed, {kills} stepped down: nothing was acknowledged for {stalls:.1?}, longest {longest:.1?}"
    );
    println!(
        "one command took at most {:.1?}; {} rows; {:?}",
        report.longest,
        report.rows.values().sum::<u64>(),
        report.error_counts
    );
    readers.stop(&report.rows).await;
    check(&*stores[0], &report.rows, 0).await;
    // A client that opens the store now finds the same.
    check(&load::open(&url).await, &report.rows, 0).await;
}

/// The set takes some ten seconds until it confirms writes again, since its other members still wait for the paused
/// one. Reads continue earlier.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_and_resumed_primary_serves_no_stale_data() {
    let Some(servers) = Servers::replica_set(3).await else { return };
    // The connect timeout determines how soon a connection to the paused node is given up.
    let url = format!("{}&connectTimeoutMS=2000", servers.url(&fresh_database("paused")));
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let readers = Readers::start(&stores).await;
    let load = CountingLoad::start(&stores[0], 8);
    load.advance(50).await;
    let primary = servers.primary().await;
    servers.pause(primary);
    if is_full_run() {
        println!("a primary was paused: nothing was acknowledged for {:.1?}", load.advance(1).await);
        load.advance(100).await;
    } else {
        servers.primary_other_than(primary).await;
    }
    servers.resume(primary);
    servers.wait_until_caught_up(primary).await;
    load.advance(100).await;
    let report = load.stop().await;
    println!("one command took at most {:.1?}; {:?}", report.longest, report.error_counts);
    readers.stop(&report.rows).await;
    check(&*stores[0], &report.rows, 0).await;
}

//! A set of three nodes whose primary is killed repeatedly, or steps down, while commands are committed, documents are read and changes are
//! followed.

use std::sync::Arc;

use super::is_full_run;
use super::load::{self, CountingLoad, check};
use super::readers::Readers;
use super::server::{Servers, fresh_database, program};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primaries_killed_and_stepped_down_under_load_lose_and_double_nothing() {
    let Some(program) = program("store_mongodb_faults::failover::primaries_killed") else { return };
    let (kills, many) = if is_full_run() { (10, 300) } else { (1, 100) };
    let mut servers = Servers::replica_set(program, 3).await;
    let url = servers.url(&fresh_database("failover"));
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let readers = Readers::start(&stores).await;
    let load = CountingLoad::start(&stores[0], 8);
    let mut stalls = Vec::new();
    for _ in 0..kills {
        load.advance(many).await;
        let primary = servers.primary().await;
        servers.kill(primary);
        stalls.push(load.advance(1).await);
        load.advance(100).await;
        servers.start(primary);
        servers.wait_until_caught_up(primary).await;
    }
    // A primary that steps down answers its open requests, and continues as a secondary.
    for _ in 0..kills {
        load.advance(many).await;
        servers.step_down().await;
        stalls.push(load.advance(1).await);
    }
    load.advance(100).await;
    let ended = load.stop().await;
    let longest = stalls.iter().max().unwrap();
    println!(
        "{kills} primaries killed, {kills} stepped down: nothing was acknowledged for {stalls:.1?}, longest {longest:.1?}"
    );
    println!(
        "one command took at most {:.1?}; {} rows; {:?}",
        ended.longest,
        ended.rows.values().sum::<u64>(),
        ended.error_counts
    );
    readers.stop(&ended.rows).await;
    check(&*stores[0], &ended.rows, 0).await;
    // A client that opens the store now finds the same.
    check(&load::open(&url).await, &ended.rows, 0).await;
}

/// The set takes some ten seconds until it confirms writes again, since its other members still wait for the silent one. Reads continue
/// earlier.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_and_resumed_primary_serves_no_stale_data() {
    let Some(program) = program("store_mongodb_faults::failover::a_primary_that_falls_silent") else { return };
    let servers = Servers::replica_set(program, 3).await;
    // The connect timeout determines how soon a connection to the silent node is given up.
    let url = format!("{}&connectTimeoutMS=2000", servers.url(&fresh_database("silent")));
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let readers = Readers::start(&stores).await;
    let load = CountingLoad::start(&stores[0], 8);
    load.advance(50).await;
    let primary = servers.primary().await;
    servers.pause(primary);
    if is_full_run() {
        println!("a primary fell silent: nothing was acknowledged for {:.1?}", load.advance(1).await);
        load.advance(100).await;
    } else {
        servers.primary_other_than(primary).await;
    }
    servers.resume(primary);
    servers.wait_until_caught_up(primary).await;
    load.advance(100).await;
    let ended = load.stop().await;
    println!("one command took at most {:.1?}; {:?}", ended.longest, ended.error_counts);
    readers.stop(&ended.rows).await;
    check(&*stores[0], &ended.rows, 0).await;
}

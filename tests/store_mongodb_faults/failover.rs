//! A set of three nodes whose primary is killed again and again, or gives way, while commands are committed, documents read and changes followed.

use std::sync::Arc;

use super::full;
use super::load::{self, Load, check};
use super::readers::Readers;
use super::server::{Servers, database, program};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primaries_killed_and_stepped_down_under_load_lose_and_double_nothing() {
    let Some(program) = program("store_mongodb_faults::failover::primaries_killed") else { return };
    let (kills, many) = if full() { (10, 300) } else { (1, 100) };
    let mut servers = Servers::set(program, 3).await;
    let url = servers.url(&database("failover"));
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let readers = Readers::start(&stores).await;
    let load = Load::start(&stores[0], 8);
    let mut stalls = Vec::new();
    for _ in 0..kills {
        load.advance(many).await;
        let primary = servers.primary().await;
        servers.kill(primary);
        stalls.push(load.advance(1).await);
        load.advance(100).await;
        servers.start(primary);
        servers.caught_up(primary).await;
    }
    // One that gives way answers what it was asked, and goes on as another's follower.
    for _ in 0..kills {
        load.advance(many).await;
        servers.step_down().await;
        stalls.push(load.advance(1).await);
    }
    load.advance(100).await;
    let ended = load.stop().await;
    let longest = stalls.iter().max().unwrap();
    println!(
        "{kills} primaries killed, {kills} gave way: nothing was acknowledged for {stalls:.1?}, longest {longest:.1?}"
    );
    println!(
        "one command took at most {:.1?}; {} rows; {:?}",
        ended.longest,
        ended.rows.values().sum::<u64>(),
        ended.troubles
    );
    readers.stop(&ended.rows).await;
    check(&*stores[0], &ended.rows, 0).await;
    // Who comes from elsewhere finds the same.
    check(&load::open(&url).await, &ended.rows, 0).await;
}

/// The set itself takes some ten seconds until it confirms writes again: its other members still ask the silent one. Reading goes on before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_falls_silent_and_comes_back_tells_nothing_that_is_not_so() {
    let Some(program) = program("store_mongodb_faults::failover::a_primary_that_falls_silent") else { return };
    let servers = Servers::set(program, 3).await;
    // How soon a connection to it is given up follows from how long one may take to be made.
    let url = format!("{}&connectTimeoutMS=2000", servers.url(&database("silent")));
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let readers = Readers::start(&stores).await;
    let load = Load::start(&stores[0], 8);
    load.advance(50).await;
    let primary = servers.primary().await;
    servers.pause(primary);
    if full() {
        println!("a primary fell silent: nothing was acknowledged for {:.1?}", load.advance(1).await);
        load.advance(100).await;
    } else {
        servers.primary_besides(primary).await;
    }
    servers.resume(primary);
    servers.caught_up(primary).await;
    load.advance(100).await;
    let ended = load.stop().await;
    println!("one command took at most {:.1?}; {:?}", ended.longest, ended.troubles);
    readers.stop(&ended.rows).await;
    check(&*stores[0], &ended.rows, 0).await;
}

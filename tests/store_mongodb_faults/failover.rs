//! A set of three nodes whose primary is killed again and again while commands are committed and changes are followed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runstate::store::mongodb::Mongo;
use runstate::store::{Position, Store};
use runstate::time::Millis;

use super::full;
use super::load::{self, Load, ROWS, check};
use super::server::{Servers, database, program};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_under_load_costs_seconds_and_nothing_else() {
    let Some(program) = program("store_mongodb_faults::failover::a_primary_that_is_killed") else { return };
    let kills = if full() { 10 } else { 3 };
    let mut servers = Servers::set(program, 3).await;
    let name = database("failover");
    let store = Arc::new(load::open(&servers.url(&name)).await);
    let from = store.changes(None, 1, Millis(0)).await.unwrap().next;
    let stop = Arc::new(AtomicBool::new(false));
    let follower = tokio::spawn(follow(store.clone(), from, stop.clone()));
    let load = Load::start(&store, 8);
    let mut stalls = Vec::new();
    for _ in 0..kills {
        load.advance(300).await;
        let primary = servers.primary().await;
        servers.kill(primary);
        stalls.push(load.advance(1).await);
        load.advance(100).await;
        servers.start(primary);
        servers.caught_up(primary).await;
    }
    load.advance(100).await;
    let ended = load.stop().await;
    let longest = stalls.iter().max().unwrap();
    println!("{kills} primaries killed: nothing was acknowledged for {stalls:.1?}, longest {longest:.1?}");
    println!(
        "one command took at most {:.1?}; {} rows; {:?}",
        ended.longest,
        ended.rows.values().sum::<u64>(),
        ended.troubles
    );
    check(&*store, &ended.rows, 0).await;
    // Who comes from elsewhere finds the same.
    check(&load::open(&servers.url(&name)).await, &ended.rows, 0).await;
    stop.store(true, Ordering::Relaxed);
    let seen = follower.await.unwrap();
    for (by, rows) in &ended.rows {
        let of: Vec<u64> = seen.iter().filter(|(of, _)| of == by).map(|(_, n)| *n).collect();
        assert_eq!(of, (0..*rows).collect::<Vec<_>>(), "the changes of {by}, in order");
    }
    assert!(*longest < Duration::from_secs(30), "{longest:?}");
}

/// Follows the changes until it is told that nothing comes any more; the rows in the order in which each was told first.
async fn follow(store: Arc<Mongo>, mut from: Position, stop: Arc<AtomicBool>) -> Vec<(u64, u64)> {
    let (mut seen, mut told) = (Vec::new(), BTreeSet::new());
    loop {
        let last = stop.load(Ordering::Relaxed);
        let changes = match store.changes(Some(from.clone()), 500, Millis(500)).await {
            Ok(changes) => changes,
            Err(error) => {
                assert!(error.retryable(), "{error}");
                continue;
            }
        };
        if last && changes.events.is_empty() {
            return seen;
        }
        for event in changes.events.iter().filter(|event| &*event.key.collection == ROWS.name) {
            let (by, n) = event.key.id.split_once('-').unwrap();
            assert_eq!(&*event.key.id, event.command.as_str(), "each row is told with its command");
            let row = (by.parse().unwrap(), n.parse().unwrap());
            if told.insert(row) {
                seen.push(row);
            }
        }
        from = changes.next;
    }
}

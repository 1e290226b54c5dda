//! A primary that is killed under load, and its synchronous standby, which takes its place.

use std::sync::Arc;

use runstate::schema::{Accumulator, Aggregate, Filter, Key, Query};
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Freshness, Outcome, Position, Store, StoreError};
use runstate::time::Millis;

use super::clients::{Clients, expect_register_linearizable, open_two, run_register_client};
use super::load::{self, CountingLoad, Readers, check};
use super::server::PostgresNode;
use super::{SeededRandom, is_full_run};
use crate::support::proxy::Proxy;
use crate::support::wait::wait_until;

/// The URL of a database on both servers.
fn url_of(nodes: [&PostgresNode; 2], database: &str) -> String {
    let [a, b] = nodes.map(|node| node.port);
    format!("postgres://runstate@127.0.0.1:{a},127.0.0.1:{b}/{database}?connect_timeout=1")
}

/// The results of reads of each kind: how many commands of the load they see.
async fn read_in_all_ways(store: &Postgres, from: &Position) -> Vec<Result<usize, StoreError>> {
    let counter = Key::new(&load::COUNTERS, "all");
    let keys = [counter.clone(), Key::new(&load::ROWS, "1-1")];
    let get = async |keys: &[Key]| {
        let found = store.get(keys, Freshness::Linearizable).await?;
        Ok(found[0].as_ref().map_or(0, |row| row.document["n"].as_u64().unwrap() as usize))
    };
    let query = async |query: Query| Ok(store.query(&query, Freshness::Linearizable).await?.items.len());
    let rows = Query::of(&load::ROWS);
    let count = Aggregate {
        collection: load::ROWS.name.into(),
        filter: Filter::All,
        group_by: Vec::new(),
        accumulators: vec![("count".into(), Accumulator::Count)],
    };
    let aggregate = async { Ok(store.aggregate(&count).await?[0]["count"].as_u64().unwrap() as usize) };
    let changes = async { Ok(store.changes(Some(from.clone()), 100, Millis(0)).await?.events.len() / 2) };
    let all = tokio::join!(
        get(&keys[..1]),
        get(&keys),
        query(rows.clone().limit(10)),
        query(rows.clone()),
        aggregate,
        changes
    );
    vec![all.0, all.1, all.2, all.3, all.4, all.5]
}

/// Expects that a store behind a proxy does not read from a standby that is late, and reads again from the primary.
pub async fn expect_no_late_read(
    store: &Postgres,
    [primary, standby]: [&PostgresNode; 2],
    proxy: &Proxy,
    database: &str,
) {
    let direct = load::open(&primary.url(database)).await;
    let from = direct.changes(None, 1, Millis(0)).await.unwrap().next;
    load::count(&direct, 1, 0, "all").await;
    wait_until("the standby has the row", async || {
        let client = standby.connect_to(database).await;
        client.query("SELECT 1 FROM test.rows", &[]).await.unwrap().first().map(drop)
    })
    .await;
    assert_eq!(read_in_all_ways(store, &from).await, [const { Ok(1) }; 6]);
    standby.pause_replay().await;
    load::count(&direct, 1, 1, "all").await;
    proxy.switch_to(standby.port);
    for found in read_in_all_ways(store, &from).await {
        assert!(found.as_ref().is_err_and(StoreError::is_retryable), "{found:?}");
    }
    proxy.switch_to(primary.port);
    wait_until("all reads are served again", async || {
        let found = read_in_all_ways(store, &from).await;
        // An attempt may meet a connection that the switch has closed.
        let is_expected =
            |one: &Result<usize, StoreError>| one.as_ref().map_or_else(StoreError::is_retryable, |n| *n == 2);
        assert!(found.iter().all(is_expected), "{found:?}");
        found.iter().all(Result::is_ok).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failovers_to_a_synchronous_standby_lose_and_double_nothing() {
    let (rounds, commands) = if is_full_run() { (3, 300) } else { (1, 100) };
    let Some(mut primary) = PostgresNode::start_new().await else { return };
    for round in 0..rounds {
        let standby = primary.start_standby().await;
        let name = primary.create_database(&format!("failover{round}")).await;
        let url = url_of([&primary, &standby], &name);
        let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
        let readers = Readers::start(&stores).await;
        let load = CountingLoad::start(&stores[0], 8);
        load.advance(commands).await;
        primary.kill();
        standby.promote().await;
        load.advance(commands).await;
        let report = load.stop().await;
        println!("round {round}: one command took at most {:.1?}; {:?}", report.longest, report.error_counts);
        readers.stop(&report.rows).await;
        check(&*stores[0], &report.rows, 0).await;
        primary = standby;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_linearizable_across_a_failover() {
    let Some(mut primary) = PostgresNode::start_new().await else { return };
    let mut random = SeededRandom::seeded();
    for round in 0..if is_full_run() { 3 } else { 1 } {
        let standby = primary.start_standby().await;
        let url = url_of([&primary, &standby], &primary.create_database(&format!("linear{round}")).await);
        let registers = Clients::start(&open_two([url.clone(), url]).await, &mut random, run_register_client);
        registers.advance(50 + random.below(100)).await;
        primary.kill();
        standby.promote().await;
        registers.advance(50).await;
        expect_register_linearizable(&registers.stop().await);
        primary = standby;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standby_as_the_only_host_is_read_only() {
    let Some(primary) = PostgresNode::start_new().await else { return };
    let standby = primary.start_standby().await;
    let name = primary.create_database("standby").await;
    load::open(&primary.url(&name)).await;
    wait_until("the standby has the database", async || {
        tokio_postgres::connect(&standby.url(&name), tokio_postgres::NoTls).await.ok().map(drop)
    })
    .await;
    let refused = Postgres::open(&standby.url(&name), PostgresOptions::default()).await.err().unwrap();
    assert!(
        matches!(&refused, StoreError::ReadOnly { why } if why.contains("use the URL of the primary")),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeat_of_a_commit_waits_for_the_standby_that_lacks_it() {
    let Some(mut primary) = PostgresNode::start_new().await else { return };
    let mut standby = primary.start_standby().await;
    let name = primary.create_database("repeat").await;
    let store = load::open(&format!("{}?callTimeoutMS=2000&connect_timeout=1", primary.url(&name))).await;
    load::count(&store, 1, 0, "all").await;
    let batch = load::decide_count(&store, 1, 1, "all").await.unwrap();
    standby.kill();
    let waiting = store.commit(batch.clone()).await.unwrap_err();
    assert_eq!(waiting.code().as_str(), "unknown_outcome", "{waiting}");
    // Its commit becomes visible.
    primary.kill();
    primary.start().await;
    let recorded = "SELECT 1 FROM runstate.commands WHERE _id = $1";
    let recorded = primary.connect_to(&name).await.query(recorded, &[&batch.command.as_str()]).await.unwrap();
    assert_eq!(recorded.len(), 1);
    let unknown = store.outcome(&batch.command).await;
    assert!(unknown.is_err(), "{unknown:?}");
    let unknown = store.commit(batch.clone()).await.unwrap_err();
    assert_eq!(unknown.code().as_str(), "unknown_outcome", "{unknown}");
    standby.start().await;
    primary.wait_for_standby().await;
    assert!(matches!(store.outcome(&batch.command).await, Ok(Outcome::Committed { .. })));
    assert!(store.commit(batch.clone()).await.unwrap().replayed);
    primary.kill();
    standby.promote().await;
    let promoted = load::open(&standby.url(&name)).await;
    assert!(promoted.commit(batch).await.unwrap().replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_name_that_leads_to_a_standby_serves_no_late_read() {
    let Some(primary) = PostgresNode::start_new().await else { return };
    let standby = primary.start_standby().await;
    let name = primary.create_database("names").await;
    let proxy = Proxy::start(primary.port);
    load::open(&primary.url(&name)).await;
    let store = load::open(&format!("{}?callTimeoutMS=1500", primary.url_via(proxy.port, &name))).await;
    expect_no_late_read(&store, [&primary, &standby], &proxy, &name).await;
}

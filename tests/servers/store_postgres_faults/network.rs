//! Connections that are cut or hold replies back, and a server that dies during a commit.

use std::sync::Arc;
use std::time::Duration;

use runstate::error_code::ErrorCode;
use runstate::store::postgres::PostgresOptions;
use runstate::store::{Outcome, Store, StoreError};

use super::load::{self, CountingLoad, check};
use super::server::PostgresNode;
use super::{SeededRandom, TestedStore, is_full_run};
use crate::support::ledger::{begin_with_ledger_row, find_waiting_session};
use crate::support::proxy::{Proxy, WatchAction};
use crate::support::wait::wait_until;

/// A store behind a proxy. `timeout_ms` is the time limit of a call.
async fn open_behind(node: &PostgresNode, proxy: &Proxy, timeout_ms: u64) -> Arc<TestedStore> {
    let name = node.create_database("network").await;
    // The database is prepared first, so that opening the store stays below the time limit of a call.
    load::open(&node.url(&name)).await;
    let url = format!("{}?callTimeoutMS={timeout_ms}&connect_timeout=1", node.url_via(proxy.port, &name));
    Arc::new(load::open(&url).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_and_late_replies_lose_and_double_nothing() {
    let Some(node) = PostgresNode::start_new().await else { return };
    let proxy = Proxy::start(node.port);
    let store = open_behind(&node, &proxy, 1_000).await;
    let load = CountingLoad::start(&store, 8);
    let mut random = SeededRandom::seeded();
    for n in 0..if is_full_run() { 45 } else { 9 } {
        load.advance(random.below(50) + 20).await;
        let failed = load.failed();
        let fault = n % 3;
        if fault == 0 {
            proxy.cut()
        } else {
            proxy.hold()
        }
        if n % 5 < 4 {
            tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        } else {
            // Longer than the time limit of a call, so that its reply comes too late.
            wait_until("a call exceeds its time limit", async || (load.failed() > failed).then_some(())).await;
        }
        if fault == 2 {
            proxy.cut();
        }
        proxy.release();
    }
    load.advance(50).await;
    let report = load.stop().await;
    println!("{report:?}");
    check(&*store, &report.rows, 0).await;
}

/// The commit of a transaction, as the protocol sends it: the prepared statement was bound before.
async fn break_commit(action: WatchAction, revive: bool) {
    let Some(mut node) = PostgresNode::start_new().await else { return };
    let proxy = Proxy::start(node.port);
    let timeout = if revive { 120_000 } else { 3_000 };
    let name = node.create_database("broken").await;
    load::open(&node.url(&name)).await;
    // Without prepared statements the text `COMMIT` is in the request.
    let url = node.url_via(proxy.port, &name);
    let url = format!("{url}?callTimeoutMS={timeout}&connect_timeout=1&preparedStatements=false");
    let store = Arc::new(load::open(&url).await);
    load::count(&*store, 1, 0, "all").await;
    let batch = load::decide_count(&*store, 1, 1, "all").await.unwrap();
    proxy.watch(b"COMMIT\0", action);
    let committing = tokio::spawn({
        let store = store.clone();
        async move { store.commit(batch).await.map(drop) }
    });
    proxy.wait_until_seen().await;
    node.kill();
    proxy.cut();
    if revive {
        node.start().await;
        proxy.release();
        assert_eq!(committing.await.unwrap(), Ok(()));
        assert!(matches!(store.outcome(&load::command_id(1, 1)).await.unwrap(), Outcome::Committed { .. }));
    } else {
        let error = committing.await.unwrap().unwrap_err();
        assert!(matches!(error.code(), ErrorCode::UNKNOWN_OUTCOME), "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        node.start().await;
        proxy.release();
        load::count(&*store, 1, 1, "all").await;
    }
    load::count(&*store, 1, 2, "all").await;
    check(&*store, &[(1, 3)].into(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_on_a_dying_server_is_unknown_and_its_repeat_applies_once() {
    tokio::join!(break_commit(WatchAction::HoldReply, false), break_commit(WatchAction::Cut, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_succeeds_when_its_server_returns_within_the_timeout() {
    tokio::join!(break_commit(WatchAction::HoldReply, true), break_commit(WatchAction::Cut, true));
}

/// The statements after `BEGIN` are already sent when it fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_whose_beginning_fails_alone_writes_nothing() {
    let Some(node) = PostgresNode::start_new().await else { return };
    for prepared in ["true", "false"] {
        let name = node.create_database("begin").await;
        let direct = load::open(&node.url(&name)).await;
        load::count(&direct, 1, 0, "all").await;
        let proxy = Proxy::start(node.port);
        let url = format!("{}?preparedStatements={prepared}", node.url_via(proxy.port, &name));
        let store = load::open(&url).await;
        let batch = load::decide_count(&store, 1, 1, "all").await.unwrap();
        proxy.replace(b"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE", "SELECT 1/0");
        let error = store.commit(batch.clone()).await.unwrap_err();
        assert!(error.to_string().contains("division by zero"), "{error}");
        assert_eq!(direct.outcome(&load::command_id(1, 1)).await.unwrap(), Outcome::Absent);
        // No part of the batch exists.
        check(&direct, &[(1, 1)].into(), 0).await;
        direct.commit(batch).await.unwrap();
        check(&direct, &[(1, 2)].into(), 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_before_version_15_is_unsupported() {
    let Some(node) = PostgresNode::start_new().await else { return };
    let name = node.create_database("old").await;
    let proxy = Proxy::start(node.port);
    // No such server is at hand, so the proxy changes the version that the store asks for.
    proxy.replace(b"current_setting('server_version_num')::integer", "140009");
    let url = node.url_via(proxy.port, &name);
    let error = TestedStore::open(&url, PostgresOptions::default()).await.err().unwrap();
    assert!(matches!(error, StoreError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("a store needs version 15 or newer"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disk_is_a_typed_error_and_changes_nothing() {
    let Some(node) = PostgresNode::start_new().await else { return };
    let name = node.create_database("full").await;
    let store = load::open(&node.url(&name)).await;
    load::count(&store, 1, 0, "all").await;
    // A disk of the test cannot be filled, so the server raises the error of one.
    let (operator, connection) = tokio_postgres::connect(&node.url(&name), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let full = "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$; \
                CREATE TRIGGER disk BEFORE INSERT ON runstate.changes FOR EACH ROW EXECUTE FUNCTION fill()";
    operator.batch_execute(full).await.unwrap();
    let batch = load::decide_count(&store, 1, 1, "all").await.unwrap();
    let error = store.commit(batch).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    check(&store, &[(1, 1)].into(), 0).await;
    operator.batch_execute("DROP TRIGGER disk ON runstate.changes").await.unwrap();
    load::count(&store, 1, 1, "all").await;
    check(&store, &[(1, 2)].into(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_cut_off_before_its_ledger_reply_is_unknown() {
    let Some(node) = PostgresNode::start_new().await else { return };
    let name = node.create_database("ledger").await;
    load::count(&load::open(&node.url(&name)).await, 1, 0, "all").await;
    let proxy = Proxy::start(node.port);
    let url = format!("{}?callTimeoutMS=3000", node.url_via(proxy.port, &name));
    let store = load::open(&url).await;
    let batch = load::decide_count(&store, 1, 1, "all").await.unwrap();
    let (other, operator) = (node.connect_to(&name).await, node.connect_to(&name).await);
    begin_with_ledger_row(&other, batch.command.as_str()).await;
    let cut = async {
        wait_until("the commit waits", async || find_waiting_session(&operator).await).await;
        proxy.cut();
    };
    let (result, ()) = tokio::join!(store.commit(batch), cut);
    let error = result.unwrap_err();
    assert!(matches!(error.code(), ErrorCode::UNKNOWN_OUTCOME), "{error}");
}

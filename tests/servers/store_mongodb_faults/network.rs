//! Connections between client and server that are cut or hold replies back, and a server that dies during a commit.

use std::sync::Arc;
use std::time::Duration;

use runstate::error_code::ErrorCode;
use runstate::store::mongodb::Mongo;
use runstate::store::{Outcome, Store, StoreError};

use super::load::{CountingLoad, check};
use super::server::Servers;
use super::{SeededRandom, is_full_run, load};
use crate::support::proxy::{Proxy, WatchAction};
use crate::support::wait::{fresh_database, wait_until};

/// A store behind a proxy, on a set of one node. `timeout_ms` is the time limit of a call.
async fn open_behind(servers: &Servers, proxy: &Proxy, timeout_ms: u64) -> Arc<Mongo> {
    let name = fresh_database("network");
    // The database is prepared first, so that opening the store stays below the time limit of a call.
    load::open(&servers.direct_url(0, &name)).await;
    let url = servers.direct_url_via(proxy.port, "", &name);
    let url = format!("{url}&timeoutMS={timeout_ms}&serverSelectionTimeoutMS={timeout_ms}&connectTimeoutMS=1000");
    Arc::new(load::open(&url).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_and_late_replies_lose_and_double_nothing() {
    let Some(servers) = Servers::replica_set(1).await else { return };
    let proxy = Proxy::start(servers.port(0));
    let store = open_behind(&servers, &proxy, 1_000).await;
    let load = CountingLoad::start(&store, 8);
    let mut random = SeededRandom::seeded();
    for n in 0..if is_full_run() { 27 } else { 9 } {
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

/// A commit that was interrupted at its end, and its result.
struct BrokenCommit {
    _servers: Servers,
    _proxy: Proxy,
    store: Arc<Mongo>,
    result: Result<(), StoreError>,
}

/// Interrupts two commits concurrently, since each waits for the time limit of a call. The `commitTransaction` of one
/// arrives, that of the other does not. Returns none of them if there is no program of the server.
async fn break_two_commits(revive: bool) -> Vec<BrokenCommit> {
    let (one, other) =
        tokio::join!(break_commit(WatchAction::HoldReply, revive), break_commit(WatchAction::Cut, revive));
    one.into_iter().chain(other).collect()
}

/// Starts a commit, and takes `action` when its `commitTransaction` is sent.
async fn break_commit(action: WatchAction, revive: bool) -> Option<BrokenCommit> {
    let mut servers = Servers::replica_set(1).await?;
    let proxy = Proxy::start(servers.port(0));
    // A server that returns does so within the time limit, however busy the machine is.
    let store = open_behind(&servers, &proxy, if revive { 120_000 } else { 3_000 }).await;
    load::count(&*store, 1, 0, "all").await;
    let batch = load::decide_count(&*store, 1, 1, "all").await.unwrap();
    proxy.watch(b"commitTransaction", action);
    let mut committing = tokio::spawn({
        let store = store.clone();
        async move { store.commit(batch).await.map(drop) }
    });
    tokio::select! {
        () = proxy.wait_until_seen() => {}
        result = &mut committing => panic!("the commit ended before `commitTransaction` was sent: {result:?}"),
    }
    servers.kill(0);
    proxy.cut();
    if revive {
        servers.start(0);
        servers.primary().await;
        proxy.release();
    }
    let result = committing.await.unwrap();
    if !revive {
        servers.start(0);
        servers.primary().await;
        proxy.release();
    }
    Some(BrokenCommit { _servers: servers, _proxy: proxy, store, result })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_on_a_dying_server_is_unknown_and_its_repeat_applies_once() {
    for BrokenCommit { store, result, .. } in &break_two_commits(false).await {
        let error = result.as_ref().unwrap_err();
        assert!(matches!(error.code(), ErrorCode::UNKNOWN_OUTCOME), "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        load::count(&**store, 1, 1, "all").await;
        load::count(&**store, 1, 2, "all").await;
        check(&**store, &[(1, 3)].into(), 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_succeeds_when_its_server_returns_within_the_timeout() {
    for BrokenCommit { store, result, .. } in &break_two_commits(true).await {
        assert_eq!(*result, Ok(()));
        assert!(matches!(store.outcome(&load::command_id(1, 1)).await.unwrap(), Outcome::Committed { .. }));
        load::count(&**store, 1, 1, "all").await;
        check(&**store, &[(1, 2)].into(), 0).await;
    }
}

//! Connections between client and server that are cut or hold replies back, and a server that dies during a commit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runstate::error_code::ErrorCode;
use runstate::store::mongodb::Mongo;
use runstate::store::{Outcome, Store, StoreError};

use super::load::{self, CountingLoad, check};
use super::proxy::{Proxy, WatchAction};
use super::server::{Servers, fresh_database, program, wait_until};
use super::{SeededRandom, is_full_run};

/// A store behind a proxy, on a set of one node. `timeout_ms` is how long a call may take, in milliseconds.
async fn open_behind(servers: &Servers, proxy: &Proxy, timeout_ms: u64) -> Arc<Mongo> {
    let name = fresh_database("line");
    // It is prepared before, so that opening it takes less time than a call may take.
    load::open(&servers.direct_url(0, &name)).await;
    let url = servers.direct_url_via(proxy.port, "", &name);
    let url = format!("{url}&timeoutMS={timeout_ms}&serverSelectionTimeoutMS={timeout_ms}&connectTimeoutMS=1000");
    Arc::new(load::open(&url).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_and_late_replies_lose_and_double_nothing() {
    let Some(program) = program("store_mongodb_faults::network::a_line_that_is_cut") else { return };
    let servers = Servers::replica_set(program, 1).await;
    let proxy = Proxy::start(servers.port(0));
    let store = open_behind(&servers, &proxy, 1_000).await;
    let load = CountingLoad::start(&store, 8);
    let mut random = SeededRandom::seeded();
    for n in 0..if is_full_run() { 150 } else { 15 } {
        load.advance(random.below(50) + 20).await;
        let failed = load.failed();
        let late = n % 3;
        if late == 0 {
            proxy.cut()
        } else {
            proxy.hold()
        }
        if n % 5 < 4 {
            tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        } else {
            // Longer than a call may take, so that its reply comes too late.
            wait_until("a call is given up", async || (load.failed() > failed).then_some(())).await;
        }
        if late == 2 {
            proxy.cut();
        }
        proxy.release();
    }
    load.advance(50).await;
    let ended = load.stop().await;
    println!("{ended:?}");
    check(&*store, &ended.rows, 0).await;
}

/// A commit that was interrupted at its end, and its result.
struct BrokenCommit {
    _servers: Servers,
    _proxy: Proxy,
    store: Arc<Mongo>,
    result: Result<(), StoreError>,
}

/// Two of them, at once since each waits for as long as a call may take. The `commitTransaction` of one arrives, that of the other does not.
async fn break_two_commits(revive: bool) -> Option<[BrokenCommit; 2]> {
    let program = program("store_mongodb_faults::network::the_end_of_a_commit")?;
    let broken = |then| break_commit(program.clone(), then, revive);
    Some(tokio::join!(broken(WatchAction::HoldReply), broken(WatchAction::Cut)).into())
}

/// Starts a commit, and does `then` when its `commitTransaction` is sent.
async fn break_commit(program: PathBuf, then: WatchAction, revive: bool) -> BrokenCommit {
    let mut servers = Servers::replica_set(program, 1).await;
    let proxy = Proxy::start(servers.port(0));
    // A server that returns does so within the time limit, however busy the machine is.
    let store = open_behind(&servers, &proxy, if revive { 120_000 } else { 3_000 }).await;
    load::count(&*store, 1, 0, "all").await;
    let batch = load::decide_count(&*store, 1, 1, "all").await.unwrap();
    proxy.watch(b"commitTransaction", then);
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
    BrokenCommit { _servers: servers, _proxy: proxy, store, result }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_on_a_dying_server_is_unknown_and_its_repeat_applies_once() {
    let Some(broken) = break_two_commits(false).await else { return };
    for BrokenCommit { store, result, .. } in &broken {
        let error = result.as_ref().unwrap_err();
        assert!(matches!(error.code(), ErrorCode::UnknownOutcome), "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        load::count(&**store, 1, 1, "all").await;
        load::count(&**store, 1, 2, "all").await;
        check(&**store, &[(1, 3)].into(), 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_succeeds_when_its_server_returns_within_the_timeout() {
    let Some(broken) = break_two_commits(true).await else { return };
    for BrokenCommit { store, result, .. } in &broken {
        assert_eq!(*result, Ok(()));
        assert!(matches!(store.outcome(&load::command_id(1, 1)).await.unwrap(), Outcome::Committed { .. }));
        load::count(&**store, 1, 1, "all").await;
        check(&**store, &[(1, 2)].into(), 0).await;
    }
}

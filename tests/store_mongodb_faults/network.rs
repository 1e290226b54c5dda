//! A line between client and server that is cut and holds replies back; a server that dies while it commits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runstate::code::Code;
use runstate::store::mongodb::Mongo;
use runstate::store::{Error, Outcome, Store};

use super::load::{self, Load, check};
use super::proxy::{Proxy, Then};
use super::server::{Servers, database, program, until};
use super::{Random, full};

/// A store behind a line that can be cut, on a set of one node. `patience`: how long a call may take, in milliseconds.
async fn behind(servers: &Servers, proxy: &Proxy, patience: u64) -> Arc<Mongo> {
    let name = database("line");
    // It is opened prepared, which takes less than a call may take.
    load::open(&servers.direct(0, &name)).await;
    let url = servers.direct_by(proxy.port, "", &name);
    let url = format!("{url}&timeoutMS={patience}&serverSelectionTimeoutMS={patience}&connectTimeoutMS=1000");
    Arc::new(load::open(&url).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_cut_and_replies_that_come_late_lose_and_double_nothing() {
    let Some(program) = program("store_mongodb_faults::network::a_line_that_is_cut") else { return };
    let servers = Servers::set(program, 1).await;
    let proxy = Proxy::to(servers.port(0));
    let store = behind(&servers, &proxy, 1_000).await;
    let load = Load::start(&store, 8);
    let mut random = Random::seeded();
    for n in 0..if full() { 150 } else { 15 } {
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
            // Longer than a call may take: then its reply comes too late.
            until("a call is given up", async || (load.failed() > failed).then_some(())).await;
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

/// A commit that was broken at its end, and what it was told.
struct Broken {
    _servers: Servers,
    _proxy: Proxy,
    store: Arc<Mongo>,
    came: Result<(), Error>,
}

/// Two of them, at once since each waits for as long as a call may take: one whose end arrives, and one whose end does not.
async fn two_broken_at_the_end(revive: bool) -> Option<[Broken; 2]> {
    let program = program("store_mongodb_faults::network::the_end_of_a_commit")?;
    let broken = |then| broken_at_the_end(program.clone(), then, revive);
    Some(tokio::join!(broken(Then::HoldReply), broken(Then::Cut)).into())
}

/// Starts a commit, and does `then` to it as its end is sent.
async fn broken_at_the_end(program: PathBuf, then: Then, revive: bool) -> Broken {
    let mut servers = Servers::set(program, 1).await;
    let proxy = Proxy::to(servers.port(0));
    // One that comes back does so within the time, however busy the machine is.
    let store = behind(&servers, &proxy, if revive { 120_000 } else { 3_000 }).await;
    load::count(&*store, 1, 0, "all").await;
    let batch = load::decided(&*store, 1, 1, "all").await.unwrap();
    proxy.watch(b"commitTransaction", then);
    let mut committing = tokio::spawn({
        let store = store.clone();
        async move { store.commit(batch).await.map(drop) }
    });
    tokio::select! {
        () = proxy.seen() => {}
        came = &mut committing => panic!("it came to this before its end was sent: {came:?}"),
    }
    servers.kill(0);
    proxy.cut();
    if revive {
        servers.start(0);
        servers.primary().await;
        proxy.release();
    }
    let came = committing.await.unwrap();
    if !revive {
        servers.start(0);
        servers.primary().await;
        proxy.release();
    }
    Broken { _servers: servers, _proxy: proxy, store, came }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_in_the_end_of_a_commit_leaves_it_unknown_and_a_repeat_does_it_once() {
    let Some(broken) = two_broken_at_the_end(false).await else { return };
    for Broken { store, came, .. } in &broken {
        let error = came.as_ref().unwrap_err();
        assert!(matches!(error.code(), Code::Unknown), "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        load::count(&**store, 1, 1, "all").await;
        load::count(&**store, 1, 2, "all").await;
        check(&**store, &[(1, 3)].into(), 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_back_within_the_time_is_asked_and_nobody_notices() {
    let Some(broken) = two_broken_at_the_end(true).await else { return };
    for Broken { store, came, .. } in &broken {
        assert_eq!(*came, Ok(()));
        assert!(matches!(store.outcome(&load::command(1, 1)).await.unwrap(), Outcome::Committed { .. }));
        load::count(&**store, 1, 1, "all").await;
        check(&**store, &[(1, 2)].into(), 0).await;
    }
}

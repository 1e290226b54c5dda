//! The operations of many clients on one document are linearizable, while primaries step down, are paused and die. So
//! are insertions and deletions together with reads of all documents. Commits with an unknown outcome are part of the
//! histories.

use std::sync::Arc;

use runstate::store::mongodb::Mongo;

use super::clients::{
    ClientState, Clients, expect_register_linearizable, expect_set_linearizable, open_two, run_register_client,
    run_set_client,
};
use super::server::Servers;
use super::{SeededRandom, is_full_run, load};
use crate::support::checker::HistoryOperation;
use crate::support::proxy::{Proxy, WatchAction};
use crate::support::wait::fresh_database;

/// The time limit of a call if commits are withheld. It is below the lifetime of a transaction on the server.
const CALL_TIMEOUT_MS: u64 = 1_000;

/// Runs clients while the primary fails `faults` times, and returns their history.
async fn run_with_primary_faults<O, F>(
    servers: &mut Servers,
    random: &mut SeededRandom,
    faults: usize,
    client: impl Fn(Arc<Mongo>, ClientState, SeededRandom) -> F,
) -> Vec<HistoryOperation<O>>
where
    O: Send + 'static,
    F: Future<Output = Vec<HistoryOperation<O>>> + Send + 'static,
{
    let url = format!("{}&timeoutMS=15000", servers.url(&fresh_database("linear")));
    let clients = Clients::start(&open_two([url.clone(), url]).await, random, client);
    let most = if is_full_run() { 100 } else { 30 };
    for n in 0..faults {
        clients.advance(20 + random.below(most)).await;
        disturb_primary(servers, n).await;
    }
    clients.stop().await
}

/// Makes the primary step down, kills it or pauses it.
async fn disturb_primary(servers: &mut Servers, which: usize) {
    let primary = servers.primary().await;
    match which % 3 {
        0 => servers.step_down().await,
        1 => {
            servers.kill(primary);
            servers.primary().await;
            servers.start(primary);
        }
        _ => {
            // After it resumes it does not know yet that it is no longer the primary.
            servers.pause(primary);
            servers.primary_other_than(primary).await;
            servers.resume(primary);
        }
    }
    servers.wait_until_caught_up(primary).await;
}

/// Runs clients, each half of them behind a proxy that fails `faults` times at a commit, and returns their history.
async fn run_with_lost_replies<O, F>(
    servers: &Servers,
    random: &mut SeededRandom,
    faults: usize,
    client: impl Fn(Arc<Mongo>, ClientState, SeededRandom) -> F,
) -> Vec<HistoryOperation<O>>
where
    O: Send + 'static,
    F: Future<Output = Vec<HistoryOperation<O>>> + Send + 'static,
{
    let name = fresh_database("doubt");
    // The database is prepared first, so that opening the stores stays below the time limit of a call.
    load::open(&servers.direct_url(0, &name)).await;
    let proxies = [Proxy::start(servers.port(0)), Proxy::start(servers.port(0))];
    let url = |proxy: &Proxy| format!("{}&timeoutMS={CALL_TIMEOUT_MS}", servers.direct_url_via(proxy.port, "", &name));
    let clients = Clients::start(&open_two([url(&proxies[0]), url(&proxies[1])]).await, random, client);
    for n in 0..faults {
        clients.advance(random.below(100)).await;
        let (proxy, unknown) = (&proxies[n % 2], clients.unknown());
        proxy.watch(b"commitTransaction", [WatchAction::HoldReply, WatchAction::HoldRequest, WatchAction::Cut][n % 3]);
        proxy.wait_until_seen().await;
        // The client gives up. A request that still arrives then arrives late.
        clients.wait_for_unknown(unknown).await;
        proxy.release();
    }
    clients.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_document_under_sixteen_clients_is_linearizable() {
    let Some(mut servers) = Servers::replica_set(3).await else { return };
    let mut random = SeededRandom::seeded();
    for _ in 0..if is_full_run() { 2 } else { 1 } {
        expect_register_linearizable(
            &run_with_primary_faults(&mut servers, &mut random, if is_full_run() { 6 } else { 3 }, run_register_client)
                .await,
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_deletions_and_reads_of_all_are_linearizable() {
    let Some(mut servers) = Servers::replica_set(3).await else { return };
    let mut random = SeededRandom::seeded();
    for _ in 0..if is_full_run() { 2 } else { 1 } {
        expect_set_linearizable(
            &run_with_primary_faults(&mut servers, &mut random, if is_full_run() { 4 } else { 2 }, run_set_client)
                .await,
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_with_unknown_outcome_apply_at_most_once() {
    let Some(servers) = Servers::replica_set(1).await else { return };
    let mut random = SeededRandom::seeded();
    for _ in 0..if is_full_run() { 2 } else { 1 } {
        let registers =
            run_with_lost_replies(&servers, &mut random, if is_full_run() { 6 } else { 2 }, run_register_client).await;
        let sets =
            run_with_lost_replies(&servers, &mut random, if is_full_run() { 3 } else { 2 }, run_set_client).await;
        for unknown in [expect_register_linearizable(&registers), expect_set_linearizable(&sets)] {
            assert!(unknown > 0, "a commit was withheld beyond the time limit of a call");
        }
    }
}

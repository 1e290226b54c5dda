//! PgBouncer in transaction mode, which shares the connections of the server.

use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use runstate::store::postgres::{Postgres, PostgresOptions};
use tempfile::TempDir;

use super::is_full_run;
use super::load::{self, CountingLoad, Readers, check};
use super::replication::expect_no_late_read;
use super::server::{PostgresNode, as_system_user, end_kept, give_to_system_user, start_kept};
use crate::support::proxy::Proxy;
use crate::support::wait::{data_folder, free_port, wait_until};

/// A pooler in front of a server. It has the same port each time it runs.
struct Pooler {
    port: u16,
    program: PathBuf,
    folder: TempDir,
    keeper: Option<Child>,
}

impl Pooler {
    /// Starts a pooler with few connections. None, after a printed note, if there is no program.
    async fn start_new(server: u16) -> Option<Self> {
        let Some(program) = std::env::var_os("RUNSTATE_PGBOUNCER").map(PathBuf::from) else {
            println!("skipped: RUNSTATE_PGBOUNCER names no program; `cargo xtask test` does");
            return None;
        };
        let folder = data_folder("pooler");
        let mut pooler = Self { port: free_port(), program, folder, keeper: None };
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=runstate\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 5\n",
            pooler.port
        );
        std::fs::write(pooler.config(), config).unwrap();
        give_to_system_user(pooler.folder.path());
        pooler.start().await;
        Some(pooler)
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("pgbouncer.ini")
    }

    async fn start(&mut self) {
        let mut words = as_system_user(&self.program);
        words.push(self.config().to_string_lossy().into_owned());
        self.keeper = Some(start_kept("KILL", &words));
        wait_until("the pooler accepts connections", async || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok().map(drop)
        })
        .await;
    }

    fn kill(&mut self) {
        end_kept(&mut self.keeper);
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pooler_that_is_killed_under_load_loses_and_doubles_nothing() {
    let Some(node) = PostgresNode::start_new().await else { return };
    let Some(mut pooler) = Pooler::start_new(node.port).await else { return };
    let name = node.create_database("pooled").await;
    let url = format!("{}?preparedStatements=false", node.url_via(pooler.port, &name));
    // Both have more connections than the pooler.
    let stores = [Arc::new(load::open(&url).await), Arc::new(load::open(&url).await)];
    let readers = Readers::start(&stores).await;
    let load = CountingLoad::start(&stores[0], 8);
    for _ in 0..if is_full_run() { 10 } else { 2 } {
        load.advance(100).await;
        pooler.kill();
        tokio::time::sleep(Duration::from_millis(50)).await;
        pooler.start().await;
    }
    load.advance(100).await;
    let report = load.stop().await;
    println!("one command took at most {:.1?}; {:?}", report.longest, report.error_counts);
    readers.stop(&report.rows).await;
    check(&*stores[0], &report.rows, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pooler_refuses_a_store_that_needs_its_own_sessions() {
    let Some(node) = PostgresNode::start_new().await else { return };
    let Some(pooler) = Pooler::start_new(node.port).await else { return };
    let name = node.create_database("sessions").await;
    let refused = Postgres::open(&node.url_via(pooler.port, &name), PostgresOptions::default()).await.err().unwrap();
    assert!(refused.to_string().contains("add `preparedStatements=false` to the URL"), "{refused}");
    // Nothing of it remains in the sessions that others share.
    let (client, connection) =
        tokio_postgres::connect(&node.url_via(pooler.port, &name), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE TABLE other (n int)").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pooler_that_switches_to_a_standby_serves_no_late_read() {
    let Some(primary) = PostgresNode::start_new().await else { return };
    let standby = primary.start_standby().await;
    let proxy = Proxy::start(primary.port);
    let Some(pooler) = Pooler::start_new(proxy.port).await else { return };
    let name = primary.create_database("switched").await;
    load::open(&primary.url(&name)).await;
    let url = primary.url_via(pooler.port, &name);
    let store = load::open(&format!("{url}?callTimeoutMS=1500&preparedStatements=false")).await;
    expect_no_late_read(&store, [&primary, &standby], &proxy, &name).await;
}

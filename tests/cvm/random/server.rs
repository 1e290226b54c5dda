//! A database of its own on the replica set that `RUNSTATE_TEST_MONGODB` names. Each process has its own client, whose connections are cut.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use mongodb::Client;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Batch, Capabilities, Changes, Error, Outcome, Page, Position, Receipt, Store, Stored};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;
use tokio::runtime::Runtime;

use super::ground::{Ground, Server};
use super::line::{Line, When};
use super::search;
use super::step::{Step, Trouble};

/// Where connections live. What is asked of a server is waited for on the spot: whose turn it is, is chosen between calls.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// A database that nobody else uses; gone with this.
struct Database {
    name: String,
    url: String,
    line: Line,
    operator: Client,
}

/// Commands of the server, as they stand on the line, at which connections are cut.
const COMMANDS: [&[u8]; 7] = [
    b"\x02insert\0",
    b"\x02update\0",
    b"\x02delete\0",
    b"commitTransaction\0",
    b"\x02findAndModify\0",
    b"\x02find\0",
    b"\x02aggregate\0",
];

impl Database {
    fn of(server: &str) -> Self {
        static USED: AtomicU32 = AtomicU32::new(0);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("r{}_{now:x}_{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
        let (base, query) = server.split_once('?').unwrap_or((server, ""));
        let port = base.trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
        let line = Line::to(port);
        let url = format!("mongodb://127.0.0.1:{}/{name}?{query}", line.port);
        let operator = runtime().block_on(Client::with_uri_str(server)).unwrap();
        Self { name, url, line, operator }
    }
}

impl Server for Database {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(Connected(Some(runtime().block_on(Mongo::open(&self.url, Options::default())).unwrap())))
    }

    fn cut(&self, step: &Step, trouble: Trouble) {
        let when = match trouble {
            Trouble::Unreachable | Trouble::DiesBefore => When::Before,
            Trouble::LostAnswer | Trouble::DiesAfter => When::After,
        };
        self.line.cut_at(COMMANDS[step.pick % COMMANDS.len()], when);
    }

    fn heal(&self) -> bool {
        self.line.heal()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let database = self.operator.database(&self.name);
        // What is left of one that failed is nobody's concern: the server ends with the tests.
        let _ = runtime().block_on(async { database.drop().await });
    }
}

/// A store on the server, with connections of its own until it is dropped.
struct Connected(Option<Mongo>);

impl Connected {
    fn store(&self) -> &Mongo {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(store) = self.0.take() {
            runtime().block_on(store.close()).unwrap();
            let _inside = runtime().enter();
            drop(store);
        }
    }
}

impl Store for Connected {
    fn capabilities(&self) -> Capabilities {
        self.store().capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { runtime().block_on(self.store().migrate(catalog)) })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(async move { runtime().block_on(self.store().get(keys)) })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move { runtime().block_on(self.store().query(query)) })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move { runtime().block_on(self.store().aggregate(aggregate)) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(async move { runtime().block_on(self.store().commit(batch)) })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(async move { runtime().block_on(self.store().outcome(command)) })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(async move { runtime().block_on(self.store().changes(from, limit, wait)) })
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move { runtime().block_on(self.store().sweep(collection, now, limit)) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { runtime().block_on(self.store().close()) })
    }
}

#[test]
fn nor_does_one_on_a_server_whose_connections_are_cut() {
    let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
        println!("skipped: cvm::random::server: RUNSTATE_TEST_MONGODB names no server");
        return;
    };
    let wanted = ["connection cut", "Start", "outcome answered", "told the same"].map(str::to_owned);
    search(3, 40, &wanted, || Ground::Server(Box::new(Database::of(&server))));
}

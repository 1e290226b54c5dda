//! A database of its own on the replica set that `RUNSTATE_TEST_MONGODB` names. Each process has its own client, whose connections are cut.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use mongodb::Client;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{
    Batch, Capabilities, Changes, Outcome, Page, Position, Receipt, Store, StoreError, StoredDocument,
};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;
use tokio::runtime::Runtime;

use super::backend::{ServerBackend, TestBackend};
use super::cutting_proxy::{CutPoint, CuttingProxy};
use super::explore_sequences;
use super::step::{RandomStep, StepFault};

/// The runtime of the connections. A call to the server blocks until it ends: the scheduler chooses between calls.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// A database that no other run uses. It is removed when this is dropped.
struct ServerDatabase {
    name: String,
    url: String,
    proxy: CuttingProxy,
    operator: Client,
}

/// Commands of the server, as bytes of the protocol, at which connections are cut.
const COMMANDS: [&[u8]; 7] = [
    b"\x02insert\0",
    b"\x02update\0",
    b"\x02delete\0",
    b"commitTransaction\0",
    b"\x02findAndModify\0",
    b"\x02find\0",
    b"\x02aggregate\0",
];

impl ServerDatabase {
    fn create(server: &str) -> Self {
        static USED: AtomicU32 = AtomicU32::new(0);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("r{}_{now:x}_{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
        let (base, query) = server.split_once('?').unwrap_or((server, ""));
        let port = base.trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
        let line = CuttingProxy::start(port);
        let url = format!("mongodb://127.0.0.1:{}/{name}?{query}", line.port);
        let operator = runtime().block_on(Client::with_uri_str(server)).unwrap();
        Self { name, url, proxy: line, operator }
    }
}

impl ServerBackend for ServerDatabase {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(ConnectedStore(Some(runtime().block_on(Mongo::open(&self.url, MongoOptions::default())).unwrap())))
    }

    fn cut_connection(&self, step: &RandomStep, trouble: StepFault) {
        let when = match trouble {
            StepFault::Unreachable | StepFault::DiesBefore => CutPoint::Before,
            StepFault::LostReply | StepFault::DiesAfter => CutPoint::After,
        };
        self.proxy.cut_at(COMMANDS[step.pick % COMMANDS.len()], when);
    }

    fn heal(&self) -> bool {
        self.proxy.heal()
    }
}

impl Drop for ServerDatabase {
    fn drop(&mut self) {
        let database = self.operator.database(&self.name);
        // A failure to remove it does not matter: the server ends with the tests.
        let _ = runtime().block_on(async { database.drop().await });
    }
}

/// A store on the server, with connections of its own until it is dropped.
struct ConnectedStore(Option<Mongo>);

impl ConnectedStore {
    fn store(&self) -> &Mongo {
        self.0.as_ref().unwrap()
    }
}

impl Drop for ConnectedStore {
    fn drop(&mut self) {
        if let Some(store) = self.0.take() {
            runtime().block_on(store.close()).unwrap();
            let _inside = runtime().enter();
            drop(store);
        }
    }
}

impl Store for ConnectedStore {
    fn capabilities(&self) -> Capabilities {
        self.store().capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().migrate(catalog)) })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().get(keys)) })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().query(query)) })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().aggregate(aggregate)) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().commit(batch)) })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().outcome(command)) })
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().changes(from, limit, wait)) })
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().sweep(collection, now, limit)) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { runtime().block_on(self.store().close()) })
    }
}

#[test]
fn no_sequence_on_mongodb_with_cut_connections_loses_anything() {
    let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
        println!("skipped: cvm::random::server: RUNSTATE_TEST_MONGODB names no server");
        return;
    };
    let wanted = ["connection cut", "Start", "outcome answered", "same reply"].map(str::to_owned);
    explore_sequences(3, 40, &wanted, || TestBackend::ServerBackend(Box::new(ServerDatabase::create(&server))));
}

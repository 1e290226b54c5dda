//! A database of its own on the replica set that `RUNSTATE_TEST_MONGODB` names. Each process has its own client,
//! behind a proxy that cuts connections on request. It cuts before a command arrives, or after the command was
//! executed and before its reply is back. New connections get through.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use mongodb::Client;
use runstate::marker::BoxFuture;
use runstate::store::layer::{self, Method};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Store, StoreError};
use tokio::runtime::Runtime;

use super::step::{RandomStep, StepFault};
use super::{ServerBackend, TestBackend, explore_sequences};

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
        let proxy = CuttingProxy::start(port);
        let url = format!("mongodb://127.0.0.1:{}/{name}?{query}", proxy.port);
        let operator = runtime().block_on(Client::with_uri_str(server)).unwrap();
        Self { name, url, proxy, operator }
    }
}

impl ServerBackend for ServerDatabase {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(ConnectedStore(Some(runtime().block_on(Mongo::open(&self.url, MongoOptions::default())).unwrap())))
    }

    fn cut_connection(&self, step: &RandomStep, fault: StepFault) {
        let when = match fault {
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

impl layer::StoreLayer for ConnectedStore {
    type Inner = Mongo;

    fn inner(&self) -> &Self::Inner {
        self.store()
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        _: Method,
        inner: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move { runtime().block_on(inner) })
    }
}

#[test]
fn no_sequence_on_mongodb_with_cut_connections_loses_anything() {
    let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
        println!("skipped: cvm::random::server: RUNSTATE_TEST_MONGODB names no server");
        return;
    };
    let wanted = ["connection cut", "Start", "outcome answered", "same reply"].map(str::to_owned);
    explore_sequences([1, 6], 40, &wanted, || TestBackend::Server(Box::new(ServerDatabase::create(&server))));
}

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CutPoint {
    /// The command never arrives.
    Before,
    /// The command is executed, and its reply is lost.
    After,
}

/// The bytes at which the next connection is cut, and when.
type PendingCut = Mutex<Option<(&'static [u8], CutPoint)>>;

pub struct CuttingProxy {
    pub port: u16,
    pending_cut: Arc<PendingCut>,
    /// Whether a connection was cut since then.
    was_cut: Arc<AtomicBool>,
}

impl CuttingProxy {
    /// Starts a proxy to the server on that port.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, pending_cut: Arc::default(), was_cut: Arc::default() };
        let (pending_cut, was_cut) = (proxy.pending_cut.clone(), proxy.was_cut.clone());
        // The thread ends with the process of the test.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                connect(client, server, &pending_cut, &was_cut);
            }
        });
        proxy
    }

    /// Cuts the next connection on which these bytes are sent.
    pub fn cut_at(&self, bytes: &'static [u8], when: CutPoint) {
        *self.pending_cut.lock().unwrap() = Some((bytes, when));
    }

    /// Ends the cuts, and returns whether a connection was cut.
    pub fn heal(&self) -> bool {
        *self.pending_cut.lock().unwrap() = None;
        self.was_cut.swap(false, Ordering::SeqCst)
    }
}

fn connect(client: TcpStream, server: u16, pending_cut: &Arc<PendingCut>, was_cut: &Arc<AtomicBool>) {
    // A server that is down refuses, and so does the proxy, by closing.
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let (pending_cut, was_cut, drops_replies) =
        (pending_cut.clone(), was_cut.clone(), Arc::new(AtomicBool::new(false)));
    let drops = drops_replies.clone();
    std::thread::spawn(move || {
        copy(client, to_server, |bytes| {
            let cut = take_cut(&pending_cut, bytes);
            was_cut.fetch_or(cut.is_some(), Ordering::SeqCst);
            drops_replies.fetch_or(cut == Some(CutPoint::After), Ordering::SeqCst);
            cut != Some(CutPoint::Before)
        });
    });
    std::thread::spawn(move || copy(server, to_client, |_| !drops.load(Ordering::SeqCst)));
}

/// Takes the pending cut, if these bytes contain its bytes.
fn take_cut(pending_cut: &PendingCut, bytes: &[u8]) -> Option<CutPoint> {
    let mut pending_cut = pending_cut.lock().unwrap();
    let (_, when) = pending_cut.filter(|(pattern, _)| bytes.windows(pattern.len()).any(|window| window == *pattern))?;
    *pending_cut = None;
    Some(when)
}

/// Copies until either end is closed or some bytes may not pass, and then closes both.
fn copy(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may_pass(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

//! Connections between client and server that are cut or hold replies back, and a server that dies during a commit. A
//! proxy between them cuts connections, holds replies back and releases them late. It runs on its own threads, so that
//! a busy runtime does not slow it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use runstate::error_code::ErrorCode;
use runstate::store::mongodb::Mongo;
use runstate::store::{Outcome, Store, StoreError};

use super::load::{CountingLoad, check};
use super::server::{Servers, fresh_database, wait_until};
use super::{SeededRandom, is_full_run, load};

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
    for n in 0..if is_full_run() { 150 } else { 15 } {
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

/// Interrupts two commits concurrently, since each waits for the time limit of a call. The `commitTransaction` of one arrives, that of the
/// other does not. Returns none of them if there is no program of the server.
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

/// A proxy in front of one server.
pub struct Proxy {
    pub port: u16,
    shared: Arc<ProxyShared>,
}

#[derive(Default)]
struct ProxyShared {
    line: Mutex<ProxyLine>,
    changed: Condvar,
}

#[derive(Default)]
struct ProxyLine {
    state: LineState,
    /// The action for the next request that contains these bytes.
    watched: Option<(&'static [u8], WatchAction)>,
    /// Whether the watched bytes were seen.
    was_seen: bool,
    open: Vec<TcpStream>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum LineState {
    #[default]
    Open,
    /// Replies are held back.
    Held,
    /// Nothing passes, and new connections are closed.
    Cut,
}

/// The action for a watched request.
#[derive(Clone, Copy, PartialEq)]
pub enum WatchAction {
    /// The request reaches the server, and the reply is held back.
    HoldReply,
    /// The request arrives late: after the release.
    HoldRequest,
    /// The request never arrives: connections are cut.
    Cut,
}

impl Proxy {
    /// Starts a proxy in front of the server on that port.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(ProxyShared::default());
        let inner = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                inner.connect(client, server);
            }
        });
        Self { port, shared }
    }

    /// From now on replies are held back.
    pub fn hold(&self) {
        self.shared.set_state(LineState::Held);
    }

    /// Releases what is held back, and lets everything pass.
    pub fn release(&self) {
        self.shared.set_state(LineState::Open);
    }

    /// Closes all connections, discards what is held back, and refuses new connections until the release.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Takes `action` the next time that these bytes are sent.
    pub fn watch(&self, bytes: &'static [u8], action: WatchAction) {
        let mut line = self.shared.line();
        (line.watched, line.was_seen) = (Some((bytes, action)), false);
    }

    /// Waits until the watched bytes were sent.
    pub async fn wait_until_seen(&self) {
        super::server::wait_until("the watched bytes are sent", async || self.shared.line().was_seen.then_some(()))
            .await;
    }
}

impl ProxyShared {
    fn line(&self) -> MutexGuard<'_, ProxyLine> {
        self.line.lock().unwrap()
    }

    fn set_state(&self, state: LineState) {
        self.line().state = state;
        self.changed.notify_all();
    }

    fn cut(&self) {
        let mut line = self.line();
        line.state = LineState::Cut;
        for stream in line.open.drain(..) {
            // Either end may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(line);
        self.changed.notify_all();
    }

    fn connect(self: &Arc<Self>, client: TcpStream, server: u16) {
        // A server that is down refuses connections. The proxy closes them instead.
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
        let mut line = self.line();
        if line.state == LineState::Cut {
            return;
        }
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            line.open.push(stream.try_clone().unwrap());
        }
        drop(line);
        let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let (requests, replies) = (self.clone(), self.clone());
        std::thread::spawn(move || copy(client, to_server, |bytes| requests.admit_request(bytes)));
        std::thread::spawn(move || copy(server, to_client, |_| replies.admit_reply()));
    }

    /// Whether a request may pass.
    fn admit_request(&self, bytes: &[u8]) -> bool {
        let mut line = self.line();
        let watched = line.watched.filter(|(pattern, _)| bytes.windows(pattern.len()).any(|window| window == *pattern));
        let Some((_, action)) = watched else { return line.state != LineState::Cut };
        (line.watched, line.was_seen) = (None, true);
        line.state = LineState::Held;
        match action {
            WatchAction::HoldReply => true,
            WatchAction::HoldRequest => {
                let released = self.changed.wait_while(line, |line| line.state == LineState::Held);
                released.unwrap().state == LineState::Open
            }
            WatchAction::Cut => {
                drop(line);
                self.cut();
                false
            }
        }
    }

    /// Whether a reply may pass. Waits while replies are held back.
    fn admit_reply(&self) -> bool {
        let released = self.changed.wait_while(self.line(), |line| line.state == LineState::Held);
        released.unwrap().state == LineState::Open
    }
}

/// Copies bytes until either end is closed or bytes may not pass, and then closes both ends.
fn copy(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may_pass(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

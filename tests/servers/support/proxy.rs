//! A proxy between client and server, which cuts connections, holds replies back and releases them late. It runs on its
//! own threads, so that a busy runtime does not slow it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

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
    /// The port of the server.
    server: u16,
    /// The action for the next request that contains these bytes.
    watched: Option<(&'static [u8], WatchAction)>,
    /// Whether the watched bytes were seen.
    was_seen: bool,
    /// Bytes of requests, and those in their place: as many.
    replaced: Option<(&'static [u8], Vec<u8>)>,
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
        shared.line().server = server;
        let inner = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                inner.connect(client);
            }
        });
        Self { port, shared }
    }

    /// Closes all connections, and is in front of the server on that port from now on.
    pub fn switch_to(&self, server: u16) {
        self.cut();
        self.shared.line().server = server;
        self.release();
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

    /// From now on, `to` with spaces after it takes the place of `from` in requests.
    pub fn replace(&self, from: &'static [u8], to: &str) {
        let to = format!("{to:<0$}", from.len()).into_bytes();
        assert_eq!(to.len(), from.len());
        self.shared.line().replaced = Some((from, to));
    }

    /// Waits until the watched bytes were sent.
    pub async fn wait_until_seen(&self) {
        super::wait::wait_until("the watched bytes are sent", async || self.shared.line().was_seen.then_some(())).await;
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

    fn connect(self: &Arc<Self>, client: TcpStream) {
        let server = self.line().server;
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
    fn admit_request(&self, bytes: &mut [u8]) -> bool {
        let mut line = self.line();
        if let Some((from, to)) = &line.replaced {
            while let Some(at) = bytes.windows(from.len()).position(|window| window == *from) {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
        }
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
fn copy(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&mut [u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may_pass(&mut buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

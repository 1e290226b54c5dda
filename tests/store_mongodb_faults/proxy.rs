//! What stands between a client and a server and can be cut, hold replies back, and let them through late. It runs on threads of its own, so
//! that a runtime that is busy does not slow it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    state: State,
    /// What is done when these bytes are sent to the server.
    watched: Option<(&'static [u8], Then)>,
    /// The watched bytes were seen.
    seen: bool,
    open: Vec<TcpStream>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Open,
    /// Replies wait.
    Held,
    /// Nothing goes through, and nobody gets in.
    Cut,
}

/// What is done with what was watched for.
#[derive(Clone, Copy, PartialEq)]
pub enum Then {
    /// It goes on to the server, whose reply is held.
    HoldReply,
    /// It arrives late: when the line is released.
    HoldRequest,
    /// It never arrives; the line is cut.
    Cut,
}

impl Proxy {
    /// Before the server on that port.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let inner = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                inner.connect(client, server);
            }
        });
        Self { port, shared }
    }

    /// From now on replies wait.
    pub fn hold(&self) {
        self.shared.become_(State::Held);
    }

    /// What waits goes through, and so does all else.
    pub fn release(&self) {
        self.shared.become_(State::Open);
    }

    /// All connections end, what waits is lost, and nobody gets in until it is released.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// The next time that these bytes are sent something is done.
    pub fn watch(&self, bytes: &'static [u8], then: Then) {
        let mut line = self.shared.line();
        (line.watched, line.seen) = (Some((bytes, then)), false);
    }

    /// Waits until what is watched was sent.
    pub async fn seen(&self) {
        super::server::until("what is watched is sent", async || self.shared.line().seen.then_some(())).await;
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap()
    }

    fn become_(&self, state: State) {
        self.line().state = state;
        self.changed.notify_all();
    }

    fn cut(&self) {
        let mut line = self.line();
        line.state = State::Cut;
        for stream in line.open.drain(..) {
            // It may have been closed by either end.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(line);
        self.changed.notify_all();
    }

    fn connect(self: &Arc<Self>, client: TcpStream, server: u16) {
        // A server that is down refuses; so do we, by closing.
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
        let mut line = self.line();
        if line.state == State::Cut {
            return;
        }
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            line.open.push(stream.try_clone().unwrap());
        }
        drop(line);
        let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let (requests, replies) = (self.clone(), self.clone());
        std::thread::spawn(move || copy(client, to_server, |bytes| requests.request(bytes)));
        std::thread::spawn(move || copy(server, to_client, |_| replies.reply()));
    }

    /// Whether a request may pass.
    fn request(&self, bytes: &[u8]) -> bool {
        let mut line = self.line();
        let watched = line.watched.filter(|(what, _)| bytes.windows(what.len()).any(|window| window == *what));
        let Some((_, then)) = watched else { return line.state != State::Cut };
        (line.watched, line.seen) = (None, true);
        line.state = State::Held;
        match then {
            Then::HoldReply => true,
            Then::HoldRequest => {
                let held = self.changed.wait_while(line, |line| line.state == State::Held);
                held.unwrap().state == State::Open
            }
            Then::Cut => {
                drop(line);
                self.cut();
                false
            }
        }
    }

    /// Whether a reply may pass, once nothing holds it.
    fn reply(&self) -> bool {
        let held = self.changed.wait_while(self.line(), |line| line.state == State::Held);
        held.unwrap().state == State::Open
    }
}

/// Copies until either end is closed or something may not pass; then both are.
fn copy(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may_pass(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

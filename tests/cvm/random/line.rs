//! What stands between clients and a server, and cuts a connection where it is told to: before a command arrives, or when it was carried out and
//! before its answer is back. Whoever connects again gets through.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// The command never arrives.
    Before,
    /// It is carried out, and nobody hears of it.
    After,
}

/// The bytes at which the next connection is cut, and when.
type Watch = Mutex<Option<(&'static [u8], When)>>;

pub struct Line {
    pub port: u16,
    watch: Arc<Watch>,
    /// Whether one was cut since.
    was_cut: Arc<AtomicBool>,
}

impl Line {
    /// To the server on that port.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Self { port, watch: Arc::default(), was_cut: Arc::default() };
        let (watch, was_cut) = (line.watch.clone(), line.was_cut.clone());
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                connect(client, server, &watch, &was_cut);
            }
        });
        line
    }

    /// The next connection on which these bytes are sent is cut.
    pub fn cut_at(&self, bytes: &'static [u8], when: When) {
        *self.watch.lock().unwrap() = Some((bytes, when));
    }

    /// Whether a connection was cut.
    pub fn heal(&self) -> bool {
        *self.watch.lock().unwrap() = None;
        self.was_cut.swap(false, Ordering::SeqCst)
    }
}

fn connect(client: TcpStream, server: u16, watch: &Arc<Watch>, was_cut: &Arc<AtomicBool>) {
    // A server that is down refuses; so do we, by closing.
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let (watch, was_cut, deaf) = (watch.clone(), was_cut.clone(), Arc::new(AtomicBool::new(false)));
    let lost = deaf.clone();
    std::thread::spawn(move || {
        copy(client, to_server, |bytes| {
            let cut = taken(&watch, bytes);
            was_cut.fetch_or(cut.is_some(), Ordering::SeqCst);
            deaf.fetch_or(cut == Some(When::After), Ordering::SeqCst);
            cut != Some(When::Before)
        });
    });
    std::thread::spawn(move || copy(server, to_client, |_| !lost.load(Ordering::SeqCst)));
}

/// When this connection is to be cut, where these bytes are watched for; once.
fn taken(watch: &Watch, bytes: &[u8]) -> Option<When> {
    let mut watch = watch.lock().unwrap();
    let (_, when) = watch.filter(|(what, _)| bytes.windows(what.len()).any(|window| window == *what))?;
    *watch = None;
    Some(when)
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

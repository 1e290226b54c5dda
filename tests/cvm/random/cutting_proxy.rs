//! A proxy between clients and a server, which cuts connections on request. It cuts before a command arrives, or after the command was
//! executed and before its reply is back. New connections get through.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

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
        let line = Self { port, pending_cut: Arc::default(), was_cut: Arc::default() };
        let (watch, was_cut) = (line.pending_cut.clone(), line.was_cut.clone());
        // The thread ends with the process of the test.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                connect(client, server, &watch, &was_cut);
            }
        });
        line
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

fn connect(client: TcpStream, server: u16, watch: &Arc<PendingCut>, was_cut: &Arc<AtomicBool>) {
    // A server that is down refuses, and so does the proxy, by closing.
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let (watch, was_cut, deaf) = (watch.clone(), was_cut.clone(), Arc::new(AtomicBool::new(false)));
    let lost = deaf.clone();
    std::thread::spawn(move || {
        copy(client, to_server, |bytes| {
            let cut = take_cut(&watch, bytes);
            was_cut.fetch_or(cut.is_some(), Ordering::SeqCst);
            deaf.fetch_or(cut == Some(CutPoint::After), Ordering::SeqCst);
            cut != Some(CutPoint::Before)
        });
    });
    std::thread::spawn(move || copy(server, to_client, |_| !lost.load(Ordering::SeqCst)));
}

/// Takes the pending cut, if these bytes contain its bytes.
fn take_cut(watch: &PendingCut, bytes: &[u8]) -> Option<CutPoint> {
    let mut watch = watch.lock().unwrap();
    let (_, when) = watch.filter(|(what, _)| bytes.windows(what.len()).any(|window| window == *what))?;
    *watch = None;
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

//! The file system of a process in the model: every call waits until the search grants it. What the calls do to the disk is in `world.rs`.

use std::collections::HashMap;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::id::sha256;
use crate::marker::BoxFuture;
use crate::store::file::fault::{OpenFile, within};
use crate::store::file::fs::{Fs, FsError, Kind, Pieces, Reason, Rule, Source};
use crate::time::Millis;

/// What a process waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// No call: the process begins its next act. What was told to anybody before this is the past.
    Begin,
    /// No call: within an act, nothing is under way. As a beginning.
    Rest,
    MakeFolder(String),
    PutTemp(String, Arc<Vec<u8>>),
    Sync(String),
    Link(String, String),
    List(String),
    Read(String),
    Remove(String),
    Size(String),
    Pause,
    /// Somebody puts a copy back, as of this commit.
    PutBack(u64),
}

/// What it gets.
#[derive(Clone, Debug)]
pub enum Value {
    Unit,
    Bytes(Arc<Vec<u8>>),
    Names(Vec<String>),
    Size(u64),
}

pub type Answer = Result<Value, Reason>;

/// What an act came to, in terms of commands: each is a bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// `present` of `known` are there; all others of `known` are not.
    Saw { present: u64, known: u64 },
    /// It was refused and is not tried again.
    Never(u64),
    /// It may be gone, now and later: somebody takes it back from outside.
    Forget(u64),
    /// What must not happen.
    Wrong(String),
}

/// Between a process and the search.
#[derive(Default)]
pub struct Port {
    pub pending: Vec<(usize, Call)>,
    pub answers: HashMap<usize, Answer>,
    pub told: Vec<Told>,
    /// What an idle process is, all of it.
    pub idle: Option<u64>,
    next: usize,
    drawn: u64,
    act: u64,
}

impl Port {
    /// Randomness depends on the act and not on what was drawn before it, so that processes that know the same are the same.
    pub fn begin(&mut self, act: usize, idle: u64) {
        (self.act, self.drawn, self.idle) = (act as u64, 0, Some(idle));
    }
}

/// The file system of one process.
#[derive(Clone)]
pub struct ModelFs {
    pub process: u64,
    pub skip: Option<Rule>,
    pub port: Arc<Mutex<Port>>,
}

/// Tells whether a process is to be polled again.
#[derive(Default)]
pub struct Woken(pub AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls until nothing more can come of it; whether it ended.
pub fn poll_to_rest(future: &mut BoxFuture<'static, ()>, woken: &Arc<Woken>) -> bool {
    let waker = Waker::from(woken.clone());
    for _ in 0..1_000 {
        woken.0.store(false, Ordering::Relaxed);
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return true;
        }
        if !woken.0.load(Ordering::Relaxed) {
            return false;
        }
    }
    panic!("a process wakes itself for ever")
}

impl ModelFs {
    pub async fn ask(&self, call: Call) -> Answer {
        let mut call = Some(call);
        let mut ticket = 0;
        poll_fn(|_| {
            let mut port = self.port.lock().unwrap();
            if let Some(call) = call.take() {
                ticket = port.next;
                port.next += 1;
                port.pending.push((ticket, call));
                return Poll::Pending;
            }
            match port.answers.remove(&ticket) {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            }
        })
        .await
    }

    async fn call(&self, name: &'static str, path: &str, call: Call) -> Result<Value, FsError> {
        let why = "in the model".to_owned();
        self.ask(call).await.map_err(|reason| FsError { reason, call: name, path: path.to_owned(), why })
    }

    async fn unit(&self, name: &'static str, path: &str, call: Call) -> Result<(), FsError> {
        self.call(name, path, call).await.map(|_| ())
    }
}

fn bytes(value: Value) -> Arc<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => bytes,
        other => panic!("{other:?} where bytes were asked for"),
    }
}

impl Fs for ModelFs {
    fn root(&self) -> String {
        "store".to_owned()
    }

    fn kind(&self) -> BoxFuture<'_, Result<Kind, FsError>> {
        Box::pin(std::future::ready(Ok(Kind::Local)))
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("make folder", path, Call::MakeFolder(path.to_owned())))
    }

    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("write", path, Call::PutTemp(path.to_owned(), Arc::new(bytes.to_vec()))))
    }

    fn put_pieces<'a>(&'a self, path: &'a str, mut pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            let mut bytes = Vec::new();
            while let Some(piece) = pieces.next() {
                bytes.extend(piece?);
            }
            self.put_temp(path, &bytes).await
        })
    }

    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("sync", path, Call::Sync(path.to_owned())))
    }

    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("link", to, Call::Link(from.to_owned(), to.to_owned())))
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>> {
        Box::pin(async move {
            match self.call("list", path, Call::List(path.to_owned())).await? {
                Value::Names(names) => Ok(names),
                other => panic!("{other:?} where names were asked for"),
            }
        })
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        Box::pin(async move { Ok(within(&bytes(self.call("read", path, Call::Read(path.to_owned())).await?), range)) })
    }

    fn source<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn Source>, FsError>> {
        Box::pin(async move {
            let bytes = bytes(self.call("read", path, Call::Read(path.to_owned())).await?);
            Ok(Arc::new(OpenFile { bytes, path: path.to_owned() }) as Arc<dyn Source>)
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("remove", path, Call::Remove(path.to_owned())))
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        Box::pin(async move {
            match self.call("look at", path, Call::Size(path.to_owned())).await? {
                Value::Size(size) => Ok(size),
                other => panic!("{other:?} where a size was asked for"),
            }
        })
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        let mut port = self.port.lock().unwrap();
        port.drawn += 1;
        let drawn = sha256(&[&self.process.to_be_bytes(), &port.act.to_be_bytes(), &port.drawn.to_be_bytes()]);
        // The process can be read from the names it makes.
        let mut named = [0; 16];
        named.copy_from_slice(&drawn[..16]);
        named[0] = self.process as u8;
        Ok(named)
    }

    fn pause(&self, _: Millis) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.ask(Call::Pause).await) })
    }

    fn skips(&self, rule: Rule) -> bool {
        self.skip == Some(rule)
    }
}

//! The file system of a process in the model: every call waits until the search grants it. `world.rs` applies the calls
//! to the disk.

use std::collections::HashMap;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::id::sha256;
use crate::marker::BoxFuture;
use crate::store::file::fault::{MemoryFile, slice_range};
use crate::store::file::fs::{Fs, FsError, FsKind, Pieces, RandomAccessFile, Reason, Rule};
use crate::time::Millis;

/// A call for which a process waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelCall {
    /// Not a call: the process begins its next act. The reply of the act must include everything that was reported to
    /// any process before.
    Begin,
    /// Not a call: no work is in progress within an act. Handled as [`ModelCall::Begin`].
    Idle,
    MakeFolder(String),
    PutTemp(String, Arc<Vec<u8>>),
    Sync(String),
    Link(String, String),
    List(String),
    Read(String),
    Remove(String),
    Size(String),
    Pause,
    /// The user restores a copy that was taken after this commit.
    PutBack(u64),
}

/// The result of a call.
#[derive(Clone, Debug)]
pub enum ModelValue {
    Unit,
    Bytes(Arc<Vec<u8>>),
    Names(Vec<String>),
    Size(u64),
}

pub type ModelAnswer = Result<ModelValue, Reason>;

/// The result of an act, in terms of commands; each command is a bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelObservation {
    /// Of `known`, exactly the commands in `present` are committed.
    Saw { present: u64, known: u64 },
    /// These commands were refused and are not tried again.
    Refused(u64),
    /// These commands may be missing from now on: the user restored a copy without them.
    Reverted(u64),
    /// A violation of the protocol.
    Violation(String),
}

/// The channel between a process and the search.
#[derive(Default)]
pub struct CallChannel {
    pub pending: Vec<(usize, ModelCall)>,
    pub answers: HashMap<usize, ModelAnswer>,
    pub observations: Vec<ModelObservation>,
    /// Hash of the whole state of the process, if it is idle.
    pub idle: Option<u64>,
    next: usize,
    drawn: u64,
    act: u64,
}

impl CallChannel {
    /// Begins an act. Random bytes depend on the act and not on earlier draws, so that processes with equal state
    /// behave alike.
    pub fn begin(&mut self, act: usize, idle: u64) {
        (self.act, self.drawn, self.idle) = (act as u64, 0, Some(idle));
    }
}

/// The file system of one process.
#[derive(Clone)]
pub struct ModelFs {
    pub process: u64,
    pub skip: Option<Rule>,
    pub channel: Arc<Mutex<CallChannel>>,
}

/// Records that a process must be polled again.
#[derive(Default)]
pub struct WakeFlag(pub AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls a process until it waits for a call or ends; returns whether it ended.
pub fn poll_until_idle(future: &mut BoxFuture<'static, ()>, wake_flag: &Arc<WakeFlag>) -> bool {
    let waker = Waker::from(wake_flag.clone());
    for _ in 0..1_000 {
        wake_flag.0.store(false, Ordering::Relaxed);
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return true;
        }
        if !wake_flag.0.load(Ordering::Relaxed) {
            return false;
        }
    }
    panic!("a process wakes itself for ever")
}

impl ModelFs {
    pub async fn ask(&self, call: ModelCall) -> ModelAnswer {
        let mut call = Some(call);
        let mut ticket = 0;
        poll_fn(|_| {
            let mut port = self.channel.lock().unwrap();
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

    async fn call(&self, name: &'static str, path: &str, call: ModelCall) -> Result<ModelValue, FsError> {
        let why = "in the model".to_owned();
        self.ask(call).await.map_err(|reason| FsError { reason, call: name, path: path.to_owned(), why })
    }

    async fn unit(&self, name: &'static str, path: &str, call: ModelCall) -> Result<(), FsError> {
        self.call(name, path, call).await.map(|_| ())
    }
}

fn bytes(value: ModelValue) -> Arc<Vec<u8>> {
    match value {
        ModelValue::Bytes(bytes) => bytes,
        other => panic!("{other:?} where bytes were expected"),
    }
}

impl Fs for ModelFs {
    fn root(&self) -> String {
        "store".to_owned()
    }

    fn kind(&self) -> BoxFuture<'_, Result<FsKind, FsError>> {
        Box::pin(std::future::ready(Ok(FsKind::Local)))
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("make folder", path, ModelCall::MakeFolder(path.to_owned())))
    }

    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("write", path, ModelCall::PutTemp(path.to_owned(), Arc::new(bytes.to_vec()))))
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
        Box::pin(self.unit("sync", path, ModelCall::Sync(path.to_owned())))
    }

    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("link", to, ModelCall::Link(from.to_owned(), to.to_owned())))
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>> {
        Box::pin(async move {
            match self.call("list", path, ModelCall::List(path.to_owned())).await? {
                ModelValue::Names(names) => Ok(names),
                other => panic!("{other:?} where names were expected"),
            }
        })
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        Box::pin(async move {
            Ok(slice_range(&bytes(self.call("read", path, ModelCall::Read(path.to_owned())).await?), range))
        })
    }

    fn open_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn RandomAccessFile>, FsError>> {
        Box::pin(async move {
            let bytes = bytes(self.call("read", path, ModelCall::Read(path.to_owned())).await?);
            Ok(Arc::new(MemoryFile { bytes, path: path.to_owned() }) as Arc<dyn RandomAccessFile>)
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.unit("remove", path, ModelCall::Remove(path.to_owned())))
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        Box::pin(async move {
            match self.call("look at", path, ModelCall::Size(path.to_owned())).await? {
                ModelValue::Size(size) => Ok(size),
                other => panic!("{other:?} where a size was expected"),
            }
        })
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        let mut port = self.channel.lock().unwrap();
        port.drawn += 1;
        let drawn = sha256(&[&self.process.to_be_bytes(), &port.act.to_be_bytes(), &port.drawn.to_be_bytes()]);
        // The first byte of each random name identifies the process.
        let mut named = [0; 16];
        named.copy_from_slice(&drawn[..16]);
        named[0] = self.process as u8;
        Ok(named)
    }

    fn pause(&self, _: Millis) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.ask(ModelCall::Pause).await) })
    }

    fn skips_rule(&self, rule: Rule) -> bool {
        self.skip == Some(rule)
    }
}

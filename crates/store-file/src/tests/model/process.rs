//! Processes as trees of histories, and their file system. A process is deterministic given the results of its calls,
//! so its next call is a function of the results so far. The production code runs each history once, and the search
//! only combines histories. Two histories of one script continue as one if their idle processes have equal state
//! (`script::idle_hash`).
//!
//! In the file system of a process, every call waits until the search grants it. `world.rs` applies the calls to the
//! disk.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use runstate_core::id::sha256;
use runstate_core::marker::BoxFuture;
use runstate_value::time::Millis;

use super::rules::{CallContext, CallMemory, Rule};
use super::script::{ModelAct, ModelCommand, ProcessScript};
use crate::fault::{MemoryFile, slice_range};
use crate::fs::{Fs, FsError, FsKind, Pieces, RandomAccessFile, Reason, Sequence};

/// Maximum number of calls of a process. A script that needs more does not end.
const MAX_CALLS: usize = 400;

/// Caches the hashes of byte vectors by address.
#[derive(Default)]
pub struct Hashes(HashMap<usize, (Arc<Vec<u8>>, u64)>);

impl Hashes {
    pub fn hash_bytes(&mut self, bytes: &Arc<Vec<u8>>) -> u64 {
        // The cache keeps the bytes alive, so that their address is not reused.
        let address = Arc::as_ptr(bytes) as usize;
        let hash = || u64::from_be_bytes(sha256(&[bytes])[..8].try_into().unwrap());
        self.0.entry(address).or_insert_with(|| (bytes.clone(), hash())).1
    }

    pub fn hash_answer(&mut self, answer: &ModelAnswer) -> u64 {
        let mut hasher = DefaultHasher::new();
        match answer {
            Ok(ModelValue::Unit) => 0.hash(&mut hasher),
            Ok(ModelValue::Bytes(bytes)) => (1, self.hash_bytes(bytes)).hash(&mut hasher),
            Ok(ModelValue::Names(names)) => (2, names).hash(&mut hasher),
            Ok(ModelValue::Size(size)) => (3, size).hash(&mut hasher),
            Err(reason) => (4, *reason as u8).hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// Index of a point in the histories of a process.
pub type PointId = usize;

/// The state of a process at such a point.
pub struct Point {
    pub pending: Vec<ModelCall>,
    pub ended: bool,
    parent: Option<(PointId, usize, ModelAnswer)>,
    children: HashMap<(usize, u64), Edge>,
    /// The running process, unless it has continued from here.
    run: Option<ProcessRun>,
    depth: usize,
}

#[derive(Clone)]
struct Edge {
    to: PointId,
    observations: Arc<Vec<ModelObservation>>,
}

struct ProcessRun {
    future: BoxFuture<'static, ()>,
    channel: Arc<Mutex<CallChannel>>,
    wake_flag: Arc<WakeFlag>,
}

/// All histories of one process.
pub struct Histories {
    process: u64,
    skip: Option<Rule>,
    commands: Vec<ModelCommand>,
    acts: Vec<ModelAct>,
    pub points: Vec<Point>,
    idle: HashMap<u64, PointId>,
}

impl Histories {
    pub fn new(process: u64, skip: Option<Rule>, commands: &[ModelCommand], acts: &[ModelAct]) -> Self {
        let (commands, acts) = (commands.to_vec(), acts.to_vec());
        let mut histories = Self { process, skip, commands, acts, points: Vec::new(), idle: HashMap::new() };
        let (run, ended) = histories.start();
        histories.add(run, ended, None, 0);
        histories
    }

    fn start(&self) -> (ProcessRun, bool) {
        let channel = Arc::new(Mutex::new(CallChannel::default()));
        let (context, memory) = (CallContext::default(), CallMemory::default());
        let fs = ModelFs { process: self.process, skip: self.skip, channel: channel.clone(), context, memory };
        let script = ProcessScript { fs, commands: self.commands.clone(), acts: self.acts.clone() };
        let mut run = ProcessRun { future: Box::pin(script.run()), channel, wake_flag: Arc::default() };
        let ended = poll_until_idle(&mut run.future, &run.wake_flag);
        (run, ended)
    }

    fn add(
        &mut self,
        run: ProcessRun,
        ended: bool,
        parent: Option<(PointId, usize, ModelAnswer)>,
        depth: usize,
    ) -> PointId {
        let pending = run.channel.lock().unwrap().pending.iter().map(|(_, call)| call.clone()).collect();
        self.points.push(Point { pending, ended, parent, children: HashMap::new(), run: Some(run), depth });
        self.points.len() - 1
    }

    /// Answers one of the pending calls of the process. Returns the point that it reaches, and its observations.
    pub fn answer(
        &mut self,
        at: PointId,
        index: usize,
        answer: &ModelAnswer,
        hashes: &mut Hashes,
    ) -> (PointId, Arc<Vec<ModelObservation>>) {
        let key = (index, hashes.hash_answer(answer));
        if let Some(edge) = self.points[at].children.get(&key) {
            return (edge.to, edge.observations.clone());
        }
        let mut run = self.points[at].run.take().unwrap_or_else(|| self.replay(at));
        let ended = run.answer(index, answer);
        let (observations, idle, has_pending) = {
            let mut channel = run.channel.lock().unwrap();
            (std::mem::take(&mut channel.observations), channel.idle, !channel.pending.is_empty())
        };
        let mut observations = observations;
        // All ended processes are equal.
        let idle = if ended { Some(u64::MAX) } else { idle };
        let depth = self.points[at].depth + 1;
        if !ended && !has_pending {
            observations.push(ModelObservation::Violation("it waits for no call".to_owned()));
        }
        if depth > MAX_CALLS {
            observations.push(ModelObservation::Violation("it makes calls for ever".to_owned()));
        }
        let to = match idle.and_then(|idle| self.idle.get(&idle)) {
            Some(point) => *point,
            None => {
                let to = self.add(run, ended, Some((at, index, answer.clone())), depth);
                if let Some(idle) = idle {
                    self.idle.insert(idle, to);
                }
                to
            }
        };
        let edge = Edge { to, observations: Arc::new(observations) };
        self.points[at].children.insert(key, edge.clone());
        (edge.to, edge.observations)
    }

    /// Runs a history again, up to a point.
    fn replay(&self, at: PointId) -> ProcessRun {
        let mut answers = Vec::new();
        let mut point = at;
        while let Some((parent, index, answer)) = &self.points[point].parent {
            answers.push((*index, answer));
            point = *parent;
        }
        let (mut run, _) = self.start();
        for (index, answer) in answers.into_iter().rev() {
            run.answer(index, answer);
        }
        run.channel.lock().unwrap().observations.clear();
        run
    }
}

impl ProcessRun {
    fn answer(&mut self, index: usize, answer: &ModelAnswer) -> bool {
        {
            let mut channel = self.channel.lock().unwrap();
            let (ticket, _) = channel.pending.remove(index);
            channel.answers.insert(ticket, answer.clone());
        }
        poll_until_idle(&mut self.future, &self.wake_flag)
    }
}

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
    RestoreCopy(u64),
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
    draws: u64,
    act: u64,
}

impl CallChannel {
    /// Begins an act. Random bytes depend on the act and not on earlier draws, so that processes with equal state
    /// behave alike.
    pub fn begin(&mut self, act: usize, idle: u64) {
        (self.act, self.draws, self.idle) = (act as u64, 0, Some(idle));
    }
}

/// The file system of one process.
#[derive(Clone)]
pub struct ModelFs {
    pub process: u64,
    /// The rule that this process leaves out.
    pub skip: Option<Rule>,
    pub channel: Arc<Mutex<CallChannel>>,
    pub context: CallContext,
    pub memory: CallMemory,
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
    /// Waits until the search grants a call, and returns its answer.
    pub async fn grant(&self, call: ModelCall) -> ModelAnswer {
        let mut call = Some(call);
        let mut ticket = 0;
        poll_fn(|_| {
            let mut channel = self.channel.lock().unwrap();
            if let Some(call) = call.take() {
                ticket = channel.next;
                channel.next += 1;
                channel.pending.push((ticket, call));
                return Poll::Pending;
            }
            match channel.answers.remove(&ticket) {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            }
        })
        .await
    }

    async fn call(&self, name: &'static str, path: &str, call: ModelCall) -> Result<ModelValue, FsError> {
        let why = "in the model".to_owned();
        self.request(call).await.map_err(|reason| FsError { reason, call: name, path: path.to_owned(), why })
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
        Box::pin(self.unit("mkdir", path, ModelCall::MakeFolder(path.to_owned())))
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
            match self.call("stat", path, ModelCall::Size(path.to_owned())).await? {
                ModelValue::Size(size) => Ok(size),
                other => panic!("{other:?} where a size was expected"),
            }
        })
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        let mut channel = self.channel.lock().unwrap();
        channel.draws += 1;
        let random = sha256(&[&self.process.to_be_bytes(), &channel.act.to_be_bytes(), &channel.draws.to_be_bytes()]);
        // The first byte of each random name identifies the process.
        let mut name = [0; 16];
        name.copy_from_slice(&random[..16]);
        name[0] = self.process as u8;
        Ok(name)
    }

    fn pause(&self, _: Millis) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.request(ModelCall::Pause).await) })
    }

    fn run<S: Sequence>(&self, sequence: S) -> BoxFuture<'_, Result<S::Output, FsError>> {
        let context = CallContext::from_sequence::<S>();
        let within = Self { context, memory: self.memory.begin_sequence(), ..self.clone() };
        Box::pin(async move { Ok(sequence.run(&within).await) })
    }
}

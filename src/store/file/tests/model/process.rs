//! Processes as trees of histories. A process is deterministic given the results of its calls, so its next call is a
//! function of the results so far. The production code runs each history once, and the search only combines histories.
//! Two histories of one script continue as one if their idle processes have equal state (`script::idle_hash`).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use super::calls::{
    CallChannel, ModelAnswer, ModelCall, ModelFs, ModelObservation, ModelValue, WakeFlag, poll_until_idle,
};
use super::script::{ModelAct, ModelCommand, ProcessScript};
use crate::id::sha256;
use crate::marker::BoxFuture;
use crate::store::file::fs::Rule;

/// Maximum number of calls of a process. A script that needs more does not end.
const MOST_CALLS: usize = 400;

/// Caches the hashes of byte vectors by address.
#[derive(Default)]
pub struct Hashes(HashMap<usize, (Arc<Vec<u8>>, u64)>);

impl Hashes {
    pub fn hash_bytes(&mut self, bytes: &Arc<Vec<u8>>) -> u64 {
        // The cache keeps the bytes alive, so that their address is not reused.
        let place = Arc::as_ptr(bytes) as usize;
        let hash = || u64::from_be_bytes(sha256(&[bytes])[..8].try_into().unwrap());
        self.0.entry(place).or_insert_with(|| (bytes.clone(), hash())).1
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
        let port = Arc::new(Mutex::new(CallChannel::default()));
        let fs = ModelFs { process: self.process, skip: self.skip, channel: port.clone() };
        let script = ProcessScript { fs, commands: self.commands.clone(), acts: self.acts.clone() };
        let mut run = ProcessRun { future: Box::pin(script.run()), channel: port, wake_flag: Arc::default() };
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
        which: usize,
        answer: &ModelAnswer,
        hashes: &mut Hashes,
    ) -> (PointId, Arc<Vec<ModelObservation>>) {
        let key = (which, hashes.hash_answer(answer));
        if let Some(edge) = self.points[at].children.get(&key) {
            return (edge.to, edge.observations.clone());
        }
        let mut run = self.points[at].run.take().unwrap_or_else(|| self.replay(at));
        let ended = run.answer(which, answer);
        let (observations, idle, waits) = {
            let mut port = run.channel.lock().unwrap();
            (std::mem::take(&mut port.observations), port.idle, !port.pending.is_empty())
        };
        let mut observations = observations;
        // All ended processes are equal.
        let idle = if ended { Some(u64::MAX) } else { idle };
        let depth = self.points[at].depth + 1;
        if !ended && !waits {
            observations.push(ModelObservation::Violation("it waits for no call".to_owned()));
        }
        if depth > MOST_CALLS {
            observations.push(ModelObservation::Violation("it makes calls for ever".to_owned()));
        }
        let to = match idle.and_then(|idle| self.idle.get(&idle)) {
            Some(known) => *known,
            None => {
                let to = self.add(run, ended, Some((at, which, answer.clone())), depth);
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
        while let Some((parent, which, answer)) = &self.points[point].parent {
            answers.push((*which, answer));
            point = *parent;
        }
        let (mut run, _) = self.start();
        for (which, answer) in answers.into_iter().rev() {
            run.answer(which, answer);
        }
        run.channel.lock().unwrap().observations.clear();
        run
    }
}

impl ProcessRun {
    fn answer(&mut self, which: usize, answer: &ModelAnswer) -> bool {
        {
            let mut port = self.channel.lock().unwrap();
            let (ticket, _) = port.pending.remove(which);
            port.answers.insert(ticket, answer.clone());
        }
        poll_until_idle(&mut self.future, &self.wake_flag)
    }
}

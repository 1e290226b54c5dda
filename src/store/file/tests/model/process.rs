//! Processes as trees of histories. A process is deterministic given the results of its calls, so what it waits for next is a function of the
//! results so far: each such history is run once, in the production code, and the search only combines histories. Where an idle process
//! knows the same as another one of the same script did (`script::idle`), the two histories go on as one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use super::calls::{Answer, Call, ModelFs, Port, Told, Value, Woken, poll_to_rest};
use super::script::{Act, Deed, Script};
use crate::id::sha256;
use crate::marker::BoxFuture;
use crate::store::file::fs::Rule;

/// Most calls that a process may make: a script that needs more does not end.
const MOST_CALLS: usize = 400;

/// Hashes bytes once for each time they were made.
#[derive(Default)]
pub struct Hashes(HashMap<usize, (Arc<Vec<u8>>, u64)>);

impl Hashes {
    pub fn of(&mut self, bytes: &Arc<Vec<u8>>) -> u64 {
        // The bytes are kept, so that their address stays theirs.
        let place = Arc::as_ptr(bytes) as usize;
        let hash = || u64::from_be_bytes(sha256(&[bytes])[..8].try_into().unwrap());
        self.0.entry(place).or_insert_with(|| (bytes.clone(), hash())).1
    }

    pub fn of_answer(&mut self, answer: &Answer) -> u64 {
        let mut hasher = DefaultHasher::new();
        match answer {
            Ok(Value::Unit) => 0.hash(&mut hasher),
            Ok(Value::Bytes(bytes)) => (1, self.of(bytes)).hash(&mut hasher),
            Ok(Value::Names(names)) => (2, names).hash(&mut hasher),
            Ok(Value::Size(size)) => (3, size).hash(&mut hasher),
            Err(reason) => (4, *reason as u8).hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// A point in the life of a process.
pub type At = usize;

/// What a process is at such a point.
pub struct Point {
    pub pending: Vec<Call>,
    pub ended: bool,
    parent: Option<(At, usize, Answer)>,
    children: HashMap<(usize, u64), Edge>,
    /// The process itself, where it has not gone on from here.
    live: Option<Run>,
    depth: usize,
}

#[derive(Clone)]
struct Edge {
    to: At,
    told: Arc<Vec<Told>>,
}

struct Run {
    future: BoxFuture<'static, ()>,
    port: Arc<Mutex<Port>>,
    woken: Arc<Woken>,
}

/// All histories of one process.
pub struct Histories {
    process: u64,
    skip: Option<Rule>,
    deeds: Vec<Deed>,
    acts: Vec<Act>,
    pub points: Vec<Point>,
    idle: HashMap<u64, At>,
}

impl Histories {
    pub fn new(process: u64, skip: Option<Rule>, deeds: &[Deed], acts: &[Act]) -> Self {
        let (deeds, acts) = (deeds.to_vec(), acts.to_vec());
        let mut histories = Self { process, skip, deeds, acts, points: Vec::new(), idle: HashMap::new() };
        let (run, ended) = histories.start();
        histories.add(run, ended, None, 0);
        histories
    }

    fn start(&self) -> (Run, bool) {
        let port = Arc::new(Mutex::new(Port::default()));
        let fs = ModelFs { process: self.process, skip: self.skip, port: port.clone() };
        let script = Script { fs, deeds: self.deeds.clone(), acts: self.acts.clone() };
        let mut run = Run { future: Box::pin(script.run()), port, woken: Arc::default() };
        let ended = poll_to_rest(&mut run.future, &run.woken);
        (run, ended)
    }

    fn add(&mut self, run: Run, ended: bool, parent: Option<(At, usize, Answer)>, depth: usize) -> At {
        let pending = run.port.lock().unwrap().pending.iter().map(|(_, call)| call.clone()).collect();
        self.points.push(Point { pending, ended, parent, children: HashMap::new(), live: Some(run), depth });
        self.points.len() - 1
    }

    /// Answers one of the calls that the process waits for: where it stands then, and what it told.
    pub fn go(&mut self, at: At, which: usize, answer: &Answer, hashes: &mut Hashes) -> (At, Arc<Vec<Told>>) {
        let key = (which, hashes.of_answer(answer));
        if let Some(edge) = self.points[at].children.get(&key) {
            return (edge.to, edge.told.clone());
        }
        let mut run = self.points[at].live.take().unwrap_or_else(|| self.replay(at));
        let ended = run.answer(which, answer);
        let (told, idle, waits) = {
            let mut port = run.port.lock().unwrap();
            (std::mem::take(&mut port.told), port.idle, !port.pending.is_empty())
        };
        let mut told = told;
        // All who are at their end are alike.
        let idle = if ended { Some(u64::MAX) } else { idle };
        let depth = self.points[at].depth + 1;
        if !ended && !waits {
            told.push(Told::Wrong("it waits for nothing".to_owned()));
        }
        if depth > MOST_CALLS {
            told.push(Told::Wrong("it makes calls for ever".to_owned()));
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
        let edge = Edge { to, told: Arc::new(told) };
        self.points[at].children.insert(key, edge.clone());
        (edge.to, edge.told)
    }

    /// Runs a history again.
    fn replay(&self, at: At) -> Run {
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
        run.port.lock().unwrap().told.clear();
        run
    }
}

impl Run {
    fn answer(&mut self, which: usize, answer: &Answer) -> bool {
        {
            let mut port = self.port.lock().unwrap();
            let (ticket, _) = port.pending.remove(which);
            port.answers.insert(ticket, answer.clone());
        }
        poll_to_rest(&mut self.future, &self.woken)
    }
}

//! A state of the world: the disk, where each process stands, what was told to anybody. And the steps that lead from one to the next.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::calls::{Answer, Call, Told, Value};
use super::process::{At, Hashes, Histories};
use crate::store::file::fault::{Contents, Node, Sync, Unsynced};
use crate::store::file::format::{IDENTITY, commit_path, commit_seq, is_temp};
use crate::store::file::fs::{Reason, Rule};

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A process gets the answer to one of its calls.
    Grant(usize, usize),
    /// The power fails; of what a loss may undo, these survive.
    Power(u64),
}

/// Everything that makes a difference from now on.
#[derive(Clone)]
pub struct World {
    pub disk: Contents,
    /// Where each process stands; none: it is dead, or not born.
    pub at: Vec<Option<At>>,
    /// What everybody had been told when the process began its act.
    begun: Vec<u64>,
    /// What somebody was told is there.
    pub must: u64,
    /// What somebody was told is refused.
    pub never: u64,
    /// What was taken back from outside.
    forgiven: u64,
    /// How often the power may still fail.
    pub powers: usize,
    /// How often the disk changed, and its hash as of then.
    edits: u64,
    hashed: Option<u64>,
}

/// The processes, and the rule that is switched off.
pub struct Cast {
    pub histories: Vec<Histories>,
    pub skip: Option<Rule>,
    pub hashes: Hashes,
}

impl World {
    pub fn new(disk: Contents, processes: usize, powers: usize) -> Self {
        Self {
            disk,
            at: vec![None; processes],
            begun: vec![0; processes],
            must: 0,
            never: 0,
            forgiven: 0,
            powers,
            edits: 0,
            hashed: None,
        }
    }

    pub fn key(&mut self, hashes: &mut Hashes) -> u64 {
        let mut hasher = DefaultHasher::new();
        let disk = *self.hashed.get_or_insert_with(|| {
            let mut hasher = DefaultHasher::new();
            self.disk.hash_into(&mut hasher, &mut |bytes| hashes.of(bytes));
            hasher.finish()
        });
        (disk, &self.at, &self.begun, self.must, self.never, self.forgiven, self.powers).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether what must hold has to be asked again, after a step from there.
    pub fn differs(&self, from: &Self) -> bool {
        let told = |world: &Self| (world.must, world.never, world.forgiven);
        self.edits != from.edits || told(self) != told(from)
    }

    /// Calls that can be granted.
    pub fn choices(&self, cast: &Cast) -> Vec<Step> {
        let waiting = |(process, at): (usize, &Option<At>)| {
            let calls = at.map_or(0, |at| cast.histories[process].points[at].pending.len());
            (0..calls).map(move |which| Step::Grant(process, which))
        };
        self.at.iter().enumerate().flat_map(waiting).collect()
    }

    /// Whether a loss of power here can undo what none before or after could. Every other call adds to what a loss may undo and takes nothing
    /// from what was promised, so a loss after it says all that one before it would; only a sync takes away.
    pub fn is_worth_a_loss_of_power(&self, cast: &Cast) -> bool {
        self.at.iter().enumerate().all(|(process, at)| {
            at.is_none_or(|at| {
                let pending = &cast.histories[process].points[at].pending;
                pending.iter().all(|call| matches!(call, Call::Sync(_)))
            })
        })
    }

    /// One step of a process; what it does, for people. Calls that make no difference to others are done at once with the call before them:
    ///
    /// - what an act does first, with its beginning: nothing is told meanwhile by this process, and the later an act begins the more it must know;
    /// - a sync after a sync: only a loss of power tells them apart, and one before both can undo more;
    /// - any sync, where the power fails no more; removing one's own temp after the link, which only a fence can tell, and does no differently;
    /// - reading runstate.json where it is, making a folder that is there, a pause: nobody changes or sees any of it.
    pub fn grant(
        &mut self,
        process: usize,
        which: usize,
        cast: &mut Cast,
        say: &mut dyn FnMut(String),
    ) -> Result<(), String> {
        let mut which = which;
        loop {
            let Some(at) = self.at[process] else { return Ok(()) };
            let call = cast.histories[process].points[at].pending[which].clone();
            let answer = match &call {
                Call::Begin | Call::Rest => {
                    self.begun[process] = self.must;
                    Ok(Value::Unit)
                }
                call => {
                    if !matches!(call, Call::List(_) | Call::Read(_) | Call::Size(_) | Call::Pause) {
                        (self.edits, self.hashed) = (self.edits + 1, None);
                    }
                    apply(&mut self.disk, call, cast.skip)
                }
            };
            if !is_rest(&call) {
                say(told(process, &call, &answer));
            }
            let (to, told) = cast.histories[process].go(at, which, &answer, &mut cast.hashes);
            self.at[process] = Some(to);
            for told in told.iter() {
                say(format!("   {process}: {told:?}"));
                self.hear(process, told)?;
            }
            let point = &cast.histories[process].points[to];
            if point.ended || point.pending.first().is_some_and(is_rest) {
                self.begun[process] = 0;
            }
            match point.pending.as_slice() {
                [next] if is_rest(&call) || self.goes_with(&call, next) => which = 0,
                _ => return Ok(()),
            }
        }
    }

    fn goes_with(&self, call: &Call, next: &Call) -> bool {
        match next {
            Call::Sync(_) => self.powers == 0 || matches!(call, Call::Sync(_)),
            Call::Read(path) => path == IDENTITY && self.disk.find(path).is_some(),
            Call::MakeFolder(path) => self.disk.find(path).is_some(),
            Call::Pause => true,
            // A temp has done its work once it was linked: to whom it is listed meanwhile, removing it comes to the same.
            Call::Remove(path) => matches!(call, Call::Link(from, _) if from == path),
            _ => false,
        }
    }

    fn hear(&mut self, process: usize, told: &Told) -> Result<(), String> {
        match told {
            Told::Wrong(why) => return Err(format!("process {process}: {why}")),
            Told::Saw { present, known } => {
                let old = self.begun[process] & known & !present & !self.forgiven;
                if old != 0 {
                    return Err(format!(
                        "process {process} is told {present:b} of {known:b}, after {old:b} was told to be there"
                    ));
                }
                self.must |= present & !self.forgiven;
            }
            Told::Never(refused) => self.never |= refused,
            Told::Forget(gone) => {
                self.forgiven |= gone;
                self.must &= !gone;
            }
        }
        Ok(())
    }

    /// What the power may leave: every choice of what is not synced, but for temps, which whoever comes then does not look at.
    pub fn losses(&self) -> Vec<u64> {
        let unsynced = self.disk.unsynced();
        let counts: Vec<usize> = (0..unsynced.len()).filter(|n| !is_unread(&unsynced[*n])).collect();
        assert!(counts.len() <= 12, "too much is unsynced to go through all of it: {unsynced:?}");
        let chosen = |choice: u64| counts.iter().enumerate().fold(0, |bits, (bit, n)| bits | (choice >> bit & 1) << n);
        (0..1 << counts.len()).map(chosen).collect()
    }

    /// The power fails. Everybody is dead.
    pub fn lose_power(&mut self, survivors: u64) {
        self.disk.lose_power(|n, _| survivors >> n & 1 == 1);
        (self.edits, self.hashed) = (self.edits + 1, None);
        self.at.fill(None);
        self.begun.fill(0);
    }
}

fn is_rest(call: &Call) -> bool {
    matches!(call, Call::Begin | Call::Rest)
}

fn is_unread(unsynced: &Unsynced) -> bool {
    match unsynced {
        Unsynced::Added(path) | Unsynced::Removed(path) | Unsynced::Replaced(path) | Unsynced::Bytes(path, _) => {
            path.rsplit('/').next().is_some_and(is_temp)
        }
    }
}

fn told(process: usize, call: &Call, answer: &Answer) -> String {
    let outcome = match answer {
        Ok(Value::Unit) => String::new(),
        Ok(Value::Bytes(bytes)) => format!(" → {} bytes", bytes.len()),
        Ok(Value::Names(names)) => format!(" → {names:?}"),
        Ok(Value::Size(size)) => format!(" → {size} bytes"),
        Err(reason) => format!(" → {reason:?}"),
    };
    match call {
        Call::PutTemp(path, _) => format!("{process}: put {path}{outcome}"),
        call => format!("{process}: {call:?}{outcome}"),
    }
}

/// A call's effect. A temp is written and synced in one step: nobody reads it before it has another name, and to whom it is listed or removed in
/// between, it is as if that were right after.
fn apply(disk: &mut Contents, call: &Call, skip: Option<Rule>) -> Answer {
    let unit = |done: Result<(), Reason>| done.map(|()| Value::Unit);
    match call {
        Call::Begin | Call::Rest | Call::Pause => Ok(Value::Unit),
        Call::MakeFolder(path) => unit(disk.make_folder(path)),
        Call::PutTemp(path, bytes) => unit(disk.create(path).map(|file| {
            disk.write(file, bytes);
            disk.sync_file(file, Sync::Saves);
        })),
        Call::Sync(path) => {
            let above = if path.is_empty() { disk.sync_above(Sync::Saves) } else { Ok(()) };
            unit(above.and_then(|()| disk.sync_folder(path, Sync::Saves)))
        }
        Call::Link(from, to) => {
            if skip == Some(Rule::CreateOnce) && disk.find(from).is_some() {
                let _ = disk.remove(to);
            }
            unit(disk.link(from, to))
        }
        Call::List(path) => disk.list(path).map(Value::Names),
        Call::Read(path) => disk.read(path).map(Value::Bytes),
        Call::Remove(path) => unit(disk.remove(path)),
        Call::Size(path) => match disk.find(path) {
            Some(Node::File(_)) => disk.read(path).map(|bytes| Value::Size(bytes.len() as u64)),
            Some(Node::Folder(_)) => Err(Reason::Other),
            None => Err(Reason::Missing),
        },
        Call::PutBack(seq) => {
            for name in disk.list("commits").unwrap_or_default() {
                if commit_seq(&name).is_none_or(|at| at > *seq) {
                    disk.edit(&format!("commits/{name}"), None);
                }
            }
            debug_assert!(disk.find(&commit_path(*seq)).is_some());
            Ok(Value::Unit)
        }
    }
}

/// The disk as somebody finds it who comes when everybody else is dead: temps are nobody's, and what is synced makes no difference.
pub fn found(disk: &Contents) -> Contents {
    let mut disk = disk.clone();
    for folder in ["commits", "snapshots"] {
        for name in disk.list(folder).unwrap_or_default() {
            if is_temp(&name) {
                disk.edit(&format!("{folder}/{name}"), None);
            }
        }
    }
    disk.lose_power(|_, _| true);
    disk
}

/// Says nothing.
pub fn silent() -> impl FnMut(String) {
    |_| ()
}

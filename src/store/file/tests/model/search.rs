//! The search: through every interleaving of a scenario, or along random ones. What must hold is asked in every state, of a process that comes
//! when all others are dead: that is what makes kills part of the search, since a process that is killed is one that never goes on.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use super::calls::Call;
use super::process::{Hashes, Histories};
use super::script::{Act, Deed};
use super::world::{Cast, Step, World, found, silent};
use crate::id::sha256;
use crate::store::file::fault::Contents;
use crate::store::file::format::is_temp;
use crate::store::file::fs::Rule;

/// What is searched.
#[derive(Clone)]
pub struct Scenario {
    pub deeds: Vec<Deed>,
    /// What one process did long ago. Empty: there is no store.
    pub before: Vec<Act>,
    /// Each process: how far it has come before anybody goes on, one after the other, and all its acts.
    pub processes: Vec<(Asleep, Vec<Act>)>,
    /// How often the power fails at most, and what whoever comes then does.
    pub powers: usize,
    pub after: Vec<Act>,
}

/// Where a process stands when the search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asleep {
    /// So many acts are done.
    After(usize),
    /// Right before its first link after so many acts.
    BeforeLink(usize),
    /// It died right after it.
    DeadAfterLink(usize),
}

/// What a search went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Searched {
    pub states: usize,
    histories: usize,
    disks: usize,
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states, {} histories, {} disks", self.states, self.histories, self.disks)
    }
}

/// The way to a state in which something does not hold.
#[derive(Debug)]
pub struct Violation {
    pub why: String,
    pub trace: Vec<String>,
}

impl Scenario {
    /// Goes through everything.
    pub fn search(&self, skip: Option<Rule>, most: usize) -> Result<Searched, Violation> {
        let mut search = Search::new(self, skip);
        let root = search.root(self)?;
        search.exhaust(root, most)
    }

    /// Goes along `walks` random ways.
    pub fn walk(&self, seed: u64, walks: u64) -> Result<Searched, Violation> {
        let mut search = Search::new(self, None);
        let root = search.root(self)?;
        for walk in 0..walks {
            let mut drawn = 0u64;
            let mut draw = |below: usize| {
                drawn += 1;
                let hash = sha256(&[&seed.to_be_bytes(), &walk.to_be_bytes(), &drawn.to_be_bytes()]);
                (u64::from_be_bytes(hash[..8].try_into().unwrap_or_default()) % below.max(1) as u64) as usize
            };
            search.stroll(root.clone(), &mut draw)?;
        }
        Ok(search.searched())
    }
}

struct Search {
    cast: Cast,
    observer: Histories,
    /// What an observer finds on a disk.
    observed: HashMap<u64, Result<u64, String>>,
    probe: u64,
    /// The first of those who come after a loss of power.
    later: usize,
    seen: HashSet<u64>,
    /// How each state was reached.
    ways: Vec<(usize, Step)>,
    origin: Option<World>,
}

impl Search {
    fn new(scenario: &Scenario, skip: Option<Rule>) -> Self {
        let mut deeds = scenario.deeds.clone();
        deeds.push(Deed::Insert("probe", "probe"));
        let probe = deeds.len() - 1;
        let later = scenario.processes.len() + 1;
        let mut histories = vec![Histories::new(0, skip, &deeds, &scenario.before)];
        for (at, (_, acts)) in scenario.processes.iter().enumerate() {
            histories.push(Histories::new(at as u64 + 1, skip, &deeds, acts));
        }
        for power in 0..scenario.powers {
            histories.push(Histories::new((later + power) as u64, skip, &deeds, &scenario.after));
        }
        let look = [Act::Open, Act::Read, Act::Commit(probe), Act::Compact, Act::Close, Act::Open, Act::Read];
        Self {
            cast: Cast { histories, skip, hashes: Hashes::default() },
            observer: Histories::new(99, skip, &deeds, &look),
            observed: HashMap::new(),
            probe: 1 << probe,
            later,
            seen: HashSet::new(),
            ways: Vec::new(),
            origin: None,
        }
    }

    fn searched(&self) -> Searched {
        let histories = self.cast.histories.iter().map(|h| h.points.len()).sum();
        Searched { states: self.seen.len(), histories, disks: self.observed.len() }
    }

    /// What was before.
    fn root(&mut self, scenario: &Scenario) -> Result<World, Violation> {
        let mut world = World::new(Contents::default(), self.cast.histories.len(), scenario.powers);
        let alone = |why: String| Violation { why, trace: vec!["before".to_owned()] };
        world.at[0] = Some(0);
        self.run_alone(&mut world, 0, Asleep::After(usize::MAX)).map_err(alone)?;
        world.disk.lose_power(|_, _| true);
        for (at, (asleep, _)) in scenario.processes.iter().enumerate() {
            world.at[at + 1] = Some(0);
            self.run_alone(&mut world, at + 1, *asleep).map_err(alone)?;
        }
        self.origin = Some(world.clone());
        Ok(world)
    }

    /// Runs a process through its first acts while nobody else does anything.
    fn run_alone(&mut self, world: &mut World, process: usize, asleep: Asleep) -> Result<(), String> {
        let (Asleep::After(acts) | Asleep::BeforeLink(acts) | Asleep::DeadAfterLink(acts)) = asleep;
        let mut begun = 0;
        while let Some(at) = world.at[process] {
            let point = &self.cast.histories[process].points[at];
            if point.ended {
                return Ok(());
            }
            if point.pending.first() == Some(&Call::Begin) {
                if begun == acts && asleep == Asleep::After(acts) {
                    return Ok(());
                }
                begun += 1;
            }
            let links = begun > acts && matches!(point.pending.first(), Some(Call::Link(..)));
            if links && asleep == Asleep::BeforeLink(acts) {
                return Ok(());
            }
            world.grant(process, 0, &mut self.cast, &mut silent())?;
            if links {
                world.at[process] = None;
                return Ok(());
            }
        }
        Ok(())
    }

    fn exhaust(&mut self, mut root: World, most: usize) -> Result<Searched, Violation> {
        let key = root.key(&mut self.cast.hashes);
        self.seen.insert(key);
        self.ways.push((0, Step::Power(0)));
        let mut stack = vec![(root, 0)];
        while let Some((world, way)) = stack.pop() {
            for step in self.steps(&world) {
                self.ways.push((way, step));
                let here = self.ways.len() - 1;
                let mut next = world.clone();
                let taken = self.take(&mut next, step, &mut silent());
                if let Err(why) = taken {
                    return Err(self.violation(here, why));
                }
                if self.seen.insert(next.key(&mut self.cast.hashes)) {
                    if next.differs(&world)
                        && let Err(why) = self.check(&next)
                    {
                        return Err(self.violation(here, why));
                    }
                    stack.push((next, here));
                } else {
                    self.ways.pop();
                }
                assert!(self.seen.len() <= most, "more than {most} states: {}", self.searched());
            }
        }
        Ok(self.searched())
    }

    fn stroll(&mut self, mut world: World, draw: &mut impl FnMut(usize) -> usize) -> Result<(), Violation> {
        self.ways.clear();
        self.ways.push((0, Step::Power(0)));
        loop {
            let mut steps = world.choices(&self.cast);
            // Power fails seldom, and then anywhere.
            if world.powers > 0 && (steps.is_empty() || draw(40) == 0) {
                steps = world.losses().into_iter().map(Step::Power).collect();
            }
            let Some(step) = steps.get(draw(steps.len())).copied() else { return Ok(()) };
            self.ways.push((self.ways.len() - 1, step));
            let here = self.ways.len() - 1;
            let taken = self.take(&mut world, step, &mut silent()).and_then(|()| self.check(&world));
            taken.map_err(|why| self.violation(here, why))?;
            self.seen.insert(world.key(&mut self.cast.hashes));
        }
    }

    fn steps(&self, world: &World) -> Vec<Step> {
        let mut steps = world.choices(&self.cast);
        if world.powers > 0 && world.is_worth_a_loss_of_power(&self.cast) {
            steps.extend(world.losses().into_iter().map(Step::Power));
        }
        steps
    }

    fn take(&mut self, world: &mut World, step: Step, say: &mut dyn FnMut(String)) -> Result<(), String> {
        match step {
            Step::Grant(process, which) => world.grant(process, which, &mut self.cast, say),
            Step::Power(survivors) => {
                let unsynced = world.disk.unsynced();
                let kept = unsynced.iter().enumerate().filter(|(n, _)| survivors >> n & 1 == 1).map(|(_, what)| what);
                say(format!("the power fails; of {unsynced:?} there survives {:?}", kept.collect::<Vec<_>>()));
                world.lose_power(survivors);
                let next = self.cast.histories.len() - world.powers;
                debug_assert!(next >= self.later);
                world.powers -= 1;
                world.at[next] = Some(0);
                Ok(())
            }
        }
    }

    /// What must hold in every state.
    fn check(&mut self, world: &World) -> Result<(), String> {
        let mut hasher = DefaultHasher::new();
        world.disk.hash_seen(&mut hasher, &mut |bytes| self.cast.hashes.of(bytes), is_temp);
        let key = hasher.finish();
        let observed = match self.observed.get(&key) {
            Some(observed) => observed.clone(),
            None => {
                let observed = self.observe(found(&world.disk));
                self.observed.insert(key, observed.clone());
                observed
            }
        };
        let present = observed.map_err(|why| format!("who comes when all others are dead: {why}"))?;
        if world.must & !present != 0 {
            return Err(format!("{:b} was told to be there and is lost", world.must & !present));
        }
        if world.never & present != 0 {
            return Err(format!("{:b} was refused and is there", world.never & present));
        }
        Ok(())
    }

    /// What somebody finds who comes then, writes, compacts, and opens the store again.
    fn observe(&mut self, mut disk: Contents) -> Result<u64, String> {
        let mut alone = World::new(std::mem::take(&mut disk), 1, 0);
        alone.at[0] = Some(0);
        let mut cast =
            Cast { histories: Vec::new(), skip: self.cast.skip, hashes: std::mem::take(&mut self.cast.hashes) };
        let observer = std::mem::replace(&mut self.observer, Histories::new(99, None, &[], &[]));
        cast.histories.push(observer);
        let mut said = Vec::new();
        let mut ended = Ok(());
        while ended.is_ok() && !alone.choices(&cast).is_empty() {
            ended = alone.grant(0, 0, &mut cast, &mut |line| said.push(line));
        }
        self.cast.hashes = cast.hashes;
        self.observer = cast.histories.remove(0);
        ended.map_err(|why| format!("{why}\n  {}", said.join("\n  ")))?;
        if alone.never != 0 {
            return Err("it is refused what is new".to_owned());
        }
        // All was read before and after the probe: what is there now was there then.
        Ok(alone.must & !self.probe)
    }

    fn violation(&mut self, at: usize, why: String) -> Violation {
        let (mut steps, mut way) = (Vec::new(), at);
        while way != 0 {
            let (parent, step) = self.ways[way];
            steps.push(step);
            way = parent;
        }
        let mut trace = Vec::new();
        if let Some(mut world) = self.origin.clone() {
            for step in steps.into_iter().rev() {
                drop(self.take(&mut world, step, &mut |line| trace.push(line)));
            }
        }
        Violation { why, trace }
    }
}

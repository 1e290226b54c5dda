//! The search through every interleaving of a scenario, or along random ones. In every state, a new process checks the
//! invariants while all others are dead. The search thus includes kills, because a killed process is one that never
//! continues.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use runstate_core::id::sha256;

use super::process::{Hashes, Histories, ModelCall};
use super::rules::Rule;
use super::script::{ModelAct, ModelCommand};
use super::world::{ModelProcesses, ModelStep, ModelWorld, discard_output, disk_after_crash};
use crate::fault::Contents;
use crate::format::is_temp;

/// The input of a search.
#[derive(Clone)]
pub struct Scenario {
    pub commands: Vec<ModelCommand>,
    /// The acts of a process that ran long before. Empty: there is no store.
    pub before: Vec<ModelAct>,
    /// Each process: where it is when the search begins, and all its acts. The processes get there one after the other.
    pub processes: Vec<(StartPoint, Vec<ModelAct>)>,
    /// Maximum number of power failures, and the acts of the process that starts after each.
    pub power_losses: usize,
    pub after: Vec<ModelAct>,
}

/// The position of a process when the search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPoint {
    /// After this many acts.
    After(usize),
    /// Right before its first link after this many acts.
    BeforeLink(usize),
    /// It died right after that link.
    DeadAfterLink(usize),
}

/// The size of a search.
#[derive(Clone, Copy, Debug, Default)]
pub struct SearchStats {
    pub states: usize,
    histories: usize,
    disks: usize,
}

impl fmt::Display for SearchStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states, {} histories, {} disks", self.states, self.histories, self.disks)
    }
}

/// A violation, with the steps that lead to it.
#[derive(Debug)]
pub struct ModelViolation {
    pub why: String,
    pub trace: Vec<String>,
}

impl Scenario {
    /// Searches all states.
    pub fn search(&self, skip: Option<Rule>, max_states: usize) -> Result<SearchStats, ModelViolation> {
        let mut search = ModelSearch::new(self, skip);
        let root = search.root(self)?;
        search.exhaust(root, max_states)
    }

    /// Follows `walks` random paths.
    pub fn walk(&self, seed: u64, walks: u64) -> Result<SearchStats, ModelViolation> {
        let mut search = ModelSearch::new(self, None);
        let root = search.root(self)?;
        for walk in 0..walks {
            let mut drawn = 0u64;
            let mut draw = |below: usize| {
                drawn += 1;
                let hash = sha256(&[&seed.to_be_bytes(), &walk.to_be_bytes(), &drawn.to_be_bytes()]);
                (u64::from_be_bytes(hash[..8].try_into().unwrap_or_default()) % below.max(1) as u64) as usize
            };
            search.random_walk(root.clone(), &mut draw)?;
        }
        Ok(search.stats())
    }
}

struct ModelSearch {
    processes: ModelProcesses,
    observer: Histories,
    /// The observations of a new process, by disk.
    observed: HashMap<u64, Result<u64, String>>,
    probe: u64,
    /// The first process that starts after a power failure.
    later: usize,
    seen: HashSet<u64>,
    /// The previous state and the step that led to each state.
    parents: Vec<(usize, ModelStep)>,
    origin: Option<ModelWorld>,
}

impl ModelSearch {
    fn new(scenario: &Scenario, skip: Option<Rule>) -> Self {
        let mut commands = scenario.commands.clone();
        commands.push(ModelCommand::Insert("probe", "probe"));
        let probe = commands.len() - 1;
        let later = scenario.processes.len() + 1;
        let mut histories = vec![Histories::new(0, skip, &commands, &scenario.before)];
        for (at, (_, acts)) in scenario.processes.iter().enumerate() {
            histories.push(Histories::new(at as u64 + 1, skip, &commands, acts));
        }
        for power in 0..scenario.power_losses {
            histories.push(Histories::new((later + power) as u64, skip, &commands, &scenario.after));
        }
        let acts = [
            ModelAct::Open,
            ModelAct::Read,
            ModelAct::Commit(probe),
            ModelAct::Compact,
            ModelAct::Close,
            ModelAct::Open,
            ModelAct::Read,
        ];
        Self {
            processes: ModelProcesses { histories, skip, hashes: Hashes::default() },
            observer: Histories::new(99, skip, &commands, &acts),
            observed: HashMap::new(),
            probe: 1 << probe,
            later,
            seen: HashSet::new(),
            parents: Vec::new(),
            origin: None,
        }
    }

    fn stats(&self) -> SearchStats {
        let histories = self.processes.histories.iter().map(|h| h.points.len()).sum();
        SearchStats { states: self.seen.len(), histories, disks: self.observed.len() }
    }

    /// Returns the state in which the search begins.
    fn root(&mut self, scenario: &Scenario) -> Result<ModelWorld, ModelViolation> {
        let mut world = ModelWorld::new(Contents::default(), self.processes.histories.len(), scenario.power_losses);
        let alone = |why: String| ModelViolation { why, trace: vec!["before".to_owned()] };
        world.points[0] = Some(0);
        self.run_alone(&mut world, 0, StartPoint::After(usize::MAX)).map_err(alone)?;
        world.disk.lose_power(|_, _| true);
        for (at, (start, _)) in scenario.processes.iter().enumerate() {
            world.points[at + 1] = Some(0);
            self.run_alone(&mut world, at + 1, *start).map_err(alone)?;
        }
        self.origin = Some(world.clone());
        Ok(world)
    }

    /// Runs a process through its first acts while the others wait.
    fn run_alone(&mut self, world: &mut ModelWorld, process: usize, start: StartPoint) -> Result<(), String> {
        let (StartPoint::After(acts) | StartPoint::BeforeLink(acts) | StartPoint::DeadAfterLink(acts)) = start;
        let mut begun = 0;
        while let Some(at) = world.points[process] {
            let point = &self.processes.histories[process].points[at];
            if point.ended {
                return Ok(());
            }
            if point.pending.first() == Some(&ModelCall::Begin) {
                if begun == acts && start == StartPoint::After(acts) {
                    return Ok(());
                }
                begun += 1;
            }
            let links = begun > acts && matches!(point.pending.first(), Some(ModelCall::Link(..)));
            if links && start == StartPoint::BeforeLink(acts) {
                return Ok(());
            }
            world.grant(process, 0, &mut self.processes, &mut discard_output())?;
            if links {
                world.points[process] = None;
                return Ok(());
            }
        }
        Ok(())
    }

    fn exhaust(&mut self, mut root: ModelWorld, max_states: usize) -> Result<SearchStats, ModelViolation> {
        let key = root.key(&mut self.processes.hashes);
        self.seen.insert(key);
        self.parents.push((0, ModelStep::Power(0)));
        let mut stack = vec![(root, 0)];
        while let Some((world, index)) = stack.pop() {
            for step in self.steps(&world) {
                self.parents.push((index, step));
                let here = self.parents.len() - 1;
                let mut next = world.clone();
                let result = self.apply_step(&mut next, step, &mut discard_output());
                if let Err(why) = result {
                    return Err(self.violation(here, why));
                }
                if self.seen.insert(next.key(&mut self.processes.hashes)) {
                    if next.differs(&world)
                        && let Err(why) = self.check(&next)
                    {
                        return Err(self.violation(here, why));
                    }
                    stack.push((next, here));
                } else {
                    self.parents.pop();
                }
                assert!(self.seen.len() <= max_states, "more than {max_states} states: {}", self.stats());
            }
        }
        Ok(self.stats())
    }

    fn random_walk(
        &mut self,
        mut world: ModelWorld,
        draw: &mut impl FnMut(usize) -> usize,
    ) -> Result<(), ModelViolation> {
        self.parents.clear();
        self.parents.push((0, ModelStep::Power(0)));
        loop {
            let mut steps = world.choices(&self.processes);
            // The power fails rarely, and then in any state.
            if world.power_losses > 0 && (steps.is_empty() || draw(40) == 0) {
                steps = world.losses().into_iter().map(ModelStep::Power).collect();
            }
            let Some(step) = steps.get(draw(steps.len())).copied() else { return Ok(()) };
            self.parents.push((self.parents.len() - 1, step));
            let here = self.parents.len() - 1;
            let result = self.apply_step(&mut world, step, &mut discard_output()).and_then(|()| self.check(&world));
            result.map_err(|why| self.violation(here, why))?;
            self.seen.insert(world.key(&mut self.processes.hashes));
        }
    }

    fn steps(&self, world: &ModelWorld) -> Vec<ModelStep> {
        let mut steps = world.choices(&self.processes);
        if world.power_losses > 0 && world.is_worth_a_loss_of_power(&self.processes) {
            steps.extend(world.losses().into_iter().map(ModelStep::Power));
        }
        steps
    }

    fn apply_step(
        &mut self,
        world: &mut ModelWorld,
        step: ModelStep,
        log: &mut dyn FnMut(String),
    ) -> Result<(), String> {
        match step {
            ModelStep::Grant(process, which) => world.grant(process, which, &mut self.processes, log),
            ModelStep::Power(survivors) => {
                let unsynced = world.disk.unsynced();
                let surviving =
                    unsynced.iter().enumerate().filter(|(n, _)| survivors >> n & 1 == 1).map(|(_, change)| change);
                log(format!("the power fails; of {unsynced:?}, {:?} survives", surviving.collect::<Vec<_>>()));
                world.lose_power(survivors);
                let next = self.processes.histories.len() - world.power_losses;
                debug_assert!(next >= self.later);
                world.power_losses -= 1;
                world.points[next] = Some(0);
                Ok(())
            }
        }
    }

    /// Checks the invariants of every state.
    fn check(&mut self, world: &ModelWorld) -> Result<(), String> {
        let mut hasher = DefaultHasher::new();
        world.disk.hash_visible(&mut hasher, &mut |bytes| self.processes.hashes.hash_bytes(bytes), is_temp);
        let key = hasher.finish();
        let observed = match self.observed.get(&key) {
            Some(observed) => observed.clone(),
            None => {
                let observed = self.observe(disk_after_crash(&world.disk));
                self.observed.insert(key, observed.clone());
                observed
            }
        };
        let present = observed.map_err(|why| format!("a new process, when all others are dead: {why}"))?;
        if world.acknowledged & !present != 0 {
            return Err(format!("{:b} was reported as committed and is lost", world.acknowledged & !present));
        }
        if world.refused & present != 0 {
            return Err(format!("{:b} was refused, but it is committed", world.refused & present));
        }
        Ok(())
    }

    /// Starts a new process on a disk. It writes, compacts, opens the store again, and returns the commands that it
    /// finds.
    fn observe(&mut self, mut disk: Contents) -> Result<u64, String> {
        let mut alone = ModelWorld::new(std::mem::take(&mut disk), 1, 0);
        alone.points[0] = Some(0);
        let mut processes = ModelProcesses {
            histories: Vec::new(),
            skip: self.processes.skip,
            hashes: std::mem::take(&mut self.processes.hashes),
        };
        let observer = std::mem::replace(&mut self.observer, Histories::new(99, None, &[], &[]));
        processes.histories.push(observer);
        let mut trace = Vec::new();
        let mut ended = Ok(());
        while ended.is_ok() && !alone.choices(&processes).is_empty() {
            ended = alone.grant(0, 0, &mut processes, &mut |line| trace.push(line));
        }
        self.processes.hashes = processes.hashes;
        self.observer = processes.histories.remove(0);
        ended.map_err(|why| format!("{why}\n  {}", trace.join("\n  ")))?;
        if alone.refused != 0 {
            return Err("its new command is refused".to_owned());
        }
        // Everything was read before and after the probe, so all commands that are found now existed before it.
        Ok(alone.acknowledged & !self.probe)
    }

    fn violation(&mut self, at: usize, why: String) -> ModelViolation {
        let (mut steps, mut way) = (Vec::new(), at);
        while way != 0 {
            let (parent, step) = self.parents[way];
            steps.push(step);
            way = parent;
        }
        let mut trace = Vec::new();
        if let Some(mut world) = self.origin.clone() {
            for step in steps.into_iter().rev() {
                drop(self.apply_step(&mut world, step, &mut |line| trace.push(line)));
            }
        }
        ModelViolation { why, trace }
    }
}

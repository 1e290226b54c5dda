//! What processes share: a store with programs on it, and one clock. Unlike a `Scene` it knows many executions and many processes.

use std::sync::Arc;

use runstate::domain::cvm::{Load, Reached, Start};
use runstate::engine::{Cvm, Engine, Error};
use runstate::limits::Settings;
use runstate::store::{Memory, Store};
use runstate::testing::{SimHost, block_on};
use runstate::time::Millis;
use runstate::value::Json;

use crate::documents::Documents;

/// A store, and the host of all processes on it.
pub struct World {
    pub disk: Arc<dyn Store>,
    pub host: SimHost,
    pub settings: Settings,
}

impl World {
    /// A store in memory with these programs.
    pub fn of(programs: &[Load]) -> Self {
        Self::on(Arc::new(Memory::new()), programs, Settings::default())
    }

    pub fn on(disk: Arc<dyn Store>, programs: &[Load], settings: Settings) -> Self {
        let world = Self { disk, host: SimHost::default(), settings };
        let cvm = world.process();
        programs.iter().for_each(|load| drop(block_on(cvm.load(load, None)).unwrap()));
        world
    }

    /// A process that has just begun.
    pub fn process(&self) -> Cvm {
        self.process_over(self.disk.clone())
    }

    /// A process that reaches the store through a layer.
    pub fn process_over(&self, store: Arc<dyn Store>) -> Cvm {
        self.engine_over(store).cvm()
    }

    pub fn engine_over(&self, store: Arc<dyn Store>) -> Engine {
        let catalog = runstate::domain::catalog().unwrap();
        block_on(Engine::new(store, Arc::new(self.host.clone()), catalog, self.settings.clone())).unwrap()
    }

    pub fn pass(&self, span: Millis) {
        self.host.clock.advance(span);
    }

    /// All documents; panics where they contradict what must hold at every moment.
    pub fn check(&self) -> Documents {
        let documents = Documents::of(&self.disk);
        let wrong = documents.wrong(&self.settings);
        assert!(wrong.is_empty(), "{wrong:#?}");
        documents
    }
}

/// The program `source` under `name`.
pub fn program(name: &str, source: &str) -> Load {
    let bytecode = runstate::lang::compile("program.ts", source).unwrap_or_else(|d| panic!("{d:?}")).bytecode;
    Load::new(name, source, bytecode)
}

/// Starts `program` as `run`.
pub async fn start(cvm: &Cvm, program: &str, run: &str) -> Result<Reached, Error> {
    cvm.start(&Start::of(program).id(run).input(Json::Null), None).await
}

/// Whether the long form was asked for.
pub fn full() -> bool {
    std::env::var_os("RUNSTATE_FULL").is_some()
}

/// The seed of what is random; it is printed.
pub fn seed() -> u64 {
    let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261);
    println!("seed {seed} (RUNSTATE_SEED=… runs others)");
    seed
}

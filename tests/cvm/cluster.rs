//! A store with programs on it, shared by processes with one clock. Unlike a `Scene`, it has many executions and many processes.

use std::sync::Arc;

use runstate::domain::cvm::{ExecutionStatus, Load, Start};
use runstate::engine::{Cvm, Engine, Error};
use runstate::limits::Settings;
use runstate::store::{Memory, Store};
use runstate::testing::{SimHost, block_on};
use runstate::time::Millis;
use runstate::value::Json;

use crate::documents::StoreDump;

/// A store, and the host of all processes on it.
pub struct SimCluster {
    pub disk: Arc<dyn Store>,
    pub host: SimHost,
    pub settings: Settings,
}

impl SimCluster {
    /// A store in memory with these programs.
    pub fn with_programs(programs: &[Load]) -> Self {
        Self::with_store(Arc::new(Memory::new()), programs, Settings::default())
    }

    pub fn with_store(disk: Arc<dyn Store>, programs: &[Load], settings: Settings) -> Self {
        let world = Self { disk, host: SimHost::default(), settings };
        let cvm = world.process();
        programs.iter().for_each(|load| drop(block_on(cvm.load(load, None)).unwrap()));
        world
    }

    /// A new process.
    pub fn process(&self) -> Cvm {
        self.process_over(self.disk.clone())
    }

    /// A new process that accesses the store through a layer.
    pub fn process_over(&self, store: Arc<dyn Store>) -> Cvm {
        self.engine_over(store).cvm()
    }

    pub fn engine_over(&self, store: Arc<dyn Store>) -> Engine {
        let catalog = runstate::domain::catalog().unwrap();
        block_on(Engine::new(store, Arc::new(self.host.clone()), catalog, self.settings.clone())).unwrap()
    }

    pub fn advance(&self, span: Millis) {
        self.host.clock.advance(span);
    }

    /// Loads all documents, and panics if they violate an invariant.
    pub fn check(&self) -> StoreDump {
        let documents = StoreDump::load(&self.disk);
        let wrong = documents.violations(&self.settings);
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
pub async fn start(cvm: &Cvm, program: &str, run: &str) -> Result<ExecutionStatus, Error> {
    cvm.start(&Start::new(program).id(run).input(Json::Null), None).await
}

/// Whether the full run was requested.
pub fn is_full_run() -> bool {
    std::env::var_os("RUNSTATE_FULL").is_some()
}

/// The seed of all random choices. It is printed.
pub fn seed() -> u64 {
    let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261);
    println!("seed {seed} (RUNSTATE_SEED=… runs others)");
    seed
}

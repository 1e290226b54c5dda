//! A store with programs on it, shared by processes with one clock. Unlike a `Scene`, it has many executions and many
//! processes. A [`SmallBatchProcess`] has small batches.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{EXECUTIONS, ExecutionStatus, HEAP_PAGES, Load, Start};
use runstate::engine::{COLLECTIONS, Engine, Error};
use runstate::id::CommandId;
use runstate::schema::{Key, Query};
use runstate::store::layer::{FaultStore, LimitedStore};
use runstate::store::{BatchLimits, Freshness, Memory, Store};
use runstate::testing::{SimHost, block_on};
use runstate::time::Millis;
use runstate::value::Json;

use crate::documents::StoreDump;
use crate::scene::Scene;

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
        let cluster = Self { disk, host: SimHost::default(), settings };
        let cvm = cluster.process();
        programs.iter().for_each(|load| drop(block_on(cvm.load(load)).unwrap()));
        cluster
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
        block_on(Engine::with_settings(
            store,
            Arc::new(self.host.clone()),
            runstate::domain::ALL,
            self.settings.clone(),
        ))
        .unwrap()
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
    Ok(cvm.start(&Start::new(program).id(run).input(Json::Null)).await?.into())
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

/// Every turn changes every object.
pub const PROGRAM: &str = r#"
const items = [];
const text = "x".repeat(input.text);
for (let i = 0; i < input.objects; i++) items.push({ i, name: `item ${i} ${text}`, seen: "never" });
for (let turn = 0; turn < 8; turn++) {
    const answer = CC(`turn ${turn}?`);
    for (const item of items) item.seen = answer;
    console.log(turn, items[0].seen, items[items.length - 1].seen);
}
"#;

pub fn program_input(objects: u64, text: u64) -> Json {
    serde_json::json!({"objects": objects, "text": text})
}

/// The input of a turn that needs three or more batches of a [`SmallBatchProcess`].
pub fn staged_input() -> Json {
    program_input(450, 0)
}

pub fn limits(kib: usize) -> BatchLimits {
    BatchLimits { document_bytes: kib * 1024, batch_bytes: kib * 1024, batch_writes: 1_100 }
}

pub type SmallBatchStore = Arc<FaultStore<LimitedStore<Arc<dyn Store>>>>;

/// A process whose store accepts 12 KiB at once.
pub struct SmallBatchProcess {
    pub store: SmallBatchStore,
    pub engine: Engine,
}

impl SmallBatchProcess {
    pub fn new(disk: &Arc<dyn Store>, host: &SimHost) -> Self {
        let store = Arc::new(FaultStore::new(LimitedStore::new(disk.clone(), limits(12))));
        let host = Arc::new(host.clone());
        let engine =
            block_on(Engine::with_settings(store.clone(), host, runstate::domain::ALL, Settings::default())).unwrap();
        Self { store, engine }
    }

    pub fn cvm(&self) -> Cvm {
        self.engine.cvm()
    }

    pub async fn start(&self, id: &str) -> Result<ExecutionStatus, Error> {
        let start = Start::new("program").id("run").input(staged_input());
        Ok(self.cvm().with_id(&CommandId::new(id).unwrap()).start(&start).await?.into())
    }

    pub async fn answer(&self, id: &str) -> Result<ExecutionStatus, Error> {
        self.cvm().with_id(&CommandId::new(id).unwrap()).answer("run", id).await
    }

    pub fn output(&self) -> Vec<String> {
        block_on(self.cvm().output("run")).unwrap()
    }
}

/// A store with the program loaded.
pub fn load_program(disk: Arc<dyn Store>) -> (Arc<dyn Store>, SimHost) {
    let mut scene = Scene::with_store(disk.clone(), Settings::default());
    scene.load(PROGRAM);
    (disk, scene.host)
}

/// A store with the program started, by a process whose batches are large.
pub fn start_program(disk: Arc<dyn Store>) -> (Arc<dyn Store>, SimHost) {
    let (disk, host) = load_program(disk);
    block_on(large_batch_cvm(&disk, &host).start(&Start::new("program").id("run").input(staged_input()))).unwrap();
    (disk, host)
}

/// An engine whose batches are large.
pub fn large_batch_cvm(disk: &Arc<dyn Store>, host: &SimHost) -> Cvm {
    block_on(Engine::with_settings(disk.clone(), Arc::new(host.clone()), runstate::domain::ALL, Settings::default()))
        .unwrap()
        .cvm()
}

pub fn start_in_memory() -> (Arc<dyn Store>, SimHost) {
    start_program(Arc::new(Memory::new()))
}

pub fn row_count(disk: &Arc<dyn Store>, of: &runstate::schema::Collection) -> usize {
    block_on(disk.query(&Query::of(of), Freshness::Linearizable)).unwrap().items.len()
}

/// No rows are staged, and exactly those rows exist that the head references.
pub fn expect_tidy(disk: &Arc<dyn Store>) {
    for own in COLLECTIONS {
        assert_eq!(row_count(disk, own), 0, "{}", own.name);
    }
    let head = block_on(disk.get(&[Key::new(&EXECUTIONS, "run")], Freshness::Linearizable)).unwrap().remove(0).unwrap();
    let heap = &head.document["heap"];
    let references = heap["pages"].as_array().unwrap().iter().chain(heap.get("spill"));
    let pointed: u64 = references.map(|page| page.get(1).map_or(1, |parts| parts.as_u64().unwrap())).sum();
    assert_eq!(row_count(disk, &HEAP_PAGES) as u64, pointed);
}

pub fn clean(disk: &Arc<dyn Store>, host: &SimHost) {
    let process = SmallBatchProcess::new(disk, host);
    while block_on(process.engine.remove_abandoned(host.clock.now() + Millis::days(1), 2)).unwrap() > 0 {}
    expect_tidy(disk);
}

pub fn output_line(turn: usize, answer: &str) -> String {
    format!("{turn} {answer} {answer}")
}

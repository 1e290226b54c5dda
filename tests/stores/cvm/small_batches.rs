//! Processes whose store accepts small batches only, so that a turn needs several of them.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{EXECUTIONS, ExecutionStatus, HEAP_PAGES, Start};
use runstate::engine::{COLLECTIONS, Engine, Error};
use runstate::id::CommandId;
use runstate::schema::{Key, Query};
use runstate::store::{BatchLimits, Freshness, Memory, Store};
use runstate::testing::{FaultStore, LimitedStore};
use runstate::testing::{SimHost, block_on};
use runstate::time::Millis;
use runstate::value::Json;

use crate::cvm::documents::referenced_page_rows;
use crate::cvm::scene::{Scene, engine_over};

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
        Self { store: store.clone(), engine: engine_over(store, host) }
    }

    pub fn cvm(&self) -> Cvm {
        Cvm::new(&self.engine)
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
    Cvm::new(&engine_over(disk.clone(), host))
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
    assert_eq!(row_count(disk, &HEAP_PAGES), referenced_page_rows(&head.document["heap"]));
}

pub fn clean(disk: &Arc<dyn Store>, host: &SimHost) {
    let process = SmallBatchProcess::new(disk, host);
    while block_on(process.engine.remove_abandoned(host.clock.now() + Millis::days(1), 2)).unwrap() > 0 {}
    expect_tidy(disk);
}

pub fn output_line(turn: usize, answer: &str) -> String {
    format!("{turn} {answer} {answer}")
}

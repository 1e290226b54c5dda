//! Processes whose batches are small, on a disk that several of them share.

use std::sync::Arc;

use runstate::domain::cvm::{EXECUTIONS, HEAP_PAGES, Reached, Start};
use runstate::engine::{COLLECTIONS, Cvm, Engine, Error};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::schema::{Key, Query};
use runstate::store::layer::{FaultStore, Small};
use runstate::store::{Limits, Memory, Store};
use runstate::testing::{SimHost, block_on};
use runstate::time::Millis;
use runstate::value::Json;

use crate::scene::Scene;

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

pub fn objects(objects: u64, text: u64) -> Json {
    serde_json::json!({"objects": objects, "text": text})
}

/// What a turn of three or more batches of [`Process`] changes.
pub fn some() -> Json {
    objects(450, 0)
}

pub fn limits(kib: usize) -> Limits {
    Limits { document_bytes: kib * 1024, batch_bytes: kib * 1024, batch_writes: 1_100 }
}

pub type Watched = Arc<FaultStore<Small<Arc<dyn Store>>>>;

/// A process of its own on a disk that takes 12 KiB at once.
pub struct Process {
    pub store: Watched,
    pub engine: Engine,
}

impl Process {
    pub fn on(disk: &Arc<dyn Store>, host: &SimHost) -> Self {
        let store = Arc::new(FaultStore::new(Small::new(disk.clone(), limits(12))));
        let host = Arc::new(host.clone());
        let catalog = runstate::domain::catalog().unwrap();
        let engine = block_on(Engine::new(store.clone(), host, catalog, Settings::default())).unwrap();
        Self { store, engine }
    }

    pub fn cvm(&self) -> Cvm {
        self.engine.cvm()
    }

    pub async fn start(&self, id: &str) -> Result<Reached, Error> {
        let start = Start::of("program").id("run").input(some());
        self.cvm().start(&start, Some(&CommandId::new(id).unwrap())).await
    }

    pub async fn answer(&self, id: &str) -> Result<Reached, Error> {
        self.cvm().answer("run", None, id.into(), None, Some(&CommandId::new(id).unwrap())).await
    }

    pub fn output(&self) -> Vec<String> {
        block_on(self.cvm().output("run")).unwrap()
    }
}

/// A disk with the program on it.
pub fn loaded(disk: Arc<dyn Store>) -> (Arc<dyn Store>, SimHost) {
    let mut scene = Scene::on(disk.clone(), Settings::default());
    scene.load(PROGRAM);
    (disk, scene.host)
}

/// A disk with the program started on it by somebody whose batches are large.
pub fn started(disk: Arc<dyn Store>) -> (Arc<dyn Store>, SimHost) {
    let (disk, host) = loaded(disk);
    block_on(engine(&disk, &host).start(&Start::of("program").id("run").input(some()), None)).unwrap();
    (disk, host)
}

/// An engine whose batches are large.
pub fn engine(disk: &Arc<dyn Store>, host: &SimHost) -> Cvm {
    let catalog = runstate::domain::catalog().unwrap();
    block_on(Engine::new(disk.clone(), Arc::new(host.clone()), catalog, Settings::default())).unwrap().cvm()
}

pub fn memory() -> (Arc<dyn Store>, SimHost) {
    started(Arc::new(Memory::new()))
}

pub fn rows(disk: &Arc<dyn Store>, of: &runstate::schema::Collection) -> usize {
    block_on(disk.query(&Query::of(of))).unwrap().rows.len()
}

/// Nothing is staged, and there are exactly the rows that the head points to.
pub fn expect_tidy(disk: &Arc<dyn Store>) {
    for own in COLLECTIONS {
        assert_eq!(rows(disk, own), 0, "{}", own.name);
    }
    let head = block_on(disk.get(&[Key::new(&EXECUTIONS, "run")])).unwrap().remove(0).unwrap();
    let heap = &head.document["heap"];
    let references = heap["pages"].as_array().unwrap().iter().chain(heap.get("spill"));
    let pointed: u64 = references.map(|page| page.get(1).map_or(1, |parts| parts.as_u64().unwrap())).sum();
    assert_eq!(rows(disk, &HEAP_PAGES) as u64, pointed);
}

pub fn clean(disk: &Arc<dyn Store>, host: &SimHost) {
    let process = Process::on(disk, host);
    while block_on(process.engine.remove_abandoned(host.clock.now() + Millis::days(1), 2)).unwrap() > 0 {}
    expect_tidy(disk);
}

pub fn line(turn: usize, answer: &str) -> String {
    format!("{turn} {answer} {answer}")
}

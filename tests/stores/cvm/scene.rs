//! The scene of a test: a store, a simulated host, and its engines.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::decision::Command;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{
    COLLECTIONS, DOMAIN, EXECUTIONS, Execution, ExecutionStatus, Load, LoadedProgram, Start, Status,
};
use runstate::engine::{DueReport, Engine, Error, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::operation::Domain;
use runstate::schema::{Collection, Key, Query};
use runstate::store::{Batch, Freshness, Memory, Store};
use runstate::testing::{BatchExt as _, SimHost, batch, block_on};
use runstate::time::Millis;
use runstate::value::Json;

use crate::cvm::documents::StoreDump;
pub use crate::settings::{is_full_run, seed};

/// Each cold command has an engine of its own, so the scenes have no domain that they do not use.
static DOMAINS: &[&Domain] = &[&DOMAIN];

/// A store and the host of all processes on it. Most methods are about one execution, `run`, of one program, `program`.
pub struct Scene {
    pub store: Arc<dyn Store>,
    pub host: SimHost,
    pub settings: Settings,
    /// The engine for all commands, with its cache; `None`: every command has a new engine, without a cache.
    engine: Option<Engine>,
    commands: u32,
}

impl Scene {
    /// A fresh store in memory, and an engine that keeps its machines cached.
    pub fn new() -> Self {
        Self::with_store(Arc::new(Memory::new()), Settings::default())
    }

    pub fn with_store(store: Arc<dyn Store>, settings: Settings) -> Self {
        let mut scene = Self { store, host: SimHost::default(), settings, engine: None, commands: 0 };
        scene.engine = Some(scene.cold_engine());
        scene
    }

    /// From now on, every command begins cold.
    pub fn cold(mut self) -> Self {
        self.engine = None;
        self
    }

    /// A scene with the program loaded and started.
    pub fn program(source: &str) -> Self {
        let mut scene = Self::new();
        scene.load(source);
        scene.start(Json::Null).unwrap();
        scene
    }

    /// A cold scene with these programs, for many executions and processes.
    pub fn with_programs(store: Arc<dyn Store>, programs: &[Load], settings: Settings) -> Self {
        let scene = Self { store, host: SimHost::default(), settings, engine: None, commands: 0 };
        let cvm = scene.process();
        programs.iter().for_each(|load| drop(block_on(cvm.load(load)).unwrap()));
        scene
    }

    /// A new process.
    pub fn process(&self) -> Cvm {
        Cvm::new(&self.cold_engine())
    }

    /// A new process that accesses the store through a layer.
    pub fn process_over(&self, store: Arc<dyn Store>) -> Cvm {
        Cvm::new(&self.engine_over(store))
    }

    pub fn cold_engine(&self) -> Engine {
        self.engine_over(self.store.clone())
    }

    fn engine_over(&self, store: Arc<dyn Store>) -> Engine {
        let host = Arc::new(self.host.clone());
        block_on(Engine::with_settings(store, host, DOMAINS, self.settings.clone())).unwrap()
    }

    pub fn engine(&self) -> Engine {
        self.engine.clone().unwrap_or_else(|| self.cold_engine())
    }

    /// Executes the first part of a command alone, as if the process had died after it.
    pub fn execute_part<C: Command>(&self, command: &C) -> C::Output {
        block_on(self.engine().execute_part(command, None)).unwrap().output
    }

    pub fn cvm(&self) -> Cvm {
        Cvm::new(&self.engine())
    }

    /// The same sequence of commands gets the same ids in every scene, a second apart.
    pub fn next_command_id(&mut self) -> CommandId {
        self.commands += 1;
        self.host.clock.advance(runstate::time::Millis::seconds(1));
        CommandId::new(&format!("command-{}", self.commands)).unwrap()
    }

    pub fn load(&mut self, source: &str) -> LoadedProgram {
        let id = self.next_command_id();
        block_on(self.cvm().with_id(&id).load(&program("program", source))).unwrap()
    }

    pub fn start(&mut self, input: Json) -> Result<ExecutionStatus, Error> {
        let start = Start::new("program").id("run").input(input);
        let id = self.next_command_id();
        Ok(block_on(self.cvm().with_id(&id).start(&start))?.into())
    }

    /// Answers the only open question, or else the tool that the refusal names.
    pub fn try_answer(&mut self, answer: impl Into<Json>) -> Result<ExecutionStatus, Error> {
        let (id, answer) = (self.next_command_id(), answer.into());
        let cvm = self.cvm().with_id(&id);
        let answered = block_on(cvm.answer("run", answer.clone()));
        match answered.as_ref().err().and_then(|error| error.details["call"].as_str()) {
            Some(tool) => block_on(cvm.answer("run", Answer::to_call(tool).value(answer))),
            None => answered,
        }
    }

    pub fn answer(&mut self, answer: impl Into<Json>) -> &mut Self {
        self.try_answer(answer).unwrap();
        self
    }

    pub fn try_answer_call(&mut self, step: u64, answer: impl Into<Json>) -> Result<ExecutionStatus, Error> {
        let id = self.next_command_id();
        let calls = self.show().calls;
        let call = &calls.iter().find(|call| call.step == Some(step)).expect("an open call of that step").id;
        block_on(self.cvm().with_id(&id).answer("run", Answer::to_call(call).value(answer)))
    }

    pub fn answer_call(&mut self, step: u64, answer: impl Into<Json>) -> &mut Self {
        self.try_answer_call(step, answer).unwrap();
        self
    }

    pub fn try_answer_key(&mut self, key: &str, answer: impl Into<Json>) -> Result<ExecutionStatus, Error> {
        let id = self.next_command_id();
        block_on(self.cvm().with_id(&id).answer("run", Answer::to_key(key).value(answer)))
    }

    /// Advances the clock, and does the work that is due then.
    pub fn advance(&mut self, duration: Millis) -> DueReport {
        self.host.clock.advance(duration);
        block_on(self.cvm().engine().run_due(1_000, RunLimit::Stop)).unwrap()
    }

    /// A field of the head, as it is stored.
    pub fn head(&self, path: &str) -> Json {
        let head = block_on(self.store.get(&[Key::new(&EXECUTIONS, "run")], Freshness::Linearizable))
            .unwrap()
            .remove(0)
            .expect("the head");
        runstate::value::get(&head.document, path).cloned().unwrap_or(Json::Null)
    }

    pub fn call_id(&self) -> String {
        self.show().calls[0].id.clone()
    }

    pub fn show(&self) -> Execution {
        block_on(self.cvm().show("run")).unwrap()
    }

    pub fn expect(&mut self, status: Status) -> &mut Self {
        let view = self.show();
        assert_eq!(view.status, status, "{view:?}");
        self
    }

    pub fn expect_output<const N: usize>(&mut self, lines: [&str; N]) -> &mut Self {
        assert_eq!(self.show().output, lines);
        self
    }

    /// Every document of the domain with its revision.
    pub fn dump(&self) -> BTreeMap<String, (String, Json)> {
        let mut all = BTreeMap::new();
        for collection in COLLECTIONS {
            for row in block_on(self.store.query(&Query::of(collection), Freshness::Linearizable)).unwrap().items {
                let document = Json::Object(row.stored.document.as_ref().clone());
                all.insert(format!("{}/{}", collection.name, row.id), (row.stored.revision.to_string(), document));
            }
        }
        all
    }

    /// Writes a document unchecked, as an import, another program or a mistake would.
    pub fn put(&mut self, collection: &'static Collection, id: &str, document: &Json) {
        let empty = Batch { at: self.host.clock.now(), ..batch(self.next_command_id()) };
        block_on(self.store.commit(empty.put(collection, id, document.clone()))).unwrap();
    }

    /// Loads all documents, and panics if they violate an invariant.
    pub fn check(&self) -> StoreDump {
        let documents = StoreDump::load(&self.store);
        let wrong = documents.violations(&self.settings);
        assert!(wrong.is_empty(), "{wrong:#?}");
        documents
    }

    /// Number of rows of a collection.
    pub fn row_count(&self, collection: &str) -> usize {
        self.dump().keys().filter(|key| key.starts_with(&format!("cvm.{collection}/"))).count()
    }
}

pub fn error_code<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorCode {
    result.unwrap_err().code
}

/// The program `source` under `name`.
pub fn program(name: &str, source: &str) -> Load {
    let bytecode = runstate::lang::compile("program.ts", source).unwrap_or_else(|d| panic!("{d:?}")).bytecode;
    Load::new(name, source, bytecode)
}

/// An engine of a new process.
pub fn engine_over(store: Arc<dyn Store>, host: &SimHost) -> Engine {
    block_on(Engine::with_settings(store, Arc::new(host.clone()), DOMAINS, Settings::default())).unwrap()
}

/// Starts `program` as `run`.
pub async fn start(cvm: &Cvm, program: &str, run: &str) -> Result<ExecutionStatus, Error> {
    Ok(cvm.start(&Start::new(program).id(run).input(Json::Null)).await?.into())
}

/// Runs a test of the program on an engine with a cache, and without one.
pub fn test_warm_and_cold(source: &str, test: impl Fn(Scene)) {
    test(Scene::program(source));
    test(Scene::program(source).cold());
}

/// The prompts of the open calls.
pub fn prompts(scene: &Scene) -> Vec<String> {
    scene.show().calls.into_iter().map(|call| call.prompt).collect()
}

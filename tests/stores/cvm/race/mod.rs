//! Two processes that share only the store act on one execution at the same moment, in every order of their calls to
//! the store. Every acknowledged command is applied once, and no process waits for an event that has happened.
//!
//! A process that must read is overtaken at every read by one that need not, a hundred times in a row. One race also
//! runs on threads, in the orders that the machine's scheduler chooses.

mod answers;
mod approvals;
mod lifecycle;
mod workers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, RunSlice, Start, Status};
use runstate::engine::{Engine, Error, RunLimit, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::marker::BoxFuture;
use runstate::schema::Key;
use runstate::store::layer;
use runstate::store::{Freshness, Memory, Store, StoreError, StoredDocument};
use runstate::testing::{block_on, join_all, yield_now};
use runstate::time::Millis;

use crate::cvm::documents::StoreDump;
use crate::cvm::interleaving::{Gate, ScheduleChoices, YieldingStore};
use crate::cvm::scene::{Scene, is_full_run, program, start};

/// Rounds of a race in the ordinary run, unless it has fewer orders.
const ROUNDS: usize = 480;

/// The result of a caller.
type RaceResult = Result<(), ErrorCode>;

/// Two processes, and the scene that is checked after them.
struct Race {
    scene: Scene,
    one: Cvm,
    other: Cvm,
}

impl Race {
    /// Starts `run` on `program` before the race.
    fn start(load: &Load) -> Self {
        let race = Self::load(load);
        block_on(start(&race.scene.process(), "program", "run")).unwrap();
        race
    }

    fn load(load: &Load) -> Self {
        let scene = Scene::with_programs(Arc::new(Memory::new()), std::slice::from_ref(load), Settings::default());
        let process = || scene.process_over(YieldingStore::wrap_migrated(scene.store.clone()));
        let (one, other) = (process(), process());
        Self { scene, one, other }
    }

    /// As [`Race::start`], but `one` has started the execution and has it cached.
    fn start_cached(load: &Load) -> Self {
        let race = Self::load(load);
        block_on(start(&race.one, "program", "run")).unwrap();
        race
    }

    /// As [`Race::start`], but both decide before the first of them commits. `one` is the first if `ranks` is `[0, 1]`.
    fn start_gated(load: &Load, ranks: [usize; 2]) -> Self {
        let race = Self::start(load);
        let process = |gate| race.scene.process_over(YieldingStore::wrap_gated(race.scene.store.clone(), gate));
        let [one, other] = Gate::in_order(ranks).map(process);
        Self { one, other, ..race }
    }

    /// Runs both at once, in the order of the gate.
    fn run_gated(&self, tasks: [BoxFuture<'_, RaceResult>; 2]) -> [&'static str; 2] {
        block_on(join_all(tasks.into_iter().collect()))
            .into_iter()
            .map(outcome_name)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    fn run<const N: usize>(
        &self,
        choices: &mut ScheduleChoices,
        tasks: [BoxFuture<'_, RaceResult>; N],
    ) -> [RaceResult; N] {
        let results = choices.run(tasks.into_iter().collect());
        results.try_into().unwrap()
    }

    fn expect(&self, status: Status, output: &[&str]) -> StoreDump {
        let documents = self.scene.check();
        let head = documents.head("run").unwrap();
        assert_eq!(
            (head.text("state.status"), documents.output("run").as_slice()),
            (status.as_str(), &*to_strings(output))
        );
        documents
    }

    fn open_call(&self) -> String {
        block_on(self.scene.process().status("run")).unwrap().call.unwrap()
    }
}

/// The name of a result.
fn outcome_name(result: RaceResult) -> &'static str {
    result.map_or_else(ErrorCode::as_str, |()| "done")
}

/// The outcomes that occurred at all.
fn observed_outcomes<T>(outcomes: BTreeMap<T, usize>) -> Vec<T> {
    outcomes.into_keys().collect()
}

fn to_strings(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn to_race_result<T>(result: Result<T, Error>) -> RaceResult {
    result.map(drop).map_err(|error| error.code)
}

/// Boxes the future of one of them.
fn boxed<'a>(task: impl Future<Output = RaceResult> + Send + 'a) -> BoxFuture<'a, RaceResult> {
    Box::pin(task)
}

async fn answer(cvm: &Cvm, text: &str) -> RaceResult {
    to_race_result(cvm.answer("run", text).await)
}

async fn answer_call(cvm: &Cvm, call: &str, text: &str) -> RaceResult {
    to_race_result(cvm.answer("run", Answer::to_call(call).value(text)).await)
}

async fn answer_key(cvm: &Cvm, text: &str) -> RaceResult {
    to_race_result(cvm.answer("run", Answer::to_key("k").occurrence(1).value(text)).await)
}

async fn tick(cvm: &Cvm) -> RaceResult {
    let due = cvm.engine().run_due(10, RunLimit::Stop).await.map_err(|error| error.code)?;
    due.failed.first().map_or(Ok(()), |failure| Err(failure.error.code))
}

const KEYED: &str = r#"const a = CC("go?"); const b = CC("q?", { key: "k" }); console.log(a, b);"#;

/// Advances the clock to the deadline at some moment, and does the due work.
async fn pass_time_and_tick(race: &Race, cvm: &Cvm, duration: Millis) -> RaceResult {
    yield_now().await;
    race.scene.host.clock.advance(duration);
    tick(cvm).await
}

/// A store in which another process runs the execution for one slice before every read, `remaining` times.
struct OutrunningStore {
    store: Arc<dyn Store>,
    other: Cvm,
    remaining: Mutex<u32>,
}

impl OutrunningStore {
    async fn run_other_slice(&self) {
        let is_overtaken = {
            let mut remaining = self.remaining.lock().unwrap();
            let is_overtaken = *remaining > 0;
            *remaining = remaining.saturating_sub(1);
            is_overtaken
        };
        if is_overtaken {
            let run = RunSlice { id: "run".to_owned(), continues: None, warnings: Vec::new() };
            self.other.engine().execute_part(&run, None).await.unwrap();
        }
    }
}

impl layer::StoreLayer for OutrunningStore {
    type Inner = dyn Store;

    fn inner(&self) -> &Self::Inner {
        &*self.store
    }

    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(async move {
            self.run_other_slice().await;
            self.inner().get(keys, freshness).await
        })
    }
}

#[test]
fn reader_whose_every_read_is_outrun_still_finishes() {
    const TIMES: u32 = 100;
    let source = r#"const all = []; for (let i = 0; i < 4000; i++) { all.push({ i }); } console.log(all.length);"#;
    let settings = Settings { slice_instructions: 300, ..Settings::default() };
    let scene = Scene::with_programs(Arc::new(Memory::new()), &[program("program", source)], settings);
    let other = scene.process();
    let started = block_on(other.engine().execute_part(&Start::new("program").id("run"), None)).unwrap().output;
    assert_eq!(started.status, Status::Running);
    let remaining = Mutex::new(TIMES);
    let store = Arc::new(OutrunningStore { store: scene.store.clone(), other, remaining });
    let resumed = block_on(scene.process_over(store.clone()).resume("run")).unwrap();
    assert_eq!((resumed.status, *store.remaining.lock().unwrap()), (Status::Complete, 0));
    assert_eq!(scene.check().output("run"), ["4000"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_answer_racing_with_its_call_on_threads_is_taken() {
    let store = Arc::new(Memory::new());
    let mut processes: Vec<Cvm> = Vec::new();
    for _ in 0..2 {
        let engine =
            Engine::with_settings(store.clone(), Arc::new(SystemHost), runstate::domain::ALL, Settings::default())
                .await
                .unwrap();
        processes.push(Cvm::new(&engine));
    }
    let [asker, answerer] = [&processes[0], &processes[1]];
    asker.load(&program("program", KEYED)).await.unwrap();
    for n in 0..if is_full_run() { 3_000 } else { 300 } {
        let id = format!("run-{n}");
        asker.start(&Start::new("program").id(&id)).await.unwrap();
        let (asks, answers, of) = (asker.clone(), answerer.clone(), id.clone());
        let asking = tokio::spawn({
            let id = id.clone();
            async move { asks.answer(&id, "go").await }
        });
        let answering = tokio::spawn(async move { answers.answer(&of, Answer::to_key("k").value("early")).await });
        let (asked, answered) = (asking.await.unwrap(), answering.await.unwrap());
        assert!(asked.is_ok() && answered.is_ok(), "round {n}: {asked:?} {answered:?}");
        assert_eq!(asker.status(&id).await.unwrap().execution.status, Status::Complete, "round {n}");
        assert_eq!(answerer.output(&id).await.unwrap(), ["go early"], "round {n}");
    }
}

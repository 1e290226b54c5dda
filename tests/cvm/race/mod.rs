//! Two processes that share only the store act on one execution at the same moment, in every order of their calls to the store. Every
//! acknowledged command is applied once, and no process waits for an event that has happened.

mod answers;
mod due;
mod lifecycle;
mod starvation;
mod threads;
mod workers;

use std::collections::BTreeMap;

use runstate::domain::cvm::{Load, Status};
use runstate::engine::{Cvm, Error, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::marker::BoxFuture;
use runstate::testing::{block_on, join_all, yield_now};
use runstate::time::Millis;

use crate::cluster::{SimCluster, start};
use crate::documents::StoreDump;
use crate::interleaving::{Gate, ScheduleChoices, YieldingStore};

/// Rounds of a race in the ordinary run, unless it has fewer orders.
const ROUNDS: usize = 480;

/// The result of a caller.
type RaceResult = Result<(), ErrorCode>;

/// Two processes, and the cluster that is checked after them.
struct Race {
    world: SimCluster,
    one: Cvm,
    other: Cvm,
}

impl Race {
    /// Starts `run` on `program` before the race.
    fn start(load: &Load) -> Self {
        let race = Self::load(load);
        block_on(start(&race.world.process(), "program", "run")).unwrap();
        race
    }

    fn load(load: &Load) -> Self {
        let world = SimCluster::with_programs(std::slice::from_ref(load));
        let process = || world.process_over(YieldingStore::wrap_migrated(world.disk.clone()));
        let (one, other) = (process(), process());
        Self { world, one, other }
    }

    /// As [`Race::start`], but `one` has started the execution and has it cached.
    fn start_warm(load: &Load) -> Self {
        let race = Self::load(load);
        block_on(start(&race.one, "program", "run")).unwrap();
        race
    }

    /// As [`Race::start`], but both decide before the first of them commits. `one` is the first if `places` is `[0, 1]`.
    fn start_gated(load: &Load, places: [usize; 2]) -> Self {
        let race = Self::start(load);
        let process = |gate| race.world.process_over(YieldingStore::wrap_gated(race.world.disk.clone(), gate));
        let [one, other] = Gate::in_order(places).map(process);
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
        let documents = self.world.check();
        let head = documents.head("run").unwrap();
        assert_eq!(
            (head.text("state.status"), documents.output("run").as_slice()),
            (status.as_str(), &*to_strings(output))
        );
        documents
    }

    fn open_call(&self) -> String {
        block_on(self.world.process().status("run")).unwrap().call.unwrap()
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
fn boxed<'a>(does: impl Future<Output = RaceResult> + Send + 'a) -> BoxFuture<'a, RaceResult> {
    Box::pin(does)
}

async fn answer(cvm: &Cvm, text: &str) -> RaceResult {
    to_race_result(cvm.answer("run", None, text.into(), None, None).await)
}

async fn answer_call(cvm: &Cvm, call: &str, text: &str) -> RaceResult {
    to_race_result(cvm.answer("run", Some(call), text.into(), None, None).await)
}

async fn answer_key(cvm: &Cvm, text: &str) -> RaceResult {
    to_race_result(cvm.answer_key("run", "k", 1, text.into(), None, None).await)
}

async fn tick(cvm: &Cvm) -> RaceResult {
    let due = cvm.run_due(10, RunLimit::Stop).await.map_err(|error| error.code)?;
    due.failed.first().map_or(Ok(()), |still| Err(still.error.code))
}

const KEYED: &str = r#"const a = CC("go?"); const b = CC("q?", { key: "k" }); console.log(a, b);"#;

/// Advances the clock to the deadline at some moment, and does the due work.
async fn pass_time_and_tick(race: &Race, cvm: &Cvm, span: Millis) -> RaceResult {
    yield_now().await;
    race.world.advance(span);
    tick(cvm).await
}

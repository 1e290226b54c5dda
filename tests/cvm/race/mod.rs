//! Two who act on one execution at the same moment, from two processes that know nothing of each other, in every order of their calls to the
//! store: whoever is told that it was done, it was done, once; and nobody waits for what has come.

mod answers;
mod due;
mod lifecycle;
mod overtaken;
mod threads;
mod workers;

use std::collections::BTreeMap;

use runstate::code::Code;
use runstate::domain::cvm::{Load, Status};
use runstate::engine::{Cvm, Error, Pace};
use runstate::marker::BoxFuture;
use runstate::testing::{block_on, join_all, yield_now};
use runstate::time::Millis;

use crate::documents::Documents;
use crate::schedule::{Choices, Gate, Yielding};
use crate::world::{World, start};

/// Rounds of a race in the ordinary run, unless it has fewer orders.
const ROUNDS: usize = 480;

/// What somebody was told.
type Told = Result<(), Code>;

/// Two processes, and what is looked at when they are done.
struct Race {
    world: World,
    one: Cvm,
    other: Cvm,
}

impl Race {
    /// `run` is started on `program` before anybody races.
    fn started(load: &Load) -> Self {
        let race = Self::loaded(load);
        block_on(start(&race.world.process(), "program", "run")).unwrap();
        race
    }

    fn loaded(load: &Load) -> Self {
        let world = World::of(std::slice::from_ref(load));
        let process = || world.process_over(Yielding::over_ready(world.disk.clone()));
        let (one, other) = (process(), process());
        Self { world, one, other }
    }

    /// `one` has run the execution so far, and still knows it.
    fn warm(load: &Load) -> Self {
        let race = Self::loaded(load);
        block_on(start(&race.one, "program", "run")).unwrap();
        race
    }

    /// As [`Race::started`]; both decide before the first of them commits, which is `one` where `places` is `[0, 1]`.
    fn gated(load: &Load, places: [usize; 2]) -> Self {
        let race = Self::started(load);
        let process = |gate| race.world.process_over(Yielding::gated(race.world.disk.clone(), gate));
        let [one, other] = Gate::in_order(places).map(process);
        Self { one, other, ..race }
    }

    /// Runs both at once; what decides is the gate.
    fn run_gated(&self, tasks: [BoxFuture<'_, Told>; 2]) -> [&'static str; 2] {
        block_on(join_all(tasks.into_iter().collect())).into_iter().map(word).collect::<Vec<_>>().try_into().unwrap()
    }

    fn run<const N: usize>(&self, choices: &mut Choices, tasks: [BoxFuture<'_, Told>; N]) -> [Told; N] {
        let told = choices.run(tasks.into_iter().collect());
        told.try_into().unwrap()
    }

    fn expect(&self, status: Status, output: &[&str]) -> Documents {
        let documents = self.world.check();
        let head = documents.head("run").unwrap();
        assert_eq!((head.text("state.status"), documents.output("run").as_slice()), (status.as_str(), &*own(output)));
        documents
    }

    fn call(&self) -> String {
        block_on(self.world.process().stands("run")).unwrap().call.unwrap()
    }
}

/// What somebody was told, in a word.
fn word(told: Told) -> &'static str {
    told.map_or_else(Code::as_str, |()| "done")
}

/// The outcomes that occurred at all.
fn occurred<T>(outcomes: BTreeMap<T, usize>) -> Vec<T> {
    outcomes.into_keys().collect()
}

fn own(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn told<T>(result: Result<T, Error>) -> Told {
    result.map(drop).map_err(|error| error.code)
}

/// Boxes what one of them does.
fn act<'a>(does: impl Future<Output = Told> + Send + 'a) -> BoxFuture<'a, Told> {
    Box::pin(does)
}

async fn answer(cvm: &Cvm, text: &str) -> Told {
    told(cvm.answer("run", None, text.into(), None, None).await)
}

async fn answer_call(cvm: &Cvm, call: &str, text: &str) -> Told {
    told(cvm.answer("run", Some(call), text.into(), None, None).await)
}

async fn answer_key(cvm: &Cvm, text: &str) -> Told {
    told(cvm.answer_key("run", "k", 1, text.into(), None, None).await)
}

async fn tick(cvm: &Cvm) -> Told {
    let due = cvm.run_due(10, Pace::Stop).await.map_err(|error| error.code)?;
    due.failed.first().map_or(Ok(()), |still| Err(still.error.code))
}

const KEYED: &str = r#"const a = CC("go?"); const b = CC("q?", { key: "k" }); console.log(a, b);"#;

/// Lets time come to the deadline, at some moment, and does what is due then.
async fn passes(race: &Race, cvm: &Cvm, span: Millis) -> Told {
    yield_now().await;
    race.world.pass(span);
    tick(cvm).await
}

//! Workers on a host whose time passes only while all of them wait.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use runstate::domain::cvm::{Backoff, Load, Start, Status};
use runstate::engine::{Cvm, Engine, Error, Host, Pace};
use runstate::limits::Settings;
use runstate::schema::Query;
use runstate::store::layer::{Fault, FaultStore, Method, Trace};
use runstate::store::{self, COMMANDS, Memory, Store};
use runstate::testing::{TimedHost, block_on, join_all};
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::{Cancelled, Failure, Task, Told, Worker};

use crate::scene::Scene;

type Pinned<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A store that several processes share, on one host.
#[derive(Clone)]
struct Workshop {
    store: Arc<Trace<FaultStore<Memory>>>,
    host: TimedHost,
    /// What workers told, one line each.
    told: Arc<Mutex<Vec<String>>>,
}

impl Workshop {
    fn with(source: &str) -> Self {
        let store = Arc::new(Trace::new(FaultStore::new(Memory::new())));
        let shop = Self { store, host: TimedHost::default(), told: Arc::default() };
        let bytecode = runstate::lang::compile("program.ts", source).unwrap_or_else(|d| panic!("{d:?}")).bytecode;
        shop.host.block_on(shop.cvm().load(&Load::new("program", source, bytecode), None)).unwrap();
        shop
    }

    /// An engine of its own: a process that knows nothing of the others.
    fn cvm(&self) -> Cvm {
        let (store, host) = (self.store.clone(), Arc::new(self.host.clone()));
        let engine = Engine::new(store, host, runstate::domain::catalog().unwrap(), Settings::default());
        self.host.block_on(engine).unwrap().cvm()
    }

    fn start(&self, id: &str, input: Json) -> &Self {
        self.host.block_on(self.cvm().start(&Start::of("program").id(id).input(input), None)).unwrap();
        self
    }

    fn worker(&self, owner: &str) -> Worker {
        let told = self.told.clone();
        Worker::new(self.cvm(), owner).on_told(move |news| told.lock().unwrap().extend(line(news)))
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    fn output(&self, id: &str) -> Vec<String> {
        self.host.block_on(self.cvm().output(id)).unwrap()
    }

    fn status(&self, id: &str) -> Status {
        self.host.block_on(self.cvm().stands(id)).unwrap().reached.status
    }

    fn drain(&self, worker: &Worker) {
        self.host.block_on(worker.drain()).unwrap();
    }

    /// Runs the worker for so long.
    fn run(&self, worker: &Worker, span: Millis) -> Result<(), Error> {
        let host = self.host.clone();
        self.host.block_on(worker.run(async move { host.sleep(span).await }))
    }
}

/// What is told, times and names left out.
fn line(news: &Told<'_>) -> Option<String> {
    Some(match news {
        Told::Claimed(work) => format!("claimed {} attempt {}", work.call.step, work.claimed.attempts),
        Told::Answered { work, .. } => format!("answered {}", work.call.step),
        Told::Failed { work, failure, retry_at, .. } => {
            let then = if retry_at.is_some() { "again later" } else { "for good" };
            format!("failed {} {then}: {}", work.call.step, failure.message)
        }
        Told::Lost { work, why } => format!("lost {}: {}", work.call.step, why.code),
        Told::Released(work) => format!("released {}", work.call.step),
        Told::Trouble(why) => format!("trouble: {}", why.code),
        _ => return None,
    })
}

/// A handler that sleeps before it answers.
fn slow(host: &TimedHost, span: Millis) -> impl Fn(Task) -> Pinned<Result<Json, Failure>> + Send + Sync + 'static {
    let host = host.clone();
    move |_| {
        let host = host.clone();
        Box::pin(async move {
            host.sleep(span).await;
            Ok("done".into())
        })
    }
}

const TWICE: &str = r#"console.log(CC("one?")); console.log(CC("two?"));"#;

#[test]
fn a_worker_answers_until_nothing_is_open() {
    let shop = Workshop::with(TWICE);
    shop.start("a", Json::Null).start("b", Json::Null);
    let worker = shop.worker("w").handle("cc", 4, async |task: Task| Ok(task.work.call.prompt.into()));
    shop.drain(&worker);
    for id in ["a", "b"] {
        assert_eq!((shop.status(id), shop.output(id)), (Status::Complete, vec!["one?".to_owned(), "two?".to_owned()]));
    }
    assert_eq!(shop.told().iter().filter(|line| line.starts_with("answered")).count(), 4);
}

#[test]
fn what_is_asked_while_it_waits_is_answered_soon() {
    let shop = Workshop::with(TWICE);
    let worker = shop.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    let cvm = shop.cvm();
    let (host, began) = (shop.host.clone(), shop.host.now());
    let later = async {
        host.sleep(Millis::minutes(5)).await;
        cvm.start(&Start::of("program").id("late"), None).await.unwrap();
        let asked = host.now();
        while cvm.stands("late").await.unwrap().reached.status != Status::Complete {
            host.sleep(Millis(1)).await;
        }
        assert!(host.now().since(asked) < Millis(50), "{:?}", host.now().since(asked));
    };
    shop.host.block_on(worker.run(later)).unwrap();
    assert!(shop.host.now().since(began) >= Millis::minutes(5));
}

#[test]
fn who_has_nothing_to_do_reads_a_few_times_a_second() {
    let shop = Workshop::with(TWICE);
    let worker = shop.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    shop.store.reset();
    shop.run(&worker, Millis::seconds(100)).unwrap();
    let reads: u64 = shop.store.reset().values().map(|calls| calls.calls).sum();
    assert!((100..=450).contains(&reads), "{reads} calls of the store in 100 seconds");
}

/// `workers` processes on `executions` of ten questions each: every call comes to one handler, and to its end.
fn each_call_once(workers: usize, executions: usize) {
    let shop = Workshop::with(r#"for (let i = 0; i < 10; i++) console.log(CC(`question ${i}?`));"#);
    for n in 0..executions {
        shop.start(&format!("e{n}"), Json::Null);
    }
    let seen: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let workers: Vec<Worker> = (0..workers)
        .map(|n| {
            let (seen, host) = (seen.clone(), shop.host.clone());
            shop.worker(&format!("w{n}")).handle("cc", 2, move |task: Task| {
                *seen.lock().unwrap().entry(task.work.claimed.call.clone()).or_default() += 1;
                let (host, span) = (host.clone(), Millis((host.ids.below(3_000) + 1) as i64));
                async move {
                    host.sleep(span).await;
                    Ok(task.work.call.prompt.into())
                }
            })
        })
        .collect();
    let began = shop.host.now();
    let ended = shop.host.block_on(join_all(workers.iter().map(|worker| Box::pin(worker.drain()) as _).collect()));
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!((seen.len(), seen.values().max()), (executions * 10, Some(&1)));
    let expected: Vec<String> = (0..10).map(|i| format!("question {i}?")).collect();
    for n in 0..executions {
        assert_eq!(shop.output(&format!("e{n}")), expected);
    }
    let told = shop.told();
    assert!(told.iter().all(|line| line.starts_with("claimed") || line.starts_with("answered")), "{told:?}");
    // Nobody waited for a lease to end.
    assert!(shop.host.now().since(began) < Millis((executions * 400) as i64 + 60_000));
}

#[test]
fn sixty_four_workers_do_each_call_once() {
    let long = std::env::var_os("RUNSTATE_FULL").is_some();
    each_call_once(64, if long { 500 } else { 50 });
}

#[test]
fn a_call_stays_its_workers_for_as_long_as_that_lives() {
    let shop = Workshop::with(r#"console.log(CC("long?"))"#);
    shop.start("a", Json::Null);
    let first = shop.worker("first").lease(Millis::seconds(3)).handle("cc", 1, slow(&shop.host, Millis::minutes(10)));
    let second = shop.worker("second").handle("cc", 1, async |_| Err(Failure::new("it came to the second")));
    let host = &shop.host;
    let late = async {
        host.sleep(Millis(500)).await;
        second.drain().await
    };
    let ended = host.block_on(join_all(vec![Box::pin(first.drain()) as _, Box::pin(late) as _]));
    assert_eq!(ended, [Ok(()), Ok(())]);
    assert_eq!(shop.told(), ["claimed 1 attempt 1", "answered 1"]);
}

#[test]
fn a_claim_that_is_lost_ends_its_handler_where_it_stands() {
    let shop = Workshop::with(r#"console.log(CC("cancelled?"))"#);
    shop.start("a", Json::Null);
    let token: Arc<Mutex<Option<Cancelled>>> = Arc::default();
    let kept = token.clone();
    let worker = shop.worker("w").lease(Millis::seconds(3)).handle("cc", 1, move |task: Task| {
        *kept.lock().unwrap() = Some(task.cancelled);
        std::future::pending()
    });
    let (cvm, host) = (shop.cvm(), shop.host.clone());
    let stop = async {
        host.sleep(Millis::seconds(10)).await;
        cvm.cancel("a", None).await.unwrap();
        let cancelled = token.lock().unwrap().clone().unwrap();
        assert!(!cancelled.is_set());
        cancelled.wait().await;
    };
    shop.host.block_on(worker.run(stop)).unwrap();
    assert_eq!(shop.told(), ["claimed 1 attempt 1", "lost 1: stale_claim"]);
}

#[test]
fn another_takes_over_when_a_worker_has_died_and_the_late_one_is_told() {
    let shop = Workshop::with(r#"console.log(CC("who?"))"#);
    shop.start("a", Json::Null);
    let dead = shop.cvm();
    let kinds = ["cc".to_owned()];
    let work = shop.host.block_on(dead.claim(&kinds, "dead", Millis::seconds(5))).unwrap().unwrap();
    let worker = shop.worker("w").handle("cc", 1, async |_| Ok("the living".into()));
    let began = shop.host.now();
    shop.drain(&worker);
    let took = shop.host.now().since(began);
    assert!((Millis::seconds(5)..Millis::seconds(7)).contains(&took), "{took:?}");
    assert_eq!(shop.output("a"), ["the living"]);
    let late = shop.host.block_on(dead.complete(&work.claimed, "the dead".into(), None, None));
    assert_eq!(late.unwrap_err().code, runstate::code::Code::StaleClaim);
}

#[test]
fn told_to_stop_it_ends_what_runs_and_claims_no_more() {
    let shop = Workshop::with(TWICE);
    shop.start("a", Json::Null);
    let worker = shop.worker("w").handle("cc", 1, slow(&shop.host, Millis::seconds(20)));
    shop.run(&worker, Millis::seconds(5)).unwrap();
    assert_eq!(shop.told(), ["claimed 1 attempt 1", "answered 1"]);
    assert_eq!(shop.status("a"), Status::WaitingCc);
}

#[test]
fn what_does_not_end_within_the_grace_is_given_back_untried() {
    let shop = Workshop::with(r#"CC("one?")"#);
    shop.start("a", Json::Null);
    let worker = shop.worker("w").grace(Millis::seconds(3)).handle("cc", 1, |_| std::future::pending());
    let began = shop.host.now();
    shop.run(&worker, Millis::seconds(5)).unwrap();
    assert_eq!(shop.host.now().since(began), Millis::seconds(8));
    let next = shop.worker("next").handle("cc", 1, async |_| Ok("yes".into()));
    shop.drain(&next);
    assert_eq!(shop.told(), ["claimed 1 attempt 1", "released 1", "claimed 1 attempt 1", "answered 1"]);
    assert_eq!(shop.host.now().since(began), Millis::seconds(8));
}

#[test]
fn told_to_end_now_it_does_not_wait_for_the_grace() {
    let shop = Workshop::with(r#"CC("one?")"#);
    shop.start("a", Json::Null);
    let worker = shop.worker("w").handle("cc", 1, |_| std::future::pending());
    let (began, host) = (shop.host.now(), shop.host.clone());
    let after = |seconds| {
        let host = host.clone();
        async move { host.sleep(Millis::seconds(seconds)).await }
    };
    shop.host.block_on(worker.run_until(after(1), after(2))).unwrap();
    assert_eq!((shop.told().len(), shop.host.now().since(began)), (2, Millis::seconds(2)));
}

#[test]
fn failures_are_tried_again_until_the_program_is_told() {
    let shop = Workshop::with(r#"try { CC("one?") } catch (e) { console.log(`${e.name}: ${e.message}`) } CC("two?")"#);
    shop.start("a", Json::Null);
    let backoff = Backoff { attempts: 3, initial: Millis::seconds(10), longest: Millis::minutes(1) };
    let worker = shop.worker("w").backoff(backoff).handle("cc", 1, async |task: Task| {
        match (task.work.call.prompt.as_str(), task.attempt) {
            ("two?", _) => Ok("fine".into()),
            (_, 1) => panic!("out of ideas"),
            (_, 2) => Err("seven".parse::<u32>().unwrap_err().into()),
            _ => Err(Failure::new("it is no use").named("Useless")),
        }
    });
    shop.drain(&worker);
    assert_eq!(
        shop.told(),
        [
            "claimed 1 attempt 1",
            "failed 1 again later: the handler panicked: out of ideas",
            "claimed 1 attempt 2",
            "failed 1 again later: invalid digit found in string",
            "claimed 1 attempt 3",
            "failed 1 for good: it is no use",
            "claimed 2 attempt 1",
            "answered 2",
        ]
    );
    assert_eq!(shop.output("a"), ["Useless: it is no use"]);
}

#[test]
fn an_answer_that_does_not_fit_is_a_failure_that_says_why() {
    let shop = Workshop::with(r#"console.log(CC("which?", { choices: ["a", "b"] }))"#);
    shop.start("a", Json::Null);
    let worker = shop
        .worker("w")
        .handle("cc", 1, async |task: Task| Ok(if task.attempt == 1 { "c".into() } else { "b".into() }));
    shop.drain(&worker);
    let told = shop.told();
    assert!(told[1].starts_with("failed 1 again later: "), "{told:?}");
    assert_eq!(shop.output("a"), ["b"]);
}

#[test]
fn what_was_worked_for_is_given_again_until_the_store_takes_it() {
    let shop = Workshop::with(r#"console.log(CC("one?"))"#);
    shop.start("a", Json::Null);
    let faults = shop.store.clone();
    let worker = shop.worker("w").handle("cc", 1, move |_| {
        let away = || store::Error::Unavailable { what: "commit".into(), why: "the line is cut".into() };
        for nth in 1..=4 {
            faults.inner().plan(Method::Commit, nth, Fault::Before(away()));
        }
        async { Ok("kept".into()) }
    });
    shop.drain(&worker);
    let told = shop.told();
    assert_eq!(told.iter().filter(|line| *line == "trouble: unavailable").count(), 4, "{told:?}");
    assert_eq!((told.last().unwrap().as_str(), shop.output("a")), ("answered 1", vec!["kept".to_owned()]));
}

#[test]
fn it_waits_while_the_store_is_away_and_ends_when_it_is_closed() {
    let shop = Workshop::with(TWICE);
    shop.start("a", Json::Null);
    let faults = shop.store.inner();
    for nth in 1..=6 {
        let away = store::Error::Unavailable { what: "query".into(), why: "the line is cut".into() };
        faults.plan(Method::Query, nth, Fault::Before(away));
    }
    let worker = shop.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    shop.drain(&worker);
    assert_eq!(shop.status("a"), Status::Complete);
    assert!(shop.told().iter().any(|line| line == "trouble: unavailable"));
    let (host, store) = (shop.host.clone(), shop.store.clone());
    let closing = async {
        host.sleep(Millis::seconds(10)).await;
        store.close().await.unwrap();
        std::future::pending::<()>().await;
    };
    let ended = shop.host.block_on(worker.run(closing));
    assert_eq!(ended.unwrap_err().code, runstate::code::Code::Closed);
}

#[test]
fn timers_and_deadlines_are_kept_while_it_is_there() {
    let shop = Workshop::with(
        r#"sleep(60000); console.log("awake"); console.log(CC("quick?", { timeoutMs: 5000, default: "nobody" }));"#,
    );
    shop.start("a", Json::Null);
    let worker = shop.worker("w");
    let began = shop.host.now();
    shop.run(&worker, Millis::seconds(30)).unwrap();
    assert_eq!(shop.output("a"), [] as [&str; 0]);
    let (cvm, host) = (shop.cvm(), shop.host.clone());
    let complete = async {
        while cvm.stands("a").await.unwrap().reached.status != Status::Complete {
            host.sleep(Millis(10)).await;
        }
    };
    shop.host.block_on(worker.run(complete)).unwrap();
    assert_eq!(shop.output("a"), ["awake", "nobody"]);
    let took = shop.host.now().since(began);
    assert!((Millis::seconds(65)..Millis::seconds(68)).contains(&took), "{took:?}");
}

#[test]
fn one_that_leaves_what_is_due_to_others_keeps_no_timer() {
    let shop = Workshop::with(r#"sleep(1000); CC("?")"#);
    shop.start("a", Json::Null);
    let worker = shop.worker("w").without_due().handle("cc", 1, async |_| Ok("yes".into()));
    shop.run(&worker, Millis::minutes(5)).unwrap();
    assert_eq!((shop.status("a"), shop.told().len()), (Status::WaitingCc, 0));
}

#[test]
fn draining_waits_for_no_timer_but_for_what_is_due() {
    let shop = Workshop::with(r#"sleep(input); console.log(CC("?"))"#);
    shop.start("soon", 1.into()).start("late", 3_600_000.into());
    shop.host.clock.advance(Millis(10));
    let worker = shop.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    let began = shop.host.now();
    shop.drain(&worker);
    assert_eq!((shop.status("soon"), shop.status("late")), (Status::Complete, Status::WaitingCc));
    assert!(shop.host.now().since(began) < Millis::seconds(2));
}

#[test]
fn what_no_worker_can_do_is_refused_before_it_begins() {
    let shop = Workshop::with(TWICE);
    let timer = shop.worker("w").handle("timer", 1, async |_| Ok(Json::Null));
    let lease = shop.worker("w").lease(Millis(0));
    for worker in [timer, lease] {
        let refused = shop.host.block_on(worker.drain()).unwrap_err();
        assert_eq!(refused.code, runstate::code::Code::Invalid, "{refused}");
    }
}

#[test]
fn several_kinds_each_have_room_of_their_own() {
    let shop =
        Workshop::with(r#"console.log(CC.all([{ tool: "slow" }, { tool: "slow" }, "quick?", "quick?"]).join(" "))"#);
    shop.start("a", Json::Null);
    let running: Arc<Mutex<(usize, usize)>> = Arc::default();
    let (host, count) = (shop.host.clone(), running.clone());
    let worker = shop
        .worker("w")
        .handle("slow", 1, move |_| {
            let (host, count) = (host.clone(), count.clone());
            async move {
                {
                    let mut count = count.lock().unwrap();
                    count.0 += 1;
                    count.1 = count.1.max(count.0);
                }
                host.sleep(Millis::minutes(1)).await;
                count.lock().unwrap().0 -= 1;
                Ok("slow".into())
            }
        })
        .handle("cc", 1, async |_| Ok("quick".into()));
    let began = shop.host.now();
    shop.drain(&worker);
    assert_eq!(shop.output("a"), ["slow slow quick quick"]);
    assert_eq!(*running.lock().unwrap(), (0, 1));
    assert!(shop.host.now().since(began) < Millis(121_000));
    let answered: Vec<String> = shop.told().into_iter().filter(|line| line.starts_with("answered")).collect();
    assert_eq!(answered[..2].iter().collect::<std::collections::BTreeSet<_>>().len(), 2);
    assert!(answered[..2].iter().all(|line| line == "answered 3" || line == "answered 4"), "{answered:?}");
}

#[test]
fn a_worker_of_many_kinds_serves_all_of_them() {
    let tools: Vec<String> = (0..40).map(|n| format!("tool{n}")).collect();
    let asked: Vec<String> = tools.iter().map(|tool| format!("{{ tool: \"{tool}\" }}")).collect();
    let shop = Workshop::with(&format!("console.log(CC.all([{}]).length)", asked.join(",")));
    shop.start("a", Json::Null);
    let worker = tools.iter().fold(shop.worker("w"), |worker, tool| worker.handle(tool, 1, async |_| Ok(1.into())));
    let began = shop.host.now();
    shop.drain(&worker);
    assert_eq!(shop.output("a"), ["40"]);
    assert!(shop.host.now().since(began) < Millis::seconds(30), "{:?}", shop.host.now().since(began));
}

#[test]
fn the_ledger_expires_with_the_rest() {
    let shop = Workshop::with(TWICE);
    shop.start("a", Json::Null);
    let cvm = shop.cvm();
    let commands = || shop.host.block_on(shop.store.query(&Query::of(&COMMANDS))).unwrap().rows.len();
    assert!(commands() >= 2);
    shop.host.clock.advance(Millis::days(8));
    let expired = shop.host.block_on(cvm.engine().expired(shop.host.now())).unwrap();
    assert!(expired.iter().any(|(name, rows)| *name == COMMANDS.name && *rows as usize == commands()), "{expired:?}");
    let due = shop.host.block_on(cvm.run_due(100, Pace::Stop)).unwrap();
    assert!(due.swept >= 2, "{due:?}");
    assert_eq!(commands(), 0);
    assert_eq!(shop.host.block_on(cvm.engine().expired(shop.host.now())).unwrap(), []);
}

#[test]
fn what_runs_a_worker_may_move_between_threads() {
    fn may_move<F: Future + Send>(_: &F) {}
    let shop = Workshop::with(TWICE);
    let worker = shop.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    may_move(&worker.run(std::future::pending()));
    may_move(&worker.drain());
}

/// What takes its worker with it must not take them all, one after the other.
#[test]
fn a_call_that_nobody_came_back_from_is_told_to_its_program() {
    let mut scene = Scene::of(r#"try { CC("?"); } catch (e) { console.log(e.name, e.message); }"#);
    for _ in 0..3 {
        let kinds = ["cc".to_owned()];
        assert!(block_on(scene.cvm().claim(&kinds, "dies", Millis::seconds(30))).unwrap().is_some());
        scene.host.clock.advance(Millis::seconds(30));
    }
    let backoff = Backoff { attempts: 3, ..Backoff::default() };
    let worker = Worker::new(scene.cvm(), "careful").backoff(backoff).without_due();
    let worker = worker.handle("cc", 1, async |_: Task| Ok("never asked".into()));
    block_on(worker.drain()).unwrap();
    scene.expect_output(["CallError it was tried 3 times, and whoever tried did not come back"]);
}

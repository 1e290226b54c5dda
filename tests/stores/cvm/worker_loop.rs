//! Workers on a host whose time passes only while all of them wait.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use runstate::client::{CallWorker, Cvm};
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Approve, ListCalls, Policy, Start, Status, Work};
use runstate::engine::{Engine, Error, Host, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::schema::Query;
use runstate::store::layer::Method;
use runstate::store::{self, COMMANDS, Freshness, Memory, Store};
use runstate::testing::{CountingStore, Fault, FaultStore};
use runstate::testing::{TimedHost, block_on, join_all};
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::{Backoff, CancellationToken, Failure, Task, WorkerEvent};

use crate::cvm::scene::{Scene, program};
use crate::settings::is_full_run;

pub type PinnedFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A store that several processes share, on one host.
#[derive(Clone)]
pub struct WorkerScene {
    pub store: Arc<CountingStore<FaultStore<Memory>>>,
    pub host: TimedHost,
    /// The events of workers, one line each.
    events: Arc<Mutex<Vec<String>>>,
}

impl WorkerScene {
    pub fn with_program(source: &str) -> Self {
        let store = Arc::new(CountingStore::new(FaultStore::new(Memory::new())));
        let scene = Self { store, host: TimedHost::default(), events: Arc::default() };
        scene.host.block_on(scene.cvm().load(&program("program", source))).unwrap();
        scene
    }

    /// An engine of its own: a process that shares only the store with the others.
    pub fn cvm(&self) -> Cvm {
        self.cvm_on(self.store.clone())
    }

    /// As [`WorkerScene::cvm`], on another form of the store.
    pub fn cvm_on(&self, store: Arc<dyn Store>) -> Cvm {
        let host = Arc::new(self.host.clone());
        let engine = Engine::with_settings(store, host, runstate::domain::ALL, Settings::default());
        Cvm::new(&self.host.block_on(engine).unwrap())
    }

    pub fn start(&self, id: &str, input: Json) -> &Self {
        self.host.block_on(self.cvm().start(&Start::new("program").id(id).input(input))).unwrap();
        self
    }

    pub fn worker(&self, owner: &str) -> CallWorker {
        self.worker_in(&self.cvm(), owner)
    }

    /// A worker in this process.
    pub fn worker_in(&self, cvm: &Cvm, owner: &str) -> CallWorker {
        let events = self.events.clone();
        cvm.worker(owner).on_event(move |event| events.lock().unwrap().extend(event_line(event)))
    }

    pub fn take_events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    pub fn output(&self, id: &str) -> Vec<String> {
        self.host.block_on(self.cvm().output(id)).unwrap()
    }

    fn status(&self, id: &str) -> Status {
        self.host.block_on(self.cvm().status(id)).unwrap().execution.status
    }

    pub fn drain(&self, worker: &CallWorker) {
        self.host.block_on(worker.drain()).unwrap();
    }

    /// Runs the worker for this duration.
    fn run(&self, worker: &CallWorker, duration: Millis) -> Result<(), Error> {
        let host = self.host.clone();
        self.host.block_on(worker.run(async move { host.sleep(duration).await }))
    }
}

/// An event in a line, without times and names.
fn event_line(event: &WorkerEvent<'_, Work>) -> Option<String> {
    Some(match event {
        WorkerEvent::Claimed(work) => format!("claimed {} attempt {}", work.call.step.unwrap(), work.claimed.attempts),
        WorkerEvent::Answered { work, .. } => format!("answered {}", work.call.step.unwrap()),
        WorkerEvent::Failed { work, failure, retry_at, .. } => {
            let then = if retry_at.is_some() { "again later" } else { "for good" };
            format!("failed {} {then}: {}", work.call.step.unwrap(), failure.message)
        }
        WorkerEvent::Lost { work, why } => format!("lost {}: {}", work.call.step.unwrap(), why.code),
        WorkerEvent::Released(work) => format!("released {}", work.call.step.unwrap()),
        WorkerEvent::Trouble(why) => format!("trouble: {}", why.code),
        _ => return None,
    })
}

/// A handler that sleeps before it answers.
pub fn slow_handler(
    host: &TimedHost,
    duration: Millis,
) -> impl Fn(Task<Work>) -> PinnedFuture<Result<Json, Failure>> + Send + Sync + 'static {
    let host = host.clone();
    move |_| {
        let host = host.clone();
        Box::pin(async move {
            host.sleep(duration).await;
            Ok("done".into())
        })
    }
}

const TWICE: &str = r#"console.log(CC("one?")); console.log(CC("two?"));"#;

#[test]
fn a_worker_answers_until_nothing_is_open() {
    let scene = WorkerScene::with_program(TWICE);
    scene.start("a", Json::Null).start("b", Json::Null);
    let worker = scene.worker("w").handle("cc", 4, async |task: Task<_>| Ok(task.work.call.prompt.into()));
    scene.drain(&worker);
    for id in ["a", "b"] {
        assert_eq!(
            (scene.status(id), scene.output(id)),
            (Status::Complete, vec!["one?".to_owned(), "two?".to_owned()])
        );
    }
    assert_eq!(scene.take_events().iter().filter(|line| line.starts_with("answered")).count(), 4);
}

#[test]
fn calls_made_while_a_worker_waits_are_answered_soon() {
    let scene = WorkerScene::with_program(TWICE);
    let worker = scene.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    let cvm = scene.cvm();
    let (host, began) = (scene.host.clone(), scene.host.now());
    let later = async {
        host.sleep(Millis::minutes(5)).await;
        cvm.start(&Start::new("program").id("late")).await.unwrap();
        let started = host.now();
        while cvm.status("late").await.unwrap().execution.status != Status::Complete {
            host.sleep(Millis(1)).await;
        }
        assert!(host.now().since(started) < Millis(50), "{:?}", host.now().since(started));
    };
    scene.host.block_on(worker.run(later)).unwrap();
    assert!(scene.host.now().since(began) >= Millis::minutes(5));
}

#[test]
fn an_approved_call_is_claimed_soon() {
    let scene = WorkerScene::with_program(r#"console.log(call("pay"));"#);
    let worker = scene.worker("w").handle("pay", 1, async |_| Ok("paid".into()));
    let (cvm, host) = (scene.cvm(), scene.host.clone());
    let policy = Policy { approve: Some(vec!["pay".to_owned()]), ..Policy::default() };
    let later = async {
        cvm.start(&Start { policy: Some(policy), ..Start::new("program").id("run") }).await.unwrap();
        host.sleep(Millis::minutes(5)).await;
        let call = cvm.calls(&ListCalls::default()).await.unwrap().items[0].id.clone();
        let approve = Approve { execution: "run".to_owned(), call, by: "ann".to_owned(), ..Approve::default() };
        cvm.approve(&approve).await.unwrap();
        let approved = host.now();
        while cvm.status("run").await.unwrap().execution.status != Status::Complete {
            host.sleep(Millis(1)).await;
        }
        assert!(host.now().since(approved) < Millis(50), "{:?}", host.now().since(approved));
    };
    scene.host.block_on(worker.run(later)).unwrap();
}

#[test]
fn idle_worker_reads_a_few_times_a_second() {
    let scene = WorkerScene::with_program(TWICE);
    let worker = scene.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    scene.store.reset();
    scene.run(&worker, Millis::seconds(100)).unwrap();
    let reads: u64 = scene.store.reset().values().map(|calls| calls.calls).sum();
    assert!((100..=450).contains(&reads), "{reads} calls of the store in 100 seconds");
}

/// `workers` processes on `executions` executions of ten calls each: every call reaches one handler, and is closed.
fn expect_each_call_once(workers: usize, executions: usize) {
    let scene = WorkerScene::with_program(r#"for (let i = 0; i < 10; i++) console.log(CC(`question ${i}?`));"#);
    for n in 0..executions {
        scene.start(&format!("e{n}"), Json::Null);
    }
    let seen: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let workers: Vec<CallWorker> = (0..workers)
        .map(|n| {
            let (seen, host) = (seen.clone(), scene.host.clone());
            scene.worker(&format!("w{n}")).handle("cc", 2, move |task: Task<_>| {
                *seen.lock().unwrap().entry(task.work.claimed.call.clone()).or_default() += 1;
                let (host, duration) = (host.clone(), Millis((host.ids.below(3_000) + 1) as i64));
                async move {
                    host.sleep(duration).await;
                    Ok(task.work.call.prompt.into())
                }
            })
        })
        .collect();
    let began = scene.host.now();
    let ended = scene.host.block_on(join_all(workers.iter().map(|worker| Box::pin(worker.drain()) as _).collect()));
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!((seen.len(), seen.values().max()), (executions * 10, Some(&1)));
    let expected: Vec<String> = (0..10).map(|i| format!("question {i}?")).collect();
    for n in 0..executions {
        assert_eq!(scene.output(&format!("e{n}")), expected);
    }
    let events = scene.take_events();
    assert!(events.iter().all(|line| line.starts_with("claimed") || line.starts_with("answered")), "{events:?}");
    // No worker waited for the end of a lease.
    assert!(scene.host.now().since(began) < Millis((executions * 400) as i64 + 60_000));
}

#[test]
fn sixty_four_workers_do_each_call_once() {
    let long = is_full_run();
    expect_each_call_once(64, if long { 500 } else { 50 });
}

#[test]
fn heartbeats_keep_a_long_call_with_its_live_worker() {
    let scene = WorkerScene::with_program(r#"console.log(CC("long?"))"#);
    scene.start("a", Json::Null);
    let first =
        scene.worker("first").lease(Millis::seconds(3)).handle("cc", 1, slow_handler(&scene.host, Millis::minutes(10)));
    let second = scene.worker("second").handle("cc", 1, async |_| Err(Failure::new("it came to the second")));
    let host = &scene.host;
    let late = async {
        host.sleep(Millis(500)).await;
        second.drain().await
    };
    let ended = host.block_on(join_all(vec![Box::pin(first.drain()) as _, Box::pin(late) as _]));
    assert_eq!(ended, [Ok(()), Ok(())]);
    assert_eq!(scene.take_events(), ["claimed 1 attempt 1", "answered 1"]);
}

#[test]
fn lost_claim_cancels_its_handler_at_once() {
    let scene = WorkerScene::with_program(r#"console.log(CC("cancelled?"))"#);
    scene.start("a", Json::Null);
    let token: Arc<Mutex<Option<CancellationToken>>> = Arc::default();
    let shared_token = token.clone();
    let worker = scene.worker("w").lease(Millis::seconds(3)).handle("cc", 1, move |task: Task<_>| {
        *shared_token.lock().unwrap() = Some(task.cancellation);
        std::future::pending()
    });
    let (cvm, host) = (scene.cvm(), scene.host.clone());
    let stop = async {
        host.sleep(Millis::seconds(10)).await;
        cvm.cancel("a").await.unwrap();
        let cancelled = token.lock().unwrap().clone().unwrap();
        assert!(!cancelled.is_set());
        cancelled.wait().await;
    };
    scene.host.block_on(worker.run(stop)).unwrap();
    assert_eq!(scene.take_events(), ["claimed 1 attempt 1", "lost 1: stale_claim"]);
}

#[test]
fn call_of_a_dead_worker_is_claimed_again_and_late_claim_is_stale() {
    let scene = WorkerScene::with_program(r#"console.log(CC("who?"))"#);
    scene.start("a", Json::Null);
    let dead = scene.cvm();
    let kinds = ["cc".to_owned()];
    let work = scene.host.block_on(dead.claim(&kinds, "dead", Millis::seconds(5))).unwrap().unwrap();
    let worker = scene.worker("w").handle("cc", 1, async |_| Ok("the living".into()));
    let began = scene.host.now();
    scene.drain(&worker);
    let elapsed = scene.host.now().since(began);
    assert!((Millis::seconds(5)..Millis::seconds(7)).contains(&elapsed), "{elapsed:?}");
    assert_eq!(scene.output("a"), ["the living"]);
    let late = scene.host.block_on(dead.complete(&work.claimed, "the dead"));
    assert_eq!(late.unwrap_err().code, ErrorCode::STALE_CLAIM);
}

#[test]
fn stopped_worker_finishes_its_calls_and_claims_no_more() {
    let scene = WorkerScene::with_program(TWICE);
    scene.start("a", Json::Null);
    let worker = scene.worker("w").handle("cc", 1, slow_handler(&scene.host, Millis::seconds(20)));
    scene.run(&worker, Millis::seconds(5)).unwrap();
    assert_eq!(scene.take_events(), ["claimed 1 attempt 1", "answered 1"]);
    assert_eq!(scene.status("a"), Status::WaitingCc);
}

#[test]
fn call_that_outlives_the_grace_is_released_untried() {
    let scene = WorkerScene::with_program(r#"CC("one?")"#);
    scene.start("a", Json::Null);
    let worker = scene.worker("w").grace(Millis::seconds(3)).handle("cc", 1, |_| std::future::pending());
    let began = scene.host.now();
    scene.run(&worker, Millis::seconds(5)).unwrap();
    assert_eq!(scene.host.now().since(began), Millis::seconds(8));
    let next = scene.worker("next").handle("cc", 1, async |_| Ok("yes".into()));
    scene.drain(&next);
    assert_eq!(scene.take_events(), ["claimed 1 attempt 1", "released 1", "claimed 1 attempt 1", "answered 1"]);
    assert_eq!(scene.host.now().since(began), Millis::seconds(8));
}

#[test]
fn handler_that_takes_too_long_is_cancelled_and_its_call_is_retried() {
    let scene = WorkerScene::with_program(r#"console.log(CC("one?"))"#);
    scene.start("a", Json::Null);
    let cancelled = Arc::new(AtomicBool::new(false));
    let backoff = Backoff { attempts: 3, initial: Millis::seconds(1), longest: Millis::seconds(1) };
    let seen = Arc::clone(&cancelled);
    let handler = move |task: Task<_>| {
        let seen = Arc::clone(&seen);
        async move {
            if task.attempt == 1 {
                let _on_drop = SetOnDrop(seen);
                std::future::pending::<()>().await;
            }
            Ok("at last".into())
        }
    };
    let worker = scene.worker("w").backoff(backoff).max_handler(Millis::minutes(2)).handle("cc", 1, handler);
    let began = scene.host.now();
    scene.drain(&worker);
    assert_eq!(scene.output("a"), ["at last"]);
    assert!(cancelled.load(Ordering::Relaxed));
    let events = scene.take_events();
    assert!(events.iter().any(|event| event.contains("the handler did not end within 120000 ms")), "{events:?}");
    let elapsed = scene.host.now().since(began);
    assert!((Millis::minutes(2)..Millis::seconds(125)).contains(&elapsed), "{elapsed:?}");
}

#[test]
fn handler_may_ask_for_a_longer_wait_of_at_most_a_day() {
    let (second, run_for) = (Millis::seconds(1), Millis(400));
    for (asked, shortest, longest) in [
        (Millis::minutes(7), Millis::minutes(7), Millis::minutes(7)),
        (Millis(1), Millis(500), second),
        (Millis(i64::MAX), Millis::days(1), Millis::days(1)),
        (Millis(i64::MIN), Millis(500), second),
    ] {
        let scene = WorkerScene::with_program(r#"console.log(CC("one?"))"#);
        scene.start("a", Json::Null);
        let next = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&next);
        let backoff = Backoff { attempts: 3, initial: second, longest: second };
        let handler = move |_| async move { Err::<Json, _>(Failure::new("too many requests").with_retry_after(asked)) };
        let worker = scene.worker("w").backoff(backoff).handle("cc", 1, handler).on_event(move |event| {
            if let WorkerEvent::Failed { retry_at, .. } = event {
                *seen.lock().unwrap() = *retry_at;
            }
        });
        let began = scene.host.now();
        scene.run(&worker, run_for).unwrap();
        let waited = next.lock().unwrap().unwrap().since(began);
        assert!((shortest..=Millis(longest.0 + run_for.0)).contains(&waited), "{waited:?} for {asked:?}");
    }
}

/// Sets its flag when it is dropped.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn worker_ended_now_does_not_wait_for_the_grace() {
    let scene = WorkerScene::with_program(r#"CC("one?")"#);
    scene.start("a", Json::Null);
    let worker = scene.worker("w").handle("cc", 1, |_| std::future::pending());
    let (began, host) = (scene.host.now(), scene.host.clone());
    let after = |seconds| {
        let host = host.clone();
        async move { host.sleep(Millis::seconds(seconds)).await }
    };
    scene.host.block_on(worker.run_until(after(1), after(2))).unwrap();
    assert_eq!((scene.take_events().len(), scene.host.now().since(began)), (2, Millis::seconds(2)));
}

#[test]
fn failures_are_retried_until_they_throw_in_the_program() {
    let scene = WorkerScene::with_program(
        r#"try { CC("one?") } catch (e) { console.log(`${e.name} ${e.code}: ${e.message}`) } CC("two?")"#,
    );
    scene.start("a", Json::Null);
    let backoff = Backoff { attempts: 3, initial: Millis::seconds(10), longest: Millis::minutes(1) };
    let worker = scene.worker("w").backoff(backoff).handle("cc", 1, async |task: Task<_>| {
        match (task.work.call.prompt.as_str(), task.attempt) {
            ("two?", _) => Ok("fine".into()),
            (_, 1) => panic!("out of ideas"),
            (_, 2) => Err("seven".parse::<u32>().unwrap_err().into()),
            _ => Err(Failure::new("it is useless").with_name("Useless").with_code("E7")),
        }
    });
    scene.drain(&worker);
    assert_eq!(
        scene.take_events(),
        [
            "claimed 1 attempt 1",
            "failed 1 again later: the handler panicked: out of ideas",
            "claimed 1 attempt 2",
            "failed 1 again later: invalid digit found in string",
            "claimed 1 attempt 3",
            "failed 1 for good: it is useless",
            "claimed 2 attempt 1",
            "answered 2",
        ]
    );
    assert_eq!(scene.output("a"), ["Useless E7: it is useless"]);
}

#[test]
fn invalid_handler_answer_is_a_failure_with_its_reason() {
    let scene = WorkerScene::with_program(r#"console.log(CC("which?", { choices: ["a", "b"] }))"#);
    scene.start("a", Json::Null);
    let worker = scene
        .worker("w")
        .handle("cc", 1, async |task: Task<_>| Ok(if task.attempt == 1 { "c".into() } else { "b".into() }));
    scene.drain(&worker);
    let events = scene.take_events();
    assert!(events[1].starts_with("failed 1 again later: "), "{events:?}");
    assert_eq!(scene.output("a"), ["b"]);
}

#[test]
fn handler_answer_is_sent_again_until_the_store_accepts_it() {
    let scene = WorkerScene::with_program(r#"console.log(CC("one?"))"#);
    scene.start("a", Json::Null);
    let faults = scene.store.clone();
    let worker = scene.worker("w").handle("cc", 1, move |_| {
        let unavailable = || store::StoreError::Unavailable { what: "commit".into(), why: "the line is cut".into() };
        for nth in 1..=4 {
            faults.inner().plan(Method::Commit, nth, Fault::FailBefore(unavailable()));
        }
        async { Ok("kept".into()) }
    });
    scene.drain(&worker);
    let events = scene.take_events();
    assert_eq!(events.iter().filter(|line| *line == "trouble: unavailable").count(), 4, "{events:?}");
    assert_eq!((events.last().unwrap().as_str(), scene.output("a")), ("answered 1", vec!["kept".to_owned()]));
}

#[test]
fn worker_waits_for_an_unavailable_store_and_ends_when_closed() {
    let scene = WorkerScene::with_program(TWICE);
    scene.start("a", Json::Null);
    let worker = scene.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    let faults = scene.store.inner();
    for nth in 1..=6 {
        let unavailable = store::StoreError::Unavailable { what: "query".into(), why: "the line is cut".into() };
        faults.plan(Method::Query, nth, Fault::FailBefore(unavailable));
    }
    scene.drain(&worker);
    assert_eq!(scene.status("a"), Status::Complete);
    assert!(scene.take_events().iter().any(|line| line == "trouble: unavailable"));
    let (host, store) = (scene.host.clone(), scene.store.clone());
    let closing = async {
        host.sleep(Millis::seconds(10)).await;
        store.close().await.unwrap();
        std::future::pending::<()>().await;
    };
    let ended = scene.host.block_on(worker.run(closing));
    assert_eq!(ended.unwrap_err().code, ErrorCode::CLOSED);
}

#[test]
fn running_worker_completes_timers_and_deadlines() {
    let scene = WorkerScene::with_program(
        r#"sleep(60000); console.log("awake"); console.log(CC("quick?", { timeoutMs: 5000, default: "none" }));"#,
    );
    scene.start("a", Json::Null);
    let worker = scene.worker("w");
    let began = scene.host.now();
    scene.run(&worker, Millis::seconds(30)).unwrap();
    assert_eq!(scene.output("a"), [] as [&str; 0]);
    let (cvm, host) = (scene.cvm(), scene.host.clone());
    let complete = async {
        while cvm.status("a").await.unwrap().execution.status != Status::Complete {
            host.sleep(Millis(10)).await;
        }
    };
    scene.host.block_on(worker.run(complete)).unwrap();
    assert_eq!(scene.output("a"), ["awake", "none"]);
    let elapsed = scene.host.now().since(began);
    assert!((Millis::seconds(65)..Millis::seconds(68)).contains(&elapsed), "{elapsed:?}");
}

#[test]
fn worker_without_due_work_completes_no_timer() {
    let scene = WorkerScene::with_program(r#"sleep(1000); CC("?")"#);
    scene.start("a", Json::Null);
    let worker = scene.worker("w").without_due().handle("cc", 1, async |_| Ok("yes".into()));
    scene.run(&worker, Millis::minutes(5)).unwrap();
    assert_eq!((scene.status("a"), scene.take_events().len()), (Status::WaitingCc, 0));
}

#[test]
fn draining_waits_for_due_timers_but_not_for_later_ones() {
    let scene = WorkerScene::with_program(r#"sleep(input); console.log(CC("?"))"#);
    scene.start("soon", 1.into()).start("late", 3_600_000.into());
    scene.host.clock.advance(Millis(10));
    let worker = scene.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    let began = scene.host.now();
    scene.drain(&worker);
    assert_eq!((scene.status("soon"), scene.status("late")), (Status::Complete, Status::WaitingCc));
    assert!(scene.host.now().since(began) < Millis::seconds(2));
}

#[test]
fn worker_with_invalid_kind_or_lease_is_rejected_at_start() {
    let scene = WorkerScene::with_program(TWICE);
    let timer = scene.worker("w").handle("timer", 1, async |_| Ok(Json::Null));
    let lease = scene.worker("w").lease(Millis(0));
    for worker in [timer, lease] {
        let refused = scene.host.block_on(worker.drain()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::INVALID, "{refused}");
    }
}

#[test]
fn each_kind_has_its_own_concurrency_limit() {
    let scene = WorkerScene::with_program(
        r#"console.log(CC.all([{ tool: "slow" }, { tool: "slow" }, "quick?", "quick?"]).join(" "))"#,
    );
    scene.start("a", Json::Null);
    let running: Arc<Mutex<(usize, usize)>> = Arc::default();
    let (host, count) = (scene.host.clone(), running.clone());
    let worker = scene
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
    let began = scene.host.now();
    scene.drain(&worker);
    assert_eq!(scene.output("a"), ["slow slow quick quick"]);
    assert_eq!(*running.lock().unwrap(), (0, 1));
    assert!(scene.host.now().since(began) < Millis(121_000));
    let answered: Vec<String> = scene.take_events().into_iter().filter(|line| line.starts_with("answered")).collect();
    assert_eq!(answered[..2].iter().collect::<std::collections::BTreeSet<_>>().len(), 2);
    assert!(answered[..2].iter().all(|line| line == "answered 3" || line == "answered 4"), "{answered:?}");
}

#[test]
fn a_worker_of_many_kinds_serves_all_of_them() {
    let tools: Vec<String> = (0..40).map(|n| format!("tool{n}")).collect();
    let requests: Vec<String> = tools.iter().map(|tool| format!("{{ tool: \"{tool}\" }}")).collect();
    let scene = WorkerScene::with_program(&format!("console.log(CC.all([{}]).length)", requests.join(",")));
    scene.start("a", Json::Null);
    let worker = tools.iter().fold(scene.worker("w"), |worker, tool| worker.handle(tool, 1, async |_| Ok(1.into())));
    let began = scene.host.now();
    scene.drain(&worker);
    assert_eq!(scene.output("a"), ["40"]);
    assert!(scene.host.now().since(began) < Millis::seconds(30), "{:?}", scene.host.now().since(began));
}

#[test]
fn run_due_sweeps_the_expired_command_ledger() {
    let scene = WorkerScene::with_program(TWICE);
    scene.start("a", Json::Null);
    let cvm = scene.cvm();
    let commands =
        || scene.host.block_on(scene.store.query(&Query::of(&COMMANDS), Freshness::Linearizable)).unwrap().items.len();
    assert!(commands() >= 2);
    scene.host.clock.advance(Millis::days(8));
    let expired = scene.host.block_on(cvm.engine().measure_expired(scene.host.now())).unwrap();
    let of_ledger = expired.iter().find(|found| found.collection == COMMANDS.name).unwrap();
    assert_eq!(of_ledger.rows as usize, commands());
    let due = scene.host.block_on(cvm.engine().run_due(100, RunLimit::Stop)).unwrap();
    assert!(due.swept >= 2, "{due:?}");
    assert_eq!(commands(), 0);
    assert_eq!(scene.host.block_on(cvm.engine().measure_expired(scene.host.now())).unwrap(), []);
}

#[test]
fn worker_future_is_send() {
    fn may_move<F: Future + Send>(_: &F) {}
    let scene = WorkerScene::with_program(TWICE);
    let worker = scene.worker("w").handle("cc", 1, async |_| Ok("yes".into()));
    may_move(&worker.run(std::future::pending()));
    may_move(&worker.drain());
}

/// A call that takes its worker down must not take them all down, one after the other.
#[test]
fn call_abandoned_by_every_attempt_throws_in_its_program() {
    let mut scene = Scene::program(r#"try { CC("?"); } catch (e) { console.log(e.name, e.message); }"#);
    for _ in 0..3 {
        let kinds = ["cc".to_owned()];
        assert!(block_on(scene.cvm().claim(&kinds, "dies", Millis::seconds(30))).unwrap().is_some());
        scene.host.clock.advance(Millis::seconds(30));
    }
    let backoff = Backoff { attempts: 3, ..Backoff::default() };
    let worker = scene.cvm().worker("careful").backoff(backoff).without_due();
    let worker = worker.handle("cc", 1, async |_: Task<_>| Ok("never asked".into()));
    block_on(worker.drain()).unwrap();
    scene.expect_output(["CallError earlier workers tried it 3 times, and none reported a result"]);
}

/// A tool would do its work again, and return the same.
#[test]
fn refused_answer_of_a_worker_with_final_answers_throws_at_once() {
    let mut scene = Scene::program(r#"try { CC("?", { choices: ["yes"] }); } catch (e) { console.log(e.name); }"#);
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let worker = scene.cvm().worker("tool").without_due().with_final_answers();
    let worker = worker.handle("cc", 1, move |_: Task<_>| {
        *count.lock().unwrap() += 1;
        async { Ok("no".into()) }
    });
    block_on(worker.drain()).unwrap();
    scene.expect_output(["CallError"]);
    assert_eq!(*asked.lock().unwrap(), 1);
}

//! Two who act on one execution at the same moment, from two processes that know nothing of each other, in every order of their calls to the
//! store: whoever is told that it was done, it was done, once; and nobody waits for what has come.

use std::sync::Arc;

use runstate::code::Code;
use runstate::domain::cvm::{Fail, Load, Status};
use runstate::engine::{Cvm, Error, Pace};
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::testing::{block_on, yield_now};
use runstate::time::Millis;

use crate::documents::Documents;
use crate::schedule::{Choices, Yielding, explore};
use crate::world::{World, program, start};

/// Rounds of a race in the ordinary run, unless it has fewer orders.
const ROUNDS: usize = 640;

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
        let process = || world.process_over(Arc::new(Yielding(world.disk.clone())));
        let (one, other) = (process(), process());
        Self { world, one, other }
    }

    /// `one` has run the execution so far, and still knows it.
    fn warm(load: &Load) -> Self {
        let race = Self::loaded(load);
        block_on(start(&race.one, "program", "run")).unwrap();
        race
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

#[test]
fn who_asks_and_who_answers_by_key_never_miss_each_other() {
    let load = program("program", KEYED);
    explore("asker, early answerer", 2_000, |choices| {
        let race = if choices.choose(2) == 0 { Race::started(&load) } else { Race::warm(&load) };
        let both = race.run(choices, [act(answer(&race.one, "go")), act(answer_key(&race.other, "early"))]);
        assert_eq!(both, [Ok(()), Ok(())]);
        race.expect(Status::Complete, &["go early"]);
    });
}

#[test]
fn who_starts_and_who_answers_by_key_never_miss_each_other() {
    let load =
        program("program", r#"console.log(CC("q?", { key: "k" }), CC.all([{ prompt: "a", key: "k" }]).join());"#);
    explore("starter, early answerer", ROUNDS, |choices| {
        let race = Race::loaded(&load);
        let both = [
            act(async { told(start(&race.one, "program", "run").await) }),
            act(async {
                // Both of them, the second before the first.
                let mut told_of = Vec::new();
                for (n, text) in [(2, "second"), (1, "first")] {
                    told_of.push(told(race.other.answer_key("run", "k", n, text.into(), None, None).await));
                }
                told_of.into_iter().collect::<Result<Vec<()>, Code>>().map(drop)
            }),
        ];
        let [started, answered] = race.run(choices, both);
        assert_eq!(started, Ok(()));
        // Whoever comes before the start has nobody to answer.
        if answered.is_err() {
            assert_eq!(answered, Err(Code::NotFound));
            for (n, text) in [(1, "first"), (2, "second")] {
                let again = block_on(race.other.answer_key("run", "k", n, text.into(), None, None));
                assert!(again.is_ok() || again.unwrap_err().code == Code::AlreadyAnswered);
            }
        }
        race.expect(Status::Complete, &["first second"]);
    });
}

#[test]
fn of_two_who_answer_one_question_one_is_told_so() {
    let load = program("program", r#"console.log(CC("q?", { key: "k" }));"#);
    explore("two answerers", ROUNDS, |choices| {
        let race = Race::started(&load);
        let call = race.call();
        let way = choices.choose(3);
        let second = match way {
            0 => act(answer_call(&race.other, &call, "b")),
            1 => act(answer_key(&race.other, "b")),
            _ => act(answer(&race.other, "b")),
        };
        match race.run(choices, [act(answer_call(&race.one, &call, "a")), second]) {
            [Ok(()), Err(Code::AlreadyAnswered)] => drop(race.expect(Status::Complete, &["a"])),
            // There is no open one any more when it looks.
            [Ok(()), Err(Code::IllegalTransition)] if way == 2 => drop(race.expect(Status::Complete, &["a"])),
            [Err(Code::AlreadyAnswered), Ok(())] => drop(race.expect(Status::Complete, &["b"])),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn two_who_answer_what_is_open_answer_one_question_each_or_one_is_told() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    explore("two answerers of what is open", ROUNDS, |choices| {
        let race = Race::started(&load);
        match race.run(choices, [act(answer(&race.one, "a")), act(answer(&race.other, "b"))]) {
            [Ok(()), Ok(())] => {
                let output = race.world.check().output("run");
                assert!(output == ["a", "b"] || output == ["b", "a"], "{output:?}");
            }
            [Ok(()), Err(Code::AlreadyAnswered)] => drop(race.expect(Status::WaitingCc, &["a"])),
            [Err(Code::AlreadyAnswered), Ok(())] => drop(race.expect(Status::WaitingCc, &["b"])),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn two_early_answers_to_one_question_are_one() {
    let load = program("program", KEYED);
    explore("asker, two early answerers", ROUNDS, |choices| {
        let race = Race::started(&load);
        let third = race.world.process_over(Arc::new(Yielding(race.world.disk.clone())));
        let three = [act(answer_key(&race.one, "a")), act(answer_key(&race.other, "b")), act(answer(&third, "go"))];
        match race.run(choices, three) {
            [Ok(()), Err(Code::AlreadyAnswered), Ok(())] => drop(race.expect(Status::Complete, &["go a"])),
            [Err(Code::AlreadyAnswered), Ok(()), Ok(())] => drop(race.expect(Status::Complete, &["go b"])),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn one_command_that_is_sent_twice_is_done_once_and_both_are_told() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?")); CC("three?")"#);
    explore("one command twice", ROUNDS, |choices| {
        let race = Race::started(&load);
        let id = CommandId::new("once").unwrap();
        let sent = async |cvm: &Cvm| cvm.answer("run", None, "a".into(), None, Some(&id)).await;
        let expected = Ok(Status::WaitingCc);
        let send = |cvm| {
            act(async move {
                match sent(cvm).await.map(|reached| reached.status).map_err(|error| error.code) {
                    told if told == expected => Ok(()),
                    other => panic!("{other:?}"),
                }
            })
        };
        assert_eq!(race.run(choices, [send(&race.one), send(&race.other)]), [Ok(()), Ok(())]);
        race.expect(Status::WaitingCc, &["a"]);
    });
}

/// Lets time come to the deadline, at some moment, and does what is due then.
async fn passes(race: &Race, cvm: &Cvm, span: Millis) -> Told {
    yield_now().await;
    race.world.pass(span);
    tick(cvm).await
}

#[test]
fn an_answer_and_a_deadline_never_both_count() {
    let second = r#"CC("more?");"#;
    for (option, over) in [("default: \"over\"", "over"), ("", "TimeoutError")] {
        let source = format!(
            "try {{ console.log(CC(\"q?\", {{ timeoutMs: 1000, {option} }})); }} catch (e) {{ console.log(e.name); }} {second}"
        );
        let load = program("program", &source);
        explore("answer, deadline", ROUNDS / 2, |choices| {
            let race = Race::started(&load);
            let call = race.call();
            let both = [act(answer_call(&race.one, &call, "a")), act(passes(&race, &race.other, Millis(1_000)))];
            match race.run(choices, both) {
                [Ok(()), Ok(())] => drop(race.expect(Status::WaitingCc, &["a"])),
                [Err(Code::AlreadyAnswered | Code::DeadlinePassed), Ok(())] => {
                    drop(race.expect(Status::WaitingCc, &[over]));
                }
                other => panic!("{other:?}"),
            }
        });
    }
}

#[test]
fn two_hosts_that_do_what_is_due_do_it_once() {
    let load = program(
        "program",
        r#"for (let i = 0; i < 2; i++) { sleep(1000); console.log("woke", i); } console.log(CC("q?", { timeoutMs: 1000, default: "over" }));"#,
    );
    explore("two hosts", ROUNDS, |choices| {
        let race = Race::started(&load);
        race.world.pass(Millis(1_000));
        assert_eq!(race.run(choices, [act(tick(&race.one)), act(tick(&race.other))]), [Ok(()), Ok(())]);
        race.expect(Status::WaitingCc, &["woke 0"]);
    });
}

#[test]
fn an_answer_and_a_cancellation_agree_on_what_was_first() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    explore("answer, cancel", ROUNDS, |choices| {
        let race = Race::started(&load);
        let both = [act(answer(&race.one, "a")), act(async { told(race.other.cancel("run", None).await) })];
        match race.run(choices, both) {
            [Ok(()), Ok(())] => drop(race.expect(Status::Cancelled, &["a"])),
            [Err(Code::IllegalTransition), Ok(())] => drop(race.expect(Status::Cancelled, &[])),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn an_answer_meets_a_pause_and_is_kept() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    explore("answer, pause and unpause", ROUNDS, |choices| {
        let race = Race::started(&load);
        let call = race.call();
        let back = choices.choose(2) == 0;
        let rest = async {
            told(race.other.pause("run", None).await)?;
            if back { told(race.other.unpause("run", None).await) } else { Ok(()) }
        };
        assert_eq!(race.run(choices, [act(answer_call(&race.one, &call, "a")), act(rest)]), [Ok(()), Ok(())]);
        race.world.check();
        if !back {
            block_on(race.one.unpause("run", None)).unwrap();
        }
        race.expect(Status::WaitingCc, &["a"]);
    });
}

#[test]
fn two_who_let_it_go_on_let_it_go_on_once() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    explore("unpause, unpause", ROUNDS, |choices| {
        let race = Race::started(&load);
        block_on(race.one.pause("run", None)).unwrap();
        block_on(answer(&race.one, "a")).unwrap();
        let unpause = |cvm: &Cvm| -> BoxFuture<'_, Told> {
            let cvm = cvm.clone();
            Box::pin(async move { told(cvm.unpause("run", None).await) })
        };
        match race.run(choices, [unpause(&race.one), unpause(&race.other)]) {
            [Ok(()), Err(Code::IllegalTransition)] | [Err(Code::IllegalTransition), Ok(())] => {}
            other => panic!("{other:?}"),
        }
        race.expect(Status::WaitingCc, &["a"]);
    });
}

#[test]
fn an_early_answer_leaves_no_row_of_what_is_deleted() {
    let load = program("program", KEYED);
    explore("early answer, delete", ROUNDS, |choices| {
        let race = Race::started(&load);
        let again = choices.choose(2) == 0;
        let away = async {
            told(race.other.cancel("run", None).await)?;
            told(race.other.delete("run", None).await)?;
            if again { told(start(&race.other, "program", "run").await) } else { Ok(()) }
        };
        let [answered, gone] = race.run(choices, [act(answer_key(&race.one, "early")), act(away)]);
        assert_eq!(gone, Ok(()));
        assert!(matches!(answered, Ok(()) | Err(Code::IllegalTransition | Code::NotFound)), "{answered:?}");
        let documents = race.world.check();
        assert_eq!(documents.head("run").is_some(), again);
        assert_eq!(documents.rows_of("run") > 0, again);
        if again {
            block_on(answer(&race.other, "go")).unwrap();
            // It is the answer of this one or it is none.
            let waits = race.world.check().head("run").unwrap().text("state.status") == "waiting_cc";
            assert!(waits || answered == Ok(()));
        }
    });
}

#[test]
fn a_deletion_and_a_retry_agree() {
    let load = program("program", r#"throw new Error(CC("why?"));"#);
    explore("delete, retry", ROUNDS, |choices| {
        let race = Race::started(&load);
        block_on(answer(&race.one, "so")).unwrap();
        let both = [
            act(async { told(race.one.delete("run", None).await) }),
            act(async { told(race.other.retry("run", None).await) }),
        ];
        let [deleted, retried] = race.run(choices, both);
        assert_eq!(deleted, Ok(()), "it has failed before and after");
        assert!(matches!(retried, Ok(()) | Err(Code::NotFound)), "{retried:?}");
        assert_eq!(race.world.check().rows_of("run"), 0);
    });
}

#[test]
fn two_who_delete_do_so_once_and_both_may_think_so() {
    let load = program("program", r#"console.log("here");"#);
    explore("delete, delete and start again", ROUNDS, |choices| {
        let race = Race::started(&load);
        let both = [
            act(async { told(race.one.delete("run", None).await) }),
            act(async {
                told(race.other.delete("run", None).await)?;
                told(start(&race.other, "program", "run").await)
            }),
        ];
        let done = |told: &Told| matches!(told, Ok(()) | Err(Code::NotFound));
        let told_of = race.run(choices, both);
        assert!(told_of.iter().all(done), "{told_of:?}");
        let documents = race.world.check();
        match &told_of[1] {
            // Of the first one there is nothing in it; unless the other one has deleted this one too, since it came late.
            Ok(()) if documents.head("run").is_some() => drop(race.expect(Status::Complete, &["here"])),
            _ => assert_eq!(documents.rows_of("run"), 0),
        }
    });
}

#[test]
fn of_two_who_start_one_id_one_does() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    explore("start, start", ROUNDS, |choices| {
        let race = Race::loaded(&load);
        let both = [
            act(async { told(start(&race.one, "program", "run").await) }),
            act(async { told(start(&race.other, "program", "run").await) }),
        ];
        match race.run(choices, both) {
            [Ok(()), Err(Code::AlreadyExists)] | [Err(Code::AlreadyExists), Ok(())] => {}
            other => panic!("{other:?}"),
        }
        race.expect(Status::WaitingCc, &[]);
    });
}

#[test]
fn a_program_that_is_removed_and_started_is_one_of_both() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    explore("remove program, start", ROUNDS, |choices| {
        let race = Race::loaded(&load);
        let both = [
            act(async { told(race.one.remove_program("program", None).await) }),
            act(async { told(start(&race.other, "program", "run").await) }),
        ];
        match race.run(choices, both) {
            [Ok(()), Err(Code::NotFound)] => {
                let documents = race.world.check();
                assert_eq!(documents.rows_of("run"), 0);
                assert!(documents.each(&runstate::domain::cvm::PROGRAM_VERSIONS).is_empty());
            }
            [Err(Code::InUse), Ok(())] => {
                race.expect(Status::WaitingCc, &[]);
                // It can be started still.
                block_on(start(&race.one, "program", "run 2")).unwrap();
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn the_last_two_answers_of_several_calls_let_it_go_on_once() {
    let load = program(
        "program",
        r#"console.log(CC.all([{ prompt: "a" }, { prompt: "b", timeoutMs: 1000, default: "over" }, { prompt: "c" }]).join()); CC("more?")"#,
    );
    explore("the last two", ROUNDS, |choices| {
        let race = Race::started(&load);
        let documents = race.world.check();
        let calls: Vec<String> = documents.calls("run").into_iter().map(|(id, _)| id.to_owned()).collect();
        let timed = choices.choose(2) == 0;
        let others = if timed { 0 } else { 1 };
        if !timed {
            block_on(answer_call(&race.one, &calls[0], "a")).unwrap();
        }
        let last = async { answer_call(&race.other, &calls[2], "c").await };
        let expected = if timed {
            let third = race.world.process_over(Arc::new(Yielding(race.world.disk.clone())));
            let three = [
                act(answer_call(&race.one, &calls[others], "a")),
                act(last),
                act(passes(&race, &third, Millis(1_000))),
            ];
            assert_eq!(race.run(choices, three), [Ok(()), Ok(()), Ok(())]);
            "a,over,c"
        } else {
            let both = [act(answer_call(&race.one, &calls[others], "b")), act(last)];
            assert_eq!(race.run(choices, both), [Ok(()), Ok(())]);
            "a,b,c"
        };
        race.expect(Status::WaitingCc, &[expected]);
    });
}

const LEASE: Millis = Millis::seconds(10);

fn kinds() -> Vec<String> {
    vec!["cc".to_owned()]
}

#[test]
fn two_who_claim_get_what_nobody_else_has() {
    let one = program("program", r#"console.log(CC("q?"));"#);
    let two = program("program", r#"console.log(CC.all([{ prompt: "a" }, { prompt: "b" }]).join());"#);
    for (load, calls) in [(one, 1), (two, 2)] {
        explore("claim, claim", ROUNDS / 2, |choices| {
            let race = Race::started(&load);
            let claims = std::sync::Mutex::new(Vec::new());
            let claim = |cvm: Cvm, owner: &'static str| {
                let claims = &claims;
                act(async move {
                    let work = cvm.claim(&kinds(), owner, LEASE).await.map_err(|error| error.code)?;
                    claims.lock().unwrap().extend(work.map(|work| work.claimed.call));
                    Ok(())
                })
            };
            let both = [claim(race.one.clone(), "one"), claim(race.other.clone(), "other")];
            assert_eq!(race.run(choices, both), [Ok(()), Ok(())]);
            let mut claimed = claims.into_inner().unwrap();
            claimed.dedup();
            assert_eq!(claimed.len(), calls);
            race.world.check();
        });
    }
}

#[test]
fn of_a_late_worker_and_the_one_who_took_over_one_counts() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    explore("complete, take over and complete", ROUNDS, |choices| {
        let race = Race::started(&load);
        let late = block_on(race.one.claim(&kinds(), "late", LEASE)).unwrap().unwrap().claimed;
        let call = late.call.clone();
        race.world.pass(LEASE);
        let end = choices.choose(3);
        let late = async {
            match end {
                0 => told(race.one.complete(&late, "late".into(), None, None).await),
                1 => told(race.one.fail(&fail(&late, None), None).await),
                _ => told(race.one.release(&late).await),
            }
        };
        let taken = std::sync::Mutex::new(false);
        let over = async {
            let Some(work) = race.other.claim_call(&call, "new", LEASE).await.map_err(|error| error.code)? else {
                return Ok(());
            };
            *taken.lock().unwrap() = true;
            told(race.other.complete(&work.claimed, "new".into(), None, None).await)
        };
        let told_of = race.run(choices, [act(late), act(over)]);
        let output = race.world.check().output("run");
        let taken = taken.into_inner().unwrap();
        match (told_of, end) {
            ([Err(Code::StaleClaim), Ok(())], _) => assert_eq!((output, taken), (own(&["new"]), true)),
            ([Ok(()), Ok(())], 0) => assert_eq!((output, taken), (own(&["late"]), false)),
            // It was thrown in the program.
            ([Ok(()), Ok(())], 1) => assert_eq!((output, taken), (Vec::new(), false)),
            ([Ok(()), Ok(())], _) => assert_eq!((output, taken), (own(&["new"]), true), "given back and taken"),
            other => panic!("{other:?} {output:?}"),
        }
    });
}

fn fail(claimed: &runstate::domain::cvm::Claimed, retry: Option<runstate::domain::cvm::Backoff>) -> Fail {
    let (execution, call) = (claimed.execution.clone(), claimed.call.clone());
    Fail { execution, call, token: claimed.token, message: "no".to_owned(), name: None, retry, by: None }
}

#[test]
fn an_answer_from_elsewhere_and_a_worker_never_both_count() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    explore("complete, answer", ROUNDS, |choices| {
        let race = Race::started(&load);
        let claimed = block_on(race.one.claim(&kinds(), "worker", LEASE)).unwrap().unwrap().claimed;
        let beat = choices.choose(2) == 0;
        let worker = async {
            if beat {
                told(race.one.heartbeat(&claimed, LEASE).await)?;
            }
            told(race.one.complete(&claimed, "worker".into(), None, None).await)
        };
        match race.run(choices, [act(worker), act(answer_call(&race.other, &claimed.call, "person"))]) {
            [Ok(()), Err(Code::AlreadyAnswered)] => drop(race.expect(Status::WaitingCc, &["worker"])),
            [Err(Code::AlreadyAnswered | Code::StaleClaim), Ok(())] => {
                drop(race.expect(Status::WaitingCc, &["person"]));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn one_that_runs_slowly_and_one_who_takes_it_for_left_print_everything_once() {
    let load = program("program", "for (let i = 0; i < 40; i++) { console.log(i); for (let j = 0; j < 20; j++); }");
    let expected: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    explore("slow runner, take-over", ROUNDS / 4, |choices| {
        let mut race = Race::loaded(&load);
        race.world.settings.slice_instructions = 700;
        let process = || race.world.process_over(Arc::new(Yielding(race.world.disk.clone())));
        let (one, other) = (process(), process());
        let both = [
            act(async { told(start(&one, "program", "run").await) }),
            act(async {
                for _ in 0..4 {
                    passes(&race, &other, Millis::minutes(1)).await?;
                }
                Ok(())
            }),
        ];
        assert_eq!(race.run(choices, both), [Ok(()), Ok(())]);
        let documents = race.world.check();
        assert_eq!(documents.output("run"), expected);
        assert_eq!(documents.head("run").unwrap().text("state.status"), "complete");
    });
}

#[test]
fn what_is_kept_no_longer_is_deleted_by_whoever_comes_first() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    explore("retire, retire", ROUNDS / 2, |choices| {
        let mut race = Race::started(&load);
        race.world.settings.retention = Some(Millis::days(1));
        let process = || race.world.process_over(Arc::new(Yielding(race.world.disk.clone())));
        let (one, other) = (process(), process());
        block_on(answer(&one, "a")).unwrap();
        race.world.pass(Millis::days(1));
        assert_eq!(race.run(choices, [act(tick(&one)), act(tick(&other))]), [Ok(()), Ok(())]);
        assert_eq!(race.world.check().rows_of("run"), 0);
        assert_eq!(block_on(one.next_due()).unwrap(), None);
    });
}

#[test]
fn what_a_process_remembers_of_a_call_is_not_taken_for_what_became_of_it() {
    let race = Race::started(&program("program", r#"console.log(CC("q?"));"#));
    block_on(race.other.pause("run", None)).unwrap();
    let claimed = block_on(race.one.claim(&kinds(), "worker", LEASE)).unwrap().unwrap().claimed;
    block_on(race.other.complete(&claimed, "a".into(), None, None)).unwrap();
    block_on(race.one.unpause("run", None)).unwrap();
    race.expect(Status::Complete, &["a"]);
}

#[test]
fn who_claimed_a_call_of_what_is_deleted_holds_nothing_of_what_comes_after_it() {
    let race = Race::started(&program("program", r#"console.log(CC("q?", { key: "k" }));"#));
    let late = block_on(race.one.claim(&kinds(), "late", LEASE)).unwrap().unwrap().claimed;
    block_on(race.other.cancel("run", None)).unwrap();
    block_on(race.other.delete("run", None)).unwrap();
    race.world.pass(Millis(1));
    block_on(start(&race.other, "program", "run")).unwrap();
    let next = block_on(race.other.claim(&kinds(), "next", LEASE)).unwrap().unwrap().claimed;
    assert_eq!(next.call, late.call, "the same key");
    assert_eq!(told(block_on(race.one.complete(&late, "late".into(), None, None))), Err(Code::StaleClaim));
    assert_eq!(told(block_on(race.other.complete(&next, "next".into(), None, None))), Ok(()));
    race.expect(Status::Complete, &["next"]);
}

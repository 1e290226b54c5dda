//! Costs: calls that reserve them when they are claimed and settle them when they are answered, and commands of other
//! domains.

use std::sync::{Arc, Mutex};

use runstate::client::{Answer, Cvm};
use runstate::decision::{Change, Command, Cost, Ctx, Decision, Hint, OperationName, Rejection, View};
use runstate::domain::cvm::{self, Cancel, Fail, REFUSAL_DELAY, Start, Status, Work};
use runstate::domain::fleet::{self, ResourceBudget};
use runstate::engine::{Engine, Error};
use runstate::id::CommandId;
use runstate::operation::{Backoff, Domain, Registry};
use runstate::schema::{Catalog, Collection, Entity as _, Field, Key};
use runstate::store::{Memory, Store};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::time::Millis;
use serde::Serialize;
use serde_json::json;

use super::scene::{FleetScene, PROJECT, text};
use crate::support::handles::simulated_files;

/// The lease of every claim.
pub const LEASE: Millis = Millis::seconds(30);

/// A fleet and programs on one store.
pub struct CostScene {
    pub fleet: FleetScene,
    pub cvm: Cvm,
}

impl CostScene {
    pub fn new() -> Self {
        Self::with_store(Arc::new(Memory::new()))
    }

    pub fn with_store(store: Arc<dyn Store>) -> Self {
        let fleet = FleetScene::with_domains(store, &[&cvm::DOMAIN, &fleet::DOMAIN]);
        fleet.create_project();
        Self { cvm: Cvm::new(&fleet.engine), fleet }
    }

    /// A scene with a budget, and an execution `run` that waits for calls of this cost each.
    pub fn start_waiting(allocated: &str, options: &[&str]) -> (Self, String) {
        let scene = Self::new();
        let budget = scene.fleet.budget("total", allocated);
        scene.start("run", options);
        (scene, budget)
    }

    /// Starts an execution that waits for a group of calls with these options, besides a cost of 0.4 CAD.
    fn start(&self, id: &str, options: &[&str]) {
        let calls: Vec<String> = options.iter().map(|options| format!("{{ {}{options} }}", draw("0.4"))).collect();
        self.start_source(id, &format!("console.log(CC.all([{}]).join())", calls.join(", ")));
    }

    pub fn start_source(&self, id: &str, source: &str) {
        block_on(self.cvm.load_source(id, source)).unwrap();
        block_on(self.cvm.start(Start::new(id).id(id))).unwrap();
    }

    pub fn claim(&self) -> Option<Work> {
        block_on(self.cvm.claim(&["draw".to_owned()], "worker", LEASE)).unwrap()
    }

    pub fn claimed(&self) -> Work {
        self.claim().expect("a call is claimed")
    }

    pub fn complete(&self, work: &Work, answer: impl Into<Answer>) {
        block_on(self.cvm.complete(&work.claimed, answer)).unwrap();
    }

    pub fn status(&self, id: &str) -> Status {
        block_on(self.cvm.show(id)).unwrap().status
    }

    /// The used, reserved and overrun amount.
    pub fn amounts(&self, budget: &str) -> [String; 3] {
        self.fleet.verify();
        let [_, used, reserved, overrun] = self.fleet.amounts(budget);
        [used, reserved, overrun]
    }

    /// The warnings from now on.
    fn warnings(&self) -> Arc<Mutex<Vec<String>>> {
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = warnings.clone();
        self.fleet.engine.on_hint(move |hint: &Hint| {
            if let Hint::Warning(warning) = hint {
                heard.lock().unwrap().push(warning.clone());
            }
        });
        warnings
    }

    /// The amounts of the recorded uses, and whether nothing more is known of them.
    fn uses(&self) -> Vec<(String, bool)> {
        let rows = self.fleet.items("usage.list", json!({}));
        rows.iter().map(|row| (text(&row["amount"]), row["metadata"]["outcome"] == "unknown")).collect()
    }

    /// The ids of the active reservations.
    pub fn active(&self) -> Vec<String> {
        let rows = self.fleet.items("reservation.list", json!({"state": "active"}));
        rows.iter().map(|row| text(&row["id"])).collect()
    }
}

/// A question of the tool `draw` with this cost.
pub fn draw(amount: &str) -> String {
    format!(r#"tool: "draw", cost: {{ owner: "{PROJECT}", resource: "money", amount: {amount}, unit: "CAD" }}, "#)
}

pub fn fail(work: &Work, retry: Option<Backoff>) -> Fail {
    let (execution, call) = (work.claimed.execution.clone(), work.claimed.call.clone());
    Fail { execution, call, token: work.claimed.token, message: "no".into(), retry, ..Fail::default() }
}

pub fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code.as_str()
}

#[test]
fn a_claim_reserves_the_cost_and_the_answer_settles_it() {
    let (scene, budget) = CostScene::start_waiting("1", &[""]);
    assert_eq!(scene.amounts(&budget), ["0", "0", "0"]);
    let work = scene.claimed();
    assert_eq!(work.call.cost.as_ref().unwrap().amount, "0.4");
    assert_eq!(scene.amounts(&budget), ["0", "0.4", "0"]);
    scene.complete(&work, "a");
    assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
    assert_eq!(scene.status("run"), Status::Complete);
}

#[test]
fn an_answer_may_cost_more_or_less_than_was_reserved() {
    let (scene, budget) = CostScene::start_waiting("1", &["", ""]);
    let (first, second) = (scene.claimed(), scene.claimed());
    scene.complete(&first, Answer::from("a").cost("0.1"));
    assert_eq!(scene.amounts(&budget), ["0.1", "0.4", "0"]);
    scene.complete(&second, Answer::from("b").cost("1.5"));
    assert_eq!(scene.amounts(&budget), ["1.6", "0", "0.6"]);
    let usage = scene.fleet.items("usage.list", json!({}));
    assert_eq!(usage.iter().map(|row| text(&row["costCad"])).collect::<Vec<_>>(), ["0.1", "1.5"]);
}

#[test]
fn a_call_waits_for_its_budget_and_is_claimed_when_it_is_raised() {
    let (scene, budget) = CostScene::start_waiting("0.5", &["", ""]);
    let first = scene.claimed();
    assert_eq!(scene.claim(), None);
    let open = block_on(scene.cvm.show("run")).unwrap().calls;
    let refused = open.iter().find(|call| call.refusal.is_some()).expect("one call was refused");
    let refusal = refused.refusal.as_ref().unwrap();
    assert_eq!(refusal.name.as_deref(), Some("budget_exceeded"));
    insta::assert_snapshot!(refusal.message, @"the total budget of money does not have 0.4 CAD: of 0.5, 0 are used and 0.4 reserved. Raise it with `fleet.budget.change`, or wait for the next period");
    assert_eq!(code(block_on(scene.cvm.claim_call(&refused.id, "worker", LEASE))), "budget_exceeded");
    assert_eq!(scene.amounts(&budget), ["0", "0.4", "0"]);
    scene.complete(&first, "a");
    scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": "0.8"}));
    assert_eq!(scene.claim(), None, "it is not looked at again at once");
    scene.fleet.host.clock.advance(REFUSAL_DELAY);
    let second = scene.claimed();
    assert_eq!((second.call.error.clone(), second.call.refusal.clone()), (None, None));
    assert_eq!(scene.amounts(&budget), ["0.4", "0.4", "0"]);
    scene.complete(&second, "b");
    assert_eq!(scene.status("run"), Status::Complete);
    assert_eq!(scene.amounts(&budget), ["0.8", "0", "0"]);
}

#[test]
fn calls_that_wait_for_a_budget_block_no_others() {
    let (scene, _) = CostScene::start_waiting("0.3", &[""; 40]);
    scene.start_source("free", r#"console.log(call("draw"))"#);
    let claimed = (0..8).find_map(|_| scene.claim()).expect("the call without a cost is claimed");
    assert_eq!((claimed.claimed.execution.as_str(), claimed.call.cost), ("free", None));
}

/// Two claimed calls with a cost, the loser and the winner of a race. `end`: what the program does then.
fn race(scene: &CostScene, end: &str) -> [Work; 2] {
    let ask = |signal: &str| format!(r#"call("draw", {{}}, {{ {}{signal} }})"#, cost_option("0.4"));
    let (loser, winner) = (ask("signal: c.signal"), ask(""));
    let source = format!(
        "async function main() {{ const c = new AbortController(); const l = {loser}.catch(() => 1); await {winner}; {end} }}"
    );
    scene.start_source("run", &source);
    let calls = block_on(scene.cvm.show("run")).unwrap().calls;
    let mut works = [scene.claimed(), scene.claimed()];
    works.sort_by_key(|work| work.claimed.call != calls[0].id);
    works
}

/// What a program does with the loser of a race.
const RACE_ENDS: [(&str, Status); 3] = [
    (r#"c.abort(); await l; console.log(await CC("end?"));"#, Status::WaitingCc),
    (r#"throw new Error("enough")"#, Status::Error),
    ("c.abort();", Status::Complete),
];

/// One commit settles the cost of one call in all budgets, and ends another one. Its worker has spent its cost all the
/// same, and records it by its late answer, once.
#[test]
fn the_loser_of_a_race_records_what_it_has_cost() {
    for store in [|| Arc::new(Memory::new()) as Arc<dyn Store>, simulated_files] {
        for ((end, status), by_person) in RACE_ENDS.into_iter().flat_map(|end| [(end, false), (end, true)]) {
            let scene = CostScene::with_store(store());
            let budgets = ["total", "daily"].map(|period| scene.fleet.budget(period, "2"));
            let expect =
                |amounts: [&str; 3]| budgets.iter().for_each(|one| assert_eq!(scene.amounts(one), amounts, "{end}"));
            let [loser, winner] = race(&scene, end);
            expect(["0", "0.8", "0"]);
            if by_person {
                let answer = Answer::to_call(&winner.claimed.call).value("a");
                block_on(scene.cvm.answer("run", answer)).unwrap();
            } else {
                scene.complete(&winner, "a");
            }
            assert_eq!(scene.status("run"), status, "{end}");
            // The budgets count what the loser may be spending.
            expect(["0.4", "0.4", "0"]);
            let id = CommandId::new("late").unwrap();
            let cvm = scene.cvm.with_id(&id);
            // Once it is recorded, the claim is over.
            for (late, refused) in [(&cvm, "already_answered"), (&cvm, "already_answered"), (&scene.cvm, "stale_claim")]
            {
                let late = block_on(late.complete(&loser.claimed, Answer::from("late").cost("0.3")));
                assert_eq!(code(late), refused, "{end}");
                expect(["0.7", "0", "0"]);
            }
            assert_eq!((scene.status("run"), scene.active().len()), (status, 0));
        }
    }
}

#[test]
fn the_failure_of_a_call_that_has_ended_records_what_it_has_cost() {
    for (cost, used) in [(Some("0.1"), "0.5"), (None, "0.4")] {
        let scene = CostScene::new();
        let budget = scene.fleet.budget("total", "2");
        let [loser, winner] = race(&scene, RACE_ENDS[0].0);
        scene.complete(&winner, "a");
        let late = Fail { cost: cost.map(str::to_owned), ..fail(&loser, None) };
        for _ in 0..2 {
            let error = block_on(scene.cvm.fail(&late)).unwrap_err();
            assert_eq!((error.code.as_str(), scene.amounts(&budget)), ("stale_claim", amounts_of(used, "0", "0")));
        }
    }
}

#[test]
fn a_call_that_is_opened_again_is_paid_once_by_each_worker() {
    let scene = CostScene::new();
    let budget = scene.fleet.budget("total", "2");
    let [loser, winner] = race(&scene, RACE_ENDS[1].0);
    scene.complete(&winner, "a");
    assert_eq!((scene.status("run"), scene.amounts(&budget)), (Status::Error, amounts_of("0.4", "0.4", "0")));
    assert!(block_on(scene.cvm.complete(&loser.claimed, Answer::from("b").cost("0.2"))).is_err());
    assert_eq!(scene.amounts(&budget), ["0.6", "0", "0"]);
    block_on(scene.cvm.retry("run")).unwrap();
    assert_eq!((scene.status("run"), scene.amounts(&budget)), (Status::Error, amounts_of("0.6", "0", "0")));
}

#[test]
fn an_answer_after_the_deadline_records_what_it_has_cost() {
    for is_closed in [false, true] {
        let (scene, budget) = CostScene::start_waiting("1", &[r#"timeoutMs: 20000, default: "d""#]);
        let late = scene.claimed();
        match is_closed {
            true => drop(scene.fleet.after(Millis::seconds(20))),
            false => _ = scene.fleet.host.clock.advance(Millis::seconds(20)),
        }
        let error = block_on(scene.cvm.complete(&late.claimed, Answer::from("late").cost("0.3"))).unwrap_err();
        assert_eq!(error.code.as_str(), if is_closed { "already_answered" } else { "deadline_passed" });
        assert!(error.message.ends_with("only the cost was recorded"), "{error}");
        assert_eq!(scene.amounts(&budget), ["0.3", "0", "0"]);
        scene.fleet.after(LEASE);
        assert_eq!((scene.status("run"), scene.amounts(&budget)), (Status::Complete, amounts_of("0.3", "0", "0")));
    }
}

#[test]
fn a_failed_attempt_may_have_a_cost() {
    let (scene, budget) = CostScene::start_waiting("1", &[""]);
    let attempt = |cost: &str| Fail { cost: Some(cost.to_owned()), ..fail(&scene.claimed(), Some(Backoff::default())) };
    block_on(scene.cvm.fail(&attempt("0.1"))).unwrap();
    assert_eq!(scene.amounts(&budget), ["0.1", "0", "0"]);
    scene.fleet.host.clock.advance(Millis::minutes(1));
    let invalid = attempt("much");
    assert_eq!(code(block_on(scene.cvm.fail(&invalid))), "invalid");
    block_on(scene.cvm.fail(&Fail { cost: None, ..invalid })).unwrap();
    scene.fleet.host.clock.advance(Millis::minutes(1));
    scene.complete(&scene.claimed(), "a");
    assert_eq!(scene.amounts(&budget), ["0.5", "0", "0"]);
    scene.start_source("free", r#"console.log(call("draw"))"#);
    assert_eq!(code(block_on(scene.cvm.fail(&attempt("0.1")))), "invalid");
}

#[test]
fn what_was_reserved_is_given_back_or_counts_as_used_at_every_other_end() {
    type CallEnd = fn(&CostScene, &Work);
    // The worker may have spent what is reserved, until its lease ends.
    let ends: [(&str, CallEnd, Status); 8] = [
        ("released", |scene, work| block_on(scene.cvm.release(&work.claimed)).unwrap(), Status::WaitingCc),
        (
            "failed, to be retried",
            |scene, work| {
                assert!(block_on(scene.cvm.fail(&fail(work, Some(Backoff::default())))).unwrap().retry_at.is_some());
            },
            Status::WaitingCc,
        ),
        ("failed", |scene, work| drop(block_on(scene.cvm.fail(&fail(work, None))).unwrap()), Status::WaitingCc),
        ("cancelled", |scene, _| drop(block_on(scene.cvm.cancel("run")).unwrap()), Status::Cancelled),
        (
            "cancelled gracefully",
            |scene, _| drop(block_on(scene.cvm.cancel_with(&Cancel::graceful("run"))).unwrap()),
            Status::Cancelled,
        ),
        (
            "cancelled and deleted",
            |scene, _| {
                block_on(scene.cvm.cancel("run")).unwrap();
                block_on(scene.cvm.delete("run")).unwrap();
                scene.start("run", &[""]);
            },
            Status::WaitingCc,
        ),
        ("past their deadline", |scene, _| drop(scene.fleet.after(Millis::seconds(20))), Status::Complete),
        (
            "paused and cancelled",
            |scene, _| {
                block_on(scene.cvm.pause("run")).unwrap();
                block_on(scene.cvm.cancel("run")).unwrap();
            },
            Status::Cancelled,
        ),
    ];
    for (name, end, status) in ends {
        let (scene, budget) = CostScene::start_waiting("2", &[r#"timeoutMs: 20000, default: "d""#; 3]);
        let works = [scene.claimed(), scene.claimed(), scene.claimed()];
        assert_eq!(scene.amounts(&budget), ["0", "1.2", "0"], "{name}");
        end(&scene, &works[0]);
        let rest = if name.starts_with("released") || name.starts_with("failed") { "0.8" } else { "1.2" };
        assert_eq!(scene.amounts(&budget), ["0", rest, "0"], "{name}");
        assert_eq!(scene.status("run"), status, "{name}");
        scene.fleet.after(LEASE);
        assert_eq!(scene.amounts(&budget), [rest, "0", "0"], "{name}");
    }
}

#[test]
fn a_claim_after_an_expired_one_has_one_reservation() {
    let (scene, budget) = CostScene::start_waiting("0.4", &[""]);
    let first = scene.claimed();
    let reservation = scene.active();
    // The reservation has not expired yet: it is given back.
    scene.fleet.host.clock.advance(LEASE);
    let second = scene.claimed();
    assert_eq!((scene.active().len(), scene.amounts(&budget)), (1, amounts_of("0", "0.4", "0")));
    assert_ne!(scene.active(), reservation);
    let reservation = scene.active();
    // It has expired.
    scene.fleet.after(LEASE);
    assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
    let third = scene.claimed();
    assert_eq!((scene.active().len(), scene.amounts(&budget)), (1, amounts_of("0", "0.4", "0")));
    assert_ne!(scene.active(), reservation);
    for stale in [first, second] {
        assert_eq!(code(block_on(scene.cvm.complete(&stale.claimed, "late"))), "stale_claim");
    }
    scene.complete(&third, "a");
    assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
}

/// A late worker has spent its cost too, and records it by the reservation of its own claim.
#[test]
fn both_answers_of_a_call_that_was_taken_over_are_recorded() {
    for late_first in [true, false] {
        let (scene, budget) = CostScene::start_waiting("1", &[""]);
        let late = scene.claimed();
        scene.fleet.host.clock.advance(LEASE);
        let current = scene.claimed();
        assert_ne!(late.claimed.reservation, current.claimed.reservation);
        let commit_late =
            || scene.fleet.ok("reservation.commit", json!({"id": late.claimed.reservation, "actual": "0.3"}));
        if late_first {
            commit_late();
            assert_eq!(scene.amounts(&budget), ["0.3", "0.4", "0"]);
        }
        scene.complete(&current, "a");
        if !late_first {
            commit_late();
        }
        assert_eq!(scene.amounts(&budget), ["0.7", "0", "0"]);
        assert_eq!(scene.active(), [""; 0]);
    }
}

/// The take-over of a call never needs more than its cost, and a refused one leaves the budget to due work.
#[test]
fn a_take_over_that_a_budget_refuses_leaves_nothing_reserved() {
    let (scene, budget) = CostScene::start_waiting("1", &[""]);
    let late = scene.claimed();
    scene.fleet.host.clock.advance(LEASE);
    scene.fleet.ok("reservation.commit", json!({"id": late.claimed.reservation, "actual": "0.9"}));
    assert_eq!(scene.claim(), None, "the budget has 0.1");
    scene.fleet.after(LEASE);
    assert_eq!((scene.active().len(), scene.amounts(&budget)), (0, amounts_of("0.9", "0", "0")));
}

/// A worker that replaces one of yesterday does not need yesterday's budget, which is damaged.
#[test]
fn a_damaged_earlier_budget_does_not_keep_a_call_from_being_claimed() {
    let scene = CostScene::new();
    let budget = scene.fleet.budget("daily", "1");
    scene.start("run", &[""]);
    scene.claimed();
    let mut document = scene.fleet.stored(&ResourceBudget::COLLECTION, &budget);
    document["allocated_amount"] = json!("much");
    // As a program writes it that does not know the fields.
    let (engine, declared) = (&scene.fleet.engine, &ResourceBudget::COLLECTION);
    let undeclared: &'static Collection = Box::leak(Box::new(Collection::new(declared.name, declared.version)));
    block_on(engine.store().migrate(&Catalog::new(&[undeclared]).unwrap())).unwrap();
    let delete = batch(CommandId::new("delete").unwrap()).delete(undeclared, &budget);
    block_on(engine.store().commit(delete)).unwrap();
    scene.fleet.put(undeclared, &budget, document);
    block_on(engine.store().migrate(&engine.catalog())).unwrap();
    scene.fleet.host.clock.advance(Millis::days(1));
    assert!(scene.claim().is_some());
}

pub fn amounts_of(used: &str, reserved: &str, overrun: &str) -> [String; 3] {
    [used, reserved, overrun].map(str::to_owned)
}

#[test]
fn a_heartbeat_extends_the_reservation() {
    let (scene, budget) = CostScene::start_waiting("1", &[""]);
    let work = scene.claimed();
    for _ in 0..5 {
        scene.fleet.after(Millis::seconds(20));
        block_on(scene.cvm.heartbeat(&work.claimed, LEASE)).unwrap();
    }
    assert_eq!(scene.amounts(&budget), ["0", "0.4", "0"]);
}

#[test]
fn a_late_answer_is_recorded_after_its_reservation_has_expired() {
    for days in [1, 60] {
        let (scene, budget) = CostScene::start_waiting("0.5", &["", ""]);
        let late = scene.claimed();
        scene.fleet.after(Millis::days(1));
        let spent = amounts_of("0.4", "0", "0");
        scene.fleet.host.clock.advance(Millis::days(days - 1));
        // The rows of ended reservations are removed after 30 days.
        block_on(scene.fleet.engine.sweep(scene.fleet.host.clock.now(), 1_000)).unwrap();
        let rows = scene.fleet.items("reservation.list", json!({}));
        assert_eq!((rows.len(), scene.amounts(&budget)), (usize::from(days == 1), spent.clone()));
        // The other call does not get what may have been spent.
        let calls = block_on(scene.cvm.show("run")).unwrap().calls;
        let other = calls.iter().find(|call| call.id != late.claimed.call).unwrap();
        assert_eq!(code(block_on(scene.cvm.claim_call(&other.id, "worker", LEASE))), "budget_exceeded");
        scene.complete(&late, "late");
        assert_eq!(scene.amounts(&budget), spent);
    }
}

#[test]
fn an_answer_without_a_claim_is_charged_or_rejected() {
    let (scene, budget) = CostScene::start_waiting("0.5", &["", ""]);
    let calls = block_on(scene.cvm.show("run")).unwrap().calls;
    let answer = |call: usize, cost: Option<&str>| {
        let answer = Answer::to_call(&calls[call].id).value("a");
        block_on(scene.cvm.answer("run", cost.into_iter().fold(answer, Answer::cost)))
    };
    assert_eq!(code(answer(0, Some("0.6"))), "budget_exceeded");
    assert_eq!(code(answer(0, Some("-1"))), "invalid");
    assert_eq!(
        (block_on(scene.cvm.show("run")).unwrap().calls, scene.amounts(&budget)),
        (calls.clone(), amounts_of("0", "0", "0"))
    );
    answer(0, None).unwrap();
    assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
    assert_eq!(code(answer(1, None)), "budget_exceeded");
    // A person answers a call that a worker has claimed: what was reserved is settled.
    answer(1, Some("0.1")).unwrap();
    assert_eq!((scene.amounts(&budget), scene.status("run")), (amounts_of("0.5", "0", "0"), Status::Complete));
}

#[test]
fn an_early_answer_costs_nothing() {
    let (scene, budget) = CostScene::start_waiting("1", &[]);
    let early = || Answer::to_key("k").value("early");
    scene.start_source("keyed", &format!(r#"CC("go?"); console.log(CC("q", {{ key: "k", {} }}))"#, cost_option("0.4")));
    assert_eq!(code(block_on(scene.cvm.answer("keyed", early().cost("1")))), "invalid");
    block_on(scene.cvm.answer("keyed", early())).unwrap();
    block_on(scene.cvm.answer("keyed", "yes")).unwrap();
    assert_eq!((scene.status("keyed"), scene.amounts(&budget)), (Status::Complete, amounts_of("0", "0", "0")));
}

fn cost_option(amount: &str) -> String {
    draw(amount).replace("tool: \"draw\", ", "")
}

#[test]
fn a_repeated_command_settles_once() {
    let (scene, budget) = CostScene::start_waiting("1", &["", ""]);
    let id = runstate::id::CommandId::new("repeated").unwrap();
    let claim = || block_on(scene.cvm.with_id(&id).claim(&["draw".to_owned()], "worker", LEASE)).unwrap().unwrap();
    let work = claim();
    assert_eq!((claim().claimed, scene.amounts(&budget)), (work.claimed.clone(), amounts_of("0", "0.4", "0")));
    let id = runstate::id::CommandId::new("answered").unwrap();
    for _ in 0..2 {
        block_on(scene.cvm.with_id(&id).complete(&work.claimed, "a")).unwrap();
        assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
    }
    assert_eq!(code(block_on(scene.cvm.complete(&work.claimed, "b"))), "already_answered");
    assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
}

#[test]
fn a_reservation_that_a_caller_has_ended_does_not_block_the_answer() {
    for (end, used) in [(json!({"actual": "0.2"}), "0.2"), (json!({}), "0.4")] {
        let (scene, budget) = CostScene::start_waiting("1", &[""]);
        let work = scene.claimed();
        let operation = if end["actual"].is_null() { "reservation.release" } else { "reservation.commit" };
        let mut parameters = end;
        parameters["id"] = scene.active().remove(0).into();
        scene.fleet.ok(operation, parameters);
        scene.complete(&work, "a");
        assert_eq!(scene.amounts(&budget), [used, "0", "0"], "{operation}");
    }
}

/// Whatever is used counts, by the smallest amount at least.
#[test]
fn a_cost_below_the_smallest_amount_counts() {
    for amount in ["0.0000004", "4e-10", "\"0.000000000001\""] {
        let scene = CostScene::new();
        let budget = scene.fleet.budget("total", "0.000002");
        scene.start_source("run", &format!("for (let i = 0; i < 3; i++) CC.all([{{ {} }}])", draw(amount)));
        for used in ["0.000001", "0.000002"] {
            scene.complete(&scene.claimed(), "a");
            assert_eq!(scene.amounts(&budget), [used, "0", "0"], "{amount}");
        }
        assert_eq!(scene.claim(), None);
    }
}

/// The worker has vanished, so it may have spent the cost: no other call gets the amount.
#[test]
fn the_cost_of_an_unknown_attempt_counts_as_used_until_the_call_is_claimed_again() {
    for store in [|| Arc::new(Memory::new()) as Arc<dyn Store>, simulated_files] {
        let scene = CostScene::with_store(store());
        let budget = scene.fleet.budget("total", "10");
        let source = |amount: &str| format!("console.log(CC.all([{{ {} }}]).join())", draw(amount));
        scene.start_source("a", &source("8"));
        let vanished = scene.claimed();
        scene.fleet.after(LEASE);
        assert_eq!(scene.amounts(&budget), ["8", "0", "0"]);
        assert_eq!(scene.uses(), [("8".to_owned(), true)]);
        scene.start_source("b", &source("8"));
        let other = block_on(scene.cvm.show("b")).unwrap().calls.remove(0).id;
        assert_eq!(code(block_on(scene.cvm.claim_call(&other, "worker", LEASE))), "budget_exceeded");
        let call = &vanished.claimed.call;
        let again = block_on(scene.cvm.claim_call(call, "worker", LEASE)).unwrap().expect("the call is claimed again");
        assert_eq!((scene.amounts(&budget), scene.uses()), (amounts_of("0", "8", "0"), Vec::new()));
        scene.complete(&again, Answer::from("a").cost("7"));
        assert_eq!((scene.amounts(&budget), scene.uses()), (amounts_of("7", "0", "0"), vec![("7".to_owned(), false)]));
    }
}

/// A late report of the worker, or the answer of a person, has what the attempt has cost.
#[test]
fn a_report_corrects_what_was_taken_for_used() {
    type Report = fn(&CostScene, &Work);
    let reports: [(&str, Report); 6] = [
        ("0.3", |scene, work| scene.complete(work, Answer::from("late").cost("0.3"))),
        ("0.4", |scene, work| {
            drop(block_on(scene.cvm.answer("run", Answer::to_call(&work.claimed.call).value("a"))).unwrap());
        }),
        ("0", |scene, work| drop(block_on(scene.cvm.fail(&fail(work, None))).unwrap())),
        ("0.1", |scene, work| {
            let paid = Fail { cost: Some("0.1".to_owned()), ..fail(work, Some(Backoff::default())) };
            drop(block_on(scene.cvm.fail(&paid)).unwrap());
        }),
        ("0", |scene, work| block_on(scene.cvm.release(&work.claimed)).unwrap()),
        ("0.2", |scene, work| {
            block_on(scene.cvm.cancel("run")).unwrap();
            let late = block_on(scene.cvm.complete(&work.claimed, Answer::from("late").cost("0.2")));
            assert!(late.unwrap_err().message.ends_with("only the cost was recorded"));
        }),
    ];
    for (used, report) in reports {
        let (scene, budget) = CostScene::start_waiting("1", &[""]);
        let late = scene.claimed();
        scene.fleet.after(LEASE);
        assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
        report(&scene, &late);
        assert_eq!(scene.amounts(&budget), [used, "0", "0"]);
    }
}

/// Another worker that gives the call back says nothing about the attempt before.
#[test]
fn a_release_keeps_what_an_earlier_attempt_may_have_spent() {
    let (scene, budget) = CostScene::start_waiting("0.4", &[""]);
    scene.claimed();
    scene.fleet.after(LEASE);
    block_on(scene.cvm.release(&scene.claimed().claimed)).unwrap();
    assert_eq!(scene.amounts(&budget), ["0", "0.4", "0"]);
    scene.fleet.after(LEASE);
    assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
    let claim = block_on(scene.cvm.show("run")).unwrap().calls.remove(0).claim.unwrap();
    assert_eq!((claim.owner, claim.attempts, claim.unknown), (None, 1, Some(1)));
    // A failure reports what the call has cost.
    block_on(scene.cvm.fail(&fail(&scene.claimed(), Some(Backoff::default())))).unwrap();
    assert_eq!(scene.amounts(&budget), ["0", "0", "0"]);
    let claim = block_on(scene.cvm.show("run")).unwrap().calls.remove(0).claim.unwrap();
    assert_eq!((claim.reservation, claim.unknown), (None, None));
}

/// What was spent on another day counts in the budget of that day until the call is claimed again.
#[test]
fn an_unknown_attempt_of_an_earlier_period_moves_to_the_period_of_the_next_claim() {
    let scene = CostScene::new();
    let first = scene.fleet.budget("daily", "0.4");
    scene.start("run", &[""]);
    scene.claimed();
    scene.fleet.after(Millis::days(1));
    assert_eq!(scene.amounts(&first), ["0.4", "0", "0"]);
    scene.claimed();
    let budgets = scene.fleet.items("budget.list", json!({"sort": "periodStart"}));
    let amounts = |row: &serde_json::Value| (text(&row["usedAmount"]), text(&row["reservedAmount"]));
    let of = |used: &str, reserved: &str| (used.to_owned(), reserved.to_owned());
    assert_eq!(budgets.iter().map(amounts).collect::<Vec<_>>(), [of("0", "0"), of("0", "0.4")]);
    scene.fleet.verify();
}

#[test]
fn a_final_failure_does_not_count_for_the_circuit_breaker() {
    let (scene, _) = CostScene::start_waiting("9", &["", "", "", ""]);
    for cost in [None, Some("0.1".to_owned()), None] {
        let source = format!("try {{ CC.all([{{ {} }}]) }} catch (e) {{}}", draw("0.4"));
        scene.start_source("card", &source);
        let call = block_on(scene.cvm.show("card")).unwrap().calls.remove(0).id;
        let work = block_on(scene.cvm.claim_call(&call, "worker", LEASE)).unwrap().unwrap();
        block_on(scene.cvm.fail(&Fail { cost, ..fail(&work, None) })).unwrap();
        block_on(scene.cvm.delete("card")).unwrap();
    }
    assert!(scene.claim().is_some());
}

#[test]
fn failures_of_workers_open_the_circuit_breaker() {
    let (scene, _) = CostScene::start_waiting("2", &["", "", ""]);
    let warnings = scene.warnings();
    let works = [scene.claimed(), scene.claimed(), scene.claimed()];
    works.iter().for_each(|work| drop(block_on(scene.cvm.fail(&fail(work, Some(Backoff::default())))).unwrap()));
    insta::assert_snapshot!(warnings.lock().unwrap().join("\n"), @"3 operations on money of `01900000-0000-7000-8000-000000000001` failed in a row (setting `breakerFailures`: 3); nothing is reserved for 300000 ms (setting `breakerOpenMs`)");
    scene.fleet.host.clock.advance(Millis::minutes(1));
    assert_eq!(scene.claim(), None);
    let calls = block_on(scene.cvm.show("run")).unwrap().calls;
    assert_eq!(calls[0].refusal.as_ref().unwrap().name.as_deref(), Some("circuit_open"));
    scene.fleet.host.clock.advance(Millis::minutes(5));
    scene.complete(&scene.claimed(), "a");
}

#[test]
fn an_invalid_cost_is_an_error_of_the_program() {
    let scene = CostScene::new();
    let mut errors = Vec::new();
    for cost in [
        "0.05",
        "{}",
        r#"{ owner: "p", resource: "money", amount: "x", unit: "CAD" }"#,
        r#"{ owner: "p", resource: "money", amount: -1, unit: "CAD" }"#,
        r#"{ owner: "p", resource: "money", amount: 1, unit: "hours" }"#,
        r#"{ owner: "p", resource: "gold", amount: 1, unit: "CAD" }"#,
        r#"{ owner: "p", resource: "money", amount: 1, unit: "CAD", per: "call" }"#,
        r#"{ owner: "p", project: "p", resource: "money", amount: 1, unit: "CAD" }"#,
        r#"{ owner: "p", resource: "money", amount: 1, unit: "CAD", onRefused: "fail" }"#,
        r#"{ project: "p", resource: "money", amount: 1e308, unit: "CAD" }"#,
    ] {
        scene.start_source(
            "invalid",
            &format!(r#"try {{ CC("q", {{ cost: {cost} }}) }} catch (e) {{ console.log(e.message) }}"#),
        );
        errors.extend(block_on(scene.cvm.show("invalid")).unwrap().output);
        block_on(scene.cvm.delete("invalid")).unwrap();
    }
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_cost_is_unsupported_without_a_domain_that_keeps_budgets() {
    let engine = block_on(Engine::new(
        Arc::new(Memory::new()),
        Arc::new(runstate::testing::SimHost::default()),
        &[&cvm::DOMAIN],
    ));
    let cvm = Cvm::new(&engine.unwrap());
    block_on(cvm.load_source("p", &format!("console.log(CC.all([{{ {} }}]))", draw("1")))).unwrap();
    block_on(cvm.start(Start::new("p").id("run"))).unwrap();
    let call = block_on(cvm.show("run")).unwrap().calls[0].id.clone();
    assert_eq!(code(block_on(cvm.claim_call(&call, "worker", LEASE))), "unsupported");
    assert_eq!(code(block_on(cvm.answer("run", Answer::to_call(&call).value("a")))), "unsupported");
    assert_eq!(block_on(cvm.claim(&["draw".to_owned()], "worker", LEASE)).unwrap(), None);
    let refusal = block_on(cvm.show("run")).unwrap().calls.remove(0).refusal.unwrap();
    assert_eq!(refusal.name.as_deref(), Some("unsupported"));
    block_on(cvm.cancel("run")).unwrap();
}

static NOTES: Collection = Collection::new("priced.notes", 1).fields(&[Field::text("title")]);
static PRICED: Domain = Domain::new("priced").collections(&[&NOTES]);

/// A command of another domain, with a cost.
#[derive(Serialize, OperationName)]
#[operation(name = "priced.note.write")]
struct WriteNote {
    title: &'static str,
    amount: &'static str,
}

impl Command for WriteNote {
    type Output = String;

    fn cost(&self, _: &View) -> Option<Cost> {
        let (owner, amount) = (PROJECT.to_owned(), self.amount.to_owned());
        Some(Cost { owner, resource: "api_calls".into(), amount, unit: "calls".into(), subtype: Some("notes".into()) })
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<String>, Rejection> {
        let key = Key::new(&NOTES, self.title);
        view.require([key.clone()])?;
        let id = ctx.new_id();
        if view.get(&key).is_some() {
            return Ok(Decision::new(id));
        }
        let document = json!({"title": self.title}).as_object().unwrap().clone();
        Ok(Decision::new(id).change(Change::Insert { key, document }))
    }
}

#[test]
fn a_command_of_any_domain_may_have_a_cost() {
    let fleet = FleetScene::with_domains(Arc::new(Memory::new()), &[&PRICED, &fleet::DOMAIN]);
    fleet.create_project();
    let budget = fleet.ok("budget.create", json!({
        "owner": PROJECT, "resourceType": "api_calls", "budgetPeriod": "daily", "allocatedAmount": "3", "unit": "calls",
    }));
    let budget = text(&budget["id"]);
    let write = |title, amount| block_on(fleet.engine.execute(&WriteNote { title, amount }));
    write("a", "2").unwrap();
    assert_eq!(fleet.amounts(&budget), ["3", "2", "0", "0"]);
    // It has no effect, so it costs nothing.
    write("a", "2").unwrap();
    assert_eq!(code(write("b", "2")), "budget_exceeded");
    write("b", "1").unwrap();
    assert_eq!(fleet.amounts(&budget), ["3", "3", "0", "0"]);
    assert_eq!(fleet.items("usage.list", json!({}))[0]["resourceSubtype"], "notes");
    assert_eq!(code(write("c", "none")), "invalid");
    fleet.verify();
    let alone = block_on(Engine::new(Arc::new(Memory::new()), Arc::new(fleet.host.clone()), &[&PRICED])).unwrap();
    assert_eq!(code(block_on(alone.execute(&WriteNote { title: "a", amount: "1" }))), "unsupported");
}

static OTHER_BUDGETS: Domain = {
    let Some(budgets) = fleet::DOMAIN.budgets else { panic!() };
    Domain::new("other").budgets(budgets)
};

#[test]
fn two_domains_of_an_engine_cannot_both_keep_budgets() {
    let error = Registry::new(&[&fleet::DOMAIN, &OTHER_BUDGETS]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the port `budgets` is declared twice: by the domain `fleet` and by the domain `other`"
    );
}

#[test]
fn the_reservations_of_a_cancelled_group_end_with_their_leases() {
    let (scene, budget) = CostScene::start_waiting("1000", &[""; 200]);
    let works: Vec<Work> = (0..200).map(|_| scene.claimed()).collect();
    assert_eq!(works.len(), 200);
    assert_eq!(scene.fleet.amounts(&budget)[2], "80");
    block_on(scene.cvm.cancel("run")).unwrap();
    assert_eq!(scene.amounts(&budget), ["0", "80", "0"]);
    scene.fleet.after(LEASE);
    assert_eq!((scene.amounts(&budget), scene.active().len()), (amounts_of("80", "0", "0"), 0));
}

#[test]
fn a_call_may_cost_the_budget_of_any_owner() {
    let scene = CostScene::new();
    let budget = scene.fleet.ok(
        "budget.create",
        json!({
            "owner": "team-a", "resourceType": "money", "budgetPeriod": "total", "allocatedAmount": "1", "unit": "CAD",
        }),
    );
    let budget = text(&budget["id"]);
    // The second call names the owner as programs did before.
    for (run, name) in [("new", "owner"), ("earlier", "project")] {
        let calls = draw("0.4").replace(&format!(r#"owner: "{PROJECT}""#), &format!(r#"{name}: "team-a""#));
        scene.start_source(run, &format!("console.log(CC.all([{{ {calls} }}]).join())"));
        let work = scene.claimed();
        assert_eq!(work.call.cost.as_ref().unwrap().owner, "team-a");
        scene.complete(&work, "a");
    }
    assert_eq!(scene.amounts(&budget), ["0.8", "0", "0"]);
    let unknown = draw("0.4").replace(PROJECT, "team-b");
    scene.start_source("unknown", &format!("console.log(CC.all([{{ {unknown} }}]).join())"));
    let warnings = scene.warnings();
    for _ in 0..2 {
        assert_eq!(scene.claim(), None);
        scene.fleet.host.clock.advance(Millis::minutes(1));
    }
    insta::assert_snapshot!(warnings.lock().unwrap().join("\n"), @"no worker gets call 1 of execution `unknown`, because of its cost: owner `team-b` does not exist; it is not a project, and has no budget of money");
    let refusal = block_on(scene.cvm.show("unknown")).unwrap().calls.remove(0).refusal.unwrap();
    insta::assert_snapshot!(refusal.message, @"owner `team-b` does not exist; it is not a project, and has no budget of money");
}

//! Costs that ask: a call whose budget lacks its cost waits for an approval, which raises the budget by what is
//! missing.

use std::sync::Arc;

use runstate::client::{Answer, Cvm};
use runstate::domain::cvm::{
    Approve, CallOutcome, CallView, ExecutionStatus, ListCalls, Policy, Reject, Start, Status, WaitsFor, codes,
};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::operation::Backoff;
use runstate::store::layer::Method;
use runstate::store::{Memory, Store};
use runstate::testing::{Fault, FaultStore, block_on};
use runstate::time::Millis;
use serde_json::json;

use super::costs::{CostScene, LEASE, code, draw, fail};
use super::scene::{PROJECT, money, text};
use crate::support::handles::simulated_files;

/// A question of the tool `draw` with this cost, which asks.
fn asking(amount: &str) -> String {
    draw(amount).replace(r#"unit: "CAD""#, r#"unit: "CAD", onRefused: "ask""#)
}

/// The source of a program that waits for a group of such calls, with further options each.
fn group(amounts: &[&str], options: &str) -> String {
    let calls: Vec<String> = amounts.iter().map(|amount| format!("{{ {}{options} }}", asking(amount))).collect();
    format!("console.log(CC.all([{}]).join())", calls.join(", "))
}

/// A scene with a budget without end, whose execution `run` waits for calls of these costs.
fn start_asking(allocated: &str, amounts: &[&str]) -> (CostScene, String) {
    let scene = CostScene::new();
    let budget = scene.fleet.budget("total", allocated);
    scene.start_source("run", &group(amounts, ""));
    (scene, budget)
}

impl CostScene {
    fn calls(&self) -> Vec<CallView> {
        block_on(self.cvm.show("run")).unwrap().calls
    }

    /// The calls that await an approval.
    fn pending(&self) -> Vec<CallView> {
        let listing = ListCalls { awaits_approval: true, ..ListCalls::default() };
        block_on(self.cvm.calls(&listing)).unwrap().items
    }

    /// The only call that asks, after a worker was refused.
    fn asked(&self) -> CallView {
        assert_eq!(self.claim(), None);
        let mut pending = self.pending();
        assert_eq!(pending.len(), 1, "{pending:?}");
        pending.remove(0)
    }

    fn approve(&self, call: &str) -> Result<ExecutionStatus, Error> {
        block_on(self.cvm.approve(&approval(call)))
    }

    fn allocated(&self, budget: &str) -> [String; 4] {
        self.fleet.verify();
        self.fleet.amounts(budget)
    }
}

fn approval(call: &str) -> Approve {
    Approve { execution: "run".to_owned(), call: call.to_owned(), by: "ann".to_owned(), ..Approve::default() }
}

fn needs(call: &CallView) -> &str {
    &call.refusal.as_ref().expect("the call is refused").message
}

#[test]
fn an_approval_raises_the_budget_by_what_is_missing() {
    for store in [|| Arc::new(Memory::new()) as Arc<dyn Store>, simulated_files] {
        let scene = CostScene::with_store(store());
        let budget = scene.fleet.budget("total", "0.3");
        scene.start_source("run", &group(&["0.4"], ""));
        let call = scene.asked();
        assert_eq!((call.waits_for, call.available_at), (Some(WaitsFor::Approval), None));
        assert_eq!(call.refusal.as_ref().unwrap().name.as_deref(), Some("budget_exceeded"));
        assert_eq!(needs(&call), "needs 0.1 CAD more in the total budget of money");
        scene.fleet.host.clock.advance(Millis::days(1));
        assert_eq!((scene.claim(), scene.allocated(&budget)), (None, ["0.3", "0", "0", "0"].map(str::to_owned)));
        assert_eq!(scene.approve(&call.id).unwrap().status, Status::WaitingCc);
        // It is reserved for the call.
        assert_eq!(scene.allocated(&budget), ["0.4", "0", "0.4", "0"]);
        assert_eq!(code(scene.approve(&call.id)), codes::ALREADY_APPROVED.as_str());
        let approved = scene.calls().remove(0);
        assert_eq!(
            (approved.waits_for, approved.refusal, approved.shortfall),
            (Some(WaitsFor::Worker), None, Vec::new())
        );
        assert_eq!(approved.cost_approval.map(|one| (one.approved, one.by)), Some((true, "ann".to_owned())));
        let work = scene.claimed();
        assert_eq!((scene.active().len(), scene.allocated(&budget)[2].as_str()), (1, "0.4"));
        scene.complete(&work, "a");
        assert_eq!((scene.status("run"), scene.allocated(&budget)[1].as_str()), (Status::Complete, "0.4"));
    }
}

#[test]
fn each_budget_is_raised_by_what_it_lacks() {
    let (scene, total) = start_asking("0.35", &["0.4"]);
    let [daily, weekly] =
        [("daily", "0.3"), ("weekly", "1")].map(|(period, amount)| scene.fleet.budget(period, amount));
    let call = scene.asked();
    insta::assert_snapshot!(needs(&call), @"needs 0.05 CAD more in the total budget of money and 0.1 CAD more in the daily budget of money");
    scene.approve(&call.id).unwrap();
    assert_eq!([&total, &daily, &weekly].map(|one| scene.allocated(one)[0].clone()), ["0.4", "0.4", "1"]);
    // The plan of the next day is as it was.
    scene.complete(&scene.claimed(), "a");
    scene.fleet.after(Millis::days(1));
    let budgets = scene.fleet.items("budget.list", json!({"budgetPeriod": "daily", "sort": "periodStart"}));
    assert_eq!(budgets.last().unwrap()["allocatedAmount"], "0.3");
}

#[test]
fn a_budget_that_has_the_cost_by_then_is_not_raised() {
    for (changed, after) in [("1", "1"), ("0.4", "0.4"), ("0.35", "0.4")] {
        let (scene, budget) = start_asking("0.3", &["0.4"]);
        let call = scene.asked();
        scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": changed}));
        scene.approve(&call.id).unwrap();
        assert_eq!(scene.allocated(&budget), [after, "0", "0.4", "0"]);
        scene.complete(&scene.claimed(), "a");
    }
}

#[test]
fn an_approval_of_less_than_is_missing_asks_again() {
    let (scene, budget) = start_asking("0.3", &["0.4"]);
    let call = scene.asked();
    scene.fleet.ok("usage.record", money("0.2"));
    let first = CommandId::new("first").unwrap();
    let approve_first = || block_on(scene.cvm.with_id(&first).approve(&approval(&call.id)));
    let refused = approve_first().unwrap_err();
    assert_eq!(refused.code, ErrorCode::STALE);
    insta::assert_snapshot!(refused.message, @"the approval was not applied: budgets lacked more for call 1 of execution `run` than it had shown: it needs 0.3 CAD more in the total budget of money now; read the call again, then approve it");
    assert_eq!(scene.allocated(&budget), ["0.3", "0.2", "0", "0"]);
    let again = scene.pending().remove(0);
    assert_eq!((needs(&again), &again.cost_approval), ("needs 0.3 CAD more in the total budget of money", &None));
    // A repetition approves nothing, although the call shows the amount by now.
    assert_eq!(approve_first().unwrap_err().code, ErrorCode::STALE);
    scene.approve(&call.id).unwrap();
    assert_eq!(scene.allocated(&budget), ["0.6", "0.2", "0.4", "0"]);
    assert_eq!(approve_first().unwrap_err().code, ErrorCode::STALE);
    assert_eq!(scene.allocated(&budget), ["0.6", "0.2", "0.4", "0"]);
}

#[test]
fn two_calls_that_wait_for_one_budget_are_approved_apart() {
    let (scene, budget) = start_asking("0.1", &["0.4", "0.4"]);
    assert_eq!((scene.claim(), scene.claim()), (None, None));
    let [first, second] = [0, 1].map(|at| scene.pending().remove(at));
    scene.approve(&first.id).unwrap();
    assert_eq!(scene.allocated(&budget), ["0.4", "0", "0.4", "0"]);
    // The first one has taken the rest, so the second one needs more than it has shown.
    assert_eq!(code(scene.approve(&second.id)), "stale");
    scene.approve(&second.id).unwrap();
    assert_eq!(scene.allocated(&budget), ["0.8", "0", "0.8", "0"]);
    for work in [scene.claimed(), scene.claimed()] {
        scene.complete(&work, "a");
    }
    assert_eq!(
        (scene.status("run"), scene.allocated(&budget)),
        (Status::Complete, ["0.8", "0.8", "0", "0"].map(str::to_owned))
    );
}

#[test]
fn a_rejected_cost_is_an_error_in_the_program() {
    let scene = CostScene::new();
    let budget = scene.fleet.budget("total", "0.3");
    for (reason, message) in [
        (Some("too much"), "too much"),
        (None, "the call of draw was rejected: it needs 0.1 CAD more in the total budget of money"),
    ] {
        let calls = group(&["0.4"], "");
        scene.start_source(
            "run",
            &format!("try {{ {calls} }} catch (e) {{ console.log([e.name, e.code, e.message].join()) }}"),
        );
        let call = scene.asked();
        let reject =
            Reject { execution: "run".into(), call: call.id.clone(), by: "ann".into(), reason: reason.map(Into::into) };
        assert_eq!(block_on(scene.cvm.reject(&reject)).unwrap().status, Status::Complete);
        let run = block_on(scene.cvm.show("run")).unwrap();
        assert_eq!(run.output, [format!("RejectedError,budget_exceeded,{message}")]);
        let error = scene.approve(&call.id).unwrap_err();
        assert_eq!(error.code, codes::ALREADY_ANSWERED);
        assert!(error.message.contains("was rejected"), "{error}");
        assert_eq!(scene.allocated(&budget), ["0.3", "0", "0", "0"]);
        block_on(scene.cvm.delete("run")).unwrap();
    }
}

#[test]
fn a_call_that_ends_while_it_asks_raises_nothing() {
    let scene = CostScene::new();
    let budget = scene.fleet.budget("total", "0.3");
    scene.start_source("run", &group(&["0.4"], r#"timeoutMs: 20000, default: "d""#));
    let call = scene.asked();
    scene.fleet.after(Millis::seconds(20));
    assert_eq!(scene.status("run"), Status::Complete);
    assert_eq!(code(scene.approve(&call.id)), codes::ALREADY_ANSWERED.as_str());
    block_on(scene.cvm.delete("run")).unwrap();
    scene.start_source("run", &group(&["0.4"], ""));
    let call = scene.asked();
    block_on(scene.cvm.pause("run")).unwrap();
    assert_eq!(code(scene.approve(&call.id)), "illegal_transition");
    block_on(scene.cvm.cancel("run")).unwrap();
    assert_eq!(code(scene.approve(&call.id)), "illegal_transition");
    assert_eq!((scene.pending(), scene.allocated(&budget)), (Vec::new(), ["0.3", "0", "0", "0"].map(str::to_owned)));
}

#[test]
fn an_approval_whose_process_dies_at_its_commit_is_applied_once() {
    for is_committed in [false, true] {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let scene = CostScene::with_store(store.clone());
        let budget = scene.fleet.budget("total", "0.3");
        scene.start_source("run", &group(&["0.4"], ""));
        let call = scene.asked();
        let dying = Arc::new(FaultStore::new(store));
        let process = Cvm::new(&scene.fleet.reopen(dying.clone()).engine);
        dying.plan(Method::Commit, 1, if is_committed { Fault::DieAfter } else { Fault::DieBefore });
        let id = CommandId::new("approved").unwrap();
        let approve = |cvm: &Cvm| block_on(cvm.with_id(&id).approve(&approval(&call.id)));
        approve(&process).unwrap_err();
        let [before, after] = [["0.3", "0", "0", "0"], ["0.4", "0", "0.4", "0"]];
        assert_eq!(scene.allocated(&budget), if is_committed { after } else { before });
        for _ in 0..2 {
            assert_eq!(approve(&scene.cvm).unwrap().status, Status::WaitingCc);
            assert_eq!(scene.allocated(&budget), after);
        }
        scene.complete(&scene.claimed(), "a");
        assert_eq!(approve(&scene.cvm).unwrap().status, Status::WaitingCc);
        assert_eq!(scene.allocated(&budget), ["0.4", "0.4", "0", "0"]);
    }
}

#[test]
fn what_an_approval_has_reserved_is_given_back_after_an_hour() {
    let (scene, budget) = start_asking("0.3", &["0.4"]);
    scene.approve(&scene.asked().id).unwrap();
    scene.fleet.after(Millis::minutes(59));
    assert_eq!(scene.allocated(&budget), ["0.4", "0", "0.4", "0"]);
    scene.fleet.after(Millis::minutes(1));
    assert_eq!(scene.allocated(&budget), ["0.4", "0", "0", "0"]);
    // Another use takes the rest, and the call asks for it again.
    scene.fleet.ok("usage.record", money("0.1"));
    let again = scene.asked();
    assert_eq!(needs(&again), "needs 0.1 CAD more in the total budget of money");
    scene.approve(&again.id).unwrap();
    scene.complete(&scene.claimed(), "a");
    assert_eq!(scene.allocated(&budget), ["0.5", "0.5", "0", "0"]);
}

#[test]
fn an_approval_of_the_policy_is_not_one_of_the_cost() {
    let scene = CostScene::new();
    let budget = scene.fleet.budget("total", "0.3");
    block_on(scene.cvm.load_source("run", &group(&["0.4"], ""))).unwrap();
    let policy = Policy { approve: Some(vec!["draw".to_owned()]), ..Policy::default() };
    block_on(scene.cvm.start(Start { policy: Some(policy), ..Start::new("run").id("run") })).unwrap();
    let call = scene.pending().remove(0);
    assert_eq!((call.shortfall.len(), call.refusal.as_ref()), (0, None));
    scene.approve(&call.id).unwrap();
    assert_eq!(scene.allocated(&budget), ["0.3", "0", "0", "0"]);
    let asked = scene.asked();
    assert_eq!(asked.shortfall.len(), 1);
    let args = Approve { args: Some(json!({})), ..approval(&asked.id) };
    assert_eq!(code(block_on(scene.cvm.approve(&args))), "invalid");
    block_on(scene.cvm.approve(&Approve { by: "bob".to_owned(), ..approval(&asked.id) })).unwrap();
    let call = scene.calls().remove(0);
    assert_eq!([call.approval, call.cost_approval].map(|one| one.unwrap().by), ["ann", "bob"]);
    scene.complete(&scene.claimed(), "a");
}

/// A call that asks keeps its place among those that may be open, and gives it to the next one when it ends.
#[test]
fn calls_behind_one_that_asks_stay_in_the_queue() {
    let scene = CostScene::new();
    scene.fleet.budget("total", "0.1");
    block_on(scene.cvm.load_source("run", &group(&["0.4", "0.4", "0.4"], ""))).unwrap();
    let policy = Policy { open: Some(1), ..Policy::default() };
    block_on(scene.cvm.start(Start { policy: Some(policy), ..Start::new("run").id("run") })).unwrap();
    for left in (0..3).rev() {
        let asked = scene.asked();
        let queued = scene.calls().iter().filter(|call| call.waits_for == Some(WaitsFor::Queue)).count();
        assert_eq!(queued, left);
        scene.approve(&asked.id).unwrap();
        scene.complete(&scene.claimed(), "a");
    }
    assert_eq!(scene.status("run"), Status::Complete);
    scene.fleet.verify();
}

/// The worker has spent the cost, so it is recorded, and the call needs no approval any more.
#[test]
fn a_late_worker_may_complete_a_call_that_asks() {
    let (scene, budget) = start_asking("0.4", &["0.4"]);
    let late = scene.claimed();
    scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": "0.1"}));
    scene.fleet.host.clock.advance(LEASE);
    assert_eq!(
        needs(&scene.asked()),
        "needs 0.3 CAD more in the total budget of money (attempt 1 may have been executed)"
    );
    assert_eq!(code(block_on(scene.cvm.heartbeat(&late.claimed, LEASE))), "stale_claim");
    scene.complete(&late, "late");
    assert_eq!(
        (scene.status("run"), scene.allocated(&budget)),
        (Status::Complete, ["0.1", "0.4", "0", "0.3"].map(str::to_owned))
    );
}

#[test]
fn a_person_may_answer_a_call_that_asks() {
    let (scene, budget) = start_asking("0.3", &["0.4"]);
    let call = scene.asked();
    let answer = |cost: &str| block_on(scene.cvm.answer("run", Answer::to_call(&call.id).value("a").cost(cost)));
    assert_eq!(code(answer("0.4")), "budget_exceeded");
    assert_eq!(scene.pending(), std::slice::from_ref(&call));
    answer("0.3").unwrap();
    assert_eq!(
        (scene.status("run"), scene.allocated(&budget)),
        (Status::Complete, ["0.3", "0.3", "0", "0"].map(str::to_owned))
    );
    let row = block_on(scene.cvm.calls(&ListCalls { execution: Some("run".into()), ..ListCalls::default() })).unwrap();
    assert_eq!((row.items[0].outcome, row.items[0].shortfall.len()), (Some(CallOutcome::Answered), 0));
}

/// A program whose call was refused after an attempt of which nothing is known learns of that attempt, and its cost is
/// used.
#[test]
fn a_rejection_after_an_unknown_attempt_says_so() {
    for (reason, message) in [
        (Some("too much"), "too much (attempt 1 may have been executed)"),
        (
            None,
            "the call of draw was rejected: it needs 6 CAD more in the total budget of money (attempt 1 may have been executed)",
        ),
    ] {
        let scene = CostScene::new();
        let budget = scene.fleet.budget("total", "10");
        let calls = group(&["8"], "");
        scene.start_source(
            "run",
            &format!("try {{ {calls} }} catch (e) {{ console.log([e.name, e.code, e.message].join()) }}"),
        );
        scene.claimed();
        scene.fleet.after(LEASE);
        scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": "2"}));
        let call = scene.asked();
        let reject =
            Reject { execution: "run".into(), call: call.id.clone(), by: "ann".into(), reason: reason.map(Into::into) };
        assert_eq!(block_on(scene.cvm.reject(&reject)).unwrap().status, Status::Complete);
        let run = block_on(scene.cvm.show("run")).unwrap();
        assert_eq!(run.output, [format!("RejectedError,budget_exceeded,{message}")]);
        assert_eq!(scene.allocated(&budget), ["2", "8", "0", "6"]);
    }
}

/// The reservation of an approval counts as used at its end only if an earlier attempt may have spent the cost.
#[test]
fn an_approved_call_keeps_the_cost_of_its_unknown_attempt() {
    let (scene, budget) = start_asking("0.4", &["0.4"]);
    scene.claimed();
    scene.fleet.after(LEASE);
    scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": "0.1"}));
    scene.approve(&scene.asked().id).unwrap();
    assert_eq!(scene.allocated(&budget), ["0.4", "0", "0.4", "0"]);
    scene.fleet.after(Millis::minutes(60));
    assert_eq!(scene.allocated(&budget), ["0.4", "0.4", "0", "0"]);
    let work = scene.claimed();
    assert_eq!(scene.allocated(&budget), ["0.4", "0", "0.4", "0"]);
    scene.complete(&work, "a");
    assert_eq!(scene.allocated(&budget), ["0.4", "0.4", "0", "0"]);
}

/// A misspelt owner is a question, and an approval does not create it.
#[test]
fn a_cost_of_an_unknown_owner_asks_for_its_budget() {
    let scene = CostScene::new();
    let calls = group(&["0.4"], "").replace(PROJECT, "team-b");
    scene.start_source("run", &calls);
    let call = scene.asked();
    assert_eq!(call.refusal.as_ref().unwrap().name.as_deref(), Some("not_found"));
    assert_eq!(
        needs(&call),
        "needs 0.4 CAD more in the budget of money of `team-b`, which does not exist: create it first"
    );
    assert_eq!(code(scene.approve(&call.id)), "not_found");
    let create = json!({
        "owner": "team-b", "resourceType": "money", "budgetPeriod": "total", "allocatedAmount": "1", "unit": "CAD",
    });
    let budget = text(&scene.fleet.ok("budget.create", create)["id"]);
    scene.approve(&call.id).unwrap();
    scene.complete(&scene.claimed(), "a");
    assert_eq!(scene.allocated(&budget), ["1", "0.4", "0", "0"]);
}

/// No approval helps against another reason than an amount.
#[test]
fn other_refusals_do_not_ask() {
    let (scene, _) = start_asking("2", &["0.4", "0.4", "0.4"]);
    let works = [scene.claimed(), scene.claimed(), scene.claimed()];
    works.iter().for_each(|work| drop(block_on(scene.cvm.fail(&fail(work, Some(Backoff::default())))).unwrap()));
    scene.fleet.host.clock.advance(Millis::minutes(1));
    assert_eq!((scene.claim(), scene.pending()), (None, Vec::new()));
    let refused = scene.calls().remove(0);
    assert_eq!((refused.waits_for, needs(&refused).contains("failed in a row")), (Some(WaitsFor::Worker), true));
}

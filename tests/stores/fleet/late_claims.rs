//! Costs of calls whose workers are late, or whose reservations others end.

use runstate::client::Answer;
use runstate::domain::cvm::{REFUSAL_DELAY, Status};
use runstate::operation::Backoff;
use runstate::testing::block_on;
use runstate::time::Millis;
use serde_json::json;

use super::costs::{CostScene, LEASE, amounts_of, code, draw, fail};
use super::scene::text;

#[test]
fn a_worker_that_continues_has_its_call_alone() {
    let (scene, budget) = CostScene::start_waiting("0.4", &[""]);
    let late = scene.claimed();
    scene.fleet.after(LEASE);
    scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": "0.1"}));
    assert_eq!(scene.claim(), None);
    let refusal = || block_on(scene.cvm.show("run")).unwrap().calls.remove(0).refusal;
    assert!(refusal().is_some());
    // Its reservation has ended, and the budget does not have the amount any more.
    assert_eq!(code(block_on(scene.cvm.heartbeat(&late.claimed, LEASE))), "stale_claim");
    scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": "0.4"}));
    block_on(scene.cvm.heartbeat(&late.claimed, LEASE)).unwrap();
    assert_eq!((refusal(), scene.amounts(&budget)), (None, amounts_of("0", "0.4", "0")));
    // Another worker that names the call does not get it.
    assert_eq!(block_on(scene.cvm.claim_call(&late.claimed.call, "other", LEASE)).unwrap(), None);
    scene.complete(&late, "a");
    assert_eq!(scene.amounts(&budget), ["0.4", "0", "0"]);
}

#[test]
fn heartbeat_after_a_commit_by_a_caller_reserves_nothing_more() {
    let (scene, budget) = CostScene::start_waiting("1", &[""]);
    let work = scene.claimed();
    let reservation = work.claimed.reservation.clone().unwrap();
    scene.fleet.ok("reservation.commit", json!({"id": reservation, "actual": "0.2"}));
    block_on(scene.cvm.heartbeat(&work.claimed, LEASE)).unwrap();
    assert_eq!(scene.amounts(&budget), ["0.2", "0", "0"]);
    scene.complete(&work, "a");
    assert_eq!((scene.status("run"), scene.amounts(&budget)), (Status::Complete, amounts_of("0.2", "0", "0")));
}

#[test]
fn a_worker_whose_answer_comes_too_late_records_what_it_has_spent() {
    let (scene, budget) = CostScene::start_waiting("1", &[""]);
    let late = scene.claimed();
    scene.fleet.after(LEASE);
    let other = scene.claimed();
    assert_eq!(code(block_on(scene.cvm.complete(&late.claimed, "late"))), "stale_claim");
    scene.fleet.ok("reservation.commit", json!({"id": late.claimed.reservation, "actual": "0.3"}));
    scene.complete(&other, "a");
    assert_eq!(scene.amounts(&budget), ["0.7", "0", "0"]);
}

#[test]
fn a_refusal_does_not_hide_the_error_of_a_worker() {
    let (scene, budget) = CostScene::start_waiting("0.4", &[""]);
    block_on(scene.cvm.fail(&fail(&scene.claimed(), Some(Backoff::default())))).unwrap();
    scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": "0.1"}));
    scene.fleet.host.clock.advance(Millis::minutes(1));
    assert_eq!(scene.claim(), None);
    scene.fleet.ok("budget.change", json!({"id": budget, "allocatedAmount": "0.4"}));
    scene.fleet.host.clock.advance(Millis::minutes(1));
    let work = scene.claimed();
    assert_eq!((work.call.error.unwrap().message, work.call.refusal), ("no".to_owned(), None));
}

#[test]
fn calls_that_wait_for_long_are_looked_at_less_often() {
    let (scene, _) = CostScene::start_waiting("0.1", &[""]);
    let refused = || {
        let before = block_on(scene.cvm.show("run")).unwrap().calls.remove(0).refusal;
        assert_eq!(scene.claim(), None);
        block_on(scene.cvm.show("run")).unwrap().calls.remove(0).refusal != before
    };
    assert!(refused());
    scene.fleet.host.clock.advance(REFUSAL_DELAY);
    assert!(refused());
    scene.fleet.host.clock.advance(Millis::minutes(4));
    assert!(refused());
    scene.fleet.host.clock.advance(REFUSAL_DELAY);
    assert!(!refused());
    scene.fleet.host.clock.advance(Millis::seconds(60));
    assert!(refused());
}

#[test]
fn a_cost_in_a_currency_without_a_rate_is_refused() {
    let scene = CostScene::new();
    let call = draw("1").replace("CAD", "USD").replace("unit:", "subtype: null, unit:");
    scene.start_source("run", &format!("console.log(CC.all([{{ {call} }}]).join())"));
    let call = block_on(scene.cvm.show("run")).unwrap().calls[0].id.clone();
    let answer = || Answer::to_call(&call).value("a").cost("1.0000001");
    assert_eq!(code(block_on(scene.cvm.answer("run", answer()))), "no_exchange_rate");
    scene.fleet.ok("exchangeRate.set", json!({"currency": "USD", "priceCad": "1.25"}));
    block_on(scene.cvm.answer("run", answer())).unwrap();
    assert_eq!(text(&scene.fleet.items("usage.list", json!({}))[0]["costCad"]), "1.25");
}

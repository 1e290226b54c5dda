//! Budgets: what each command does to every budget that covers it.

use runstate::domain::fleet::ResourceBudget;
use runstate::schema::Entity as _;
use runstate::time::Millis;
use serde_json::json;

use super::scene::{FleetScene, PROJECT, UNKNOWN, money, text};

const DAY: Millis = Millis::days(1);

#[test]
fn every_budget_that_covers_now_is_changed() {
    let scene = FleetScene::new();
    let budgets = [("daily", "10"), ("weekly", "40"), ("monthly", "100"), ("total", "1000")]
        .map(|(period, amount)| scene.budget(period, amount));
    let reserved = scene.ok("budget.reserve", money("4.5"));
    assert_eq!(reserved["budgets"].as_array().unwrap().len(), 4);
    scene.ok("usage.record", money("1"));
    scene.ok("reservation.commit", json!({"id": reserved["id"], "actual": "3"}));
    for budget in &budgets {
        assert_eq!(scene.amounts(budget)[1..], ["4", "0", "0"]);
    }
    // The day after, the day has a new budget, and the others do not.
    scene.host.clock.advance(DAY);
    let recorded = scene.ok("usage.record", money("10"));
    assert_eq!(recorded["budgets"].as_array().unwrap().len(), 4);
    assert_eq!(scene.amounts(&budgets[0])[1], "4");
    assert_eq!(scene.amounts(&budgets[3])[1], "14");
    assert_eq!(scene.items("budget.list", json!({"budgetPeriod": "daily"})).len(), 2);
    scene.verify();
}

#[test]
fn a_budget_that_does_not_have_the_amount_rejects_it_with_its_numbers() {
    let scene = FleetScene::new();
    let daily = scene.budget("daily", "10");
    let total = scene.budget("total", "12");
    scene.ok("usage.record", money("6"));
    scene.ok("budget.reserve", money("4"));
    for command in ["usage.record", "budget.reserve"] {
        let error = scene.call(command, money("0.000001")).unwrap_err();
        assert_eq!(error.code.as_str(), "budget_exceeded");
        let details = json!({
            "budget": daily, "period": "daily", "unit": "CAD", "requested": "0.000001", "allocated": "10", "used": "6",
            "reserved": "4",
        });
        assert_eq!(json!(error)["details"], details);
    }
    scene.host.clock.advance(DAY);
    assert_eq!(scene.code("usage.record", money("2.000001")), "budget_exceeded");
    assert_eq!(scene.amounts(&total), ["12", "6", "4", "0"]);
    scene.ok("usage.record", money("2"));
    scene.verify();
}

#[test]
fn use_beyond_a_reservation_is_recorded_and_blocks_further_ones() {
    let scene = FleetScene::new();
    let daily = scene.budget("daily", "10");
    let reserved = scene.ok("budget.reserve", money("8"))["id"].clone();
    scene.ok("reservation.commit", json!({"id": reserved, "actual": "12.5"}));
    assert_eq!(scene.amounts(&daily), ["10", "12.5", "0", "2.5"]);
    assert_eq!(scene.code("budget.reserve", money("0.1")), "budget_exceeded");
    assert_eq!(scene.code("reservation.commit", json!({"id": reserved, "actual": "1"})), "illegal_transition");
    let kinds: Vec<String> =
        scene.items("budgetEvent.list", json!({})).iter().map(|event| text(&event["kind"])).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "warning").count(), 1);
    assert_eq!(kinds.iter().filter(|kind| *kind == "overrun").count(), 1);
    scene.ok("budget.change", json!({"id": daily, "allocatedAmount": "20"}));
    assert_eq!(scene.amounts(&daily), ["20", "12.5", "0", "0"]);
    scene.ok("budget.reserve", money("7.5"));
    scene.verify();
}

#[test]
fn expired_reservations_are_given_back_and_may_be_committed_late() {
    let scene = FleetScene::new();
    let total = scene.budget("total", "1000");
    let reserved: Vec<String> = (0..1_000).map(|_| text(&scene.ok("budget.reserve", money("1"))["id"])).collect();
    assert_eq!(scene.amounts(&total)[2], "1000");
    assert_eq!(scene.code("budget.reserve", money("1")), "budget_exceeded");
    assert_eq!(scene.after(Millis::minutes(59)).resumed, 0);
    assert_eq!(scene.after(Millis::minutes(1)).resumed, 1_000);
    assert_eq!(scene.amounts(&total), ["1000", "0", "0", "0"]);
    scene.ok("budget.reserve", money("999"));
    scene.ok("reservation.commit", json!({"id": reserved[0], "actual": "3"}));
    assert_eq!(scene.amounts(&total), ["1000", "3", "999", "2"]);
    assert_eq!(scene.code("reservation.release", json!({"id": reserved[1]}).clone()), "illegal_transition");
    scene.verify();
}

#[test]
fn a_reservation_counts_against_the_budgets_of_its_moment() {
    let scene = FleetScene::new();
    let before = scene.budget("daily", "10");
    let mut parameters = money("4");
    parameters["ttlMs"] = Millis::days(3).0.into();
    let reserved = scene.ok("budget.reserve", parameters)["id"].clone();
    scene.host.clock.advance(DAY);
    scene.ok("usage.record", money("1"));
    scene.ok("reservation.commit", json!({"id": reserved, "actual": "2"}));
    assert_eq!(scene.amounts(&before), ["10", "2", "0", "0"]);
    scene.verify();
}

#[test]
fn a_warning_is_given_once_at_80_percent() {
    let scene = FleetScene::new();
    let daily = scene.budget("daily", "10");
    let warnings = || scene.items("budgetEvent.list", json!({"kind": "warning"})).len();
    scene.ok("usage.record", money("7.999999"));
    assert_eq!(warnings(), 0);
    scene.ok("usage.record", money("0.000001"));
    scene.ok("usage.record", money("1"));
    assert_eq!(warnings(), 1);
    scene.ok("budget.change", json!({"id": daily, "allocatedAmount": "20"}));
    scene.ok("usage.record", money("7"));
    assert_eq!(warnings(), 2);
}

#[test]
fn three_failures_in_a_row_open_the_circuit_and_a_trial_closes_it() {
    let scene = FleetScene::new();
    scene.budget("total", "100");
    let reserve = || scene.ok("budget.reserve", money("1"))["id"].clone();
    let release = |uuid: &serde_json::Value| scene.ok("reservation.release", json!({"id": uuid, "failed": true}));
    for _ in 0..2 {
        release(&reserve());
    }
    // A success between them begins the count again.
    scene.ok("reservation.commit", json!({"id": reserve(), "actual": "1"}));
    let early = reserve();
    for _ in 0..3 {
        release(&reserve());
    }
    assert_eq!(scene.code("budget.reserve", money("1")), "circuit_open");
    // It was reserved before, so it proves nothing.
    scene.ok("reservation.commit", json!({"id": early, "actual": "1"}));
    assert_eq!(scene.code("budget.reserve", money("1")), "circuit_open");
    scene.host.clock.advance(Millis::minutes(5));
    let trial = reserve();
    assert_eq!(scene.code("budget.reserve", money("1")), "circuit_open");
    release(&trial);
    assert_eq!(scene.code("budget.reserve", money("1")), "circuit_open");
    scene.host.clock.advance(Millis::minutes(5));
    scene.ok("reservation.commit", json!({"id": reserve(), "actual": "1"}));
    release(&reserve());
    reserve();
    scene.verify();
}

#[test]
fn a_trial_that_expires_has_failed() {
    let scene = FleetScene::new();
    let reserve = || scene.ok("budget.reserve", money("1"))["id"].clone();
    for _ in 0..3 {
        scene.ok("reservation.release", json!({"id": reserve(), "failed": true}));
    }
    scene.host.clock.advance(Millis::minutes(5));
    reserve();
    scene.after(Millis::minutes(60));
    assert_eq!(scene.code("budget.reserve", money("1")), "circuit_open");
    scene.host.clock.advance(Millis::minutes(5));
    reserve();
}

#[test]
fn periods_roll_once_even_if_the_clock_jumps_a_month() {
    let scene = FleetScene::new();
    scene.budget("daily", "10");
    scene.budget("monthly", "50");
    let once = json!({
        "owner": PROJECT, "resourceType": "time", "budgetPeriod": "daily", "allocatedAmount": "5", "unit": "hours",
        "once": true,
    });
    scene.ok("budget.create", once);
    assert_eq!(scene.after(DAY).resumed, 1);
    assert_eq!(scene.after(Millis::days(40)).resumed, 3);
    let starts: Vec<String> = scene
        .items("budget.list", json!({"resourceType": "money", "sort": "periodStart"}))
        .iter()
        .map(|budget| format!("{} {}", text(&budget["budgetPeriod"]), text(&budget["periodStart"])))
        .collect();
    let expected =
        ["monthly 2024-01-01", "daily 2024-01-20", "daily 2024-01-21", "daily 2024-03-01", "monthly 2024-03-01"];
    assert_eq!(starts.len(), expected.len());
    assert!(expected.iter().all(|one| starts.iter().any(|start| start == one)), "{starts:?}");
    // The day without a next one has no budget, so its resource is not bound.
    let hours = json!({"owner": PROJECT, "resourceType": "time", "amount": "99", "unit": "hours"});
    assert_eq!(scene.ok("usage.record", hours)["budgets"], json!([]));
    assert!(scene.after(Millis(0)).is_empty());
    scene.verify();
}

#[test]
fn a_resource_without_budgets_is_not_bound() {
    let scene = FleetScene::new();
    let calls = json!({"owner": PROJECT, "resourceType": "api_calls", "amount": "1000000", "unit": "calls"});
    assert_eq!(scene.ok("usage.record", calls.clone())["budgets"], json!([]));
    let budget = json!({
        "owner": PROJECT, "resourceType": "api_calls", "budgetPeriod": "daily", "allocatedAmount": "5", "unit": "calls",
    });
    let budget = text(&scene.ok("budget.create", budget)["id"]);
    assert_eq!(scene.code("usage.record", calls), "budget_exceeded");
    assert_eq!(scene.amounts(&budget), ["5", "0", "0", "0"]);
    scene.verify();
}

#[test]
fn budgets_reject_bad_input_with_a_code() {
    let scene = FleetScene::new();
    scene.budget("weekly", "10");
    let with = |name: &str, value: serde_json::Value| {
        let mut parameters = money("1");
        parameters[name] = value;
        parameters
    };
    let budget = |period: &str, start: &str, unit: &str| {
        json!({
            "owner": PROJECT, "resourceType": "money", "budgetPeriod": period, "allocatedAmount": "1",
            "unit": unit, "periodStart": start,
        })
    };
    for (name, parameters, code) in [
        ("usage.record", with("amount", json!("0.0000001")), "usage"),
        ("usage.record", with("amount", json!("-1")), "usage"),
        ("usage.record", with("amount", json!("1000000000")), "usage"),
        ("usage.record", with("amount", json!(1)), "usage"),
        ("usage.record", with("unit", json!("EUR")), "usage"),
        ("usage.record", with("unit", json!("minutes")), "invalid"),
        ("usage.record", with("unit", json!("USD")), "unit_mismatch"),
        ("budget.reserve", with("unit", json!("calls")), "invalid"),
        ("usage.record", with("owner", json!(UNKNOWN)), "not_found"),
        ("usage.record", with("machineUuid", json!(UNKNOWN)), "not_found"),
        ("usage.record", with("resourceSubtype", json!("x".repeat(51))), "invalid"),
        ("budget.create", budget("weekly", "2024-01-16", "CAD"), "period_overlap"),
        ("budget.create", budget("monthly", "2024-01-31", "CAD"), "period_overlap"),
        ("budget.create", budget("total", "2024-01-01", "CAD"), "period_overlap"),
        ("budget.create", budget("weekly", "2024-01-15", "CAD"), "already_exists"),
        ("budget.create", budget("daily", "2024-01-20", "USD"), "unit_mismatch"),
        ("budget.create", budget("daily", "2024-02-30", "CAD"), "usage"),
        ("budget.change", json!({"id": UNKNOWN, "allocatedAmount": "1"}), "not_found"),
        ("reservation.commit", json!({"id": UNKNOWN, "actual": "1"}), "not_found"),
    ] {
        assert_eq!(scene.code(name, parameters.clone()), code, "{name} {parameters}");
    }
    assert!(scene.items("usage.list", json!({})).is_empty());
    scene.verify();
}

#[test]
fn costs_are_normalised_by_the_rate_of_the_day() {
    let scene = FleetScene::new();
    let dollars = json!({"owner": PROJECT, "resourceType": "money", "amount": "2.5", "unit": "USD"});
    assert_eq!(scene.code("usage.record", dollars.clone()), "no_exchange_rate");
    scene.ok("exchangeRate.set", json!({"currency": "USD", "priceCad": "1.35123", "validFrom": "2024-01-01"}));
    scene.ok("exchangeRate.set", json!({"currency": "USD", "priceCad": "1.5", "validFrom": "2024-01-21"}));
    assert_eq!(scene.ok("usage.record", dollars.clone())["costCad"], "3.3781");
    scene.host.clock.advance(DAY);
    assert_eq!(scene.ok("usage.record", dollars)["costCad"], "3.75");
    assert_eq!(scene.ok("usage.record", money("1.00005"))["costCad"], "1.0001");
    assert_eq!(scene.code("exchangeRate.set", json!({"currency": "CAD", "priceCad": "1"})), "invalid");
}

#[test]
fn verification_finds_amounts_that_do_not_agree() {
    use runstate::domain::fleet::ResourceBudget;
    use runstate::schema::{Collection, Entity as _};
    static BUDGETS: Collection = ResourceBudget::COLLECTION;
    let scene = FleetScene::new();
    let daily = scene.budget("daily", "10");
    scene.ok("usage.record", money("3"));
    scene.verify();
    let mut budget = scene.stored(&BUDGETS, &daily);
    budget["used_amount"] = "12".into();
    budget["reserved_amount"] = "1".into();
    super::upkeep::replace(&scene, &BUDGETS, &daily, budget);
    let findings = runstate::testing::block_on(scene.engine.verify(|_| {})).unwrap().findings;
    let found: Vec<&str> = findings.iter().map(|finding| finding.why.as_str()).collect();
    assert_eq!(
        found,
        [
            "its `overrun_amount` is 0 where 3 is expected",
            "its `used_amount` is 12 where 3 is expected",
            "its `reserved_amount` is 1 where 0 is expected",
        ]
    );
}

/// Creates a daily budget of a day, and returns its id.
fn budget_of_day(scene: &FleetScene, day: &str, allocated: &str, once: bool) -> String {
    let budget = json!({
        "owner": PROJECT, "resourceType": "money", "budgetPeriod": "daily", "allocatedAmount": allocated,
        "unit": "CAD", "periodStart": day, "once": once,
    });
    text(&scene.ok("budget.create", budget)["id"])
}

#[test]
fn a_single_budget_leaves_the_other_periods_as_they_are() {
    let scene = FleetScene::new();
    scene.budget("daily", "10");
    let single = budget_of_day(&scene, "2024-01-26", "100", true);
    scene.host.clock.advance(DAY);
    assert_eq!(scene.code("usage.record", money("10.000001")), "budget_exceeded");
    scene.host.clock.advance(Millis::days(5));
    scene.ok("usage.record", money("100"));
    assert_eq!(scene.amounts(&single), ["100", "100", "0", "0"]);
    scene.host.clock.advance(DAY);
    assert_eq!(scene.code("usage.record", money("10.000001")), "budget_exceeded");
    scene.ok("usage.record", money("10"));
    scene.verify();
}

#[test]
fn a_recurring_budget_of_a_later_period_applies_from_then_on() {
    let scene = FleetScene::new();
    let today = budget_of_day(&scene, "2024-01-20", "5", true);
    budget_of_day(&scene, "2024-01-21", "20", false);
    let later = budget_of_day(&scene, "2024-01-25", "50", true);
    scene.ok("budget.change", json!({"id": today, "allocatedAmount": "12"}));
    scene.ok("usage.record", money("12"));
    assert_eq!(scene.code("usage.record", money("0.000001")), "budget_exceeded");
    for amount in ["60", "70"] {
        scene.ok("budget.change", json!({"id": later, "allocatedAmount": amount}));
    }
    for _ in 21..25 {
        scene.after(DAY);
        assert_eq!(scene.code("usage.record", money("20.000001")), "budget_exceeded");
        scene.ok("usage.record", money("20"));
    }
    scene.after(DAY);
    scene.ok("usage.record", money("70"));
    let current = scene.items("budget.list", json!({"budgetPeriod": "daily"}));
    assert_eq!(current.len(), 6, "{current:?}");
    scene.host.clock.advance(DAY);
    assert_eq!(scene.code("usage.record", money("20.000001")), "budget_exceeded");
    scene.verify();
}

#[test]
fn a_use_that_no_budget_can_count_is_rejected_whole() {
    let scene = FleetScene::new();
    let total = scene.budget("total", "10");
    let largest = "999999999.999999";
    let [first, second] = [(); 2].map(|()| scene.ok("budget.reserve", money("1"))["id"].clone());
    scene.ok("reservation.commit", json!({"id": first, "actual": "999999998.5"}));
    let beyond = json!({"id": second, "actual": largest});
    assert_eq!(scene.code("reservation.commit", beyond.clone()), "limit");
    insta::assert_snapshot!(scene.message("reservation.commit", beyond), @"the total budget of money would count 1999999998.499999 CAD as used: less than 1000000000 CAD are allowed; nothing was changed. Record a smaller part now, and the rest in another period or a larger unit");
    assert_eq!(scene.amounts(&total), ["10", "999999998.5", "1", "999999989.5"]);
    // The column is used to its end, also while more is reserved.
    scene.ok("reservation.commit", json!({"id": second, "actual": "1.499999"}));
    assert_eq!(scene.amounts(&total), ["10", largest, "0", "999999989.999999"]);
    scene.verify();
}

#[test]
fn a_lowered_budget_warns_and_reports_its_overrun() {
    let scene = FleetScene::new();
    let total = scene.budget("total", "100");
    scene.ok("usage.record", money("40"));
    let kinds = || {
        let events = scene.items("budgetEvent.list", json!({"budgetUuid": total}));
        let mut kinds: Vec<String> = events.iter().map(|event| text(&event["kind"])).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(), Vec::<String>::new());
    scene.ok("budget.change", json!({"id": total, "allocatedAmount": "45"}));
    assert_eq!(kinds(), ["warning"]);
    scene.ok("budget.change", json!({"id": total, "autoReset": false}));
    assert_eq!(kinds(), ["warning"]);
    let lowered = scene.ok("budget.change", json!({"id": total, "allocatedAmount": "30"}));
    assert_eq!(
        (kinds(), lowered["overrunAmount"].clone()),
        (vec!["overrun".into(), "warning".into(), "warning".into()], json!("10"))
    );
    scene.verify();
}

#[test]
fn a_project_that_is_done_gets_no_further_budgets() {
    for (status, count) in [("paused", 2), ("completed", 1), ("archived", 1)] {
        let scene = FleetScene::new();
        scene.budget("daily", "10");
        scene.ok("project.status", json!({"id": PROJECT, "status": status}));
        scene.after(DAY);
        scene.after(DAY);
        let budgets = scene.items("budget.list", json!({"budgetPeriod": "daily"}));
        assert_eq!(budgets.len() > 1, count > 1, "{status}: {budgets:?}");
        assert_eq!(budgets.iter().all(|budget| budget["rollAt"].is_null()), count == 1, "{status}");
    }
}

#[test]
fn a_budget_without_its_amounts_has_used_nothing() {
    let scene = FleetScene::new();
    let total = scene.budget("total", "10");
    let mut stored = scene.stored(&ResourceBudget::COLLECTION, &total);
    let row = stored.as_object_mut().unwrap();
    row.retain(|name, _| !matches!(name.as_str(), "used_amount" | "reserved_amount" | "uuid"));
    row.insert("budget_period".into(), "daily".into());
    row.insert("uuid".into(), UNKNOWN.into());
    scene.put(&ResourceBudget::COLLECTION, UNKNOWN, stored);
    assert_eq!(scene.amounts(UNKNOWN), ["10", "0", "0", "0"]);
}

#[test]
fn a_cost_beyond_its_column_is_recorded_without_dollars() {
    let scene = FleetScene::new();
    for (amount, cost) in [("999999.9999", json!("999999.9999")), ("1000000", json!(null))] {
        let recorded = scene.ok("usage.record", money(amount));
        assert_eq!(recorded["costCad"], cost, "{amount}");
    }
}

/// The parameters of a budget of calls of an owner.
fn calls_of(owner: &str, allocated: &str) -> serde_json::Value {
    json!({
        "owner": owner, "resourceType": "api_calls", "budgetPeriod": "daily", "allocatedAmount": allocated, "unit": "calls",
    })
}

#[test]
fn any_id_may_own_budgets_without_a_project() {
    let scene = FleetScene::with_store(std::sync::Arc::new(runstate::store::Memory::new()));
    let owners = ["team-a", "Täm/ä", UNKNOWN];
    for owner in owners {
        let calls =
            |amount: &str| json!({"owner": owner, "resourceType": "api_calls", "amount": amount, "unit": "calls"});
        for command in ["usage.record", "budget.reserve"] {
            assert_eq!(scene.code(command, calls("1")), "not_found", "{owner} has no budget yet");
        }
        let budget = text(&scene.ok("budget.create", calls_of(owner, "5"))["id"]);
        let reserved = scene.ok("budget.reserve", calls("3"));
        scene.ok("usage.record", calls("2"));
        assert_eq!(scene.code("usage.record", calls("1")), "budget_exceeded");
        scene.ok("reservation.commit", json!({"id": reserved["id"], "actual": "1"}));
        assert_eq!(scene.amounts(&budget), ["5", "3", "0", "0"], "{owner}");
        let money = json!({"owner": owner, "resourceType": "money", "amount": "1", "unit": "CAD"});
        assert_eq!(scene.code("usage.record", money), "not_found", "{owner} has no budget of money");
    }
    for list in ["budget.list", "budgetAccount.list", "budgetEvent.list", "reservation.list", "usage.list"] {
        for owner in owners {
            let rows = scene.items(list, json!({"owner": owner}));
            assert!(!rows.is_empty() && rows.iter().all(|row| row["owner"] == owner), "{list} {owner}");
        }
    }
    // The next day has a budget too: an owner does not end as a project does.
    scene.after(DAY);
    scene.after(DAY);
    assert_eq!(scene.items("budget.list", json!({"owner": "team-a"})).len(), 3);
    scene.verify();
}

#[test]
fn a_project_is_the_owner_with_its_id() {
    let scene = FleetScene::new();
    scene.budget("total", "10");
    let of_owner = scene.items("budget.list", json!({"owner": PROJECT}));
    assert_eq!((of_owner.len(), &of_owner[0]["projectUuid"]), (1, &json!(PROJECT)));
    for owner in ["", "a\nb", &"x".repeat(201)] {
        assert_eq!(scene.code("budget.create", calls_of(owner, "1")), "invalid", "{owner:?}");
    }
}

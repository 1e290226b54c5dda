//! Views over usage and machines, compared with a calculation in the test.

use std::collections::BTreeMap;

use runstate::testing::SimIds;
use runstate::time::Millis;
use rust_decimal::Decimal;
use serde_json::json;

use super::scene::{FleetScene, PROJECT, money, text};

#[test]
fn summary_adds_up_by_day_resource_and_unit() {
    let scene = FleetScene::new();
    let ids = SimIds::new(7);
    scene.ok("exchangeRate.set", json!({"currency": "USD", "priceCad": "1.25", "validFrom": "2024-01-01"}));
    let mut expected: BTreeMap<(String, String, String), (Decimal, u64)> = BTreeMap::new();
    for round in 0..200 {
        let (resource, unit) =
            [("money", "CAD"), ("money", "USD"), ("time", "hours"), ("api_calls", "calls")][ids.below(4)];
        let amount = Decimal::new(ids.below(5_000_000) as i64, 6).normalize();
        let mut parameters = money(&amount.to_string());
        (parameters["resourceType"], parameters["unit"]) = (resource.into(), unit.into());
        scene.ok("usage.record", parameters);
        let day = scene.host.clock.now().to_rfc3339()[..10].to_owned();
        let row = expected.entry((day, resource.to_owned(), unit.to_owned())).or_default();
        *row = (row.0 + amount, row.1 + 1);
        if round % 40 == 39 {
            scene.host.clock.advance(Millis::minutes(11 * 60));
        }
    }
    let rows = scene.ok("usage.summary", json!({"projectUuid": PROJECT}));
    let mut found = BTreeMap::new();
    for row in rows.as_array().unwrap() {
        assert_eq!((&row["projectName"], &row["greediness"]), (&json!("p"), &json!("0.5")));
        let total: Decimal = text(&row["totalAmount"]).parse().unwrap();
        let count = row["transactionCount"].as_u64().unwrap();
        let mean: f64 = total.to_string().parse::<f64>().unwrap() / count as f64;
        assert!((row["avgAmount"].as_f64().unwrap() - mean).abs() < 1e-9, "{row}");
        assert_eq!(row["totalCostCad"].is_null(), row["resourceType"] != "money", "{row}");
        let key = (text(&row["usageDate"]), text(&row["resourceType"]), text(&row["unit"]));
        found.insert(key, (total.normalize(), count));
    }
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(key, (sum, count))| (key, (sum.normalize(), count))).collect();
    assert_eq!(found, expected);
    // 90 days before today are shown, and no more.
    let first = scene.ok("usage.summary", json!({}))[0]["usageDate"].clone();
    assert_eq!(first, "2024-01-20");
    scene.host.clock.set(runstate::time::Timestamp::from_rfc3339("2024-04-19T23:59:59Z").unwrap());
    assert_eq!(scene.ok("usage.summary", json!({}))[0]["usageDate"], "2024-01-20");
    scene.host.clock.advance(Millis::seconds(1));
    assert_ne!(scene.ok("usage.summary", json!({}))[0]["usageDate"], "2024-01-20");
}

#[test]
fn performance_counts_machines_of_30_days_without_hubs() {
    let scene = FleetScene::with_checkpoint();
    let end = |machine: &str, error: Option<&str>, actual: Option<&str>| {
        scene.ok("intelligentMachine.terminate", json!({"id": machine, "error": error, "actual": actual}))
    };
    scene.spawn("hub");
    let (a, b, c) = (scene.spawn("aider"), scene.spawn("aider"), scene.spawn("aider"));
    let mut calls = money("3");
    (calls["resourceType"], calls["unit"], calls["machineUuid"]) = ("api_calls".into(), "calls".into(), json!(a));
    scene.ok("usage.record", calls);
    scene.checkpoint(json!({"type": "automatic", "machineUuid": a}));
    scene.host.clock.advance(Millis::minutes(10));
    end(&a, None, Some("0.5"));
    scene.host.clock.advance(Millis::minutes(10));
    end(&b, Some("broke"), None);
    let rows = scene.ok("intelligentMachine.performance", json!({}));
    let expected = json!([{
        "machineType": "aider", "totalMachines": 3, "avgRuntimeMinutes": 15.0, "successfulMachines": 1,
        "successRatePercent": 33.33, "avgMoneyCost": 0.5, "avgApiCalls": 3.0, "avgCheckpointsCreated": 1.0 / 3.0,
    }]);
    assert_eq!(rows, expected);
    end(&c, None, None);
    scene.host.clock.advance(Millis::days(31));
    assert_eq!(scene.ok("intelligentMachine.performance", json!({})), json!([]));
    assert_eq!(scene.ok("intelligentMachine.performance", json!({"days": 40})).as_array().unwrap().len(), 1);
}

//! Due work beside sessions that another program has damaged so that a server's store cannot decode them.

use std::sync::Arc;

use runstate::domain::orchestration::DOMAIN;
use runstate::engine::{Engine, Host as _, RunLimit, SystemHost};
use runstate::store::Freshness;
use runstate::testing::SimHost;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::orchestration_cases::{Reopen, call};
use crate::settings::is_full_run;

/// Creates sessions, damages the second and the fourth, and does due work when all are due. The damaged ones are
/// reported, and delay neither the other sessions nor the other rules.
pub async fn expect_no_delay(open: &Reopen<'_>, damage: impl AsyncFn(&str)) {
    let host = SimHost::default();
    host.clock.set(SystemHost.now());
    let engine = Engine::new(open().await.unwrap(), Arc::new(host.clone()), &[&DOMAIN]).await.unwrap();
    let ok = async |name: &str, parameters: Json| call(&engine, name, parameters).await.unwrap();
    ok("machine.register", json!({"id": "m", "hostname": "h", "slots": [1]})).await;
    for id in ["s1", "s2", "s3", "s4", "s5"] {
        ok("session.create", json!({"id": id, "project": "p", "machine": "m"})).await;
    }
    for id in ["s4", "s5"] {
        ok("session.complete", json!({"id": id})).await;
    }
    damage("s2").await;
    damage("s4").await;

    // A list shows the others, and names the damaged ones.
    let first = ok("session.list", json!({"limit": 2})).await;
    let pages = [ok("session.list", json!({"limit": 2, "cursor": first["next"]})).await, first];
    let ids = |rows: &str, name: &str| -> Vec<String> {
        let rows = pages.iter().flat_map(|page| page[rows].as_array().into_iter().flatten());
        let mut ids: Vec<String> = rows.map(|row| row[name].as_str().unwrap().to_owned()).collect();
        ids.sort();
        // A damaged document may be on both pages.
        ids.dedup();
        ids
    };
    assert_eq!(ids("items", "id"), ["s1", "s3", "s5"]);
    assert_eq!(ids("damaged", "id"), ["s2", "s4"]);

    host.clock.advance(Millis::minutes(20));
    assert!(engine.next_due(Freshness::Linearizable).await.unwrap().is_some_and(|at| at <= host.clock.now()));
    let report = engine.run_due(100, RunLimit::Stop).await.unwrap();
    let failed: Vec<_> = report.failed.iter().map(|one| (one.id.as_str(), one.error.code.as_str())).collect();
    assert_eq!(failed, [("s2", "corrupt")]);
    for id in ["s1", "s3"] {
        assert_eq!(ok("session.show", json!({"id": id})).await["status"], "stalled");
    }
    assert_eq!(ok("machine.show", json!({"id": "m"})).await["status"], "offline");

    // Neither reports it again, nor is it due for ever.
    assert!(engine.run_due(100, RunLimit::Stop).await.unwrap().failed.is_empty());
    assert!(engine.next_due(Freshness::Linearizable).await.unwrap().is_some_and(|at| at > host.clock.now()));

    host.clock.advance(Millis::days(31));
    assert!(engine.run_due(100, RunLimit::Stop).await.unwrap().failed.is_empty());
    assert_eq!(call(&engine, "session.show", json!({"id": "s5"})).await, Err("not_found"));
    assert_eq!(ok("session.show", json!({"id": "s1"})).await["status"], "failed");
}

/// Sessions, of which all but the last are damaged: more than a page names.
const DAMAGED: [usize; 2] = [130, 250];

/// A page and a report of due work name some of the documents of a collection that cannot be read, and find the one
/// that can.
pub async fn expect_bounded_damage(open: &Reopen<'_>, damage_all: impl AsyncFn(&str)) {
    let sessions = DAMAGED[usize::from(is_full_run())];
    let last = format!("s{sessions:03}");
    let host = SimHost::default();
    host.clock.set(SystemHost.now());
    let engine = Engine::new(open().await.unwrap(), Arc::new(host.clone()), &[&DOMAIN]).await.unwrap();
    let ok = async |name: &str, parameters: Json| {
        let called = engine.call(&format!("orchestration.{name}"), parameters.as_object().unwrap().clone()).await;
        called.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    ok("machine.register", json!({"id": "m", "hostname": "h", "slots": [1]})).await;
    for n in 0..=sessions {
        ok("session.create", json!({"id": format!("s{n:03}"), "project": "p", "machine": "m"})).await;
    }
    damage_all(&last).await;
    for sort in ["lastHeartbeat", "projectId"] {
        let page = ok("session.list", json!({"limit": 2, "sort": sort})).await;
        assert_eq!(page["items"].as_array().unwrap().len(), 1, "{sort}");
        assert_eq!(page["items"][0]["id"], last);
        assert_eq!((page["damaged"].as_array().unwrap().len(), &page["moreDamaged"]), (100, &json!(true)), "{sort}");
        assert!(page["next"].is_null());
    }
    host.clock.advance(Millis::minutes(20));
    let report = engine.run_due(1_000, RunLimit::Stop).await.unwrap();
    assert_eq!(report.failed.last().unwrap().id, "orchestration.sessions");
    assert!(report.failed.len() <= sessions + 1, "{}", report.failed.len());
    assert_eq!(ok("session.show", json!({"id": last})).await["status"], "stalled");
}

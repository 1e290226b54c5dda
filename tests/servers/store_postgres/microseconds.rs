//! Times that SQL writes by hand have microseconds, which documents do not have.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runstate::decision::EngineSettings;
use runstate::domain::fleet::{DOMAIN, Project, ResourceUsage};
use runstate::engine::Engine;
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Entity, Query};
use runstate::store::{Freshness, Store};
use runstate::testing::SimHost;
use serde_json::json;

use super::open;
use crate::settings::is_full_run;
use crate::support::batches::{batch, insert};
use crate::support::postgres::{connect, fresh_url, run_on_server};

fn uuid(number: usize) -> String {
    format!("01900000-0000-7000-8000-{number:012x}")
}

/// Rows of uses whose times are some hundred microseconds apart, so that several are within one millisecond.
async fn fill(url: &str, store: &dyn Store, uses: usize) {
    let project = json!({
        "uuid": uuid(0), "name": "p", "greediness": "0.5", "status": "active", "created_at": 0, "updated_at": 0,
    });
    store.commit(batch("project", vec![insert(&Project::COLLECTION, &uuid(0), project)])).await.unwrap();
    let usage = |number: usize| {
        let document = json!({
            "uuid": uuid(number), "project_uuid": uuid(0), "resource_type": "time", "unit": "hours", "amount": "1",
            "recorded_at": 1_700_000_000_000i64, "billing_period": "2023-11-01",
        });
        insert(&ResourceUsage::COLLECTION, &uuid(number), document)
    };
    for (part, numbers) in (1..=uses).collect::<Vec<_>>().chunks(500).enumerate() {
        let writes = numbers.iter().map(|number| usage(*number)).collect();
        store.commit(batch(&format!("part {part}"), writes)).await.unwrap();
    }
    // In another order than that of their ids.
    let by_hand = "UPDATE fleet.resource_usage SET recorded_at = recorded_at + interval '137 microseconds' * \
                   (abs(hashtext(uuid::text)) % 20000)";
    connect(url).await.batch_execute(by_hand).await.unwrap();
}

#[test]
fn lists_and_verification_of_times_with_microseconds_end() {
    run_on_server(async {
        let url = fresh_url().await;
        let uses = if is_full_run() { 10_000 } else { 400 };
        let store = Arc::new(open(&url).await);
        let host = Arc::new(SimHost::default());
        let engine = Engine::with_settings(store.clone(), host, &[&DOMAIN], EngineSettings::default()).await.unwrap();
        fill(&url, &*store, uses).await;
        for direction in [Ascending, Descending] {
            let mut query = Query::of(&ResourceUsage::COLLECTION).sort("recorded_at", direction).limit(70);
            let mut found = Vec::new();
            for _ in 0..=uses / 70 {
                let page = store.query(&query, Freshness::Linearizable).await.unwrap();
                found.extend(page.items);
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
            assert!(query.cursor.is_none(), "{direction:?}: the list does not end");
            assert_eq!(found.len(), uses);
            assert_eq!(found.iter().map(|row| &row.id).collect::<BTreeSet<_>>().len(), uses);
            let mut times: Vec<i64> =
                found.iter().map(|row| row.stored.document["recorded_at"].as_i64().unwrap()).collect();
            if direction == Descending {
                times.reverse();
            }
            assert!(times.is_sorted());
        }
        let verified = tokio::time::timeout(Duration::from_secs(300), engine.verify(|_| {})).await;
        let findings = verified.expect("verification ends").unwrap().findings;
        assert!(findings.is_empty(), "{findings:?}");
    });
}

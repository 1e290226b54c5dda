//! The plan of every query of `domain/cvm`, and of the due work of `domain/orchestration`: a declared index serves it,
//! and where an index has the order, nothing is sorted but rows that are equal in it.

use runstate::domain::cvm::COLLECTIONS;
use runstate::domain::orchestration;
use runstate::schema::{Catalog, Entity as _, Filter, Query};
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Freshness, Store, StoreAdmin, Write};
use runstate::time::Timestamp;
use serde_json::json;

use crate::support::batches::{batch, insert};
use crate::support::domain_plans::{
    ByIndex, EXECUTION_COUNT, InMemory, PlanCase, domain_queries, domain_writes, plan_case, seed_queries,
};
use crate::support::postgres::{connect, fresh_url, run_on_server};

/// Opens a store whose server prefers any index to reading a whole table: the tables of tests are small.
async fn open(catalog: &Catalog, writes: Vec<Write>) -> Postgres {
    let url = fresh_url().await;
    let options = "options=-c%20enable_seqscan%3Doff%20-c%20enable_bitmapscan%3Doff";
    let store = Postgres::open(&format!("{url}?{options}"), PostgresOptions::default()).await.unwrap();
    store.migrate(catalog).await.unwrap();
    for (n, chunk) in writes.chunks(1_000).enumerate() {
        store.commit(batch(&format!("fill{n}"), chunk.to_vec())).await.unwrap();
    }
    connect(&url).await.batch_execute("ANALYZE").await.unwrap();
    store
}

/// The plan of a query, if it is not the expected one.
async fn objection(store: &Postgres, case: &PlanCase) -> Option<String> {
    let plan = store.explain(&case.query).await.unwrap();
    let page = store.query(&case.query, Freshness::Linearizable).await.unwrap();
    println!("{}: {}", case.name, plan.replace('\n', " | "));
    let is_scanned = plan.contains("Seq Scan") || !plan.contains("Index Scan");
    // An incremental sort orders rows that are equal in the index. A few rows may be sorted after any index.
    let mut nodes = plan.lines().map(|line| line.trim_start_matches(['-', '>', ' ']));
    let is_sorted = case.order == ByIndex && case.documents > 4 && nodes.any(|node| node.starts_with("Sort  ("));
    (is_scanned || is_sorted || page.items.is_empty()).then(|| format!("{}: {plan}", case.name))
}

#[test]
fn every_query_of_the_domain_uses_an_index() {
    run_on_server(async {
        let store = open(&Catalog::new(COLLECTIONS).unwrap(), domain_writes()).await;
        let mut objections = Vec::new();
        for case in seed_queries().into_iter().chain(domain_queries()) {
            objections.extend(objection(&store, &case).await);
        }
        assert!(objections.is_empty(), "{}", objections.join("\n\n"));
    });
}

#[test]
fn due_sessions_are_found_by_index() {
    run_on_server(async {
        let mut writes = Vec::new();
        for n in 0..EXECUTION_COUNT {
            let id = format!("x{n}");
            let mut session = json!({
                "session_id": id, "project_id": "p", "machine_id": "m", "status": "active", "started_at": n,
                "last_heartbeat": n, "created_at": n, "updated_at": n,
            });
            match n % 20 {
                0 => {}
                1 => session["due_at"] = (n * 10).into(),
                // Some have ended: the store expires most of them, and due work removes the others.
                of @ 2..10 => {
                    session["status"] = "completed".into();
                    session["completed_at"] = n.into();
                    if of > 2 {
                        session["expires"] = true.into();
                    }
                }
                _ => session["due_at"] = (n + 1_000_000).into(),
            }
            writes.push(insert(&orchestration::Session::COLLECTION, &id, session));
        }
        let store = open(&Catalog::new(orchestration::DOMAIN.collections).unwrap(), writes).await;
        let mut objections = Vec::new();
        let until = Some(Timestamp::from_millis(3_000));
        let all = orchestration::DOMAIN.due.iter();
        for rule in all.filter(|rule| rule.collection.name == "orchestration.sessions") {
            // Sessions of the older system, which do not say when they are due, are few.
            let order = if rule.name == "orchestration.session_due" { ByIndex } else { InMemory };
            for query in [rule.query(until).limit(16), rule.query(None).limit(1)] {
                objections.extend(objection(&store, &plan_case(rule.name, query, "", order, 33)).await);
            }
        }
        assert!(objections.is_empty(), "{}", objections.join("\n\n"));
    });
}

#[test]
fn elements_and_words_are_found_by_index() {
    use runstate::schema::Direction::Ascending;
    use runstate::schema::{Collection, Field, Index};
    const NOTES: Collection = Collection::new("t.notes", 1)
        .fields(&[Field::list("tags"), Field::text("title"), Field::json("any").optional()])
        .indexes(&[
            Index::each(&[("tags", Ascending)]),
            Index::text(&[("title", Ascending)]),
            Index::contains(&[("any", Ascending)]),
        ]);
    run_on_server(async {
        let note = |n: i64| json!({"tags": [format!("tag{n}")], "title": format!("note number {n}"), "any": [n]});
        let writes = (0..600).map(|n| insert(&NOTES, &n.to_string(), note(n)));
        let store = open(&Catalog::new(&[&NOTES]).unwrap(), writes.collect()).await;
        for (filter, found) in [
            (Filter::Contains("tags".into(), "tag7".into()), "7"),
            (Filter::Text("title".into(), "NUMBER 8".into()), "8"),
            (Filter::Contains("any".into(), 9.into()), "9"),
        ] {
            let query = Query::of(&NOTES).filter(filter).limit(10);
            let page = store.query(&query, Freshness::Linearizable).await.unwrap();
            assert_eq!(page.items.iter().map(|row| &*row.id).collect::<Vec<_>>(), [found]);
        }
    });
}

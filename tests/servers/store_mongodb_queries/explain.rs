//! The plan of every query of `domain/cvm`, and of the due work of `domain/orchestration`: it uses a declared index,
//! sorts by it where possible, and reads no unnecessary documents. The plans come from the server's profiler, for the
//! very commands that the store sends.

use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};
use runstate::domain::cvm::{CC_HISTORY, COLLECTIONS, EXECUTION_LOGS, EXECUTIONS};
use runstate::domain::orchestration::{self, Machine, Session, Task};
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Accumulator, Aggregate, Catalog, Entity as _, Filter, Group, Query};
use runstate::store::{Freshness, Store, Write};
use runstate::time::{Millis, Timestamp};
use serde_json::json;

use super::{MongoTestStore, open_in_one_database};
use crate::support::batches::{batch, insert};
use crate::support::domain_plans::{ByIndex, PlanCase};
use crate::support::domain_plans::{EXECUTION_COUNT, absent, domain_queries, domain_writes, plan_case, seed_queries};
use crate::support::mongodb::run_on_server;

/// The profile of the last query of a collection.
pub async fn last_profile(database: &Database, collection: &str) -> Document {
    let profile = database.collection::<Document>("system.profile");
    // A command that only closes a cursor has no plan.
    let of_collection = doc! {"ns": format!("{}.{collection}", database.name()), "planSummary": {"$exists": true}, "op": {"$in": ["query", "command"]}};
    profile.find_one(of_collection).sort(doc! {"$natural": -1}).await.unwrap().unwrap()
}

pub fn number(profile: &Document, name: &str) -> i64 {
    match profile.get(name) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        _ => 0,
    }
}

/// Enables the profiler of a database that is filled already.
pub async fn enable_profiling(fixture: &MongoTestStore) -> Database {
    let client = Client::with_uri_str(&fixture.server).await.unwrap();
    let database = client.database(&fixture.database);
    database.run_command(doc! {"profile": 2}).await.unwrap();
    database
}

pub async fn check_plans(fixture: &MongoTestStore, table: Vec<PlanCase>) {
    let database = enable_profiling(fixture).await;
    let mut unexpected = Vec::new();
    for PlanCase { name, query, index, order, documents } in table {
        let page = fixture.store.query(&query, Freshness::Linearizable).await.unwrap();
        let profile = last_profile(&database, &query.collection).await;
        let plan = profile.get_str("planSummary").unwrap();
        let (read, sorted) = (number(&profile, "docsExamined"), profile.get_bool("hasSortStage").unwrap_or(false));
        println!("{name}: {plan}, {read} read for {}{}", page.items.len(), if sorted { ", sorted" } else { "" });
        // A plan that merges ranges names the index once for each.
        let uses = |index: &str| {
            plan.split("}, ").all(|scan| scan.trim_end_matches([' ', '}']) == format!("IXSCAN {{ {index}"))
        };
        let served = index.split('|').any(uses);
        if !served || (sorted && order == ByIndex) || read > documents || page.items.is_empty() {
            unexpected.push(format!("{name}: {plan}, {read} read for {}, sorted: {sorted}", page.items.len()));
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

pub async fn fill(fixture: &MongoTestStore, writes: Vec<Write>) {
    for (n, chunk) in writes.chunks(1_000).enumerate() {
        fixture.store.commit(batch(&format!("fill{n}"), chunk.to_vec())).await.unwrap();
    }
}

#[test]
fn every_query_of_the_domain_uses_an_index() {
    run_on_server(async {
        let catalog = Catalog::new(COLLECTIONS).unwrap();
        let fixture = open_in_one_database(&catalog).await;
        fill(&fixture, domain_writes()).await;
        check_plans(&fixture, seed_queries().into_iter().chain(domain_queries()).collect()).await;
        let mut page_four = Query::of(&EXECUTIONS).eq("programName", "program 7").sort("started", Descending).limit(5);
        for _ in 0..3 {
            page_four.cursor = fixture.store.query(&page_four, Freshness::Linearizable).await.unwrap().next;
        }
        let page_four = plan_case("history, page four", page_four, "programName: 1, started: -1", ByIndex, 23);
        let mut page_two = Query::of(&CC_HISTORY)
            .filter(absent("outcome"))
            .sort("kind", Ascending)
            .sort("availableAt", Ascending)
            .limit(5);
        page_two.cursor = fixture.store.query(&page_two, Freshness::Linearizable).await.unwrap().next;
        let page_two = plan_case("open calls, page two", page_two, "kind: 1, availableAt: 1", ByIndex, 28);
        check_plans(&fixture, vec![page_four, page_two]).await;
        count_by_index(&fixture).await;
        sweep_by_index(&fixture).await;
    });
}

#[test]
fn due_sessions_and_machines_are_found_by_index() {
    run_on_server(async {
        let catalog = Catalog::new(orchestration::DOMAIN.collections).unwrap();
        let fixture = open_in_one_database(&catalog).await;
        let mut writes = Vec::new();
        for n in 0..EXECUTION_COUNT {
            let id = format!("x{n}");
            let session =
                json!({"session_id": id, "project_id": "p", "machine_id": "m", "status": "active", "started_at": n});
            let task =
                json!({"task_id": id, "session_id": id, "project_id": "p", "task_name": "t", "status": "pending"});
            let machine = json!({"machine_id": id, "hostname": "h", "status": "online"});
            for (collection, mut document) in
                [(&Session::COLLECTION, session), (&Task::COLLECTION, task), (&Machine::COLLECTION, machine)]
            {
                let times = ["created_at", "updated_at", "last_heartbeat"];
                for field in &times[..if collection.name == Task::COLLECTION.name { 2 } else { 3 }] {
                    document[*field] = n.into();
                }
                // Some have ended: the store expires most of them, and due work removes the others.
                if collection.name != Machine::COLLECTION.name && n % 20 < 10 && n % 20 > 1 {
                    document["status"] = "completed".into();
                    document["completed_at"] = n.into();
                    if n % 20 > 2 {
                        document["expires"] = true.into();
                    }
                }
                if document["status"] != "active" && document["status"] != "online" {
                    writes.push(insert(collection, &id, document));
                    continue;
                }
                // Some are documents of the older system, which do not say when they are due; some are due, and most
                // are not.
                match n % 20 {
                    0 => {}
                    1 => document["due_at"] = (n * 10).into(),
                    _ => document["due_at"] = (n + 1_000_000).into(),
                }
                writes.push(insert(collection, &id, document));
            }
        }
        fill(&fixture, writes).await;
        let until = Some(Timestamp::from_millis(3_000));
        let cases = orchestration::DOMAIN.due.iter().flat_map(|rule| {
            let index = match rule.collection.name {
                _ if rule.is_retention => "expires: 1, status: 1, completed_at: 1",
                "orchestration.sessions" => "due_at: 1, status: 1, last_heartbeat: 1",
                _ => "last_heartbeat: 1",
            };
            [
                plan_case(rule.name, rule.query(until).limit(16), index, ByIndex, 33),
                plan_case(rule.name, rule.query(None).limit(1), index, ByIndex, 18),
            ]
        });
        check_plans(&fixture, cases.collect()).await;
    });
}

async fn count_by_index(fixture: &MongoTestStore) {
    let database = enable_profiling(fixture).await;
    let (latency, of_program) =
        (|| "response.latencyMs".to_owned(), Filter::Eq("programName".to_owned(), "program 7".into()));
    let seed = vec![("avg".to_owned(), Accumulator::Avg(latency())), ("max".to_owned(), Accumulator::Max(latency()))];
    let count = vec![("n".to_owned(), Accumulator::Count)];
    for (collection, group_by, accumulators, index) in [
        (&CC_HISTORY, vec![], seed, "programName: 1"),
        (&EXECUTIONS, vec![Group::Field("state.status".to_owned())], count, "programName: 1, started: -1"),
    ] {
        let filter = of_program.clone();
        let aggregate = Aggregate { collection: collection.name.to_owned(), filter, group_by, accumulators };
        assert!(!fixture.store.aggregate(&aggregate).await.unwrap().is_empty());
        let profile = last_profile(&database, collection.name).await;
        assert_eq!(profile.get_str("planSummary").unwrap(), format!("IXSCAN {{ {index} }}"));
        // The server counts: it returns the rows of the result and nothing else.
        assert!(profile.get_document("command").unwrap().contains_key("pipeline"), "{profile}");
        assert!(number(&profile, "nreturned") <= 2, "{profile}");
    }
}

async fn sweep_by_index(fixture: &MongoTestStore) {
    let database = enable_profiling(fixture).await;
    let month = Millis::days(30).0;
    let swept = fixture.store.sweep(EXECUTION_LOGS.name, Timestamp::from_millis(month + 33), 100).await.unwrap();
    assert_eq!(swept, 16);
    let profile = last_profile(&database, EXECUTION_LOGS.name).await;
    assert_eq!(profile.get_str("planSummary").unwrap(), "IXSCAN { timestamp: 1 }");
    assert_eq!((number(&profile, "docsExamined"), profile.get_bool("hasSortStage").unwrap_or(false)), (16, false));
}

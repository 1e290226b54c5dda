//! The queries in the seeds of other systems, as far as their collections are declared here.

use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{
    Accumulator, Aggregate, Catalog, Collection, Field, Filter, Group, Index, Literal, Predicate, Query, Ttl,
};
use runstate::store::Store;
use runstate::time::{Millis, Timestamp};
use serde_json::json;

use super::explain::{check_plans, enable_profiling, fill, last_profile, number};
use super::open_in_one_database;
use crate::support::batches::insert;
use crate::support::domain_plans::{ByIndex, InMemory, gte, plan_case};
use crate::support::mongodb::run_on_server;

/// From the seed of the AI apps.
const RUNS: Collection = Collection::new("apps.executions", 1)
    .fields(&[
        Field::text("execution_id"),
        Field::int("app_id"),
        Field::text("app_name"),
        Field::int("sub_app_id").optional(),
        Field::text("user_id"),
        Field::text("status"),
        Field::timestamp("started_at"),
    ])
    .indexes(&[
        Index::ordered(&[("execution_id", Ascending)]).unique(),
        Index::ordered(&[("app_id", Ascending), ("sub_app_id", Ascending)]),
        Index::ordered(&[("user_id", Ascending)]),
        Index::ordered(&[("status", Ascending)]),
        Index::ordered(&[("started_at", Descending)]),
    ]);

const STEPS: Collection = Collection::new("apps.execution_steps", 1)
    .fields(&[Field::text("execution_id"), Field::int("step_id"), Field::text("status")])
    .indexes(&[
        Index::ordered(&[("execution_id", Ascending), ("step_id", Ascending)]).unique(),
        Index::ordered(&[("status", Ascending)]),
    ]);

/// From the seed of the session orchestration.
const SESSIONS: Collection = Collection::new("tracking.sessions", 1)
    .fields(&[
        Field::text("session_id"),
        Field::text("project_id"),
        Field::text("machine_id"),
        Field::text("status"),
        Field::timestamp("last_heartbeat"),
        Field::timestamp("completed_at").optional(),
    ])
    .indexes(&[
        Index::ordered(&[("session_id", Ascending)]).unique(),
        Index::ordered(&[("project_id", Ascending), ("status", Ascending)]),
        Index::ordered(&[("machine_id", Ascending), ("status", Ascending)]),
        Index::ordered(&[("last_heartbeat", Ascending)]),
    ])
    .ttl(Ttl {
        field: "completed_at",
        after: Millis::days(30),
        partial: Some(Predicate::All(&[
            Predicate::Exists("completed_at"),
            Predicate::In("status", &[Literal::Text("completed"), Literal::Text("failed")]),
        ])),
    });

#[test]
fn every_query_of_the_other_seeds_uses_an_index() {
    run_on_server(async {
        let catalog = Catalog::new(&[&RUNS, &STEPS, &SESSIONS]).unwrap();
        let fixture = open_in_one_database(&catalog).await;
        let mut writes = Vec::new();
        for n in 0..800i64 {
            let id = format!("x{n}");
            let status = ["completed", "failed", "running", "active"][usize::try_from(n % 4).unwrap()];
            writes.push(insert(
                &RUNS,
                &id,
                json!({
                    "execution_id": id, "app_id": n % 5, "app_name": format!("app {}", n % 5), "sub_app_id": n % 3,
                    "user_id": format!("user {}", n % 40), "status": status, "started_at": n * 1_000,
                }),
            ));
            for step in 0..3 {
                writes.push(insert(
                    &STEPS,
                    &format!("{id}-{step}"),
                    json!({"execution_id": id, "step_id": step, "status": status}),
                ));
            }
            writes.push(insert(&SESSIONS, &id, json!({
                "session_id": id, "project_id": format!("project {}", n % 20), "machine_id": format!("machine {}", n % 10),
                "status": status, "last_heartbeat": n, "completed_at": n,
            })));
        }
        fill(&fixture, writes).await;
        let (runs, sessions) = (|| Query::of(&RUNS), || Query::of(&SESSIONS));
        check_plans(
            &fixture,
            vec![
                plan_case(
                    "latest of a user",
                    runs().eq("user_id", "user 7").sort("started_at", Descending).limit(10),
                    "user_id: 1|started_at: -1",
                    InMemory,
                    500,
                ),
                plan_case("by its id", runs().eq("execution_id", "x7").limit(1), "execution_id: 1", ByIndex, 1),
                plan_case(
                    "steps of an execution",
                    Query::of(&STEPS).eq("execution_id", "x7").sort("step_id", Ascending),
                    "execution_id: 1, step_id: 1",
                    ByIndex,
                    3,
                ),
                plan_case(
                    "failed of the last day",
                    runs().eq("status", "failed").filter(gte("started_at", 700_000)),
                    "status: 1|started_at: -1",
                    ByIndex,
                    200,
                ),
                plan_case(
                    "of an app",
                    runs().eq("app_id", 1).eq("sub_app_id", 2),
                    "app_id: 1, sub_app_id: 1",
                    ByIndex,
                    60,
                ),
                plan_case("session by its id", sessions().eq("session_id", "x7").limit(1), "session_id: 1", ByIndex, 1),
                plan_case(
                    "sessions of a project",
                    sessions().eq("project_id", "project 7").eq("status", "active"),
                    "project_id: 1, status: 1",
                    ByIndex,
                    40,
                ),
                plan_case(
                    "sessions of a machine",
                    sessions().eq("machine_id", "machine 7").eq("status", "active"),
                    "machine_id: 1, status: 1",
                    ByIndex,
                    80,
                ),
                plan_case(
                    "without a recent heartbeat",
                    sessions()
                        .filter(Filter::Lt("last_heartbeat".to_owned(), 9.into()))
                        .sort("last_heartbeat", Ascending)
                        .limit(5),
                    "last_heartbeat: 1",
                    ByIndex,
                    22,
                ),
            ],
        )
        .await;
        let rate = Filter::Eq("status".to_owned(), "completed".into());
        let rate = Aggregate {
            collection: RUNS.name.to_owned(),
            filter: Filter::All,
            group_by: vec![Group::Field("app_name".to_owned())],
            accumulators: vec![
                ("total".to_owned(), Accumulator::Count),
                ("successful".to_owned(), Accumulator::CountIf(rate)),
            ],
        };
        assert_eq!(fixture.store.aggregate(&rate).await.unwrap().len(), 5);
        let database = enable_profiling(&fixture).await;
        fixture.store.aggregate(&rate).await.unwrap();
        assert_eq!(number(&last_profile(&database, RUNS.name).await, "nreturned"), 5, "counted on the server");
        let swept =
            fixture.store.sweep(SESSIONS.name, Timestamp::from_millis(Millis::days(30).0 + 9), 100).await.unwrap();
        assert_eq!(swept, 6, "completed and failed ones");
        let profile = last_profile(&database, SESSIONS.name).await;
        assert_eq!(profile.get_str("planSummary").unwrap(), "IXSCAN { completed_at: 1 }");
    });
}

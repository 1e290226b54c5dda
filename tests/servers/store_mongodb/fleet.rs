//! The collections of fleets on MongoDB: the indexes of the schema that the domain continues, and clients that use one
//! budget at once.

use std::sync::Arc;

use runstate::domain::fleet::DOMAIN;
use runstate::engine::{Engine, SystemHost};
use runstate::store::mongodb::{Mongo, MongoOptions};

use super::apps::{ExpectedIndexes, describe_index};
use super::documents::reopener;
use crate::support::fleet_cases as cases;
use crate::support::mongodb::{fresh_url, indexes, run_on_server};

const EXPECTED_INDEXES: &[ExpectedIndexes] = &[
    ExpectedIndexes {
        collection: "projects",
        schema: &[r#"{"greediness":-1} {}"#, r#"{"status":1} {}"#, r#"{"metadata":1} {}"#],
        added: &[r#"{"updated_at":1} {}"#],
    },
    ExpectedIndexes {
        collection: "intelligent_machines",
        schema: &[
            r#"{"status":1} {}"#,
            r#"{"project_uuid":1} {}"#,
            r#"{"spawned_at":1} {}"#,
            r#"{"type":1} {}"#,
            r#"{"spawned_by_hub_uuid":1} {}"#,
        ],
        added: &[r#"{"last_heartbeat":1} {}"#, r#"{"updated_at":1} {}"#],
    },
    ExpectedIndexes {
        collection: "checkpoints",
        schema: &[
            r#"{"project_uuid":1} {}"#,
            r#"{"parent_checkpoint_uuid":1} {}"#,
            r#"{"created_at":-1} {}"#,
            r#"{"checkpoint_type":1} {}"#,
            r#"{"created_by_machine_uuid":1} {}"#,
            r#"{"project_uuid":1,"created_at":-1} {"partialFilterExpression":{"verification_status":"verified"}}"#,
        ],
        added: &[],
    },
    ExpectedIndexes {
        collection: "resource_usage",
        schema: &[
            r#"{"project_uuid":1,"billing_period":1} {}"#,
            r#"{"machine_uuid":1} {}"#,
            r#"{"resource_type":1,"resource_subtype":1} {}"#,
            r#"{"recorded_at":1} {}"#,
        ],
        added: &[r#"{"owner":1} {}"#, r#"{"budgets":1} {}"#],
    },
    ExpectedIndexes {
        collection: "resource_budgets",
        schema: &[
            r#"{"project_uuid":1,"resource_type":1,"budget_period":1,"period_start":1} {"unique":true}"#,
            r#"{"project_uuid":1,"period_start":1,"period_end":1} {}"#,
            r#"{"period_end":1} {}"#,
        ],
        added: &[r#"{"owner":1} {}"#, r#"{"roll_at":1} {}"#, r#"{"updated_at":1} {}"#],
    },
    ExpectedIndexes { collection: "hub_instances", schema: &[r#"{"status":1} {}"#, r#"{"type":1} {}"#], added: &[] },
    ExpectedIndexes {
        collection: "hub_checkpoints",
        schema: &[r#"{"hub_uuid":1} {}"#, r#"{"created_at":-1} {}"#, r#"{"checkpoint_type":1} {}"#],
        added: &[],
    },
    ExpectedIndexes {
        collection: "hub_experiments",
        schema: &[r#"{"status":1} {}"#, r#"{"started_at":1} {}"#],
        added: &[r#"{"ends_at":1} {}"#],
    },
    // Collections whose indexes the schema does not name.
    ExpectedIndexes {
        collection: "greediness_changes",
        schema: &[],
        added: &[r#"{"project_uuid":1,"changed_at":-1} {}"#, r#"{"changed_at":1} {}"#],
    },
    ExpectedIndexes {
        collection: "machine_types",
        schema: &[],
        added: &[r#"{"capabilities":1} {}"#, r#"{"updated_at":1} {}"#],
    },
    ExpectedIndexes {
        collection: "checkpoint_verification_queue",
        schema: &[],
        added: &[r#"{"queued_at":1} {}"#, r#"{"available_at":1} {}"#, r#"{"due_at":1} {}"#],
    },
    ExpectedIndexes {
        collection: "budget_accounts",
        schema: &[],
        added: &[
            r#"{"project_uuid":1,"resource_type":1} {"unique":true}"#,
            r#"{"owner":1} {}"#,
            r#"{"updated_at":1} {}"#,
        ],
    },
    ExpectedIndexes {
        collection: "budget_reservations",
        schema: &[],
        added: &[
            r#"{"state":1,"expires_at":1} {}"#,
            r#"{"project_uuid":1,"expires_at":1} {}"#,
            r#"{"owner":1} {}"#,
            r#"{"resource_type":1} {}"#,
            r#"{"budgets":1} {}"#,
            r#"{"ended_at":1} {"expireAfterSeconds":2592000}"#,
        ],
    },
    ExpectedIndexes {
        collection: "budget_events",
        schema: &[],
        added: &[
            r#"{"project_uuid":1,"at":-1} {}"#,
            r#"{"owner":1} {}"#,
            r#"{"budget_uuid":1} {}"#,
            r#"{"kind":1} {}"#,
            r#"{"at":-1} {}"#,
            r#"{"at":1} {"expireAfterSeconds":31536000}"#,
        ],
    },
    ExpectedIndexes {
        collection: "exchange_rates",
        schema: &[],
        added: &[r#"{"currency":1,"valid_from":-1} {"unique":true}"#],
    },
    ExpectedIndexes { collection: "hub_primary", schema: &[], added: &[] },
    ExpectedIndexes { collection: "upkeep_jobs", schema: &[], added: &[r#"{"due_at":1} {}"#] },
    ExpectedIndexes {
        collection: "maintenance_log",
        schema: &[],
        added: &[r#"{"operation":1} {}"#, r#"{"performed_at":1} {}"#],
    },
];

#[test]
fn indexes_are_those_of_the_schema_and_the_listed_additions() {
    run_on_server(async {
        let url = fresh_url();
        let store = Arc::new(Mongo::open(&url, MongoOptions::default()).await.unwrap());
        Engine::new(store, Arc::new(SystemHost), &[&DOMAIN]).await.unwrap();
        assert_eq!(EXPECTED_INDEXES.len(), DOMAIN.collections.len());
        for ExpectedIndexes { collection, schema, added } in EXPECTED_INDEXES {
            let mut expected: Vec<&str> = [*schema, *added, &[r#"{"_id":1} {}"#]].concat();
            expected.sort_unstable();
            let found = indexes(&url, &format!("fleet.{collection}")).await;
            let mut found: Vec<String> = found.iter().map(describe_index).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{collection}");
        }
    });
}

#[test]
fn records_of_four_clients_never_overspend() {
    run_on_server(async { cases::records_at_once_never_overspend(&reopener(), 4, cases::records([40, 400])).await });
}

#[test]
fn calls_at_once_never_overspend_a_budget() {
    run_on_server(async { cases::calls_at_once_never_overspend(&reopener(), cases::records([12, 24])).await });
}

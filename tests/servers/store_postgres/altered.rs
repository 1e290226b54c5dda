//! Tables that others alter by hand: columns of their own, and columns of the store that they drop, rename or retype.

use runstate::schema::{Catalog, Collection, Field, Format, Key, Query};
use runstate::store::postgres::Postgres;
use runstate::store::{Expectation, Freshness, Store, StoreAdmin, StoreError};
use serde_json::{Value as Json, json};

use super::open;
use crate::support::batches::{batch, insert, put};
use crate::support::postgres::{connect, fresh_url, read_text, run_on_server};

const C: Collection =
    Collection::new("t.c", 1).fields(&[Field::text("a").optional(), Field::timestamp("at").optional()]);
/// Another program with one more field, and the same version.
const WITH_N: Collection = Collection::new("t.c", 1).fields(&[
    Field::text("a").optional(),
    Field::timestamp("at").optional(),
    Field::int("n").optional(),
]);

async fn migrated(url: &str, collection: &'static Collection) -> Postgres {
    let store = open(url).await;
    store.migrate(&Catalog::new(&[collection]).unwrap()).await.unwrap();
    store
}

async fn alter(url: &str, script: &str) {
    connect(url).await.batch_execute(script).await.unwrap();
}

async fn document(store: &Postgres, id: &str) -> Json {
    let found = store.get(&[Key::new(&C, id)], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
    Json::Object((*found.document).clone())
}

async fn queried(store: &Postgres) -> Vec<Json> {
    let page = store.query(&Query::of(&C).limit(10), Freshness::Linearizable).await.unwrap();
    page.items.iter().map(|row| Json::Object((*row.stored.document).clone())).collect()
}

async fn put_again(store: &Postgres, command: &str, id: &str, document: Json) {
    store.commit(batch(command, vec![put(&C, id, Expectation::Any, document)])).await.unwrap();
}

/// The statement that an error advises.
fn statement(message: &str) -> String {
    message.split('`').find(|part| part.starts_with("ALTER TABLE")).expect(message).to_owned()
}

#[test]
fn columns_of_others_are_ignored() {
    run_on_server(async {
        let url = fresh_url().await;
        let running = migrated(&url, &C).await;
        running.commit(batch("a", vec![insert(&C, "a", json!({"a": "x"}))])).await.unwrap();
        alter(&url, "ALTER TABLE t.c ADD mine text NOT NULL DEFAULT 'x', ADD own jsonb, ADD sum numeric DEFAULT 'NaN'")
            .await;
        alter(&url, "UPDATE t.c SET mine = 'kept'").await;
        for (n, store) in [running.clone(), migrated(&url, &C).await].iter().enumerate() {
            assert_eq!(document(store, "a").await, json!({"a": "x"}));
            put_again(store, &format!("change {n}"), "a", json!({"a": "x"})).await;
            put_again(store, &format!("new {n}"), "b", json!({"a": "y"})).await;
            assert_eq!(queried(store).await, [json!({"a": "x"}), json!({"a": "y"})]);
        }
        assert_eq!(read_text(&url, "SELECT mine FROM t.c WHERE _id = 'a'").await.as_deref(), Some("kept"));
        let not_null = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 't.c'::regclass AND attname = 'mine'";
        assert_eq!(read_text(&url, not_null).await.as_deref(), Some("t"));
        alter(&url, "ALTER TABLE t.c DROP COLUMN mine, DROP COLUMN own").await;
        for (n, store) in [running, migrated(&url, &C).await].iter().enumerate() {
            put_again(store, &format!("after {n}"), "a", json!({"a": "z"})).await;
            assert_eq!(queried(store).await, [json!({"a": "z"}), json!({"a": "y"})]);
        }
    });
}

#[test]
fn column_of_others_without_default_refuses_insertions_only() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = migrated(&url, &C).await;
        store.commit(batch("a", vec![insert(&C, "a", json!({"a": "x"}))])).await.unwrap();
        alter(&url, "ALTER TABLE t.c ADD mine int NOT NULL DEFAULT 1; ALTER TABLE t.c ALTER mine DROP DEFAULT").await;
        put_again(&store, "change", "a", json!({"a": "y"})).await;
        assert_eq!(document(&store, "a").await, json!({"a": "y"}));
        let refused = store.commit(batch("b", vec![insert(&C, "b", json!({}))])).await.unwrap_err();
        assert_eq!((refused.code().as_str(), refused.key()), ("invalid", Some(&Key::new(&C, "b"))));
        assert!(refused.to_string().contains("`mine`"), "{refused}");
        alter(&url, &statement(&refused.to_string())).await;
        store.commit(batch("b", vec![insert(&C, "b", json!({}))])).await.unwrap();
    });
}

#[test]
fn field_that_another_process_gave_a_column_is_not_lost() {
    run_on_server(async {
        let url = fresh_url().await;
        let older = migrated(&url, &C).await;
        older.commit(batch("a", vec![insert(&C, "a", json!({"n": 7}))])).await.unwrap();
        // The older process knows a column of others with the name that the field gets.
        alter(&url, "ALTER TABLE t.c ADD n bigint DEFAULT 1").await;
        assert_eq!(document(&older, "a").await, json!({"n": 7}));
        alter(&url, "ALTER TABLE t.c DROP n").await;
        let newer = migrated(&url, &WITH_N).await;
        assert_eq!(read_text(&url, "SELECT n FROM t.c").await.as_deref(), Some("7"));
        let mut read = document(&older, "a").await;
        assert_eq!(read, json!({"n": 7}));
        read["a"] = "x".into();
        put_again(&older, "change", "a", read).await;
        assert_eq!(document(&newer, "a").await, json!({"a": "x", "n": 7}));
        assert_eq!(queried(&older).await, [json!({"a": "x", "n": 7})]);
    });
}

#[test]
fn column_of_others_with_the_name_of_a_new_field_is_refused() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = migrated(&url, &C).await;
        store.commit(batch("a", vec![insert(&C, "a", json!({"n": 7}))])).await.unwrap();
        alter(&url, "ALTER TABLE t.c ADD n bigint DEFAULT 1").await;
        let newer = open(&url).await;
        let catalog = Catalog::new(&[&WITH_N]).unwrap();
        let refused = newer.migrate(&catalog).await.unwrap_err();
        assert!(matches!(refused, StoreError::UnsuitableCollection { .. }), "{refused}");
        alter(&url, &statement(&refused.to_string())).await;
        newer.migrate(&catalog).await.unwrap();
        assert_eq!(document(&newer, "a").await, json!({"n": 7}));
    });
}

/// Changes of an operator's hand, each with the part of the message that names the column.
const CHANGES: [(&str, &str); 5] = [
    ("ALTER TABLE t.c DROP COLUMN at", "`at`"),
    ("ALTER TABLE t.c RENAME COLUMN a TO b", "`a`"),
    ("ALTER TABLE t.c ALTER COLUMN at TYPE text", "`at`"),
    ("ALTER TABLE t.c ALTER COLUMN a TYPE jsonb USING to_jsonb(a)", "`a`"),
    ("ALTER TABLE t.c ALTER COLUMN a TYPE text COLLATE \"POSIX\"", "`a`"),
];

#[test]
fn altered_column_is_named_with_the_statement_that_mends_it() {
    run_on_server(async {
        for (change, column) in CHANGES {
            let url = fresh_url().await;
            let running = migrated(&url, &C).await;
            let stored = json!({"a": "x", "at": 1_000, "z": 1});
            running.commit(batch("a", vec![insert(&C, "a", stored.clone())])).await.unwrap();
            alter(&url, change).await;
            let catalog = Catalog::new(&[&C]).unwrap();
            let opened = open(&url).await;
            let refused = opened.migrate(&catalog).await.unwrap_err();
            assert!(matches!(refused, StoreError::UnsuitableCollection { .. }), "{change}: {refused}");
            assert!(refused.to_string().contains(column), "{change}: {refused}");
            // Verification opens the store without a migration.
            opened.declare(&catalog).await.unwrap();
            let report = opened.inspect(&catalog).await.unwrap();
            let damage = report.damage().map(|finding| (finding.at.as_str(), finding.why.clone()));
            assert_eq!(damage, Some(("t.c", refused.to_string())), "{change}");
            // A process that runs notices a column that is gone or has another type.
            if !change.contains("COLLATE") {
                let read = running.get(&[Key::new(&C, "a")], Freshness::Linearizable).await.unwrap_err();
                assert_eq!(read, refused, "{change}");
                let write = batch("b", vec![put(&C, "a", Expectation::Any, json!({"a": "y", "at": 5}))]);
                assert_eq!(running.commit(write).await.unwrap_err(), refused, "{change}");
            }
            alter(&url, &statement(&refused.to_string())).await;
            let mut expected = stored.clone();
            if change.contains("DROP") {
                expected.as_object_mut().unwrap().shift_remove("at");
            }
            for store in [&running, &opened] {
                store.migrate(&catalog).await.unwrap();
                assert_eq!(document(store, "a").await, expected, "{change}");
            }
            assert!(opened.inspect(&catalog).await.unwrap().findings.is_empty(), "{change}");
            put_again(&running, "c", "a", json!({"a": "y", "at": 5})).await;
            assert_eq!(document(&opened, "a").await, json!({"a": "y", "at": 5}), "{change}");
        }
    });
}

#[test]
fn column_that_would_round_values_is_refused() {
    const N: Collection = Collection::new("t.n", 1).fields(&[
        Field::decimal("sum").format(Format::Decimal(15, 6)),
        Field::timestamp("at"),
        Field::text("name").format(Format::Varchar(9)),
    ]);
    const CHANGES: [(&str, &str); 5] = [
        ("t.n", "sum TYPE numeric(15,2)"),
        ("t.n", "sum TYPE double precision"),
        ("t.n", "at TYPE timestamptz(0)"),
        ("t.n", "name TYPE varchar(8)"),
        ("runstate.commands", "at TYPE date"),
    ];
    for prepared in [true, false] {
        run_on_server(async {
            let url = fresh_url().await;
            let store = migrated(&format!("{url}?preparedStatements={prepared}"), &N).await;
            let write = |n: usize| {
                let document = json!({"sum": "1.234567", "at": 1_234, "name": "12345678 "});
                batch(&n.to_string(), vec![insert(&N, &n.to_string(), document)])
            };
            store.commit(write(0)).await.unwrap();
            for (n, (table, change)) in CHANGES.iter().enumerate() {
                alter(&url, &format!("ALTER TABLE {table} ALTER {change}")).await;
                // A new connection makes its statements for the altered table.
                let refused = store.commit(write(n + 1)).await.unwrap_err();
                assert!(matches!(refused, StoreError::UnsuitableCollection { .. }), "{change}: {refused}");
                assert_eq!(store.commit(write(n + 1)).await.unwrap_err(), refused, "{change}");
                alter(&url, &statement(&refused.to_string())).await;
                store.commit(write(n + 1)).await.unwrap();
                let stored = format!("SELECT sum || name || extract(epoch FROM at) FROM t.n WHERE _id = '{}'", n + 1);
                assert_eq!(read_text(&url, &stored).await.as_deref(), Some("1.23456712345678 1.234000"), "{change}");
            }
        });
    }
}

#[test]
fn column_of_others_is_not_the_id_of_a_table_of_uuids() {
    const U: Collection = Collection::new("t.u", 1)
        .fields(&[Field::id("uuid").format(Format::Uuid), Field::text("a")])
        .id_fields(&["uuid"]);
    const OWN: [&str; 3] = ["ADD _id text", "DROP _id, ADD _id text GENERATED ALWAYS AS (a) STORED", "DROP _id"];
    run_on_server(async {
        let url = fresh_url().await;
        let running = migrated(&url, &U).await;
        let id = |n: usize| format!("01900000-0000-7000-8000-{n:012x}");
        let write = |n: usize| insert(&U, &id(n), json!({"uuid": id(n), "a": "x"}));
        running.commit(batch("first", vec![write(9)])).await.unwrap();
        let record = "SELECT value FROM runstate.meta WHERE key = 't.u'";
        let before = read_text(&url, record).await;
        for (n, change) in OWN.iter().enumerate() {
            alter(&url, &format!("ALTER TABLE t.u {change}")).await;
            let stores = [running.clone(), migrated(&url, &U).await, open(&url).await];
            for (m, store) in stores.iter().enumerate() {
                let keys = [Key::new(&U, &id(9)), Key::new(&U, "x")];
                let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
                let found: Vec<_> = found.into_iter().map(|one| one.map(|one| json!(*one.document))).collect();
                assert_eq!(found, [Some(json!({"uuid": id(9), "a": "x"})), None], "{change} {m}");
                if m < 2 {
                    store.commit(batch(&format!("{n} {m}"), vec![write(2 * n + m)])).await.unwrap();
                }
            }
            assert_eq!(read_text(&url, record).await, before, "{change}");
        }
    });
}

#[test]
fn advised_statement_changes_no_value() {
    const V: Collection = Collection::new("t.v", 1)
        .fields(&[
            Field::id("id").format(Format::Uuid),
            Field::text("name").format(Format::Varchar(5)),
            Field::timestamp("at"),
        ])
        .id_fields(&["id"]);
    run_on_server(async {
        let url = fresh_url().await;
        let store = migrated(&url, &V).await;
        let id = "01900000-0000-7000-8000-000000000001";
        store.commit(batch("a", vec![insert(&V, id, json!({"id": id, "name": "x", "at": 1_000}))])).await.unwrap();
        let advice = async || store.migrate(&Catalog::new(&[&V]).unwrap()).await.unwrap_err().to_string();
        alter(&url, "ALTER TABLE t.v ALTER at TYPE timestamp USING at AT TIME ZONE 'UTC'").await;
        let advised = advice().await;
        assert!(advised.contains("If its times are UTC"), "{advised}");
        alter(&url, &format!("SET timezone = 'America/New_York'; {}", statement(&advised))).await;
        assert_eq!(read_text(&url, "SELECT extract(epoch FROM at)::int FROM t.v").await.as_deref(), Some("1"));
        // A longer text is an error.
        alter(&url, "ALTER TABLE t.v ALTER name TYPE text; UPDATE t.v SET name = 'longer'").await;
        assert!(connect(&url).await.batch_execute(&statement(&advice().await)).await.is_err());
        alter(&url, "UPDATE t.v SET name = 'short'").await;
        alter(&url, &statement(&advice().await)).await;
        alter(&url, "ALTER TABLE t.v DROP id").await;
        let advised = advice().await;
        assert!(advised.contains("restore the table from a backup") && !advised.contains("ADD COLUMN"), "{advised}");
    });
}

#[test]
fn recorded_type_is_no_part_of_a_statement() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = migrated(&url, &C).await;
        let record = r#"value = jsonb_set(value, '{columns,a}', '"text USING NULL; --"') WHERE key = 't.c'"#;
        alter(&url, &format!("UPDATE runstate.meta SET {record}")).await;
        let refused = store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap_err().to_string();
        assert!(refused.contains("Restore `runstate.meta`") && !refused.contains("USING"), "{refused}");
    });
}

#[test]
fn dropped_table_is_damage() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = migrated(&url, &C).await;
        alter(&url, "DROP TABLE t.c").await;
        let report = store.inspect(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        assert_eq!(report.damage().map(|finding| finding.at.as_str()), Some("t.c"));
    });
}

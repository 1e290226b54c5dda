//! Tables that are divided by months.

use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Filter, Format, Index, Key, Query};
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Expectation, Freshness, Store, StoreAdmin, StoreError, Write, WriteOp};
use runstate::time::{Date, Timestamp};
use serde_json::json;

use crate::support::batches::{batch, insert};
use crate::support::ledger::find_waiting_session;
use crate::support::postgres::{connect, fresh_url, read_text, run_on_server};
use crate::support::wait::wait_until;

const FIRST: Collection = Collection::new("t.uses", 1)
    .fields(&[Field::text("day").format(Format::Date), Field::int("n").optional()])
    .partition_by_month("day")
    .insert_only();
const SECOND: Collection = Collection::new("t.uses", 2)
    .fields(&[
        Field::text("day").format(Format::Date),
        Field::int("n").optional(),
        Field::text("name").optional(),
        Field::text("o.t").optional(),
    ])
    .indexes(&[Index::ordered(&[("name", Ascending)]), Index::ordered(&[("o.t", Ascending)])])
    .partition_by_month("day")
    .insert_only();
const WHOLE: Collection =
    Collection::new("t.uses", 1).fields(&[Field::text("day").format(Format::Date), Field::int("n").optional()]);

async fn open(url: &str, collection: &'static Collection) -> Postgres {
    let store = Postgres::open(url, PostgresOptions::default()).await.unwrap();
    store.migrate(&Catalog::new(&[collection]).unwrap()).await.unwrap();
    store
}

fn today() -> Date {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    Date::of(Timestamp::from_millis(i64::try_from(now).unwrap()))
}

/// The names of partitions, without the name of the table.
async fn partitions(url: &str) -> Vec<String> {
    let text = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_inherits JOIN pg_class ON oid = inhrelid \
                WHERE inhparent = 't.uses'::regclass";
    let names = read_text(url, text).await.unwrap();
    names.split(' ').map(|name| name.trim_start_matches("uses_").to_owned()).collect()
}

/// The present month and the two after it, and the default partition.
fn list_months_ahead() -> Vec<String> {
    let mut month = today().month_start();
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(month.to_string()[..7].replace('-', "_"));
        month = month.month_end().plus_days(1);
    }
    names.push("default".to_owned());
    names
}

async fn ids(store: &Postgres, query: Query) -> Vec<String> {
    let page = store.query(&query.limit(1_000), Freshness::Linearizable).await.unwrap();
    page.items.iter().map(|row| row.id.to_string()).collect()
}

fn row(id: &str, day: &str) -> Write {
    insert(&FIRST, id, json!({"day": day, "n": 1}))
}

fn delete(id: &str) -> Write {
    Write { key: Key::new(&FIRST, id), expect: Expectation::Any, op: WriteOp::Delete }
}

#[test]
fn rows_of_any_month_are_found() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url, &FIRST).await;
        assert_eq!(partitions(&url).await, list_months_ahead());
        let today = today().to_string();
        let days = ["0001-01-01", "2020-02-29", &today, "9999-12-31"];
        let writes = days.iter().enumerate().map(|(n, day)| row(&n.to_string(), day));
        store.commit(batch("fill", writes.collect())).await.unwrap();
        assert_eq!(ids(&store, Query::of(&FIRST).sort("day", Ascending)).await, ["0", "1", "2", "3"]);
        let late = Query::of(&FIRST).filter(Filter::Lt("day".into(), today.clone().into()));
        assert_eq!(ids(&store, late).await, ["0", "1"]);
        let found = store.get(&[Key::new(&FIRST, "3")], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
        assert_eq!(json!(*found.document), json!({"day": "9999-12-31", "n": 1}));
        assert_eq!(store.collections().await.unwrap(), ["runstate.commands", "t.uses"]);
        let default = read_text(&url, "SELECT count(*) FROM t.uses_default").await;
        assert_eq!(default.as_deref(), Some("3"));
        store.commit(batch("remove", vec![delete("1"), delete("3")])).await.unwrap();
        assert_eq!(ids(&store, Query::of(&FIRST)).await, ["0", "2"]);
    });
}

#[test]
fn an_id_is_unique_over_all_months() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url, &FIRST).await;
        let today = today().to_string();
        store.commit(batch("first", vec![row("a", &today)])).await.unwrap();
        for day in [today.as_str(), "2020-01-01"] {
            let refused = store.commit(batch("again", vec![row("b", day), row("a", day)])).await.unwrap_err();
            assert_eq!(refused, StoreError::Conflict { key: Key::new(&FIRST, "a") });
        }
        // Many at once, each id in several months.
        let mut running = Vec::new();
        for attempt in 0..40 {
            let (store, day) = (store.clone(), format!("20{:02}-0{}-01", 20 + attempt % 4, 1 + attempt % 9));
            running.push(tokio::spawn(async move {
                let writes = (0..3).map(|n| row(&format!("c{}", (attempt / 4 + n) % 10), &day));
                store.commit(batch(&format!("c{attempt}"), writes.collect())).await
            }));
        }
        let mut committed = 0;
        for one in running {
            match one.await.unwrap() {
                Ok(_) => committed += 3,
                Err(error) => assert_eq!(error.code().as_str(), "conflict", "{error}"),
            }
        }
        let counts = "SELECT count(*) || ' ' || count(DISTINCT _id) FROM t.uses WHERE _id ~ '^c'";
        assert_eq!(read_text(&url, counts).await, Some(format!("{committed} {committed}")));
        assert!(committed >= 3);
        // An id whose row was deleted is free in every month.
        store.commit(batch("delete", vec![delete("a")])).await.unwrap();
        store.commit(batch("return", vec![row("a", "2020-01-01")])).await.unwrap();
        let found = ids(&store, Query::of(&FIRST).eq("day", "2020-01-01")).await;
        assert!(found.contains(&"a".to_owned()), "{found:?}");
    });
}

#[test]
fn upkeep_moves_late_rows_and_drops_empty_months() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url, &FIRST).await;
        let writes =
            vec![row("a", "2020-02-01"), row("b", "2020-02-29"), row("c", "2020-03-01"), row("d", "9999-12-01")];
        store.commit(batch("fill", writes)).await.unwrap();
        store.maintain().await.unwrap();
        let with = |months: &[&str]| -> Vec<String> {
            months.iter().map(|month| (*month).to_owned()).chain(list_months_ahead()).collect()
        };
        assert_eq!(partitions(&url).await, with(&["2020_02", "2020_03"]));
        assert_eq!(
            read_text(&url, "SELECT string_agg(_id, '' ORDER BY _id) FROM t.uses_2020_02").await.as_deref(),
            Some("ab")
        );
        assert_eq!(read_text(&url, "SELECT string_agg(_id, '') FROM t.uses_default").await.as_deref(), Some("d"));
        assert_eq!(ids(&store, Query::of(&FIRST)).await, ["a", "b", "c", "d"]);
        store.commit(batch("late", vec![row("e", "2020-02-15"), delete("c")])).await.unwrap();
        store.maintain().await.unwrap();
        assert_eq!(partitions(&url).await, with(&["2020_02"]));
        assert_eq!(ids(&store, Query::of(&FIRST)).await, ["a", "b", "d", "e"]);
        // Nothing is written if nothing is to be done.
        let tables =
            "SELECT string_agg(oid::text || relfilenode, ' ' ORDER BY oid) FROM pg_class WHERE relname ~ '^uses'";
        let before = read_text(&url, tables).await;
        store.maintain().await.unwrap();
        assert_eq!(read_text(&url, tables).await, before);
    });
}

#[test]
fn a_month_within_a_partition_of_others_gets_none_of_its_own() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url, &FIRST).await;
        let span = "CREATE TABLE t.spring PARTITION OF t.uses FOR VALUES FROM ('2020-03-15') TO ('2020-05-15')";
        connect(&url).await.batch_execute(span).await.unwrap();
        let days = ["2020-03-14", "2020-03-15", "2020-04-01", "2020-05-15", "2020-06-01"];
        store.commit(batch("fill", days.iter().map(|day| row(day, day)).collect())).await.unwrap();
        store.maintain().await.unwrap();
        assert_eq!(
            partitions(&url).await,
            [vec!["spring".to_owned(), "2020_06".to_owned()], list_months_ahead()].concat()
        );
        assert_eq!(ids(&store, Query::of(&FIRST)).await, days);
    });
}

#[test]
fn partitions_change_after_the_rows_that_sql_writes_meanwhile() {
    const WRITES: &str = "BEGIN; UPDATE t.uses SET n = 99 WHERE _id = 'a'; DELETE FROM t.uses WHERE _id = 'b'; \
                          INSERT INTO t.uses (_id, _rev, _v, _rest, day) SELECT 'c', _rev, _v, _rest, '2020-05-03' FROM t.uses LIMIT 1";
    // It waits for no partition while another session waits for it.
    const READS: &str = "BEGIN; LOCK TABLE ONLY t.uses IN ACCESS SHARE MODE";
    for (begin, expected) in [(WRITES, "a99 c"), (READS, "a1 b1")] {
        run_on_server(async {
            let url = fresh_url().await;
            let store = open(&url, &FIRST).await;
            store.commit(batch("x", vec![row("x", "2020-05-01")])).await.unwrap();
            store.maintain().await.unwrap();
            store
                .commit(batch("fill", vec![delete("x"), row("a", "2020-02-01"), row("b", "2020-02-02")]))
                .await
                .unwrap();
            let (sql, upkeep, observer) = (connect(&url).await, connect(&url).await, connect(&url).await);
            sql.batch_execute(begin).await.unwrap();
            let finish = async {
                wait_until("the function waits", async || find_waiting_session(&observer).await).await;
                sql.batch_execute("SELECT count(*) FROM t.uses_default; COMMIT").await
            };
            let (changed, finished) = tokio::join!(upkeep.batch_execute("SELECT t.uses_partitions(true)"), finish);
            changed.unwrap();
            finished.unwrap();
            let rows = "SELECT string_agg(_id || coalesce(n::text, ''), ' ' ORDER BY _id) FROM t.uses";
            assert_eq!(read_text(&url, rows).await.as_deref(), Some(expected));
            assert_eq!(read_text(&url, "SELECT count(*) FROM t.uses_default").await.as_deref(), Some("0"));
            let repeatable = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT t.uses_partitions(true)";
            assert!(sql.batch_execute(repeatable).await.is_err());
        });
    }
}

#[test]
fn upkeep_continues_beside_what_an_operator_did() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url, &FIRST).await;
        let month = &list_months_ahead()[1];
        let by_hand = format!(
            "ALTER TABLE t.uses ADD twice bigint GENERATED ALWAYS AS (2 * n) STORED; \
             ALTER TABLE t.uses DETACH PARTITION t.uses_{month}; DROP TABLE t.uses_{}",
            list_months_ahead()[2]
        );
        connect(&url).await.batch_execute(&by_hand).await.unwrap();
        store.commit(batch("fill", vec![row("a", "2020-02-01")])).await.unwrap();
        for _ in 0..2 {
            let store = open(&url, &FIRST).await;
            store.maintain().await.unwrap();
            assert_eq!(ids(&store, Query::of(&FIRST)).await, ["a"]);
        }
        assert_eq!(read_text(&url, "SELECT twice FROM t.uses_2020_02").await.as_deref(), Some("2"));
        let mut expected = list_months_ahead();
        expected.remove(1);
        expected.insert(0, "2020_02".to_owned());
        assert_eq!(partitions(&url).await, expected);
    });
}

#[test]
fn a_function_of_an_older_program_is_replaced_beside_others_of_its_name() {
    const LONG: Collection = Collection::new("t.a_table_whose_name_is_as_long_as_the_server_allows_for_any", 1)
        .fields(&[Field::text("day").format(Format::Date)])
        .partition_by_month("day")
        .insert_only();
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url, &FIRST).await;
        let older = "CREATE FUNCTION t.uses_partitions() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
                     CREATE OR REPLACE FUNCTION t.uses_partitions(apply boolean) RETURNS int LANGUAGE sql AS 'SELECT 0'";
        connect(&url).await.batch_execute(older).await.unwrap();
        store.commit(batch("fill", vec![row("a", "2020-02-01")])).await.unwrap();
        open(&url, &FIRST).await.maintain().await.unwrap();
        assert_eq!(partitions(&url).await[0], "2020_02");
        // Nothing is written if nothing is to be done.
        open(&url, &LONG).await;
        let written = "SELECT max(xmin::text::bigint) FROM pg_proc";
        let before = read_text(&url, written).await;
        open(&url, &LONG).await;
        open(&url, &FIRST).await;
        assert_eq!(read_text(&url, written).await, before);
    });
}

#[test]
fn a_migration_reaches_all_partitions() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url, &FIRST).await;
        let fields = |day: &str| json!({"day": day, "name": "x", "o": {"t": "deep"}});
        let today = today().to_string();
        let days = ["2020-02-01", &today, "9999-12-31"];
        let writes = days.iter().enumerate().map(|(n, day)| insert(&FIRST, &n.to_string(), fields(day)));
        store.commit(batch("fill", writes.collect())).await.unwrap();
        let store = open(&url, &SECOND).await;
        for path in ["name", "o.t"] {
            let value = if path == "name" { "x" } else { "deep" };
            assert_eq!(ids(&store, Query::of(&SECOND).eq(path, value)).await, ["0", "1", "2"]);
        }
        store.maintain().await.unwrap();
        store.commit(batch("more", vec![insert(&SECOND, "3", fields("2020-02-02"))])).await.unwrap();
        assert_eq!(ids(&store, Query::of(&SECOND).eq("o.t", "deep")).await, ["0", "1", "2", "3"]);
        let valid = "SELECT count(*) FROM pg_index WHERE indrelid = 't.uses_2020_02'::regclass AND indisvalid";
        assert_eq!(read_text(&url, valid).await.as_deref(), Some("3"));
    });
}

#[test]
fn a_table_without_partitions_stays_as_it_is() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url, &WHOLE).await;
        store.commit(batch("a", vec![row("a", "2020-01-01")])).await.unwrap();
        let store = open(&url, &FIRST).await;
        store.maintain().await.unwrap();
        let refused = store.commit(batch("b", vec![row("a", "2020-02-01")])).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "conflict");
        store.commit(batch("c", vec![row("b", "2020-02-01")])).await.unwrap();
        assert_eq!(ids(&store, Query::of(&FIRST)).await, ["a", "b"]);
        assert_eq!(
            read_text(&url, "SELECT relkind::text FROM pg_class WHERE oid = 't.uses'::regclass").await.as_deref(),
            Some("r")
        );
    });
}

#[test]
fn a_worker_without_the_right_to_create_stores_rows_of_any_month() {
    run_on_server(async {
        let url = fresh_url().await;
        let owner = open(&url, &FIRST).await;
        drop(owner);
        let role = format!("worker_{}", url.rsplit_once('/').unwrap().1);
        let script = format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA t, runstate TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON t.uses, runstate.meta, runstate.changes, runstate.commands TO {role}; \
             DROP TABLE t.uses_{}",
            list_months_ahead()[0]
        );
        connect(&url).await.batch_execute(&script).await.unwrap();
        let (_, place) = url.split_once('@').unwrap();
        let store = open(&format!("postgres://{role}@{place}"), &FIRST).await;
        store.commit(batch("a", vec![row("a", &today().to_string())])).await.unwrap();
        assert_eq!(store.maintain().await.unwrap(), None);
        assert_eq!(ids(&store, Query::of(&FIRST)).await, ["a"]);
        // The owner creates what is missing.
        let owner = open(&url, &FIRST).await;
        owner.maintain().await.unwrap();
        assert_eq!(ids(&owner, Query::of(&FIRST)).await, ["a"]);
        assert_eq!(partitions(&url).await, list_months_ahead());
        let moved = format!("SELECT count(*) FROM t.uses_{}", list_months_ahead()[0]);
        assert_eq!(read_text(&url, &moved).await.as_deref(), Some("1"));
    });
}

//! Migration of tables with documents: new fields, indexes, and other kinds of values.

use std::sync::Arc;

use runstate::schema::Direction::Ascending;
use runstate::schema::{Accumulator, Aggregate, Catalog, Collection, Field, Filter, Index, Key, Query, Ttl};
use runstate::store::postgres::Postgres;
use runstate::store::{Expectation, Freshness, Store, StoreAdmin, StoreError};
use runstate::time::{Millis, Timestamp};
use serde_json::{Value as Json, json};

use super::open;
use crate::support::batches::{batch, insert, put};
use crate::support::ledger::find_waiting_session;
use crate::support::postgres::{connect, fresh_url, read_text, run_on_server};
use crate::support::wait::wait_until;

const FIRST: Collection = Collection::new("t.c", 1).fields(&[Field::text("a").optional()]);
const SECOND: Collection = Collection::new("t.c", 2)
    .fields(&[Field::text("a").optional(), Field::int("n").optional(), Field::text("o.t").optional()])
    .indexes(&[
        Index::ordered(&[("n", Ascending)]),
        Index::ordered(&[("o.t", Ascending)]),
        Index::text(&[("a", Ascending)]),
    ]);
/// `a` has another kind, and an index is gone.
const THIRD: Collection = Collection::new("t.c", 3)
    .fields(&[Field::int("a").optional(), Field::int("n").optional(), Field::text("o.t").optional()])
    .indexes(&[Index::ordered(&[("a", Ascending)]), Index::ordered(&[("n", Ascending)])]);

fn catalog(collection: &'static Collection) -> Catalog {
    Catalog::new(&[collection]).unwrap()
}

async fn ids(store: &Postgres, query: Query) -> Vec<String> {
    let page = store.query(&query.limit(10), Freshness::Linearizable).await.unwrap();
    page.items.iter().map(|row| row.id.to_string()).collect()
}

async fn document(store: &Postgres, id: &str) -> Json {
    let found = store.get(&[Key::new(&FIRST, id)], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
    Json::Object((*found.document).clone())
}

#[test]
fn values_move_to_the_columns_of_new_fields() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&catalog(&FIRST)).await.unwrap();
        let documents = [json!({"a": "red fox", "n": 7, "o": {"t": "x"}}), json!({"a": "hen", "n": null}), json!({})];
        let writes = documents.iter().enumerate().map(|(n, one)| insert(&FIRST, &n.to_string(), one.clone()));
        store.commit(batch("fill", writes.collect())).await.unwrap();
        store.migrate(&catalog(&SECOND)).await.unwrap();
        for (n, expected) in documents.iter().enumerate() {
            assert_eq!(document(&store, &n.to_string()).await, *expected);
        }
        let text = "SELECT n::text || ' ' || _rest::text FROM t.c WHERE _id = '0'";
        assert_eq!(read_text(&url, text).await.as_deref(), Some("7 {\"o\": {\"t\": \"x\"}}"));
        assert_eq!(ids(&store, Query::of(&SECOND).eq("n", 7)).await, ["0"]);
        assert_eq!(ids(&store, Query::of(&SECOND).eq("o.t", "x")).await, ["0"]);
        let fox = Query::of(&SECOND).filter(runstate::schema::Filter::Text("a".into(), "FOX".into()));
        assert_eq!(ids(&store, fox).await, ["0"]);
        // Nothing is written again.
        let before = read_text(&url, "SELECT xmin::text FROM runstate.meta WHERE key = 'schema'").await;
        store.migrate(&catalog(&SECOND)).await.unwrap();
        assert_eq!(read_text(&url, "SELECT xmin::text FROM runstate.meta WHERE key = 'schema'").await, before);
    });
}

#[test]
fn values_of_another_kind_stay_as_they_are() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&catalog(&FIRST)).await.unwrap();
        let writes =
            vec![insert(&FIRST, "0", json!({"a": "text", "n": "seven"})), insert(&FIRST, "1", json!({"n": 1}))];
        store.commit(batch("fill", writes)).await.unwrap();
        store.migrate(&catalog(&SECOND)).await.unwrap();
        store.migrate(&catalog(&THIRD)).await.unwrap();
        assert_eq!(document(&store, "0").await, json!({"a": "text", "n": "seven"}));
        store.commit(batch("more", vec![insert(&THIRD, "2", json!({"a": 5, "n": 2}))])).await.unwrap();
        let by_a = Query::of(&THIRD).sort("a", Ascending);
        assert_eq!(ids(&store, by_a).await, ["1", "2", "0"], "null, numbers, texts");
        assert_eq!(ids(&store, Query::of(&THIRD).eq("n", "seven")).await, ["0"]);
        assert_eq!(ids(&store, Query::of(&THIRD).sort("n", Ascending)).await, ["1", "2", "0"]);
        let indexes =
            read_text(&url, "SELECT string_agg(indexdef, ';') FROM pg_indexes WHERE tablename = 'c'").await.unwrap();
        assert!(
            !indexes.contains("_words") && !indexes.contains("o.t"),
            "indexes of older versions are dropped: {indexes}"
        );
    });
}

/// As `SECOND` without indexes.
const PLAIN: Collection = Collection { version: 3, indexes: &[], ..SECOND };
/// One of the indexes of `SECOND` is there again.
const FOURTH: Collection = Collection { version: 4, indexes: &[Index::ordered(&[("o.t", Ascending)])], ..SECOND };

async fn hidden_columns(url: &str) -> Option<String> {
    let text = "SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 't.c'::regclass \
                AND attname ~ '^_(key|words):' AND NOT attisdropped";
    read_text(url, text).await
}

#[test]
fn a_path_that_is_indexed_again_has_the_keys_of_all_documents() {
    for has_view in [false, true] {
        run_on_server(async {
            let url = fresh_url().await;
            let store = open(&url).await;
            store.migrate(&catalog(&SECOND)).await.unwrap();
            let write = |id: &str, text: &str| insert(&SECOND, id, json!({"o": {"t": text}}));
            store.commit(batch("fill", vec![write("0", "x"), write("1", "y")])).await.unwrap();
            assert_eq!(hidden_columns(&url).await.as_deref(), Some("_key:o.t _words:a"));
            if has_view {
                // A column that a view of an operator has is kept.
                connect(&url).await.batch_execute("CREATE VIEW mine AS SELECT * FROM t.c").await.unwrap();
            }
            store.migrate(&catalog(&PLAIN)).await.unwrap();
            let left = has_view.then_some("_key:o.t _words:a");
            assert_eq!(hidden_columns(&url).await.as_deref(), left);
            let at_any = |id: &str, text: &str| put(&PLAIN, id, Expectation::Any, json!({"o": {"t": text}}));
            store.commit(batch("change", vec![at_any("0", "y"), at_any("2", "x")])).await.unwrap();
            store.migrate(&catalog(&FOURTH)).await.unwrap();
            assert_eq!(ids(&store, Query::of(&FOURTH).eq("o.t", "x")).await, ["2"]);
            assert_eq!(ids(&store, Query::of(&FOURTH).eq("o.t", "y")).await, ["0", "1"]);
        });
    }
}

#[test]
fn operator_indexes_are_kept() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&catalog(&FIRST)).await.unwrap();
        connect(&url).await.batch_execute("CREATE INDEX mine ON t.c (_v)").await.unwrap();
        store.migrate(&catalog(&SECOND)).await.unwrap();
        store.migrate(&catalog(&THIRD)).await.unwrap();
        let mine = read_text(&url, "SELECT count(*) FROM pg_indexes WHERE indexname = 'mine'").await;
        assert_eq!(mine.as_deref(), Some("1"));
    });
}

#[test]
fn running_process_notices_a_migration() {
    run_on_server(async {
        let url = fresh_url().await;
        let (older, newer) = (open(&url).await, open(&url).await);
        older.migrate(&catalog(&FIRST)).await.unwrap();
        older.commit(batch("a", vec![insert(&FIRST, "a", json!({"n": 1}))])).await.unwrap();
        assert_eq!(document(&older, "a").await, json!({"n": 1}));
        newer.migrate(&catalog(&SECOND)).await.unwrap();
        // The value is in a column that the older declaration does not know.
        assert_eq!(ids(&older, Query::of(&FIRST).filter(Filter::Exists("n".into(), true))).await, ["a"]);
        assert_eq!(document(&older, "a").await, json!({"n": 1}));
        assert_eq!(ids(&older, Query::of(&FIRST).eq("n", 1)).await, ["a"]);
        assert_eq!(ids(&older, Query::of(&FIRST).sort("n", Ascending)).await, ["a"]);
        let refused = older.commit(batch("b", vec![insert(&FIRST, "b", json!({}))])).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "read_only");
    });
}

#[test]
fn concurrent_migrations_of_an_empty_database_agree() {
    run_on_server(async {
        let url = Arc::new(fresh_url().await);
        let opened = (0..6).map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = open(&url).await;
                store.migrate(&catalog(&SECOND)).await.unwrap();
                store.id().to_owned()
            })
        });
        let opened: Vec<_> = opened.collect();
        let mut found = Vec::new();
        for one in opened {
            found.push(one.await.unwrap());
        }
        assert!(found.iter().all(|id| *id == found[0]), "{found:?}");
    });
}

#[test]
fn a_new_unique_index_names_a_document_that_shares_an_entry() {
    const UNIQUE: Collection = Collection::new("t.c", 2)
        .fields(&[Field::text("a").optional()])
        .indexes(&[Index::ordered(&[("a", Ascending)]).unique()]);
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&catalog(&FIRST)).await.unwrap();
        // Nulls share an entry too.
        let documents =
            [("1", json!({"a": "x"})), ("2", json!({})), ("3", json!({"a": null})), ("4", json!({"a": "y"}))];
        store.commit(batch("fill", documents.map(|(id, one)| insert(&FIRST, id, one)).to_vec())).await.unwrap();
        let refused = store.migrate(&catalog(&UNIQUE)).await.unwrap_err();
        assert_eq!(refused, StoreError::UniqueViolation { key: Key::new(&FIRST, "3"), index: "a".to_owned() });
        // Nothing was changed.
        store.migrate(&catalog(&FIRST)).await.unwrap();
        assert_eq!(ids(&store, Query::of(&FIRST)).await, ["1", "2", "3", "4"]);
    });
}

#[test]
fn aggregate_of_a_running_process_notices_a_migration() {
    run_on_server(async {
        let url = fresh_url().await;
        let (older, newer) = (open(&url).await, open(&url).await);
        older.migrate(&catalog(&FIRST)).await.unwrap();
        older.commit(batch("a", vec![insert(&FIRST, "a", json!({"n": 1}))])).await.unwrap();
        newer.migrate(&catalog(&SECOND)).await.unwrap();
        let count = Aggregate {
            collection: "t.c".into(),
            filter: Filter::Eq("n".into(), 1.into()),
            group_by: vec![],
            accumulators: vec![("count".into(), Accumulator::Count)],
        };
        assert_eq!(older.aggregate(&count).await.unwrap()[0]["count"], json!(1));
    });
}

#[test]
fn process_that_declared_before_the_first_migration_sees_documents() {
    run_on_server(async {
        let url = fresh_url().await;
        let (reader, writer) = (open(&url).await, open(&url).await);
        reader.declare(&catalog(&FIRST)).await.unwrap();
        assert_eq!(ids(&reader, Query::of(&FIRST)).await, [""; 0]);
        writer.migrate(&catalog(&FIRST)).await.unwrap();
        writer.commit(batch("a", vec![insert(&FIRST, "a", json!({"a": "x"}))])).await.unwrap();
        assert_eq!(ids(&reader, Query::of(&FIRST)).await, ["a"]);
    });
}

#[test]
fn sweep_of_an_older_program_deletes_nothing_that_a_newer_one_keeps() {
    const AT: &[Field] = &[Field::timestamp("at")];
    const TTL: Ttl = Ttl { field: "at", after: Millis::minutes(1), partial: None };
    const SHORT: Collection = Collection::new("t.kept", 1).fields(AT).ttl(TTL);
    const LONG: Collection = Collection::new("t.kept", 2).fields(AT).ttl(Ttl { after: Millis::days(365), ..TTL });
    run_on_server(async {
        let url = fresh_url().await;
        let (older, newer) = (open(&url).await, open(&url).await);
        older.migrate(&catalog(&SHORT)).await.unwrap();
        older.commit(batch("a", vec![insert(&SHORT, "a", json!({"at": 0}))])).await.unwrap();
        newer.migrate(&catalog(&LONG)).await.unwrap();
        let now = Timestamp::from_millis(3_600_000);
        let refused = older.sweep(SHORT.name, now, 10).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "read_only");
        assert_eq!(newer.sweep(LONG.name, now, 10).await.unwrap(), 0);
        assert_eq!(ids(&newer, Query::of(&LONG)).await, ["a"]);
    });
}

#[test]
fn explicit_null_is_found_after_its_column_became_json() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&catalog(&FIRST)).await.unwrap();
        let documents = [("null", json!({"a": null})), ("none", json!({})), ("text", json!({"a": "x"}))];
        store.commit(batch("fill", documents.clone().map(|(id, one)| insert(&FIRST, id, one)).to_vec())).await.unwrap();
        store.migrate(&catalog(&SECOND)).await.unwrap();
        store.migrate(&catalog(&THIRD)).await.unwrap();
        let existing = Query::of(&THIRD).filter(Filter::Exists("a".into(), true));
        assert_eq!(ids(&store, existing).await, ["null", "text"]);
        for (id, expected) in documents {
            assert_eq!(document(&store, id).await, expected);
        }
    });
}

#[test]
fn repeat_of_a_command_on_a_store_that_became_read_only_is_replayed() {
    run_on_server(async {
        let url = fresh_url().await;
        let (older, newer) = (open(&url).await, open(&url).await);
        older.migrate(&catalog(&FIRST)).await.unwrap();
        let first = batch("a", vec![insert(&FIRST, "a", json!({"a": "x"}))]);
        older.commit(first.clone()).await.unwrap();
        newer.migrate(&catalog(&SECOND)).await.unwrap();
        let refused = older.commit(batch("b", vec![insert(&FIRST, "b", json!({}))])).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "read_only");
        assert!(older.read_only_reason().is_some());
        assert!(older.commit(first.clone()).await.unwrap().replayed);
        let reused = older.commit(runstate::store::Batch { fingerprint: "other".to_owned(), ..first }).await;
        assert_eq!(reused.unwrap_err().code().as_str(), "command_id_reused");
    });
}

#[test]
fn column_whose_type_another_process_changes_is_read_and_written() {
    for prepared in [true, false] {
        run_on_server(async {
            let url = fresh_url().await;
            let migrating = open(&url).await;
            migrating.migrate(&catalog(&FIRST)).await.unwrap();
            migrating.commit(batch("a", vec![insert(&FIRST, "a", json!({"a": "x"}))])).await.unwrap();
            let options = format!("?callTimeoutMS=5000&preparedStatements={prepared}");
            let url = format!("{url}{options}");
            let (older, stores) = (open(&url).await, [open(&url).await, open(&url).await]);
            older.declare(&catalog(&FIRST)).await.unwrap();
            for store in &stores {
                // The column is of texts yet.
                store.declare(&catalog(&THIRD)).await.unwrap();
            }
            migrating.migrate(&catalog(&THIRD)).await.unwrap();
            assert_eq!(ids(&older, Query::of(&FIRST).eq("a", "x")).await, ["a"], "prepared: {prepared}");
            let [reader, writer] = &stores;
            assert_eq!(ids(reader, Query::of(&THIRD).eq("a", "x")).await, ["a"], "prepared: {prepared}");
            writer.commit(batch("b", vec![insert(&THIRD, "b", json!({"a": 5}))])).await.unwrap();
            assert_eq!(ids(writer, Query::of(&THIRD).eq("a", 5)).await, ["b"], "prepared: {prepared}");
        });
    }
}

#[test]
fn rows_of_a_table_that_is_rewritten_meanwhile_are_read() {
    const OTHER: Collection = Collection::new("t.d", 1).fields(&[Field::int("n").optional()]);
    for prepared in [true, false] {
        run_on_server(async {
            let url = fresh_url().await;
            let store = open(&format!("{url}?preparedStatements={prepared}")).await;
            store.migrate(&Catalog::new(&[&FIRST, &OTHER]).unwrap()).await.unwrap();
            let writes = vec![insert(&FIRST, "x", json!({"a": "y"})), insert(&OTHER, "x", json!({"n": 1}))];
            store.commit(batch("fill", writes)).await.unwrap();
            let keys = [Key::new(&FIRST, "x"), Key::new(&OTHER, "x")];
            let read = async |store: &Postgres| store.get(&keys, Freshness::Linearizable).await.unwrap();
            let expected = read(&store).await;
            let (migrating, operator) = (connect(&url).await, connect(&url).await);
            migrating.batch_execute("BEGIN; LOCK TABLE t.d IN ACCESS EXCLUSIVE MODE").await.unwrap();
            let migrate = async {
                wait_until("the reader waits", async || find_waiting_session(&operator).await).await;
                let retype = "ALTER TABLE t.d ALTER COLUMN n TYPE jsonb USING to_jsonb(n); \
                              UPDATE runstate.meta SET value = jsonb_set(value, '{columns,n}', '\"jsonb\"') WHERE key = 't.d'; COMMIT";
                migrating.batch_execute(retype).await.unwrap();
            };
            let (found, ()) = tokio::join!(read(&store), migrate);
            assert_eq!(found, expected, "prepared: {prepared}");
        });
    }
}

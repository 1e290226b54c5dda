//! Fields with formats have columns of the types of SQL, and queries on them have the results of memory.

use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Catalog, Collection, Field, Filter, Format, Index, Key, Query};
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Expectation, Freshness, Memory, Store, StoreAdmin, StoreError, Write, WriteOp};
use serde_json::{Value as Json, json};

use crate::support::batches::{batch, insert, put};
use crate::support::postgres::{connect, fresh_url, read_text, run_on_server};

const ROWS: Collection = Collection::new("t.rows", 1)
    .fields(&[
        Field::id("key").format(Format::Uuid).optional(),
        Field::text("day").format(Format::Date).optional(),
        Field::text("name").format(Format::Varchar(5)).optional(),
        Field::decimal("money").format(Format::Decimal(12, 6)).optional(),
        Field::int("count").format(Format::Integer).optional(),
    ])
    .indexes(&[
        Index::ordered(&[("key", Ascending)]),
        Index::ordered(&[("day", Descending), ("money", Ascending)]),
        Index::ordered(&[("count", Ascending)]),
    ]);

fn documents() -> Vec<Json> {
    let key = |n: u32| format!("01900000-0000-7000-8000-{n:012x}");
    let mut all: Vec<Json> = (0..40u32)
        .map(|n| {
            let money = ["0", "0.5", "-12.000001", "999999.999999", "100", "7.25"][n as usize % 6];
            let name = ["a", "é", "\u{0}\u{1}z", "B"][n as usize % 4];
            json!({
                "key": key(n * 7 % 40), "day": format!("{:04}-0{}-1{}", 1 + n * 250, 1 + n % 9, n % 10),
                "money": money,
                "count": i64::from(n % 5) * 1_000_000_000 % 2_147_483_647 - 10, "name": name,
            })
        })
        .collect();
    all.extend([json!({}), json!({"key": null, "day": null, "money": null, "count": null, "name": null})]);
    all
}

#[test]
fn fields_with_formats_have_columns_of_their_types() {
    run_on_server(async {
        let (url, memory) = (fresh_url().await, Memory::new());
        let store = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
        let catalog = Catalog::new(&[&ROWS]).unwrap();
        for store in [&store as &dyn Store, &memory] {
            store.migrate(&catalog).await.unwrap();
            let writes = documents().into_iter().enumerate().map(|(n, one)| insert(&ROWS, &n.to_string(), one));
            store.commit(batch("fill", writes.collect())).await.unwrap();
        }
        let types = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attname) FROM pg_attribute \
                     WHERE attrelid = 't.rows'::regclass AND attnum > 0 AND attname !~ '^_'";
        let expected = "integer, date, uuid, numeric(12,6), character varying(5)";
        assert_eq!(read_text(&url, types).await.as_deref(), Some(expected));
        let keys: Vec<Key> = (0..42).map(|n| Key::new(&ROWS, &n.to_string())).collect();
        let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
        assert_eq!(found, memory.get(&keys, Freshness::Linearizable).await.unwrap());
        let operands = [
            json!("01900000-0000-7000-8000-000000000007"),
            json!("01900000-0000-7000-8000-00000000000F"),
            json!("5001-03-12"),
            json!("2024"),
            json!("0.50"),
            json!("1e3"),
            json!(990),
            json!(1e12),
            json!(0.5),
            Json::Null,
            json!("é"),
            json!(true),
        ];
        for path in ["key", "day", "money", "count", "name"] {
            for operand in &operands {
                let (p, o) = (|| path.to_owned(), || operand.clone());
                for filter in [
                    Filter::Eq(p(), o()),
                    Filter::Ne(p(), o()),
                    Filter::Lt(p(), o()),
                    Filter::Gte(p(), o()),
                    Filter::In(p(), vec![o(), json!("a"), json!(-10)]),
                    Filter::Not(Box::new(Filter::Lte(p(), o()))),
                    Filter::Contains(p(), o()),
                    Filter::Exists(p(), operand.is_null()),
                ] {
                    for direction in [Ascending, Descending] {
                        let mut query = Query::of(&ROWS).filter(filter.clone()).sort(path, direction).limit(7);
                        loop {
                            let found = store.query(&query, Freshness::Linearizable).await.unwrap();
                            let expected = memory.query(&query, Freshness::Linearizable).await.unwrap();
                            assert_eq!(found, expected, "{query:?}");
                            query.cursor = found.next;
                            if query.cursor.is_none() {
                                break;
                            }
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn text_beyond_its_column_is_invalid() {
    run_on_server(async {
        let store = Postgres::open(&fresh_url().await, PostgresOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&ROWS]).unwrap()).await.unwrap();
        // Each of these characters counts as two there.
        for name in ["123456", "\u{0}\u{0}\u{0}", "\u{1}ab  "] {
            let refused = store.commit(batch("a", vec![insert(&ROWS, "a", json!({"name": name}))])).await.unwrap_err();
            assert_eq!((refused.code().as_str(), refused.key()), ("invalid", Some(&Key::new(&ROWS, "a"))));
        }
    });
}

#[test]
fn column_of_texts_becomes_as_long_as_its_field() {
    const LONGER: Collection = Collection::new("t.rows", 2)
        .fields(&[Field::text("name").format(Format::Varchar(8)).optional()])
        .indexes(&[Index::ordered(&[("name", Ascending)])]);
    const ANY: Collection = Collection::new("t.rows", 3).fields(&[Field::text("name").optional()]);
    run_on_server(async {
        let url = fresh_url().await;
        let store = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
        for (collection, name, expected) in [
            (&ROWS, "12345", "character varying(5)"),
            (&LONGER, "12345678", "character varying(8)"),
            (&ANY, "1234567890", "text"),
        ] {
            store.migrate(&Catalog::new(&[collection]).unwrap()).await.unwrap();
            store.commit(batch(name, vec![insert(collection, name, json!({"name": name}))])).await.unwrap();
            let found = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't.rows'::regclass AND attname = 'name'";
            assert_eq!(read_text(&url, found).await.as_deref(), Some(expected));
            let query = Query::of(collection).eq("name", name).limit(5);
            let page = store.query(&query, Freshness::Linearizable).await.unwrap();
            assert_eq!(page.items.len(), 1, "{name}");
        }
    });
}

const KEYED: Collection = Collection::new("t.keyed", 1)
    .fields(&[Field::id("uuid").format(Format::Uuid), Field::int("n").optional()])
    .indexes(&[Index::ordered(&[("n", Ascending)])])
    .id_fields(&["uuid"]);

#[test]
fn field_of_uuids_that_is_the_id_is_the_primary_key() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
        let catalog = Catalog::new(&[&KEYED]).unwrap();
        store.migrate(&catalog).await.unwrap();
        let key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't.keyed'::regclass AND contype = 'p'";
        assert_eq!(read_text(&url, key).await.as_deref(), Some("PRIMARY KEY (uuid)"));
        let uuid = |n: usize| format!("01900000-0000-7000-8000-{:012x}", 0xabc0 + n);
        let document = |n: usize| json!({"uuid": uuid(n), "n": n % 3});
        store.commit(batch("fill", (0..9).map(|n| insert(&KEYED, &uuid(n), document(n))).collect())).await.unwrap();
        // An id in upper case is the same one.
        let by_hand = format!("UPDATE t.keyed SET n = 7 WHERE uuid = '{}'", uuid(4).to_uppercase());
        connect(&url).await.batch_execute(&by_hand).await.unwrap();
        let keys = [Key::new(&KEYED, &uuid(4)), Key::new(&KEYED, &uuid(4).to_uppercase()), Key::new(&KEYED, "4")];
        let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
        assert_eq!(found[0].as_ref().map(|row| json!(*row.document)), Some(json!({"uuid": uuid(4), "n": 7})));
        assert_eq!(found[1..], [None, None]);
        let mut query = Query::of(&KEYED).sort("n", Descending).limit(2);
        let mut ids = Vec::new();
        loop {
            let page = store.query(&query, Freshness::Linearizable).await.unwrap();
            ids.extend(page.items.iter().map(|row| row.id.to_string()));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(ids, [4, 2, 5, 8, 1, 7, 0, 3, 6].map(uuid));
        let other = json!({"uuid": uuid(90)});
        for (command, id, document) in [
            ("no UUID", "a".to_owned(), json!({"uuid": "a"})),
            ("upper case", uuid(91).to_uppercase(), json!({"uuid": uuid(91)})),
            ("another", uuid(92), other),
        ] {
            let refused = store.commit(batch(command, vec![insert(&KEYED, &id, document)])).await.unwrap_err();
            assert_eq!(
                (refused.code().as_str(), refused.key()),
                ("invalid", Some(&Key::new(&KEYED, &id))),
                "{command}"
            );
        }
        let twice = store.commit(batch("twice", vec![insert(&KEYED, &uuid(4), document(4))])).await.unwrap_err();
        assert_eq!(twice.code().as_str(), "conflict");
        // Overwritten at any revision, and deleted.
        let delete = |id: &str| Write { key: Key::new(&KEYED, id), expect: Expectation::Any, op: WriteOp::Delete };
        let writes = vec![put(&KEYED, &uuid(1), Expectation::Any, document(1)), delete(&uuid(2)), delete("absent")];
        store.commit(batch("change", writes)).await.unwrap();
        assert_eq!(read_text(&url, "SELECT count(*) FROM t.keyed").await.as_deref(), Some("8"));
        // A process that does not declare the collection reads it.
        let stranger = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
        let keys = [Key::new(&KEYED, &uuid(1)), Key::new(&KEYED, "4")];
        let found = stranger.get(&keys, Freshness::Linearizable).await.unwrap();
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
        assert_eq!(stranger.collections().await.unwrap(), ["runstate.commands", "t.keyed"]);
        assert!(store.inspect(&catalog).await.unwrap().findings.is_empty());
    });
}

#[test]
fn ids_that_are_uuids_no_more_need_a_new_table() {
    const ANY: Collection = Collection::new("t.keyed", 2).fields(&[Field::id("uuid"), Field::int("n").optional()]);
    run_on_server(async {
        let store = Postgres::open(&fresh_url().await, PostgresOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&KEYED]).unwrap()).await.unwrap();
        let refused = store.migrate(&Catalog::new(&[&ANY]).unwrap()).await.unwrap_err();
        assert!(matches!(&refused, StoreError::UnsuitableCollection { .. }), "{refused}");
        assert!(refused.to_string().contains("`uuid`"), "{refused}");
    });
}

//! Fields with formats have columns of the types of SQL, and queries on them have the results of memory.

use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Catalog, Collection, Field, Filter, Format, Index, Key, Query};
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Freshness, Memory, Store};
use serde_json::{Value as Json, json};

use crate::support::batches::{batch, insert};
use crate::support::postgres::{fresh_url, read_text, run_on_server};

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
        for name in ["123456", "\u{0}\u{0}\u{0}"] {
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

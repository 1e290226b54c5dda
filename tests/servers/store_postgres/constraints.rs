//! Declared ranges are checks of their table, and required fields are columns that are not null.

use runstate::schema::{Catalog, Collection, Field, Format, Key, Literal, NumberRange};
use runstate::store::{Expectation, Freshness, Store, StoreAdmin, StoreError, Write, WriteOp};
use serde_json::json;

use super::open;
use crate::support::batches::{batch, insert, put};
use crate::support::postgres::{connect, fresh_url, read_text, run_on_server};

const SHARE: NumberRange = NumberRange { min: Some(0), max: Some(1) };
const FIRST: Collection = Collection::new("t.c", 1).fields(&[
    Field::decimal("share").format(Format::Decimal(5, 4)).range(SHARE),
    Field::int("n").default(Literal::Int(3)).range(NumberRange { min: None, max: Some(99) }),
    Field::text("last").format(Format::Date).optional(),
]);
/// The share has no upper bound, documents may lack it, and `n` is a text.
const SECOND: Collection = Collection::new("t.c", 2).fields(&[
    Field::decimal("share").format(Format::Decimal(5, 4)).range(NumberRange::NOT_NEGATIVE).optional(),
    Field::text("n").optional(),
    Field::text("last").format(Format::Date).optional(),
]);

async fn checks(url: &str) -> String {
    let text = "SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint \
                WHERE conrelid = 't.c'::regclass AND contype = 'c'";
    read_text(url, text).await.unwrap_or_default()
}

#[test]
fn declared_ranges_hold_for_other_programs_too() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&Catalog::new(&[&FIRST]).unwrap()).await.unwrap();
        assert_eq!(
            checks(&url).await,
            "CHECK ((n <= 99)); CHECK (((share >= (0)::numeric) AND (share <= (1)::numeric)))"
        );
        let document = json!({"share": "0.5"});
        store.commit(batch("a", vec![insert(&FIRST, "a", document.clone())])).await.unwrap();
        let sql = connect(&url).await;
        for statement in [
            "UPDATE t.c SET share = 1.5",
            "UPDATE t.c SET n = 100",
            "UPDATE t.c SET share = NULL",
            "UPDATE t.c SET _rev = NULL",
        ] {
            assert!(sql.batch_execute(statement).await.is_err(), "{statement}");
        }
        let default =
            "SELECT column_default FROM information_schema.columns WHERE table_name = 'c' AND column_name = 'n'";
        assert_eq!(read_text(&url, default).await.as_deref(), Some("3"));
        // The program checks first, as on every store.
        let mut invalid = document.clone();
        invalid["share"] = json!("2");
        let refused = store.commit(batch("b", vec![insert(&FIRST, "b", invalid)])).await.unwrap_err();
        assert_eq!(refused.to_string(), "t.c/b: share: is not a number from 0 to 1");
    });
}

#[test]
fn a_check_that_only_the_server_has_is_a_typed_error() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&Catalog::new(&[&FIRST]).unwrap()).await.unwrap();
        let script =
            "ALTER TABLE t.c ADD CONSTRAINT small CHECK (n < 10); ALTER TABLE t.c ALTER COLUMN last SET NOT NULL";
        connect(&url).await.batch_execute(script).await.unwrap();
        let key = Key::new(&FIRST, "a");
        let mut refusals = Vec::new();
        for document in [json!({"share": "0", "n": 10, "last": "2024-01-01"}), json!({"share": "0"})] {
            let refused = store.commit(batch("a", vec![insert(&FIRST, "a", document)])).await.unwrap_err();
            let StoreError::Invalid { key: found, reason } = refused else { panic!("{refused}") };
            assert_eq!(found, key);
            refusals.push(reason);
        }
        let expected = [
            "the check `small` of its table does not allow it",
            "the column `last` of its table must have a value; to allow documents without one, run `ALTER TABLE \"t\".\"c\" ALTER COLUMN \"last\" DROP NOT NULL`",
        ];
        assert_eq!(refusals, expected);
        assert_eq!(store.get(&[key], Freshness::Linearizable).await.unwrap(), [None]);
    });
}

#[test]
fn a_column_of_another_table_is_named_with_it() {
    const TRIGGER: &str = "CREATE TABLE t.audit (share text NOT NULL); \
        CREATE FUNCTION t.log() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN INSERT INTO t.audit VALUES (NULL); RETURN NULL; END'; \
        CREATE TRIGGER log AFTER INSERT ON t.c FOR EACH ROW EXECUTE FUNCTION t.log()";
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&Catalog::new(&[&FIRST]).unwrap()).await.unwrap();
        connect(&url).await.batch_execute(TRIGGER).await.unwrap();
        let refused = store.commit(batch("a", vec![insert(&FIRST, "a", json!({"share": "0"}))])).await.unwrap_err();
        assert_eq!(refused.to_string(), "t.c/a: the column `share` of t.audit must have a value");
    });
}

#[test]
fn a_new_version_replaces_the_checks_of_its_table() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&Catalog::new(&[&FIRST]).unwrap()).await.unwrap();
        let document = json!({"share": "1", "n": 5});
        store.commit(batch("a", vec![insert(&FIRST, "a", document.clone())])).await.unwrap();
        store.migrate(&Catalog::new(&[&SECOND]).unwrap()).await.unwrap();
        // Documents of the first version are not checked.
        assert_eq!(checks(&url).await, "CHECK ((share >= (0)::numeric)) NOT VALID");
        let writes = vec![
            insert(&SECOND, "b", json!({"share": "1.5", "n": "many"})),
            put(&SECOND, "a", Expectation::Any, json!({"n": "few"})),
        ];
        store.commit(batch("b", writes)).await.unwrap();
        let refused = store.commit(batch("c", vec![insert(&SECOND, "c", json!({"share": "-1"}))])).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "invalid");
        let keys = [Key::new(&SECOND, "a"), Key::new(&SECOND, "b")];
        let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|one| json!(*one.unwrap().document)).collect();
        assert_eq!(found, [json!({"n": "few"}), json!({"share": "1.5", "n": "many"})]);
    });
}

#[test]
fn unique_constraint_of_an_operator_refuses_a_commit_as_invalid() {
    const C: Collection = Collection::new("t.c", 1).fields(&[Field::text("name")]);
    const CONSTRAINTS: [&str; 3] = [
        "CREATE UNIQUE INDEX mine ON t.c (name)",
        "ALTER TABLE t.c ADD CONSTRAINT mine UNIQUE (name) DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE t.c ADD CONSTRAINT mine EXCLUDE (name WITH =)",
    ];
    for constraint in CONSTRAINTS {
        run_on_server(async {
            let url = fresh_url().await;
            let store = open(&url).await;
            store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
            connect(&url).await.batch_execute(constraint).await.unwrap();
            let write = |id: &str| batch(id, vec![insert(&C, id, json!({"name": "x"}))]);
            store.commit(write("a")).await.unwrap();
            let refused = store.commit(write("b")).await.unwrap_err();
            let StoreError::Invalid { key, reason } = &refused else { panic!("{constraint}: {refused}") };
            assert_eq!(key, &Key::new(&C, "b"), "{constraint}");
            assert!(reason.contains("\"mine\": Key (name)=(x)"), "{constraint}: {reason}");
        });
    }
}

#[test]
fn foreign_key_of_an_operator_refuses_a_commit_as_invalid() {
    const PARENT: Collection = Collection::new("t.parents", 1).fields(&[]);
    const CHILD: Collection =
        Collection::new("t.children", 1).fields(&[Field::id("parent").references("t.parents").optional()]);
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&Catalog::new(&[&PARENT, &CHILD]).unwrap()).await.unwrap();
        let by_hand = "ALTER TABLE t.children ADD CONSTRAINT mine FOREIGN KEY (parent) REFERENCES t.parents \
                       DEFERRABLE INITIALLY DEFERRED";
        connect(&url).await.batch_execute(by_hand).await.unwrap();
        let child = |id: &str| insert(&CHILD, id, json!({"parent": "p"}));
        let delete = Write { key: Key::new(&PARENT, "p"), expect: Expectation::Any, op: WriteOp::Delete };
        let orphan = store.commit(batch("a", vec![child("a")])).await.unwrap_err();
        // The referenced document is in the same commit.
        store.commit(batch("b", vec![child("b"), insert(&PARENT, "p", json!({}))])).await.unwrap();
        let referenced = store.commit(batch("c", vec![delete])).await.unwrap_err();
        for refused in [orphan, referenced] {
            assert_eq!(refused.code().as_str(), "invalid", "{refused}");
            for part in ["\"mine\"", "\"children\"", "\"parents\"", "(p)"] {
                assert!(refused.to_string().contains(part), "{refused}");
            }
        }
        let children = read_text(&url, "SELECT string_agg(_id, ' ') FROM t.children").await;
        assert_eq!(children.as_deref(), Some("b"));
    });
}

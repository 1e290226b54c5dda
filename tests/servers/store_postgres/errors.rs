//! Errors of opening, migrating and committing, and their messages.

use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index};
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Store, StoreAdmin, StoreError};
use serde_json::json;

use super::open;
use crate::support::batches::{batch, insert};
use crate::support::ledger::{begin_with_ledger_row, find_waiting_session};
use crate::support::postgres::{connect, fresh_url, read_text, run_on_server, server_url};
use crate::support::wait::wait_until;

const C: Collection = Collection::new("t.c", 1)
    .fields(&[Field::text("a").optional(), Field::int("n").optional()])
    .indexes(&[Index::ordered(&[("a", Ascending)])]);

async fn open_error(url: &str) -> StoreError {
    match Postgres::open(url, PostgresOptions::default()).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

/// The URL with another user.
fn with_user(url: &str, user: &str) -> String {
    url.replace("//runstate@", &format!("//{user}@"))
}

#[test]
fn unreachable_server_is_named_without_its_password() {
    run_on_server(async {
        // No server listens on port 1.
        let error = open_error("postgres://ann:s%40cret%25@127.0.0.1:1/x").await;
        let message = error.to_string();
        assert_eq!(error.code().as_str(), "unavailable");
        assert!(message.contains("127.0.0.1:1") && !message.contains("cret") && !message.contains("ann"), "{message}");
        let unknown = open_error("postgresql://ann@nowhere.invalid/x").await;
        assert_eq!(unknown.code().as_str(), "unavailable");
        assert!(unknown.to_string().contains("nowhere.invalid"), "{unknown}");
    });
}

#[test]
fn missing_database_and_unknown_user_say_what_to_do() {
    run_on_server(async {
        let missing = open_error(&format!("{}/no_such_database", server_url())).await;
        assert_eq!(missing.code().as_str(), "unavailable");
        assert!(missing.to_string().contains("CREATE DATABASE"), "{missing}");
        let url = fresh_url().await;
        let unknown = open_error(&with_user(&url, "nobody_known:secret")).await;
        assert_eq!(unknown.code().as_str(), "not_authorized");
        assert!(!unknown.to_string().contains("secret"), "{unknown}");
    });
}

#[test]
fn opening_only_existing_creates_no_store() {
    run_on_server(async {
        let url = fresh_url().await;
        let existing = PostgresOptions { must_exist: true, ..PostgresOptions::default() };
        let error = Postgres::open(&url, existing.clone()).await.err().unwrap();
        assert!(error.to_string().contains("there is no store"), "{error}");
        let schema = read_text(&url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'runstate'").await;
        assert_eq!(schema.as_deref(), Some("0"));
        let store = open(&url).await;
        assert_eq!(Postgres::open(&url, existing).await.unwrap().id(), store.id());
    });
}

#[test]
fn store_of_a_newer_format_is_rejected() {
    run_on_server(async {
        let url = fresh_url().await;
        open(&url).await;
        let operator = connect(&url).await;
        operator
            .batch_execute("UPDATE runstate.meta SET value = value || '{\"format\": 2}' WHERE key = 'store'")
            .await
            .unwrap();
        assert_eq!(open_error(&url).await.code().as_str(), "newer_version");
        operator.batch_execute("UPDATE runstate.meta SET value = '{}' WHERE key = 'store'").await.unwrap();
        assert_eq!(open_error(&url).await.code().as_str(), "corrupt");
    });
}

#[test]
fn read_only_server_is_a_typed_error() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let name = url.rsplit_once('/').unwrap().1;
        let operator = connect(&url).await;
        operator.batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.unwrap();
        let error = open_error(&url).await;
        assert_eq!(error.code().as_str(), "read_only");
        assert!(error.to_string().contains("the URL of the primary"), "{error}");
    });
}

#[test]
fn user_without_rights_works_on_a_prepared_database_only() {
    run_on_server(async {
        let url = fresh_url().await;
        let name = url.rsplit_once('/').unwrap().1.to_owned();
        let operator = connect(&url).await;
        operator.batch_execute(&format!("CREATE ROLE {name} LOGIN")).await.unwrap();
        let limited = with_user(&url, &name);
        let error = open_error(&limited).await;
        assert_eq!(error.code().as_str(), "not_authorized");
        assert!(error.to_string().contains("`runstate prepare`"), "{error}");
        let catalog = Catalog::new(&[&C]).unwrap();
        open(&url).await.migrate(&catalog).await.unwrap();
        operator
            .batch_execute(&format!(
                "GRANT USAGE ON SCHEMA runstate, t TO {name}; \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA runstate, t TO {name}"
            ))
            .await
            .unwrap();
        let store = open(&limited).await;
        store.migrate(&catalog).await.unwrap();
        let first = batch("a", vec![insert(&C, "a", json!({"n": 1}))]);
        store.commit(first.clone()).await.unwrap();
        assert!(store.commit(first).await.unwrap().replayed);
        operator.batch_execute(&format!("REVOKE INSERT ON t.c FROM {name}")).await.unwrap();
        let refused = store.commit(batch("b", vec![insert(&C, "b", json!({"n": 1}))])).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "not_authorized");
        store.close().await.unwrap();
        operator.batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await.unwrap();
    });
}

#[test]
fn altered_table_is_a_typed_error() {
    run_on_server(async {
        for (change, part) in [
            ("ALTER TABLE t.c DROP COLUMN n", "`n`"),
            ("ALTER TABLE t.c ALTER COLUMN n TYPE text", "`n`"),
            ("ALTER TABLE t.c ALTER COLUMN a TYPE text COLLATE \"POSIX\"", "collation"),
            ("ALTER TABLE t.c DROP COLUMN _rev", "`_rev`"),
        ] {
            let url = fresh_url().await;
            let catalog = Catalog::new(&[&C]).unwrap();
            open(&url).await.migrate(&catalog).await.unwrap();
            connect(&url).await.batch_execute(change).await.unwrap();
            let error = open(&url).await.migrate(&catalog).await.unwrap_err();
            assert!(matches!(error, StoreError::UnsuitableCollection { .. }), "{change}: {error}");
            assert!(error.to_string().contains(part), "{change}: {error}");
        }
    });
}

#[test]
fn indexed_value_beyond_the_limit_of_the_server_is_too_large() {
    run_on_server(async {
        let store = open(&fresh_url().await).await;
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let mut state = 1u64;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        };
        let long: String = (0..10_000).map(|_| letter()).collect();
        let error = store.commit(batch("a", vec![insert(&C, "a", json!({"a": long}))])).await.unwrap_err();
        assert_eq!(error.code().as_str(), "too_large");
        assert!(error.to_string().contains("t.c/a"), "{error}");
    });
}

#[test]
fn command_that_another_transaction_is_committing_is_unknown() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&format!("{url}?callTimeoutMS=1500")).await;
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        store.commit(batch("first", vec![insert(&C, "first", json!({}))])).await.unwrap();
        // As an attempt of the same command that waits for a standby.
        let other = connect(&url).await;
        begin_with_ledger_row(&other, "again").await;
        let repeat = batch("again", vec![insert(&C, "again", json!({}))]);
        let error = store.commit(repeat.clone()).await.unwrap_err();
        assert_eq!(error.code().as_str(), "unknown_outcome", "{error}");
        other.batch_execute("COMMIT").await.unwrap();
        assert!(store.commit(repeat).await.unwrap().replayed);
    });
}

#[test]
fn commit_that_is_canceled_before_its_ledger_reply_is_unknown() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        store.commit(batch("first", vec![insert(&C, "first", json!({}))])).await.unwrap();
        let (other, operator) = (connect(&url).await, connect(&url).await);
        begin_with_ledger_row(&other, "again").await;
        let repeat = batch("again", vec![insert(&C, "again", json!({}))]);
        let committing = tokio::spawn(async move { store.commit(repeat).await });
        let waiting = wait_until("the commit waits", async || find_waiting_session(&operator).await).await;
        operator.execute("SELECT pg_cancel_backend($1)", &[&waiting]).await.unwrap();
        let error = committing.await.unwrap().unwrap_err();
        assert_eq!(error.code().as_str(), "unknown_outcome", "{error}");
    });
}

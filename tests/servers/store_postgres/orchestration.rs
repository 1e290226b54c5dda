//! Sessions on PostgreSQL whose rows were damaged with SQL.

use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::Store;
use runstate::store::postgres::{Postgres, PostgresOptions};

use crate::support::damaged_sessions::{expect_bounded_damage, expect_no_delay};
use crate::support::orchestration_cases::one_pass_removes_all_that_expired;
use crate::support::postgres::{connect, fresh_url, run_on_server};

#[test]
fn sessions_that_sql_damaged_delay_no_others() {
    run_on_server(async {
        for damage in ["_rest = '[]'", "_rev = 'zzz'"] {
            let url = &fresh_url().await;
            let open = || -> BoxFuture<'static, _> {
                let url = url.clone();
                Box::pin(async move {
                    Ok(Arc::new(Postgres::open(&url, PostgresOptions::default()).await?) as Arc<dyn Store>)
                })
            };
            let damage = async |id: &str| {
                let update = format!("UPDATE orchestration.sessions SET {damage} WHERE _id = $1");
                assert_eq!(connect(url).await.execute(&update, &[&id]).await.unwrap(), 1);
            };
            expect_no_delay(&open, damage).await;
        }
    });
}

#[test]
fn a_page_of_sessions_that_sql_damaged_is_bounded() {
    run_on_server(async {
        let url = &fresh_url().await;
        let open = || -> BoxFuture<'static, _> {
            let url = url.clone();
            Box::pin(
                async move { Ok(Arc::new(Postgres::open(&url, PostgresOptions::default()).await?) as Arc<dyn Store>) },
            )
        };
        let damage_all = async |but: &str| {
            let update = "UPDATE orchestration.sessions SET _rest = '[]' WHERE _id <> $1";
            connect(url).await.execute(update, &[&but]).await.unwrap();
        };
        expect_bounded_damage(&open, damage_all).await;
    });
}

#[test]
fn one_pass_removes_ten_thousand_sessions_beside_damaged_ones() {
    run_on_server(async {
        let url = &fresh_url().await;
        let store = Postgres::open(url, PostgresOptions::default()).await.unwrap();
        let damage = async |id: &str| {
            let update = "UPDATE orchestration.sessions SET _rest = '[]' WHERE _id = $1";
            assert_eq!(connect(url).await.execute(update, &[&id]).await.unwrap(), 1);
        };
        one_pass_removes_all_that_expired(Arc::new(store), 20, damage, async || {}).await;
    });
}

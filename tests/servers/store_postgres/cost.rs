//! The number of round trips of a commit and of reads.

use std::sync::{Arc, Mutex};

use runstate::schema::{Catalog, Collection, Field, Key, Query};
use runstate::store::postgres::{Postgres, PostgresOptions, RoundTripObserver};
use runstate::store::{Check, Expectation, Freshness, Store, StoreAdmin};
use runstate::time::Millis;
use serde_json::json;

use crate::support::batches::{batch, insert, put};
use crate::support::postgres::{fresh_url, run_on_server};

const A: Collection = Collection::new("t.a", 1).fields(&[Field::int("n")]);
const B: Collection = Collection::new("t.b", 1).fields(&[Field::int("n")]);

/// The first statement of each round trip, without notifications, which follow commits at any time.
#[derive(Clone, Default)]
struct RoundTrips(Arc<Mutex<Vec<String>>>);

impl RoundTrips {
    fn observer(&self) -> RoundTripObserver {
        let trips = self.clone();
        Arc::new(move |first| {
            if !first.contains("NOTIFY") {
                trips.0.lock().unwrap().push(first.to_owned());
            }
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn commit_through_a_pooler_costs_three_round_trips_and_a_read_one() {
    run_on_server(async {
        let trips = RoundTrips::default();
        let options = PostgresOptions { on_round_trip: Some(trips.observer()), ..PostgresOptions::default() };
        let url = format!("{}?preparedStatements=false", fresh_url().await);
        let store = Postgres::open(&url, options).await.unwrap();
        store.migrate(&Catalog::new(&[&A, &B]).unwrap()).await.unwrap();
        trips.take();
        let fill = vec![insert(&A, "x", json!({"n": 1})), insert(&B, "x", json!({"n": 1}))];
        store.commit(batch("fill", fill)).await.unwrap();
        assert_eq!(trips.take().len(), 3, "insertions, after the reply to BEGIN");
        let keys = [Key::new(&A, "x"), Key::new(&B, "x")];
        let found = store.get(&keys, Freshness::Linearizable).await.unwrap();
        assert_eq!(trips.take().len(), 1, "two tables at one moment");
        store.get(&keys[..1], Freshness::Linearizable).await.unwrap();
        assert_eq!(trips.take().len(), 1, "one table");
        let revision = |n: usize| found[n].as_ref().unwrap().revision.clone();
        let expected = put(&A, "x", Expectation::Revision(revision(0)), json!({"n": 2}));
        let mut changed = batch("change", vec![expected, insert(&B, "y", json!({"n": 1}))]);
        changed.checks.push(Check { key: keys[1].clone(), revision: revision(1) });
        store.commit(changed).await.unwrap();
        let [first, _, last] = trips.take().try_into().unwrap();
        assert!(first.starts_with("BEGIN") && last == "COMMIT", "{first}, {last}");
        store.commit(batch("any", vec![put(&A, "x", Expectation::Any, json!({"n": 3}))])).await.unwrap();
        assert_eq!(trips.take().len(), 4, "an overwritten document is locked first");
        store.query(&Query::of(&A).limit(1), Freshness::Linearizable).await.unwrap();
        assert_eq!(trips.take().len(), 1, "a query");
        let from = store.changes(None, 1, Millis(0)).await.unwrap().next;
        trips.take();
        store.changes(Some(from), 1, Millis(0)).await.unwrap();
        assert_eq!(trips.take().len(), 2, "changes");
    });
}

#[test]
fn commit_of_prepared_statements_costs_two_round_trips() {
    run_on_server(async {
        let trips = RoundTrips::default();
        let options = PostgresOptions { on_round_trip: Some(trips.observer()), ..PostgresOptions::default() };
        let store = Postgres::open(&format!("{}?maxConnections=1", fresh_url().await), options).await.unwrap();
        store.migrate(&Catalog::new(&[&A]).unwrap()).await.unwrap();
        for n in 0..3 {
            trips.take();
            let id = n.to_string();
            store.commit(batch(&id, vec![insert(&A, &id, json!({"n": n}))])).await.unwrap();
        }
        // The first commits prepared their statements.
        let [first, last] = trips.take().try_into().unwrap();
        assert!(first.starts_with("BEGIN") && last == "COMMIT", "{first}, {last}");
        for _ in 0..2 {
            trips.take();
            store.query(&Query::of(&A).limit(1), Freshness::Linearizable).await.unwrap();
        }
        assert_eq!(trips.take().len(), 1, "a query");
        for _ in 0..2 {
            trips.take();
            store.get(&[Key::new(&A, "0")], Freshness::Linearizable).await.unwrap();
        }
        assert_eq!(trips.take().len(), 1, "a document");
    });
}

//! Read and write concerns of all commands: each write waits for the majority, and each read names its snapshot or its
//! time.
//!
//! Two tests run commands of other clients between two commands of one call.

use std::collections::BTreeSet;
use std::pin::pin;

use mongodb::bson::{Timestamp as ClusterTime, doc};
use runstate::id::CommandId;
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Accumulator, Aggregate, Catalog, Collection, Filter, Index, Key, Query};
use runstate::store::{COMMANDS, Expectation, Freshness, Store, StoreAdmin};
use runstate::time::{Millis, Timestamp};
use serde_json::json;

use super::recorder::{Exchange, HEADS, LEADS, ROWS, RecordedStore};
use crate::support::batches::{insert, put};
use crate::support::domain_layout::seed_layout;
use crate::support::mongodb::{fresh_url, run_on_server};

const OTHER_HEADS: Collection = Collection { indexes: &[Index::ordered(&[("n", Descending)])], ..HEADS };
const UNIQUE_HEADS: Collection = Collection { indexes: &[Index::ordered(&[("n", Ascending)]).unique()], ..HEADS };

/// Commands that change something, on their own or in a transaction.
const WRITES: [&str; 7] = ["insert", "update", "delete", "findAndModify", "create", "createIndexes", "dropIndexes"];

fn count_heads() -> Aggregate {
    Aggregate {
        collection: HEADS.name.to_owned(),
        filter: Filter::All,
        group_by: Vec::new(),
        accumulators: vec![("count".to_owned(), Accumulator::Count)],
    }
}

/// Whether the command is part of a transaction. The concern of its commit applies to all its commands.
fn is_in_transaction(exchange: &Exchange) -> bool {
    exchange.command.contains_key("autocommit") && exchange.name() != "commitTransaction"
}

/// All commands from opening a store on, with a URL that asks for less than the store guarantees.
async fn exercise_store() -> Vec<Exchange> {
    let scene = RecordedStore::new("&w=1&journal=false&readConcernLevel=local&readPreference=secondaryPreferred").await;
    let inserts = vec![insert(&HEADS, "a", json!({"n": 1})), insert(&LEADS, "l", json!({}))];
    scene.commit("insert", inserts, vec![]).await;
    let twins = ["b", "c"].map(|id| insert(&HEADS, id, json!({"n": 2, "at": 0})));
    scene.commit("expire", twins.into(), vec![]).await;
    let checks = vec![scene.check(&HEADS, "a").await, scene.check(&LEADS, "l").await];
    scene.commit("check", vec![insert(&ROWS, "r", json!({}))], checks).await;
    scene.commit("change", vec![put(&LEADS, "l", Expectation::Any, json!({"n": 1}))], vec![]).await;
    scene.store.outcome(&CommandId::new("change").unwrap()).await.unwrap();
    scene.store.query(&Query::of(&HEADS), Freshness::Linearizable).await.unwrap();
    scene.store.aggregate(&count_heads()).await.unwrap();
    // A catalog that is refused, and one that replaces an index.
    scene.store.migrate(&Catalog::new(&[&UNIQUE_HEADS, &LEADS, &ROWS]).unwrap()).await.unwrap_err();
    scene.store.migrate(&Catalog::new(&[&OTHER_HEADS, &LEADS, &ROWS]).unwrap()).await.unwrap();
    assert_eq!(scene.store.sweep(HEADS.name, Timestamp::from_millis(5_000), 10).await.unwrap(), 2);
    scene.recorder.take()
}

#[test]
fn every_write_waits_for_the_majority_whatever_the_url_says() {
    run_on_server(async {
        let sent = exercise_store().await;
        let is_write =
            |exchange: &&Exchange| WRITES.contains(&exchange.name()) || exchange.name() == "commitTransaction";
        let (mut names, mut unsafe_writes) = (BTreeSet::new(), Vec::new());
        for exchange in sent.iter().filter(is_write).filter(|exchange| !is_in_transaction(exchange)) {
            names.insert(exchange.name());
            let concern = exchange.command.get_document("writeConcern").cloned().unwrap_or_default();
            if concern.get_str("w").ok() != Some("majority") || concern.contains_key("j") {
                unsafe_writes.push(exchange.command.to_string());
            }
        }
        assert!(unsafe_writes.is_empty(), "{unsafe_writes:#?}");
        let expected =
            ["commitTransaction", "create", "createIndexes", "delete", "dropIndexes", "findAndModify", "update"];
        assert_eq!(Vec::from_iter(names), expected);
        // Every insert of a commit is in its transaction.
        assert!(sent.iter().filter(|exchange| exchange.name() == "insert").all(is_in_transaction));
    });
}

#[test]
fn every_read_is_majority_committed_whatever_the_url_says() {
    run_on_server(async {
        let sent = exercise_store().await;
        let concerns = sent.iter().filter(|exchange| exchange.command.contains_key("startTransaction"));
        let concerns: BTreeSet<String> = concerns.map(|begin| begin.read_concern().to_string()).collect();
        assert_eq!(Vec::from_iter(concerns), [doc! {"level": "snapshot"}.to_string()]);
        let reads = sent.iter().filter(|exchange| ["find", "aggregate"].contains(&exchange.name()));
        let level = |read: &Exchange| read.read_concern().get_str("level").unwrap_or("none").to_owned();
        let levels: BTreeSet<String> = reads.filter(|read| !is_in_transaction(read)).map(level).collect();
        assert_eq!(Vec::from_iter(levels), ["majority", "snapshot"]);
        for exchange in &sent {
            let preference =
                exchange.command.get_document("$readPreference").and_then(|preference| preference.get_str("mode"));
            assert!(preference.is_err() || preference.is_ok_and(|mode| mode.starts_with("primary")), "{exchange:?}");
        }
    });
}

#[test]
fn documents_and_ledger_are_read_at_the_read_fence() {
    run_on_server(async {
        let scene = RecordedStore::new("").await;
        scene.commit("one", vec![insert(&HEADS, "a", json!({})), insert(&ROWS, "r", json!({}))], vec![]).await;
        scene.recorder.take();
        scene.store.get(&[Key::new(&HEADS, "a"), Key::new(&ROWS, "r")], Freshness::Linearizable).await.unwrap();
        let sent = scene.recorder.take();
        let names: Vec<&str> = sent.iter().map(Exchange::name).collect();
        assert_eq!(names, ["findAndModify", "aggregate"]);
        let at = sent[0].operation_time();
        assert_eq!(sent[1].read_concern(), doc! {"level": "snapshot", "atClusterTime": at});

        scene.store.outcome(&CommandId::new("one").unwrap()).await.unwrap();
        let sent = scene.recorder.take();
        let names: Vec<&str> = sent.iter().map(Exchange::name).collect();
        assert_eq!(names, ["findAndModify", "find"]);
        assert_eq!(sent[1].command.get_str("find").ok(), Some("runstate.commands"));
        let concern = doc! {"level": "majority", "afterClusterTime": sent[0].operation_time()};
        assert_eq!(sent[1].read_concern(), concern);
    });
}

#[test]
fn linearizable_queries_read_after_a_read_fence_of_their_own() {
    run_on_server(async {
        let scene = RecordedStore::new("").await;
        scene.commit("one", vec![insert(&HEADS, "a", json!({}))], vec![]).await;
        let query = Query::of(&HEADS);
        scene.recorder.take();
        let page = scene.store.query(&query, Freshness::Linearizable).await.unwrap();
        assert_eq!(page.items.len(), 1);
        let sent = scene.sent(&["findAndModify", "find"]);
        let names: Vec<&str> = sent.iter().map(Exchange::name).collect();
        assert_eq!(names, ["findAndModify", "find"]);
        let concern = doc! {"level": "snapshot", "afterClusterTime": sent[0].operation_time()};
        assert_eq!(sent[1].read_concern(), concern);
    });
}

#[test]
fn session_queries_and_counts_read_after_the_last_confirmed_commit() {
    run_on_server(async {
        let scene = RecordedStore::new("").await;
        let read_concerns = async || {
            scene.recorder.take();
            for query in [Query::of(&HEADS), Query::of(&HEADS).sort("n", Ascending).limit(1)] {
                scene.store.query(&query, Freshness::Session).await.unwrap();
            }
            scene.store.aggregate(&count_heads()).await.unwrap();
            let sent = scene.sent(&["findAndModify", "find", "aggregate"]);
            let names: Vec<&str> = sent.iter().map(Exchange::name).collect();
            assert_eq!(names, ["find", "find", "aggregate"], "there is no read fence");
            sent.iter().map(Exchange::read_concern).collect::<Vec<_>>()
        };
        let after = |time: ClusterTime| vec![doc! {"level": "snapshot", "afterClusterTime": time}; 3];

        scene.recorder.take();
        scene.commit("one", vec![insert(&HEADS, "a", json!({}))], vec![]).await;
        let committed = scene.sent(&["commitTransaction"]);
        assert_eq!(read_concerns().await, after(committed[0].operation_time()));

        scene.recorder.take();
        scene.store.get(&[Key::new(&HEADS, "a")], Freshness::Linearizable).await.unwrap();
        let fence = scene.sent(&["findAndModify"]);
        assert_eq!(read_concerns().await, after(fence[0].operation_time()));
    });
}

#[test]
fn session_reads_by_key_read_one_snapshot_and_write_nothing() {
    run_on_server(async {
        let scene = RecordedStore::new("").await;
        scene.recorder.take();
        scene.commit("one", vec![insert(&HEADS, "a", json!({})), insert(&ROWS, "r", json!({}))], vec![]).await;
        let confirmed = scene.sent(&["commitTransaction"])[0].operation_time();
        let after_commit = doc! {"level": "snapshot", "afterClusterTime": confirmed};
        let read = async |keys: &[Key]| {
            scene.recorder.take();
            let found = scene.store.get(keys, Freshness::Session).await.unwrap();
            assert!(found.iter().all(Option::is_some));
            scene.recorder.take()
        };

        let sent = read(&[Key::new(&HEADS, "a")]).await;
        assert_eq!(sent.iter().map(Exchange::name).collect::<Vec<_>>(), ["find"]);
        assert_eq!(sent[0].read_concern(), after_commit);

        // Documents of two collections are read by one command.
        let sent = read(&[Key::new(&HEADS, "a"), Key::new(&ROWS, "r")]).await;
        assert_eq!(sent.iter().map(Exchange::name).collect::<Vec<_>>(), ["aggregate"]);
        assert_eq!(sent[0].read_concern(), after_commit);
    });
}

#[test]
fn reads_of_two_databases_name_the_time_of_one_snapshot() {
    run_on_server(async {
        let scene = RecordedStore::open(&seed_layout(&fresh_url())).await;
        scene.commit("one", vec![insert(&HEADS, "a", json!({})), insert(&ROWS, "r", json!({}))], vec![]).await;
        let keys = [Key::new(&HEADS, "a"), Key::new(&ROWS, "r"), Key::new(&COMMANDS, "one"), Key::new(&HEADS, "b")];
        scene.recorder.take();
        let found = scene.store.get(&keys, Freshness::Session).await.unwrap();
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, true, false]);
        let sent = scene.recorder.take();
        let mut names: Vec<&str> = sent.iter().map(Exchange::name).collect();
        names.sort_unstable();
        assert_eq!(names, ["aggregate", "find", "find"]);
        let of_time: Vec<_> =
            sent.iter().filter_map(|it| it.read_concern().get_timestamp("atClusterTime").ok()).collect();
        assert!(of_time.len() == 2 && of_time[0] == of_time[1], "{of_time:?}");
    });
}

#[test]
fn change_feed_begins_at_the_read_fence() {
    run_on_server(async {
        let scene = RecordedStore::new("").await;
        scene.recorder.take();
        scene.store.changes(None, 1, Millis(0)).await.unwrap();
        let sent = scene.sent(&["findAndModify", "aggregate"]);
        let names: Vec<&str> = sent.iter().map(Exchange::name).collect();
        assert_eq!(names, ["findAndModify", "aggregate"]);
        let pipeline = sent[1].command.get_array("pipeline").unwrap();
        let stage = pipeline[0].as_document().unwrap().get_document("$changeStream").unwrap();
        assert_eq!(stage.get_timestamp("startAtOperationTime").ok(), Some(sent[0].operation_time()));
    });
}

#[test]
fn transactions_and_queries_have_a_time_limit_on_the_server() {
    run_on_server(async {
        let sent = exercise_store().await;
        let is_query = |exchange: &Exchange| {
            let is_of_documents = |name: &str| exchange.command.get_str(name).is_ok_and(|of| of == HEADS.name);
            is_of_documents("aggregate") || (is_of_documents("find") && exchange.command.contains_key("allowDiskUse"))
        };
        let bounded: Vec<&Exchange> = sent.iter().filter(|it| is_in_transaction(it) || is_query(it)).collect();
        assert!(bounded.iter().any(|it| is_query(it)) && bounded.iter().any(|it| is_in_transaction(it)));
        for exchange in bounded.iter().filter(|exchange| exchange.name() != "abortTransaction") {
            let most = exchange.command.get_i64("maxTimeMS").unwrap_or_else(|_| panic!("{}", exchange.command));
            assert!((1..=30_500).contains(&most), "{}", exchange.command);
        }
    });
}

#[test]
fn read_never_uses_a_read_fence_that_began_before_it() {
    run_on_server(async {
        let scene = RecordedStore::new("").await;
        let keys = [Key::new(&HEADS, "a")];
        scene.recorder.take();
        scene.recorder.hold("findAndModify");
        let first = tokio::spawn({
            let (store, keys) = (scene.store.clone(), keys.clone());
            async move { store.get(&keys, Freshness::Linearizable).await }
        });
        scene.recorder.wait_until_sent("findAndModify").await;
        // Both reads arrive while the first fence is being written, and share the next one.
        let mut second = pin!(scene.store.get(&keys, Freshness::Linearizable));
        let mut third = pin!(scene.store.get(&keys, Freshness::Linearizable));
        tokio::select! {
            biased;
            _ = &mut second => panic!("the read did not wait"),
            _ = &mut third => panic!("the read did not wait"),
            () = std::future::ready(()) => {}
        }
        scene.recorder.release();
        first.await.unwrap().unwrap();
        let (second, third) = tokio::join!(second, third);
        assert_eq!((second.unwrap(), third.unwrap()), (vec![None], vec![None]));
        let sent = scene.recorder.take();
        let of = |name: &'static str| sent.iter().filter(move |exchange| exchange.name() == name);
        let fences: Vec<ClusterTime> = of("findAndModify").map(Exchange::operation_time).collect();
        assert_eq!(fences.len(), 2);
        let time = |find: &Exchange| find.read_concern().get_timestamp("atClusterTime").unwrap();
        let times: Vec<ClusterTime> = of("find").map(time).collect();
        assert_eq!(times, [fences[0], fences[1], fences[1]]);
    });
}

#[test]
fn document_refreshed_during_a_sweep_is_not_deleted() {
    run_on_server(async {
        let scene = RecordedStore::new("").await;
        scene.commit("expire", ["a", "b"].map(|id| insert(&HEADS, id, json!({"at": 0}))).into(), vec![]).await;
        let revision = scene.find(&HEADS, "a").await.unwrap().revision;
        scene.recorder.take();
        scene.recorder.hold("find");
        let sweeping = tokio::spawn({
            let store = scene.store.clone();
            async move { store.sweep(HEADS.name, Timestamp::from_millis(5_000), 10).await }
        });
        scene.recorder.wait_until_sent("find").await;
        scene
            .commit("refresh", vec![put(&HEADS, "a", Expectation::Revision(revision), json!({"at": 9_000}))], vec![])
            .await;
        scene.recorder.release();
        assert_eq!(sweeping.await.unwrap().unwrap(), 1);
        assert!(scene.find(&HEADS, "a").await.is_some());
        assert!(scene.find(&HEADS, "b").await.is_none());
    });
}

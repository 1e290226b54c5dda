//! Commands of other clients between two commands of one call.

use std::pin::pin;

use mongodb::bson::Timestamp as ClusterTime;
use runstate::schema::Key;
use runstate::store::{Expectation, Store};
use runstate::time::Timestamp;
use serde_json::json;

use super::recorded_store::{HEADS, RecordedStore, insert, put};
use super::recorder::Exchange;
use super::server::run_on_server;

#[test]
fn read_never_uses_a_read_fence_that_began_before_it() {
    run_on_server(async {
        let scene = RecordedStore::new("").await;
        let keys = [Key::new(&HEADS, "a")];
        scene.recorder.take();
        scene.recorder.hold("findAndModify");
        let first = tokio::spawn({
            let (store, keys) = (scene.store.clone(), keys.clone());
            async move { store.get(&keys).await }
        });
        scene.recorder.wait_until_sent("findAndModify").await;
        // Both reads arrive while the first fence is being written, and share the next one.
        let mut second = pin!(scene.store.get(&keys));
        let mut third = pin!(scene.store.get(&keys));
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
        let barriers: Vec<ClusterTime> = of("findAndModify").map(Exchange::operation_time).collect();
        assert_eq!(barriers.len(), 2);
        let time = |find: &Exchange| find.read_concern().get_timestamp("atClusterTime").unwrap();
        let times: Vec<ClusterTime> = of("find").map(time).collect();
        assert_eq!(times, [barriers[0], barriers[1], barriers[1]]);
    });
}

#[test]
fn a_document_refreshed_while_it_is_swept_stays() {
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

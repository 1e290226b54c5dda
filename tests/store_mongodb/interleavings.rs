//! What others do between two commands of one call.

use std::pin::pin;

use mongodb::bson::Timestamp as ClusterTime;
use runstate::schema::Key;
use runstate::store::{Expect, Store};
use runstate::time::Timestamp;
use serde_json::json;

use super::recorded::{HEADS, Scene, insert, put};
use super::recorder::Exchange;
use super::server::on_server;

#[test]
fn a_read_is_never_served_by_a_barrier_that_began_before_it() {
    on_server(async {
        let scene = Scene::new("").await;
        let keys = [Key::new(&HEADS, "a")];
        scene.recorder.take();
        scene.recorder.hold("findAndModify");
        let first = tokio::spawn({
            let (store, keys) = (scene.store.clone(), keys.clone());
            async move { store.get(&keys).await }
        });
        scene.recorder.sent("findAndModify").await;
        // They come while the first barrier is under way, and share the next.
        let mut second = pin!(scene.store.get(&keys));
        let mut third = pin!(scene.store.get(&keys));
        tokio::select! {
            biased;
            _ = &mut second => panic!("it did not wait"),
            _ = &mut third => panic!("it did not wait"),
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
    on_server(async {
        let scene = Scene::new("").await;
        scene.commit("expire", ["a", "b"].map(|id| insert(&HEADS, id, json!({"at": 0}))).into(), vec![]).await;
        let revision = scene.find(&HEADS, "a").await.unwrap().revision;
        scene.recorder.take();
        scene.recorder.hold("find");
        let sweeping = tokio::spawn({
            let store = scene.store.clone();
            async move { store.sweep(HEADS.name, Timestamp::from_millis(5_000), 10).await }
        });
        scene.recorder.sent("find").await;
        scene.commit("refresh", vec![put(&HEADS, "a", Expect::Revision(revision), json!({"at": 9_000}))], vec![]).await;
        scene.recorder.release();
        assert_eq!(sweeping.await.unwrap().unwrap(), 1);
        assert!(scene.find(&HEADS, "a").await.is_some());
        assert!(scene.find(&HEADS, "b").await.is_none());
    });
}

//! Rotation: to the end, beside writers, and when the process dies at any commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runstate::encryption::EncryptedStore;
use runstate::engine::{Engine, RunLimit, SystemHost};
use runstate::store::layer::Method;
use runstate::store::{Freshness, Store};
use runstate::testing::{CountingStore, Fault, FaultStore};
use serde_json::{Value as Json, json};

use super::scene::{SecretScene, ask, keys, patch, put, read};

async fn fill(engine: &Engine, count: usize) {
    let write = |n: usize| json!({"collection": "vault", "id": format!("d{n:04}"), "put": {"token": format!("t{n}"), "note": n, "tag": "0"}});
    let writes: Vec<Json> = (0..count).map(write).collect();
    ask(engine, "documents.commit", json!({"writes": writes})).await.unwrap();
}

/// The number of values under each key.
async fn values(engine: &Engine) -> Json {
    let properties = engine.info().await.unwrap().properties;
    properties
        .into_iter()
        .find(|property| property.name == "encryptedValues")
        .map_or(Json::Null, |property| property.value)
}

#[tokio::test]
async fn due_work_encrypts_again_in_bounded_steps() {
    let scene = SecretScene::on_memory();
    fill(&scene.with_keys("k1").await, 300).await;
    let engine = scene.with_keys("k2,k1").await;
    assert_eq!(values(&engine).await, json!({"k1": 600}));
    let first = engine.run_due(20, RunLimit::Slice).await.unwrap();
    assert_eq!((first.encrypted, first.more), (20, true));
    assert_eq!(values(&engine).await, json!({"k1": 580, "k2": 20}));
    assert_eq!(engine.poll_due().await.unwrap().map(|at| at <= engine.now()), Some(true), "the rest is due at once");
    let mut encrypted = first.encrypted;
    loop {
        let due = engine.run_due(20, RunLimit::Stop).await.unwrap();
        encrypted += due.encrypted;
        assert!(due.encrypted <= 320 && due.failed.is_empty());
        if !due.more {
            break;
        }
    }
    assert_eq!((encrypted, values(&engine).await), (600, json!({"k2": 600})));
    assert_eq!(engine.next_due(Freshness::Linearizable).await.unwrap(), None);
    assert!(engine.run_due(20, RunLimit::Stop).await.unwrap().is_empty());
    // The old key is not needed any more.
    assert_eq!(
        read(&scene.with_keys("k2").await, "d0299").await.unwrap(),
        json!({"token": "t299", "note": 299, "tag": "0"})
    );
    assert!(engine.verify(|_| {}).await.unwrap().findings.is_empty());
}

/// Writers run between the reads and the commits of a rotation, because those commits are delayed.
#[tokio::test]
async fn rotation_beside_writers_loses_nothing() {
    const DOCUMENTS: usize = 24;
    let scene = SecretScene::on_memory();
    fill(&scene.with_keys("k1").await, DOCUMENTS).await;
    let stop = AtomicBool::new(false);
    // Some processes know the new key as an older one, and still encrypt with the one before.
    let writer = async |number: usize| {
        let engine = scene.with_keys(if number.is_multiple_of(2) { "k2,k1" } else { "k1,k2" }).await;
        let mut counts = vec![0u64; DOCUMENTS];
        while !stop.load(Ordering::Relaxed) {
            for (at, count) in counts.iter_mut().enumerate() {
                let (id, name) = (format!("d{at:04}"), format!("w{number}"));
                patch(&engine, &id, json!({ name: *count + 1 })).await.unwrap();
                *count += 1;
                tokio::task::yield_now().await;
            }
        }
        counts
    };
    let delayed = Arc::new(CountingStore::new(FaultStore::new(scene.backend.clone())));
    (1..2_000).for_each(|nth| delayed.inner().plan(Method::Commit, nth, Fault::Delay(2)));
    let rotate = async {
        let store = Arc::new(EncryptedStore::new(delayed.clone(), Some(keys("k2,k1"))));
        let engine = Engine::new(store, Arc::new(SystemHost), &[]).await.unwrap();
        let mut rotated = 0;
        for _ in 0..60 {
            rotated += engine.run_due(4, RunLimit::Slice).await.unwrap().encrypted;
            tokio::task::yield_now().await;
        }
        stop.store(true, Ordering::Relaxed);
        rotated
    };
    let (rotated, a, b, c, d) = tokio::join!(rotate, writer(0), writer(1), writer(2), writer(3));
    assert!(rotated > 0 && delayed.calls(Method::Commit).errors > 0, "some commits succeed, and some are too late");
    let engine = scene.with_keys("k2,k1").await;
    while engine.run_due(64, RunLimit::Stop).await.unwrap().more {}
    assert_eq!(values(&engine).await, json!({"k2": 2 * DOCUMENTS}));
    for (number, counts) in [a, b, c, d].into_iter().enumerate() {
        for (at, count) in counts.into_iter().enumerate() {
            let document = read(&engine, &format!("d{at:04}")).await.unwrap();
            assert_eq!((&document[format!("w{number}")], &document["note"]), (&json!(count), &json!(at)), "d{at:04}");
        }
    }
    assert!(engine.verify(|_| {}).await.unwrap().findings.is_empty());
}

/// The process dies before or after each commit of the rotation; the next one completes it.
#[tokio::test]
async fn a_rotation_that_dies_at_any_commit_is_completed() {
    const DOCUMENTS: usize = 150;
    let (mut commits, mut died) = (1, 0);
    while commits > 0 {
        for fault in [Fault::DieBefore, Fault::DieAfter] {
            let scene = SecretScene::on_memory();
            fill(&scene.with_keys("k1").await, DOCUMENTS).await;
            let faulty = Arc::new(FaultStore::new(scene.backend.clone()));
            let store = Arc::new(EncryptedStore::new(faulty.clone(), Some(keys("k2,k1"))));
            let engine = Engine::new(store, Arc::new(SystemHost), &[]).await.unwrap();
            faulty.plan(Method::Commit, commits, fault);
            let outcome = engine.rotate(1_000).await;
            if !faulty.is_dead() {
                // It makes fewer commits.
                assert_eq!(outcome.unwrap().encrypted, 2 * DOCUMENTS as u64);
                commits = 0;
                break;
            }
            died += 1;
            let next = scene.with_keys("k2,k1").await;
            while next.rotate(40).await.unwrap().more {}
            assert_eq!(values(&next).await, json!({"k2": 2 * DOCUMENTS}));
            for n in [0, 63, 64, 149] {
                let expected = json!({"token": format!("t{n}"), "note": n, "tag": "0"});
                assert_eq!(read(&next, &format!("d{n:04}")).await.unwrap(), expected);
            }
        }
        commits += u64::from(commits > 0);
    }
    assert_eq!(died, 12, "three commits for each of two fields");
}

#[tokio::test]
async fn a_document_that_cannot_be_decrypted_does_not_stop_the_others() {
    use runstate::id::CommandId;
    use runstate::testing::{BatchExt as _, batch};
    let scene = SecretScene::on_memory();
    let engine = scene.with_keys("k1").await;
    fill(&engine, 10).await;
    let damaged = json!({"note": {"key": "k1", "sealed": "AAAA"}});
    let write = batch(CommandId::new("damage").unwrap()).put(&super::scene::RAW, "d0003", damaged.clone());
    scene.backend.commit(write).await.unwrap();
    let engine = scene.with_keys("k2,k1").await;
    let due = engine.run_due(64, RunLimit::Stop).await.unwrap();
    assert_eq!((due.encrypted, due.more, due.failed.len()), (18, false, 1));
    assert_eq!((due.failed[0].id.as_str(), due.failed[0].error.code.as_str()), ("documents.vault/d0003", "corrupt"));
    assert_eq!(Json::Object((*scene.raw("d0003").await.document).clone()), damaged, "it stays as it is");
}

#[tokio::test]
async fn each_change_encrypts_with_the_current_key() {
    let scene = SecretScene::on_memory();
    put(&scene.with_keys("k1").await, "a", json!({"token": "x", "note": 1})).await.unwrap();
    let engine = scene.with_keys("k2,k1").await;
    patch(&engine, "a", json!({"tag": "new"})).await.unwrap();
    let raw = scene.raw("a").await;
    assert_eq!((&raw.document["token"]["key"], &raw.document["note"]["key"]), (&json!("k2"), &json!("k2")));
    assert!(engine.store().encryption().is_some_and(|encryption| !encryption.is_rotating()));
}

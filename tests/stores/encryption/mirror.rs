//! Mirrors of stores with secrets.

use std::sync::Arc;

use runstate::encryption::{EncryptedStore, KeyProvider};
use runstate::engine::{Error, SystemHost};
use runstate::time::Millis;
use runstate::transfer::mirror::{Mirror, MirrorOptions};
use serde_json::json;

use super::scene::{SECRET, SecretScene, keys, put, read};

/// A mirror of a store with the key `k1`.
async fn mirror(
    primary: &SecretScene,
    secondary: &SecretScene,
    key: Option<Arc<dyn KeyProvider>>,
) -> Result<Mirror, Error> {
    let open = |scene: &SecretScene, keys| Arc::new(EncryptedStore::new(scene.backend.clone(), keys));
    let (primary, secondary) = (open(primary, Some(keys("k1"))), open(secondary, key));
    Mirror::open(primary, secondary, Arc::new(SystemHost), &[], MirrorOptions::default()).await
}

#[tokio::test]
async fn secrets_are_mirrored_under_the_keys_of_the_secondary_only() {
    let (ours, theirs) = (SecretScene::on_memory(), SecretScene::on_memory());
    let primary = ours.with_keys("k1").await;
    put(&primary, "a", json!({"token": SECRET, "note": {"deep": [SECRET]}})).await.unwrap();
    let error = mirror(&ours, &theirs, None).await.err().unwrap();
    assert_eq!(error.code.as_str(), "key_missing", "{error}");

    let mirror = mirror(&ours, &theirs, Some(keys("k9"))).await.unwrap();
    mirror.catch_up(Millis(0), |_| {}).await.unwrap();
    put(&primary, "b", json!({"token": format!("{SECRET} 2"), "auth": {"pin": 7}})).await.unwrap();
    mirror.catch_up(Millis(0), |_| {}).await.unwrap();
    let comparison = mirror.finish(10, |_| {}).await.unwrap();
    assert!(comparison.is_equal(), "{comparison:?}");
    assert!(!theirs.dump().await.contains(SECRET));
    let secondary = theirs.with_keys("k9").await;
    for id in ["a", "b"] {
        assert_eq!(read(&secondary, id).await.unwrap(), read(&primary, id).await.unwrap());
    }
    assert!(secondary.verify(|_| {}).await.unwrap().findings.is_empty());
}

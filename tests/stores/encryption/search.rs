//! Queries over secrets: equality by the keyed hash, and typed errors for the rest.

use serde_json::json;

use super::scene::{SECRET, SecretScene, ask, find, put, vault, without_hash_key};

#[tokio::test]
async fn a_searchable_secret_is_found_by_its_exact_value() {
    let scene = SecretScene::on_memory();
    let engine = scene.with_keys("k1").await;
    for (id, token) in [("a", SECRET), ("b", "other"), ("c", "third")] {
        put(&engine, id, json!({"token": token, "tag": "t"})).await.unwrap();
    }
    put(&engine, "d", json!({"tag": "t"})).await.unwrap();
    // In the middle of a rotation too.
    for names in ["k1", "k2,k1"] {
        let engine = scene.with_keys(names).await;
        assert_eq!(find(&engine, json!({"eq": ["token", SECRET]})).await.unwrap(), ["a"]);
        assert_eq!(find(&engine, json!({"in": ["token", ["other", "third", "none"]]})).await.unwrap(), ["b", "c"]);
        assert_eq!(find(&engine, json!({"ne": ["token", SECRET]})).await.unwrap(), ["b", "c", "d"]);
        let nested = json!({"or": [{"not": {"exists": ["token", true]}}, {"and": [{"eq": ["tag", "t"]}, {"eq": ["token", "third"]}]}]});
        assert_eq!(find(&engine, nested).await.unwrap(), ["c", "d"]);
        assert_eq!(find(&engine, json!({"eq": ["token", SECRET.to_uppercase()]})).await.unwrap(), [""; 0]);
        assert_eq!(put(&engine, "e", json!({"token": SECRET})).await.unwrap_err().code.as_str(), "unique_violation");
        engine.rotate(1).await.unwrap();
    }
}

#[tokio::test]
async fn other_conditions_on_a_secret_are_refused() {
    let scene = SecretScene::on_memory();
    let engine = scene.with_keys("k1").await;
    put(&engine, "a", json!({"token": SECRET, "note": {"a": SECRET}, "auth": {"pin": 1}})).await.unwrap();
    let refused = [
        json!({"lt": ["token", "x"]}),
        json!({"text": ["token", "x"]}),
        json!({"eq": ["note", "x"]}),
        json!({"eq": ["note.a", "x"]}),
        json!({"exists": ["note.sealed", true]}),
        json!({"eq": ["token.key", "k1"]}),
        json!({"contains": ["auth", {"pin": 1}]}),
        json!({"not": {"gte": ["auth.pin", 1]}}),
    ];
    for filter in refused {
        let error = find(&engine, filter.clone()).await.unwrap_err();
        assert!(error.code.as_str() == "invalid" && error.message.contains("is secret"), "{filter}: {error}");
    }
    let ordered =
        ask(&engine, "documents.query", json!({"collection": "vault", "order": ["-token"]})).await.unwrap_err();
    assert!(ordered.message.contains("cannot be ordered by"), "{ordered}");
    assert_eq!(find(&engine, json!({"exists": ["auth", true]})).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_searchable_secret_needs_the_key_of_hashes() {
    let scene = SecretScene::on_memory();
    let engine = scene.engine(Some(std::sync::Arc::new(without_hash_key("k1")))).await;
    ask(&engine, "documents.declare", vault()).await.unwrap();
    put(&engine, "a", json!({"note": SECRET})).await.unwrap();
    let written = put(&engine, "b", json!({"token": SECRET})).await.unwrap_err();
    let read = find(&engine, json!({"eq": ["token", SECRET]})).await.unwrap_err();
    for error in [written, read] {
        assert!(error.code.as_str() == "key_missing" && error.message.contains("`hash`"), "{error}");
    }
}

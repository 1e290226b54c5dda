//! Unique indexes.

use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, SLOTS, code};
use super::{CaseFailure, Subject, Verdict, ensure_eq};
use crate::schema::Key;
use crate::store::StoreError;
use crate::testing::join_all;

pub(super) async fn a_unique_index_refuses_a_second_entry(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&SLOTS, "a", json!({"place": "x"})).await?;
    let clash = s.commit(s.batch()?.put(&SLOTS, "b", json!({"place": "x"}))).await;
    let expected = StoreError::UniqueViolation { key: Key::new(&SLOTS, "b"), index: "place".to_owned() };
    ensure_eq!(clash.err(), Some(expected));
    let twins = s.batch()?.put(&SLOTS, "c", json!({"place": "y"})).put(&SLOTS, "d", json!({"place": "y"}));
    ensure_eq!(code(&s.commit(twins).await), "unique_violation");
    // A document may keep its own value. Texts that differ by one byte are distinct.
    s.put(&SLOTS, "a", json!({"place": "x", "owner": "o"})).await?;
    s.put(&SLOTS, "b", json!({"place": "X"})).await?;
    s.put(&SLOTS, "c", json!({"place": ""})).await?;
    Ok(())
}

pub(super) async fn missing_fields_clash_in_a_unique_index(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&SLOTS, "a", json!({})).await?;
    ensure_eq!(code(&s.commit(s.batch()?.put(&SLOTS, "b", json!({}))).await), "unique_violation");
    s.delete(&SLOTS, "a").await?;
    ensure_eq!(code(&s.commit(s.batch()?.put(&SLOTS, "b", json!({}))).await), "ok");
    Ok(())
}

pub(super) async fn a_partial_unique_index_ignores_excluded_documents(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.put(&SLOTS, "a", json!({"place": "1", "owner": "o", "live": true})).await?;
    s.put(&SLOTS, "b", json!({"place": "2", "owner": "o", "live": false})).await?;
    s.put(&SLOTS, "c", json!({"place": "3", "owner": "o"})).await?;
    let alive = json!({"place": "2", "owner": "o", "live": true});
    let clash = s.commit(s.batch()?.put(&SLOTS, "b", alive.clone())).await;
    ensure_eq!(
        clash.err(),
        Some(StoreError::UniqueViolation { key: Key::new(&SLOTS, "b"), index: "owner".to_owned() })
    );
    s.put(&SLOTS, "a", json!({"place": "1", "owner": "o", "live": false})).await?;
    s.put(&SLOTS, "b", alive).await?;
    Ok(())
}

pub(super) async fn uniqueness_is_checked_after_the_whole_batch(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.commit(s.batch()?.put(&SLOTS, "a", json!({"place": "x"})).put(&SLOTS, "b", json!({"place": "y"}))).await?;
    let swap = s.batch()?.put(&SLOTS, "a", json!({"place": "y"})).put(&SLOTS, "b", json!({"place": "x"}));
    ensure_eq!(code(&s.commit(swap).await), "ok");
    let hand_on = s.batch()?.put(&SLOTS, "c", json!({"place": "x"})).delete(&SLOTS, "b");
    ensure_eq!(code(&s.commit(hand_on).await), "ok");
    let chain = s.batch()?.put(&SLOTS, "d", json!({"place": "y"})).put(&SLOTS, "a", json!({"place": "x"}));
    ensure_eq!(code(&s.commit(chain).await), "unique_violation");
    ensure_eq!(s.document(&SLOTS, "a").await?, json!({"place": "y"}));
    Ok(())
}

pub(super) async fn of_concurrent_inserts_of_an_entry_one_commits(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let claims: Result<Vec<_>, CaseFailure> =
        (0..8).map(|i| Ok(s.batch()?.insert(&SLOTS, &format!("{i}"), json!({"place": "x"})))).collect();
    let answers = join_all(claims?.into_iter().map(|claim| s.store.commit(claim)).collect()).await;
    let mut codes: Vec<&str> = answers.iter().map(code).collect();
    codes.sort_unstable();
    ensure_eq!(codes, [&["ok"][..], &["unique_violation"; 7]].concat());
    Ok(())
}

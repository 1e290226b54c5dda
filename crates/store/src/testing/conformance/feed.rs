//! The change feed.

use runstate_core::schema::Collection;
use runstate_value::time::{Millis, Timestamp};
use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, LEASES, batch, catalog_of, code};
use super::{CaseFailure, Subject, Verdict, ensure, ensure_eq};
use crate::testing::{join_all, yield_now};
use crate::{COMMANDS, ChangeEvent, Freshness, Position, StoreError};

const NO_WAIT: Millis = Millis(0);

/// A fixture and the position before its first change; `None` if the store has no feed and returns the typed error.
async fn feed_start(subject: &Subject) -> Result<Option<(ConformanceFixture, Position)>, CaseFailure> {
    let s = ConformanceFixture::new(subject).await?;
    let changes = s.store.changes(None, 10, NO_WAIT).await;
    if !s.store.capabilities().change_feed {
        ensure!(
            matches!(changes, Err(StoreError::Unsupported { .. })),
            "without a change feed, changes returned {}",
            code(&changes)
        );
        return Ok(None);
    }
    let changes = changes?;
    ensure_eq!(changes.events, Vec::new());
    Ok(Some((s, changes.next)))
}

async fn describe_event(s: &ConformanceFixture, event: &ChangeEvent) -> Result<String, CaseFailure> {
    let now =
        s.store.get(std::slice::from_ref(&event.key), Freshness::Linearizable).await?.into_iter().next().flatten();
    let now = now.map(|stored| stored.revision);
    let what = match &event.revision {
        None => "deleted".to_owned(),
        Some(revision) if Some(revision) == now.as_ref() => format!("{} and still", revision.writes()),
        Some(revision) => revision.writes().to_string(),
    };
    Ok(format!("{} {}: {what}", event.command, event.key.id))
}

pub(super) async fn changes_come_in_order(subject: &Subject) -> Verdict {
    let Some((s, start)) = feed_start(subject).await? else { return Ok(()) };
    let first = s.commit(batch("1")?.insert(&ITEMS, "a", json!({})).insert(&ITEMS, "b", json!({}))).await?;
    s.commit(batch("2")?.put(&ITEMS, "a", json!({"n": 1}))).await?;
    s.commit(batch("3")?).await?;
    s.commit(batch("4")?.delete(&ITEMS, "b").delete(&ITEMS, "never there")).await?;
    let changes = s.store.changes(Some(start), 100, NO_WAIT).await?;
    let mut found = Vec::new();
    for event in &changes.events {
        found.push(describe_event(&s, event).await?);
    }
    // Writes of one batch may come in any order among themselves. The feed does not contain rows of the ledger.
    if let Some(pair) = found.get_mut(..2) {
        pair.sort();
    }
    ensure_eq!(found, ["1 a: 1", "1 b: 1", "2 a: 2 and still", "4 b: deleted"]);
    let after_first = s.store.changes(Some(first.position), 100, NO_WAIT).await?;
    let commands: Vec<&str> = after_first.events.iter().map(|event| event.command.as_str()).collect();
    ensure!(commands.ends_with(&["2", "4"]), "after the first commit came {commands:?}");
    ensure_eq!(s.store.changes(Some(changes.next), 100, NO_WAIT).await?.events, Vec::new());
    Ok(())
}

pub(super) async fn reading_from_a_position_misses_no_change(subject: &Subject) -> Verdict {
    let Some((s, start)) = feed_start(subject).await? else { return Ok(()) };
    let mut expected = Vec::new();
    for i in 0..5 {
        let ids: Vec<String> = (0..3).map(|k| format!("{i}-{k}")).collect();
        s.commit(ids.iter().fold(s.batch()?, |batch, id| batch.put(&ITEMS, id, json!({})))).await?;
        expected.extend(ids);
    }
    for limit in [1, 2, 4, 100] {
        let mut from = start.clone();
        let mut found = Vec::new();
        for _ in 0..100 {
            let changes = s.store.changes(Some(from), limit, NO_WAIT).await?;
            ensure!(changes.events.len() <= limit, "{} changes, asked for {limit}", changes.events.len());
            from = changes.next;
            if changes.events.is_empty() {
                break;
            }
            found.extend(changes.events.iter().map(|event| event.key.id.to_string()));
        }
        // Delivery is at least once: a change may be repeated, but none is missing.
        found.sort();
        found.dedup();
        ensure_eq!((limit, &found), (limit, &expected));
    }
    Ok(())
}

pub(super) async fn without_a_position_the_feed_starts_now(subject: &Subject) -> Verdict {
    let Some((s, _)) = feed_start(subject).await? else { return Ok(()) };
    s.put(&ITEMS, "before", json!({})).await?;
    let now = s.store.changes(None, 10, NO_WAIT).await?;
    ensure_eq!(now.events, Vec::new());
    s.put(&ITEMS, "after", json!({})).await?;
    let changes = s.store.changes(Some(now.next), 10, NO_WAIT).await?;
    ensure_eq!(changes.events.iter().map(|event| &*event.key.id).collect::<Vec<_>>(), ["after"]);
    Ok(())
}

pub(super) async fn waiting_for_changes_ends_on_a_change_or_timeout(subject: &Subject) -> Verdict {
    let Some((s, start)) = feed_start(subject).await? else { return Ok(()) };
    ensure_eq!(s.store.changes(Some(start.clone()), 10, Millis(30)).await?.events, Vec::new());
    let s = &s;
    let waiter = async move {
        let changes = s.store.changes(Some(start), 10, Millis::minutes(1)).await?;
        ensure_eq!(changes.events.len(), 1);
        Ok(())
    };
    let writer = async move {
        for _ in 0..10 {
            yield_now().await;
        }
        s.put(&ITEMS, "a", json!({})).await.map(|_| ())
    };
    join_all(vec![Box::pin(waiter), Box::pin(writer)]).await.into_iter().collect()
}

pub(super) async fn only_ledger_rows_are_left_out_of_the_feed(subject: &Subject) -> Verdict {
    /// Its name is like that of the ledger, but a catalog declares it.
    const MARKERS: Collection = Collection::new("runstate.markers", 1);
    let Some((s, _)) = feed_start(subject).await? else { return Ok(()) };
    s.store.migrate(&catalog_of(&[&ITEMS, &MARKERS])?).await?;
    let start = s.store.changes(None, 10, NO_WAIT).await?.next;
    s.commit(s.batch()?.put(&MARKERS, "a", json!({})).put(&ITEMS, "b", json!({}))).await?;
    s.store.sweep(COMMANDS.name, Timestamp::from_millis(1_000_000) + Millis::days(8), 10).await?;
    let changes = s.store.changes(Some(start), 10, NO_WAIT).await?;
    let mut found: Vec<_> = changes.events.iter().map(|event| (&*event.key.collection, &*event.key.id)).collect();
    found.sort_unstable();
    ensure_eq!(found, [(ITEMS.name, "b"), (MARKERS.name, "a")]);
    Ok(())
}

pub(super) async fn malformed_positions_are_invalid(subject: &Subject) -> Verdict {
    let Some((s, _)) = feed_start(subject).await? else { return Ok(()) };
    s.put(&ITEMS, "a", json!({})).await?;
    for junk in ["no position of this store", "", "💥"] {
        let refused = s.store.changes(Some(Position(junk.to_owned())), 10, NO_WAIT).await;
        ensure_eq!(code(&refused), "invalid");
    }
    Ok(())
}

pub(super) async fn swept_documents_appear_as_deletions(subject: &Subject) -> Verdict {
    let Some((s, _)) = feed_start(subject).await? else { return Ok(()) };
    let lease = s.batch()?.put(&LEASES, "a", json!({"at": 0}));
    s.commit(lease.clone()).await?;
    let start = s.store.changes(None, 10, NO_WAIT).await?.next;
    s.commit(lease).await?;
    s.store.sweep(LEASES.name, Timestamp::from_millis(1_000), 10).await?;
    let changes = s.store.changes(Some(start), 10, NO_WAIT).await?;
    let found: Vec<_> = changes.events.iter().map(|event| (&*event.key.id, event.revision.is_some())).collect();
    ensure_eq!(found, [("a", false)]);
    Ok(())
}

//! Rows of time series: inserted alone, at least once, seen once.

use runstate_core::id::uuid_v7;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{
    Accumulator, Aggregate, Collection, Field, Filter, Freshness, Group, Index, Key, Query, TimeSeries, Ttl,
};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use serde_json::json;

use super::fixture::{BatchExt as _, ConformanceFixture, ITEMS, catalog_of, code};
use super::{CaseFailure, Subject, Verdict, ensure, ensure_eq};
use crate::testing::join_all;
use crate::{Outcome, Store};

/// Samples that expire one second after `at`.
const SAMPLES: Collection = Collection::new("conform.samples", 1)
    .fields(&[Field::id("id"), Field::timestamp("at"), Field::text("by"), Field::object("numbers").optional()])
    .indexes(&[Index::ordered(&[("by", Ascending), ("at", Ascending)]), Index::ordered(&[("at", Descending)])])
    .ttl(Ttl { field: "at", after: Millis::seconds(1), partial: None })
    .detached(TimeSeries { time: "at", meta: "by" });

/// The time of the first sample.
const START: i64 = 1_705_744_800_000;

/// The id and the document of a sample, `at` seconds after the first one.
fn sample(at: i64, by: &str, n: i64) -> (String, Json) {
    let at = START + 1_000 * at;
    let id = uuid_v7(Timestamp::from_millis(at), [n as u8; 10]);
    (id.clone(), json!({"id": id, "at": at, "by": by, "numbers": {"n": n, "half": n as f64 / 2.0}}))
}

async fn fixture(subject: &Subject) -> Result<ConformanceFixture, CaseFailure> {
    let s = ConformanceFixture::new(subject).await?;
    s.store.migrate(&catalog_of(&[&ITEMS, &SAMPLES])?).await?;
    Ok(s)
}

/// Commits samples, and returns their ids.
async fn record(s: &ConformanceFixture, samples: &[(i64, &str, i64)]) -> Result<Vec<String>, CaseFailure> {
    let (mut batch, mut ids) = (s.batch()?, Vec::new());
    for (at, by, n) in samples {
        let (id, document) = sample(*at, by, *n);
        batch = batch.insert(&SAMPLES, &id, document);
        ids.push(id);
    }
    s.commit(batch).await?;
    Ok(ids)
}

pub(super) async fn rows_of_a_time_series_are_read_as_documents(subject: &Subject) -> Verdict {
    let s = fixture(subject).await?;
    let ids = record(&s, &[(0, "a", 1), (3, "b", 2), (1, "a", 3), (3, "a", 4)]).await?;
    let more = record(&s, &[(2, "a", 5)]).await?;
    let ordered = [&*ids[0], &*ids[2], &*more[0], &*ids[1], &*ids[3]];
    ensure_eq!(s.document(&SAMPLES, &ids[1]).await?, sample(3, "b", 2).1);
    ensure_eq!(s.document(&SAMPLES, &sample(9, "a", 9).0).await?, Json::Null);
    ensure_eq!(s.document(&SAMPLES, "other").await?, Json::Null);
    ensure_eq!(s.revision(&SAMPLES, &ids[0]).await?.writes(), 1);
    ensure_eq!(s.ids(&Query::of(&SAMPLES)).await?, ordered);
    let since = Filter::Gte("at".to_owned(), (START + 1_000).into());
    let of_a = Query::of(&SAMPLES).eq("by", "a").filter(since).sort("at", Descending);
    ensure_eq!(s.ids(&of_a).await?, [&*ids[3], &*more[0], &*ids[2]]);
    for query in [Query::of(&SAMPLES), Query::of(&SAMPLES).sort("at", Ascending)] {
        let (mut query, mut found) = (query.limit(2), Vec::new());
        loop {
            let page = s.store.query(&query, Freshness::Linearizable).await?;
            found.extend(page.items.iter().map(|row| row.id.to_string()));
            let Some(next) = page.next else { break };
            query = query.after(Some(next));
        }
        ensure_eq!(found, ordered);
    }
    if s.store.capabilities().aggregate {
        let field = || "numbers.n".to_owned();
        let accumulators = [
            ("count", Accumulator::Count),
            ("sum", Accumulator::Sum(field())),
            ("max", Accumulator::Max(field())),
            ("p50", Accumulator::Percentile(field(), 50.0)),
        ];
        let by_span = Aggregate {
            collection: SAMPLES.name.to_owned(),
            filter: Filter::Eq("by".to_owned(), "a".into()),
            group_by: vec![Group::Bucket("at".to_owned(), Millis::seconds(2))],
            accumulators: accumulators.map(|(name, accumulator)| (name.to_owned(), accumulator)).into(),
        };
        let rows: Vec<Json> = s.store.aggregate(&by_span).await?.into_iter().map(Json::Object).collect();
        let row = |at: i64, sum: i64, max: i64, p50: i64| json!({"at": START + at, "count": 2, "sum": sum, "max": max, "p50": p50});
        ensure_eq!(json!(rows), json!([row(0, 4, 3, 1), row(2_000, 9, 5, 4)]));
    }
    s.store.close().await?;
    if let Some(reopened) = subject.reopen().await? {
        reopened.migrate(&catalog_of(&[&ITEMS, &SAMPLES])?).await?;
        let found = reopened.get(&[Key::new(&SAMPLES, &ids[0])], Freshness::Linearizable).await?;
        ensure!(found.iter().all(Option::is_some), "an acknowledged row is lost");
    }
    Ok(())
}

pub(super) async fn rows_of_a_time_series_are_committed_alone(subject: &Subject) -> Verdict {
    let s = fixture(subject).await?;
    let revision = s.put(&ITEMS, "item", json!({"n": 1})).await?;
    let (id, document) = sample(0, "a", 1);
    let row = || Ok::<_, CaseFailure>(s.batch()?.insert(&SAMPLES, &id, document.clone()));
    let first = Ok::<_, CaseFailure>(s.batch()?.put(&ITEMS, "other", json!({})));
    let batches = [
        row()?.put(&ITEMS, "other", json!({})),
        first?.insert(&SAMPLES, &id, document.clone()),
        row()?.check(&ITEMS, "item", &revision),
        s.batch()?.put(&SAMPLES, &id, document.clone()),
        s.batch()?.replace(&SAMPLES, &id, &revision, document.clone()),
        s.batch()?.delete(&SAMPLES, &id),
        s.batch()?.insert(&SAMPLES, &sample(1, "a", 1).0, document.clone()),
        s.batch()?.insert(&SAMPLES, "other", document.clone()),
    ];
    for batch in batches {
        let command = batch.command.clone();
        ensure_eq!(code(&s.commit(batch).await), "invalid");
        ensure_eq!(s.store.outcome(&command).await?, Outcome::Absent);
    }
    ensure_eq!(s.document(&ITEMS, "other").await?, Json::Null);
    ensure_eq!(s.ids(&Query::of(&SAMPLES)).await?, Vec::<String>::new());
    Ok(())
}

pub(super) async fn a_repeated_command_inserts_its_rows_once(subject: &Subject) -> Verdict {
    let s = fixture(subject).await?;
    let (id, document) = sample(0, "a", 1);
    let batch = s.batch()?.insert(&SAMPLES, &id, document.clone());
    let first = s.commit(batch.clone()).await?;
    let second = s.commit(batch.clone()).await?;
    ensure_eq!((first.replayed, second.replayed, &second.result), (false, true, &first.result));
    ensure!(s.store.outcome(&batch.command).await? != Outcome::Absent, "the command has no row in the ledger");
    let mut other = batch.clone();
    other.fingerprint = "another command".to_owned();
    ensure_eq!(code(&s.commit(other).await), "command_id_reused");
    // Another row under an id that exists.
    let (_, different) = sample(0, "b", 2);
    ensure_eq!(code(&s.commit(s.batch()?.insert(&SAMPLES, &id, different)).await), "conflict");

    let (many, sent) = (sample(1, "a", 3), s.batch()?);
    let sent = sent.insert(&SAMPLES, &many.0, many.1);
    let repeats = (0..16).map(|_| s.store.commit(sent.clone())).collect();
    for receipt in join_all(repeats).await {
        ensure_eq!(receipt?.result, sent.result);
    }
    ensure_eq!(s.ids(&Query::of(&SAMPLES)).await?, [&*id, &*many.0]);
    ensure_eq!(s.ids(&Query::of(&SAMPLES).sort("by", Descending).limit(1)).await?, [&*id]);
    if s.store.capabilities().aggregate {
        let count = Aggregate {
            collection: SAMPLES.name.to_owned(),
            filter: Filter::All,
            group_by: Vec::new(),
            accumulators: vec![("count".to_owned(), Accumulator::Count)],
        };
        ensure_eq!(json!(s.store.aggregate(&count).await?), json!([{"count": 2}]));
    }
    Ok(())
}

pub(super) async fn a_sweep_deletes_only_expired_rows_of_a_time_series(subject: &Subject) -> Verdict {
    let s = fixture(subject).await?;
    let ids = record(&s, &[(0, "a", 1), (1, "a", 2), (5, "b", 3)]).await?;
    let now = Timestamp::from_millis(START + 2_000);
    let swept = s.store.sweep(SAMPLES.name, now, 100).await?;
    // A backend that expires rows by itself may leave them all to that.
    ensure!(swept == 2 || swept == 0 && s.store.capabilities().native_ttl, "{swept} rows were swept");
    let left: Vec<&str> = ids.iter().map(String::as_str).skip(swept).collect();
    ensure_eq!(s.ids(&Query::of(&SAMPLES)).await?, left);
    ensure_eq!(s.store.sweep(SAMPLES.name, now, 100).await?, 0);
    Ok(())
}

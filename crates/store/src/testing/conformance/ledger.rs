//! The command ledger: a command is committed once.

use runstate_core::limits::LEDGER_RESULT_BYTES;
use runstate_core::schema::{Key, Query};
use runstate_value::Json;
use runstate_value::time::Millis;
use serde_json::json;

use super::fixture::{BatchExt, ConformanceFixture, ITEMS, batch, code, command_id};
use super::{Subject, Verdict, ensure_eq};
use crate::testing::join_all;
use crate::{Batch, COMMANDS, Freshness, Outcome};

pub(super) async fn a_repeated_command_returns_its_first_result(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = batch("c")?.put(&ITEMS, "a", json!({"n": 1}));
    let receipt = s.commit(first.clone()).await?;
    let revision = s.revision(&ITEMS, "a").await?;
    // Deciding a command a second time may lead to other writes. The first commit counts.
    let again = Batch { result: json!("second"), ..first.put(&ITEMS, "b", json!({})) };
    let repeat = s.commit(again).await?;
    ensure_eq!((&repeat.result, repeat.replayed), (&receipt.result, true));
    ensure_eq!(s.revision(&ITEMS, "a").await?, revision);
    ensure_eq!(s.find(&ITEMS, "b").await?, None);
    Ok(())
}

pub(super) async fn the_ledger_is_checked_before_expectations(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = batch("c")?.insert(&ITEMS, "a", json!({}));
    s.commit(first.clone()).await?;
    // The expectation of the first commit no longer holds, and this document violates its declaration.
    ensure_eq!(s.commit(first.clone()).await?.replayed, true);
    ensure_eq!(s.commit(first.put(&ITEMS, "b", json!({"n": "x"}))).await?.replayed, true);
    Ok(())
}

pub(super) async fn a_command_id_is_refused_for_another_command(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    s.commit(batch("c")?.put(&ITEMS, "a", json!({"n": 1}))).await?;
    let other = Batch { fingerprint: "another".to_owned(), ..batch("c")? }.insert(&ITEMS, "a", json!({"n": 2}));
    ensure_eq!(code(&s.commit(other).await), "command_id_reused");
    ensure_eq!(s.document(&ITEMS, "a").await?, json!({"n": 1}));
    let part = batch("c")?.command.part(1);
    ensure_eq!(s.commit(Batch { command: part, ..batch("c")? }).await?.replayed, false);
    Ok(())
}

pub(super) async fn outcome_returns_committed_commands_only(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let command = command_id("c")?;
    ensure_eq!(s.store.outcome(&command).await?, Outcome::Absent);
    let result = json!({"ids": ["a", "b"], "status": "running"});
    let committed = Batch { result: result.clone(), ..batch("c")? };
    let failing = committed.clone().put(&ITEMS, "a", json!({"n": "x"}));
    ensure_eq!(code(&s.commit(failing).await), "invalid");
    ensure_eq!(s.store.outcome(&command).await?, Outcome::Absent);
    s.commit(committed).await?;
    let fingerprint = "fingerprint of c".to_owned();
    ensure_eq!(s.store.outcome(&command).await?, Outcome::Committed { fingerprint, result });
    ensure_eq!(s.store.outcome(&command_id("C")?).await?, Outcome::Absent);
    Ok(())
}

pub(super) async fn a_command_without_writes_is_in_the_ledger(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let empty = Batch { result: Json::Null, ..batch("c")? };
    ensure_eq!(s.commit(empty.clone()).await?.replayed, false);
    ensure_eq!(s.commit(empty).await?.replayed, true);
    Ok(())
}

pub(super) async fn ledger_rows_are_queried_and_expire_as_documents(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let first = batch("c")?.put(&ITEMS, "a", json!({}));
    s.commit(first.clone()).await?;
    let at = first.at;
    let row = s.find(&COMMANDS, "c").await?.map(|row| row.document["at"].clone());
    ensure_eq!(row, Some(at.as_millis().into()));
    ensure_eq!(s.ids(&Query::of(&COMMANDS).eq("fingerprint", "fingerprint of c")).await?, ["c"]);
    let expires = at + Millis::days(7);
    ensure_eq!(s.store.sweep(COMMANDS.name, expires - Millis(1), 10).await?, 0);
    ensure_eq!(s.store.sweep_ledger(expires + Millis::days(3), Millis(Millis::days(10).0 + 1), 10).await?, 0);
    if s.store.capabilities().native_ttl {
        // The backend expires rows by its own clock, which the test cannot set.
        return Ok(());
    }
    ensure_eq!(s.store.sweep(COMMANDS.name, expires, 10).await?, 1);
    ensure_eq!(s.store.get(&[Key::new(&COMMANDS, "c")], Freshness::Linearizable).await?, vec![None]);
    ensure_eq!(s.store.outcome(&first.command).await?, Outcome::Absent);
    ensure_eq!(s.commit(first.clone()).await?.replayed, false);
    for (kept, age) in [(Millis::days(1), Millis::days(1)), (Millis::days(10), Millis::days(10))] {
        ensure_eq!(s.store.sweep_ledger(at + age - Millis(1), kept, 10).await?, 0);
        ensure_eq!(s.store.sweep_ledger(at + age, kept, 10).await?, 1);
        ensure_eq!(s.commit(first.clone()).await?.replayed, false);
    }
    Ok(())
}

pub(super) async fn results_over_four_kib_are_refused(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let of = |bytes: usize| Json::from("x".repeat(bytes));
    let large = Batch { result: json!([of(LEDGER_RESULT_BYTES)]), ..batch("large")? };
    ensure_eq!(code(&s.commit(large).await), "invalid");
    // Two brackets and two quotation marks.
    let fits = Batch { result: json!([of(LEDGER_RESULT_BYTES - 4)]), ..batch("fits")? };
    ensure_eq!(code(&s.commit(fits).await), "ok");
    Ok(())
}

pub(super) async fn concurrent_repeats_of_a_command_commit_once(subject: &Subject) -> Verdict {
    let s = ConformanceFixture::new(subject).await?;
    let same = batch("c")?.put(&ITEMS, "a", json!({}));
    let results = join_all((0..8).map(|_| s.store.commit(same.clone())).collect()).await;
    let mut first = 0;
    for result in results {
        let receipt = result?;
        ensure_eq!(receipt.result, json!("result of c"));
        first += usize::from(!receipt.replayed);
    }
    ensure_eq!(first, 1);
    ensure_eq!(s.revision(&ITEMS, "a").await?.writes(), 1);
    Ok(())
}

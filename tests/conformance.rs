//! The suite itself: a store with a defect must not pass it.
#![cfg(feature = "testing")]

use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{
    Batch, Capabilities, Changes, Error, Expect, Memory, Op, Outcome, Page, Position, Receipt, Store, Stored,
};
use runstate::testing::conformance::{CASES, Subject, run};
use runstate::testing::{block_on, yield_now};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Document, Json};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Defect {
    LosesAWrite,
    ForgetsCommands,
    TakesAnyRevision,
    IgnoresChecks,
    ReadsInPieces,
    IgnoresTheLimit,
    RestartsPages,
    IgnoresProjections,
    SweepsEarly,
    SkipsAChange,
    NeverCloses,
    TakesNothingForZero,
    DeletesWhatIsAbsent,
}

struct Defective {
    inner: Memory,
    defect: Defect,
}

impl Defective {
    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }
}

impl Store for Defective {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.migrate(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        if !self.has(Defect::ReadsInPieces) {
            return self.inner.get(keys);
        }
        Box::pin(async move {
            let mut found = Vec::new();
            for key in keys {
                found.extend(self.inner.get(std::slice::from_ref(key)).await?);
                yield_now().await;
            }
            Ok(found)
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        let mut query = query.clone();
        match self.defect {
            Defect::IgnoresTheLimit => query.limit = None,
            Defect::RestartsPages if query.cursor.is_some() => query.limit = query.limit.map(|n| n + 1),
            Defect::IgnoresProjections => query.projection.clear(),
            _ => {}
        }
        Box::pin(async move { self.inner.query(&query).await })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move {
            let mut rows = self.inner.aggregate(aggregate).await?;
            if self.has(Defect::TakesNothingForZero) {
                rows.iter_mut().flat_map(Document::values_mut).filter(|v| v.is_null()).for_each(|v| *v = Json::from(0));
            }
            Ok(rows)
        })
    }

    fn commit(&self, mut batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        match self.defect {
            Defect::LosesAWrite if batch.writes.len() > 1 => drop(batch.writes.pop()),
            Defect::ForgetsCommands => batch.command = batch.command.part(rand(&batch)),
            Defect::TakesAnyRevision => batch.writes.iter_mut().for_each(|write| write.expect = Expect::Any),
            Defect::IgnoresChecks => batch.checks.clear(),
            Defect::DeletesWhatIsAbsent => {
                batch.writes.retain(|w| (&w.expect, &w.op) != (&Expect::Absent, &Op::Delete))
            }
            _ => {}
        }
        self.inner.commit(batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        self.inner.outcome(command)
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(async move {
            let mut changes = self.inner.changes(from, limit, wait).await?;
            if self.has(Defect::SkipsAChange) && changes.events.len() > 3 {
                changes.events.remove(1);
            }
            Ok(changes)
        })
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        let early = Millis(i64::from(self.has(Defect::SweepsEarly)));
        self.inner.sweep(collection, now + early, limit)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        if self.has(Defect::NeverCloses) { Box::pin(async { Ok(()) }) } else { self.inner.close() }
    }
}

/// A number that is another one at every call.
fn rand(batch: &Batch) -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1 + batch.writes.len() as u32, Ordering::Relaxed)
}

#[test]
fn every_defect_is_caught_by_its_case() {
    let expected = [
        (Defect::LosesAWrite, "a_commit_is_visible_to_the_next_get"),
        (Defect::ForgetsCommands, "a_repeat_gets_the_first_result"),
        (Defect::TakesAnyRevision, "a_revision_is_expected_exactly"),
        (Defect::IgnoresChecks, "a_check_holds_or_conflicts"),
        (Defect::ReadsInPieces, "one_get_is_one_snapshot"),
        (Defect::IgnoresTheLimit, "pages_hold_everything_once"),
        (Defect::RestartsPages, "pages_hold_everything_once"),
        (Defect::IgnoresProjections, "a_projection_keeps_what_is_asked"),
        (Defect::SweepsEarly, "a_sweep_takes_exactly_what_is_expired"),
        (Defect::SkipsAChange, "changes_come_in_order"),
        (Defect::NeverCloses, "a_closed_store_says_so"),
        (Defect::TakesNothingForZero, "numbers_over_everything"),
        (Defect::DeletesWhatIsAbsent, "an_operation_fits_its_expectation"),
    ];
    for (defect, case) in expected {
        let subject = Subject::of(Defective { inner: Memory::new(), defect });
        let verdict = block_on(run(case, subject));
        assert!(verdict.is_err(), "{case} passes a store that {defect:?}");
    }
}

#[test]
fn cases_have_names_of_their_own_and_say_what_they_hold() {
    let mut names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(CASES.iter().all(|case| !case.holds.is_empty()));
    assert!(block_on(run("no such case", Subject::of(Memory::new()))).is_err());
}

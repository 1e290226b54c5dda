//! Tests of the conformance suite: a store with a defect must not pass it.

use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Key, Query};
use runstate::store::layer;
use runstate::store::{
    Batch, Changes, Expectation, Freshness, Memory, Page, Position, Receipt, Row, Store, StoreError, StoredDocument,
    WriteOp,
};
use runstate::testing::conformance::{CASES, Subject, run};
use runstate::testing::{block_on, yield_now};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Document, Json};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Defect {
    LosesAWrite,
    ForgetsCommands,
    AcceptsAnyRevision,
    IgnoresChecks,
    ReadsInPieces,
    IgnoresTheLimit,
    RestartsPages,
    IgnoresProjections,
    SweepsEarly,
    SkipsAChange,
    NeverCloses,
    ReportsNullAsZero,
    AcceptsDeletingAbsent,
}

struct DefectiveStore {
    inner: Memory,
    defect: Defect,
}

impl DefectiveStore {
    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }
}

impl layer::StoreLayer for DefectiveStore {
    type Inner = Memory;

    fn inner(&self) -> &Self::Inner {
        &self.inner
    }

    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        if !self.has(Defect::ReadsInPieces) {
            return self.inner.get(keys, freshness);
        }
        Box::pin(async move {
            let mut found = Vec::new();
            for key in keys {
                found.extend(self.inner.get(std::slice::from_ref(key), freshness).await?);
                yield_now().await;
            }
            Ok(found)
        })
    }

    fn query<'a>(&'a self, query: &'a Query, _: Freshness) -> BoxFuture<'a, Result<Page<Row>, StoreError>> {
        let mut query = query.clone();
        match self.defect {
            Defect::IgnoresTheLimit => query.limit = None,
            Defect::RestartsPages if query.cursor.is_some() => query.limit = query.limit.map(|n| n + 1),
            Defect::IgnoresProjections => query.projection.clear(),
            _ => {}
        }
        Box::pin(async move { self.inner.query(&query, Freshness::Linearizable).await })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async move {
            let mut rows = self.inner.aggregate(aggregate).await?;
            if self.has(Defect::ReportsNullAsZero) {
                rows.iter_mut().flat_map(Document::values_mut).filter(|v| v.is_null()).for_each(|v| *v = Json::from(0));
            }
            Ok(rows)
        })
    }

    fn commit(&self, mut batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        match self.defect {
            Defect::LosesAWrite if batch.writes.len() > 1 => drop(batch.writes.pop()),
            Defect::ForgetsCommands => batch.command = batch.command.part(unique_number(&batch)),
            Defect::AcceptsAnyRevision => batch.writes.iter_mut().for_each(|write| write.expect = Expectation::Any),
            Defect::IgnoresChecks => batch.checks.clear(),
            Defect::AcceptsDeletingAbsent => {
                batch.writes.retain(|w| (&w.expect, &w.op) != (&Expectation::Absent, &WriteOp::Delete))
            }
            _ => {}
        }
        self.inner.commit(batch)
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        Box::pin(async move {
            let mut changes = self.inner.changes(from, limit, wait).await?;
            if self.has(Defect::SkipsAChange) && changes.events.len() > 3 {
                changes.events.remove(1);
            }
            Ok(changes)
        })
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        let early = Millis(i64::from(self.has(Defect::SweepsEarly)));
        self.inner.sweep(collection, now + early, limit)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        if self.has(Defect::NeverCloses) { Box::pin(async { Ok(()) }) } else { self.inner.close() }
    }
}

/// A number that differs in every call.
fn unique_number(batch: &Batch) -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1 + batch.writes.len() as u32, Ordering::Relaxed)
}

#[test]
fn every_defect_is_caught_by_its_case() {
    let expected = [
        (Defect::LosesAWrite, "a_commit_is_visible_to_the_next_get"),
        (Defect::ForgetsCommands, "a_repeated_command_returns_its_first_result"),
        (Defect::AcceptsAnyRevision, "expect_revision_conflicts_with_any_other_revision"),
        (Defect::IgnoresChecks, "a_check_conflicts_unless_its_revision_is_current"),
        (Defect::ReadsInPieces, "one_get_is_one_snapshot"),
        (Defect::IgnoresTheLimit, "pages_return_every_row_once"),
        (Defect::RestartsPages, "pages_return_every_row_once"),
        (Defect::IgnoresProjections, "a_projection_returns_the_requested_fields"),
        (Defect::SweepsEarly, "a_sweep_deletes_exactly_the_expired_documents"),
        (Defect::SkipsAChange, "changes_come_in_order"),
        (Defect::NeverCloses, "a_closed_store_refuses_every_call"),
        (Defect::ReportsNullAsZero, "aggregates_are_computed_over_all_documents"),
        (Defect::AcceptsDeletingAbsent, "operations_that_contradict_their_expectation_are_invalid"),
    ];
    for (defect, case) in expected {
        let subject = Subject::new(DefectiveStore { inner: Memory::new(), defect });
        let verdict = block_on(run(case, subject));
        assert!(verdict.is_err(), "{case} passes a store that {defect:?}");
    }
}

#[test]
fn case_names_are_unique_and_each_case_states_its_rule() {
    let mut names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let duplicates: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(duplicates.is_empty(), "{duplicates:?}");
    assert!(CASES.iter().all(|case| !case.rule.is_empty()));
    assert!(block_on(run("no such case", Subject::new(Memory::new()))).is_err());
}

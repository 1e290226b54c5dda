//! Tables over a deferred base, compared with tables that have all rows: the results are the same for every chunk size.

use std::sync::Arc;

use proptest::prelude::*;
use runstate_core::id::CommandId;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{
    Accumulator, Aggregate, Catalog, Collection, Direction, Field, Filter, Index, Key, Predicate, Query, Sort, Ttl,
};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use serde_json::json;

use super::{DeferredBase, DeferredRead, Evaluation, FetchedRows, PartDescriptor};
use crate::tables::{BatchPlan, EntryExtractor, ScanDirection, Tables};
use crate::{Batch, BatchLimits, COMMANDS, Expectation, StoreError, Write, WriteOp};

const C: Collection = Collection::new("t.c", 1)
    .fields(&[Field::int("a").optional(), Field::int("b").optional(), Field::timestamp("at").optional()])
    .indexes(&[
        Index::ordered(&[("a", Ascending), ("b", Descending)]),
        Index::ordered(&[("b", Ascending)]).partial(Predicate::Exists("b")),
        Index::ordered(&[("at", Descending)]),
    ])
    .ttl(Ttl { field: "at", after: Millis(10), partial: None });

const U: Collection =
    Collection::new("t.u", 1).fields(&[Field::int("name").optional()]).indexes(&[Index::ordered(&[(
        "name", Ascending,
    )])
    .unique()
    .partial(Predicate::Exists("name"))]);

/// Tables that have all rows, and tables over a deferred base that fetches `chunk_rows` of them at a time.
struct DeferredTables {
    complete: Tables,
    tables: Tables,
    base: Arc<DeferredBase>,
    extractors: Vec<Option<EntryExtractor>>,
    chunk_rows: usize,
}

impl DeferredTables {
    fn new(complete: Tables, catalog: &Catalog, chunk_rows: usize) -> Self {
        let (mut parts, mut extractors) = (Vec::new(), Vec::new());
        for collection in catalog.iter().chain([&COMMANDS]) {
            parts.push(PartDescriptor { collection: collection.name.to_owned(), made_by: None });
            extractors.push(None);
            for extractor in EntryExtractor::for_collection(collection) {
                let made_by = Some(extractor.made_by.clone());
                parts.push(PartDescriptor { collection: collection.name.to_owned(), made_by });
                extractors.push(Some(extractor));
            }
        }
        let base = Arc::new(DeferredBase::new(parts));
        let mut tables = Tables::with_base(base.clone(), BatchLimits::default()).unwrap();
        tables.declare(catalog).unwrap();
        Self { complete, tables, base, extractors, chunk_rows }
    }

    /// Evaluates a query and fetches missing rows until it has a result. Returns the result and the number of fetched
    /// rows.
    fn evaluate<T>(
        &self,
        fetched: &mut FetchedRows,
        query: impl Fn(&Tables) -> Result<T, StoreError>,
    ) -> (Result<T, StoreError>, usize) {
        let mut read = 0;
        for _ in 0..10_000 {
            match self.base.evaluate(fetched, || query(&self.tables)) {
                Evaluation::Answer(result) => return (result, read),
                Evaluation::Deferred(deferred) => read += self.fetch(fetched, &deferred),
            }
        }
        panic!("the query was evaluated 10,000 times");
    }

    fn fetch(&self, fetched: &mut FetchedRows, read: &DeferredRead) -> usize {
        match read {
            DeferredRead::Document { part, id } => {
                assert!(!fetched.is_fetched(*part, id), "a fetched document is requested");
                let key = Key { collection: self.base.parts[*part].collection.clone().into(), id: id.clone() };
                fetched.insert_document(*part, id, self.complete.get(&key).unwrap());
                1
            }
            DeferredRead::Rows { part, from, to, direction } => {
                self.fetch_rows(fetched, *part, (from, to.as_deref()), *direction)
            }
        }
    }

    fn fetch_rows(
        &self,
        fetched: &mut FetchedRows,
        part: usize,
        (from, to): (&[u8], Option<&[u8]>),
        direction: ScanDirection,
    ) -> usize {
        let descriptor = &self.base.parts[part];
        let documents = self.complete.documents(&descriptor.collection, std::ops::Bound::Unbounded).map(Result::unwrap);
        let mut rows = Vec::new();
        for (id, stored) in documents {
            let keys = match &self.extractors[part] {
                None => vec![id.as_bytes().to_vec()],
                Some(extractor) => extractor.keys(&id, &stored.document),
            };
            rows.extend(keys.into_iter().map(|key| (key, id.clone(), stored.clone())));
        }
        rows.retain(|(key, ..)| key.as_slice() >= from && to.is_none_or(|to| key.as_slice() < to));
        rows.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let all = rows.len() <= self.chunk_rows;
        if direction == ScanDirection::Backward {
            rows.drain(..rows.len().saturating_sub(self.chunk_rows));
        }
        rows.truncate(self.chunk_rows);
        let (mut begin, mut end) = (from.to_vec(), to.map(<[u8]>::to_vec));
        match direction {
            _ if all => {}
            ScanDirection::Forward => end = Some([&rows[rows.len() - 1].0[..], &[0]].concat()),
            ScanDirection::Backward => begin = rows[0].0.clone(),
        }
        if self.extractors[part].is_some() {
            let documents = self.base.part_number(&descriptor.collection, None).unwrap();
            for (key, id, stored) in &rows {
                fetched.insert_entry(part, key, id);
                fetched.insert_document(documents, id, Some(stored.clone()));
            }
            fetched.insert_entry_range(part, begin, end);
        } else {
            for (_, id, stored) in &rows {
                fetched.insert_document(part, id, Some(stored.clone()));
            }
            fetched.insert_document_range(part, begin, end);
        }
        rows.len()
    }
}

fn put(collection: &Collection, id: &str, document: Json) -> Write {
    let document = Arc::new(document.as_object().unwrap().clone());
    Write { key: Key::new(collection, id), expect: Expectation::Any, op: WriteOp::Put { version: 1, document } }
}

fn batch(command: &str, writes: Vec<Write>) -> Batch {
    let (command, at) = (CommandId::new(command).unwrap(), Timestamp::from_millis(0));
    Batch { command, fingerprint: String::new(), at, result: Json::Null, writes, checks: vec![], frees_space: false }
}

fn apply(tables: &mut Tables, batch: &Batch) {
    if let Ok(BatchPlan::PlannedCommit(commit)) = tables.plan(batch) {
        tables.apply(commit);
    }
}

fn catalog() -> Catalog {
    Catalog::new(&[&C, &U]).unwrap()
}

type RowValues = (Option<i64>, Option<i64>, Option<i64>);

fn tables_with(rows: &[RowValues]) -> Tables {
    let mut tables = Tables::new(&catalog(), BatchLimits::default());
    let documents = rows.iter().enumerate().map(|(i, (a, b, at))| {
        let fields = [("a", a), ("b", b), ("at", at)];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Json::from((*value)?))));
        put(&C, &format!("d{i}"), Json::Object(fields.collect()))
    });
    apply(&mut tables, &batch("fill", documents.collect()));
    tables
}

fn value() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(0i64..4)
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![
        Just(Filter::All),
        (0i64..4).prop_map(|n| Filter::Eq("a".to_owned(), n.into())),
        (0i64..4).prop_map(|n| Filter::Gte("b".to_owned(), n.into())),
        prop::collection::vec(0i64..4, 1..3)
            .prop_map(|all| Filter::In("a".to_owned(), all.into_iter().map(Json::from).collect())),
        (0i64..4).prop_map(|n| Filter::Lt("at".to_owned(), n.into())),
    ]
}

fn order() -> impl Strategy<Value = Vec<Sort>> {
    let direction = prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)];
    let one = (prop_oneof![Just("a"), Just("b"), Just("at")], direction);
    prop::collection::vec(one, 0..3).prop_map(|fields| {
        fields.into_iter().map(|(field, direction)| Sort { field: field.to_owned(), direction }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn results_do_not_depend_on_the_chunk_size(
        rows in prop::collection::vec((value(), value(), value()), 0..30),
        filter in filter(), sort in order(), limit in 1u32..8, chunk_rows in 1usize..9,
    ) {
        let deferred = DeferredTables::new(tables_with(&rows), &catalog(), chunk_rows);
        let mut query = Query { collection: C.name.to_owned(), filter: filter.clone(), sort, limit: Some(limit), cursor: None, projection: vec![], unreadable: false };
        for _ in 0..40 {
            let expected = deferred.complete.query(&query).unwrap();
            let (found, _) = deferred.evaluate(&mut FetchedRows::default(), |tables| tables.query(&query));
            prop_assert_eq!(&found.unwrap(), &expected);
            match expected.next {
                Some(cursor) => query.cursor = Some(cursor),
                None => break,
            }
        }
        let accumulators = vec![("n".to_owned(), Accumulator::Count)];
        let count = Aggregate { collection: C.name.to_owned(), filter, group_by: vec![], accumulators };
        let (found, _) = deferred.evaluate(&mut FetchedRows::default(), |tables| tables.aggregate(&count));
        prop_assert_eq!(found.unwrap(), deferred.complete.aggregate(&count).unwrap());
        let now = Timestamp::from_millis(12);
        let (found, _) = deferred.evaluate(&mut FetchedRows::default(), |tables| tables.plan_sweep(C.name, now, limit as usize));
        let keys = |commit: crate::tables::PlannedCommit| commit.changes.into_iter().map(|c| c.key).collect::<Vec<_>>();
        prop_assert_eq!(keys(found.unwrap()), keys(deferred.complete.plan_sweep(C.name, now, limit as usize).unwrap()));
    }

    #[test]
    fn prefetch_covers_every_read_of_planning_a_batch(
        names in prop::collection::vec(prop::option::of(0i64..4), 0..5),
        writes in prop::collection::btree_map(0usize..6, prop::option::of(prop::option::of(0i64..4)), 1..4),
    ) {
        let mut complete = Tables::new(&catalog(), BatchLimits::default());
        let named = |name: &Option<i64>| name.map_or(json!({}), |name| json!({"name": name}));
        for (i, name) in names.iter().enumerate() {
            apply(&mut complete, &batch(&format!("fill {i}"), vec![put(&U, &format!("u{i}"), named(name))]));
        }
        let writes = writes.iter().map(|(i, name)| match name {
            Some(name) => put(&U, &format!("u{i}"), named(name)),
            None => Write { op: WriteOp::Delete, ..put(&U, &format!("u{i}"), json!({})) },
        });
        let batch = batch("c", writes.collect());
        let deferred = DeferredTables::new(complete, &catalog(), 1);
        let mut fetched = FetchedRows::default();
        for read in deferred.tables.prefetch_reads(&batch) {
            deferred.fetch(&mut fetched, &read);
        }
        let (found, read) = deferred.evaluate(&mut fetched, |tables| tables.plan(&batch));
        prop_assert_eq!(read, 0);
        let shown = |planned: Result<BatchPlan, StoreError>| format!("{planned:?}");
        prop_assert_eq!(shown(found), shown(deferred.complete.plan(&batch)));
    }
}

#[test]
fn a_small_page_reads_one_chunk() {
    let rows: Vec<RowValues> = (0..1_000).map(|i| (Some(i % 2), Some(i), Some(i))).collect();
    let deferred = DeferredTables::new(tables_with(&rows), &catalog(), 8);
    let page = |query: Query| {
        let (found, read) = deferred.evaluate(&mut FetchedRows::default(), |tables| tables.query(&query));
        (found.unwrap().items.len(), read)
    };
    assert_eq!(page(Query::of(&C).eq("a", 1).sort("b", Descending).limit(5)), (5, 8));
    // In a backward scan, the last group is known once its neighbours are fetched.
    assert_eq!(page(Query::of(&C).sort("at", Ascending).limit(5)), (5, 8));
    assert_eq!(page(Query::of(&C).limit(7)), (7, 8));
}

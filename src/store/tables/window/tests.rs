//! Tables over a window that is read piece by piece, against tables that have everything: the same answers, whatever the size of a piece.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::{Fetched, Looked, Pane, Window, Wish};
use crate::id::CommandId;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{
    Accumulator, Aggregate, Catalog, Collection, Direction, Field, Filter, Index, Key, Predicate, Query, Sort, Ttl,
};
use crate::store::tables::{Planned, Projection, Tables, Way};
use crate::store::{Batch, COMMANDS, Error, Expect, Limits, Op, Write};
use crate::time::{Millis, Timestamp};
use crate::value::Json;

const C: Collection = Collection::new("t.c", 1)
    .fields(&[Field::int("a").optional(), Field::int("b").optional(), Field::timestamp("at").optional()])
    .indexes(&[
        Index::by(&[("a", Ascending), ("b", Descending)]),
        Index::by(&[("b", Ascending)]).partial(Predicate::Exists("b")),
        Index::by(&[("at", Descending)]),
    ])
    .ttl(Ttl { field: "at", after: Millis(10), partial: None });

const U: Collection =
    Collection::new("t.u", 1)
        .fields(&[Field::int("name").optional()])
        .indexes(&[Index::by(&[("name", Ascending)]).unique().partial(Predicate::Exists("name"))]);

/// Tables that have everything, and a window on them through which `piece` rows are read at once.
struct Glazed {
    whole: Tables,
    tables: Tables,
    window: Arc<Window>,
    projections: Vec<Option<Projection>>,
    piece: usize,
}

impl Glazed {
    fn over(whole: Tables, catalog: &Catalog, piece: usize) -> Self {
        let (mut panes, mut projections) = (Vec::new(), Vec::new());
        for collection in catalog.iter().chain([&COMMANDS]) {
            panes.push(Pane { collection: collection.name.to_owned(), made_by: None });
            projections.push(None);
            for projection in Projection::all(collection) {
                let made_by = Some(projection.made_by.clone());
                panes.push(Pane { collection: collection.name.to_owned(), made_by });
                projections.push(Some(projection));
            }
        }
        let window = Arc::new(Window::new(panes));
        let mut tables = Tables::over(window.clone(), Limits::default()).unwrap();
        tables.declare(catalog).unwrap();
        Self { whole, tables, window, projections, piece }
    }

    /// Asks, reads what is missing, asks again; the answer, and how many rows were read.
    fn ask<T>(
        &self,
        fetched: &mut Fetched,
        question: impl Fn(&Tables) -> Result<T, Error>,
    ) -> (Result<T, Error>, usize) {
        let mut read = 0;
        for _ in 0..10_000 {
            match self.window.look(fetched, || question(&self.tables)) {
                Looked::Answer(answer) => return (answer, read),
                Looked::Wish(wish) => read += self.grant(fetched, &wish),
            }
        }
        panic!("the same question was asked 10,000 times");
    }

    fn grant(&self, fetched: &mut Fetched, wish: &Wish) -> usize {
        match wish {
            Wish::Document { part, id } => {
                assert!(!fetched.knows(*part, id), "what is known is asked for");
                let key = Key { collection: self.window.panes[*part].collection.clone().into(), id: id.clone() };
                fetched.document(*part, id, self.whole.get(&key).unwrap());
                1
            }
            Wish::Rows { part, from, to, way } => self.grant_rows(fetched, *part, (from, to.as_deref()), *way),
        }
    }

    fn grant_rows(&self, fetched: &mut Fetched, part: usize, (from, to): (&[u8], Option<&[u8]>), way: Way) -> usize {
        let pane = &self.window.panes[part];
        let documents = self.whole.documents(&pane.collection, std::ops::Bound::Unbounded).map(Result::unwrap);
        let mut rows = Vec::new();
        for (id, stored) in documents {
            let keys = match &self.projections[part] {
                None => vec![id.as_bytes().to_vec()],
                Some(projection) => projection.keys(&id, &stored.document),
            };
            rows.extend(keys.into_iter().map(|key| (key, id.clone(), stored.clone())));
        }
        rows.retain(|(key, ..)| key.as_slice() >= from && to.is_none_or(|to| key.as_slice() < to));
        rows.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let all = rows.len() <= self.piece;
        if way == Way::Backward {
            rows.drain(..rows.len().saturating_sub(self.piece));
        }
        rows.truncate(self.piece);
        let (mut begin, mut end) = (from.to_vec(), to.map(<[u8]>::to_vec));
        match way {
            _ if all => {}
            Way::Forward => end = Some([&rows[rows.len() - 1].0[..], &[0]].concat()),
            Way::Backward => begin = rows[0].0.clone(),
        }
        if self.projections[part].is_some() {
            let documents = self.window.part(&pane.collection, None).unwrap();
            for (key, id, stored) in &rows {
                fetched.entry(part, key, id);
                fetched.document(documents, id, Some(stored.clone()));
            }
            fetched.all_entries(part, begin, end);
        } else {
            for (_, id, stored) in &rows {
                fetched.document(part, id, Some(stored.clone()));
            }
            fetched.all_documents(part, begin, end);
        }
        rows.len()
    }
}

fn put(collection: &Collection, id: &str, document: Json) -> Write {
    let document = Arc::new(document.as_object().unwrap().clone());
    Write { key: Key::new(collection, id), expect: Expect::Any, op: Op::Put { version: 1, document } }
}

fn batch(command: &str, writes: Vec<Write>) -> Batch {
    let (command, at) = (CommandId::new(command).unwrap(), Timestamp::from_millis(0));
    Batch { command, fingerprint: String::new(), at, result: Json::Null, writes, checks: vec![] }
}

fn apply(tables: &mut Tables, batch: &Batch) {
    if let Ok(Planned::Commit(commit)) = tables.plan(batch) {
        tables.apply(commit);
    }
}

fn catalog() -> Catalog {
    Catalog::new(&[&C, &U]).unwrap()
}

type Values = (Option<i64>, Option<i64>, Option<i64>);

fn filled(rows: &[Values]) -> Tables {
    let mut tables = Tables::new(&catalog(), Limits::default());
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
    fn answers_do_not_depend_on_the_pieces(
        rows in prop::collection::vec((value(), value(), value()), 0..30),
        filter in filter(), sort in order(), limit in 1u32..8, piece in 1usize..9,
    ) {
        let glazed = Glazed::over(filled(&rows), &catalog(), piece);
        let mut query = Query { collection: C.name.to_owned(), filter: filter.clone(), sort, limit: Some(limit), cursor: None, projection: vec![] };
        for _ in 0..40 {
            let expected = glazed.whole.query(&query).unwrap();
            let (found, _) = glazed.ask(&mut Fetched::default(), |tables| tables.query(&query));
            prop_assert_eq!(&found.unwrap(), &expected);
            match expected.cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => break,
            }
        }
        let accumulators = vec![("n".to_owned(), Accumulator::Count)];
        let count = Aggregate { collection: C.name.to_owned(), filter, group_by: vec![], accumulators };
        let (found, _) = glazed.ask(&mut Fetched::default(), |tables| tables.aggregate(&count));
        prop_assert_eq!(found.unwrap(), glazed.whole.aggregate(&count).unwrap());
        let now = Timestamp::from_millis(12);
        let (found, _) = glazed.ask(&mut Fetched::default(), |tables| tables.plan_sweep(C.name, now, limit as usize));
        let keys = |commit: crate::store::tables::Commit| commit.changes.into_iter().map(|c| c.key).collect::<Vec<_>>();
        prop_assert_eq!(keys(found.unwrap()), keys(glazed.whole.plan_sweep(C.name, now, limit as usize).unwrap()));
    }

    #[test]
    fn a_batch_is_judged_alike_and_what_it_reads_is_known_ahead(
        names in prop::collection::vec(prop::option::of(0i64..4), 0..5),
        writes in prop::collection::btree_map(0usize..6, prop::option::of(prop::option::of(0i64..4)), 1..4),
    ) {
        let mut whole = Tables::new(&catalog(), Limits::default());
        let named = |name: &Option<i64>| name.map_or(json!({}), |name| json!({"name": name}));
        for (i, name) in names.iter().enumerate() {
            apply(&mut whole, &batch(&format!("fill {i}"), vec![put(&U, &format!("u{i}"), named(name))]));
        }
        let writes = writes.iter().map(|(i, name)| match name {
            Some(name) => put(&U, &format!("u{i}"), named(name)),
            None => Write { op: Op::Delete, ..put(&U, &format!("u{i}"), json!({})) },
        });
        let batch = batch("c", writes.collect());
        let glazed = Glazed::over(whole, &catalog(), 1);
        let mut fetched = Fetched::default();
        for wish in glazed.tables.ahead(&batch) {
            glazed.grant(&mut fetched, &wish);
        }
        let (found, read) = glazed.ask(&mut fetched, |tables| tables.plan(&batch));
        prop_assert_eq!(read, 0);
        let shown = |planned: Result<Planned, Error>| format!("{planned:?}");
        prop_assert_eq!(shown(found), shown(glazed.whole.plan(&batch)));
    }
}

#[test]
fn a_page_reads_what_it_shows() {
    let rows: Vec<Values> = (0..1_000).map(|i| (Some(i % 2), Some(i), Some(i))).collect();
    let glazed = Glazed::over(filled(&rows), &catalog(), 8);
    let page = |query: Query| {
        let (found, read) = glazed.ask(&mut Fetched::default(), |tables| tables.query(&query));
        (found.unwrap().rows.len(), read)
    };
    assert_eq!(page(Query::of(&C).eq("a", 1).sort("b", Descending).limit(5)), (5, 8));
    // Backward through an index: the group that comes last is known with its neighbours.
    assert_eq!(page(Query::of(&C).sort("at", Ascending).limit(5)), (5, 8));
    assert_eq!(page(Query::of(&C).limit(7)), (7, 8));
}

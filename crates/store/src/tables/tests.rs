//! Tables compared with the simplest evaluation of the same query, and the number of documents that a query examines.

use std::sync::Arc;

use proptest::prelude::*;
use runstate_core::id::CommandId;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Catalog, Collection, Field, Filter, Index, Key, Literal, Predicate, Query, Ttl};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json, compare, difference, get};
use serde_json::json;

use super::{BatchPlan, PendingCommits, Tables};
use crate::{Batch, BatchLimits, Expectation, Outcome, StoreError, Write, WriteOp, eval};

const C: Collection = Collection::new("t.c", 1)
    .fields(&[
        Field::json("a").optional(),
        Field::json("b").optional(),
        Field::list("tags").optional(),
        Field::timestamp("at").optional(),
    ])
    .indexes(&[
        Index::ordered(&[("a", Ascending), ("b", Descending)]),
        Index::ordered(&[("b", Ascending)]),
        Index::ordered(&[("at", Ascending)]).partial(Predicate::Exists("at")),
        Index::ordered(&[("a", Descending), ("at", Descending)]).partial(Predicate::Eq("b", Literal::Int(1))),
        Index::each(&[("tags", Ascending)]),
    ])
    .ttl(Ttl { field: "at", after: Millis(10), partial: None });

const U: Collection = Collection::new("t.u", 1)
    .fields(&[Field::text("name").optional(), Field::bool("live").default(Literal::Bool(true))])
    .indexes(&[Index::ordered(&[("name", Ascending)]).unique().partial(Predicate::Eq("live", Literal::Bool(true)))]);

fn tables() -> Tables {
    Tables::new(&Catalog::new(&[&C, &U]).unwrap(), BatchLimits::default())
}

fn put(collection: &Collection, id: &str, document: Json) -> Write {
    let document = Arc::new(document.as_object().unwrap().clone());
    Write { key: Key::new(collection, id), expect: Expectation::Any, op: WriteOp::Put { version: 1, document } }
}

fn batch(command: &str, writes: Vec<Write>) -> Batch {
    Batch {
        command: CommandId::new(command).unwrap(),
        fingerprint: "f".to_owned(),
        at: Timestamp::from_millis(0),
        result: Json::Null,
        writes,
        checks: vec![],
        frees_space: false,
    }
}

fn commit(tables: &mut Tables, batch: &Batch) {
    match tables.plan(batch).unwrap() {
        BatchPlan::PlannedCommit(commit) => tables.apply(commit),
        BatchPlan::Replay(_) => panic!("replayed"),
    }
}

fn value() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => (0i64..3).prop_map(Json::from),
        1 => Just(json!(1.0)),
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::from),
        2 => "[xy]{0,1}".prop_map(Json::from),
        1 => Just(json!([1])),
    ]
}

fn document() -> impl Strategy<Value = Document> {
    let tags = prop_oneof![9 => prop::collection::vec(value(), 0..3).prop_map(Json::from), 1 => Just(Json::Null)];
    let fields =
        (prop::option::of(value()), prop::option::of(value()), prop::option::of(tags), prop::option::of(-3i64..9));
    fields.prop_map(|(a, b, tags, at)| {
        let fields = [("a", a), ("b", b), ("tags", tags), ("at", at.map(Json::from))];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let path = || prop_oneof![Just("a"), Just("b"), Just("at")].prop_map(str::to_owned);
    let one = prop_oneof![
        4 => (path(), value()).prop_map(|(p, v)| Filter::Eq(p, v)),
        2 => (path(), prop::collection::vec(value(), 0..4)).prop_map(|(p, v)| Filter::In(p, v)),
        1 => (path(), value()).prop_map(|(p, v)| Filter::Ne(p, v)),
        1 => (path(), value()).prop_map(|(p, v)| Filter::Lt(p, v)),
        1 => (path(), value()).prop_map(|(p, v)| Filter::Lte(p, v)),
        1 => (path(), value()).prop_map(|(p, v)| Filter::Gt(p, v)),
        2 => (path(), value()).prop_map(|(p, v)| Filter::Gte(p, v)),
        1 => (path(), any::<bool>()).prop_map(|(p, v)| Filter::Exists(p, v)),
        1 => value().prop_map(|v| Filter::Contains("tags".to_owned(), v)),
    ];
    prop_oneof![
        1 => Just(Filter::All),
        6 => prop::collection::vec(one.clone(), 1..4).prop_map(Filter::And),
        1 => prop::collection::vec(one.clone(), 1..3).prop_map(Filter::Or),
        1 => one.prop_map(|f| Filter::Not(Box::new(f))),
    ]
}

/// Returns all matching ids in order, by a full scan and sort.
fn naive_query(tables: &Tables, query: &Query) -> Vec<String> {
    let mut found: Vec<(Arc<str>, Arc<Document>)> = tables
        .iter()
        .map(Result::unwrap)
        .filter(|(name, _, stored)| *name == C.name && eval::matches(&C, &query.filter, &stored.document))
        .map(|(_, id, stored)| (id, stored.document))
        .collect();
    found.sort_by(|(x, a), (y, b)| {
        let field = |sort: &runstate_core::schema::Sort| {
            let order = compare(get(a, &sort.field).unwrap_or(&Json::Null), get(b, &sort.field).unwrap_or(&Json::Null));
            if sort.direction == Descending { order.reverse() } else { order }
        };
        query.sort.iter().map(field).find(|o| o.is_ne()).unwrap_or_else(|| x.cmp(y))
    });
    found.into_iter().map(|(id, _)| id.to_string()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("RUNSTATE_FULL").is_some() { 1_500 } else { 500 }))]

    #[test]
    fn indexes_do_not_change_query_results(
        documents in prop::collection::vec((0u8..24, prop::option::weighted(0.9, document())), 1..40),
        filter in filter(),
        sort in prop::collection::vec((prop_oneof![Just("a"), Just("b"), Just("at")], any::<bool>()), 0..3),
        limit in 1u32..6,
    ) {
        let mut tables = tables();
        for (i, (id, document)) in documents.into_iter().enumerate() {
            let id = format!("{id:x}");
            let write = match document {
                Some(document) => put(&C, &id, document.into()),
                None => Write { key: Key::new(&C, &id), expect: Expectation::Any, op: WriteOp::Delete },
            };
            commit(&mut tables, &batch(&i.to_string(), vec![write]));
        }
        let mut query = Query::of(&C).filter(filter).limit(limit);
        for (path, ascending) in sort {
            query = query.sort(path, if ascending { Ascending } else { Descending });
        }
        let expected = naive_query(&tables, &query);
        let mut found = Vec::new();
        loop {
            let page = tables.query(&query).unwrap();
            prop_assert!(page.items.len() == limit as usize || page.next.is_none());
            found.extend(page.items.iter().map(|row| row.id.to_string()));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        prop_assert_eq!(&found, &expected);

        // Incrementally maintained indexes equal those that are built at once.
        let mut built = tables.clone();
        built.declare(&Catalog::default()).unwrap();
        built.declare(&Catalog::new(&[&C, &U]).unwrap()).unwrap();
        for ((name, maintained), built) in tables.tables.iter().zip(built.tables.values()) {
            prop_assert_eq!(format!("{:?}", maintained.indexes), format!("{:?}", built.indexes), "{}", name);
            prop_assert_eq!(format!("{:?}", maintained.expiry), format!("{:?}", built.expiry));
        }
    }
}

#[test]
fn indexed_queries_examine_only_matching_documents() {
    let mut tables = tables();
    let writes =
        (0..2_000).map(|i| put(&C, &format!("{i:04}"), json!({"a": i % 4, "b": i / 4, "tags": [i % 50], "at": i})));
    commit(&mut tables, &batch("fill", writes.collect()));
    let examined = |query: Query| {
        let (page, examined) = super::query::query_counted(&tables, &query).unwrap();
        assert!(!page.items.is_empty());
        examined
    };
    assert_eq!(examined(Query::of(&C).eq("a", 1).eq("b", 7)), 1);
    assert_eq!(examined(Query::of(&C).eq("a", 1).sort("b", Descending).limit(5)), 6);
    assert_eq!(examined(Query::of(&C).eq("a", 1).sort("b", Ascending).limit(5)), 6, "backward");
    assert_eq!(examined(Query::of(&C).sort("b", Descending).sort("a", Ascending).limit(5)), 9, "in groups of equal b");
    assert_eq!(examined(Query::of(&C).filter(Filter::Contains("tags".into(), json!(3)))), 40);
    let due = Filter::Lte("at".into(), json!(4));
    assert_eq!(examined(Query::of(&C).filter(due).sort("at", Ascending)), 5, "partial, implied by the range");
    let some = Filter::In("a".into(), vec![json!(0), json!(1)]);
    assert_eq!(examined(Query::of(&C).filter(some).filter(Filter::Gte("b".into(), json!(499)))), 2);
    let mut pages = Query::of(&C).eq("a", 1).sort("b", Descending).limit(100);
    pages.cursor = tables.query(&pages).unwrap().next;
    assert_eq!(examined(pages), 101, "a later page begins where the earlier one ended");
}

#[test]
fn unique_indexes_are_checked_after_the_whole_batch() {
    let mut tables = tables();
    let named = |id: &str, name: Option<&str>| {
        let mut document = json!({"live": true});
        if let Some(name) = name {
            document["name"] = name.into();
        }
        put(&U, id, document)
    };
    commit(&mut tables, &batch("1", vec![named("a", Some("x")), named("b", Some("y"))]));
    commit(&mut tables, &batch("2", vec![named("a", Some("y")), named("b", Some("x"))]));
    let refused = tables.plan(&batch("3", vec![named("c", Some("x"))])).unwrap_err();
    assert_eq!(refused, StoreError::UniqueViolation { key: Key::new(&U, "c"), index: "name".to_owned() });
    let twice = tables.plan(&batch("4", vec![named("c", None), named("d", None)])).unwrap_err();
    assert_eq!(twice.code(), runstate_core::error_code::ErrorCode::UNIQUE_VIOLATION, "null is a value");
}

#[test]
fn a_group_is_planned_commit_by_commit_and_applied_later() {
    let mut tables = tables();
    let mut pending = PendingCommits::default();
    let named = |id: &str, name: &str| put(&U, id, json!({"live": true, "name": name}));
    let plan = |tables: &Tables, pending: &mut PendingCommits, batch: &Batch| match tables.plan_after(pending, batch) {
        Ok(BatchPlan::PlannedCommit(commit)) => {
            pending.push(commit);
            Ok("committed")
        }
        Ok(BatchPlan::Replay(_)) => Ok("replayed"),
        Err(error) => Err(error.code().as_str()),
    };
    let insert = |id: &str, name: &str| Write { expect: Expectation::Absent, ..named(id, name) };
    assert_eq!(plan(&tables, &mut pending, &batch("1", vec![insert("a", "x")])), Ok("committed"));
    assert_eq!(plan(&tables, &mut pending, &batch("1", vec![])), Ok("replayed"));
    assert_eq!(plan(&tables, &mut pending, &batch("2", vec![insert("a", "y")])), Err("conflict"));
    assert_eq!(plan(&tables, &mut pending, &batch("3", vec![insert("b", "x")])), Err("unique_violation"));
    assert_eq!(plan(&tables, &mut pending, &batch("4", vec![named("a", "y"), insert("b", "x")])), Ok("committed"));
    assert_eq!(plan(&tables, &mut pending, &batch("5", vec![insert("c", "y")])), Err("unique_violation"));
    assert!(tables.is_empty());
    pending.into_commits().into_iter().for_each(|commit| tables.apply(commit));
    assert_eq!(tables.get(&Key::new(&U, "a")).unwrap().unwrap().revision.writes(), 2);
    assert!(matches!(tables.outcome(&CommandId::new("4").unwrap()).unwrap(), Outcome::Committed { .. }));
    assert_eq!(tables.len(), 4);
}

#[test]
fn debug_builds_reject_a_difference_that_does_not_lead_to_after() {
    let mut tables = tables();
    commit(&mut tables, &batch("1", vec![put(&C, "a", json!({"a": 1}))]));
    let before = tables.get(&Key::new(&C, "a")).unwrap().unwrap();
    let plan = |from: Json, to: Json| {
        let after = Arc::new(to.as_object().unwrap().clone());
        let op = WriteOp::Change { difference: Arc::new(difference(from.as_object().unwrap(), &after)), after };
        let expect = Expectation::Revision(before.revision.clone());
        tables.plan(&batch("2", vec![Write { key: Key::new(&C, "a"), expect, op }])).map(drop)
    };
    assert_eq!(plan(json!({"a": 1}), json!({"a": 2})), Ok(()));
    let invalid = plan(json!({"a": 1, "b": 1}), json!({"a": 2, "b": 1}));
    assert_eq!(invalid.is_err(), cfg!(debug_assertions), "{invalid:?}");
}

#[test]
fn a_change_touches_only_the_indexes_of_its_fields() {
    let mut tables = tables();
    commit(&mut tables, &batch("1", vec![put(&C, "a", json!({"a": 1, "b": 2, "at": 5, "other": 1}))]));
    let before = tables.get(&Key::new(&C, "a")).unwrap().unwrap();
    let entries = |to: Json| {
        let after = Arc::new(to.as_object().unwrap().clone());
        let op = WriteOp::Change { difference: Arc::new(difference(&before.document, &after)), after };
        let expect = Expectation::Revision(before.revision.clone());
        let planned = tables.plan(&batch("2", vec![Write { key: Key::new(&C, "a"), expect, op }]));
        let Ok(BatchPlan::PlannedCommit(commit)) = planned else { panic!("{planned:?}") };
        commit.changes[0].entries.iter().map(|e| e.index).collect::<Vec<_>>()
    };
    assert_eq!(entries(json!({"a": 1, "b": 2, "at": 5, "other": 2})), [0usize; 0]);
    assert_eq!(entries(json!({"a": 1, "b": 1, "at": 5, "other": 1})), [0, 1, 3], "b also determines the partial index");
}

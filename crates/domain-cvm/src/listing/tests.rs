//! The cost of queries in the store: documents examined, compared with documents stored.

use std::sync::Arc;

use runstate_core::decision::EngineSettings;
use runstate_core::id::CommandId;
use runstate_core::operation::{EntityQueries as _, Registry};
use runstate_core::prelude::*;
use runstate_store::tables::query::query_counted;
use runstate_store::tables::{BatchPlan, Tables};
use runstate_store::{Batch, BatchLimits, Expectation, Write, WriteOp};
use serde_json::json;

use super::{ListCalls, ListLogs, ListVersions, ShowOverview};
use crate::waiting::next_queued;
use crate::{CC_HISTORY, DOMAIN, EXECUTION_LOGS, EXECUTIONS, ExecutionHead, PROGRAM_VERSIONS};

/// Number of executions, of calls, and of log rows of execution `e7`.
const ROWS: usize = 300;

fn put(tables: &mut Tables, collection: &Collection, id: &str, document: Json) {
    let document = Arc::new(document.as_object().unwrap().clone());
    let write =
        Write { key: Key::new(collection, id), expect: Expectation::Absent, op: WriteOp::Put { version: 1, document } };
    let batch = Batch {
        command: CommandId::new(&format!("{}-{id}", collection.name)).unwrap(),
        fingerprint: "f".to_owned(),
        at: Timestamp::from_millis(0),
        result: Json::Null,
        writes: vec![write],
        checks: vec![],
        frees_space: false,
    };
    match tables.plan(&batch).unwrap() {
        BatchPlan::PlannedCommit(commit) => tables.apply(commit),
        BatchPlan::Replay(_) => panic!("replayed"),
    }
}

fn execution(n: usize, status: &str) -> Json {
    json!({
        "id": format!("e{n}"), "programId": "p", "programName": if n.is_multiple_of(2) { "even" } else { "odd" },
        "programVersion": 1, "started": n, "lastModified": n, "metrics": {}, "random": 0, "heap": {}, "outputDigest": "",
        "state": {"pc": 0, "stack": [], "scopes": [], "status": status, "output": [], "outputCount": 0},
    })
}

fn call(n: usize, execution: &str, kind: &str, open: bool) -> Json {
    let mut call = json!({
        "id": format!("c{n}"), "executionId": execution, "programName": "even", "step": n, "kind": kind, "context": {},
        "request": {"prompt": "?", "instructionId": 0, "timestamp": n},
    });
    let (name, value) = if open { ("availableAt", json!(n)) } else { ("outcome", json!("answered")) };
    call[name] = value;
    call
}

/// Many documents of each kind. Open are 3 executions of each kind and 12 calls, 4 of them of the kind `mail`.
fn populated_tables() -> Tables {
    let mut tables = Tables::new(Registry::new(&[&DOMAIN]).unwrap().catalog(), BatchLimits::default());
    for n in 0..ROWS {
        let status = ["running", "waiting_cc", "paused"].get(n / 3).copied().unwrap_or("complete");
        put(&mut tables, &EXECUTIONS, &format!("e{n}"), execution(n, status));
        put(&mut tables, &CC_HISTORY, &format!("c{n}"), call(n, "e7", "cc", n < 8));
        let log = json!({"id": format!("l{n:03}"), "executionId": "e7", "timestamp": n / 10, "event": "error", "details": {}});
        put(&mut tables, &EXECUTION_LOGS, &format!("l{n:03}"), log);
        let version = json!({"id": format!("v{n}"), "programId": "p", "programVersion": n, "source": "", "bytecode": [],
            "metadata": {}, "created": n});
        put(&mut tables, &PROGRAM_VERSIONS, &format!("v{n}"), version);
    }
    (ROWS..ROWS + 4).for_each(|n| put(&mut tables, &CC_HISTORY, &format!("c{n}"), call(n, "e8", "mail", true)));
    tables
}

fn run_query(tables: &Tables, query: &Query) -> (Vec<String>, usize) {
    let (page, examined) = query_counted(tables, query).unwrap();
    (page.items.into_iter().map(|row| row.id.to_string()).collect(), examined)
}

#[test]
fn a_later_page_of_a_list_reads_only_its_own_rows() {
    let tables = populated_tables();
    let (first, _) = query_counted(&tables, &ExecutionHead::list().limit(200).query()).unwrap();
    let next = ExecutionHead::list().limit(2).after(&first.next.unwrap());
    let (found, examined) = run_query(&tables, &next.query());
    assert_eq!(found, ["e99", "e98"]);
    assert!(examined <= 4, "{examined}");
}

#[test]
fn listing_active_executions_skips_ended_ones() {
    let active = ExecutionHead::list().filter("state.status", vec!["running", "waiting_cc", "paused"]).limit(2);
    let (found, examined) = run_query(&populated_tables(), &active.query());
    assert_eq!((found, examined), (vec!["e8".to_owned(), "e7".to_owned()], 9));
}

#[test]
fn a_page_examines_its_rows_and_one_more() {
    let tables = populated_tables();
    let limit = Some(5);
    let of_one = ListCalls { execution: Some("e7".to_owned()), limit, ..ListCalls::default() };
    let of_a_kind = ListCalls { kind: Some("cc".to_owned()), open: true, limit, ..ListCalls::default() };
    let of_all = ListCalls { open: true, limit, ..ListCalls::default() };
    let newest = ListCalls { limit, ..ListCalls::default() };
    let history = ExecutionHead::list().filter("programName", "even").limit(5);
    let versions = ListVersions { limit, ..ListVersions::default() };
    let log = ListLogs { execution: Some("e7".to_owned()), limit, ..ListLogs::default() };
    let cases = [
        ("history", history.query(), "e298 e296 e294 e292 e290"),
        ("calls of an execution", of_one.query(), "c0 c1 c2 c3 c4"),
        ("open calls of a kind", of_a_kind.query(), "c0 c1 c2 c3 c4"),
        ("open calls", of_all.query(), "c0 c1 c2 c3 c4"),
        ("calls", newest.query(), "c303 c302 c301 c300 c299"),
        ("versions", versions.query("p"), "v299 v298 v297 v296 v295"),
        ("log", log.query(&EXECUTION_LOGS).unwrap(), "l000 l001 l002 l003 l004"),
    ];
    for (name, query, expected) in cases {
        let (found, examined) = run_query(&tables, &query);
        assert_eq!((found.join(" "), examined), (expected.to_owned(), 6), "{name}");
    }
    // After a cursor within one millisecond, the rows of that millisecond are examined again, ten here.
    let rest = ListLogs { cursor: Some("20:l204".to_owned()), ..log };
    let (found, examined) = run_query(&tables, &rest.query(&EXECUTION_LOGS).unwrap());
    assert_eq!((found.join(" "), examined <= 11), ("l205 l206 l207 l208 l209".to_owned(), true), "{examined}");
}

#[test]
fn the_next_page_continues_at_the_same_cost() {
    let tables = populated_tables();
    let mut listing = ListCalls { open: true, limit: Some(5), ..ListCalls::default() };
    let (first, _) = query_counted(&tables, &listing.query()).unwrap();
    listing.cursor = first.next;
    let (found, examined) = run_query(&tables, &listing.query());
    assert_eq!((found.join(" "), examined), ("c5 c6 c7 c300 c301".to_owned(), 6));
}

#[test]
fn awaiting_and_queued_calls_are_found_by_their_indexes() {
    let mut tables = populated_tables();
    for n in 0..2 * ROWS {
        let field = if n < ROWS { "awaitsApproval" } else { "queued" };
        let mut call = call(1_000 + n, "e9", "pay", true);
        call.as_object_mut().unwrap().shift_remove("availableAt");
        call[field] = json!(true);
        put(&mut tables, &CC_HISTORY, &format!("c{}", 1_000 + n), call);
    }
    let awaiting = ListCalls { awaits_approval: true, limit: Some(2), ..ListCalls::default() };
    assert_eq!(run_query(&tables, &awaiting.query()), (vec!["c1000".to_owned(), "c1001".to_owned()], 3));
    let (next, examined) = run_query(&tables, &next_queued("e9"));
    assert_eq!(next, [format!("c{}", 1_000 + ROWS)]);
    assert!(examined <= 2, "{examined}");
}

#[test]
fn open_calls_of_a_program_examine_only_open_calls() {
    let listing = ListCalls { program: Some("even".to_owned()), open: true, limit: Some(50), ..ListCalls::default() };
    let (found, examined) = run_query(&populated_tables(), &listing.query());
    assert_eq!((found.len(), examined), (12, 12));
}

#[test]
fn open_calls_of_an_execution_skip_its_closed_calls() {
    let mut listing = ListCalls { execution: Some("e7".to_owned()), open: true, ..ListCalls::default() };
    let (found, examined) = run_query(&populated_tables(), &listing.query());
    assert_eq!((found.join(" "), examined), ("c0 c1 c2 c3 c4 c5 c6 c7".to_owned(), 8));
    (listing.kind, listing.program) = (Some("mail".to_owned()), Some("even".to_owned()));
    assert_eq!(run_query(&populated_tables(), &listing.query()), (vec![], 8));
}

#[test]
fn page_size_is_capped() {
    let listing = ListCalls { limit: Some(u32::MAX), ..ListCalls::default() };
    assert_eq!(listing.query().limit, Some(runstate_core::limits::MAX_PAGE_ROWS));
    assert_eq!(ListCalls::default().query().limit, Some(runstate_core::limits::PAGE_ROWS));
}

#[test]
fn overview_counts_nothing_if_the_store_does_not_aggregate() {
    let (ids, settings) = (CommandId::new("overview").unwrap(), EngineSettings::default());
    for can_aggregate in [true, false] {
        let view = View::new(Timestamp::from_millis(0), 16, can_aggregate);
        assert_eq!(ShowOverview.reads(&view).aggregates.len(), usize::from(can_aggregate));
        let ctx = Ctx::new(ids.clone(), Timestamp::from_millis(0), settings.clone());
        assert!(ShowOverview.evaluate(&view, &ctx).unwrap().executions.is_empty());
    }
}

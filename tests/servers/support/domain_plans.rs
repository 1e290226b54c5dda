//! Documents for every collection of `domain/cvm`, its queries exactly as they are sent, and the index that serves each
//! of them.

use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, HEAP_PAGES, OUTPUTS, PROGRAM_VERSIONS, PROGRAMS};
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Filter, Query};
use runstate::store::Write;
use runstate::value::Json;
use serde_json::json;

use super::batches::insert;

/// Whether the server may sort in memory.
#[derive(Clone, Copy, PartialEq)]
pub enum ExpectedSort {
    ByIndex,
    InMemory,
}
pub use ExpectedSort::{ByIndex, InMemory};

/// A query, the index that serves it, and the largest number of documents that the server reads for it.
pub struct PlanCase {
    pub name: &'static str,
    pub query: Query,
    pub index: &'static str,
    pub order: ExpectedSort,
    pub documents: i64,
}

pub fn plan_case(
    name: &'static str,
    query: Query,
    index: &'static str,
    order: ExpectedSort,
    documents: i64,
) -> PlanCase {
    PlanCase { name, query, index, order, documents }
}

pub fn gte(path: &str, value: i64) -> Filter {
    Filter::Gte(path.to_owned(), value.into())
}

pub fn absent(path: &str) -> Filter {
    Filter::Exists(path.to_owned(), false)
}

pub fn present(path: &str) -> Filter {
    Filter::Exists(path.to_owned(), true)
}

/// The queries of `domain/cvm` and `engine`, exactly as they are sent.
pub fn domain_queries() -> Vec<PlanCase> {
    let in_time = || Filter::Or(vec![absent("request.deadline"), Filter::Gt("request.deadline".to_owned(), 5.into())]);
    let unowned = || Filter::Or(vec![absent("deleting"), absent("wakeAt")]);
    let lte = |path: &str, value: i64| Filter::Lte(path.to_owned(), value.into());
    let calls = || Query::of(&CC_HISTORY);
    let executions = || Query::of(&EXECUTIONS);
    let active = ["running", "waiting_cc", "paused"].map(Json::from).to_vec();
    let open = || Filter::And(vec![absent("outcome"), present("request")]);
    let after_cursor = Filter::And(vec![
        gte("timestamp", 71),
        Filter::Or(vec![
            Filter::Gt("timestamp".to_owned(), 71.into()),
            Filter::And(vec![
                Filter::Eq("timestamp".to_owned(), 71.into()),
                Filter::Gt("id".to_owned(), "l7-1".into()),
            ]),
        ]),
    ]);
    let claim = calls().eq("kind", "cognitive").filter(absent("outcome"));
    let due = executions().filter(present("wakeAt"));
    let logs = Query::of(&EXECUTION_LOGS).eq("executionId", "e7").sort("timestamp", Ascending).limit(100);
    let (by_step, by_kind) = ("executionId: 1, step: 1", "kind: 1, availableAt: 1");
    let by_deadline = "executionId: 1, request.deadline: 1";
    let of_execution = "executionId: 1, step: 1|executionId: 1, request.deadline: 1";
    vec![
        plan_case(
            "claim",
            claim.clone().filter(lte("availableAt", 5_000)).filter(in_time()).sort("availableAt", Ascending).limit(16),
            by_kind,
            ByIndex,
            33,
        ),
        plan_case(
            "first open",
            claim.filter(gte("availableAt", i64::MIN)).filter(in_time()).sort("availableAt", Ascending).limit(1),
            by_kind,
            ByIndex,
            18,
        ),
        plan_case(
            "calls from a step on",
            calls().eq("executionId", "e7").filter(gte("step", 1)).sort("step", Ascending).limit(3),
            by_step,
            ByIndex,
            3,
        ),
        plan_case(
            "next to close",
            calls()
                .eq("executionId", "e20")
                .filter(absent("outcome"))
                .filter(gte("step", 1))
                .sort("step", Ascending)
                .limit(1),
            by_step,
            ByIndex,
            4,
        ),
        plan_case(
            "next deadline",
            calls()
                .eq("executionId", "e20")
                .filter(absent("outcome"))
                .filter(gte("request.deadline", 0))
                .sort("request.deadline", Ascending)
                .limit(2),
            by_deadline,
            ByIndex,
            1,
        ),
        plan_case(
            "output from a row on",
            Query::of(&OUTPUTS).eq("executionId", "e7").filter(gte("seq", 2)).sort("seq", Ascending),
            "executionId: 1, seq: 1",
            ByIndex,
            2,
        ),
        plan_case("program by name", Query::of(&PROGRAMS).eq("name", "program 7").limit(1), "name: 1", ByIndex, 1),
        plan_case(
            "version of a program",
            Query::of(&PROGRAM_VERSIONS).eq("programId", "p7").eq("programVersion", 2).limit(1),
            "programId: 1, programVersion: 1",
            ByIndex,
            1,
        ),
        plan_case(
            "versions, newest first",
            Query::of(&PROGRAM_VERSIONS).eq("programId", "p7").sort("programVersion", Descending).limit(3),
            "programId: 1, programVersion: 1",
            ByIndex,
            5,
        ),
        plan_case("programs by name", Query::of(&PROGRAMS).sort("name", Ascending).limit(10), "name: 1", ByIndex, 27),
        plan_case(
            "executions of a program",
            executions().eq("programId", "p7").limit(1),
            "programId: 1|_id: 1",
            InMemory,
            60,
        ),
        plan_case(
            "pages to delete",
            Query::of(&HEAP_PAGES).eq("executionId", "e7").limit(100),
            "executionId: 1, page: 1",
            InMemory,
            4,
        ),
        plan_case("calls to delete", calls().eq("executionId", "e7").limit(100), of_execution, InMemory, 4),
        plan_case(
            "logs to delete",
            Query::of(&EXECUTION_LOGS).eq("executionId", "e7").limit(100),
            "executionId: 1, timestamp: 1",
            InMemory,
            4,
        ),
        plan_case(
            "due",
            due.clone().filter(lte("wakeAt", 3_000)).sort("wakeAt", Ascending).limit(64),
            "wakeAt: 1",
            ByIndex,
            16,
        ),
        plan_case(
            "next due",
            due.filter(gte("wakeAt", i64::MIN)).sort("wakeAt", Ascending).limit(1),
            "wakeAt: 1",
            ByIndex,
            18,
        ),
        plan_case(
            "finished",
            executions().filter(lte("completed", 1_000)).filter(unowned()).sort("completed", Ascending).limit(5),
            "completed: 1",
            ByIndex,
            22,
        ),
        plan_case(
            "list",
            executions().sort("started", Descending).filter(absent("deleting")).limit(10),
            "started: -1",
            ByIndex,
            27,
        ),
        plan_case(
            "list by status",
            executions()
                .sort("started", Descending)
                .eq("state.status", "waiting_cc")
                .filter(absent("deleting"))
                .limit(10),
            "state.status: 1|started: -1",
            InMemory,
            540,
        ),
        plan_case(
            "active",
            executions().filter(Filter::In("state.status".to_owned(), active)).sort("started", Descending).limit(20),
            "state.status: 1|started: -1",
            InMemory,
            600,
        ),
        plan_case(
            "history",
            executions()
                .eq("programName", "program 7")
                .filter(Filter::Ne("deleting".to_owned(), true.into()))
                .sort("started", Descending)
                .limit(10),
            "programName: 1, started: -1",
            ByIndex,
            27,
        ),
        plan_case(
            "calls",
            calls().sort("request.timestamp", Descending).limit(100),
            "request.timestamp: -1",
            ByIndex,
            117,
        ),
        plan_case(
            "calls of an execution",
            calls().eq("executionId", "e7").sort("step", Ascending).limit(100),
            by_step,
            ByIndex,
            4,
        ),
        plan_case(
            "calls of a program",
            calls()
                .filter(Filter::Or(vec![Filter::Eq("programName".to_owned(), "program 7".into())]))
                .sort("request.timestamp", Descending)
                .limit(10),
            "programName: 1|request.timestamp: -1",
            InMemory,
            300,
        ),
        plan_case(
            "open calls",
            calls().filter(open()).sort("kind", Ascending).sort("availableAt", Ascending).limit(10),
            by_kind,
            ByIndex,
            27,
        ),
        plan_case(
            "open calls of an execution",
            calls()
                .filter(open())
                .eq("executionId", "e20")
                .sort("request.timestamp", Ascending)
                .sort("step", Ascending)
                .limit(10),
            of_execution,
            InMemory,
            4,
        ),
        plan_case(
            "slowest of a program",
            calls()
                .eq("programName", "program 7")
                .eq("outcome", "answered")
                .sort("response.latencyMs", Descending)
                .limit(10),
            "programName: 1",
            InMemory,
            240,
        ),
        plan_case(
            "log",
            logs.clone().filter(gte("timestamp", -9_007_199_254_740_991)),
            "executionId: 1, timestamp: 1",
            ByIndex,
            4,
        ),
        plan_case("log after a cursor", logs.filter(after_cursor), "executionId: 1, timestamp: 1", ByIndex, 3),
    ]
}

/// The queries in the seed of this domain (its "Query Patterns").
pub fn seed_queries() -> Vec<PlanCase> {
    let executions = || Query::of(&EXECUTIONS);
    vec![
        plan_case(
            "seed: active executions",
            executions().eq("state.status", "waiting_cc"),
            "state.status: 1",
            ByIndex,
            30,
        ),
        plan_case(
            "seed: history of a program",
            executions().eq("programName", "program 7").sort("started", Descending).limit(10),
            "programName: 1, started: -1",
            ByIndex,
            27,
        ),
    ]
}

/// The number of executions. Each has a few calls, output rows and log rows.
pub const EXECUTION_COUNT: i64 = 600;

fn execution(n: i64) -> Json {
    let ended = n % 20 != 0;
    let state = json!({
        "pc": 1, "stack": [], "scopes": [], "output": [], "outputCount": 0,
        "status": if ended { "complete" } else { "waiting_cc" },
    });
    let mut execution = json!({
        "id": format!("e{n}"), "programId": format!("p{}", n % 10), "programName": format!("program {}", n % 10),
        "programVersion": 1, "state": state, "started": n * 10, "lastModified": n * 10 + 5, "metrics": {"instructionsExecuted": n},
        "random": null, "heap": {}, "outputDigest": "",
    });
    let (field, at) = if ended { ("completed", n * 10 + 5) } else { ("wakeAt", n * 10 + 7) };
    execution[field] = at.into();
    execution
}

/// The fourth call of a waiting execution is open.
fn call(n: i64, step: i64) -> Json {
    let open = n % 20 == 0 && step == 3;
    let kind = if step % 2 == 1 { "cognitive" } else { "mail" };
    let mut call = json!({
        "id": format!("c{n}-{step}"), "executionId": format!("e{n}"), "programName": format!("program {}", n % 10), "step": step,
        "kind": kind, "request": {"prompt": "?", "instructionId": 1, "timestamp": n * 10 + step},
    });
    if open {
        call["availableAt"] = (n * 10 + step).into();
        call["request"]["deadline"] = (1_000_000 + n).into();
    } else {
        call["outcome"] = "answered".into();
        call["response"] = json!({"result": 1, "latencyMs": n % 97});
    }
    call
}

pub fn domain_writes() -> Vec<Write> {
    let mut writes = Vec::new();
    let program = |id: &str, version: i64| {
        json!({"id": format!("{id}-{version}"), "programId": id, "programVersion": version, "source": "", "bytecode": [],
            "metadata": {"version": 1, "compiled": 0, "compiler": ""}, "created": version})
    };
    for n in 0..60 {
        let (id, name) = (format!("p{n}"), format!("program {n}"));
        let mut row = program(&id, 1);
        row["id"] = id.as_str().into();
        row["name"] = name.into();
        row["modified"] = n.into();
        writes.push(insert(&PROGRAMS, &id, row));
        for version in 1..6 {
            writes.push(insert(&PROGRAM_VERSIONS, &format!("{id}-{version}"), program(&id, version)));
        }
    }
    for n in 0..EXECUTION_COUNT {
        writes.push(insert(&EXECUTIONS, &format!("e{n}"), execution(n)));
        for step in 0..4 {
            let of = |id: &str| json!({"id": id, "executionId": format!("e{n}")});
            writes.push(insert(&CC_HISTORY, &format!("c{n}-{step}"), call(n, step)));
            let id = format!("o{n}-{step}");
            let mut output = of(&id);
            output["seq"] = step.into();
            output["lines"] = json!(["x"]);
            writes.push(insert(&OUTPUTS, &id, output));
            let id = format!("h{n}-{step}");
            let mut page = of(&id);
            page["page"] = step.into();
            page["version"] = 1.into();
            writes.push(insert(&HEAP_PAGES, &id, page));
            let id = format!("l{n}-{step}");
            let mut line = of(&id);
            line["timestamp"] = (n * 10 + step).into();
            line["event"] = "cc_call".into();
            line["details"] = json!({});
            writes.push(insert(&EXECUTION_LOGS, &id, line));
        }
    }
    writes
}

//! What the server does for each question that the domain and the seeds' systems ask: by an index that was declared, sorted by it where it can
//! be, and without reading what is not told. The server's own profile says it, of the very commands that the store sends.

use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};
use runstate::domain::cvm::{
    CC_HISTORY, COLLECTIONS, EXECUTION_LOGS, EXECUTIONS, HEAP_PAGES, OUTPUTS, PROGRAM_VERSIONS, PROGRAMS,
};
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Accumulator, Aggregate, Catalog, Filter, Group, Query};
use runstate::store::{Store, Write};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;

use super::filled::contents;
use super::{Ground, batch, ground, on_tokio};

/// Whether the server may sort what it found.
#[derive(Clone, Copy, PartialEq)]
pub enum Order {
    ByIndex,
    Sorted,
}
pub use Order::{ByIndex, Sorted};

/// A question, the index that serves it, and how many documents are read for it at the most.
pub struct Asked {
    name: &'static str,
    query: Query,
    index: &'static str,
    order: Order,
    documents: i64,
}

pub fn asked(name: &'static str, query: Query, index: &'static str, order: Order, documents: i64) -> Asked {
    Asked { name, query, index, order, documents }
}

/// What the server says of the last question to a collection.
pub async fn profiled(database: &Database, collection: &str) -> Document {
    let profile = database.collection::<Document>("system.profile");
    // What only ends a cursor has no plan.
    let ours = doc! {"ns": format!("{}.{collection}", database.name()), "planSummary": {"$exists": true}, "op": {"$in": ["query", "command"]}};
    profile.find_one(ours).sort(doc! {"$natural": -1}).await.unwrap().unwrap()
}

pub fn number(profile: &Document, name: &str) -> i64 {
    match profile.get(name) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        _ => 0,
    }
}

/// The profile of a database whose contents are there.
pub async fn watched(ground: &Ground) -> Database {
    let client = Client::with_uri_str(&ground.server).await.unwrap();
    let database = client.database(&ground.database);
    database.run_command(doc! {"profile": 2}).await.unwrap();
    database
}

pub async fn try_all(ground: &Ground, table: Vec<Asked>) {
    let database = watched(ground).await;
    let mut wrong = Vec::new();
    for Asked { name, query, index, order, documents } in table {
        let page = ground.store.query(&query).await.unwrap();
        let profile = profiled(&database, &query.collection).await;
        let plan = profile.get_str("planSummary").unwrap();
        let (read, sorted) = (number(&profile, "docsExamined"), profile.get_bool("hasSortStage").unwrap_or(false));
        println!("{name}: {plan}, {read} read for {}{}", page.rows.len(), if sorted { ", sorted" } else { "" });
        let served = index.split('|').any(|index| plan == format!("IXSCAN {{ {index} }}"));
        if !served || (sorted && order == ByIndex) || read > documents || page.rows.is_empty() {
            wrong.push(format!("{name}: {plan}, {read} read for {}, sorted: {sorted}", page.rows.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

pub async fn fill(ground: &Ground, writes: Vec<Write>) {
    for (nth, some) in writes.chunks(1_000).enumerate() {
        ground.store.commit(batch(&format!("fill{nth}"), some.to_vec())).await.unwrap();
    }
}

pub fn gte(path: &str, value: i64) -> Filter {
    Filter::Gte(path.to_owned(), value.into())
}

fn absent(path: &str) -> Filter {
    Filter::Exists(path.to_owned(), false)
}

fn present(path: &str) -> Filter {
    Filter::Exists(path.to_owned(), true)
}

/// What `domain/cvm` and `engine` ask, word for word.
fn of_the_domain() -> Vec<Asked> {
    let in_time = || Filter::Or(vec![absent("request.deadline"), Filter::Gt("request.deadline".to_owned(), 5.into())]);
    let nobodys = || Filter::Or(vec![absent("deleting"), absent("wakeAt")]);
    let lte = |path: &str, value: i64| Filter::Lte(path.to_owned(), value.into());
    let calls = || Query::of(&CC_HISTORY);
    let executions = || Query::of(&EXECUTIONS);
    let active = ["running", "waiting_cc", "paused"].map(Json::from).to_vec();
    let open = || Filter::And(vec![absent("outcome"), present("request")]);
    let behind = Filter::And(vec![
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
        asked(
            "claim",
            claim.clone().filter(lte("availableAt", 5_000)).filter(in_time()).sort("availableAt", Ascending).limit(16),
            by_kind,
            ByIndex,
            33,
        ),
        asked(
            "first open",
            claim.filter(gte("availableAt", i64::MIN)).filter(in_time()).sort("availableAt", Ascending).limit(1),
            by_kind,
            ByIndex,
            18,
        ),
        asked(
            "asked together",
            calls().eq("executionId", "e7").filter(gte("step", 1)).sort("step", Ascending).limit(3),
            by_step,
            ByIndex,
            3,
        ),
        asked(
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
        asked(
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
        asked(
            "output from a row on",
            Query::of(&OUTPUTS).eq("executionId", "e7").filter(gte("seq", 2)).sort("seq", Ascending),
            "executionId: 1, seq: 1",
            ByIndex,
            2,
        ),
        asked("program by name", Query::of(&PROGRAMS).eq("name", "program 7").limit(1), "name: 1", ByIndex, 1),
        asked(
            "version of a program",
            Query::of(&PROGRAM_VERSIONS).eq("programId", "p7").eq("programVersion", 2).limit(1),
            "programId: 1, programVersion: 1",
            ByIndex,
            1,
        ),
        asked(
            "versions, newest first",
            Query::of(&PROGRAM_VERSIONS).eq("programId", "p7").sort("programVersion", Descending).limit(3),
            "programId: 1, programVersion: 1",
            ByIndex,
            5,
        ),
        asked("programs by name", Query::of(&PROGRAMS).sort("name", Ascending).limit(10), "name: 1", ByIndex, 27),
        asked(
            "executions of a program",
            executions().eq("programId", "p7").limit(1),
            "programId: 1|_id: 1",
            Sorted,
            60,
        ),
        asked(
            "pages to delete",
            Query::of(&HEAP_PAGES).eq("executionId", "e7").limit(100),
            "executionId: 1, page: 1",
            Sorted,
            4,
        ),
        asked("calls to delete", calls().eq("executionId", "e7").limit(100), of_execution, Sorted, 4),
        asked(
            "logs to delete",
            Query::of(&EXECUTION_LOGS).eq("executionId", "e7").limit(100),
            "executionId: 1, timestamp: 1",
            Sorted,
            4,
        ),
        asked(
            "due",
            due.clone().filter(lte("wakeAt", 3_000)).sort("wakeAt", Ascending).limit(64),
            "wakeAt: 1",
            ByIndex,
            16,
        ),
        asked(
            "next due",
            due.filter(gte("wakeAt", i64::MIN)).sort("wakeAt", Ascending).limit(1),
            "wakeAt: 1",
            ByIndex,
            18,
        ),
        asked(
            "finished",
            executions().filter(lte("completed", 1_000)).filter(nobodys()).sort("completed", Ascending).limit(5),
            "completed: 1",
            ByIndex,
            22,
        ),
        asked(
            "list",
            executions().sort("started", Descending).filter(absent("deleting")).limit(10),
            "started: -1",
            ByIndex,
            27,
        ),
        asked(
            "list by status",
            executions()
                .sort("started", Descending)
                .eq("state.status", "waiting_cc")
                .filter(absent("deleting"))
                .limit(10),
            "state.status: 1|started: -1",
            Sorted,
            540,
        ),
        asked(
            "active",
            executions().filter(Filter::In("state.status".to_owned(), active)).sort("started", Descending).limit(20),
            "state.status: 1|started: -1",
            Sorted,
            600,
        ),
        asked(
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
        asked("calls", calls().sort("request.timestamp", Descending).limit(100), "request.timestamp: -1", ByIndex, 117),
        asked(
            "calls of an execution",
            calls().eq("executionId", "e7").sort("step", Ascending).limit(100),
            by_step,
            ByIndex,
            4,
        ),
        asked(
            "calls of a program",
            calls()
                .filter(Filter::Or(vec![Filter::Eq("programName".to_owned(), "program 7".into())]))
                .sort("request.timestamp", Descending)
                .limit(10),
            "programName: 1|request.timestamp: -1",
            Sorted,
            300,
        ),
        asked(
            "open calls",
            calls().filter(open()).sort("kind", Ascending).sort("availableAt", Ascending).limit(10),
            by_kind,
            ByIndex,
            27,
        ),
        asked(
            "open calls of an execution",
            calls()
                .filter(open())
                .eq("executionId", "e20")
                .sort("request.timestamp", Ascending)
                .sort("step", Ascending)
                .limit(10),
            of_execution,
            Sorted,
            4,
        ),
        asked(
            "slowest of a program",
            calls()
                .eq("programName", "program 7")
                .eq("outcome", "answered")
                .sort("response.latencyMs", Descending)
                .limit(10),
            "programName: 1",
            Sorted,
            240,
        ),
        asked(
            "log",
            logs.clone().filter(gte("timestamp", -9_007_199_254_740_991)),
            "executionId: 1, timestamp: 1",
            ByIndex,
            4,
        ),
        asked("log behind a place", logs.filter(behind), "executionId: 1, timestamp: 1", ByIndex, 3),
    ]
}

/// What the seed of this domain asks (its "Query Patterns").
fn of_the_seed() -> Vec<Asked> {
    let executions = || Query::of(&EXECUTIONS);
    vec![
        asked("seed: active executions", executions().eq("state.status", "waiting_cc"), "state.status: 1", ByIndex, 30),
        asked(
            "seed: history of a program",
            executions().eq("programName", "program 7").sort("started", Descending).limit(10),
            "programName: 1, started: -1",
            ByIndex,
            27,
        ),
    ]
}

#[test]
fn every_question_of_the_domain_is_served_by_an_index() {
    on_tokio(async {
        let catalog = Catalog::new(COLLECTIONS).unwrap();
        let Some(ground) = ground("every_question_of_the_domain_is_served_by_an_index", &catalog).await else { return };
        fill(&ground, contents()).await;
        try_all(&ground, of_the_seed().into_iter().chain(of_the_domain()).collect()).await;
        let mut later = Query::of(&EXECUTIONS).eq("programName", "program 7").sort("started", Descending).limit(5);
        for _ in 0..3 {
            later.cursor = ground.store.query(&later).await.unwrap().cursor;
        }
        let later = asked("history, page four", later, "programName: 1, started: -1", ByIndex, 23);
        let mut open = Query::of(&CC_HISTORY)
            .filter(absent("outcome"))
            .sort("kind", Ascending)
            .sort("availableAt", Ascending)
            .limit(5);
        open.cursor = ground.store.query(&open).await.unwrap().cursor;
        let open = asked("open calls, page two", open, "kind: 1, availableAt: 1", ByIndex, 28);
        try_all(&ground, vec![later, open]).await;
        count_by_index(&ground).await;
        sweep_by_index(&ground).await;
    });
}

async fn count_by_index(ground: &Ground) {
    let database = watched(ground).await;
    let (latency, of_program) =
        (|| "response.latencyMs".to_owned(), Filter::Eq("programName".to_owned(), "program 7".into()));
    let seed = vec![("avg".to_owned(), Accumulator::Avg(latency())), ("max".to_owned(), Accumulator::Max(latency()))];
    let count = vec![("n".to_owned(), Accumulator::Count)];
    for (collection, group_by, accumulators, index) in [
        (&CC_HISTORY, vec![], seed, "programName: 1"),
        (&EXECUTIONS, vec![Group::Field("state.status".to_owned())], count, "programName: 1, started: -1"),
    ] {
        let filter = of_program.clone();
        let question = Aggregate { collection: collection.name.to_owned(), filter, group_by, accumulators };
        assert!(!ground.store.aggregate(&question).await.unwrap().is_empty());
        let profile = profiled(&database, collection.name).await;
        assert_eq!(profile.get_str("planSummary").unwrap(), format!("IXSCAN {{ {index} }}"));
        // Counted on the server: the rows of the answer came, and nothing else.
        assert!(profile.get_document("command").unwrap().contains_key("pipeline"), "{profile}");
        assert!(number(&profile, "nreturned") <= 2, "{profile}");
    }
}

async fn sweep_by_index(ground: &Ground) {
    let database = watched(ground).await;
    let month = Millis::days(30).0;
    let swept = ground.store.sweep(EXECUTION_LOGS.name, Timestamp::from_millis(month + 33), 100).await.unwrap();
    assert_eq!(swept, 16);
    let profile = profiled(&database, EXECUTION_LOGS.name).await;
    assert_eq!(profile.get_str("planSummary").unwrap(), "IXSCAN { timestamp: 1 }");
    assert_eq!((number(&profile, "docsExamined"), profile.get_bool("hasSortStage").unwrap_or(false)), (16, false));
}

//! Documents of the user's own on any store: each call of `open` returns another handle to one store, as another
//! process or tab has.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::{Load, Settings, Start, Status};
use runstate::engine::{Engine, Error, LedgerSettings};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::Key;
use runstate::store::layer::Method;
use runstate::store::{Store, StoreError};
use runstate::testing::{Fault, FaultStore};
use runstate::testing::{SimClock, SimHost};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use serde_json::json;

/// Opens a store again.
pub type Reopen<'a> = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> + 'a;

pub async fn engine_over(store: Arc<dyn Store>, host: &SimHost) -> Engine {
    Engine::new(store, Arc::new(host.clone()), runstate::domain::ALL).await.unwrap()
}

pub async fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, Error> {
    engine.call(name, parameters.as_object().cloned().unwrap()).await
}

/// Calls an operation that must succeed.
pub async fn ask(engine: &Engine, name: &str, parameters: Json) -> Json {
    call(engine, name, parameters.clone()).await.unwrap_or_else(|error| panic!("{name} {parameters}: {error}"))
}

pub fn notes() -> Json {
    json!({
        "collection": "notes",
        "fields": [{"name": "tag", "kind": "text", "required": true}, {"name": "created", "kind": "timestamp"}],
        "indexes": [{"fields": ["tag", "-created"]}],
    })
}

pub fn put(id: &str, tag: &str, created: i64) -> Json {
    json!({"collection": "notes", "id": id, "put": {"tag": tag, "created": created}})
}

fn tags(page: &Json) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["_id"].as_str().unwrap()).collect()
}

/// Declares, writes, reads and queries; a process that was opened before meets the new collection; so does the next
/// opening.
pub async fn declared_collection_is_known_everywhere(open: &Reopen<'_>) {
    let host = SimHost::default();
    let (first, second) =
        (engine_over(open().await.unwrap(), &host).await, engine_over(open().await.unwrap(), &host).await);
    let declared = ask(&first, "documents.declare", notes()).await;
    assert_eq!(declared["version"], 1);
    assert_eq!(ask(&first, "documents.declare", notes()).await, declared);
    let writes = json!([put("a", "home", 1), put("b", "home", 2), put("c", "work", 3)]);
    let committed = ask(&second, "documents.commit", json!({"writes": writes, "commandId": "three"})).await;
    let repeated = ask(&first, "documents.commit", json!({"writes": writes, "commandId": "three"})).await;
    assert_eq!(repeated["revisions"], committed["revisions"]);
    assert_eq!((&committed["replayed"], &repeated["replayed"]), (&json!(false), &json!(true)));
    let home = json!({"collection": "notes", "where": {"eq": ["tag", "home"]}, "order": ["-created"], "limit": 1});
    let page = ask(&first, "documents.query", home.clone()).await;
    assert_eq!(tags(&page), ["b"]);
    let mut rest = home;
    rest["cursor"] = page["next"].clone();
    assert_eq!(tags(&ask(&second, "documents.query", rest).await), ["a"]);
    let third = engine_over(open().await.unwrap(), &host).await;
    let found = ask(&third, "documents.get", json!({"collection": "notes", "ids": ["c", "none"]})).await;
    assert_eq!(found, json!([{"_id": "c", "_rev": committed["revisions"][2], "tag": "work", "created": 3}, null]));
    assert_eq!(ask(&third, "documents.collections", json!({})).await, json!([declared]));
    assert_eq!(third.verify(|_| {}).await.unwrap().findings, []);
}

/// One process chooses how long results are kept. All keep them so long, and no command is applied twice after that.
pub async fn ledger_time_is_chosen_for_all_processes(open: &Reopen<'_>) {
    let host = SimHost::default();
    let open_with = async |days: Option<i64>| {
        let settings = LedgerSettings { kept: days.map(Millis::days) };
        let store = open().await.unwrap();
        Engine::with_settings(store, Arc::new(host.clone()), runstate::domain::ALL, settings).await
    };
    for refused in [-1, 0, 366, i64::MAX / 86_400_000] {
        assert_eq!(open_with(Some(refused)).await.err().map(|error| error.code), Some(ErrorCode::INVALID), "{refused}");
    }
    let default = open_with(None).await.unwrap();
    assert_eq!(default.ledger_time().await, Ok(Millis::days(7)));
    ask(&default, "documents.declare", notes()).await;
    let commit = async |engine: &Engine, id: &CommandId| {
        let parameters = json!({"writes": [put("a", "home", 1)], "commandId": id.as_str()});
        let committed = call(engine, "documents.commit", parameters).await;
        committed.map(|committed| committed["replayed"] == true).map_err(|error| error.code)
    };
    let sweep = async |engine: &Engine| engine.sweep(host.clock.now(), 1_000).await.unwrap();
    // A server that expires rows by its own clock has none that is old.
    let is_removed = !default.store().capabilities().native_ttl;
    let after_removal = if is_removed { Err(ErrorCode::STALE) } else { Ok(true) };
    let first = default.new_command_id();
    assert_eq!(commit(&default, &first).await, Ok(false));
    let month = open_with(Some(30)).await.unwrap();
    assert_eq!(default.ledger_time().await, Ok(Millis::days(30)));
    host.clock.advance(Millis::days(20));
    for engine in [&default, &month] {
        sweep(engine).await;
        assert_eq!(commit(engine, &first).await, Ok(true));
    }
    host.clock.advance(Millis::days(11));
    assert!(!default.measure_expired(host.clock.now()).await.unwrap().is_empty());
    assert_eq!(sweep(&default).await > 0, is_removed);
    let second = default.new_command_id();
    assert_eq!(commit(&month, &second).await, Ok(false));
    // A process that was opened with the longer time sweeps and refuses by the shorter one.
    let day = open_with(Some(1)).await.unwrap();
    host.clock.advance(Millis::days(2));
    sweep(&month).await;
    for engine in [&default, &month, &day, &open_with(Some(90)).await.unwrap(), &open_with(None).await.unwrap()] {
        assert_eq!(commit(engine, &first).await, after_removal);
        assert_eq!(commit(engine, &second).await, after_removal);
    }
    assert_eq!(open_with(None).await.unwrap().ledger_time().await, Ok(Millis::days(90)));
    let found = ask(&default, "documents.get", json!({"collection": "notes", "ids": ["a"]})).await;
    assert!(found[0]["_rev"].as_str().unwrap().starts_with("2-"), "each was applied once: {found}");
    assert_eq!(ask(&default, "documents.collections", json!({})).await.as_array().map(Vec::len), Some(1));
    assert_eq!(default.verify(|_| {}).await.unwrap().findings, []);
}

/// A write with an expectation that does not hold is refused with both revisions, and nothing of its commit happens.
pub async fn conflict_names_both_revisions(open: &Reopen<'_>) {
    let host = SimHost::default();
    let engine = engine_over(open().await.unwrap(), &host).await;
    ask(&engine, "documents.declare", notes()).await;
    let first = ask(&engine, "documents.commit", json!({"writes": [put("a", "home", 1)]})).await;
    let read = ask(&engine, "documents.get", json!({"collection": "notes", "ids": ["a"]})).await;
    let mut changed = read[0].clone();
    changed["tag"] = json!("work");
    let write = json!({"collection": "notes", "id": "a", "put": changed});
    let second = ask(&engine, "documents.commit", json!({"writes": [write]})).await;
    // The document was read before that commit.
    let error = call(&engine, "documents.commit", json!({"writes": [put("b", "new", 1), write]})).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::CONFLICT, false));
    assert_eq!((error.collection.as_deref(), error.key.as_deref()), (Some("documents.notes"), Some("a")));
    assert_eq!(error.details, json!({"expected": first["revisions"][0], "found": second["revisions"][0]}));
    let mut insert = put("a", "home", 1);
    insert["expect"] = json!("absent");
    let error = call(&engine, "documents.commit", json!({"writes": [insert]})).await.unwrap_err();
    assert_eq!(error.details, json!({"expected": null, "found": second["revisions"][0]}));
    let patch = json!({"collection": "notes", "id": "a", "patch": {"created": null, "by": {"name": "ann"}}, "expect": second["revisions"][0]});
    let delete = json!({"collection": "notes", "id": "none", "delete": true});
    let third = ask(&engine, "documents.commit", json!({"writes": [patch, delete]})).await;
    let found = ask(&engine, "documents.get", json!({"collection": "notes", "ids": ["a", "b"]})).await;
    assert_eq!(found, json!([{"_id": "a", "_rev": third["revisions"][0], "tag": "work", "by": {"name": "ann"}}, null]));
    assert_eq!(third["revisions"][1], Json::Null);
}

/// A process that knows an older version of a collection writes again once it has met the newer one.
pub async fn added_index_reaches_processes_that_were_open(open: &Reopen<'_>) {
    let host = SimHost::default();
    let (older, newer) =
        (engine_over(open().await.unwrap(), &host).await, engine_over(open().await.unwrap(), &host).await);
    ask(&older, "documents.declare", notes()).await;
    ask(&older, "documents.commit", json!({"writes": [put("a", "home", 1)]})).await;
    let mut next = notes();
    next["fields"].as_array_mut().unwrap().push(json!({"name": "rank", "kind": "int"}));
    next["indexes"].as_array_mut().unwrap().push(json!({"fields": ["rank"]}));
    assert_eq!(ask(&newer, "documents.declare", next).await["version"], 2);
    for (at, engine) in [&older, &newer, &older].into_iter().enumerate() {
        let write = json!({"collection": "notes", "id": format!("n{at}"), "put": {"tag": "x", "rank": at}});
        ask(engine, "documents.commit", json!({"writes": [write]})).await;
    }
    for engine in [&older, &newer] {
        let query = json!({"collection": "notes", "where": {"gte": ["rank", 1]}, "order": ["-rank"]});
        assert_eq!(tags(&ask(engine, "documents.query", query).await), ["n2", "n1"]);
    }
    assert_eq!(newer.verify(|_| {}).await.unwrap().findings, []);
    let error = call(&newer, "documents.declare", notes()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::INVALID, "{error}");
}

/// Expired documents are removed by a sweep.
pub async fn expired_documents_are_swept(open: &Reopen<'_>) {
    // Later than the clock of a server, so that it expires nothing by itself.
    let host = SimHost { clock: SimClock::at(Timestamp::from_millis(4_102_444_800_000)), ..SimHost::default() };
    let engine = engine_over(open().await.unwrap(), &host).await;
    let mut declaration = notes();
    declaration["ttl"] = json!({"field": "created", "afterMs": 60_000, "where": {"eq": ["tag", "short"]}});
    ask(&engine, "documents.declare", declaration).await;
    let now = engine.now().as_millis();
    ask(&engine, "documents.commit", json!({"writes": [put("a", "short", now), put("b", "long", now)]})).await;
    assert_eq!(engine.sweep(engine.now(), 10).await.unwrap(), 0);
    host.clock.advance(Millis::minutes(2));
    assert_eq!(engine.sweep(engine.now(), 10).await.unwrap(), 1);
    let found = ask(&engine, "documents.get", json!({"collection": "notes", "ids": ["a", "b"]})).await;
    assert_eq!((found[0].is_null(), &found[1]["tag"]), (true, &json!("long")));
}

/// The feed has the changes of documents, and no others.
pub async fn changes_of_documents_are_in_the_feed(open: &Reopen<'_>) {
    let host = SimHost::default();
    let engine = engine_over(open().await.unwrap(), &host).await;
    ask(&engine, "documents.declare", notes()).await;
    let from = ask(&engine, "documents.changes", json!({})).await["next"].clone();
    ask(&engine, "documents.declare", json!({"collection": "other"})).await;
    ask(&engine, "documents.commit", json!({"writes": [put("a", "x", 1)], "commandId": "c"})).await;
    let delete = json!({"collection": "notes", "id": "a", "delete": true});
    ask(&engine, "documents.commit", json!({"writes": [delete]})).await;
    let changes = ask(&engine, "documents.changes", json!({"from": from, "collections": ["notes"]})).await;
    let events = changes["events"].as_array().unwrap();
    let shown: Vec<_> =
        events.iter().map(|event| (&event["collection"], &event["id"], event["revision"].is_null())).collect();
    assert_eq!(shown, [(&json!("notes"), &json!("a"), false), (&json!("notes"), &json!("a"), true)]);
    assert_eq!(events[0]["command"], "c");
    // The feed of the store knows the collection by both of its names.
    for name in ["notes", "documents.notes"] {
        let changes = ask(&engine, "store.changes", json!({"from": from, "collections": [name]})).await;
        let events = changes["events"].as_array().unwrap();
        assert_eq!((events.len(), &events[0]["collection"]), (2, &json!("documents.notes")), "{name}");
    }
    for operation in ["store.changes", "documents.changes"] {
        let error = call(&engine, operation, json!({"collections": ["nots"]})).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NOT_FOUND, "{operation}: {error}");
        assert!(error.message.contains("did you mean `notes`?"), "{operation}: {error}");
    }
}

/// The second version of `notes`, with this field and its index.
pub fn notes_with(field: &str) -> Json {
    let mut next = notes();
    next["fields"].as_array_mut().unwrap().push(json!({"name": field, "kind": "int"}));
    next["indexes"].as_array_mut().unwrap().push(json!({"fields": [field]}));
    next
}

pub fn named(mut declaration: Json, collection: &str) -> Json {
    declaration["collection"] = json!(collection);
    declaration
}

/// Each engine runs a command of a domain, writes a document and finds it; all know the same declarations, and the
/// store is intact.
pub async fn expect_all_in_use(engines: &[&Engine], collection: &str) {
    for (at, engine) in engines.iter().enumerate() {
        let id = format!("{collection}{at}");
        let source = "console.log('done')";
        let bytecode = runstate::lang::compile("p.ts", source).unwrap().bytecode;
        Cvm::new(engine).load(&Load::new("p", source, bytecode)).await.unwrap();
        assert_eq!(Cvm::new(engine).start(&Start::new("p")).await.unwrap().status, Status::Complete);
        let write = json!({"collection": collection, "id": id, "put": {"tag": id, "created": 1, "rank": 1}});
        ask(engine, "documents.commit", json!({"writes": [write]})).await;
        let query = json!({"collection": collection, "where": {"eq": ["tag", id]}});
        assert_eq!(tags(&ask(engine, "documents.query", query).await), [id]);
        assert_eq!(engine.store().read_only_reason(), None);
    }
    let mut declared = Vec::new();
    for engine in engines {
        declared.push(ask(engine, "documents.collections", json!({})).await);
    }
    assert_eq!(engines[0].verify(|_| {}).await.unwrap().findings, []);
    assert!(declared.windows(2).all(|two| two[0] == two[1]), "{declared:?}");
}

/// A process dies at any step of a declaration with a higher version. Processes that are open, and those that open
/// afterwards, write as before, and the declaration can be repeated, with its version or without.
pub async fn death_while_a_version_is_raised_harms_no_process(open: &Reopen<'_>) {
    let host = SimHost::default();
    let steps = [(Method::Migrate, 1), (Method::Migrate, 2), (Method::Commit, 1), (Method::Commit, 2)];
    let faults = [Fault::DieBefore, Fault::DieAfter];
    for (at, ((method, nth), fault)) in
        steps.iter().flat_map(|step| faults.iter().map(move |fault| (*step, fault))).enumerate()
    {
        let name = format!("notes{at}");
        let older = engine_over(open().await.unwrap(), &host).await;
        ask(&older, "documents.declare", named(notes(), &name)).await;
        let store = Arc::new(FaultStore::new(open().await.unwrap()));
        let dying = engine_over(store.clone(), &host).await;
        store.plan(method, nth, fault.clone());
        let mut next = named(notes_with("rank"), &name);
        next["version"] = json!(5);
        let died = call(&dying, "documents.declare", next.clone()).await;
        assert!(died.is_err() && store.is_dead(), "{method:?} {nth}");
        let host_of_reader = Arc::new(host.clone());
        let reader =
            Engine::for_reading(open().await.unwrap(), host_of_reader, runstate::domain::ALL, Settings::default())
                .await;
        ask(&reader.unwrap(), "documents.query", json!({"collection": name})).await;
        // One that was open completes the declaration, or one that opens.
        let newer = match fault {
            Fault::DieBefore => engine_over(open().await.unwrap(), &host).await,
            _ => older.clone(),
        };
        expect_all_in_use(&[&older, &newer], &name).await;
        assert_eq!(ask(&older, "documents.declare", next.clone()).await["version"], 5, "{method:?} {nth} {fault:?}");
        next.as_object_mut().unwrap().remove("version");
        assert_eq!(ask(&newer, "documents.declare", next).await["version"], 5);
        expect_all_in_use(&[&newer, &older, &engine_over(open().await.unwrap(), &host).await], &name).await;
    }
}

/// A store that refuses the next version, such as one of its indexes, leaves the version before it in use. Another
/// declaration of the same version may follow.
pub async fn refused_version_leaves_the_older_one_in_use(open: &Reopen<'_>) {
    let host = SimHost::default();
    let older = engine_over(open().await.unwrap(), &host).await;
    let declared = ask(&older, "documents.declare", notes()).await;
    let store = Arc::new(FaultStore::new(open().await.unwrap()));
    let engine = engine_over(store.clone(), &host).await;
    let key = Key { collection: "documents.notes".into(), id: "a".into() };
    let refusals = [
        StoreError::UniqueViolation { key, index: "rank".into() },
        StoreError::NotAuthorized { what: "creating an index".into(), why: "no".into() },
    ];
    for refusal in refusals {
        let mut refused = notes_with("wrong");
        refused["version"] = json!(2);
        let code = refusal.code();
        store.plan(Method::Migrate, 1, Fault::FailBefore(refusal));
        assert_eq!(call(&engine, "documents.declare", refused).await.unwrap_err().code, code);
        assert_eq!(ask(&engine, "documents.collections", json!({})).await, json!([declared]));
        expect_all_in_use(&[&engine, &older, &engine_over(open().await.unwrap(), &host).await], "notes").await;
    }
    let mut right = notes_with("rank");
    right["version"] = json!(2);
    let right = ask(&older, "documents.declare", right).await;
    assert_eq!((&right["version"], &right["fields"][1]["name"]), (&json!(2), &json!("rank")));
    expect_all_in_use(&[&engine, &older, &engine_over(open().await.unwrap(), &host).await], "notes").await;
}

/// All cases, each on a store of its own.
#[macro_export]
macro_rules! document_cases {
    ($fresh:expr, $(#[$attribute:meta])+ $($block_on:ident)?) => {
        $crate::document_cases!(@ $fresh, [$(#[$attribute])+], [$($block_on)?],
            declared_collection_is_known_everywhere
            conflict_names_both_revisions
            added_index_reaches_processes_that_were_open
            expired_documents_are_swept
            changes_of_documents_are_in_the_feed
            death_while_a_version_is_raised_harms_no_process
            refused_version_leaves_the_older_one_in_use
            ledger_time_is_chosen_for_all_processes
        );
    };
    (@ $fresh:expr, $attributes:tt, $block_on:tt, $($case:ident)+) => {
        $($crate::document_cases!(one $fresh, $attributes, $block_on, $case);)+
    };
    (one $fresh:expr, [$(#[$attribute:meta])+], [], $case:ident) => {
        $(#[$attribute])+
        async fn $case() {
            cases::$case(&$fresh).await;
        }
    };
    (one $fresh:expr, [$(#[$attribute:meta])+], [$block_on:ident], $case:ident) => {
        $(#[$attribute])+
        fn $case() {
            $block_on(async { cases::$case(&$fresh).await });
        }
    };
}

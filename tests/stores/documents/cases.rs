//! Documents of the user's own on any store: each call of `open` returns another handle to one store, as another
//! process or tab has.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::{self, Load, Settings, Start, Status};
use runstate::engine::{Engine, Error, LedgerSettings};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::limits::DROPPED_DOCUMENTS;
use runstate::marker::BoxFuture;
use runstate::operation::Domain;
use runstate::schema::Key;
use runstate::store::layer::Method;
use runstate::store::{Memory, Store, StoreError};
use runstate::testing::{Fault, FaultStore};
use runstate::testing::{SimClock, SimHost, join_all};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use serde_json::json;

/// Opens a store again.
pub type Reopen<'a> = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> + 'a;

/// The domain that the cases use beside documents. A server creates the collections and indexes of each further one for
/// each case; [`declared_collection_is_known_everywhere`] has all.
static DOMAINS: &[&Domain] = &[&cvm::DOMAIN];

pub async fn engine_over(store: Arc<dyn Store>, host: &SimHost) -> Engine {
    Engine::new(store, Arc::new(host.clone()), DOMAINS).await.unwrap()
}

/// As [`engine_over`], with all domains.
pub async fn engine_of_all_domains(store: Arc<dyn Store>, host: &SimHost) -> Engine {
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
    let engine = async || engine_of_all_domains(open().await.unwrap(), &host).await;
    let (first, second) = (engine().await, engine().await);
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
    let third = engine().await;
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
        Engine::with_settings(store, Arc::new(host.clone()), DOMAINS, settings).await
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
    assert_eq!(*error.details, json!({"expected": first["revisions"][0], "found": second["revisions"][0]}));
    let mut insert = put("a", "home", 1);
    insert["expect"] = json!("absent");
    let error = call(&engine, "documents.commit", json!({"writes": [insert]})).await.unwrap_err();
    assert_eq!(*error.details, json!({"expected": null, "found": second["revisions"][0]}));
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

/// An insertion that ignores what exists inserts once, also of processes that insert at the same time. A repeat of its
/// command has the first result.
pub async fn insertion_if_absent_keeps_what_exists(open: &Reopen<'_>) {
    let host = SimHost::default();
    let engines = [engine_over(open().await.unwrap(), &host).await, engine_over(open().await.unwrap(), &host).await];
    ask(&engines[0], "documents.declare", notes()).await;
    let insert = |id: &str, tag: &str| json!({"collection": "notes", "id": id, "insertIfAbsent": {"tag": tag}});
    let race = |engine: &Engine, tag: &str| -> BoxFuture<'static, Json> {
        let (engine, writes) = (engine.clone(), json!([insert("a", tag)]));
        Box::pin(async move { ask(&engine, "documents.commit", json!({"writes": writes})).await })
    };
    let raced = join_all(vec![race(&engines[0], "first"), race(&engines[1], "second")]).await;
    let inserted: Vec<&Json> = raced.iter().map(|one| &one["revisions"][0]).filter(|one| !one.is_null()).collect();
    let tag = if raced[0]["revisions"][0].is_null() { "second" } else { "first" };
    let found = ask(&engines[1], "documents.get", json!({"collection": "notes", "ids": ["a"]})).await;
    assert_eq!(found, json!([{"_id": "a", "_rev": inserted[0], "tag": tag}]));
    assert_eq!(inserted.len(), 1, "{raced:?}");

    let writes = json!([insert("a", "x"), insert("b", "x"), put("c", "x", 1), insert("d", "x"), insert("a2", "x")]);
    let commit = json!({"writes": writes, "commandId": "five"});
    ask(&engines[0], "documents.commit", json!({"writes": [insert("d", "y")]})).await;
    let first = ask(&engines[0], "documents.commit", commit.clone()).await;
    let is_null: Vec<bool> = first["revisions"].as_array().unwrap().iter().map(Json::is_null).collect();
    assert_eq!(is_null, [true, false, false, true, false]);
    // What was inserted is deleted, and the repeat inserts nothing.
    let delete = json!({"collection": "notes", "id": "b", "delete": true, "expect": first["revisions"][1]});
    ask(&engines[1], "documents.commit", json!({"writes": [delete]})).await;
    let repeated = ask(&engines[1], "documents.commit", commit).await;
    assert_eq!((&repeated["revisions"], &repeated["replayed"]), (&first["revisions"], &json!(true)));
    // The condition of a deletion does not hold: the document is gone, or another one.
    for (id, found) in [("b", &Json::Null), ("a", inserted[0])] {
        let expected = &first["revisions"][1];
        let delete = json!({"collection": "notes", "id": id, "delete": true, "expect": expected});
        let error = call(&engines[0], "documents.commit", json!({"writes": [delete]})).await.unwrap_err();
        assert_eq!(
            (error.code, &*error.details),
            (ErrorCode::CONFLICT, &json!({"expected": expected, "found": found}))
        );
    }
    let found = ask(&engines[0], "documents.get", json!({"collection": "notes", "ids": ["a", "b", "d"]})).await;
    assert_eq!((&found[0]["tag"], &found[1], &found[2]["tag"]), (&json!(tag), &Json::Null, &json!("y")));
    assert_eq!(engines[0].verify(|_| {}).await.unwrap().findings, []);
}

/// Documents are counted by a condition. A collection is emptied in several commits: a process dies between two of
/// them, and the next call continues. Other collections and the declaration remain.
pub async fn documents_are_counted_and_dropped(open: &Reopen<'_>) {
    let host = SimHost::default();
    let store = Arc::new(FaultStore::new(open().await.unwrap()));
    let engine = engine_over(store.clone(), &host).await;
    ask(&engine, "documents.declare", notes()).await;
    ask(&engine, "documents.declare", named(notes(), "others")).await;
    let count = async |engine: &Engine, parameters: Json| ask(engine, "documents.count", parameters).await;
    assert_eq!(count(&engine, json!({"collection": "notes"})).await, 0);
    assert_eq!(ask(&engine, "documents.drop", json!({"collection": "notes"})).await, json!({"deleted": 0}));
    let number = i64::from(DROPPED_DOCUMENTS) + 3;
    let tag = |n: i64| if n % 2 == 0 { "even" } else { "odd" };
    let writes: Vec<Json> = (0..number).map(|n| put(&format!("n{n}"), tag(n), n)).collect();
    ask(&engine, "documents.commit", json!({"writes": writes})).await;
    let other = json!({"collection": "others", "id": "n0", "put": {"tag": "even"}});
    ask(&engine, "documents.commit", json!({"writes": [other]})).await;
    assert_eq!(count(&engine, json!({"collection": "notes"})).await, number);
    let odd = json!({"collection": "documents.notes", "where": {"eq": ["tag", "odd"]}});
    assert_eq!(count(&engine, odd).await, number / 2);
    for field in ["_id", "_rev"] {
        let reserved = json!({"collection": "notes", "where": {"eq": [field, "x"]}});
        assert_eq!(call(&engine, "documents.count", reserved).await.unwrap_err().code, ErrorCode::USAGE);
    }

    store.plan(Method::Commit, 2, Fault::DieBefore);
    call(&engine, "documents.drop", json!({"collection": "notes"})).await.unwrap_err();
    let next = engine_over(open().await.unwrap(), &host).await;
    assert_eq!(count(&next, json!({"collection": "notes"})).await, 3);
    assert_eq!(ask(&next, "documents.drop", json!({"collection": "notes"})).await, json!({"deleted": 3}));
    assert_eq!(count(&next, json!({"collection": "notes"})).await, 0);
    assert_eq!(count(&next, json!({"collection": "others"})).await, 1);
    // A repeat would delete what was written since.
    let named = call(&next, "documents.drop", json!({"collection": "others", "commandId": "drop"})).await;
    assert_eq!(
        (named.unwrap_err().code, count(&next, json!({"collection": "others"})).await),
        (ErrorCode::USAGE, json!(1))
    );
    for (name, message) in [("cvm.executions", "only the operations of its domain"), ("nots", "did you mean `notes`?")]
    {
        let error = call(&next, "documents.drop", json!({"collection": name})).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NOT_FOUND, "{name}");
        assert!(error.message.contains(message), "{error}");
    }
    ask(&next, "documents.commit", json!({"writes": [put("n1", "x", 1)]})).await;
    assert_eq!(count(&next, json!({"collection": "notes"})).await, 1);
    assert_eq!(next.verify(|_| {}).await.unwrap().findings, []);
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
        let reader = Engine::for_reading(open().await.unwrap(), host_of_reader, DOMAINS, Settings::default()).await;
        ask(&reader.unwrap(), "documents.query", json!({"collection": name})).await;
        // One that was open completes the declaration, or one that opens.
        let newer = match fault {
            Fault::DieBefore => engine_over(open().await.unwrap(), &host).await,
            _ => older.clone(),
        };
        expect_all_in_use(&[&older, &newer], &name).await;
        assert_eq!(ask(&older, "documents.declare", next.clone()).await["version"], 5, "{method:?} {nth} {fault:?}");
        next.as_object_mut().unwrap().shift_remove("version");
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

/// Values keep the order of their keys on their way through a program, its calls, documents and an export.
pub async fn keys_keep_their_order_everywhere(open: &Reopen<'_>) {
    const VALUE: &str = r#"{"zeta":1,"alpha":{"y":[{"q":1,"p":2}],"x":{"b":null,"a":1}},"middle":"m","beta":2.5}"#;
    let value = || serde_json::from_str::<Json>(VALUE).unwrap();
    let host = SimHost::default();
    let engine = engine_over(open().await.unwrap(), &host).await;
    let source = r#"
        const schema = { type: "object", properties: { zip: {}, city: {}, a: { type: "object" } } };
        async function main(input) {
            const answer = await CC("address?", { schema });
            const found = await call("search", answer);
            console.log(JSON.stringify(input) === JSON.stringify(found) && JSON.stringify(answer) === JSON.stringify(found));
            return { z: input, a: [answer, found] };
        }"#;
    let bytecode = runstate::lang::compile("p.ts", source).unwrap().bytecode;
    Cvm::new(&engine).load(&Load::new("p", source, bytecode)).await.unwrap();
    ask(&engine, "cvm.start", json!({"program": "p", "id": "run", "input": value(), "commandId": "start"})).await;
    // The same command, with its keys in another order.
    let sorted = json!({"alpha": value()["alpha"], "beta": 2.5, "middle": "m", "zeta": 1});
    ask(&engine, "cvm.start", json!({"program": "p", "id": "run", "input": sorted, "commandId": "start"})).await;
    let opened = |of: Arc<dyn Store>| engine_over(of, &host);
    // Each step is read by another process.
    let second = opened(open().await.unwrap()).await;
    let asked = ask(&second, "cvm.show", json!({"id": "run"})).await;
    let schema = r#"{"type":"object","properties":{"zip":{},"city":{},"a":{"type":"object"}}}"#;
    assert_eq!(asked["calls"][0]["schema"].to_string(), schema);
    ask(&second, "cvm.answer", json!({"id": "run", "answer": value()})).await;
    let third = opened(open().await.unwrap()).await;
    let called = ask(&third, "cvm.show", json!({"id": "run"})).await;
    assert!(called["calls"][0]["args"].to_string().contains(VALUE), "{called}");
    ask(&third, "cvm.answer", json!({"id": "run", "call": called["calls"][0]["id"], "answer": value()})).await;
    let fourth = opened(open().await.unwrap()).await;
    let shown = ask(&fourth, "cvm.show", json!({"id": "run"})).await;
    assert_eq!(shown["output"], json!(["true"]));
    assert_eq!(shown["result"].to_string(), format!(r#"{{"z":{VALUE},"a":[{VALUE},{VALUE}]}}"#));
    assert_eq!(shown["input"].to_string(), VALUE);

    ask(&fourth, "documents.declare", json!({"collection": "free", "fields": [{"name": "middle", "kind": "text"}]}))
        .await;
    let write = |id: &str, op: &str, document: &str| {
        let document: Json = serde_json::from_str(document).unwrap();
        json!({"writes": [{"collection": "free", "id": id, op: document}]})
    };
    ask(&fourth, "documents.commit", write("a", "put", VALUE)).await;
    ask(&fourth, "documents.commit", write("b", "put", r#"{"b":1,"a":2}"#)).await;
    ask(&fourth, "documents.commit", write("b", "patch", r#"{"z":1,"middle":"x","b":null,"c":{"y":1,"x":2}}"#)).await;
    // Only the order changes.
    ask(&fourth, "documents.commit", write("c", "put", r#"{"b":1,"a":{"d":1,"c":2}}"#)).await;
    ask(&fourth, "documents.commit", write("c", "put", r#"{"a":{"c":2,"d":1},"b":1}"#)).await;
    let expected = [VALUE, r#"{"a":2,"z":1,"middle":"x","c":{"y":1,"x":2}}"#, r#"{"a":{"c":2,"d":1},"b":1}"#];
    let page = ask(&opened(open().await.unwrap()).await, "documents.query", json!({"collection": "free"})).await;
    for (item, expected) in page["items"].as_array().unwrap().iter().zip(expected) {
        let text = item.to_string();
        assert!(text.ends_with(expected.trim_start_matches('{')), "{text} is not {expected}");
    }
    // The export has the values as they are, and its line is the same from a store in memory.
    let exported = |engine: Engine| async move {
        let mut bytes = Vec::new();
        let mut writer = runstate::transfer::LineWriter::new(&mut bytes, "store");
        runstate::transfer::export(&engine, &mut writer, |_| {}).await.unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let text = exported(fourth.clone()).await;
    assert!(text.matches(VALUE).count() >= 6 && expected.iter().all(|document| text.contains(document)), "{text}");
    let copy = engine_over(Arc::new(Memory::new()), &host).await;
    let catalog = copy.catalog();
    let mut source = runstate::transfer::LineReader::new(
        std::io::BufReader::new(std::io::Cursor::new(&text)),
        "store",
        (*catalog).clone(),
    );
    let checked = runstate::transfer::check(&mut source, &catalog, |_| {}).unwrap();
    runstate::transfer::import(&copy, &mut source, &checked, |_| {}).await.unwrap();
    let lines = |text: &str| {
        text.lines().skip(1).filter(|line| line.contains("\"document\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&exported(copy).await), lines(&text));
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
            insertion_if_absent_keeps_what_exists
            documents_are_counted_and_dropped
            death_while_a_version_is_raised_harms_no_process
            refused_version_leaves_the_older_one_in_use
            ledger_time_is_chosen_for_all_processes
            keys_keep_their_order_everywhere
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

//! Declarations: limits, compatibility, hostile ones, and a store that refuses one.

use std::sync::Arc;

use proptest::prelude::*;
use runstate::engine::{CollectionDeclaration, Engine, FieldDeclaration};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::limits::{DECLARATION_BYTES, DECLARATIONS_BYTES};
use runstate::operation::{Domain, Registry};
use runstate::schema::Direction::Ascending;
use runstate::schema::{Collection, Field, Index, Key, Kind, Predicate};
use runstate::store::layer::Method;
use runstate::store::{Freshness, Memory, Store, StoreError};
use runstate::testing::{BatchExt as _, SimHost, batch, block_on};
use runstate::testing::{Fault, FaultStore};
use runstate::value::{Document, Json};
use serde_json::json;

use super::cases::{ask, call, engine_of_all_domains as engine_over, notes, put};
use crate::support::child_test::{child_test, expect_passed};

async fn memory_engine() -> Engine {
    engine_over(Arc::new(Memory::new()), &SimHost::default()).await
}

#[tokio::test]
async fn an_invalid_declaration_names_the_problem() {
    let engine = memory_engine().await;
    let field = |field: Json| json!({"collection": "c", "fields": [field]});
    let indexes = |indexes: Json| {
        let fields = json!([{"name": "a", "kind": "int"}, {"name": "b", "kind": "int"}]);
        json!({"collection": "c", "fields": fields, "indexes": indexes})
    };
    let index = |index: Json| json!({"collection": "c", "fields": [{"name": "a", "kind": "json"}], "indexes": [index]});
    let many = |count: usize| (0..count).map(|n| json!({"name": format!("f{n}"), "kind": "int"})).collect::<Vec<_>>();
    let invalid = [
        json!({"colection": "c"}),
        json!({"collection": "Notes"}),
        json!({"collection": "c", "version": 0}),
        json!({"collection": "c", "fields": many(101)}),
        field(json!({"name": "a", "kind": "string"})),
        field(json!({"name": "a", "kind": "text", "requird": true})),
        field(json!({"name": "_rev", "kind": "text"})),
        field(json!({"name": "a.$b", "kind": "text"})),
        field(json!({"name": "a", "kind": "int", "values": ["1"]})),
        field(json!({"name": "a", "kind": "int", "maxBytes": 0})),
        json!({"collection": "c", "fields": [{"name": "a", "kind": "int"}, {"name": "a.b", "kind": "int"}]}),
        json!({"collection": "c", "fields": [{"name": "a", "kind": "int"}, {"name": "a", "kind": "int"}]}),
        index(json!({"fields": ["b"]})),
        index(json!({"fields": ["a"], "unique": true})),
        index(json!({"fields": ["a"], "where": {"gt": ["a", 1]}})),
        index(json!({"fields": ["a"], "where": {"eq": ["a", 1.5]}})),
        json!({"collection": "c", "ttl": {"field": "at"}}),
        index(json!({"fields": ["a", "-a"]})),
        indexes(json!([{"fields": ["a"]}, {"fields": ["a"]}])),
        indexes(json!([{"fields": ["a"]}, {"fields": ["-a"]}])),
        indexes(json!([{"fields": ["a", "-b"], "unique": true}, {"fields": ["b"]}, {"fields": ["-a", "b"]}])),
    ];
    let mut messages = Vec::new();
    for declaration in invalid {
        messages.push(call(&engine, "documents.declare", declaration).await.unwrap_err().message);
    }
    insta::assert_snapshot!(messages.join("\n"), @r#"
    documents.declare has no option `colection`; did you mean `collection`?
    documents.declare: the collection `Notes`: its name must be a lower-case letter, then lower-case letters, digits and `_`, at most 60 in all
    documents.declare: the collection `c`: versions begin at 1
    documents.declare: the collection `c`: it has 101 fields; at most 100 are allowed
    documents.declare: `fields[0].kind` must be `text`, `int`, `float`, `bool`, `decimal`, `timestamp`, `id`, `json`, `list` or `object`, not "string"
    documents.declare has no option `fields[0].requird`; did you mean `required`?
    documents.declare: the collection `c`: `_rev` is not a valid name of a field: its parts are not empty and begin with neither `_` nor `$`, and it has at most 200 bytes
    documents.declare: the collection `c`: `a.$b` is not a valid name of a field: its parts are not empty and begin with neither `_` nor `$`, and it has at most 200 bytes
    documents.declare: the collection `c`: `a` has values, but only a text or an id can have them
    documents.declare: the collection `c`: `maxBytes` of `a` must be 1 or more
    documents.declare: the collection `c`: `a.b` is inside `a`, which is not an object
    documents.declare: the collection `c`: field `a` is declared twice
    documents.declare: the collection `c`: index `b` reads `b`, which is not a declared field
    documents.declare: the collection `c`: unique index `a` reads `a`, which does not hold a single value
    documents.declare: the collection `c`: a condition of an index or ttl has the operators eq, in, exists, and, or
    documents.declare: the collection `c`: a condition of an index or ttl compares with null, a boolean, an integer or a string
    documents.declare: the collection `c`: it expires by `at`, which is not a timestamp
    documents.declare: the collection `c`: the index on a, -a has a field twice
    documents.declare: the collection `c`: the indexes on a and on a have the same entries; declare one of them
    documents.declare: the collection `c`: the indexes on a and on -a have the same entries; declare one of them
    documents.declare: the collection `c`: the indexes on a, -b and on -a, b have the same entries; declare one of them
    "#);
    assert_eq!(ask(&engine, "documents.collections", json!({})).await, json!([]));
    let different = json!([{"fields": ["a", "b"]}, {"fields": ["a", "-b"]}, {"fields": ["b", "a"]}, {"fields": ["a"]}]);
    ask(&engine, "documents.declare", indexes(different)).await;
}

#[tokio::test]
async fn an_incompatible_change_names_the_difference() {
    let engine = memory_engine().await;
    let with_extra = || {
        let mut declaration = notes();
        declaration["fields"].as_array_mut().unwrap().push(json!({"name": "extra", "kind": "json"}));
        declaration
    };
    ask(&engine, "documents.declare", with_extra()).await;
    let changed = |path: &str, value: Json| {
        let mut declaration = with_extra();
        *declaration.pointer_mut(path).unwrap() = value;
        declaration
    };
    let incompatible = [
        changed("/fields/1/kind", json!("int")),
        changed("/fields/1", json!({"name": "created", "kind": "timestamp", "required": true})),
        changed("/fields/0", json!({"name": "tag", "kind": "text", "required": true, "values": ["a"]})),
        changed("/fields/0", json!({"name": "tag", "kind": "text", "required": true, "maxBytes": 10})),
        changed("/fields/2", json!({"name": "other", "kind": "timestamp"})),
        changed("/fields/2", json!({"name": "extra", "kind": "json", "required": true})),
        changed("/indexes/0", json!({"fields": ["tag", "-created"], "unique": true})),
        changed("/indexes/0", json!({"fields": ["tag"]})),
    ];
    let mut messages = Vec::new();
    for declaration in incompatible {
        messages.push(call(&engine, "documents.declare", declaration).await.unwrap_err().message);
    }
    insta::assert_snapshot!(messages.join("\n"), @r#"
    the collection `notes` is declared differently in version 1: the kind of `created` is `timestamp`, not `int`. Nothing was changed; declare another collection
    the collection `notes` is declared differently in version 1: the field `created` is optional, not required. Nothing was changed; declare another collection
    the collection `notes` is declared differently in version 1: the field `tag` may have other values. Nothing was changed; declare another collection
    the collection `notes` is declared differently in version 1: values of `tag` may be larger. Nothing was changed; declare another collection
    the collection `notes` is declared differently in version 1: it has a field `extra`. Nothing was changed; to drop or change it, declare a `version` above 1
    the collection `notes` is declared differently in version 1: the field `extra` is optional, not required. Nothing was changed; declare another collection
    the collection `notes` is declared differently in version 1: it has no unique index on tag, -created, and stored documents may have equal entries. Nothing was changed; declare another collection
    the collection `notes` is declared differently in version 1: it has another index on tag, -created. Nothing was changed; to drop or change it, declare a `version` above 1
    "#);
    // A part that only speed relies on may change under a version that the caller chose.
    let mut deliberate = changed("/indexes/0", json!({"fields": ["tag"]}));
    deliberate["version"] = json!(5);
    assert_eq!(ask(&engine, "documents.declare", deliberate.clone()).await["version"], 5);
    deliberate["version"] = json!(4);
    let error = call(&engine, "documents.declare", deliberate.clone()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NEWER_VERSION);
    // A version that was given is not raised: the next start of the same program would be refused.
    deliberate["version"] = json!(5);
    deliberate["fields"].as_array_mut().unwrap().push(json!({"name": "later", "kind": "int"}));
    let error = call(&engine, "documents.declare", deliberate.clone()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::INVALID);
    assert!(error.message.ends_with("declare a `version` above 5"), "{error}");
    // The highest version cannot be raised.
    deliberate["version"] = json!(u32::MAX);
    ask(&engine, "documents.declare", deliberate.clone()).await;
    deliberate["fields"].as_array_mut().unwrap().push(json!({"name": "late", "kind": "int"}));
    let error = call(&engine, "documents.declare", deliberate).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LIMIT);
}

/// A declaration of notes with a version and this many further fields.
fn notes_of(version: impl Into<Json>, extra: usize) -> Json {
    let mut declaration = notes();
    declaration["version"] = version.into();
    let fields = declaration["fields"].as_array_mut().unwrap();
    fields.extend((0..extra).map(|n| json!({"name": format!("extra{n}"), "kind": "json"})));
    declaration
}

async fn stored_row(store: &Memory, name: &str) -> Json {
    let key = Key::new(&runstate::engine::DECLARATIONS, name);
    Json::Object(store.get(&[key], Freshness::Linearizable).await.unwrap().remove(0).unwrap().document.as_ref().clone())
}

#[tokio::test]
async fn a_declaration_without_a_version_never_changes_an_explicit_one() {
    let (store, host) = (Arc::new(Memory::new()), SimHost::default());
    let older = engine_over(store.clone(), &host).await;
    ask(&older, "documents.declare", notes_of(Json::Null, 1)).await;
    // The newer program drops the field.
    let newer = engine_over(store.clone(), &host).await;
    ask(&newer, "documents.declare", notes_of(2, 0)).await;
    let before = stored_row(&store, "notes").await;
    assert_eq!((&before["version"], &before["explicitVersion"]), (&json!(2), &json!(true)));
    for engine in [&older, &engine_over(store.clone(), &host).await] {
        let error = call(engine, "documents.declare", notes_of(Json::Null, 1)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NEWER_VERSION, "{error}");
        assert!(error.message.contains("declare a `version` above 2"), "{error}");
    }
    assert_eq!(stored_row(&store, "notes").await, before);
    // The same declaration has no effect, with and without its version.
    for version in [json!(2), Json::Null] {
        assert_eq!(ask(&older, "documents.declare", notes_of(version, 0)).await["version"], 2);
    }
    assert_eq!(stored_row(&store, "notes").await, before);
    assert_eq!(ask(&older, "documents.declare", notes_of(3, 1)).await["version"], 3);
    assert_eq!(older.verify(|_| {}).await.unwrap().findings, []);
}

#[tokio::test]
async fn an_explicit_pending_version_is_not_replaced_without_a_version() {
    for explicit in [true, false] {
        let store = Arc::new(FaultStore::new(Memory::new()));
        let host = SimHost::default();
        let engine = engine_over(store.clone(), &host).await;
        ask(&engine, "documents.declare", notes()).await;
        let newer = engine_over(store.clone(), &host).await;
        store.plan(Method::Migrate, 1, Fault::DieBefore);
        let version = if explicit { json!(2) } else { Json::Null };
        call(&newer, "documents.declare", notes_of(version, 1)).await.unwrap_err();
        store.heal();
        let other = call(&engine, "documents.declare", notes_of(Json::Null, 2)).await;
        if explicit {
            assert_eq!(other.unwrap_err().code, ErrorCode::NEWER_VERSION);
            assert_eq!(ask(&engine, "documents.declare", notes_of(Json::Null, 1)).await["version"], 2);
        } else {
            assert_eq!(other.unwrap()["version"], 3);
        }
        let error = call(&engine, "documents.declare", notes_of(Json::Null, 3)).await.err().map(|error| error.code);
        assert_eq!(error, explicit.then_some(ErrorCode::NEWER_VERSION));
    }
}

/// Rows of earlier programs, and those of collections that are declared without a version, have these bytes.
#[tokio::test]
async fn a_row_without_a_mark_can_be_raised_until_its_version_is_declared() {
    let (store, host) = (Arc::new(Memory::new()), SimHost::default());
    let engine = engine_over(store.clone(), &host).await;
    ask(&engine, "documents.declare", json!({"collection": "c"})).await;
    insta::assert_snapshot!(stored_row(&store, "c").await, @r#"{"collection":"c","version":1,"fields":[],"indexes":[],"id":"c"}"#);
    let with_field = json!({"collection": "c", "fields": [{"name": "a", "kind": "int"}]});
    assert_eq!(ask(&engine, "documents.declare", with_field.clone()).await["version"], 2);
    let mut explicit = with_field;
    explicit["version"] = json!(2);
    ask(&engine, "documents.declare", explicit.clone()).await;
    let row = stored_row(&store, "c").await;
    insta::assert_snapshot!(row, @r#"{"collection":"c","version":2,"fields":[{"name":"a","kind":"int"}],"indexes":[],"id":"c","explicitVersion":true}"#);
    explicit["fields"] = json!([{"name": "a", "kind": "int"}, {"name": "b", "kind": "int"}]);
    explicit["version"] = Json::Null;
    let error = call(&engine, "documents.declare", explicit).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NEWER_VERSION, "{error}");
}

#[tokio::test]
async fn a_field_that_stored_documents_break_cannot_be_added() {
    let engine = memory_engine().await;
    ask(&engine, "documents.declare", notes()).await;
    let write = json!({"collection": "notes", "id": "a", "put": {"tag": "x", "rank": "high", "at": 1}});
    ask(&engine, "documents.commit", json!({"writes": [write]})).await;
    for (field, message) in [
        (json!({"name": "rank", "kind": "int"}), "rank: is not an integer"),
        // As an undeclared number it has another type on a server.
        (json!({"name": "at", "kind": "timestamp"}), "not declared as this kind"),
    ] {
        let mut next = notes();
        next["fields"].as_array_mut().unwrap().push(field);
        let error = call(&engine, "documents.declare", next).await.unwrap_err();
        assert!(error.message.contains(message) && error.message.contains("`a`"), "{error}");
    }
}

#[tokio::test]
async fn a_store_has_at_most_a_hundred_declared_collections() {
    let engine = memory_engine().await;
    for n in 0..100 {
        engine.documents().declare(&CollectionDeclaration::new(format!("c{n}"))).await.unwrap();
    }
    let error = engine.documents().declare(&CollectionDeclaration::new("c100")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LIMIT, "{error}");
    engine.documents().declare(&CollectionDeclaration::new("c99")).await.unwrap();
}

#[tokio::test]
async fn an_unknown_collection_is_refused_with_the_nearest_name() {
    let engine = memory_engine().await;
    ask(&engine, "documents.declare", notes()).await;
    let error = call(&engine, "documents.query", json!({"collection": "note"})).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NOT_FOUND);
    assert_eq!(error.message, "the collection `note` is not declared; did you mean `notes`?");
    // The collections of domains can be read, but only their commands write them.
    assert_eq!(ask(&engine, "documents.get", json!({"collection": "cvm.executions", "ids": []})).await, json!([]));
    let write = json!({"writes": [{"collection": "cvm.executions", "id": "x", "put": {}}]});
    assert_eq!(call(&engine, "documents.commit", write).await.unwrap_err().code, ErrorCode::NOT_FOUND);
}

#[test]
fn a_domain_cannot_take_a_name_of_the_library() {
    static DOCUMENTS: Domain = Domain::new("documents");
    let error = Registry::new(&[&DOCUMENTS]).unwrap_err();
    assert!(error.to_string().contains("`documents`"), "{error}");
}

const EVENTS: Collection = Collection::new("documents.events", 3)
    .fields(&[Field::timestamp("at").optional(), Field::text("name").max(20)])
    .indexes(&[Index::ordered(&[("name", Ascending)]).unique().partial(Predicate::Exists("at"))]);

#[tokio::test]
async fn a_collection_of_a_program_is_declared_as_it_is() {
    let engine = memory_engine().await;
    let declared = engine
        .documents()
        .declare(&CollectionDeclaration::try_from(&EVENTS as &'static Collection).unwrap())
        .await
        .unwrap();
    assert_eq!(format!("{declared:?}"), format!("{:?}", EVENTS.keeps_order()));
    static FOREIGN: Collection = Collection::new("demo.events", 1);
    assert_eq!(CollectionDeclaration::try_from(&FOREIGN).unwrap_err().code, ErrorCode::UNSUPPORTED);
}

#[tokio::test]
async fn a_declaration_that_the_store_refuses_is_not_stored() {
    let store = Arc::new(FaultStore::new(Memory::new()));
    let engine = engine_over(store.clone(), &SimHost::default()).await;
    let refusal = StoreError::NotAuthorized { what: "creating an index".into(), why: "no".into() };
    store.plan(Method::Migrate, 1, Fault::FailBefore(refusal));
    let error = call(&engine, "documents.declare", notes()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NOT_AUTHORIZED);
    assert_eq!(ask(&engine, "documents.collections", json!({})).await, json!([]));
    assert_eq!(ask(&engine, "documents.declare", notes()).await["version"], 1);
}

#[tokio::test]
async fn death_while_declaring_leaves_a_store_that_opens_and_declares() {
    for method in [Method::Migrate, Method::Commit] {
        for fault in [Fault::DieBefore, Fault::DieAfter] {
            let store = Arc::new(FaultStore::new(Memory::new()));
            let host = SimHost::default();
            let engine = engine_over(store.clone(), &host).await;
            store.plan(method, 1, fault.clone());
            call(&engine, "documents.declare", notes()).await.unwrap_err();
            store.heal();
            let engine = engine_over(store, &host).await;
            assert_eq!(ask(&engine, "documents.declare", notes()).await["version"], 1, "{method:?} {fault:?}");
            ask(&engine, "documents.commit", json!({"writes": [put("a", "x", 1)]})).await;
        }
    }
}

/// Stores a declaration as no engine of this process does.
async fn put_declaration(store: &Memory, name: &str, document: Document) {
    let command = CommandId::new(&format!("put {name}")).unwrap();
    let declaration = batch(command).put(&runstate::engine::DECLARATIONS, name, document.into());
    store.commit(declaration).await.unwrap();
}

/// Runs in a process of its own, which can declare nothing afterwards.
#[test]
fn declarations_that_one_process_meets_are_bounded() {
    const IS_CHILD: &str = "RUNSTATE_TEST_MEETS_MANY_DECLARATIONS";
    if std::env::var_os(IS_CHILD).is_none() {
        let name = "documents::declarations::declarations_that_one_process_meets_are_bounded";
        return expect_passed(child_test(name).env(IS_CHILD, "1"));
    }
    let large = |name: &str| {
        json!({"collection": name, "version": 1, "fields": [
            {"name": "a", "kind": "text", "values": ["x".repeat(DECLARATION_BYTES - 200)]}
        ]})
    };
    block_on(async {
        let mut declared = 0;
        let error = loop {
            match call(&memory_engine().await, "documents.declare", large(&format!("c{declared}"))).await {
                Ok(_) => declared += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.code, declared), (ErrorCode::LIMIT, DECLARATIONS_BYTES / DECLARATION_BYTES), "{error}");
        let (store, host) = (Arc::new(Memory::new()), SimHost::default());
        let engine = engine_over(store.clone(), &host).await;
        ask(&engine, "documents.declare", large("c0")).await;
        let mut document = large("new").as_object().unwrap().clone();
        document.insert("id".into(), json!("new"));
        document.insert("indexes".into(), json!([]));
        put_declaration(&store, "new", document).await;
        let engine = engine_over(store, &host).await;
        ask(&engine, "documents.get", json!({"collection": "c0", "ids": []})).await;
        let error = call(&engine, "documents.get", json!({"collection": "new", "ids": []})).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::LIMIT, "{error}");
        assert_eq!(engine.verify(|_| {}).await.unwrap().findings, []);
    });
}

#[tokio::test]
async fn a_damaged_declaration_is_found_and_hides_only_its_collection() {
    let (store, host) = (Arc::new(Memory::new()), SimHost::default());
    let engine = engine_over(store.clone(), &host).await;
    ask(&engine, "documents.declare", notes()).await;
    ask(&engine, "documents.declare", json!({"collection": "other"})).await;
    let key = Key::new(&runstate::engine::DECLARATIONS, "notes");
    let mut document =
        store.get(&[key], Freshness::Linearizable).await.unwrap().remove(0).unwrap().document.as_ref().clone();
    document.insert("fields".into(), json!([1]));
    put_declaration(&store, "notes", document).await;
    let engine = engine_over(store, &host).await;
    ask(&engine, "documents.get", json!({"collection": "other", "ids": ["a"]})).await;
    let error = call(&engine, "documents.get", json!({"collection": "notes", "ids": ["a"]})).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CORRUPT, "{error}");
    let findings = engine.verify(|_| {}).await.unwrap().findings;
    assert!(findings.iter().any(|finding| finding.at == "runstate.declarations/notes"), "{findings:?}");
    let error = call(&engine, "documents.declare", notes()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::CORRUPT, "{error}");
    // Everything else can be rescued.
    assert_eq!(engine.info().await.unwrap().undeclared, <[&str; 0]>::default());
    runstate::transfer::export(&engine, &mut runstate::transfer::LineWriter::new(Vec::new(), "memory"), |_| {})
        .await
        .unwrap();
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        prop_oneof![
            "\\PC{0,8}",
            "[a-z.$_-]{0,6}",
            Just("text".to_owned()),
            Just("timestamp".to_owned()),
            Just("-a".to_owned())
        ]
        .prop_map(Json::from),
    ];
    let names = prop_oneof![
        "\\PC{0,4}",
        prop::sample::select(vec![
            "collection",
            "version",
            "fields",
            "indexes",
            "ttl",
            "name",
            "kind",
            "required",
            "values",
            "maxBytes",
            "unique",
            "where",
            "eq",
            "in",
            "and",
            "or",
            "exists",
            "field",
            "afterMs",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map(names.clone(), inner, 0..6)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

type HostileField = (String, usize, bool);
type HostileIndex = (Vec<String>, usize, bool, Json);

fn any_fields() -> impl Strategy<Value = Vec<HostileField>> {
    let name = prop_oneof!["[a-c](\\.[a-c$_]{0,2}){0,2}", "\\PC{0,5}"];
    prop::collection::vec((name, 0..10usize, any::<bool>()), 0..5)
}

fn any_indexes() -> impl Strategy<Value = Vec<HostileIndex>> {
    let fields = prop::collection::vec("-?[a-c](\\.[a-c]){0,1}", 0..4);
    prop::collection::vec((fields, 0..4usize, any::<bool>(), any_json()), 0..4)
}

fn declaration(name: &str, fields: &[HostileField], indexes: &[HostileIndex]) -> Json {
    const KINDS: [Kind; 10] = [
        Kind::Text,
        Kind::Int,
        Kind::Float,
        Kind::Bool,
        Kind::Decimal,
        Kind::Timestamp,
        Kind::Id,
        Kind::Json,
        Kind::List,
        Kind::Object,
    ];
    let field =
        |(name, kind, required): &HostileField| json!({"name": name, "kind": KINDS[*kind], "required": required});
    let index = |(at, (fields, kind, unique, filter)): (usize, &HostileIndex)| {
        let kind = ["ordered", "each", "text", "contains"][*kind];
        let mut index = json!({"fields": fields, "kind": kind, "unique": unique});
        if at % 2 == 1 {
            index["where"] = filter.clone();
        }
        index
    };
    let fields: Vec<Json> = fields.iter().map(field).collect();
    let indexes: Vec<Json> = indexes.iter().enumerate().map(index).collect();
    json!({"collection": name, "fields": fields, "indexes": indexes})
}

/// Each declaration is refused, or the store can be used and opened again.
async fn expect_no_harm(declarations: &[Json]) {
    let (store, host) = (Arc::new(Memory::new()), SimHost::default());
    let engine = engine_over(store.clone(), &host).await;
    for declaration in declarations.iter().filter(|declaration| declaration.is_object()) {
        if let Ok(declared) = call(&engine, "documents.declare", declaration.clone()).await {
            let again = engine_over(store.clone(), &host).await;
            assert_eq!(ask(&again, "documents.declare", declared.clone()).await, declared);
            ask(&again, "documents.query", json!({"collection": declared["collection"]})).await;
            let write = json!({"collection": declared["collection"], "id": "x", "put": {}});
            drop(call(&again, "documents.commit", json!({"writes": [write]})).await);
        }
    }
    assert_eq!(engine.verify(|_| {}).await.unwrap().findings, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_hostile_declaration_does_no_harm(
        name in prop_oneof!["[a-z]{1,4}", "\\PC{0,6}"],
        fields in any_fields(),
        indexes in any_indexes(),
        other in any_json(),
    ) {
        let declarations = [
            declaration(&name, &fields, &indexes),
            json!({"collection": "c", "fields": other}),
            json!({"collection": "d", "ttl": other}),
            other,
        ];
        block_on(expect_no_harm(&declarations));
    }
}

#[test]
fn a_declaration_in_rust_has_the_same_form() {
    let declaration = CollectionDeclaration {
        fields: vec![FieldDeclaration::new("a", Kind::Int)],
        ..CollectionDeclaration::new("c")
    };
    let shown = serde_json::to_value(&declaration).unwrap();
    let fields = json!([{"name": "a", "kind": "int"}]);
    assert_eq!(shown, json!({"collection": "c", "fields": fields, "indexes": []}));
}

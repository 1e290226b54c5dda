//! Refusals and their reasons: passwords, privileges, servers that cannot be reached or are not in a replica set, stores of newer programs,
//! documents that were changed by hand.

use mongodb::bson::{Document, doc};
use runstate::error_code::ErrorCode;
use runstate::schema::{Catalog, Collection, Direction, Field, Index, Key, Query};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Store, StoreError};
use runstate::time::Millis;

use super::load::{self, COUNTERS, ROWS, check, count};
use super::server::{Servers, fresh_database, program};

async fn open_error(url: &str) -> StoreError {
    Mongo::open(url, MongoOptions::default()).await.err().unwrap()
}

#[tokio::test]
async fn unreachable_server_is_named() {
    let url = "mongodb://ann:secret%40s@127.0.0.1:9/x?serverSelectionTimeoutMS=300&connectTimeoutMS=300";
    let error = open_error(url).await;
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
    let message = error.to_string();
    assert!(message.contains("127.0.0.1:9") && !message.contains("secret") && !message.contains("ann"), "{message}");
    let error = open_error("mongodb://nowhere.invalid/x?serverSelectionTimeoutMS=300").await;
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
    assert!(error.to_string().contains("nowhere.invalid"), "{error}");
}

#[tokio::test]
async fn standalone_server_is_rejected_with_advice() {
    let Some(program) = program("store_mongodb_faults::access::a_server_that_is_no_replica_set") else { return };
    let servers = Servers::standalone(program).await;
    super::server::wait_until("it answers", async || servers.command(0, "admin", doc! { "hello": 1 }).await.ok()).await;
    let error = open_error(&servers.direct_url(0, "x")).await;
    assert_eq!(error.code(), ErrorCode::NotAReplicaSet, "{error}");
    assert!(error.to_string().contains("--replSet"), "{error}");
}

/// A role on a database.
fn role_on(database: &str, role: &str) -> Document {
    doc! { "roles": [{ "role": role, "db": database }] }
}

#[tokio::test]
async fn read_write_role_is_enough_and_missing_rights_are_named() {
    let Some(program) = program("store_mongodb_faults::access::rights_are_few") else { return };
    let servers = Servers::with_access_control(program).await;
    let name = fresh_database("rights");
    let url = |user: &str| servers.direct_url_via(servers.port(0), user, &name);
    let as_user = |error: StoreError, code: ErrorCode| {
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    };
    as_user(open_error(&url("")).await, ErrorCode::NotAuthorized);
    as_user(open_error(&url("root:wrong-geheim@")).await, ErrorCode::NotAuthorized);

    // `readWrite` on the one database is enough for everything.
    servers.create_user("service", "pa%ss@", role_on(&name, "readWrite")).await;
    let service = load::open(&url("service:pa%25ss%40@")).await;
    count(&service, 1, 0, "all").await;
    let from = service.changes(None, 1, Millis(0)).await.unwrap().next;
    count(&service, 1, 1, "all").await;
    assert_eq!(service.changes(Some(from), 10, Millis(1_000)).await.unwrap().events.len(), 2);
    check(&service, &[(1, 2)].into(), 0).await;
    as_user(open_error(&url("service:wrong-geheim@")).await, ErrorCode::NotAuthorized);

    // A user who may not create indexes can work if they exist, and is refused if they are missing.
    let privileges = doc! { "createRole": "works", "roles": [], "privileges": [{
        "resource": { "db": &name, "collection": "" },
        "actions": ["find", "insert", "update", "remove", "changeStream", "listIndexes", "listCollections"],
    }] };
    servers.command(0, "admin", privileges).await.unwrap();
    servers.create_user("narrow", "geheim", doc! { "roles": ["works"] }).await;
    let narrow = load::open(&url("narrow:geheim@")).await;
    count(&narrow, 2, 0, "all").await;
    check(&narrow, &[(1, 2), (2, 1)].into(), 0).await;
    const MORE: Collection = Collection::new("test.more", 1)
        .fields(&[Field::int("n")])
        .indexes(&[Index::ordered(&[("n", Direction::Ascending)])]);
    as_user(
        narrow.migrate(&Catalog::new(&[&ROWS, &COUNTERS, &MORE]).unwrap()).await.unwrap_err(),
        ErrorCode::NotAuthorized,
    );

    // A user who may only read can read.
    servers.create_user("reader", "geheim", role_on(&name, "read")).await;
    let reader = Mongo::open(&url("reader:geheim@"), MongoOptions::default()).await.unwrap();
    reader.migrate(&load::catalog()).await.unwrap();
    check(&reader, &[(1, 2), (2, 1)].into(), 0).await;
    let batch = load::decide_count(&reader, 3, 0, "all").await.unwrap();
    as_user(reader.commit(batch).await.unwrap_err(), ErrorCode::NotAuthorized);
}

#[tokio::test]
async fn documents_corrupted_by_hand_are_named_and_others_are_read() {
    let Some(program) = program("store_mongodb_faults::access::documents_changed_by_hand") else { return };
    let servers = Servers::replica_set(program, 1).await;
    let name = fresh_database("nonsense");
    let store = load::open(&servers.direct_url(0, &name)).await;
    for n in 0..6 {
        count(&store, 1, n, &format!("counter-{n}")).await;
    }
    let raw = servers.client(0).database(&name).collection::<Document>("test.counters");
    let nonsense = [
        doc! { "$unset": { "_rev": 1 } },
        doc! { "$set": { "_rev": 7 } },
        doc! { "$set": { "_rev": "not a revision" } },
        doc! { "$set": { "n": mongodb::bson::Regex { pattern: "x".try_into().unwrap(), options: "".try_into().unwrap() } } },
        doc! { "$set": { "n": f64::NAN } },
    ];
    for (n, change) in nonsense.into_iter().enumerate() {
        raw.update_one(doc! { "_id": format!("counter-{n}") }, change).await.unwrap();
        let key = Key::new(&COUNTERS, &format!("counter-{n}"));
        let error = store.get(std::slice::from_ref(&key)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
        assert!(error.to_string().contains(&format!("test.counters/counter-{n}")), "{error}");
        assert_eq!(store.query(&Query::of(&COUNTERS)).await.unwrap_err().code(), ErrorCode::Corrupt);
    }
    count(&store, 1, 6, "counter-5").await;
    assert_eq!(store.query(&Query::of(&ROWS)).await.unwrap().items.len(), 7);
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_read_and_not_written() {
    let Some(program) = program("store_mongodb_faults::access::a_store_of_a_newer_program") else { return };
    let servers = Servers::replica_set(program, 1).await;
    const NEWER: Collection = Collection::new("test.counters", 2).fields(&[Field::int("n")]);
    let name = fresh_database("newer");
    let url = servers.direct_url(0, &name);
    let store = load::open(&url).await;
    count(&store, 1, 0, "all").await;
    store.migrate(&Catalog::new(&[&ROWS, &NEWER]).unwrap()).await.unwrap();
    let older = Mongo::open(&url, MongoOptions::default()).await.unwrap();
    assert_eq!(older.migrate(&load::catalog()).await.unwrap_err().code(), ErrorCode::NewerVersion);
    check(&older, &[(1, 1)].into(), 0).await;
    let batch = load::decide_count(&older, 1, 1, "all").await.unwrap();
    assert_eq!(older.commit(batch).await.unwrap_err().code(), ErrorCode::ReadOnly);

    let raw = servers.client(0).database(&name).collection::<Document>("runstate.meta");
    raw.update_one(doc! { "_id": "store" }, doc! { "$set": { "format": 99 } }).await.unwrap();
    let error = open_error(&url).await;
    assert_eq!(error.code(), ErrorCode::NewerVersion, "{error}");
}

//! Who is refused, and why: passwords, rights, servers that are not there or no replica set, stores of newer programs, documents that were
//! changed by hand.

use mongodb::bson::{Document, doc};
use runstate::code::Code;
use runstate::schema::{Catalog, Collection, Direction, Field, Index, Key, Query};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Error, Store};
use runstate::time::Millis;

use super::load::{self, COUNTERS, ROWS, check, count};
use super::server::{Servers, database, program};

async fn refused(url: &str) -> Error {
    Mongo::open(url, Options::default()).await.err().unwrap()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let url = "mongodb://ann:secret%40s@127.0.0.1:9/x?serverSelectionTimeoutMS=300&connectTimeoutMS=300";
    let error = refused(url).await;
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    let said = error.to_string();
    assert!(said.contains("127.0.0.1:9") && !said.contains("secret") && !said.contains("ann"), "{said}");
    let error = refused("mongodb://nowhere.invalid/x?serverSelectionTimeoutMS=300").await;
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.to_string().contains("nowhere.invalid"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_no_replica_set_says_what_to_do() {
    let Some(program) = program("store_mongodb_faults::access::a_server_that_is_no_replica_set") else { return };
    let servers = Servers::standalone(program).await;
    super::server::until("it answers", async || servers.command(0, "admin", doc! { "hello": 1 }).await.ok()).await;
    let error = refused(&servers.direct(0, "x")).await;
    assert_eq!(error.code(), Code::NotAReplicaSet, "{error}");
    assert!(error.to_string().contains("--replSet"), "{error}");
}

/// The role of a service on its database, and who prepares it.
fn on(database: &str, role: &str) -> Document {
    doc! { "roles": [{ "role": role, "db": database }] }
}

#[tokio::test]
async fn rights_are_few_and_what_lacks_is_told() {
    let Some(program) = program("store_mongodb_faults::access::rights_are_few") else { return };
    let servers = Servers::guarded(program).await;
    let name = database("rights");
    let url = |user: &str| servers.direct_by(servers.port(0), user, &name);
    let as_user = |error: Error, code: Code| {
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    };
    as_user(refused(&url("")).await, Code::NotAuthorized);
    as_user(refused(&url("root:wrong-geheim@")).await, Code::NotAuthorized);

    // `readWrite` on the one database is enough for everything.
    servers.allow("service", "pa%ss@", on(&name, "readWrite")).await;
    let service = load::open(&url("service:pa%25ss%40@")).await;
    count(&service, 1, 0, "all").await;
    let from = service.changes(None, 1, Millis(0)).await.unwrap().next;
    count(&service, 1, 1, "all").await;
    assert_eq!(service.changes(Some(from), 10, Millis(1_000)).await.unwrap().events.len(), 2);
    check(&service, &[(1, 2)].into(), 0).await;
    as_user(refused(&url("service:wrong-geheim@")).await, Code::NotAuthorized);

    // Who may not make indexes can work where they are made, and is told where they are not.
    let privileges = doc! { "createRole": "works", "roles": [], "privileges": [{
        "resource": { "db": &name, "collection": "" },
        "actions": ["find", "insert", "update", "remove", "changeStream", "listIndexes", "listCollections"],
    }] };
    servers.command(0, "admin", privileges).await.unwrap();
    servers.allow("narrow", "geheim", doc! { "roles": ["works"] }).await;
    let narrow = load::open(&url("narrow:geheim@")).await;
    count(&narrow, 2, 0, "all").await;
    check(&narrow, &[(1, 2), (2, 1)].into(), 0).await;
    const MORE: Collection = Collection::new("test.more", 1)
        .fields(&[Field::int("n")])
        .indexes(&[Index::by(&[("n", Direction::Ascending)])]);
    as_user(narrow.migrate(&Catalog::new(&[&ROWS, &COUNTERS, &MORE]).unwrap()).await.unwrap_err(), Code::NotAuthorized);

    // Who may only read reads.
    servers.allow("reader", "geheim", on(&name, "read")).await;
    let reader = Mongo::open(&url("reader:geheim@"), Options::default()).await.unwrap();
    reader.migrate(&load::catalog()).await.unwrap();
    check(&reader, &[(1, 2), (2, 1)].into(), 0).await;
    let batch = load::decided(&reader, 3, 0, "all").await.unwrap();
    as_user(reader.commit(batch).await.unwrap_err(), Code::NotAuthorized);
}

#[tokio::test]
async fn documents_changed_by_hand_into_nonsense_are_named_and_the_rest_is_read() {
    let Some(program) = program("store_mongodb_faults::access::documents_changed_by_hand") else { return };
    let servers = Servers::set(program, 1).await;
    let name = database("nonsense");
    let store = load::open(&servers.direct(0, &name)).await;
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
        assert_eq!(error.code(), Code::Corrupt, "{error}");
        assert!(error.to_string().contains(&format!("test.counters/counter-{n}")), "{error}");
        assert_eq!(store.query(&Query::of(&COUNTERS)).await.unwrap_err().code(), Code::Corrupt);
    }
    count(&store, 1, 6, "counter-5").await;
    assert_eq!(store.query(&Query::of(&ROWS)).await.unwrap().rows.len(), 7);
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_read_and_not_written() {
    let Some(program) = program("store_mongodb_faults::access::a_store_of_a_newer_program") else { return };
    let servers = Servers::set(program, 1).await;
    const NEWER: Collection = Collection::new("test.counters", 2).fields(&[Field::int("n")]);
    let name = database("newer");
    let url = servers.direct(0, &name);
    let store = load::open(&url).await;
    count(&store, 1, 0, "all").await;
    store.migrate(&Catalog::new(&[&ROWS, &NEWER]).unwrap()).await.unwrap();
    let older = Mongo::open(&url, Options::default()).await.unwrap();
    assert_eq!(older.migrate(&load::catalog()).await.unwrap_err().code(), Code::NewerVersion);
    check(&older, &[(1, 1)].into(), 0).await;
    let batch = load::decided(&older, 1, 1, "all").await.unwrap();
    assert_eq!(older.commit(batch).await.unwrap_err().code(), Code::ReadOnly);

    let raw = servers.client(0).database(&name).collection::<Document>("runstate.meta");
    raw.update_one(doc! { "_id": "store" }, doc! { "$set": { "format": 99 } }).await.unwrap();
    let error = refused(&url).await;
    assert_eq!(error.code(), Code::NewerVersion, "{error}");
}

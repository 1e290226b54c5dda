//! What goes wrong before anything is stored, and what is said of it.

use mongodb::bson::{Document, doc};
use runstate::id::CommandId;
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Batch, Error, Expect, Op, Store, Write};
use runstate::time::Timestamp;
use runstate::value::Json;

use super::server::{database_of, fresh_url, indexes, on_server, raw};

async fn refused(url: &str) -> Error {
    match Mongo::open(url, Options::default()).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

#[test]
fn where_nobody_answers_it_says_where_and_not_with_which_password() {
    on_server(async {
        // Port 1 is nobody's.
        let url = "mongodb://ann:s%40cret%25@127.0.0.1:1/x?serverSelectionTimeoutMS=300";
        let error = refused(url).await;
        let said = error.to_string();
        assert_eq!(error.code().as_str(), "unavailable");
        assert!(said.contains("127.0.0.1:1") && !said.contains("cret") && !said.contains("ann"), "{said}");
        let slow = refused("mongodb://127.0.0.1:1/x?timeoutMS=200").await;
        assert_eq!(slow.code().as_str(), "timeout");
    });
}

#[test]
fn where_there_is_no_store_none_is_made_unless_it_may() {
    on_server(async {
        let url = fresh_url();
        let existing = Options { existing: true, ..Options::default() };
        let error = Mongo::open(&url, existing.clone()).await.err().unwrap();
        assert!(error.to_string().contains("there is no store in the database"), "{error}");
        let store = Mongo::open(&url, Options::default()).await.unwrap();
        assert_eq!(Mongo::open(&url, existing).await.unwrap().id(), store.id());
    });
}

#[test]
fn what_a_newer_program_made_is_refused() {
    on_server(async {
        let url = fresh_url();
        Mongo::open(&url, Options::default()).await.unwrap();
        let meta = async |change| {
            raw(&url, doc! {"update": "runstate.meta", "updates": [{"q": {"_id": "store"}, "u": change}]}).await;
        };
        meta(doc! {"$set": {"format": 2}}).await;
        assert_eq!(refused(&url).await.code().as_str(), "newer_version");
        meta(doc! {"$unset": {"format": ""}}).await;
        assert_eq!(refused(&url).await.code().as_str(), "corrupt");
    });
}

const C: Collection = Collection::new("t.c", 1)
    .fields(&[Field::text("a").optional(), Field::timestamp("at").optional()])
    .indexes(&[Index::by(&[("a", Ascending)]).unique()]);
const LATER: Collection = Collection::new("t.c", 1)
    .fields(&[Field::text("a").optional(), Field::timestamp("at").optional()])
    .indexes(&[Index::by(&[("at", Ascending)])]);

#[test]
fn indexes_of_operators_stay_and_ours_come_and_go() {
    on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, Options::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        raw(&url, doc! {"createIndexes": "t.c", "indexes": [{"name": "mine", "key": {"x": 1}}]}).await;
        store.migrate(&Catalog::new(&[&LATER]).unwrap()).await.unwrap();
        assert_eq!(names(&url).await, ["_id_", "at_1", "mine"]);
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        assert_eq!(names(&url).await, ["_id_", "a_1", "mine"]);
    });
}

#[test]
fn an_insert_waits_until_a_concurrent_insert_of_its_unique_entry_ends() {
    on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, Options::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let client = mongodb::Client::with_uri_str(&url).await.unwrap();
        let of_c = client.database(&database_of(&url).unwrap()).collection::<Document>(C.name);
        for (place, keeps, answer) in [("1", false, "ok"), ("2", true, "unique_violation")] {
            let mut other = client.start_session().await.unwrap();
            other.start_transaction().await.unwrap();
            of_c.insert_one(doc! {"_id": format!("other {place}"), "a": place}).session(&mut other).await.unwrap();
            let (store, insertion) = (store.clone(), insertion(place));
            let mut pending = tokio::spawn(async move { store.commit(insertion).await });
            let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut pending).await;
            assert!(early.is_err(), "answered before the concurrent transaction ended: {early:?}");
            if keeps { other.commit_transaction().await } else { other.abort_transaction().await }.unwrap();
            let result = pending.await.unwrap();
            assert_eq!(result.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok"), answer, "{result:?}");
        }
    });
}

/// Inserts a document with the unique entry `place`.
fn insertion(place: &str) -> Batch {
    let document = [("a".to_owned(), Json::from(place))].into_iter().collect();
    let op = Op::Put { version: 1, document: std::sync::Arc::new(document) };
    batch(&format!("insert {place}"), vec![Write { key: Key::new(&C, place), expect: Expect::Absent, op }])
}

async fn names(url: &str) -> Vec<String> {
    let found = indexes(url, "t.c").await;
    let mut names: Vec<String> = found.iter().map(|index| index.get_str("name").unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_document_that_was_made_nonsense_by_hand_is_named() {
    on_server(async {
        let url = fresh_url();
        let store = Mongo::open(&url, Options::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let odd = doc! {"_id": "y", "_rev": "1-000000000000", "_v": 1, "at": "soon"};
        raw(&url, doc! {"insert": "t.c", "documents": [{"_id": "x", "a": "1"}, odd]}).await;
        let foreign = store.get(&[Key::new(&C, "x")]).await.unwrap_err();
        assert!(foreign.to_string().contains("t.c/x") && foreign.to_string().contains("`import`"), "{foreign}");
        let odd = store.get(&[Key::new(&C, "y"), Key::new(&C, "z")]).await.unwrap_err();
        assert!(odd.to_string().contains("t.c/y") && odd.to_string().contains("`at`"), "{odd}");
    });
}

#[test]
fn bare_names_stand_in_databases_of_their_domains() {
    on_server(async {
        let (base, query) =
            fresh_url().split_once('?').map(|(base, query)| (base.to_owned(), query.to_owned())).unwrap();
        let (server, name) = base.rsplit_once('/').unwrap();
        let url = format!("{server}/?{query}&layout=seed&databasePrefix={}_", &name[name.len() - 12..]);
        let store = Mongo::open(&url, Options::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let domain = format!("{server}/{}_t?{query}", &name[name.len() - 12..]);
        assert_eq!(indexes(&domain, "c").await.len(), 2);
    });
}

/// A batch on documents with long lists of small numbers, which are six times as long on the server as in JSON.
fn of_lists(command: &str, write: impl Fn(usize) -> (Expect, usize)) -> Batch {
    let writes = (0..8).map(|n| {
        let (expect, numbers) = write(n);
        let document = [("list".to_owned(), Json::from(vec![n; numbers]))].into_iter().collect();
        let op = Op::Put { version: 1, document: std::sync::Arc::new(document) };
        Write { key: Key::new(&LATER, &format!("l{n}")), expect, op }
    });
    batch(command, writes.collect())
}

fn batch(command: &str, writes: Vec<Write>) -> Batch {
    Batch {
        command: CommandId::new(command).unwrap(),
        fingerprint: "trouble".into(),
        at: Timestamp::from_millis(1_705_744_800_000),
        result: Json::Null,
        writes,
        checks: Vec::new(),
    }
}

#[test]
fn a_batch_larger_than_one_command_may_be_is_committed_by_several() {
    on_server(async {
        let store = Mongo::open(&fresh_url(), Options::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&LATER]).unwrap()).await.unwrap();
        store.commit(of_lists("inserts", |_| (Expect::Absent, 300_000))).await.unwrap();
        let keys: Vec<Key> = (0..8).map(|n| Key::new(&LATER, &format!("l{n}"))).collect();
        let found = store.get(&keys).await.unwrap();
        let revision = |n: usize| found[n].as_ref().unwrap().revision.clone();
        store.commit(of_lists("updates", |n| (Expect::Revision(revision(n)), 300_001))).await.unwrap();
        let lengths = store.get(&keys).await.unwrap();
        let lengths = lengths.iter().map(|found| found.as_ref().unwrap().document["list"].as_array().unwrap().len());
        assert_eq!(lengths.collect::<Vec<_>>(), [300_001; 8]);
        // One alone is more than a document may be there.
        let refused = store.commit(of_lists("too large", |n| (Expect::Any, if n == 0 { 1_700_000 } else { 1 }))).await;
        assert_eq!(refused.unwrap_err().code().as_str(), "too_large");
        assert_eq!(
            store.get(&keys[1..2]).await.unwrap()[0].as_ref().unwrap().document["list"].as_array().unwrap().len(),
            300_001
        );
    });
}

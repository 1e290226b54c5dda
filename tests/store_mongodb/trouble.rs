//! What goes wrong before anything is stored, and what is said of it.

use mongodb::bson::doc;
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Error, Store};

use super::server::{fresh_url, indexes, on_server, raw};

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

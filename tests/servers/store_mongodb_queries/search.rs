//! Full-text search of apps: the hits of memory in the same order, by the text index.

use std::collections::BTreeSet;
use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use runstate::domain::apps::{DOMAIN, SearchEntry};
use runstate::schema::{Catalog, Entity as _};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Memory, StoreAdmin};
use serde_json::json;

use super::explain::{enable_profiling, last_profile, number};
use super::search_documents::{fill, hits, searches};
use super::{MongoTestStore, open_in_one_database};
use crate::settings::{is_full_run, seed};
use crate::support::mongodb::run_on_server;

const ENTRIES: &str = SearchEntry::COLLECTION.name;

async fn open(fixture: &MongoTestStore) -> Mongo {
    let url = format!("{}/{}?directConnection=true", fixture.server.split("/?").next().unwrap(), fixture.database);
    Mongo::open(&url, MongoOptions::default()).await.unwrap()
}

#[test]
fn a_thousand_documents_have_the_hits_of_memory_in_the_same_order() {
    run_on_server(async {
        let catalog = Catalog::new(DOMAIN.collections).unwrap();
        let fixture = open_in_one_database(&catalog).await;
        let engine = fill(Arc::new(open(&fixture).await)).await;
        let memory = fill(Arc::new(Memory::new())).await;
        let database = enable_profiling(&fixture).await;
        let mut expected = Vec::new();
        for search in searches() {
            let found = hits(&memory, search.clone()).await;
            assert_eq!(hits(&engine, search.clone()).await, found, "{search}");
            expected.push((search, found));
        }
        let all: usize = expected.iter().map(|(_, found)| found.len()).sum();
        assert!(all > 1_000, "{all}");

        // The index finds the entries, and no others are read.
        let found = hits(&engine, json!({"text": "quoted phrase", "limit": 100})).await.len() as i64;
        let profile = last_profile(&database, ENTRIES).await;
        assert_eq!(profile.get_str("planSummary").unwrap(), "IXSCAN { _fts: \"text\", _ftsx: 1 }");
        let examined = ["keysExamined", "docsExamined"].map(|name| number(&profile, name));
        // The stage that reads a document and the one that compares its words both count it.
        assert!(examined[0] == found && examined[1] <= 2 * found, "{examined:?} for {found}");
        let search = doc! {"$search": "phrase"};
        let explain = doc! {"find": ENTRIES, "filter": {"$text": search}, "sort": {"at": -1}, "limit": 20};
        let plan = database.run_command(doc! {"explain": explain}).await.unwrap().to_string();
        assert!(plan.contains("TEXT_MATCH") && plan.contains("IXSCAN") && !plan.contains("COLLSCAN"), "{plan}");

        // Without the index, searches are slower, and find the same.
        let command = doc! {"dropIndexes": ENTRIES, "index": "words_text"};
        database.run_command(command).await.unwrap();
        for (search, found) in expected.into_iter().take(10) {
            assert_eq!(hits(&engine, search.clone()).await, found, "{search}");
        }
        assert_eq!(last_profile(&database, ENTRIES).await.get_str("planSummary").unwrap(), "COLLSCAN");
        let missing = StoreAdmin::inspect(&fixture.store, &catalog).await.unwrap().findings;
        assert!(missing.len() == 1 && missing[0].at.contains("words_text"), "{missing:?}");
    });
}

/// Of all letters and digits, the server takes one for what separates words. The store does not search for that one by
/// the index. The short form looks for every eighth letter, for other ones with each seed.
#[test]
fn the_text_index_has_an_entry_for_every_letter_but_one() {
    run_on_server(async {
        let fixture = open_in_one_database(&Catalog::new(DOMAIN.collections).unwrap()).await;
        let database = Client::with_uri_str(&fixture.server).await.unwrap().database(&fixture.database);
        let collection = database.collection::<Document>(ENTRIES);
        let (separator, shift) = ('\u{2e2f}', seed());
        let is_chosen = |letter: char| {
            is_full_run() || letter == separator || shift.wrapping_add(u64::from(letter)).is_multiple_of(8)
        };
        let letters: Vec<String> = ('\0'..=char::MAX)
            .filter(|letter| letter.is_alphanumeric() && is_chosen(*letter))
            .map(String::from)
            .collect();
        let mut missed = Vec::new();
        for chunk in letters.chunks(2_000) {
            collection.insert_many(chunk.iter().map(|letter| doc! {"_id": letter, "words": letter})).await.unwrap();
            let mut found = BTreeSet::new();
            let filter = doc! {"$text": {"$search": chunk.join(" ")}, "_id": {"$in": chunk}};
            let mut cursor = collection.find(filter).await.unwrap();
            while cursor.advance().await.unwrap() {
                found.insert(cursor.current().get_str("_id").unwrap().to_owned());
            }
            missed.extend(chunk.iter().filter(|letter| !found.contains(*letter)));
        }
        assert_eq!(missed, [&separator.to_string()]);
    });
}

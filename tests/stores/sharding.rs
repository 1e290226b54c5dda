//! Compares the shard keys in `docs/mongodb.md` with the declarations.

use std::collections::BTreeMap;

use runstate::domain;
use runstate::schema::{Collection, ShardKey};
use runstate::store::COMMANDS;

fn documented_keys() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mongodb.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let keys = rows.filter(|(name, _)| name.contains('.')).map(|(name, rest)| {
        let key = rest.split(" | ").next().unwrap().trim_matches('`').to_owned();
        (name.to_owned(), key)
    });
    keys.collect()
}

fn declared_collections() -> Vec<&'static Collection> {
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    catalog.iter().chain([&COMMANDS as &'static Collection]).collect()
}

/// The catalog checks that a declared key agrees with the indexes and writes of its collection.
#[test]
fn documented_shard_keys_are_those_of_the_declarations() {
    let shown = |collection: &&'static Collection| {
        let key = match collection.shard {
            None => "none".to_owned(),
            Some(ShardKey::HashedId) => r#"{ _id: "hashed" }"#.to_owned(),
            Some(ShardKey::Ranged(field)) => format!("{{ {field}: 1 }}"),
        };
        (collection.name.to_owned(), key)
    };
    assert_eq!(documented_keys(), declared_collections().iter().map(shown).collect());
}

/// A row is on the same shard as all others of its owner only if the key is its reference.
#[test]
fn insert_only_rows_of_an_execution_share_a_shard() {
    for collection in declared_collections() {
        for reference in collection.references().filter(|reference| reference.collection == "cvm.executions") {
            let shares_shard = collection.shard == Some(ShardKey::Ranged(reference.field));
            assert!(shares_shard || !collection.insert_only, "{} is spread over shards unnecessarily", collection.name);
        }
    }
}

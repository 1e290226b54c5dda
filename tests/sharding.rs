//! Checks the shard keys in `docs/mongodb.md` against the declarations: each collection has one, and no unique index, write or reference conflicts
//! with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use runstate::domain;
use runstate::schema::{Collection, Presence};
use runstate::store::COMMANDS;

/// The distribution of a collection over shards.
#[derive(Clone, Debug, PartialEq)]
enum ShardKey {
    /// Unsharded.
    Unsharded,
    /// By a hash of its `_id`.
    HashedId,
    /// By ranges of a field.
    Ranged(String),
}

fn documented_keys() -> BTreeMap<String, ShardKey> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mongodb.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let keys = rows.filter(|(name, _)| name.contains('.')).map(|(name, rest)| {
        let key = rest.split(" | ").next().unwrap().trim_matches('`');
        let key = match key {
            "none" => ShardKey::Unsharded,
            r#"{ _id: "hashed" }"# => ShardKey::HashedId,
            key => ShardKey::Ranged(key.strip_prefix("{ ").unwrap().strip_suffix(": 1 }").unwrap().to_owned()),
        };
        (name.to_owned(), key)
    });
    keys.collect()
}

fn declared_collections() -> Vec<&'static Collection> {
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    catalog.iter().chain([&COMMANDS as &'static Collection]).collect()
}

/// The conflicts of a collection with a key.
fn objections(collection: &Collection, key: &ShardKey) -> Vec<String> {
    let mut found = Vec::new();
    for index in collection.indexes.iter().filter(|index| index.unique) {
        let first = index.fields[0].0;
        match key {
            ShardKey::Unsharded => {}
            ShardKey::Ranged(field) if field == first => {}
            _ => found.push(format!("{}: its unique index begins with `{first}`", collection.name)),
        }
    }
    if let ShardKey::Ranged(field) = key {
        if !collection.insert_only {
            found.push(format!("{}: it is changed by `_id`, and a write does not contain `{field}`", collection.name));
        }
        if !collection.fields.iter().any(|declared| declared.name == field && declared.presence == Presence::Required) {
            found.push(format!("{}: not every document has `{field}`", collection.name));
        }
        if !collection.indexes.iter().any(|index| index.fields[0].0 == field) {
            found.push(format!("{}: no index begins with `{field}`", collection.name));
        }
    }
    found
}

#[test]
fn every_collection_has_a_shard_key_that_its_declaration_allows() {
    let documented = documented_keys();
    let mut names: Vec<&str> = declared_collections().iter().map(|collection| collection.name).collect();
    names.sort_unstable();
    assert_eq!(documented.keys().map(String::as_str).collect::<Vec<_>>(), names);
    let objections: Vec<String> = declared_collections()
        .iter()
        .flat_map(|collection| objections(collection, &documented[collection.name]))
        .collect();
    assert!(objections.is_empty(), "{objections:#?}");
}

/// A row is on the same shard as all others of its owner only if the key is its reference.
#[test]
fn insert_only_rows_of_an_execution_share_a_shard() {
    let documented = documented_keys();
    for collection in declared_collections() {
        for reference in collection.references.iter().filter(|reference| reference.collection == "cvm.executions") {
            let shares_shard = documented[collection.name] == ShardKey::Ranged(reference.field.to_owned());
            assert!(shares_shard || !collection.insert_only, "{} is spread over shards unnecessarily", collection.name);
        }
    }
}

#[test]
fn impossible_shard_keys_are_objected_to() {
    let declared = |name: &str| *declared_collections().iter().find(|collection| collection.name == name).unwrap();
    assert_eq!(objections(declared("cvm.programs"), &ShardKey::HashedId).len(), 1);
    assert_eq!(objections(declared("cvm.outputs"), &ShardKey::HashedId).len(), 1);
    assert_eq!(objections(declared("cvm.cc_history"), &ShardKey::Ranged("executionId".to_owned())).len(), 1);
    assert_eq!(objections(declared("cvm.execution_logs"), &ShardKey::Ranged("event".to_owned())), [] as [String; 0]);
    assert_eq!(objections(declared("cvm.heap_pages"), &ShardKey::Ranged("part".to_owned())).len(), 2);
}

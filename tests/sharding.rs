//! The shard keys that `docs/mongodb.md` names, held against what is declared: each collection has one, and no unique index, write or
//! reference stands against it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use runstate::domain;
use runstate::schema::{Collection, Presence};
use runstate::store::COMMANDS;

/// How a collection is spread.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    /// Not at all.
    Whole,
    /// By a hash of its `_id`.
    HashedId,
    /// By ranges of a field.
    Ranged(String),
}

fn documented() -> BTreeMap<String, Key> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mongodb.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let keys = rows.filter(|(name, _)| name.contains('.')).map(|(name, rest)| {
        let key = rest.split(" | ").next().unwrap().trim_matches('`');
        let key = match key {
            "none" => Key::Whole,
            r#"{ _id: "hashed" }"# => Key::HashedId,
            key => Key::Ranged(key.strip_prefix("{ ").unwrap().strip_suffix(": 1 }").unwrap().to_owned()),
        };
        (name.to_owned(), key)
    });
    keys.collect()
}

fn declared() -> Vec<&'static Collection> {
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    catalog.iter().chain([&COMMANDS as &'static Collection]).collect()
}

/// What stands against a key.
fn objections(collection: &Collection, key: &Key) -> Vec<String> {
    let mut found = Vec::new();
    for index in collection.indexes.iter().filter(|index| index.unique) {
        let first = index.fields[0].0;
        match key {
            Key::Whole => {}
            Key::Ranged(field) if field == first => {}
            _ => found.push(format!("{}: its unique index begins with `{first}`", collection.name)),
        }
    }
    if let Key::Ranged(field) = key {
        if !collection.insert_only {
            found.push(format!("{}: it is changed under `_id`, and a write names no `{field}`", collection.name));
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
    let documented = documented();
    let mut names: Vec<&str> = declared().iter().map(|collection| collection.name).collect();
    names.sort_unstable();
    assert_eq!(documented.keys().map(String::as_str).collect::<Vec<_>>(), names);
    let objections: Vec<String> =
        declared().iter().flat_map(|collection| objections(collection, &documented[collection.name])).collect();
    assert!(objections.is_empty(), "{objections:#?}");
}

/// A row is on one shard with all others of its owner only where its reference is the key.
#[test]
fn rows_of_one_execution_stand_together_unless_they_are_changed() {
    let documented = documented();
    for collection in declared() {
        for reference in collection.references.iter().filter(|reference| reference.collection == "cvm.executions") {
            let together = documented[collection.name] == Key::Ranged(reference.field.to_owned());
            assert!(together || !collection.insert_only, "{} is scattered without need", collection.name);
        }
    }
}

#[test]
fn what_cannot_be_is_objected_to() {
    let named = |name: &str| *declared().iter().find(|collection| collection.name == name).unwrap();
    assert_eq!(objections(named("cvm.programs"), &Key::HashedId).len(), 1);
    assert_eq!(objections(named("cvm.outputs"), &Key::HashedId).len(), 1);
    assert_eq!(objections(named("cvm.cc_history"), &Key::Ranged("executionId".to_owned())).len(), 1);
    assert_eq!(objections(named("cvm.execution_logs"), &Key::Ranged("event".to_owned())), [] as [String; 0]);
    assert_eq!(objections(named("cvm.heap_pages"), &Key::Ranged("part".to_owned())).len(), 2);
}

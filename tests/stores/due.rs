//! Due work of all domains beside damaged documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::ALL;
use runstate::engine::RunLimit;
use runstate::id::CommandId;
use runstate::operation::{DueRule, Registry};
use runstate::schema::{Catalog, Collection, Filter};
use runstate::store::{Memory, Store, StoreAdmin as _};
use runstate::testing::{BatchExt as _, DomainScene, batch, block_on};
use runstate::time::Millis;
use runstate::value::{Document, Json};
use serde_json::json;

use crate::support::handles::simulated_files;

/// The values that a filter fixes.
fn fix(filter: &Filter, document: &mut Document) {
    match filter {
        Filter::And(all) => all.iter().for_each(|part| fix(part, document)),
        Filter::Eq(path, value) if !value.is_null() => _ = document.insert(path.clone(), value.clone()),
        Filter::In(path, values) => _ = document.insert(path.clone(), values[0].clone()),
        _ => {}
    }
}

/// A document of a rule with this due time, which lacks all fields that neither the rule nor a unique index needs.
fn document(rule: &DueRule, id: &str, due: Json) -> Json {
    let mut document = Document::new();
    for (path, _) in rule.collection.indexes.iter().filter(|index| index.unique).flat_map(|index| index.fields) {
        document.insert((*path).to_owned(), id.into());
    }
    fix(&(rule.filter)(), &mut document);
    document.insert(rule.field.to_owned(), due);
    document.into()
}

fn damaged_documents_are_reported_once(store: Arc<dyn Store>) {
    let scene = DomainScene::new(store.clone(), ALL, EngineSettings::default());
    let call = |scene: &DomainScene, name: &str, parameters: Json| {
        block_on(scene.engine.call(name, parameters.as_object().unwrap().clone())).unwrap()
    };
    call(&scene, "orchestration.machine.register", json!({"id": "m", "hostname": "h", "slots": [1]}));
    call(&scene, "orchestration.session.create", json!({"id": "s", "project": "p", "machine": "m"}));

    // As a program writes them that does not know the fields.
    let registry = Registry::new(ALL).unwrap();
    let undeclared: BTreeMap<&str, &'static Collection> = registry
        .due_rules()
        .map(|rule| {
            (
                rule.collection.name,
                &*Box::leak(Box::new(Collection::new(rule.collection.name, rule.collection.version))),
            )
        })
        .collect();
    let collections: Vec<&'static Collection> = undeclared.values().copied().collect();
    block_on(store.migrate(&Catalog::new(&collections).unwrap())).unwrap();
    for rule in registry.due_rules() {
        let collection = undeclared[rule.collection.name];
        for (kind, due) in [("text", json!("yesterday")), ("torn", json!(0))] {
            let id = format!("{kind} {}", rule.name);
            let command = batch(CommandId::new(&id).unwrap());
            block_on(store.commit(command.insert(collection, &id, document(rule, &id, due)))).unwrap();
        }
    }

    let scene = scene.open_beside(store);
    scene.host.clock.advance(Millis::minutes(6));
    let report = block_on(scene.engine.run_due(1, RunLimit::Stop)).unwrap();
    let mut failures = BTreeMap::<&str, Vec<&str>>::new();
    for failed in &report.failed {
        failures.entry(&failed.id).or_default().push(failed.error.code.as_str());
    }
    // Executions are kept without a setting.
    for rule in registry.due_rules().filter(|rule| (rule.delay)(&EngineSettings::default()).is_some()) {
        for kind in ["text", "torn"] {
            let id = format!("{kind} {}", rule.name);
            // Jobs are found by their names.
            if id == "torn fleet.upkeep" {
                continue;
            }
            assert_eq!(failures.remove(id.as_str()), Some(vec!["corrupt"]), "{id}: {report:?}");
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
    // Jobs are found by their names, so this one is due for ever.
    for reported in [&["torn fleet.upkeep"][..], &[]] {
        let report = block_on(scene.engine.run_due(1, RunLimit::Stop)).unwrap();
        let failed: Vec<&str> = report.failed.iter().map(|failed| &*failed.id).collect();
        assert_eq!(failed, reported);
    }
    assert_eq!(call(&scene, "orchestration.session.show", json!({"id": "s"}))["status"], "stalled");
}

#[test]
fn damaged_documents_of_each_rule_in_memory_are_reported_once() {
    damaged_documents_are_reported_once(Arc::new(Memory::new()));
}

#[test]
fn damaged_documents_of_each_rule_on_files_are_reported_once() {
    damaged_documents_are_reported_once(simulated_files());
}

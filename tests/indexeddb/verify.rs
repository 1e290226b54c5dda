//! `verify` in a page: what was edited behind the store's back is found through rexie.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost};
use runstate::limits::Settings;
use runstate::store::indexeddb::IndexedDb;
use runstate::store::{Report, Store};
use serde_json::json;
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{edit, run};
use super::scene::{ITEMS, NOTES, begun, catalog, commit, insert, next_catalog, put};
use super::{name, opened};

const ASKS: &str = "console.log('one'); const a = CC('first?'); console.log(a); [a].length";

async fn inspected(store: &dyn Store) -> Report {
    store.inspect(&catalog()).await.unwrap()
}

fn found(report: &Report) -> Vec<String> {
    report.findings.iter().map(|finding| format!("{}: {}", finding.at, finding.why)).collect()
}

/// A store with notes and items, more of them than are read at once.
async fn filled(name: &str) -> IndexedDb {
    let store = begun(name).await;
    for (batch, ids) in [(0..100), (100..200)].into_iter().enumerate() {
        let item =
            |n: i32| json!({"n": n, "name": format!("item ä {n}"), "tags": ["x", "x", format!("t{n}")], "at": n});
        let writes = ids.map(|n| insert(&ITEMS, &format!("ï{n}"), item(n))).collect();
        commit(&store, &format!("fill-{batch}"), writes).await.unwrap();
    }
    store
}

async fn engine(name: &str) -> Engine {
    let store = Arc::new(opened(name).await.unwrap());
    let catalog = runstate::domain::catalog().unwrap();
    Engine::new(store, Arc::new(SystemHost), catalog, Settings::default()).await.unwrap()
}

#[wasm_bindgen_test]
async fn a_whole_database_has_no_findings() {
    let store = filled(&name()).await;
    assert_eq!(found(&inspected(&store).await), [""; 0]);
    store.migrate(&next_catalog()).await.unwrap();
    commit(&store, "next", vec![put(&NOTES, "b", json!({}))]).await.unwrap();
    assert_eq!(found(&store.inspect(&next_catalog()).await.unwrap()), [""; 0]);
}

#[wasm_bindgen_test]
async fn the_inspection_changes_nothing_and_lets_go_of_the_database() {
    let name = name();
    let store = filled(&name).await;
    let all = "const db = await settled(indexedDB.open(name));
        const tx = db.transaction([...db.objectStoreNames], 'readonly');
        const stores = await Promise.all([...db.objectStoreNames].map((n) => settled(tx.objectStore(n).getAll())));
        db.close();
        return JSON.stringify([db.version, [...db.objectStoreNames], stores])";
    let before = run(all, &name).await;
    inspected(&store).await;
    assert_eq!(run(all, &name).await, before);
    store.close().await.unwrap();
    // Another tab can raise the version: no connection is left open that would block it for ever.
    let raise = "const db = await new Promise((resolve, reject) => {
            const request = indexedDB.open(name, 99);
            request.onsuccess = () => resolve(request.result);
            setTimeout(() => reject(new Error('a connection was left open')), 20_000);
        });
        db.close();";
    run(raise, &name).await;
}

#[wasm_bindgen_test]
async fn each_edit_by_hand_is_found_through_rexie() {
    let damages = [
        ("record.doc = record.doc.replace('line', 'lime')", "try.notes/a", "its checksum does not fit what it holds"),
        ("return 'no record'", "try.notes/a", "it is no record of a document"),
        ("record.i.pop()", "try.items/i", "its index entries are not those of its document"),
        ("record.i[0] = record.i[0] + 'x'", "try.items/i", "its index entries are not those of its document"),
    ];
    for (body, at, why) in damages {
        let name = name();
        let store = begun(&name).await;
        commit(&store, "i", vec![insert(&ITEMS, "i", json!({"n": 1, "tags": ["a", "b"]}))]).await.unwrap();
        let (collection, id) = at.split_once('/').unwrap();
        edit(&name, collection, id, body).await;
        let report = inspected(&store).await;
        let is_found = report.findings.iter().any(|finding| finding.at == at && finding.why.starts_with(why));
        assert!(is_found && !report.is_whole(), "{body}: {report:?}");
        assert_eq!(report.findings.len(), 1, "{body}: {report:?}");
    }
}

#[wasm_bindgen_test]
async fn a_record_under_the_key_of_another_is_found() {
    let name = name();
    let store = begun(&name).await;
    let copy = "const db = await settled(indexedDB.open(name));
        const tx = db.transaction(['try.notes'], 'readwrite');
        const store = tx.objectStore('try.notes');
        store.put(await settled(store.get('a')), 'z');
        await ended(tx);
        db.close();";
    run(copy, &name).await;
    assert_eq!(found(&inspected(&store).await), ["try.notes/z: the record under this key is that of `a`"]);
}

#[wasm_bindgen_test]
async fn what_another_tab_writes_meanwhile_is_no_finding() {
    let name = name();
    let (store, other) = (filled(&name).await, opened(&name).await.unwrap());
    other.migrate(&catalog()).await.unwrap();
    let (over, commits) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let (ended, count) = (over.clone(), commits.clone());
    spawn_local(async move {
        while !ended.get() {
            let n = count.get();
            let write = put(&ITEMS, &format!("new {n}"), json!({"n": n, "tags": ["x", "y"]}));
            commit(&other, &format!("meanwhile-{n}"), vec![write]).await.unwrap();
            count.set(n + 1);
        }
    });
    let report = inspected(&store).await;
    over.set(true);
    assert_eq!(found(&report), [""; 0]);
    assert!(commits.get() > 0, "nothing was written meanwhile");
}

#[wasm_bindgen_test]
async fn programs_and_their_ledger_are_verified_in_a_page() {
    let name = name();
    let filled = engine(&name).await;
    let cvm = filled.cvm();
    let bytecode = runstate::lang::compile("asks.ts", ASKS).unwrap().bytecode;
    cvm.load(&Load::new("asks", ASKS, bytecode), None).await.unwrap();
    cvm.start(&Start::of("asks").id("waits"), None).await.unwrap();
    cvm.start(&Start::of("asks").id("done"), None).await.unwrap();
    cvm.answer("done", None, "x".into(), None, None).await.unwrap();
    let mut shown = 0;
    let report = filled.verify(|_| shown += 1).await.unwrap();
    assert_eq!(found(&report), [""; 0]);
    assert!(report.documents > 8 && report.entries > 10 && shown > 0, "{report:?}");
    // The call of an execution that waits, removed together with its record.
    let remove = "const db = await settled(indexedDB.open(name));
        const tx = db.transaction(['cvm.cc_history'], 'readwrite');
        const store = tx.objectStore('cvm.cc_history');
        const keys = await settled(store.getAllKeys());
        const records = await settled(store.getAll());
        records.forEach(({ doc }, nth) => { if (!('outcome' in JSON.parse(doc))) store.delete(keys[nth]); });
        await ended(tx);
        db.close();";
    run(remove, &name).await;
    let report = engine(&name).await.verify(|_| {}).await.unwrap();
    assert!(report.findings.iter().any(|finding| finding.at == "cvm.executions/waits"), "{report:?}");
    assert!(!report.is_whole());
    edit(&name, "cvm.executions", "done", "record.rev = record.rev + '0'").await;
    let report = engine(&name).await.verify(|_| {}).await.unwrap();
    assert_eq!(found(&report), ["cvm.executions/done: its checksum does not fit what it holds"]);
}

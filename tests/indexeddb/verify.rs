//! `verify` in a page: it detects edits by hand, which it reads through rexie.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{DOMAIN, Load, Start};
use runstate::engine::{Engine, SystemHost};
use runstate::store::indexeddb::IndexedDb;
use runstate::store::{Store, StoreAdmin, VerifyReport};
use serde_json::json;
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::fixture::{
    ITEMS, NOTES, catalog, commit, edit_record, insert, next_catalog, open_with_note, put, run_script,
};
use super::{fresh_name, open_store};

const PROGRAM: &str = "console.log('one'); const a = CC('first?'); console.log(a); [a].length";

async fn inspect(store: &dyn Store) -> VerifyReport {
    store.inspect(&catalog()).await.unwrap()
}

fn finding_lines(report: &VerifyReport) -> Vec<String> {
    report.findings.iter().map(|finding| format!("{}: {}", finding.at, finding.why)).collect()
}

/// Opens a store with notes and items, more than one read returns.
async fn open_filled(name: &str) -> IndexedDb {
    let store = open_with_note(name).await;
    for (batch, ids) in [(0..100), (100..200)].into_iter().enumerate() {
        let item =
            |n: i32| json!({"n": n, "name": format!("item ä {n}"), "tags": ["x", "x", format!("t{n}")], "at": n});
        let writes = ids.map(|n| insert(&ITEMS, &format!("ï{n}"), item(n))).collect();
        commit(&store, &format!("fill-{batch}"), writes).await.unwrap();
    }
    store
}

async fn open_engine(name: &str) -> Engine {
    let store = Arc::new(open_store(name).await.unwrap());
    Engine::with_settings(store, Arc::new(SystemHost), &[&DOMAIN], Settings::default()).await.unwrap()
}

#[wasm_bindgen_test]
async fn intact_database_has_no_findings() {
    let store = open_filled(&fresh_name()).await;
    assert_eq!(finding_lines(&inspect(&store).await), [""; 0]);
    store.migrate(&next_catalog()).await.unwrap();
    commit(&store, "next", vec![put(&NOTES, "b", json!({}))]).await.unwrap();
    assert_eq!(finding_lines(&store.inspect(&next_catalog()).await.unwrap()), [""; 0]);
}

#[wasm_bindgen_test]
async fn inspection_changes_nothing_and_closes_its_connection() {
    let name = fresh_name();
    let store = open_filled(&name).await;
    let all = "const db = await settled(indexedDB.open(name));
        const tx = db.transaction([...db.objectStoreNames], 'readonly');
        const stores = await Promise.all([...db.objectStoreNames].map((n) => settled(tx.objectStore(n).getAll())));
        db.close();
        return JSON.stringify([db.version, [...db.objectStoreNames], stores])";
    let before = run_script(all, &name).await;
    inspect(&store).await;
    assert_eq!(run_script(all, &name).await, before);
    store.close().await.unwrap();
    // Another tab can upgrade the database: no open connection blocks it.
    let raise = "const db = await new Promise((resolve, reject) => {
            const request = indexedDB.open(name, 99);
            request.onsuccess = () => resolve(request.result);
            setTimeout(() => reject(new Error('a connection was left open')), 20_000);
        });
        db.close();";
    run_script(raise, &name).await;
}

#[wasm_bindgen_test]
async fn each_edit_by_hand_is_found_through_rexie() {
    let damages = [
        ("record.doc = record.doc.replace('line', 'lime')", "try.notes/a", "its checksum does not match its contents"),
        ("return 'no record'", "try.notes/a", "it is not a valid document record"),
        ("record.id = []; record.id.push(record.id)", "try.notes/a", "it is not a valid document record"),
        ("record.v = 1.5", "try.notes/a", "it is not a valid document record"),
        ("record.i.pop()", "try.items/i", "its index entries are not those of its document"),
        ("record.i[0] = record.i[0] + 'x'", "try.items/i", "its index entries are not those of its document"),
    ];
    for (body, at, why) in damages {
        let name = fresh_name();
        let store = open_with_note(&name).await;
        commit(&store, "i", vec![insert(&ITEMS, "i", json!({"n": 1, "tags": ["a", "b"]}))]).await.unwrap();
        let (collection, id) = at.split_once('/').unwrap();
        edit_record(&name, collection, id, body).await;
        let report = inspect(&store).await;
        let is_found = report.findings.iter().any(|finding| finding.at == at && finding.why.starts_with(why));
        assert!(is_found && !report.is_intact(), "{body}: {report:?}");
        assert_eq!(report.findings.len(), 1, "{body}: {report:?}");
    }
}

#[wasm_bindgen_test]
async fn record_under_the_key_of_another_is_found() {
    let name = fresh_name();
    let store = open_with_note(&name).await;
    let copy = "const db = await settled(indexedDB.open(name));
        const tx = db.transaction(['try.notes'], 'readwrite');
        const store = tx.objectStore('try.notes');
        store.put(await settled(store.get('a')), 'z');
        await ended(tx);
        db.close();";
    run_script(copy, &name).await;
    assert_eq!(finding_lines(&inspect(&store).await), ["try.notes/z: the record under this key is that of `a`"]);
}

#[wasm_bindgen_test]
async fn concurrent_writes_of_another_tab_are_not_findings() {
    let name = fresh_name();
    let (store, other) = (open_filled(&name).await, open_store(&name).await.unwrap());
    other.migrate(&catalog()).await.unwrap();
    let (is_done, commits) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let (stop, count) = (is_done.clone(), commits.clone());
    spawn_local(async move {
        while !stop.get() {
            let n = count.get();
            let write = put(&ITEMS, &format!("new {n}"), json!({"n": n, "tags": ["x", "y"]}));
            commit(&other, &format!("meanwhile-{n}"), vec![write]).await.unwrap();
            count.set(n + 1);
        }
    });
    let report = inspect(&store).await;
    is_done.set(true);
    assert_eq!(finding_lines(&report), [""; 0]);
    assert!(commits.get() > 0, "nothing was written meanwhile");
}

#[wasm_bindgen_test]
async fn programs_and_their_ledger_are_verified_in_a_page() {
    let name = fresh_name();
    let filled = open_engine(&name).await;
    let cvm = Cvm::new(&filled);
    let bytecode = runstate::lang::compile("asks.ts", PROGRAM).unwrap().bytecode;
    cvm.load(&Load::new("asks", PROGRAM, bytecode)).await.unwrap();
    cvm.start(&Start::new("asks").id("waits")).await.unwrap();
    cvm.start(&Start::new("asks").id("done")).await.unwrap();
    cvm.answer("done", "x").await.unwrap();
    let mut progress_reports = 0;
    let report = filled.verify(|_| progress_reports += 1).await.unwrap();
    assert_eq!(finding_lines(&report), [""; 0]);
    assert!(report.documents > 8 && report.entries > 10 && progress_reports > 0, "{report:?}");
    // The call of a waiting execution is removed, together with its record.
    let remove = "const db = await settled(indexedDB.open(name));
        const tx = db.transaction(['cvm.cc_history'], 'readwrite');
        const store = tx.objectStore('cvm.cc_history');
        const keys = await settled(store.getAllKeys());
        const records = await settled(store.getAll());
        records.forEach(({ doc }, nth) => { if (!('outcome' in JSON.parse(doc))) store.delete(keys[nth]); });
        await ended(tx);
        db.close();";
    run_script(remove, &name).await;
    let report = open_engine(&name).await.verify(|_| {}).await.unwrap();
    assert!(report.findings.iter().any(|finding| finding.at == "cvm.executions/waits"), "{report:?}");
    assert!(!report.is_intact());
    edit_record(&name, "cvm.executions", "done", "record.rev = record.rev + '0'").await;
    let report = open_engine(&name).await.verify(|_| {}).await.unwrap();
    assert_eq!(finding_lines(&report), ["cvm.executions/done: its checksum does not match its contents"]);
}

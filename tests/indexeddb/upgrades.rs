//! One database under several catalogs: upgrades, unchanged data, and programs that are too old.

use std::future::{Future, poll_fn};

use runstate::schema::Direction::Descending;
use runstate::schema::Query;
use runstate::store::{Position, Store, StoreAdmin};
use runstate::time::Millis;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::fixture::{
    BrowserPatch, ITEMS, NEXT_ITEMS, NOTES, catalog, code, commit, edit_record, find, ids, next_catalog, open_migrated,
    put, run_script,
};
use super::{fresh_name, open_store};

/// Fills a database with a note and 600 items, which is more than one rewrite batch.
async fn fill_database(name: &str) {
    let store = open_store(name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let item = |i: i64| put(&ITEMS, &format!("i{i:03}"), json!({"n": i, "at": i % 7, "tags": [i % 3, "all"]}));
    commit(&store, "fill", (0..600).map(item).collect()).await.unwrap();
    commit(&store, "note", vec![put(&NOTES, "a", json!({"line": "1"}))]).await.unwrap();
    store.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn upgrade_keeps_documents_and_fills_new_indexes() {
    let name = fresh_name();
    fill_database(&name).await;
    let store = open_store(&name).await.unwrap();
    let before = find(&store, &ITEMS, "i007").await.unwrap();
    store.migrate(&next_catalog()).await.unwrap();
    assert_eq!(find(&store, &ITEMS, "i007").await.unwrap(), before);
    let latest = Query::of(&NEXT_ITEMS).sort("n", Descending).limit(2);
    assert_eq!(ids(&store, latest).await.unwrap(), ["i599", "i598"]);
    let last = Query::of(&NEXT_ITEMS).eq("at", 6).sort("at", Descending).limit(2);
    assert_eq!(ids(&store, last).await.unwrap(), ["i006", "i013"]);
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    // Entries of dropped indexes are removed, and each new index has all its entries.
    let counts = "
        const db = await settled(indexedDB.open(name));
        const store = db.transaction(['try.items']).objectStore('try.items');
        const record = await settled(store.get('i007'));
        const counts = [];
        for (const index of store.indexNames) counts.push(await settled(store.index(index).count()));
        db.close();
        return `${record.i.length} ${counts}`;";
    assert_eq!(run_script(counts, &name).await.as_string().unwrap(), "4 2400");
}

#[wasm_bindgen_test]
async fn opening_a_current_database_changes_nothing() {
    let name = fresh_name();
    fill_database(&name).await;
    let version = "const db = await settled(indexedDB.open(name)); db.close(); return db.version;";
    let before = run_script(version, &name).await;
    for _ in 0..2 {
        let store = open_store(&name).await.unwrap();
        store.migrate(&catalog()).await.unwrap();
        store.close().await.unwrap();
    }
    assert_eq!(run_script(version, &name).await, before);
}

#[wasm_bindgen_test]
async fn older_program_reads_a_database_that_a_newer_one_upgraded() {
    let name = fresh_name();
    fill_database(&name).await;
    let old = open_store(&name).await.unwrap();
    old.migrate(&catalog()).await.unwrap();
    // The older handle has the database open, and closes it by itself.
    let new = open_store(&name).await.unwrap();
    new.migrate(&next_catalog()).await.unwrap();
    commit(&new, "new", vec![put(&NEXT_ITEMS, "i000", json!({"n": -1}))]).await.unwrap();

    assert_eq!(find(&old, &ITEMS, "i000").await.unwrap().unwrap().document["n"], -1);
    assert_eq!(old.read_only_reason().map(|e| e.code().as_str()), Some("newer_version"));
    assert_eq!(code(&commit(&old, "old", vec![put(&ITEMS, "i000", json!({}))]).await), "read_only");
    // An index that was dropped is not used: the result is the same.
    assert_eq!(ids(&old, Query::of(&ITEMS).eq("n", 5)).await.unwrap(), ["i005"]);
    assert_eq!(ids(&old, Query::of(&ITEMS).eq("n", -1)).await.unwrap(), ["i000"]);
    assert_eq!(code(&old.sweep(ITEMS.name, runstate::time::Timestamp::from_millis(9_000), 10).await), "read_only");

    let again = open_store(&name).await.unwrap();
    assert_eq!(code(&again.migrate(&catalog()).await), "newer_version");
    assert_eq!(find(&again, &ITEMS, "i001").await.unwrap().unwrap().document["n"], 1);
    new.migrate(&next_catalog()).await.unwrap();
    commit(&new, "newer", vec![put(&NEXT_ITEMS, "i001", json!({}))]).await.unwrap();
}

#[wasm_bindgen_test]
async fn tabs_of_one_version_keep_working_across_an_upgrade() {
    let name = fresh_name();
    let one = open_store(&name).await.unwrap();
    one.migrate(&catalog()).await.unwrap();
    commit(&one, "1", vec![put(&NOTES, "a", json!({}))]).await.unwrap();
    let two = open_store(&name).await.unwrap();
    // A collection is added. The first handle does not know it, and is not affected.
    const MORE: runstate::schema::Collection = runstate::schema::Collection::new("try.more", 1);
    two.migrate(&runstate::schema::Catalog::new(&[&MORE]).unwrap()).await.unwrap();
    commit(&one, "2", vec![put(&NOTES, "b", json!({}))]).await.unwrap();
    commit(&two, "3", vec![put(&MORE, "c", json!({}))]).await.unwrap();
    assert_eq!(one.read_only_reason(), None);
    assert_eq!(ids(&one, Query::of(&NOTES)).await.unwrap(), ["a", "b"]);
}

#[wasm_bindgen_test]
async fn two_concurrent_upgrades_both_succeed() {
    let name = fresh_name();
    fill_database(&name).await;
    let (one, two) = (open_store(&name).await.unwrap(), open_store(&name).await.unwrap());
    let catalog = next_catalog();
    let both = runstate::testing::join_all(vec![one.migrate(&catalog), two.migrate(&catalog)]).await;
    assert_eq!(both, [Ok(()), Ok(())]);
    assert_eq!(ids(&one, Query::of(&NEXT_ITEMS).eq("n", 3)).await.unwrap(), ["i003"]);
    assert_eq!(ids(&two, Query::of(&NEXT_ITEMS).eq("n", 4)).await.unwrap(), ["i004"]);
}

#[wasm_bindgen_test]
async fn damaged_document_blocks_its_upgrade_but_not_reads() {
    let name = fresh_name();
    fill_database(&name).await;
    edit_record(&name, ITEMS.name, "i300", "record.doc = '{}'").await;
    let store = open_store(&name).await.unwrap();
    let result = store.migrate(&next_catalog()).await;
    assert!(result.as_ref().unwrap_err().to_string().contains("try.items/i300"), "{result:?}");
    assert_eq!(store.read_only_reason().map(|e| e.code().as_str()), Some("corrupt"));
    assert_eq!(find(&store, &NEXT_ITEMS, "i299").await.unwrap().unwrap().document["n"], 299);
    assert_eq!(code(&commit(&store, "c", vec![put(&NEXT_ITEMS, "i1", json!({}))]).await), "read_only");
    // A program with the previous catalog can continue.
    store.migrate(&catalog()).await.unwrap();
    commit(&store, "mend", vec![put(&NOTES, "b", json!({}))]).await.unwrap();
}

#[wasm_bindgen_test]
async fn newer_format_is_read_and_not_written() {
    let name = fresh_name();
    fill_database(&name).await;
    edit_record(&name, "runstate", "store", "record.format = 4").await;
    let store = open_store(&name).await.unwrap();
    assert_eq!(code(&store.migrate(&catalog()).await), "newer_version");
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    assert_eq!(code(&commit(&store, "c", vec![put(&NOTES, "b", json!({}))]).await), "read_only");
}

#[wasm_bindgen_test]
async fn database_of_format_1_is_upgraded_with_its_contents() {
    let name = fresh_name();
    fill_database(&name).await;
    // As in format 1: one browser index per declared index.
    let downgrade = "
        const now = await settled(indexedDB.open(name));
        const { version } = now;
        now.close();
        const request = indexedDB.open(name, version + 1);
        request.onupgradeneeded = () => {
            const [db, tx] = [request.result, request.transaction];
            const items = tx.objectStore('try.items');
            items.deleteIndex('i');
            items.createIndex('k0', 'i.k0', { multiEntry: true });
            const meta = tx.objectStore('runstate');
            meta.get('store').onsuccess = ({ target }) => meta.put({ ...target.result, format: 1 }, 'store');
            for (const key of ['try.items', 'runstate.commands']) meta.get(key).onsuccess = ({ target }) => {
                const indexes = target.result.indexes.map((index, n) => ({ ...index, slot: `k${n}` }));
                meta.put({ ...target.result, indexes }, key);
            };
            items.openCursor().onsuccess = ({ target: { result: cursor } }) => {
                if (cursor === null) return;
                cursor.update({ ...cursor.value, i: { k0: ['old'] } });
                cursor.continue();
            };
            tx.objectStore('runstate.commands').deleteIndex('i');
        };
        (await settled(request)).close();";
    run_script(downgrade, &name).await;
    let store = open_store(&name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    assert_eq!(ids(&store, Query::of(&ITEMS).eq("n", 5)).await.unwrap(), ["i005"]);
    let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
    commit(&store, "on", vec![put(&NOTES, "b", json!({}))]).await.unwrap();
    assert_eq!(store.changes(Some(start), 9, Millis(0)).await.unwrap().events.len(), 1);
    let script = "
        const db = await settled(indexedDB.open(name));
        const tx = db.transaction(['try.items', 'runstate']);
        const identity = await settled(tx.objectStore('runstate').get('store'));
        db.close();
        return `${[...tx.objectStore('try.items').indexNames]} ${identity.format}`;";
    assert_eq!(run_script(script, &name).await.as_string().unwrap(), "i 3");
}

#[wasm_bindgen_test]
async fn upgrade_from_format_2_keeps_a_commit_in_flight_of_an_older_tab() {
    let name = fresh_name();
    fill_database(&name).await;
    // As in format 2: a row at the end of the feed. A tab commits as that version did, and closes when it is asked to.
    let older_tab = "
        const now = await settled(indexedDB.open(name));
        const { version } = now;
        now.close();
        const request = indexedDB.open(name, version + 1);
        request.onupgradeneeded = () => {
            const end = request.result.createObjectStore('end');
            end.createIndex('one', 'one', { unique: true });
            end.add({ one: 1 }, 601);
            const meta = request.transaction.objectStore('runstate');
            meta.get('store').onsuccess = ({ target }) => meta.put({ ...target.result, format: 2 }, 'store');
        };
        const db = await settled(request);
        db.onversionchange = () => db.close();
        const tx = db.transaction(['end', 'changes'], 'readwrite', { durability: 'strict' });
        globalThis.olderCommit = ended(tx);
        const [end, until] = [tx.objectStore('end'), Date.now() + 300];
        end.delete(601);
        end.add({ one: 1 }, 602);
        const finish = () => {
            if (Date.now() < until) end.get(0).onsuccess = finish;
            else tx.objectStore('changes').put({ last: 602, commits: [{ command: 'older', changes: [['try.notes', 'x', null]] }] }, 602);
        };
        finish();";
    run_script(older_tab, &name).await;
    let store = open_migrated(&name).await;
    run_script("await globalThis.olderCommit", "").await;
    let last = commit(&store, "newer", vec![put(&NOTES, "b", json!({}))]).await.unwrap().position;
    assert!(last.0.ends_with(".603"), "{last:?}");
    let begin = Position(last.0.replace(".603", ".601"));
    let events = store.changes(Some(begin), 9, Millis(0)).await.unwrap().events;
    assert_eq!(events.iter().map(|event| event.command.as_str()).collect::<Vec<_>>(), ["older", "newer"]);
    assert_eq!(store.collections().await.unwrap(), ["runstate.commands", "try.items", "try.notes"]);
    let script = "
        const db = await settled(indexedDB.open(name));
        const identity = await settled(db.transaction(['runstate']).objectStore('runstate').get('store'));
        db.close();
        return `${identity.format} ${db.objectStoreNames.contains('end')}`;";
    assert_eq!(run_script(script, &name).await.as_string().unwrap(), "3 false");
}

const RESTORE_OPEN: &str = "IDBFactory.prototype.open = globalThis.openAsEver";

#[wasm_bindgen_test]
async fn recreated_database_is_not_upgraded_by_an_older_handle() {
    let name = fresh_name();
    fill_database(&name).await;
    let store = open_store(&name).await.unwrap();
    // Between reading the layout and the upgrade, the site data is cleared and another tab creates a new store.
    let recreate = "
        globalThis.openAsEver = IDBFactory.prototype.open;
        IDBFactory.prototype.open = function (name, version) {
            if (version === undefined) return globalThis.openAsEver.call(this, name);
            IDBFactory.prototype.open = globalThis.openAsEver;
            indexedDB.deleteDatabase(name);
            const other = indexedDB.open(name, 1);
            other.onupgradeneeded = () => {
                const [meta] = ['runstate', 'changes', 'runstate.commands', 'try.items', 'try.notes'].map(
                    (store) => other.result.createObjectStore(store));
                meta.put({ format: 1, store: 'another' }, 'store');
            };
            other.onsuccess = () => other.result.close();
            return indexedDB.open(name, version);
        };";
    let patch = BrowserPatch::apply(recreate, RESTORE_OPEN).await;
    let error = store.migrate(&next_catalog()).await.unwrap_err();
    drop(patch);
    assert!(error.to_string().contains("it was deleted"), "{error}");
    let read_keys = "
        const db = await settled(indexedDB.open(name));
        const keys = await settled(db.transaction(['runstate']).objectStore('runstate').getAllKeys());
        db.close();
        return `${db.version} ${keys}`;";
    assert_eq!(run_script(read_keys, &name).await.as_string().unwrap(), "1 store");
}

const RESTORE_PUT: &str = "IDBObjectStore.prototype.put = globalThis.putAsEver";

#[wasm_bindgen_test]
async fn dropped_upgrade_leaves_no_half_upgraded_database() {
    let name = fresh_name();
    fill_database(&name).await;
    let store = open_store(&name).await.unwrap();
    let watch = "
        globalThis.putAsEver = IDBObjectStore.prototype.put;
        globalThis.rewriting = new Promise((begun) => {
            IDBObjectStore.prototype.put = function (...given) {
                if (this.name === 'try.items') begun();
                return globalThis.putAsEver.apply(this, given);
            };
        });";
    let patch = BrowserPatch::apply(watch, RESTORE_PUT).await;
    let catalog = next_catalog();
    let mut upgrade = store.migrate(&catalog);
    let mut begun = Box::pin(run_script("await globalThis.rewriting", ""));
    poll_fn(|cx| {
        assert!(upgrade.as_mut().poll(cx).is_pending());
        begun.as_mut().poll(cx).map(drop)
    })
    .await;
    drop(upgrade);
    drop(patch);
    // A program with the previous catalog finds the data unchanged.
    let again = open_store(&name).await.unwrap();
    again.migrate(&super::fixture::catalog()).await.unwrap();
    assert_eq!(ids(&again, Query::of(&ITEMS).eq("n", 5)).await.unwrap(), ["i005"]);
    again.migrate(&next_catalog()).await.unwrap();
    assert_eq!(ids(&again, Query::of(&NEXT_ITEMS).eq("n", 5)).await.unwrap(), ["i005"]);
}

#[wasm_bindgen_test]
async fn upgrade_aborted_by_the_browser_says_why() {
    let name = fresh_name();
    fill_database(&name).await;
    let store = open_store(&name).await.unwrap();
    // The request fails later, as it does for lack of space.
    let failing = "
        globalThis.putAsEver = IDBObjectStore.prototype.put;
        IDBObjectStore.prototype.put = function (...given) { return this.add(...given); };";
    let patch = BrowserPatch::apply(failing, RESTORE_PUT).await;
    let error = store.migrate(&next_catalog()).await.unwrap_err();
    drop(patch);
    assert!(error.to_string().contains("ConstraintError"), "{error}");
}

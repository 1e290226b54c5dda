//! One database under several catalogs: what is raised, what stays, and who is too old.

use std::future::{Future, poll_fn};

use runstate::schema::Direction::Descending;
use runstate::schema::Query;
use runstate::store::Store;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{Bent, edit, run};
use super::scene::{ITEMS, NEXT_ITEMS, NOTES, catalog, code, commit, find, ids, next_catalog, put};
use super::{name, opened};

/// Fills a database with 600 items, more than are rewritten at once, and a note.
async fn filled(name: &str) {
    let store = opened(name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let item = |i: i64| put(&ITEMS, &format!("i{i:03}"), json!({"n": i, "at": i % 7, "tags": [i % 3, "all"]}));
    commit(&store, "fill", (0..600).map(item).collect()).await.unwrap();
    commit(&store, "note", vec![put(&NOTES, "a", json!({"line": "1"}))]).await.unwrap();
    store.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn documents_stay_and_new_indexes_know_them() {
    let name = name();
    filled(&name).await;
    let store = opened(&name).await.unwrap();
    let before = find(&store, &ITEMS, "i007").await.unwrap();
    store.migrate(&next_catalog()).await.unwrap();
    assert_eq!(find(&store, &ITEMS, "i007").await.unwrap(), before);
    let latest = Query::of(&NEXT_ITEMS).sort("n", Descending).limit(2);
    assert_eq!(ids(&store, latest).await.unwrap(), ["i599", "i598"]);
    let last = Query::of(&NEXT_ITEMS).eq("at", 6).sort("at", Descending).limit(2);
    assert_eq!(ids(&store, last).await.unwrap(), ["i006", "i013"]);
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    // What was projected for the first version is gone, and each index of the second has all that it should.
    let counts = "
        const db = await settled(indexedDB.open(name));
        const store = db.transaction(['try.items']).objectStore('try.items');
        const record = await settled(store.get('i007'));
        const counts = [];
        for (const index of store.indexNames) counts.push(await settled(store.index(index).count()));
        db.close();
        return `${record.i.length} ${counts}`;";
    assert_eq!(run(counts, &name).await.as_string().unwrap(), "4 2400");
}

#[wasm_bindgen_test]
async fn opening_what_is_as_it_should_be_changes_nothing() {
    let name = name();
    filled(&name).await;
    let version = "const db = await settled(indexedDB.open(name)); db.close(); return db.version;";
    let before = run(version, &name).await;
    for _ in 0..2 {
        let store = opened(&name).await.unwrap();
        store.migrate(&catalog()).await.unwrap();
        store.close().await.unwrap();
    }
    assert_eq!(run(version, &name).await, before);
}

#[wasm_bindgen_test]
async fn an_older_program_reads_what_a_newer_one_has_raised() {
    let name = name();
    filled(&name).await;
    let old = opened(&name).await.unwrap();
    old.migrate(&catalog()).await.unwrap();
    // The older one has the database open, and lets go by itself.
    let new = opened(&name).await.unwrap();
    new.migrate(&next_catalog()).await.unwrap();
    commit(&new, "new", vec![put(&NEXT_ITEMS, "i000", json!({"n": -1}))]).await.unwrap();

    assert_eq!(find(&old, &ITEMS, "i000").await.unwrap().unwrap().document["n"], -1);
    assert_eq!(old.health().map(|e| e.code().as_str()), Some("newer_version"));
    assert_eq!(code(&commit(&old, "old", vec![put(&ITEMS, "i000", json!({}))]).await), "read_only");
    // An index that is not there any more is done without: the answer is the same.
    assert_eq!(ids(&old, Query::of(&ITEMS).eq("n", 5)).await.unwrap(), ["i005"]);
    assert_eq!(ids(&old, Query::of(&ITEMS).eq("n", -1)).await.unwrap(), ["i000"]);
    assert_eq!(code(&old.sweep(ITEMS.name, runstate::time::Timestamp::from_millis(9_000), 10).await), "read_only");

    let again = opened(&name).await.unwrap();
    assert_eq!(code(&again.migrate(&catalog()).await), "newer_version");
    assert_eq!(find(&again, &ITEMS, "i001").await.unwrap().unwrap().document["n"], 1);
    new.migrate(&next_catalog()).await.unwrap();
    commit(&new, "newer", vec![put(&NEXT_ITEMS, "i001", json!({}))]).await.unwrap();
}

#[wasm_bindgen_test]
async fn tabs_of_one_version_go_on_over_an_upgrade() {
    let name = name();
    let one = opened(&name).await.unwrap();
    one.migrate(&catalog()).await.unwrap();
    commit(&one, "1", vec![put(&NOTES, "a", json!({}))]).await.unwrap();
    let two = opened(&name).await.unwrap();
    // Another collection comes to it; the first program knows nothing of it and loses nothing by it.
    const MORE: runstate::schema::Collection = runstate::schema::Collection::new("try.more", 1);
    two.migrate(&runstate::schema::Catalog::new(&[&MORE]).unwrap()).await.unwrap();
    commit(&one, "2", vec![put(&NOTES, "b", json!({}))]).await.unwrap();
    commit(&two, "3", vec![put(&MORE, "c", json!({}))]).await.unwrap();
    assert_eq!(one.health(), None);
    assert_eq!(ids(&one, Query::of(&NOTES)).await.unwrap(), ["a", "b"]);
}

#[wasm_bindgen_test]
async fn two_who_raise_at_once_both_come_through() {
    let name = name();
    filled(&name).await;
    let (one, two) = (opened(&name).await.unwrap(), opened(&name).await.unwrap());
    let catalog = next_catalog();
    let both = runstate::testing::join_all(vec![one.migrate(&catalog), two.migrate(&catalog)]).await;
    assert_eq!(both, [Ok(()), Ok(())]);
    assert_eq!(ids(&one, Query::of(&NEXT_ITEMS).eq("n", 3)).await.unwrap(), ["i003"]);
    assert_eq!(ids(&two, Query::of(&NEXT_ITEMS).eq("n", 4)).await.unwrap(), ["i004"]);
}

#[wasm_bindgen_test]
async fn a_damaged_document_stops_no_reading_and_is_not_raised() {
    let name = name();
    filled(&name).await;
    edit(&name, ITEMS.name, "i300", "record.doc = '{}'").await;
    let store = opened(&name).await.unwrap();
    let raised = store.migrate(&next_catalog()).await;
    assert!(raised.as_ref().unwrap_err().to_string().contains("try.items/i300"), "{raised:?}");
    assert_eq!(store.health().map(|e| e.code().as_str()), Some("corrupt"));
    assert_eq!(find(&store, &NEXT_ITEMS, "i299").await.unwrap().unwrap().document["n"], 299);
    assert_eq!(code(&commit(&store, "c", vec![put(&NEXT_ITEMS, "i1", json!({}))]).await), "read_only");
    // Who asks for the version before can go on as before.
    store.migrate(&catalog()).await.unwrap();
    commit(&store, "mend", vec![put(&NOTES, "b", json!({}))]).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_format_of_the_future_is_read_and_not_written() {
    let name = name();
    filled(&name).await;
    edit(&name, "runstate", "store", "record.format = 3").await;
    let store = opened(&name).await.unwrap();
    assert_eq!(code(&store.migrate(&catalog()).await), "newer_version");
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    assert_eq!(code(&commit(&store, "c", vec![put(&NOTES, "b", json!({}))]).await), "read_only");
}

#[wasm_bindgen_test]
async fn what_an_older_program_made_is_raised_with_all_that_is_in_it() {
    let name = name();
    filled(&name).await;
    // As format 1 had it: an index of the browser for each of ours, and no fence.
    let back = "
        const now = await settled(indexedDB.open(name));
        const { version } = now;
        now.close();
        const request = indexedDB.open(name, version + 1);
        request.onupgradeneeded = () => {
            const [db, tx] = [request.result, request.transaction];
            db.deleteObjectStore('end');
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
    run(back, &name).await;
    let store = opened(&name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    assert_eq!(ids(&store, Query::of(&ITEMS).eq("n", 5)).await.unwrap(), ["i005"]);
    let start = store.changes(None, 1, runstate::time::Millis(0)).await.unwrap().next;
    commit(&store, "on", vec![put(&NOTES, "b", json!({}))]).await.unwrap();
    assert_eq!(store.changes(Some(start), 9, runstate::time::Millis(0)).await.unwrap().events.len(), 1);
    let told = "
        const db = await settled(indexedDB.open(name));
        const tx = db.transaction(['try.items', 'runstate', 'end']);
        const identity = await settled(tx.objectStore('runstate').get('store'));
        const ends = await settled(tx.objectStore('end').getAllKeys());
        db.close();
        return `${[...tx.objectStore('try.items').indexNames]} ${identity.format} ${ends}`;";
    assert_eq!(run(told, &name).await.as_string().unwrap(), "i 2 602");
}

const OPEN_AS_EVER: &str = "IDBFactory.prototype.open = globalThis.openAsEver";

#[wasm_bindgen_test]
async fn what_was_made_anew_under_the_name_is_not_raised_by_what_was_there_before() {
    let name = name();
    filled(&name).await;
    let store = opened(&name).await.unwrap();
    // Between the look at it and the change the data of the site are cleared, and another tab begins anew.
    let anew = "
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
    let bent = Bent::by(anew, OPEN_AS_EVER).await;
    let error = store.migrate(&next_catalog()).await.unwrap_err();
    drop(bent);
    assert!(error.to_string().contains("it was deleted"), "{error}");
    let kept = "
        const db = await settled(indexedDB.open(name));
        const keys = await settled(db.transaction(['runstate']).objectStore('runstate').getAllKeys());
        db.close();
        return `${db.version} ${keys}`;";
    assert_eq!(run(kept, &name).await.as_string().unwrap(), "1 store");
}

const PUT_AS_EVER: &str = "IDBObjectStore.prototype.put = globalThis.putAsEver";

#[wasm_bindgen_test]
async fn an_upgrade_that_nobody_waits_for_is_not_left_half_done() {
    let name = name();
    filled(&name).await;
    let store = opened(&name).await.unwrap();
    let watch = "
        globalThis.putAsEver = IDBObjectStore.prototype.put;
        globalThis.rewriting = new Promise((begun) => {
            IDBObjectStore.prototype.put = function (...given) {
                if (this.name === 'try.items') begun();
                return globalThis.putAsEver.apply(this, given);
            };
        });";
    let bent = Bent::by(watch, PUT_AS_EVER).await;
    let catalog = next_catalog();
    let mut raising = store.migrate(&catalog);
    let mut begun = Box::pin(run("await globalThis.rewriting", ""));
    poll_fn(|cx| {
        assert!(raising.as_mut().poll(cx).is_pending());
        begun.as_mut().poll(cx).map(drop)
    })
    .await;
    drop(raising);
    drop(bent);
    // Who asks for what was there before finds it as it was.
    let again = opened(&name).await.unwrap();
    again.migrate(&super::scene::catalog()).await.unwrap();
    assert_eq!(ids(&again, Query::of(&ITEMS).eq("n", 5)).await.unwrap(), ["i005"]);
    again.migrate(&next_catalog()).await.unwrap();
    assert_eq!(ids(&again, Query::of(&NEXT_ITEMS).eq("n", 5)).await.unwrap(), ["i005"]);
}

#[wasm_bindgen_test]
async fn an_upgrade_that_the_browser_aborts_says_why() {
    let name = name();
    filled(&name).await;
    let store = opened(&name).await.unwrap();
    // A request that fails later, as one does for which there is no space.
    let failing = "
        globalThis.putAsEver = IDBObjectStore.prototype.put;
        IDBObjectStore.prototype.put = function (...given) { return this.add(...given); };";
    let bent = Bent::by(failing, PUT_AS_EVER).await;
    let error = store.migrate(&next_catalog()).await.unwrap_err();
    drop(bent);
    assert!(error.to_string().contains("ConstraintError"), "{error}");
}

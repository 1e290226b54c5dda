//! Changes that the tests make in the browser without the store, as JavaScript.

use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// Helpers that open databases and await requests and transactions.
const SCRIPT_HELPERS: &str = "
    const settled = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const ended = (tx) => new Promise((resolve, reject) => {
        tx.oncomplete = resolve;
        tx.onabort = () => reject(tx.error);
    });
";

/// Runs a body of an async function with the parameter `name`, and returns its result.
pub async fn run_script(body: &str, name: &str) -> JsValue {
    let call = Function::new_with_args("name", &format!("{SCRIPT_HELPERS}\nreturn (async () => {{ {body} }})();"));
    let promise: Promise = call.call1(&JsValue::NULL, &name.into()).unwrap().into();
    JsFuture::from(promise).await.unwrap()
}

/// Edits a record of a collection by the body of a function of `record`.
pub async fn edit_record(name: &str, collection: &str, id: &str, body: &str) {
    let body = format!(
        "const db = await settled(indexedDB.open(name));
         const tx = db.transaction(['{collection}'], 'readwrite');
         const store = tx.objectStore('{collection}');
         const record = await settled(store.get('{id}'));
         const edited = ((record) => {{ {body} }})(record);
         store.put(edited === undefined ? record : edited, '{id}');
         await ended(tx);
         db.close();"
    );
    run_script(&body, name).await;
}

/// A patch of browser functions, which is undone on drop.
pub struct BrowserPatch(&'static str);

impl BrowserPatch {
    /// Runs `bend`, and `back` on drop.
    pub async fn apply(bend: &str, back: &'static str) -> Self {
        run_script(bend, "").await;
        Self(back)
    }
}

impl Drop for BrowserPatch {
    fn drop(&mut self) {
        Function::new_no_args(self.0).call0(&JsValue::NULL).unwrap();
    }
}

/// Returns a patch that runs the body of a function of `tx` on the next transaction that writes.
pub fn patch_next_write(body: &str) -> String {
    format!(
        "globalThis.begin = IDBDatabase.prototype.transaction;
         let left = 1;
         IDBDatabase.prototype.transaction = function (...given) {{
             const tx = globalThis.begin.apply(this, given);
             if (given[1] === 'readwrite' && left-- > 0) ((tx) => {{ {body} }})(tx);
             return tx;
         }};"
    )
}
/// Undoes [`patch_next_write`].
pub const RESTORE_TRANSACTION: &str = "IDBDatabase.prototype.transaction = globalThis.begin";

//! What the tests do to the browser behind the store's back, in its own words.

use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// Opens databases and waits for requests and transactions.
const WORDS: &str = "
    const settled = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const ended = (tx) => new Promise((resolve, reject) => {
        tx.oncomplete = resolve;
        tx.onabort = () => reject(tx.error);
    });
";

/// Runs the body of an async function of `name`; what it returns.
pub async fn run(body: &str, name: &str) -> JsValue {
    let call = Function::new_with_args("name", &format!("{WORDS}\nreturn (async () => {{ {body} }})();"));
    let promise: Promise = call.call1(&JsValue::NULL, &name.into()).unwrap().into();
    JsFuture::from(promise).await.unwrap()
}

/// Changes a record of a collection by the body of a function of `record`.
pub async fn edit(name: &str, collection: &str, id: &str, body: &str) {
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
    run(&body, name).await;
}

/// Something of the browser that behaves otherwise until this is undone.
pub struct Bent(&'static str);

impl Bent {
    /// Runs `bend`, and `back` when it is over.
    pub async fn by(bend: &str, back: &'static str) -> Self {
        run(bend, "").await;
        Self(back)
    }
}

impl Drop for Bent {
    fn drop(&mut self) {
        Function::new_no_args(self.0).call0(&JsValue::NULL).unwrap();
    }
}

/// Does something to each transaction that writes, given as the body of a function of `tx`, once.
pub fn meddle(body: &str) -> String {
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
/// Undoes [`meddle`].
pub const MEDDLE_NO_MORE: &str = "IDBDatabase.prototype.transaction = globalThis.begin";

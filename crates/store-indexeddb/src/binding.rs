//! Bindings to the browser calls that the store makes. They are structural: they check no class, so pages, workers and
//! test doubles work alike, and web-sys is not needed. A call that may throw returns the exception.

use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The global object.
    pub type GlobalObject;
    #[wasm_bindgen(method, structural, getter, catch, js_name = indexedDB)]
    pub fn indexed_db(this: &GlobalObject) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, structural, getter, js_name = BroadcastChannel)]
    pub fn broadcast_channel(this: &GlobalObject) -> JsValue;

    /// `IDBFactory`.
    pub type IdbFactory;
    #[wasm_bindgen(method, structural, catch, js_name = open)]
    pub fn open(this: &IdbFactory, name: &str) -> Result<IdbRequest, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = open)]
    pub fn open_version(this: &IdbFactory, name: &str, version: f64) -> Result<IdbRequest, JsValue>;

    /// `IDBRequest` and `IDBOpenDBRequest`.
    #[derive(Clone, Debug)]
    pub type IdbRequest;
    #[wasm_bindgen(method, structural, getter)]
    pub fn result(this: &IdbRequest) -> JsValue;
    #[wasm_bindgen(method, structural, getter)]
    pub fn error(this: &IdbRequest) -> JsValue;
    #[wasm_bindgen(method, structural, getter)]
    pub fn transaction(this: &IdbRequest) -> IdbTransaction;
    #[wasm_bindgen(method, structural, setter, js_name = onsuccess)]
    pub fn on_success(this: &IdbRequest, handler: &Function);
    #[wasm_bindgen(method, structural, setter, js_name = onerror)]
    pub fn on_error(this: &IdbRequest, handler: &Function);
    #[wasm_bindgen(method, structural, setter, js_name = onblocked)]
    pub fn on_blocked(this: &IdbRequest, handler: &Function);
    #[wasm_bindgen(method, structural, setter, js_name = onupgradeneeded)]
    pub fn on_upgrade(this: &IdbRequest, handler: &Function);

    /// The event that handlers receive.
    #[derive(Clone, Debug)]
    pub type IdbEvent;
    #[wasm_bindgen(method, structural, getter, js_name = type)]
    pub fn kind(this: &IdbEvent) -> String;

    /// `IDBDatabase`.
    #[derive(Clone, Debug)]
    pub type IdbDatabase;
    #[wasm_bindgen(method, structural, getter)]
    pub fn version(this: &IdbDatabase) -> f64;
    #[wasm_bindgen(method, structural, getter, js_name = objectStoreNames)]
    pub fn store_names(this: &IdbDatabase) -> JsValue;
    #[wasm_bindgen(method, structural, catch, js_name = transaction)]
    pub fn transaction(
        this: &IdbDatabase,
        stores: &Array,
        mode: &str,
        options: &JsValue,
    ) -> Result<IdbTransaction, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = createObjectStore)]
    pub fn create_store(this: &IdbDatabase, name: &str) -> Result<IdbObjectStore, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = deleteObjectStore)]
    pub fn delete_store(this: &IdbDatabase, name: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural)]
    pub fn close(this: &IdbDatabase);
    #[wasm_bindgen(method, structural, setter, js_name = onversionchange)]
    pub fn on_version_change(this: &IdbDatabase, handler: &JsValue);
    #[wasm_bindgen(method, structural, setter, js_name = onclose)]
    pub fn on_close(this: &IdbDatabase, handler: &JsValue);

    /// `IDBTransaction`.
    #[derive(Clone, Debug)]
    pub type IdbTransaction;
    #[wasm_bindgen(method, structural, catch, js_name = objectStore)]
    pub fn store(this: &IdbTransaction, name: &str) -> Result<IdbObjectStore, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn commit(this: &IdbTransaction) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn abort(this: &IdbTransaction) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, getter)]
    pub fn error(this: &IdbTransaction) -> JsValue;
    #[wasm_bindgen(method, structural, setter, js_name = oncomplete)]
    pub fn on_complete(this: &IdbTransaction, handler: &Function);
    #[wasm_bindgen(method, structural, setter, js_name = onabort)]
    pub fn on_abort(this: &IdbTransaction, handler: &Function);

    /// A source of reads by key: `IDBObjectStore` and `IDBIndex`.
    #[derive(Clone, Debug)]
    pub type IdbSource;
    #[wasm_bindgen(method, structural, catch, js_name = get)]
    pub fn get(this: &IdbSource, key: &str) -> Result<IdbRequest, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = getAll)]
    pub fn get_all(this: &IdbSource, range: &JsValue, count: u32) -> Result<IdbRequest, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = getAllKeys)]
    pub fn get_all_keys(this: &IdbSource, range: &JsValue, count: u32) -> Result<IdbRequest, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = openKeyCursor)]
    pub fn open_key_cursor(this: &IdbSource, range: &JsValue, direction: &str) -> Result<IdbRequest, JsValue>;

    /// `IDBObjectStore`.
    #[wasm_bindgen(extends = IdbSource)]
    #[derive(Clone, Debug)]
    pub type IdbObjectStore;
    #[wasm_bindgen(method, structural, catch)]
    pub fn put(this: &IdbObjectStore, value: &JsValue, key: &JsValue) -> Result<IdbRequest, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn delete(this: &IdbObjectStore, key: &JsValue) -> Result<IdbRequest, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn index(this: &IdbObjectStore, name: &str) -> Result<IdbSource, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = createIndex)]
    pub fn create_index(this: &IdbObjectStore, name: &str, path: &str, options: &JsValue)
    -> Result<IdbSource, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = deleteIndex)]
    pub fn delete_index(this: &IdbObjectStore, name: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, getter, js_name = indexNames)]
    pub fn index_names(this: &IdbObjectStore) -> JsValue;

    /// `IDBCursor`.
    #[derive(Clone, Debug)]
    pub type IdbCursor;
    #[wasm_bindgen(method, structural, getter)]
    pub fn key(this: &IdbCursor) -> JsValue;
    #[wasm_bindgen(method, structural, catch)]
    pub fn advance(this: &IdbCursor, count: u32) -> Result<(), JsValue>;

    /// `IDBKeyRange`.
    pub type IdbKeyRange;
    #[wasm_bindgen(static_method_of = IdbKeyRange, js_class = IDBKeyRange, js_name = bound, catch)]
    pub fn bound(lower: &JsValue, upper: &JsValue, after: bool, before: bool) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(static_method_of = IdbKeyRange, js_class = IDBKeyRange, js_name = lowerBound, catch)]
    pub fn lower_bound(lower: &JsValue, after: bool) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(static_method_of = IdbKeyRange, js_class = IDBKeyRange, js_name = upperBound, catch)]
    pub fn upper_bound(upper: &JsValue, before: bool) -> Result<JsValue, JsValue>;

    /// `BroadcastChannel`.
    #[derive(Clone, Debug)]
    #[wasm_bindgen(js_name = BroadcastChannel)]
    pub type Channel;
    #[wasm_bindgen(constructor, js_class = "BroadcastChannel", catch)]
    pub fn new(name: &str) -> Result<Channel, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = postMessage)]
    pub fn post(this: &Channel, message: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, setter, js_name = onmessage)]
    pub fn on_message(this: &Channel, handler: &JsValue);
    #[wasm_bindgen(method, structural)]
    pub fn close(this: &Channel);

    /// `StorageManager`, if the host has one.
    pub type StorageManager;
    #[wasm_bindgen(method, structural, catch)]
    pub fn estimate(this: &StorageManager) -> Result<Promise, JsValue>;

    /// `StorageEstimate`.
    pub type Estimate;
    #[wasm_bindgen(method, structural, getter)]
    pub fn quota(this: &Estimate) -> Option<f64>;
    #[wasm_bindgen(method, structural, getter)]
    pub fn usage(this: &Estimate) -> Option<f64>;

    /// A `DOMException`, or another thrown value.
    pub type Exception;
    #[wasm_bindgen(method, structural, getter)]
    pub fn name(this: &Exception) -> JsValue;
    #[wasm_bindgen(method, structural, getter)]
    pub fn message(this: &Exception) -> JsValue;
}

/// Returns the global object of the host.
pub fn global_object() -> GlobalObject {
    js_sys::global().unchecked_into()
}

/// Returns the texts of a `DOMStringList`.
pub fn list_strings(list: &JsValue) -> Vec<String> {
    Array::from(list).iter().filter_map(|text| text.as_string()).collect()
}

/// Returns the first event that reaches any handler. `listen` installs the given function as handler.
pub fn first_event(listen: impl Fn(&Function)) -> Promise {
    Promise::new(&mut |resolve, _| listen(&resolve))
}

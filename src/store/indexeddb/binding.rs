//! The calls of the browser that the store makes, by their names alone: no class is asked for, so a page, a worker and whatever stands
//! in for them are alike, and nothing of web-sys comes along. What may throw gives the exception.

use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The global object.
    pub type Host;
    #[wasm_bindgen(method, structural, getter, catch, js_name = indexedDB)]
    pub fn indexed_db(this: &Host) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, structural, getter, js_name = BroadcastChannel)]
    pub fn broadcast_channel(this: &Host) -> JsValue;

    /// `IDBFactory`.
    pub type Factory;
    #[wasm_bindgen(method, structural, catch, js_name = open)]
    pub fn open(this: &Factory, name: &str) -> Result<Request, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = open)]
    pub fn open_version(this: &Factory, name: &str, version: f64) -> Result<Request, JsValue>;

    /// `IDBRequest` and `IDBOpenDBRequest`.
    #[derive(Clone, Debug)]
    pub type Request;
    #[wasm_bindgen(method, structural, getter)]
    pub fn result(this: &Request) -> JsValue;
    #[wasm_bindgen(method, structural, getter)]
    pub fn error(this: &Request) -> JsValue;
    #[wasm_bindgen(method, structural, getter)]
    pub fn transaction(this: &Request) -> Transaction;
    #[wasm_bindgen(method, structural, setter, js_name = onsuccess)]
    pub fn on_success(this: &Request, handler: &Function);
    #[wasm_bindgen(method, structural, setter, js_name = onerror)]
    pub fn on_error(this: &Request, handler: &Function);
    #[wasm_bindgen(method, structural, setter, js_name = onblocked)]
    pub fn on_blocked(this: &Request, handler: &Function);
    #[wasm_bindgen(method, structural, setter, js_name = onupgradeneeded)]
    pub fn on_upgrade(this: &Request, handler: &Function);

    /// What handlers are called with.
    #[derive(Clone, Debug)]
    pub type Event;
    #[wasm_bindgen(method, structural, getter, js_name = type)]
    pub fn kind(this: &Event) -> String;
    #[wasm_bindgen(method, structural, getter, js_name = oldVersion)]
    pub fn old_version(this: &Event) -> f64;
    #[wasm_bindgen(method, structural, js_name = preventDefault)]
    pub fn prevent_default(this: &Event);

    /// `IDBDatabase`.
    #[derive(Clone, Debug)]
    pub type Database;
    #[wasm_bindgen(method, structural, getter)]
    pub fn version(this: &Database) -> f64;
    #[wasm_bindgen(method, structural, getter, js_name = objectStoreNames)]
    pub fn store_names(this: &Database) -> JsValue;
    #[wasm_bindgen(method, structural, catch, js_name = transaction)]
    pub fn transaction(this: &Database, stores: &Array, mode: &str, options: &JsValue) -> Result<Transaction, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = createObjectStore)]
    pub fn create_store(this: &Database, name: &str) -> Result<ObjectStore, JsValue>;
    #[wasm_bindgen(method, structural)]
    pub fn close(this: &Database);
    #[wasm_bindgen(method, structural, setter, js_name = onversionchange)]
    pub fn on_version_change(this: &Database, handler: &JsValue);
    #[wasm_bindgen(method, structural, setter, js_name = onclose)]
    pub fn on_close(this: &Database, handler: &JsValue);

    /// `IDBTransaction`.
    #[derive(Clone, Debug)]
    pub type Transaction;
    #[wasm_bindgen(method, structural, catch, js_name = objectStore)]
    pub fn store(this: &Transaction, name: &str) -> Result<ObjectStore, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn commit(this: &Transaction) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn abort(this: &Transaction) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, getter)]
    pub fn error(this: &Transaction) -> JsValue;
    #[wasm_bindgen(method, structural, setter, js_name = oncomplete)]
    pub fn on_complete(this: &Transaction, handler: &Function);
    #[wasm_bindgen(method, structural, setter, js_name = onabort)]
    pub fn on_abort(this: &Transaction, handler: &Function);

    /// What can be read by key: `IDBObjectStore` and `IDBIndex`.
    #[derive(Clone, Debug)]
    pub type Readable;
    #[wasm_bindgen(method, structural, catch, js_name = get)]
    pub fn get(this: &Readable, key: &str) -> Result<Request, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = getAll)]
    pub fn get_all(this: &Readable, range: &JsValue, count: u32) -> Result<Request, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = getAllKeys)]
    pub fn get_all_keys(this: &Readable, range: &JsValue, count: u32) -> Result<Request, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = openKeyCursor)]
    pub fn open_key_cursor(this: &Readable, range: &JsValue, direction: &str) -> Result<Request, JsValue>;

    /// `IDBObjectStore`.
    #[wasm_bindgen(extends = Readable)]
    #[derive(Clone, Debug)]
    pub type ObjectStore;
    #[wasm_bindgen(method, structural, catch)]
    pub fn put(this: &ObjectStore, value: &JsValue, key: &JsValue) -> Result<Request, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn add(this: &ObjectStore, value: &JsValue, key: &JsValue) -> Result<Request, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn delete(this: &ObjectStore, key: &JsValue) -> Result<Request, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn clear(this: &ObjectStore) -> Result<Request, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    pub fn index(this: &ObjectStore, name: &str) -> Result<Readable, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = createIndex)]
    pub fn create_index(this: &ObjectStore, name: &str, path: &str, options: &JsValue) -> Result<Readable, JsValue>;
    #[wasm_bindgen(method, structural, catch, js_name = deleteIndex)]
    pub fn delete_index(this: &ObjectStore, name: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, getter, js_name = indexNames)]
    pub fn index_names(this: &ObjectStore) -> JsValue;

    /// `IDBCursor`.
    #[derive(Clone, Debug)]
    pub type Cursor;
    #[wasm_bindgen(method, structural, getter)]
    pub fn key(this: &Cursor) -> JsValue;
    #[wasm_bindgen(method, structural, catch)]
    pub fn advance(this: &Cursor, count: u32) -> Result<(), JsValue>;

    /// `IDBKeyRange`.
    pub type KeyRange;
    #[wasm_bindgen(static_method_of = KeyRange, js_class = IDBKeyRange, js_name = bound, catch)]
    pub fn between(lower: &JsValue, upper: &JsValue, after: bool, before: bool) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(static_method_of = KeyRange, js_class = IDBKeyRange, js_name = lowerBound, catch)]
    pub fn from(lower: &JsValue, after: bool) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(static_method_of = KeyRange, js_class = IDBKeyRange, js_name = upperBound, catch)]
    pub fn up_to(upper: &JsValue, before: bool) -> Result<JsValue, JsValue>;

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

    /// `StorageManager`, where the host has one.
    pub type StorageManager;
    #[wasm_bindgen(method, structural, catch)]
    pub fn estimate(this: &StorageManager) -> Result<Promise, JsValue>;

    /// `StorageEstimate`.
    pub type Estimate;
    #[wasm_bindgen(method, structural, getter)]
    pub fn quota(this: &Estimate) -> Option<f64>;
    #[wasm_bindgen(method, structural, getter)]
    pub fn usage(this: &Estimate) -> Option<f64>;

    /// A `DOMException`, or whatever was thrown.
    pub type Exception;
    #[wasm_bindgen(method, structural, getter)]
    pub fn name(this: &Exception) -> JsValue;
    #[wasm_bindgen(method, structural, getter)]
    pub fn message(this: &Exception) -> JsValue;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    pub fn random_values(bytes: &mut [u8]) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = JSON, js_name = stringify, catch)]
    pub fn stringify(value: &JsValue, members: &JsValue) -> Result<JsValue, JsValue>;
}

/// The global object, of whatever host.
pub fn host() -> Host {
    js_sys::global().unchecked_into()
}

/// The texts of a `DOMStringList`.
pub fn texts(list: &JsValue) -> Vec<String> {
    Array::from(list).iter().filter_map(|text| text.as_string()).collect()
}

/// The first event that reaches any of these handlers: `listen` is given the function to put there.
pub fn first_event(listen: impl Fn(&Function)) -> Promise {
    Promise::new(&mut |resolve, _| listen(&resolve))
}

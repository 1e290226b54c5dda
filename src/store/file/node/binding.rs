//! The imported calls of JavaScript over `node:fs`. The npm package provides the object (`pkg/src/node/files.ts`).
//! Paths include the store's folder; errors are Node's, with a `code`.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The file calls of the host: the object of `pkg/src/node/files.ts`, which describes each call.
    #[derive(Clone, Debug)]
    pub type NodeFiles;

    #[wasm_bindgen(method, catch, js_name = makeFolder)]
    pub(super) async fn make_folder(this: &NodeFiles, path: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn create(this: &NodeFiles, path: &str) -> Result<OpenFile, JsValue>;

    #[wasm_bindgen(method, catch, js_name = syncFolder)]
    pub(super) async fn sync_folder(this: &NodeFiles, path: &str, and_above: bool) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn link(this: &NodeFiles, from: &str, to: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn rename(this: &NodeFiles, from: &str, to: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn list(this: &NodeFiles, path: &str) -> Result<Vec<String>, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn remove(this: &NodeFiles, path: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn size(this: &NodeFiles, path: &str) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn open(this: &NodeFiles, path: &str) -> Result<OpenFile, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn mounts(this: &NodeFiles, path: &str) -> Result<JsValue, JsValue>;

    /// An open file, as [`NodeFiles::create`] and [`NodeFiles::open`] return it.
    #[derive(Debug)]
    pub(super) type OpenFile;

    #[wasm_bindgen(method, getter)]
    pub(super) fn size(this: &OpenFile) -> f64;

    #[wasm_bindgen(method, catch)]
    pub(super) fn read(this: &OpenFile, offset: f64, into: &mut [u8]) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch, js_name = readLong)]
    pub(super) async fn read_long(this: &OpenFile, offset: f64, into: Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn write(this: &OpenFile, bytes: &[u8]) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch, js_name = writeLong)]
    pub(super) async fn write_long(this: &OpenFile, bytes: Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn sync(this: &OpenFile) -> Result<(), JsValue>;

    #[wasm_bindgen(method)]
    pub(super) fn close(this: &OpenFile);

    /// The result of [`NodeFiles::mounts`].
    pub(super) type Mounts;

    #[wasm_bindgen(method, getter)]
    pub(super) fn at(this: &Mounts) -> String;

    #[wasm_bindgen(method, getter)]
    pub(super) fn table(this: &Mounts) -> String;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    pub(super) fn random_values(bytes: &mut [u8]) -> Result<JsValue, JsValue>;
}

/// Converts a byte count to a JavaScript number.
#[expect(clippy::cast_precision_loss, reason = "files are far smaller than 2^53 bytes")]
pub fn to_js_number(n: u64) -> f64 {
    n as f64
}

/// Converts a JavaScript number to a byte count; an invalid number gives 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and files are small")]
pub fn from_js_number(n: f64) -> u64 {
    n as u64
}

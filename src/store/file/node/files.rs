//! The calls that JavaScript makes for us, over `node:fs`. The object that has them comes with the npm package (`pkg/src/node/files.ts`);
//! paths are whole ones, errors are Node's, with a `code`.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The files of the host: the object of `pkg/src/node/files.ts`, where each call is described.
    #[derive(Clone, Debug)]
    pub type NodeFiles;

    #[wasm_bindgen(method, catch, js_name = makeFolder)]
    pub(super) async fn make_folder(this: &NodeFiles, path: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = putTemp)]
    pub(super) async fn put_temp(this: &NodeFiles, path: &str, bytes: Uint8Array) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn create(this: &NodeFiles, path: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch, js_name = syncFolder)]
    pub(super) async fn sync_folder(this: &NodeFiles, path: &str, and_above: bool) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn link(this: &NodeFiles, from: &str, to: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn rename(this: &NodeFiles, from: &str, to: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn list(this: &NodeFiles, path: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn read(
        this: &NodeFiles,
        path: &str,
        start: Option<f64>,
        end: Option<f64>,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn remove(this: &NodeFiles, path: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn size(this: &NodeFiles, path: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn open(this: &NodeFiles, path: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn mounts(this: &NodeFiles, path: &str) -> Result<JsValue, JsValue>;

    /// What [`NodeFiles::create`] gives.
    pub(super) type NewFile;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn write(this: &NewFile, bytes: Uint8Array) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn finish(this: &NewFile) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn abandon(this: &NewFile) -> Result<(), JsValue>;

    /// What [`NodeFiles::open`] gives.
    #[derive(Debug)]
    pub(super) type OpenedFile;

    #[wasm_bindgen(method, getter)]
    pub(super) fn size(this: &OpenedFile) -> f64;

    #[wasm_bindgen(method, catch, js_name = readAt)]
    pub(super) fn read_at(this: &OpenedFile, offset: f64, length: f64) -> Result<Uint8Array, JsValue>;

    #[wasm_bindgen(method)]
    pub(super) fn close(this: &OpenedFile);

    /// What [`NodeFiles::mounts`] gives.
    pub(super) type Mounts;

    #[wasm_bindgen(method, getter)]
    pub(super) fn at(this: &Mounts) -> String;

    #[wasm_bindgen(method, getter)]
    pub(super) fn table(this: &Mounts) -> String;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    pub(super) fn random_values(bytes: &mut [u8]) -> Result<JsValue, JsValue>;
}

/// A copy that JavaScript owns. A view into our memory would move away under a call that takes its time.
pub fn owned(bytes: &[u8]) -> Uint8Array {
    Uint8Array::from(bytes)
}

/// The texts in a list; what is no text is left out.
pub fn texts(list: JsValue) -> Vec<String> {
    Array::from(&list).iter().filter_map(|name| name.as_string()).collect()
}

/// The bytes that a call gave.
pub fn bytes(value: JsValue) -> Vec<u8> {
    Uint8Array::new(&value).to_vec()
}

/// A count of bytes as JavaScript has it.
#[expect(clippy::cast_precision_loss, reason = "files are far smaller than 2^53 bytes")]
pub fn number(n: u64) -> f64 {
    n as f64
}

/// A count of bytes as we have it; what is none counts as 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and files are small")]
pub fn count(n: f64) -> u64 {
    n as u64
}

//! Random bytes of the JavaScript host.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn random_values(bytes: &mut [u8]) -> Result<(), JsValue>;
}

/// Fills `bytes`; `Err`: the reason why there are none.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), String> {
    random_values(bytes).map_err(|_| "crypto.getRandomValues failed".to_owned())
}

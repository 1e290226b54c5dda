//! Random bytes of the JavaScript host.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn random_values(bytes: &Uint8Array) -> Result<(), JsValue>;
}

/// Fills `bytes`; `Err`: the reason why there are none.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), String> {
    // An array of JavaScript: an optimised build may not see that a function of JavaScript writes to a slice.
    let random = Uint8Array::new_with_length(u32::try_from(bytes.len()).map_err(|error| error.to_string())?);
    random_values(&random).map_err(|_| "crypto.getRandomValues failed".to_owned())?;
    for (byte, index) in bytes.iter_mut().zip(0..) {
        *byte = random.get_index(index);
    }
    Ok(())
}

//! Bytes from JavaScript.
//!
//! JavaScript gives bytes as a result, in memory that it allocates. No import fills a `&mut [u8]`: wasm-bindgen 0.2.130
//! takes the address of such a slice through a shared reference, so an optimised build may read what the slice had
//! before (`wasm_bindgen::convert::slices`, `(&*self).into_abi()`). Command ids then had no random bits.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn random_values(array: &Uint8Array) -> Result<Vec<u8>, JsValue>;

    #[wasm_bindgen(js_namespace = Uint8Array, js_name = "prototype.subarray.call")]
    fn whole(array: &Uint8Array) -> Vec<u8>;
}

/// Returns `N` random bytes, at most 65,536, or the exception of `crypto.getRandomValues`.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], JsValue> {
    let array = Uint8Array::new_with_length(u32::try_from(N).unwrap_or(u32::MAX));
    <[u8; N]>::try_from(random_values(&array)?).map_err(|_| JsValue::from_str("getRandomValues gave fewer bytes"))
}

/// Returns the bytes of an array.
pub fn to_bytes(array: &Uint8Array) -> Vec<u8> {
    whole(array)
}

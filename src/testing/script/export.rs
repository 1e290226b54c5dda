//! Plays a script from JavaScript, on the store of a URL: on files in Node, on IndexedDB in a page.

use wasm_bindgen::prelude::*;

use super::Script;
use crate::engine::{Error, open};
use crate::error_code::ErrorCode;

/// Plays `script` on the new store at `url`. The script, its outcome and an error are JSON text.
#[wasm_bindgen(js_name = playScript)]
pub async fn play_script(url: String, script: String) -> Result<String, JsValue> {
    play_on_url(&url, &script).await.map_err(|error| JsValue::from_str(&format!("{}: {}", error.code, error.message)))
}

async fn play_on_url(url: &str, script: &str) -> Result<String, Error> {
    let script: Script = serde_json::from_str(script).map_err(|e| Error::new(ErrorCode::Usage, e.to_string()))?;
    let store = open::open(url).await?;
    let played = script.play(store.clone()).await?;
    store.close().await?;
    serde_json::to_string(&played).map_err(|e| Error::internal(e.to_string()))
}

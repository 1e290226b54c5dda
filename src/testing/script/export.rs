//! Playing a script from JavaScript, on the store of a URL: in Node on files, in a page on its database.

use wasm_bindgen::prelude::*;

use super::Script;
use crate::code::Code;
use crate::engine::{Error, open};

/// Plays `script` on the store that `url` names, which is new; what it came to. Both are JSON text, and so is an error.
#[wasm_bindgen(js_name = playScript)]
pub async fn play_script(url: String, script: String) -> Result<String, JsValue> {
    played(&url, &script).await.map_err(|error| JsValue::from_str(&format!("{}: {}", error.code, error.message)))
}

async fn played(url: &str, script: &str) -> Result<String, Error> {
    let script: Script = serde_json::from_str(script).map_err(|e| Error::new(Code::Usage, e.to_string()))?;
    let store = open::open(url).await?;
    let played = script.play(store.clone()).await?;
    store.close().await?;
    serde_json::to_string(&played).map_err(|e| Error::internal(e.to_string()))
}

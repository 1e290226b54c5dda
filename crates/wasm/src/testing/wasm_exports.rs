//! Exports for tests in JavaScript. One plays a script on the store of a URL: on files in Node, on IndexedDB in a
//! page. The other runs pure transitions of executions in bulk, to measure their cost in WebAssembly; the caller
//! measures the time.

use std::hint::black_box;

use runstate::open;
use runstate::testing::Script;
use runstate_core::decision::{Lifecycle, LifecycleEvent, LifecycleState};
use runstate_core::error_code::ErrorCode;
use runstate_domain_cvm::{ExecutionEvent, ExecutionHead, ExecutionState};
use runstate_engine::Error;
use wasm_bindgen::prelude::*;

/// Applies every event to every state, `rounds` times. Returns the number of transitions.
#[wasm_bindgen(js_name = makeTransitions)]
pub fn make_transitions(rounds: u32) -> u32 {
    let (states, events) = (ExecutionState::samples(), ExecutionEvent::samples());
    let mut made = 0;
    for _ in 0..rounds {
        for state in &states {
            for event in &events {
                drop(black_box(ExecutionHead::transition(black_box(state.clone()), black_box(event.clone()))));
                made += 1;
            }
        }
    }
    made
}

/// Plays `script` on the new store at `url`. The script, its outcome and an error are JSON text.
#[wasm_bindgen(js_name = playScript)]
pub async fn play_script(url: String, script: String) -> Result<String, JsValue> {
    play_on_url(&url, &script).await.map_err(|error| JsValue::from_str(&format!("{}: {}", error.code, error.message)))
}

async fn play_on_url(url: &str, script: &str) -> Result<String, Error> {
    let script: Script = serde_json::from_str(script).map_err(|e| Error::new(ErrorCode::USAGE, e.to_string()))?;
    let store = open::open(url).await?;
    let played = script.play(store.clone()).await?;
    store.close().await?;
    serde_json::to_string(&played).map_err(|e| Error::internal(e.to_string()))
}

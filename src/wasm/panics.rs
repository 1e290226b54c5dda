//! Defects that end the WebAssembly: what is known of one is shown, where otherwise only `unreachable` would be.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn show(message: &str);
}

/// From now on a panic shows its message and place on the console before it ends the WebAssembly.
#[wasm_bindgen(js_name = showPanics)]
pub fn show_panics() {
    std::panic::set_hook(Box::new(|panic| show(&format!("runstate: {panic}"))));
}

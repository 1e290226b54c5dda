//! Defects that end the WebAssembly: what is known of one is told, where otherwise only `unreachable` would be; afterwards nothing is
//! begun any more, since nobody knows what was left half done.

use std::cell::{Cell, RefCell};

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::engine::Error;

thread_local! {
    static BROKEN: Cell<bool> = const { Cell::new(false) };
    static TOLD: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// From now on `told` hears of a panic, its message and place, before it ends the WebAssembly.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(#[wasm_bindgen(unchecked_param_type = "(message: string) => void")] told: Function) {
    TOLD.set(Some(told));
    std::panic::set_hook(Box::new(|panic| {
        BROKEN.set(true);
        if let Some(told) = TOLD.take() {
            // Whoever listens must not hide the defect with an error of its own.
            drop(told.call1(&JsValue::NULL, &panic.to_string().into()));
        }
    }));
}

/// Refuses where the library has met a defect before.
pub(super) fn refuse_broken() -> Result<(), Error> {
    if !BROKEN.get() {
        return Ok(());
    }
    Err(Error::internal("runstate has met a defect and cannot go on here; load it anew (in a page: reload it)"))
}

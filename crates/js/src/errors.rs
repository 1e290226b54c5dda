//! Errors as JavaScript exceptions, and panics, which end the WebAssembly instance. A listener receives the message of
//! a panic, because JavaScript otherwise sees only `unreachable`. After a panic every operation fails, because state
//! may be inconsistent.

use std::cell::{Cell, RefCell};

use js_sys::Function;
use runstate_core::Error;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::*;

use super::value::to_js;

thread_local! {
    static PANICKED: Cell<bool> = const { Cell::new(false) };
    static PANIC_LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Calls `listener` with the message and location of the first panic, before it ends the WebAssembly instance.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(#[wasm_bindgen(unchecked_param_type = "(message: string) => void")] listener: Function) {
    PANIC_LISTENER.set(Some(listener));
    std::panic::set_hook(Box::new(|panic| {
        PANICKED.set(true);
        if let Some(listener) = PANIC_LISTENER.take() {
            // An error of the listener must not hide the panic.
            drop(listener.call1(&JsValue::NULL, &panic.to_string().into()));
        }
    }));
}

/// Fails if the library has panicked before.
pub fn check_not_panicked() -> Result<(), Error> {
    if !PANICKED.get() {
        return Ok(());
    }
    Err(Error::internal(
        "runstate has panicked and cannot continue in this instance; load the module again (in a page: reload the page)",
    ))
}

/// The fields of the error, from which the package builds a `RunstateError`.
pub fn to_js_error(error: Error) -> JsValue {
    to_js(&error).unwrap_or_else(|_| error.message.into())
}

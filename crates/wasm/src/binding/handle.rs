//! An open store, as exported to JavaScript.

use std::sync::Arc;

use js_sys::{Function, Promise};
use runstate::domain;
use runstate::open;
use runstate_core::decision::EngineSettings;
use runstate_engine::{Engine, Error, Host, SystemHost};
use runstate_js::json_to_js;
use runstate_js::to_js_error;
use runstate_store::Store;
use wasm_bindgen::prelude::*;

use super::export;
use super::promise::to_promise;
use super::worker::{self, WorkerHandle};
use crate::calls::{self, OpenOptions};

/// An open store with its engine.
#[wasm_bindgen]
pub struct Runstate {
    pub(super) engine: Engine,
}

impl Runstate {
    /// An engine over `store`, on `host`.
    pub(crate) async fn with_store(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        settings: EngineSettings,
    ) -> Result<Self, Error> {
        Ok(Self { engine: Engine::with_settings(store, host, domain::ALL, settings).await? })
    }
}

#[wasm_bindgen]
impl Runstate {
    /// Opens the store at `url`. `options`: `{ retentionMs?, logLevel?, heapBytes?, sliceInstructions?, sliceBytes?,
    /// mustExist?, keys? }`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Runstate>")]
    pub fn open(url: String, options: String) -> Promise {
        to_promise(async move {
            let OpenOptions { missing, settings, keys } = OpenOptions::from_text(&options)?;
            let store = open::open_with_keys(&url, missing, keys).await?.store;
            Ok(Self::with_store(store, Arc::new(SystemHost), settings).await?.into())
        })
    }

    /// Calls the operation of this name with `params`; see [`Engine::call`].
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn call(&self, method: String, params: String) -> Promise {
        let engine = self.engine.clone();
        to_promise(async move {
            calls::check_included(&method)?;
            let result = engine.call(&method, calls::object_from_text(&method, &params)?).await;
            let result = result.map_err(|error| calls::explain_not_found(&engine, error))?;
            json_to_js(&result)
        })
    }

    /// Checks a value against a JSON Schema, or the schema alone; see [`calls::check_value`].
    pub fn check(&self, name: &str, schema: &str, value: Option<String>) -> Result<(), JsValue> {
        runstate_js::check_not_panicked().map_err(to_js_error)?;
        calls::check_value(name, schema, value.as_deref()).map_err(to_js_error)
    }

    /// Starts a worker, which serves items of the collection `items` until it is stopped. `options`: `{ owner?, kinds:
    /// { name: concurrency }, leaseMs?, backoff?, runsDue?, graceMs?, maxHandlerMs?, finalAnswers? }`.
    ///
    /// `handler(kind, work, signal)` resolves to the answer as JSON text, or rejects with `{ message, name?, final? }`
    /// as JSON text. `signal` is an `AbortSignal`; it fires when the handler loses its claim. `listener(event)`
    /// receives the worker's events.
    pub fn worker(
        &self,
        items: &str,
        options: &str,
        #[wasm_bindgen(unchecked_param_type = "(kind: string, work: unknown, signal: AbortSignal) => Promise<string>")]
        handler: Function,
        #[wasm_bindgen(unchecked_optional_param_type = "(event: unknown) => void")] listener: Option<Function>,
    ) -> Result<WorkerHandle, JsValue> {
        runstate_js::check_not_panicked().map_err(to_js_error)?;
        worker::start_worker(&self.engine, items, options, handler, listener).map_err(to_js_error)
    }

    /// Calls `sink` with chunks of an export's whole lines; resolves to its summary. `sink(null)` discards all earlier
    /// chunks: the store was written to meanwhile, and the export starts again. `params`: `{ collection?, id? }`; one
    /// document is exported with the documents that it needs.
    #[wasm_bindgen(unchecked_return_type = "Promise<ExportSummary>")]
    pub fn export(
        &self,
        params: String,
        #[wasm_bindgen(unchecked_param_type = "(chunk: string | null) => void")] sink: Function,
    ) -> Promise {
        let engine = self.engine.clone();
        to_promise(async move { export::export(&engine, &params, sink).await })
    }

    /// Closes the store. Every later call fails; closing again succeeds.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn close(&self) -> Promise {
        let engine = self.engine.clone();
        to_promise(async move {
            engine.store().close().await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

//! An open store, as exported to JavaScript.

use std::sync::Arc;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

use super::errors::to_js_error;
use super::promise::to_promise;
use super::worker::{self, WorkerHandle};
use super::{errors, transfer};
use crate::domain;
use crate::engine::{Engine, Error, Host, SystemHost, open};
use crate::limits::Settings;
use crate::store::Store;
use crate::wasm::calls::{self, OpenParams};

/// An open store with its engine.
#[wasm_bindgen]
pub struct Runstate {
    engine: Engine,
}

impl Runstate {
    /// An engine over `store`, on `host`.
    pub(crate) async fn with_store(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        settings: Settings,
    ) -> Result<Self, Error> {
        let catalog = domain::catalog().map_err(|e| Error::internal(e.to_string()))?;
        Ok(Self { engine: Engine::new(store, host, catalog, settings).await? })
    }
}

#[wasm_bindgen]
impl Runstate {
    /// Opens the store at `url`. `options`: `{ retentionMs?, logLevel?, heapBytes?, sliceInstructions?, sliceBytes?, mustExist? }`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Runstate>")]
    pub fn open(url: String, options: String) -> Promise {
        to_promise(async move {
            let options: OpenParams = calls::from_json_text("open", &options)?;
            let store = open::open_with(&url, options.missing()).await?;
            Ok(Self::with_store(store, Arc::new(SystemHost), options.settings()).await?.into())
        })
    }

    /// Calls the method of this name with `params`; see [`calls::call`].
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn call(&self, method: String, params: String) -> Promise {
        let engine = self.engine.clone();
        to_promise(async move {
            let result = calls::call(&engine, &method, &params).await;
            Ok(result.map_err(|error| calls::explain_not_found(&engine, error))?.into())
        })
    }

    /// Starts a worker, which serves calls until it is stopped. `options`: `{ owner?, kinds: { name: concurrency }, leaseMs?, backoff?, runsDue?,
    /// graceMs? }`.
    ///
    /// `handler(kind, work, signal)` resolves to the answer as JSON text, or rejects with `{ message, name?, final? }` as JSON text. `signal` is an
    /// `AbortSignal`; it fires when the handler loses its claim. `listener(event)` receives the worker's events.
    pub fn worker(
        &self,
        options: &str,
        #[wasm_bindgen(unchecked_param_type = "(kind: string, work: string, signal: AbortSignal) => Promise<string>")]
        handler: Function,
        #[wasm_bindgen(unchecked_optional_param_type = "(event: string) => void")] listener: Option<Function>,
    ) -> Result<WorkerHandle, JsValue> {
        errors::check_not_panicked().map_err(to_js_error)?;
        worker::start_worker(&self.engine, options, handler, listener).map_err(to_js_error)
    }

    /// Calls `sink` with chunks of an export's whole lines; resolves to its summary. `sink(null)` discards all earlier chunks: the store was written
    /// to meanwhile, and the export starts again. `params`: `{ execution? }`; an execution is exported with the rows that it needs.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn export(
        &self,
        params: String,
        #[wasm_bindgen(unchecked_param_type = "(chunk: string | null) => void")] sink: Function,
    ) -> Promise {
        let engine = self.engine.clone();
        to_promise(async move { Ok(transfer::export(&engine, &params, sink).await?.into()) })
    }

    /// Writes the lines of an export into the store; resolves to the result. `progress(event)` receives the progress.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn import(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: Vec<u8>,
        #[wasm_bindgen(unchecked_optional_param_type = "(event: string) => void")] progress: Option<Function>,
    ) -> Promise {
        let engine = self.engine.clone();
        to_promise(async move { Ok(transfer::import(&engine, bytes, progress).await?.into()) })
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

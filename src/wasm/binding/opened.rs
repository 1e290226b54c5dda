//! An open store as JavaScript holds it.

use std::sync::Arc;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

use super::promise::promised;
use super::serving::{self, Serving};
use super::thrown::thrown;
use super::{moving, panics};
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
    pub(crate) async fn over(store: Arc<dyn Store>, host: Arc<dyn Host>, settings: Settings) -> Result<Self, Error> {
        let catalog = domain::catalog().map_err(|e| Error::internal(e.to_string()))?;
        Ok(Self { engine: Engine::new(store, host, catalog, settings).await? })
    }
}

#[wasm_bindgen]
impl Runstate {
    /// Opens the store that `url` names. `options`: `{ retentionMs?, logLevel?, heapBytes?, sliceInstructions?, sliceBytes?, mustExist? }`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Runstate>")]
    pub fn open(url: String, options: String) -> Promise {
        promised(async move {
            let options: OpenParams = calls::read("open", &options)?;
            let store = open::open_or(&url, options.missing()).await?;
            Ok(Self::over(store, Arc::new(SystemHost), options.settings()).await?.into())
        })
    }

    /// Does what `method` says with `params`; see [`calls::call`].
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn call(&self, method: String, params: String) -> Promise {
        let engine = self.engine.clone();
        promised(async move {
            let result = calls::call(&engine, &method, &params).await;
            Ok(result.map_err(|error| calls::doubted(&engine, error))?.into())
        })
    }

    /// Serves calls until it is stopped. `options`: `{ owner?, kinds: { name: concurrency }, leaseMs?, backoff?, runsDue?, graceMs? }`.
    ///
    /// `handler(kind, work, signal)` resolves to the answer as JSON text, or rejects with `{ message, name?, final? }` as JSON text; `signal` is
    /// an `AbortSignal`, which fires when the call is no longer the handler's. `told(event)` hears what the worker does.
    pub fn worker(
        &self,
        options: &str,
        #[wasm_bindgen(unchecked_param_type = "(kind: string, work: string, signal: AbortSignal) => Promise<string>")]
        handler: Function,
        #[wasm_bindgen(unchecked_optional_param_type = "(event: string) => void")] told: Option<Function>,
    ) -> Result<Serving, JsValue> {
        panics::refuse_broken().map_err(thrown)?;
        serving::serve(&self.engine, options, handler, told).map_err(thrown)
    }

    /// Gives the lines of an export to `sink`, whole lines at a time; resolves to its summary. `null` to `sink`: the store was written to
    /// meanwhile, what came before is void, and it begins again. `params`: `{ execution? }`, one of them with what it needs.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn export(
        &self,
        params: String,
        #[wasm_bindgen(unchecked_param_type = "(chunk: string | null) => void")] sink: Function,
    ) -> Promise {
        let engine = self.engine.clone();
        promised(async move { Ok(moving::export(&engine, &params, sink).await?.into()) })
    }

    /// Writes the lines of an export into the store; resolves to what it came to. `progress(event)` hears how far it is.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn import(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: Vec<u8>,
        #[wasm_bindgen(unchecked_optional_param_type = "(event: string) => void")] progress: Option<Function>,
    ) -> Promise {
        let engine = self.engine.clone();
        promised(async move { Ok(moving::import(&engine, bytes, progress).await?.into()) })
    }

    /// Ends the use of the store; every later call is refused, closing again is fine.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn close(&self) -> Promise {
        let engine = self.engine.clone();
        promised(async move {
            engine.store().close().await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

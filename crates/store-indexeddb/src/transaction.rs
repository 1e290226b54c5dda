//! A transaction and its completion. Requests of one transaction complete in order, so only the last of several is
//! awaited. Of a transaction that writes, the transaction itself is awaited, never its requests.
//!
//! The promises here settle inside an event of the transaction, and the task resumes in the same turn, so the
//! transaction is still active. Awaiting anything else within a transaction ends it (W3C Indexed Database API,
//! transaction lifetime).

use std::cell::RefCell;
use std::future::Future;

use js_sys::{Array, Object, Promise, Reflect};
use runstate_value::{SortedMap, from_value, parse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::binding::{IdbDatabase, IdbEvent, IdbObjectStore, IdbRequest, IdbTransaction, first_event};
use super::error_mapping::{BrowserError, IndexedDbError};

/// The mode of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    /// Read and write with strict durability: data is on disk when the transaction reports completion.
    Write,
}

/// An active transaction.
pub(super) struct Tx {
    raw: IdbTransaction,
    stores: RefCell<SortedMap<String, IdbObjectStore>>,
}

impl Tx {
    pub(super) fn begin<'a>(
        database: &IdbDatabase,
        stores: impl IntoIterator<Item = &'a str>,
        mode: Mode,
    ) -> Result<Self, BrowserError> {
        let stores: Array = stores.into_iter().map(JsValue::from_str).collect();
        let options = Object::new();
        let mode = match mode {
            Mode::Read => "readonly",
            Mode::Write => {
                // Browsers without this option ignore it.
                Reflect::set(&options, &"durability".into(), &"strict".into())?;
                "readwrite"
            }
        };
        Ok(Self::wrap(database.transaction(&stores, mode, &options)?))
    }

    pub(super) fn wrap(raw: IdbTransaction) -> Self {
        Self { raw, stores: RefCell::default() }
    }

    pub(super) fn store(&self, name: &str) -> Result<IdbObjectStore, BrowserError> {
        if let Some(store) = self.stores.borrow().get(name) {
            return Ok(store.clone());
        }
        let store = self.raw.store(name)?;
        self.stores.borrow_mut().insert(name.to_owned(), store.clone());
        Ok(store)
    }

    /// Aborts the transaction. One that has ended is not affected.
    pub(super) fn abort(&self) {
        drop(self.raw.abort());
    }

    /// Commits explicitly. The browser then need not wait for further requests, which saves a round trip to the page. A
    /// browser without this call commits on its own.
    pub(super) fn commit(&self) {
        drop(self.raw.commit());
    }

    /// Returns the error for which the browser aborted the transaction; `None` if it did not, or if the store aborted
    /// it.
    pub(super) fn abort_cause(&self) -> Option<BrowserError> {
        let error = self.raw.error();
        (!error.is_null() && !error.is_undefined()).then(|| error.into())
    }

    /// Returns a future for the end of the transaction. The handlers are installed at once.
    pub(super) fn completion(&self) -> impl Future<Output = Result<(), BrowserError>> + use<> {
        let raw = self.raw.clone();
        let end = Promise::new(&mut |resolve, _| {
            raw.on_complete(&resolve);
            raw.on_abort(&resolve);
        });
        async move {
            let event: IdbEvent = JsFuture::from(end).await?.unchecked_into();
            if event.kind() == "complete" { Ok(()) } else { Err(raw.error().into()) }
        }
    }
}

/// Waits for a request, and thus for all earlier requests of its transaction.
pub(super) async fn await_request(request: &IdbRequest) -> Result<JsValue, BrowserError> {
    let event = first_event(|handler| {
        request.on_success(handler);
        request.on_error(handler);
    });
    let event: IdbEvent = JsFuture::from(event).await?.unchecked_into();
    if event.kind() == "success" { Ok(request.result()) } else { Err(request.error().into()) }
}

/// Converts a stored value, by its JSON text. The deserializer of `serde-wasm-bindgen` would add the code that writes
/// doubles, and a cyclic value has no text.
pub(super) fn from_js<T: DeserializeOwned>(value: &JsValue) -> Result<T, String> {
    let text = js_sys::JSON::stringify(value).ok().and_then(|text| text.as_string());
    let json = parse(&text.ok_or("it cannot be represented as JSON")?).map_err(|error| error.to_string())?;
    from_value(&json).map_err(|error| error.to_string())
}

/// Returns a value as the browser stores it: a plain object of its members, with null for none.
pub(super) fn to_js(value: &impl Serialize) -> Result<JsValue, IndexedDbError> {
    Ok(value.serialize(&Serializer::json_compatible())?)
}

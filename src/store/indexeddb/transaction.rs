//! A transaction and how its end is heard. Requests of one transaction are answered in their order, so only the last of several is waited
//! for; a transaction that writes is waited for itself, never its requests.
//!
//! What is awaited here settles inside of an event of the transaction, and whoever waits goes on in the same turn, so the
//! transaction is still alive then. Awaiting anything else in the middle of one ends it.

use std::cell::RefCell;
use std::future::Future;

use js_sys::{Array, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::binding::{Database, Event, ObjectStore, Request, Transaction, first_event};
use super::faults::Fault;
use crate::value::Few;

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    /// And what it wrote is on the disk when it is told to be complete.
    Write,
}

/// A transaction that is alive.
pub(super) struct Tx {
    raw: Transaction,
    stores: RefCell<Few<String, ObjectStore>>,
}

impl Tx {
    pub(super) fn begin<'a>(
        database: &Database,
        stores: impl IntoIterator<Item = &'a str>,
        mode: Mode,
    ) -> Result<Self, Fault> {
        let stores: Array = stores.into_iter().map(JsValue::from_str).collect();
        let options = Object::new();
        let mode = match mode {
            Mode::Read => "readonly",
            Mode::Write => {
                // Browsers that do not know the option pass over it.
                Reflect::set(&options, &"durability".into(), &"strict".into())?;
                "readwrite"
            }
        };
        Ok(Self::over(database.transaction(&stores, mode, &options)?))
    }

    pub(super) fn over(raw: Transaction) -> Self {
        Self { raw, stores: RefCell::default() }
    }

    pub(super) fn store(&self, name: &str) -> Result<ObjectStore, Fault> {
        if let Some(store) = self.stores.borrow().get(name) {
            return Ok(store.clone());
        }
        let store = self.raw.store(name)?;
        self.stores.borrow_mut().insert(name.to_owned(), store.clone());
        Ok(store)
    }

    /// Gives up what was written; one that has ended already stays as it is.
    pub(super) fn abort(&self) {
        drop(self.raw.abort());
    }

    /// Says that nothing more follows: the browser need not wait whether something does, which saves it a way to the page and back. One that
    /// does not know this finds out by itself.
    pub(super) fn finish(&self) {
        drop(self.raw.commit());
    }

    /// Why the browser aborted it; none: it did not, or was told to.
    pub(super) fn cause(&self) -> Option<Fault> {
        let error = self.raw.error();
        (!error.is_null() && !error.is_undefined()).then(|| error.into())
    }

    /// The end of the transaction, heard from now on.
    pub(super) fn end(&self) -> impl Future<Output = Result<(), Fault>> + use<> {
        let raw = self.raw.clone();
        let end = Promise::new(&mut |resolve, _| {
            raw.on_complete(&resolve);
            raw.on_abort(&resolve);
        });
        async move {
            let event: Event = JsFuture::from(end).await?.unchecked_into();
            if event.kind() == "complete" { Ok(()) } else { Err(raw.error().into()) }
        }
    }
}

/// Waits for a request, and so for those of its transaction that were made before it.
pub(super) async fn answered(request: &Request) -> Result<JsValue, Fault> {
    let event = first_event(|handler| {
        request.on_success(handler);
        request.on_error(handler);
    });
    let event: Event = JsFuture::from(event).await?.unchecked_into();
    if event.kind() == "success" { Ok(request.result()) } else { Err(request.error().into()) }
}

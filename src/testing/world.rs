//! The world of a test in JavaScript: a clock that the test sets, entropy that repeats, stores that fail as it plans. The package's
//! `runstate/testing` is made of it.

mod host;
mod plan;

use std::sync::{Arc, Mutex, PoisonError};

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use self::host::WorldHost;
use self::plan::{Planned, method};
use crate::engine::{Error, Host, open};
use crate::store::Store;
use crate::store::layer::FaultStore;
use crate::time::Timestamp;
use crate::wasm::calls::{self, OpenParams};
use crate::wasm::{Runstate, promised, thrown};

type Failing = FaultStore<Arc<dyn Store>>;

/// A world with its own time, chance and faults.
#[wasm_bindgen]
pub struct World {
    host: Arc<WorldHost>,
    /// The stores that were opened in it.
    stores: Arc<Mutex<Vec<Arc<Failing>>>>,
}

#[wasm_bindgen]
impl World {
    /// A world whose clock shows `now`, in milliseconds since 1970; `seed` decides its ids.
    #[wasm_bindgen(constructor)]
    pub fn new(now: f64, seed: u32) -> Self {
        Self { host: Arc::new(WorldHost::new(time(now), u64::from(seed))), stores: Arc::default() }
    }

    /// What its clock shows.
    #[wasm_bindgen(getter)]
    pub fn now(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        let now = self.host.now().as_millis() as f64;
        now
    }

    /// Sets its clock, and wakes those whose time has come.
    #[wasm_bindgen(js_name = setNow)]
    pub fn set_now(&self, now: f64) {
        self.host.set(time(now));
    }

    /// Opens the store that `url` names in this world; options as those of `Runstate.open`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Runstate>")]
    pub fn open(&self, url: String, options: String) -> Promise {
        let (host, stores) = (self.host.clone(), self.stores.clone());
        promised(async move {
            let options: OpenParams = calls::read("open", &options)?;
            let store = Arc::new(FaultStore::new(open::open_or(&url, options.missing()).await?));
            stores.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
            Ok(Runstate::over(store, host, options.settings()).await?.into())
        })
    }

    /// Plans a fault in every store that is open: `{ on, nth, fault }`.
    pub fn fail(&self, planned: &str) -> Result<(), JsValue> {
        let planned = Planned::read(planned).map_err(thrown)?;
        self.each(|store| planned.in_store(store));
        Ok(())
    }

    /// Drops all faults that have not come, and ends those that last.
    pub fn heal(&self) {
        self.each(FaultStore::heal);
    }

    /// How often the stores were called by this method.
    pub fn calls(&self, on: &str) -> Result<f64, JsValue> {
        let method = method(on).map_err(thrown)?;
        let mut calls = 0;
        self.each(|store| calls += store.calls(method));
        #[expect(clippy::cast_precision_loss, reason = "nobody calls a store 2^53 times")]
        let calls = calls as f64;
        Ok(calls)
    }

    /// A defect of runstate itself, in the middle of what it does: nothing of it can be used afterwards.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    #[expect(clippy::panic, reason = "the panic is what is tried")]
    pub fn defect(&self, message: String) -> Promise {
        promised(async move { panic!("{message}") })
    }

    fn each(&self, mut act: impl FnMut(&Failing)) {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|store| act(store));
    }
}

fn time(ms: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of a millisecond is no part of a time")]
    Timestamp::from_millis(ms as i64)
}

/// A name that is not known, with those that are.
fn unknown(what: &str, name: &str, known: &str) -> Error {
    Error::new(crate::code::Code::Usage, format!("`{name}` is no {what}; there are {known}"))
}

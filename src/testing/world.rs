//! The simulated host of a test in JavaScript: a clock that the test sets, repeatable entropy, and stores with planned faults. The package's
//! `runstate/testing` is built on it.

mod fault_plan;
mod host;

use std::sync::{Arc, Mutex, PoisonError};

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use self::fault_plan::{WorldFaultPlan, method};
use self::host::WorldHost;
use crate::engine::{Error, Host, open};
use crate::store::Store;
use crate::store::layer::FaultStore;
use crate::time::Timestamp;
use crate::wasm::calls::{self, OpenParams};
use crate::wasm::{Runstate, to_js_error, to_promise};

type WorldStore = FaultStore<Arc<dyn Store>>;

/// A simulated host with its own time, entropy and faults.
#[wasm_bindgen]
pub struct World {
    host: Arc<WorldHost>,
    /// The stores that were opened on this host.
    stores: Arc<Mutex<Vec<Arc<WorldStore>>>>,
}

#[wasm_bindgen]
impl World {
    /// Creates a host whose clock shows `now`, in milliseconds since 1970. `seed` determines its ids.
    #[wasm_bindgen(constructor)]
    pub fn new(now: f64, seed: u32) -> Self {
        Self { host: Arc::new(WorldHost::new(time(now), u64::from(seed))), stores: Arc::default() }
    }

    /// The time of its clock, in milliseconds since 1970.
    #[wasm_bindgen(getter)]
    pub fn now(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        let now = self.host.now().as_millis() as f64;
        now
    }

    /// Sets its clock, and wakes the sleepers that are due.
    #[wasm_bindgen(js_name = setNow)]
    pub fn set_now(&self, now: f64) {
        self.host.set(time(now));
    }

    /// Opens the store at `url` on this host, with the options of `Runstate.open`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Runstate>")]
    pub fn open(&self, url: String, options: String) -> Promise {
        let (host, stores) = (self.host.clone(), self.stores.clone());
        to_promise(async move {
            let options: OpenParams = calls::from_json_text("open", &options)?;
            let store = Arc::new(FaultStore::new(open::open_with(&url, options.missing()).await?));
            stores.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
            Ok(Runstate::with_store(store, host, options.settings()).await?.into())
        })
    }

    /// Plans a fault in every store that is open: `{ on, nth, fault }`.
    pub fn fail(&self, planned: &str) -> Result<(), JsValue> {
        let planned = WorldFaultPlan::parse(planned).map_err(to_js_error)?;
        self.for_each_store(|store| planned.apply_to(store));
        Ok(())
    }

    /// Removes all faults that have not occurred, and ends those that last.
    pub fn heal(&self) {
        self.for_each_store(FaultStore::heal);
    }

    /// Number of calls of this store method.
    pub fn calls(&self, on: &str) -> Result<f64, JsValue> {
        let method = method(on).map_err(to_js_error)?;
        let mut calls = 0;
        self.for_each_store(|store| calls += store.calls(method));
        #[expect(clippy::cast_precision_loss, reason = "the number of calls is far below 2^53")]
        let calls = calls as f64;
        Ok(calls)
    }

    /// Panics in the middle of an operation. Afterwards this instance of runstate cannot be used.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    #[expect(clippy::panic, reason = "the test needs a panic")]
    pub fn defect(&self, message: String) -> Promise {
        to_promise(async move { panic!("{message}") })
    }

    fn for_each_store(&self, mut act: impl FnMut(&WorldStore)) {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|store| act(store));
    }
}

fn time(ms: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "times are whole milliseconds")]
    Timestamp::from_millis(ms as i64)
}

/// The error for an unknown name; it lists the known ones.
fn unknown_name(what: &str, name: &str, known: &str) -> Error {
    Error::new(crate::error_code::ErrorCode::Usage, format!("`{name}` is not a {what}. Use one of: {known}."))
}

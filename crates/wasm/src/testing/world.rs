//! The simulated host of a test in JavaScript: a clock that moves only when the test sets it, repeatable entropy, and
//! stores with planned faults. The package's `runstate/testing` is built on it.

use std::sync::{Arc, Mutex, PoisonError};

use js_sys::Promise;
use runstate::open;
use runstate_core::error_code::ErrorCode;
use runstate_core::id::CommandId;
use runstate_core::marker::BoxFuture;
use runstate_engine::testing::TimedHost;
use runstate_engine::{Error, Host, SystemHost};
use runstate_js::to_js_error;
use runstate_store as store;
use runstate_store::Store;
use runstate_store::layer::Method;
use runstate_store::testing::{Fault, FaultStore};
use runstate_value::time::{Millis, Timestamp};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use crate::Runstate;
use crate::binding::to_promise;
use crate::calls::OpenOptions;

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
            let OpenOptions { missing, settings, keys } = OpenOptions::from_text(&options)?;
            let store = Arc::new(FaultStore::new(open::open_with_keys(&url, missing, keys).await?.store));
            stores.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
            Ok(Runstate::with_store(store, host, settings).await?.into())
        })
    }

    /// Plans a fault in every store that is open: `{ on, nth, fault }`.
    pub fn fail(&self, plan: &str) -> Result<(), JsValue> {
        let plan = WorldFaultPlan::parse(plan).map_err(to_js_error)?;
        self.for_each_store(|store| plan.apply_to(store));
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

/// The error for an unknown name; it lists the valid names.
fn unknown_name(kind: &str, name: &str, names: &str) -> Error {
    Error::new(runstate_core::error_code::ErrorCode::USAGE, format!("`{name}` is not a {kind}. Use one of: {names}"))
}

/// A planned fault.
pub(super) struct WorldFaultPlan {
    on: Method,
    nth: u64,
    fault: WorldFault,
}

/// The parameters that the test passes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultParams {
    /// The method of the store.
    on: String,
    /// The ordinal of the call to that method, from 1, counted from now.
    nth: u64,
    /// The fault.
    fault: WorldFault,
}

/// The effect on a call.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WorldFault {
    /// The call does not reach the store.
    Unavailable,
    /// The store is full.
    Full,
    /// The store performs the call, and the reply is lost.
    Lost,
    /// The process dies before the call reaches the store.
    DiesBefore,
    /// The process dies after the store performed the call.
    DiesAfter,
}

impl WorldFaultPlan {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |e| Error::new(ErrorCode::USAGE, format!("cannot parse the planned fault: {e}"));
        let FaultParams { on, nth, fault } = serde_json::from_str(text).map_err(invalid)?;
        Ok(Self { on: method(&on)?, nth, fault })
    }

    pub fn apply_to(&self, store: &WorldStore) {
        store.plan(self.on, self.nth, self.fault.to_fault());
    }
}

impl WorldFault {
    fn to_fault(self) -> Fault {
        let why = || "planned by the test".to_owned();
        match self {
            Self::Unavailable => {
                Fault::FailBefore(store::StoreError::Unavailable { what: "the store".to_owned(), why: why() })
            }
            Self::Full => Fault::FailBefore(store::StoreError::Full { what: "the store".to_owned() }),
            Self::Lost => {
                // A caller queries the outcome by the id of its own command, not by this one.
                let command = CommandId::generate(Timestamp::from_millis(0), [0; 10]);
                Fault::FailAfter(store::StoreError::UnknownOutcome { command, why: why() })
            }
            Self::DiesBefore => Fault::DieBefore,
            Self::DiesAfter => Fault::DieAfter,
        }
    }
}

/// Finds a method of the store by its name.
pub(super) fn method(name: &str) -> Result<Method, Error> {
    const METHODS: [(&str, Method); 6] = [
        ("get", Method::Get),
        ("query", Method::Query),
        ("aggregate", Method::Aggregate),
        ("commit", Method::Commit),
        ("outcome", Method::Outcome),
        ("changes", Method::Changes),
    ];
    let method = METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method);
    method.ok_or_else(|| unknown_name("method of a store", name, "get, query, aggregate, commit, outcome, changes"))
}

/// Shorter sleeps are those between two attempts at a commit. They pass in real time; otherwise no commit would
/// continue until the clock is set.
const REAL_TIME_BELOW: Millis = Millis::seconds(1);

/// Simulated time and entropy, and the timers of JavaScript for short sleeps.
pub(super) struct WorldHost {
    timed: TimedHost,
}

impl WorldHost {
    pub fn new(now: Timestamp, seed: u64) -> Self {
        Self { timed: TimedHost::at(now, seed) }
    }

    pub fn set(&self, now: Timestamp) {
        self.timed.set(now);
    }
}

impl Host for WorldHost {
    fn now(&self) -> Timestamp {
        self.timed.now()
    }

    fn entropy(&self) -> [u8; 10] {
        self.timed.entropy()
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        if span < REAL_TIME_BELOW { SystemHost.sleep(span) } else { self.timed.sleep(span) }
    }

    fn yield_now(&self) -> Option<BoxFuture<'_, ()>> {
        SystemHost.yield_now()
    }
}

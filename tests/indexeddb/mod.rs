//! Tests of the IndexedDB store in a real browser, the conformance suite included. The same tests run in a window and
//! in a dedicated worker.

#[path = "../stores/apps/agreement.rs"]
mod agreement;
mod browser_faults;
mod changes;
mod differential;
mod documents;
mod durability;
mod fixture;
#[allow(dead_code, reason = "tests of the domain need more of it")]
#[path = "../stores/apps/graph.rs"]
mod graph;
mod search;
#[path = "../stores/apps/search_documents.rs"]
mod search_documents;
mod step_graphs;
mod upgrades;
mod verify;

use std::cell::Cell;
use std::sync::Arc;

use runstate::marker::BoxFuture;
use runstate::store::indexeddb::{IndexedDb, IndexedDbOptions};
use runstate::store::{Store, StoreError};
use runstate::testing::conformance::Subject;
use wasm_bindgen_test::wasm_bindgen_test;

/// Returns a name that no database of this browser has.
pub fn fresh_name() -> String {
    thread_local! {
        static NEXT: Cell<u32> = const { Cell::new(0) };
    }
    NEXT.set(NEXT.get() + 1);
    format!("test {} {}", js_sys::Date::now() + js_sys::Math::random(), NEXT.get())
}

pub async fn open_store(name: &str) -> Result<IndexedDb, StoreError> {
    IndexedDb::open(name, IndexedDbOptions::default()).await
}

/// Returns a function that opens the database again at each call, as another tab would.
pub fn reopener(name: String) -> impl Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
    move || {
        let name = name.clone();
        Box::pin(async move { Ok(Arc::new(open_store(&name).await?) as Arc<dyn Store>) })
    }
}

async fn fresh() -> Subject {
    let name = fresh_name();
    Subject::durable(open_store(&name).await.unwrap(), reopener(name))
}

runstate::conformance!(fresh, #[wasm_bindgen_test]);

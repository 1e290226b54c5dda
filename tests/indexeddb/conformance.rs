//! The conformance suite on the IndexedDB store.

use runstate::testing::conformance::Subject;
use wasm_bindgen_test::wasm_bindgen_test;

use super::{fresh_name, open_store, reopener};

async fn fresh() -> Subject {
    let name = fresh_name();
    Subject::durable(open_store(&name).await.unwrap(), reopener(name))
}

runstate::conformance!(fresh, #[wasm_bindgen_test]);

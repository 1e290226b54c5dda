//! The store under the conformance suite.

use runstate::testing::conformance::Subject;
use wasm_bindgen_test::wasm_bindgen_test;

use super::{again, name, opened};

async fn fresh() -> Subject {
    let name = name();
    Subject::durable(opened(&name).await.unwrap(), again(name))
}

runstate::conformance!(fresh, #[wasm_bindgen_test]);

//! Searches of apps: IndexedDB and memory have the same hits in the same order.

use std::sync::Arc;

use runstate::store::Memory;
use wasm_bindgen_test::wasm_bindgen_test;

use super::search_documents::{fill, hits, searches};
use super::{fresh_name, open_store};

#[wasm_bindgen_test]
async fn a_thousand_documents_have_the_hits_of_memory_in_the_same_order() {
    let stored = fill(Arc::new(open_store(&fresh_name()).await.unwrap())).await;
    let memory = fill(Arc::new(Memory::new())).await;
    let mut found = 0;
    for search in searches() {
        let expected = hits(&memory, search.clone()).await;
        assert_eq!(hits(&stored, search.clone()).await, expected, "{search}");
        found += expected.len();
    }
    assert!(found > 1_000, "{found}");
}

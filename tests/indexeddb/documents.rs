//! Documents of the user's own in IndexedDB. A declaration upgrades the database, also while another tab has it open.

use wasm_bindgen_test::wasm_bindgen_test;

#[path = "../stores/documents/cases.rs"]
mod cases;

use super::{fresh_name, reopener};

crate::document_cases!(reopener(fresh_name()), #[wasm_bindgen_test]);

//! Where `file:` stores keep their files.

use wasm_bindgen::prelude::*;

use crate::store::file::{NodeFiles, NodeFs};

/// Gives `file:` stores the files of this process: the object of `pkg/node/fs.js`. Without any `file:` is unsupported.
#[wasm_bindgen(js_name = provideFiles)]
pub fn provide_files(files: Option<NodeFiles>) {
    NodeFs::provide(files);
}

//! Exports for tests of WebAssembly in Node: the conformance suite on real folders, and notes in a store that several processes share. JavaScript
//! creates and removes the folders.

mod pieces;

use std::sync::Arc;

use wasm_bindgen::prelude::*;

use super::Notes;
use super::conformance::{self, CASES, CaseFailure, Subject};
use crate::engine::{self, open};
use crate::marker::BoxFuture;
use crate::store::file::{FileStore, FileStoreOptions, NodeFs};
use crate::store::{Store, StoreError};

/// The names of all cases of the suite.
#[wasm_bindgen(js_name = conformanceCases)]
pub fn conformance_cases() -> Vec<String> {
    CASES.iter().map(|case| case.name.to_owned()).collect()
}

/// Runs one case on a new store in `folder`. Returns the failure, or nothing if the case passed.
#[wasm_bindgen(js_name = runConformanceCase)]
pub async fn run_conformance_case(name: String, folder: String) -> Option<String> {
    let verdict: Result<(), CaseFailure> = async {
        let store = open_folder(&folder).await?;
        let again = move || -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
            let folder = folder.clone();
            Box::pin(async move {
                #[allow(
                    clippy::arc_with_non_send_sync,
                    reason = "stores are shared by Arc; here they stay on one thread"
                )]
                let store: Arc<dyn Store> = Arc::new(open_folder(&folder).await?);
                Ok(store)
            })
        };
        conformance::run(&name, Subject::durable(store, again)).await
    }
    .await;
    verdict.err().map(|failure| failure.to_string())
}

async fn open_folder(folder: &str) -> Result<FileStore<NodeFs>, StoreError> {
    let fs = NodeFs::new(folder, false);
    let fs =
        fs.ok_or_else(|| StoreError::Unsupported { what: "files".to_owned(), by: "a host without any".to_owned() })?;
    FileStore::open_on(fs, FileStoreOptions::default()).await
}

/// Writes a file in pieces in `folder`, and reads parts of it, also after its name was removed. Returns the error, if any.
#[wasm_bindgen(js_name = tryPieces)]
pub async fn try_pieces(folder: String, pieces: Vec<js_sys::Uint8Array>) -> Option<String> {
    pieces::check_pieces(&folder, pieces.iter().map(js_sys::Uint8Array::to_vec).collect()).await.err()
}

/// Panics, so that a test can check the consequences.
#[wasm_bindgen]
#[expect(clippy::panic, reason = "the test needs a panic")]
pub fn defect(message: String) {
    panic!("{message}");
}

/// [`Notes`] in the store of a URL.
#[wasm_bindgen]
pub struct NodeNotes {
    notes: Notes,
}

#[wasm_bindgen]
impl NodeNotes {
    /// Opens the store at `url`.
    pub async fn open(url: String) -> Result<NodeNotes, JsError> {
        let store = open::open(&url).await.map_err(to_js_error)?;
        Ok(Self { notes: Notes::open(store).await.map_err(|e| to_js_error(e.into()))? })
    }

    /// Adds a note in its own commit.
    pub async fn add(&self, id: String) -> Result<(), JsError> {
        self.notes.add(&id).await.map_err(|e| to_js_error(e.into()))
    }

    /// The ids of all notes, in order.
    pub async fn ids(&self) -> Result<Vec<String>, JsError> {
        self.notes.ids().await.map_err(|e| to_js_error(e.into()))
    }

    /// Why the store is read-only; nothing if it is healthy.
    pub fn health(&self) -> Option<String> {
        self.notes.store().read_only_reason().map(|e| e.to_string())
    }
}

fn to_js_error(error: engine::Error) -> JsError {
    JsError::new(&format!("{}: {}", error.code, error.message))
}

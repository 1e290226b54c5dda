//! What tests of WebAssembly in Node call: the conformance suite on real folders, and notes in a store that other processes share.
//! Folders come from JavaScript, which makes and removes them.

mod pieces;

use std::sync::Arc;

use wasm_bindgen::prelude::*;

use super::Notes;
use super::conformance::{self, CASES, Failure, Subject};
use crate::engine::{self, open};
use crate::marker::BoxFuture;
use crate::store::file::{FileStore, NodeFs, Options};
use crate::store::{Error, Store};

/// The names of all cases of the suite.
#[wasm_bindgen(js_name = conformanceCases)]
pub fn conformance_cases() -> Vec<String> {
    CASES.iter().map(|case| case.name.to_owned()).collect()
}

/// Runs one case on a new store in `folder`; how it failed, nothing where it passed.
#[wasm_bindgen(js_name = runConformanceCase)]
pub async fn run_conformance_case(name: String, folder: String) -> Option<String> {
    let verdict: Result<(), Failure> = async {
        let store = open_folder(&folder).await?;
        let again = move || -> BoxFuture<'static, Result<Arc<dyn Store>, Error>> {
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

async fn open_folder(folder: &str) -> Result<FileStore<NodeFs>, Error> {
    let fs = NodeFs::new(folder, false);
    let fs = fs.ok_or_else(|| Error::Unsupported { what: "files".to_owned(), by: "a host without any".to_owned() })?;
    FileStore::open_on(fs, Options::default()).await
}

/// Writes a file in pieces in `folder`, then reads it here and there, also when its name is gone; what is wrong, if anything.
#[wasm_bindgen(js_name = tryPieces)]
pub async fn try_pieces(folder: String, pieces: Vec<js_sys::Uint8Array>) -> Option<String> {
    pieces::round(&folder, pieces.iter().map(js_sys::Uint8Array::to_vec).collect()).await.err()
}

/// A defect, as no input may ever bring one about: shows what becomes of it.
#[wasm_bindgen]
#[expect(clippy::panic, reason = "the panic is what is tried")]
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
    /// Opens the store that `url` names.
    pub async fn open(url: String) -> Result<NodeNotes, JsError> {
        let store = open::open(&url).await.map_err(thrown)?;
        Ok(Self { notes: Notes::of(store).await.map_err(|e| thrown(e.into()))? })
    }

    /// Adds a note in a commit of its own.
    pub async fn add(&self, id: String) -> Result<(), JsError> {
        self.notes.add(&id).await.map_err(|e| thrown(e.into()))
    }

    /// The ids of all notes, in order.
    pub async fn ids(&self) -> Result<Vec<String>, JsError> {
        self.notes.ids().await.map_err(|e| thrown(e.into()))
    }

    /// What is wrong with the store; nothing where it is whole.
    pub fn health(&self) -> Option<String> {
        self.notes.store().health().map(|e| e.to_string())
    }
}

fn thrown(error: engine::Error) -> JsError {
    JsError::new(&format!("{}: {}", error.code, error.message))
}

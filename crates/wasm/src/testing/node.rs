//! Exports for tests of WebAssembly in Node: the conformance suite on real folders, and notes in a store that several
//! processes share. Also the file-system calls that only snapshots use: writing a file in pieces and reading it back.
//! JavaScript creates and removes the folders.

use std::sync::Arc;

use runstate::open;
use runstate::testing::conformance::{CASES, CaseFailure, Subject};
use runstate::testing::{Notes, conformance};
use runstate_core::marker::BoxFuture;
use runstate_engine as engine;
use runstate_store::{Store, StoreError};
use runstate_store_file::fs::{Fs, FsError, Pieces, Reason};
use runstate_store_file::{FileStore, FileStoreOptions, NodeFs};
use wasm_bindgen::prelude::*;

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
        let reopen = move || -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> {
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
        conformance::run(&name, Subject::durable(store, reopen)).await
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

/// Writes a file in pieces in `folder`, and reads parts of it, also after its name was removed. Returns the error, if
/// any.
#[wasm_bindgen(js_name = tryPieces)]
pub async fn try_pieces(folder: String, pieces: Vec<js_sys::Uint8Array>) -> Option<String> {
    check_pieces(&folder, pieces.iter().map(js_sys::Uint8Array::to_vec).collect()).await.err()
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

struct VecPieces(std::vec::IntoIter<Vec<u8>>);

impl Pieces for VecPieces {
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>> {
        self.0.next().map(Ok)
    }
}

struct FailingPieces;

impl Pieces for FailingPieces {
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>> {
        Some(Err(FsError { reason: Reason::Full, call: "write", path: "piece".to_owned(), why: "no piece".to_owned() }))
    }
}

/// Checks the contract of [`Fs`] on pieces, sources and ranges.
pub async fn check_pieces(folder: &str, pieces: Vec<Vec<u8>>) -> Result<(), String> {
    let fs = NodeFs::new(folder, false).ok_or("this host has no files")?;
    let bytes = pieces.concat();
    let describe = |e: FsError| e.to_string();
    fs.put_pieces("file", Box::new(VecPieces(pieces.clone().into_iter()))).await.map_err(describe)?;
    expect_equal("the size", &fs.size("file").await.map_err(describe)?, &(bytes.len() as u64))?;
    expect_equal("all of it", &fs.read("file", None).await.map_err(describe)?, &bytes)?;
    let length = bytes.len();
    for (start, end) in [(0, length), (1, length / 2), (length / 2, length + 99), (length + 5, length + 9)] {
        let expected = bytes.get(start..end.min(length)).unwrap_or_default();
        let range = start as u64..end as u64;
        expect_equal("a range", &fs.read("file", Some(range)).await.map_err(describe)?.as_slice(), &expected)?;
    }
    let again = fs.put_pieces("file", Box::new(VecPieces(pieces.into_iter()))).await;
    expect_equal("a name that is taken", &again.map_err(|e| e.reason), &Err(Reason::Exists))?;
    let failed = fs.put_pieces("broken", Box::new(FailingPieces)).await;
    expect_equal("a piece that fails", &failed.map_err(|e| e.reason), &Err(Reason::Full))?;

    let source = fs.open_file("file").await.map_err(describe)?;
    fs.remove("file").await.map_err(describe)?;
    expect_equal("the removed file", &fs.size("file").await.map_err(|e| e.reason), &Err(Reason::Missing))?;
    expect_equal("the size of the source", &source.size(), &(length as u64))?;
    expect_equal(
        "the end of the source",
        &source.read_at(length as u64 - 1, 1).map_err(describe)?.as_slice(),
        &&bytes[length - 1..],
    )?;
    expect_equal("the source beyond its end", &source.read_at(1, length).is_err(), &true)?;
    expect_equal("an absurd length", &source.read_at(0, usize::MAX).is_err(), &true)
}

fn expect_equal<T: PartialEq + std::fmt::Debug>(name: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{name}: found {found:?}, expected {expected:?}")) }
}

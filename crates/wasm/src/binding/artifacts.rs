//! Artifacts of steps, whose bytes are documents of the store. Bytes cross in pieces, so that neither side holds a
//! whole artifact.

use std::rc::Rc;

use async_lock::Mutex;
use js_sys::{Promise, Uint8Array};
use runstate_blob::{ArtifactReader, ArtifactUpload, Artifacts, Chunks, NewArtifact};
use runstate_core::error_code::ErrorCode;
use runstate_core::operation::Parameters;
use runstate_engine::Error;
use runstate_js::to_js;
use runstate_value::Document;
use wasm_bindgen::prelude::*;

use super::handle::Runstate;
use super::promise::to_promise;
use crate::calls;

/// The artifact to store.
#[derive(Debug, Parameters)]
struct PutArtifactOptions {
    execution: String,
    step: i64,
    #[operation(name = "type")]
    artifact_type: String,
    name: String,
    #[operation(name = "mimeType")]
    mime_type: Option<String>,
    metadata: Option<Document>,
}

/// The bytes to read.
#[derive(Debug, Parameters)]
struct ReadArtifactOptions {
    id: String,
    start: Option<u64>,
    end: Option<u64>,
}

#[wasm_bindgen]
impl Runstate {
    /// Begins to store an artifact; resolves to its upload. `params`: `{ execution, step, type, name, mimeType?,
    /// metadata? }`.
    #[wasm_bindgen(js_name = putArtifact, unchecked_return_type = "Promise<ArtifactUploadHandle>")]
    pub fn put_artifact(&self, params: String) -> Promise {
        let (engine, artifacts) = (self.engine.clone(), self.artifacts());
        to_promise(async move {
            let options = calls::options_from_text("apps.artifacts.put", &params)?;
            let PutArtifactOptions { execution, step, artifact_type, name, mime_type, metadata } = options;
            // That of RFC 2046 for bytes of which no more is known.
            let mime_type = mime_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            let artifact = NewArtifact::of_step(execution, step).named(artifact_type, name, mime_type);
            let artifact = NewArtifact { metadata: metadata.unwrap_or_default(), ..artifact };
            let upload = artifacts.put(artifact).await.map_err(|error| calls::explain_not_found(&engine, error))?;
            Ok(ArtifactUploadHandle { upload: Rc::new(Mutex::new(Some(upload))) }.into())
        })
    }

    /// Finds an artifact; resolves to the reader of its bytes. `params`: `{ id, start?, end? }`.
    #[wasm_bindgen(js_name = readArtifact, unchecked_return_type = "Promise<ArtifactReaderHandle>")]
    pub fn read_artifact(&self, params: String) -> Promise {
        let (engine, artifacts) = (self.engine.clone(), self.artifacts());
        to_promise(async move {
            let ReadArtifactOptions { id, start, end } = calls::options_from_text("apps.artifacts.read", &params)?;
            let reader = artifacts.read(&id, start.unwrap_or(0)..end.unwrap_or(u64::MAX)).await;
            let reader = reader.map_err(|error| calls::explain_not_found(&engine, error))?;
            Ok(ArtifactReaderHandle { reader: Rc::new(Mutex::new(reader)) }.into())
        })
    }

    /// Removes the bytes that no artifact has, at most those of 100 blobs; resolves to their numbers.
    #[wasm_bindgen(js_name = collectArtifacts, unchecked_return_type = "Promise<CollectReport>")]
    pub fn collect_artifacts(&self) -> Promise {
        let artifacts = self.artifacts();
        to_promise(async move { to_js(&artifacts.collect().await?) })
    }

    fn artifacts(&self) -> Artifacts {
        Artifacts::new(&self.engine, Chunks::new(&self.engine))
    }
}

/// An artifact that is being stored. One that is dropped leaves no artifact.
#[wasm_bindgen]
pub struct ArtifactUploadHandle {
    /// `None`: it has ended.
    upload: Rc<Mutex<Option<ArtifactUpload>>>,
}

#[wasm_bindgen]
impl ArtifactUploadHandle {
    /// Appends bytes.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn write(&self, bytes: Vec<u8>) -> Promise {
        let upload = self.upload.clone();
        to_promise(async move {
            upload.lock().await.as_mut().ok_or_else(ended)?.write(&bytes).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Completes the artifact; resolves to its id.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn finish(&self) -> Promise {
        let upload = self.upload.clone();
        to_promise(async move {
            let upload = upload.lock().await.take().ok_or_else(ended)?;
            Ok(upload.finish().await?.into())
        })
    }

    /// Gives the upload up, after a write that has begun. An upload that has ended is left as it is.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn abort(&self) -> Promise {
        let upload = self.upload.clone();
        to_promise(async move {
            if let Some(upload) = upload.lock().await.take() {
                upload.abort().await;
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}

fn ended() -> Error {
    Error::new(ErrorCode::CLOSED, "the upload has ended; begin another one")
}

/// Reads the bytes of an artifact.
#[wasm_bindgen]
pub struct ArtifactReaderHandle {
    reader: Rc<Mutex<ArtifactReader>>,
}

#[wasm_bindgen]
impl ArtifactReaderHandle {
    /// Resolves to the next bytes, at most 5 MiB, or to undefined at the end.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn next(&self) -> Promise {
        let reader = self.reader.clone();
        to_promise(async move {
            let bytes = reader.lock().await.next().await?;
            Ok(bytes.map_or(JsValue::UNDEFINED, |bytes| Uint8Array::from(&*bytes).into()))
        })
    }
}

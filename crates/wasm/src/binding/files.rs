//! The files of `file:` stores.

use std::sync::Arc;

use js_sys::Promise;
use runstate::domain;
use runstate::open::{self, StoreUrl, redact_url};
use runstate_core::decision::EngineSettings;
use runstate_core::error_code::ErrorCode;
use runstate_engine as engine;
use runstate_engine::{Engine, Error, SystemHost};
use runstate_js::to_js;
use runstate_store_file::{NodeFiles, NodeFs, check};
use wasm_bindgen::prelude::*;

use super::promise::to_promise;

/// Provides the files of this process to `file:` stores: the object of `pkg/src/node/files.ts`. Without it `file:` is
/// unsupported.
#[wasm_bindgen(js_name = provideFiles)]
pub fn provide_files(files: Option<NodeFiles>) {
    NodeFs::set_host_files(files);
}

/// Reads and checks every file of the store at `url`. If all files are intact, it also verifies the documents. Resolves
/// to the report.
#[wasm_bindgen(js_name = verifyFiles, unchecked_return_type = "Promise<VerifyReport>")]
pub fn verify_files(url: String) -> Promise {
    to_promise(async move {
        let StoreUrl::File { directory, single_process } = StoreUrl::parse(&url)? else {
            let message = format!(
                "`{}` is not a file store, so it has no files to verify; use the URL of a `file:` store",
                redact_url(&url)
            );
            return Err(Error::new(ErrorCode::UNSUPPORTED, message));
        };
        let no_files = || Error::new(ErrorCode::UNSUPPORTED, "this host has no files");
        let fs = NodeFs::new(&directory, single_process).ok_or_else(no_files)?;
        let domains = domain::catalog().map_err(|error| Error::internal(error.to_string()))?;
        let catalog = engine::catalog(&domains)?;
        let files = check::verify_on(&fs, &catalog, None).await?;
        if !files.is_intact() {
            return to_js(&files);
        }
        let store = open::open_with(&url, open::MissingStore::Refuse).await?;
        let engine = Engine::for_reading(store, Arc::new(SystemHost), domain::ALL, EngineSettings::default()).await?;
        let verified = engine.verify_documents(files, |_| {}).await;
        engine.store().close().await?;
        to_js(&verified?)
    })
}

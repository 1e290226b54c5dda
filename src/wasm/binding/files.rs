//! Where `file:` stores keep their files.

use std::sync::Arc;

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use super::promise::promised;
use crate::code::Code;
use crate::domain;
use crate::engine::open::{self, StoreUrl, aloud};
use crate::engine::{Engine, Error, SystemHost};
use crate::limits::Settings;
use crate::store::file::{NodeFiles, NodeFs, check};
use crate::wasm::calls;

/// Gives `file:` stores the files of this process: the object of `pkg/src/node/files.ts`. Without any `file:` is unsupported.
#[wasm_bindgen(js_name = provideFiles)]
pub fn provide_files(files: Option<NodeFiles>) {
    NodeFs::provide(files);
}

/// Reads every file of the store that `url` names and checks it, then, where the files are whole, what the store holds; resolves to the report as
/// JSON text.
#[wasm_bindgen(js_name = verifyFiles, unchecked_return_type = "Promise<string>")]
pub fn verify_files(url: String) -> Promise {
    promised(async move {
        let StoreUrl::File { directory, single_process } = StoreUrl::parse(&url)? else {
            let message = format!("`{}` is no store on files; only those have files to verify", aloud(&url));
            return Err(Error::new(Code::Unsupported, message));
        };
        let no_files = || Error::new(Code::Unsupported, "this host has no files");
        let fs = NodeFs::new(&directory, single_process).ok_or_else(no_files)?;
        let files = check::verify_on(&fs, None).await?;
        if !files.is_whole() {
            return Ok(calls::write(&files)?.into());
        }
        let store = open::open_or(&url, open::Missing::Refuse).await?;
        let catalog = domain::catalog().map_err(|e| Error::internal(e.to_string()))?;
        let engine = Engine::for_reading(store, Arc::new(SystemHost), catalog, Settings::default()).await?;
        let verified = engine.verify_documents(files, |_| {}).await;
        engine.store().close().await?;
        Ok(calls::write(&verified?)?.into())
    })
}

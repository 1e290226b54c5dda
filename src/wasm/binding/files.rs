//! Where `file:` stores keep their files.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use super::promise::promised;
use crate::code::Code;
use crate::engine::Error;
use crate::engine::open::{StoreUrl, aloud};
use crate::store::file::{NodeFiles, NodeFs, check};
use crate::wasm::calls;

/// Gives `file:` stores the files of this process: the object of `pkg/src/node/files.ts`. Without any `file:` is unsupported.
#[wasm_bindgen(js_name = provideFiles)]
pub fn provide_files(files: Option<NodeFiles>) {
    NodeFs::provide(files);
}

/// Reads every file of the store that `url` names and checks it; resolves to what was found, as JSON text.
#[wasm_bindgen(js_name = verifyFiles, unchecked_return_type = "Promise<string>")]
pub fn verify_files(url: String) -> Promise {
    promised(async move {
        let StoreUrl::File { directory, single_process } = StoreUrl::parse(&url)? else {
            let message = format!("`{}` is no store on files; only those have files to verify", aloud(&url));
            return Err(Error::new(Code::Unsupported, message));
        };
        let no_files = || Error::new(Code::Unsupported, "this host has no files");
        let fs = NodeFs::new(&directory, single_process).ok_or_else(no_files)?;
        Ok(calls::write(&check::verify_on(&fs, None).await?)?.into())
    })
}

//! `verify`: whether a store on files is whole.

use runstate::code::Code;
use runstate::engine::Error;
use runstate::engine::open::StoreUrl;
use runstate::store::Store;
use runstate::store::file::{FileStore, Options};
use serde_json::json;

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::print::Out;
use crate::session::{unnamed, url};

/// Checks it.
pub async fn execute(global: &Global, out: Out) -> Result<Exit, Failure> {
    let url = url(global)?;
    let StoreUrl::File { directory, single_process } = StoreUrl::parse(&url)? else {
        let message = format!("`{url}` is no store on files; only those have files to verify");
        return Err(Error::new(Code::Unsupported, message).into());
    };
    let opened = FileStore::open(&directory, Options { single_process, existing: true, ..Options::default() }).await;
    let store = opened.map_err(|error| unnamed(global, &url, error.into()))?;
    if let Some(illness) = store.health() {
        return Err(Error::from(illness).into());
    }
    if out.json() {
        out.value(&json!({"ok": true, "store": store.id(), "url": url}))?;
    } else {
        out.line(&format!("the store at {directory} is whole"))?;
    }
    Ok(Exit::Done)
}

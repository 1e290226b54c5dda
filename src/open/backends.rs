//! The stores that this build can open. A store that it lacks has a replacement, whose error names a build or a host
//! that has it.

use std::fmt::Display;

use runstate_core::error_code::ErrorCode;
use runstate_engine::Error;

use super::{MissingStore, OpenedStore};

/// The error for a store that this build or host does not have.
fn absent(url: impl Display, why: &str) -> Error {
    Error::new(ErrorCode::UNSUPPORTED, format!("cannot open `{url}`: {why}"))
}

#[cfg(all(feature = "file", not(target_family = "wasm")))]
pub(super) mod file {
    use std::sync::Arc;

    use runstate_store_file::{FileStore, FileStoreOptions};

    use super::*;

    pub fn url_forms() -> &'static [&'static str] {
        &["file:DIRECTORY"]
    }

    pub async fn open(directory: &str, single_process: bool, missing: MissingStore) -> Result<OpenedStore, Error> {
        let must_exist = missing == MissingStore::Refuse;
        let options = FileStoreOptions { single_process, must_exist, ..FileStoreOptions::default() };
        let store = FileStore::open(directory, options).await?;
        let id = Some(store.id().to_owned());
        Ok(OpenedStore { store: Arc::new(store), id })
    }
}

/// Stores on files in WebAssembly, over `node:fs` if the host provides it.
#[cfg(all(feature = "file", target_family = "wasm"))]
pub(super) mod file {
    use std::sync::Arc;

    use runstate_store_file::{FileStore, FileStoreOptions, NodeFs};

    use super::*;

    /// The form of its URLs, if the host has files.
    pub fn url_forms() -> &'static [&'static str] {
        if NodeFs::new("", true).is_some() { &["file:DIRECTORY"] } else { &[] }
    }

    pub async fn open(directory: &str, single_process: bool, missing: MissingStore) -> Result<OpenedStore, Error> {
        let why = "this host has no files. In a page use `indexeddb:NAME`; in Node use the package's entry for Node";
        let fs = NodeFs::new(directory, single_process);
        let fs = fs.ok_or_else(|| absent(format_args!("file:{directory}"), why))?;
        let must_exist = missing == MissingStore::Refuse;
        let options = FileStoreOptions { single_process, must_exist, ..FileStoreOptions::default() };
        let store = FileStore::open_on(fs, options).await?;
        let id = Some(store.id().to_owned());
        #[allow(
            clippy::arc_with_non_send_sync,
            reason = "the engine shares stores by Arc; here they stay on one thread"
        )]
        Ok(OpenedStore { store: Arc::new(store), id })
    }
}

#[cfg(not(feature = "file"))]
pub(super) mod file {
    use super::*;

    pub fn url_forms() -> &'static [&'static str] {
        &[]
    }

    pub async fn open(directory: &str, _single_process: bool, _missing: MissingStore) -> Result<OpenedStore, Error> {
        let why = "this build of runstate has no stores on files. Build it with the feature `file` (not for a browser)";
        Err(absent(format_args!("file:{directory}"), why))
    }
}

/// Stores in the browser's IndexedDB.
#[cfg(all(feature = "indexeddb", target_family = "wasm"))]
pub(super) mod indexeddb {
    use std::sync::Arc;

    use runstate_store_indexeddb::{IndexedDb, IndexedDbOptions};

    use super::*;

    /// The form of its URLs, if the host has IndexedDB.
    pub fn url_forms() -> &'static [&'static str] {
        if IndexedDb::is_supported() { &["indexeddb:NAME"] } else { &[] }
    }

    pub async fn open(name: &str, missing: MissingStore) -> Result<OpenedStore, Error> {
        let options = IndexedDbOptions { must_exist: missing == MissingStore::Refuse, ..IndexedDbOptions::default() };
        let store = IndexedDb::open(name, options).await?;
        let id = store.id();
        #[allow(
            clippy::arc_with_non_send_sync,
            reason = "the engine shares stores by Arc; here they stay on one thread"
        )]
        Ok(OpenedStore { store: Arc::new(store), id })
    }
}

#[cfg(not(all(feature = "indexeddb", target_family = "wasm")))]
pub(super) mod indexeddb {
    use super::*;

    pub fn url_forms() -> &'static [&'static str] {
        &[]
    }

    pub async fn open(name: &str, _missing: MissingStore) -> Result<OpenedStore, Error> {
        let why = "this build of runstate has no store in IndexedDB (feature `indexeddb`, only in WebAssembly). Elsewhere \
                   use `file:DIRECTORY`";
        Err(absent(format_args!("indexeddb:{name}"), why))
    }
}

/// Stores on a MongoDB replica set.
#[cfg(all(feature = "mongodb", not(target_family = "wasm")))]
pub(super) mod mongodb {
    use std::sync::Arc;

    use runstate_engine::name_invalid_url;
    use runstate_store_mongodb::{Mongo, MongoOptions, roles};
    use runstate_value::Json;

    use super::*;

    pub fn url_forms() -> &'static [&'static str] {
        &["mongodb://HOST/DATABASE", "mongodb+srv://HOST/DATABASE"]
    }

    pub async fn open(url: &str, missing: MissingStore) -> Result<OpenedStore, Error> {
        let options = MongoOptions { must_exist: missing == MissingStore::Refuse, ..MongoOptions::default() };
        let store = Mongo::open(url, options).await.map_err(|error| name_invalid_url(url, error))?;
        let id = Some(store.id().to_owned());
        Ok(OpenedStore { store: Arc::new(store), id })
    }

    pub async fn roles(url: &str, collections: &[&str], read_only: &[&str]) -> Result<Vec<Json>, Error> {
        let roles = roles::commands(url, collections, read_only).await.map_err(|error| name_invalid_url(url, error))?;
        let commands: Result<_, _> = roles.iter().map(serde_json::to_value).collect();
        commands.map_err(|error| Error::internal(error.to_string()))
    }
}

#[cfg(not(all(feature = "mongodb", not(target_family = "wasm"))))]
pub(super) mod mongodb {
    use runstate_engine::redact_url;

    use super::*;

    const WHY: &str = "this build of runstate has no store on MongoDB. Build one with `cargo install runstate-cli --features \
                       mongodb`, or with the feature `mongodb` of the crate `runstate` (not in WebAssembly)";

    pub fn url_forms() -> &'static [&'static str] {
        &[]
    }

    pub async fn open(url: &str, _missing: MissingStore) -> Result<OpenedStore, Error> {
        Err(absent(redact_url(url), WHY))
    }

    pub async fn roles<T>(url: &str, _collections: &[&str], _read_only: &[&str]) -> Result<T, Error> {
        Err(absent(redact_url(url), WHY))
    }
}

/// Stores on PostgreSQL.
#[cfg(all(feature = "postgres", not(target_family = "wasm")))]
pub(super) mod postgres {
    use std::sync::Arc;

    use runstate_engine::name_invalid_url;
    use runstate_store_postgres::{Postgres, PostgresOptions, roles};
    use runstate_value::Json;

    use super::*;

    pub fn url_forms() -> &'static [&'static str] {
        &["postgres://HOST/DATABASE"]
    }

    pub async fn open(url: &str, missing: MissingStore) -> Result<OpenedStore, Error> {
        let options = PostgresOptions { must_exist: missing == MissingStore::Refuse, ..PostgresOptions::default() };
        let store = Postgres::open(url, options).await.map_err(|error| name_invalid_url(url, error))?;
        let id = Some(store.id().to_owned());
        Ok(OpenedStore { store: Arc::new(store), id })
    }

    pub fn roles(url: &str, collections: &[&str], read_only: &[&str], views: &[&str]) -> Result<Vec<Json>, Error> {
        let statements =
            roles::statements(url, collections, read_only, views).map_err(|error| name_invalid_url(url, error))?;
        Ok(statements.into_iter().map(Json::String).collect())
    }
}

#[cfg(not(all(feature = "postgres", not(target_family = "wasm"))))]
pub(super) mod postgres {
    use runstate_engine::redact_url;

    use super::*;

    const WHY: &str = "this build of runstate has no store on PostgreSQL. Build one with `cargo install runstate-cli \
                       --features postgres`, or with the feature `postgres` of the crate `runstate` (not in WebAssembly)";

    pub fn url_forms() -> &'static [&'static str] {
        &[]
    }

    pub async fn open(url: &str, _missing: MissingStore) -> Result<OpenedStore, Error> {
        Err(absent(redact_url(url), WHY))
    }

    pub fn roles<T>(url: &str, _collections: &[&str], _read_only: &[&str], _views: &[&str]) -> Result<T, Error> {
        Err(absent(redact_url(url), WHY))
    }
}
